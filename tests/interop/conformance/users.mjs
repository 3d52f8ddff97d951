/** Users: wire reference E.2; US-01 to US-21. */
import assert from "node:assert/strict";
import { isRecent, refused, refusedWith, sameSet } from "../lib/site.mjs";

export const covers = [
  "users.delete",
  "users.get",
  "users.getOnlineCount",
  "users.getV2",
  "users.listOnline",
  "users.resetPassword",
  "users.signup",
  "users.update",
];

const FIELDS = [
  "id",
  "full_name",
  "email",
  "login",
  "phone",
  "website",
  "created_at",
  "updated_at",
  "last_request_at",
  "external_id",
  "facebook_id",
  "twitter_id",
  "custom_data",
  "avatar",
  "user_tags",
  "timezone",
];

export async function run(site) {
  const { check } = site;
  const [alice, bob, carol] = await site.people("alice", "bobby", "carol");
  await signingUp(site, alice);
  await finding(check, alice, bob, carol);
  await changing(check, alice, bob);
  await check("who is online is listed and counted", async () => {
    await Promise.all([alice.connect(), bob.connect()]);
    await Promise.all([alice.settled(), bob.settled()]);
    const { users } = await carol.sdk.users.listOnline({ limit: 10 });
    sameSet(users.map((user) => user.id), [alice.id, bob.id]);
    assert.deepEqual(await carol.sdk.users.getOnlineCount(), { count: 2 });
    await bob.disconnect();
    assert.deepEqual(await carol.sdk.users.getOnlineCount(), { count: 1 });
  });
  await check("a user deletes themselves and is gone", async () => {
    await carol.sdk.users.delete();
    const { items } = await alice.sdk.users.getV2({ id: carol.id });
    assert.deepEqual(items, []);
    await refusedWith(404, site.sdk.createSession({ login: "carol", password: carol.user.password }));
  });
}

async function signingUp(site, alice) {
  const { check } = site;
  await check("signing up answers the whole user, without the password", async () => {
    const person = {
      login: "frank.the.tall",
      password: "frank-password",
      email: "frank@house.example",
      full_name: "Frank Ü. <Tall>",
      phone: "+431234",
      website: "https://frank.example",
      custom_data: '{"floor":3}',
      external_id: "asset-17",
      tag_list: ["porter", "night"],
      timezone: 60,
    };
    const sdk = site.device({ login: "frank" }).sdk;
    const { user } = await sdk.users.signup(person);
    for (const field of FIELDS) assert.ok(field in user, field);
    const { password, tag_list, ...plain } = person;
    for (const [name, value] of Object.entries(plain)) assert.deepEqual(user[name], value, name);
    assert.equal(typeof user.id, "number");
    assert.equal(user.user_tags, "porter,night");
    assert.equal(user.password, undefined);
    isRecent(user.created_at);
  });
  await check("a login or an address is taken only once", async () => {
    const { sdk } = site;
    await sdk.createSession();
    const byLogin = await refusedWith(422, sdk.users.signup({ login: "alice", password: "another-one" }));
    assert.deepEqual(byLogin.info, { errors: { login: ["has already been taken"] } });
    const twin = { login: "twin-of-frank", email: "frank@house.example", password: "another-one" };
    const byEmail = await refusedWith(422, sdk.users.signup(twin));
    assert.deepEqual(byEmail.info, { errors: { email: ["has already been taken"] } });
  });
  await check("signing up needs a password, and a login or an address", async () => {
    const { sdk } = site;
    const noPassword = await refusedWith(422, sdk.users.signup({ login: "grace-of-h" }));
    assert.ok(noPassword.info.errors.password, JSON.stringify(noPassword.info));
    await refusedWith(422, sdk.users.signup({ password: "grace-password" }));
  });
  await check("signing up with a wrong key is refused", async () => {
    const sdk = site.device({ login: "henry" }).sdk;
    const error = await sdk.users.signup({ login: "henry-h", password: "henry-password" }, "wrong").then(
      () => assert.fail("signed up"),
      (reason) => reason,
    );
    assert.ok([401, 403].includes(error.code), `code ${error.code}`);
  });
}

async function finding(check, alice, bob, carol) {
  const ids = (answer) => answer.items.map((user) => user.id);
  const { users } = alice.sdk;
  await check("users/v2 finds by number, login, name, address, phone and external number", async () => {
    for (const [field, value] of [
      ["login", "frank.the.tall"],
      ["full_name", "Frank Ü. <Tall>"],
      ["email", "frank@house.example"],
      ["phone", "+431234"],
      ["external_id", "asset-17"],
    ]) {
      const { items } = await users.getV2({ [field]: value });
      assert.deepEqual(items.map((user) => user.login), ["frank.the.tall"], field);
    }
    assert.deepEqual(ids(await users.getV2({ id: bob.id })), [bob.id]);
  });
  await check("users/v2 finds by a list, with its page and total", async () => {
    const answer = await users.getV2({ id: { in: [alice.id, bob.id, carol.id] }, sort_asc: "id", limit: 2, offset: 1 });
    assert.deepEqual(ids(answer), [bob.id, carol.id]);
    assert.equal(answer.total_entries, 3);
    assert.equal(answer.limit, 2);
    assert.equal(answer.skip, 1);
    const down = await users.getV2({ id: { in: [alice.id, bob.id] }, sort_desc: "id" });
    assert.deepEqual(ids(down), [bob.id, alice.id]);
  });
  await check("users/v2 leaves out with nin beside another filter", async () => {
    const answer = await users.getV2({ id: { in: [alice.id, bob.id, carol.id], nin: [carol.id] } });
    sameSet(ids(answer), [alice.id, bob.id]);
  });
  await check("users/v2 compares dates beside another filter", async () => {
    const wanted = { id: { in: [alice.id, bob.id] } };
    const later = await users.getV2({ ...wanted, created_at: { gt: "2090-01-01T00:00:00Z" } });
    assert.deepEqual(ids(later), []);
    const earlier = await users.getV2({ ...wanted, created_at: { lt: "2090-01-01T00:00:00Z" } });
    sameSet(ids(earlier), [alice.id, bob.id]);
  });
  await check("users/v2 finds by the start of a name, at most five users", async () => {
    const answer = await users.getV2({ full_name: { start_with: "Caro" } });
    assert.deepEqual(ids(answer), [carol.id]);
    assert.equal(answer.limit, 5);
    // The cloud wants four characters at least; a hub takes fewer (docs/design/hub.md).
    assert.deepEqual(ids(await users.getV2({ full_name: { start_with: "Car" } })), [carol.id]);
  });
  await check("users/v2 finds by tags", async () => {
    const { items } = await users.getV2({ user_tags: { in: ["porter"] } });
    assert.deepEqual(items.map((user) => user.login), ["frank.the.tall"]);
  });
  await check("users/v2 needs a field that finds somebody", async () => {
    // Without any condition it is the site's directory (docs/design/hub.md).
    await refusedWith(422, users.getV2({ shoe_size: 47 }));
  });
  await check("both encodings of lists say the same", async () => {
    for (const query of [
      `id[in][]=${alice.id}&id[in][]=${bob.id}`,
      `id[in]=${alice.id}%2C${bob.id}`,
      `id%5Bin%5D%5B%5D=${alice.id}&id%5Bin%5D%5B%5D=${bob.id}`,
    ]) {
      const url = `${alice.api}/users/v2.json?${query}`;
      const response = await fetch(url, { headers: { "CB-Token": alice.session.token } });
      sameSet(ids(await response.json()), [alice.id, bob.id]);
    }
  });
  await check("the deprecated calls find one user, or say 404", async () => {
    assert.equal((await users.get(bob.id)).user.id, bob.id);
    assert.equal((await users.get({ login: "bobby" })).user.id, bob.id);
    assert.equal((await users.get({ email: "frank@house.example" })).user.login, "frank.the.tall");
    assert.equal((await users.get({ external: "asset-17" })).user.login, "frank.the.tall");
    await refusedWith(404, users.get({ login: "stranger" }));
    const named = await users.get({ full_name: "Carol of the House" });
    assert.deepEqual(named.items.map(({ user }) => user.id), [carol.id]);
    assert.equal(named.current_page, 1);
    assert.equal(named.total_entries, 1);
    const tagged = await users.get({ tags: "porter" });
    assert.deepEqual(tagged.items.map(({ user }) => user.login), ["frank.the.tall"]);
  });
}

async function changing(check, alice, bob) {
  await check("a user changes their own fields and keeps the others", async () => {
    const { user } = await bob.sdk.users.update({ full_name: "Bob the Second", avatar: "uid-1", custom_data: "x" });
    assert.equal(user.full_name, "Bob the Second");
    assert.equal(user.login, "bobby");
    const { items } = await alice.sdk.users.getV2({ id: bob.id });
    assert.equal(items[0].avatar, "uid-1");
    assert.equal(items[0].custom_data, "x");
  });
  await check("nobody changes or deletes somebody else", async () => {
    for (const method of ["PUT", "DELETE"]) {
      const response = await fetch(`${alice.api}/users/${bob.id}.json`, {
        method,
        headers: { "CB-Token": alice.session.token, "Content-Type": "application/json" },
        body: method === "PUT" ? JSON.stringify({ user: { full_name: "Mallory" } }) : undefined,
      });
      assert.equal(response.status, 403, method);
      assert.ok((await response.json()).errors);
    }
    const { items } = await alice.sdk.users.getV2({ id: bob.id });
    assert.equal(items[0].full_name, "Bob the Second");
  });
  await check("a new password needs the old one and replaces it", async () => {
    const { users } = bob.sdk;
    for (const old_password of [undefined, "wrong-password"]) {
      const error = await refused(users.update({ password: "new-password", old_password }));
      assert.ok([401, 403, 422].includes(error.code), `code ${error.code}`);
    }
    await users.update({ password: "new-password", old_password: bob.user.password });
    await refusedWith(401, bob.sdk.createSession({ login: "bobby", password: bob.user.password }));
    bob.user.password = "new-password";
    assert.equal((await bob.login()).user_id, bob.id);
  });
  await check("a password reset that no mail can follow is not called done", async () => {
    for (const address of ["", "alice@house.example"]) {
      const error = await refused(alice.sdk.users.resetPassword(address));
      assert.ok([422, 501, 503].includes(error.code), `code ${error.code}`);
      assert.ok(error.info.errors);
    }
  });
}
