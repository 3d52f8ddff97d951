/** Sessions: wire reference E.1 and E.2; AU-01 to AU-14, AU-21 to AU-24. */
import assert from "node:assert/strict";
import { phoneUrl } from "../lib/hub.mjs";
import { isRecent, refused, refusedWith } from "../lib/site.mjs";

export const covers = [
  "init",
  "auth.createSession",
  "auth.destroySession",
  "auth.getSession",
  "auth.login",
  "auth.logout",
  "auth.setSession",
];

const GONE = { errors: { base: ["Required session does not exist"] } };

export async function run(site) {
  const { check, ready } = site;
  const [alice, bob] = await site.people("alice", "bobby");
  const nobody = site.device({ login: "nobody", password: "nobody-password" });

  await check("the web phone's configuration names the application", async () => {
    const config = await (await fetch(new URL("config.json", phoneUrl(ready)))).json();
    const { app_id, auth_key, chat } = config;
    assert.deepEqual({ app_id, auth_key, chat }, { app_id: ready.app_id, auth_key: ready.auth_key, chat: ready.chat });
  });
  await check("a session of the application alone has no user", async () => {
    const session = await nobody.sdk.createSession();
    assert.equal(typeof session.token, "string");
    assert.ok(session.token.length >= 16);
    assert.equal(session.application_id, ready.app_id);
    assert.ok(!session.user_id, `user_id ${session.user_id}`);
    assert.ok(!session.user);
    isRecent(session.created_at);
    isRecent(session.updated_at);
  });
  await check("POST /session answers 201 and names its user", async () => {
    const session = await alice.login();
    assert.equal(session.user_id, alice.id);
    assert.equal(session.application_id, ready.app_id);
    assert.equal(typeof session.id, "number");
    assert.equal(typeof session.ts, "number");
    assert.equal(session.user.id, alice.id);
    assert.equal(session.user.login, "alice");
    assert.equal(session.user.password, undefined);
    const response = await post(ready, "session", credentials(ready, alice));
    assert.equal(response.status, 201);
  });
  await check("a user with an e-mail address logs in by it", async () => {
    await alice.sdk.users.update({ email: "alice@house.example" });
    const session = await nobody.sdk.createSession({
      email: "alice@house.example",
      password: alice.user.password,
    });
    assert.equal(session.user_id, alice.id);
  });
  await check("the session can be read back", async () => {
    const session = await alice.sdk.getSession();
    assert.equal(session.token, alice.session.token);
    assert.equal(session.user_id, alice.id);
  });
  await check("a wrong password is 401, an unknown login or address 404", async () => {
    await refusedWith(401, nobody.sdk.createSession({ login: "alice", password: "wrong-password" }));
    await refusedWith(404, nobody.sdk.createSession({ login: "stranger", password: "whatever-it-is" }));
    await refusedWith(404, nobody.sdk.createSession({ email: "no@house.example", password: "whatever-it-is" }));
  });
  await check("a wrong application or key makes no session", async () => {
    for (const wrong of [{ auth_key: "wrong" }, { application_id: ready.app_id + 1 }]) {
      const response = await post(ready, "session", { ...credentials(ready, alice), ...wrong });
      assert.ok([401, 403, 404, 422].includes(response.status), `${response.status}`);
      assert.ok((await response.json()).errors);
    }
  });
  await check("the path without .json is the same", async () => {
    const response = await fetch(`${ready.api}/session`, { headers: { "CB-Token": alice.session.token } });
    assert.equal((await response.json()).session.user_id, alice.id);
  });
  await check("a session of the application is upgraded by login and taken back by logout", async () => {
    await nobody.sdk.createSession();
    const user = await nobody.sdk.login({ login: "bobby", password: bob.user.password });
    assert.equal(user.id, bob.id);
    assert.equal((await nobody.sdk.getSession()).user_id, bob.id);
    await nobody.sdk.logout();
    const after = await nobody.sdk.getSession();
    assert.ok(!after.user_id, `user_id ${after.user_id}`);
  });
  await check("login refuses a wrong password", async () => {
    await refusedWith(401, nobody.sdk.auth.login({ login: "bobby", password: "wrong-password" }));
  });
  await check("a destroyed session is refused in the words the SDK renews on", async () => {
    await bob.sdk.destroySession();
    bob.sdk.setSession({ token: bob.session.token });
    const error = await refusedWith(401, bob.sdk.users.getV2({ id: bob.id }));
    assert.deepEqual(error.info, GONE);
    assert.deepEqual((await refusedWith(401, bob.sdk.getSession())).info, GONE);
  });
  await check("no token at all is refused in the same words", async () => {
    const response = await fetch(`${ready.api}/chat/Dialog.json`);
    assert.equal(response.status, 401);
    assert.deepEqual(await response.json(), GONE);
  });
  await check("an expired session is renewed by sessionExpired and the call made again", async () => {
    let asked = 0;
    const renew = async (_giveUp, retry) => {
      asked += 1;
      retry(await bob.sdk.createSession({ login: "bobby", password: bob.user.password }));
    };
    const { sdk } = bob;
    sdk.init({ appId: ready.app_id, authKey: ready.auth_key }, { ...options(ready), on: { sessionExpired: renew } });
    sdk.setSession({ token: "0123456789abcdef0123456789abcdef", user_id: bob.id });
    const { items } = await sdk.users.getV2({ id: bob.id });
    assert.deepEqual(items.map((user) => user.id), [bob.id]);
    assert.equal(asked, 1);
    sdk.init({ appId: ready.app_id, authKey: ready.auth_key }, { ...options(ready), on: { sessionExpired: undefined } });
  });
  await guests(site);
  await check("a preflight allows the SDK's headers and verbs", async () => {
    const response = await fetch(`${ready.api}/chat/Dialog.json`, {
      method: "OPTIONS",
      headers: {
        Origin: "https://app.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type,cb-sdk,cb-token",
      },
    });
    assert.ok(response.ok, `${response.status}`);
    const list = (name) => response.headers.get(name).toLowerCase().split(/, */);
    for (const name of ["content-type", "cb-sdk", "cb-token", "cb-authkey"]) {
      assert.ok(list("access-control-allow-headers").includes(name), name);
    }
    for (const verb of ["get", "post", "put", "delete", "patch"]) {
      assert.ok(list("access-control-allow-methods").includes(verb), verb);
    }
  });
}

async function guests(site) {
  const { check } = site;
  await check("a guest gets a user, and chats with the token as password", async () => {
    const visitor = site.device({ login: "visitor" });
    const session = await visitor.sdk.createSession({ guest: "1", full_name: "Visitor" });
    assert.equal(session.user.full_name, "Visitor");
    assert.equal(session.user.is_guest, true);
    assert.match(session.user.login, /^guest_/);
    visitor.id = session.user_id;
    await visitor.connect(session.token);
    assert.equal(visitor.chat.currentUserId, session.user_id);
  });
  await check("the token of another user is no password", async () => {
    const [dave, erin] = await site.people("davey", "erina");
    assert.equal(await refused(dave.connect(erin.session.token)), "not-authorized");
  });
}

function options(ready) {
  return { endpoints: { api_url: ready.api, chat: ready.chat, chat_url: ready.chat_url } };
}

function credentials(ready, member) {
  const { login, password } = member.user;
  return { application_id: ready.app_id, auth_key: ready.auth_key, user: { login, password } };
}

async function post(ready, path, body) {
  return await fetch(`${ready.api}/${path}.json`, {
    method: "POST",
    headers: { "Content-Type": "application/json;charset=utf-8" },
    body: JSON.stringify(body),
  });
}
