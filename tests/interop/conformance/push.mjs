/** Push subscriptions, events and chat alerts: wire reference E.5; PN-01…PN-16, CH-48. */
import assert from "node:assert/strict";
import { Browser, PushService, verified } from "../lib/push_service.mjs";
import { refusedWith } from "../lib/site.mjs";

export const settings = `[push]
subject = "mailto:conformance@example.org"
local_services = ["127.0.0.1"]
`;

export const covers = [
  "chat.markActive",
  "chat.markInactive",
  "pushnotifications.base64Encode",
  "pushnotifications.events.create",
  "pushnotifications.subscriptions.create",
  "pushnotifications.subscriptions.delete",
  "pushnotifications.subscriptions.list",
];

export async function run(site) {
  const service = await PushService.start();
  try {
    await pushes(site, service);
  } finally {
    await service.end();
  }
}

async function pushes(site, service) {
  const { check } = site;
  const [alice, bob] = await site.people("alice", "bobby");
  const { subscriptions } = bob.sdk.pushnotifications;
  const { events, base64Encode } = alice.sdk.pushnotifications;
  const browser = new Browser(service, "/bob?up=1");
  const shape = (id, channel, udid, platform) => ({
    subscription: { id, notification_channel: { name: channel }, device: { udid, platform: { name: platform } } },
  });
  const send = (payload, more) =>
    events.create({
      notification_type: "push",
      environment: "production",
      message: base64Encode(typeof payload === "string" ? payload : JSON.stringify(payload)),
      ...more,
    });

  let web;
  let phone;
  await check("a browser subscribes", async () => {
    const made = await subscriptions.create(browser.params("tab-1"));
    assert.equal(made.length, 1);
    web = made[0].subscription.id;
    assert.equal(typeof web, "number");
    assert.deepEqual(made, [shape(web, "web", "tab-1", "web")]);
  });
  await check("phones of every kind subscribe", async () => {
    for (const [channel, platform] of [["gcm", "android"], ["apns", "ios"], ["apns_voip", "ios"]]) {
      const made = await subscriptions.create({
        notification_channel: channel,
        device: { platform, udid: "phone-1" },
        push_token: { environment: "production", client_identification_sequence: `${channel}-token`, bundle_identifier: "org.example" },
      });
      phone ??= made[0].subscription.id;
      assert.deepEqual(made, [shape(made[0].subscription.id, channel, "phone-1", platform)]);
    }
  });
  await check("a token that changed takes the place of the old one", async () => {
    const again = await subscriptions.create({
      notification_channel: "gcm",
      device: { platform: "android", udid: "phone-1" },
      push_token: { environment: "production", client_identification_sequence: "another" },
    });
    assert.equal(again[0].subscription.id, phone);
  });
  await check("own subscriptions are listed", async () => {
    const list = await subscriptions.list();
    assert.deepEqual(list.map((one) => one.subscription.notification_channel.name), ["web", "gcm", "apns", "apns_voip"]);
    assert.deepEqual(await alice.sdk.pushnotifications.subscriptions.list(), []);
  });
  await check("a wrong subscription is refused by its field", async () => {
    const wrong = browser.params("tab-2");
    wrong.push_token.web_endpoint = "https://192.168.0.1/x";
    const error = await refusedWith(422, subscriptions.create(wrong));
    assert.match(JSON.stringify(error), /push_token\[web_endpoint\]/);
  });

  await check("an event comes as the vendor's service workers read it", async () => {
    const payload = { message: "Somebody is at the door", title: "Front door", photo: "p", friend_id: 51, ios_badge: 2, ios_sound: "lounge.wav" };
    const made = await send(payload, { user: { ids: [bob.id] } });
    const { event } = made[0];
    assert.equal(typeof event.id, "number");
    assert.equal(event.user_id, alice.id);
    assert.equal(event.application_id, site.ready.app_id);
    assert.equal(event.environment, "production");
    assert.equal(event.event_type, "one_shot");
    assert.equal(event.kind, "API");
    assert.equal(event.message, base64Encode(JSON.stringify(payload)));
    assert.deepEqual([event.active, event.occured_count, event.date, event.end_date], [true, 0, null, null]);

    const push = await browser.next();
    assert.deepEqual(push.says, {
      data: { message: "Somebody is at the door", title: "Front door", photo: "p", friend_id: 51 },
    });
    assert.equal(push.headers["content-encoding"], "aes128gcm");
    lives(push, 86_400);
  });
  await check("the token names the service, the site and its key", async () => {
    await send("again", { user: { ids: `${bob.id}` } });
    const { headers, says } = await browser.next();
    assert.deepEqual(says, { data: { message: "again" } });
    const { key, header, claims } = verified(headers);
    assert.deepEqual(header, { typ: "JWT", alg: "ES256" });
    assert.equal(claims.aud, service.origin);
    assert.equal(claims.sub, "mailto:conformance@example.org");
    const left = claims.exp - Date.now() / 1000;
    assert.ok(left > 3600 && left < 86_400, `${left} s`);
    const told = await fetch(`${bob.api}/cubelet/push`, { headers: { "CB-Token": bob.session.token } });
    assert.deepEqual(await told.json(), { vapid_public_key: key });
  });
  await check("a call is urgent and ends with its ringing", async () => {
    const call = {
      message: "Incoming call from Alice",
      ios_voip: 1,
      handle: "Alice",
      initiatorId: alice.id,
      opponentsIds: `${bob.id}`,
      uuid: "2b6f0cc9-04d1-4a6d-8a8c-000000000001",
      callType: "video",
    };
    await send(call, { user: { ids: [bob.id] } });
    const push = await browser.next();
    const { ios_voip, ...rest } = call;
    assert.deepEqual(push.says, { data: rest });
    assert.equal(push.headers.urgency, "high");
    lives(push, 60);
  });
  await check("receivers are chosen by tag and by another system's number", async () => {
    await bob.sdk.users.update({ user_tags: "nurse,night", external_id: "E-7" });
    for (const [selector, text] of [
      [{ user: { tags: { any: "doctor,nurse" } } }, "any"],
      [{ user: { tags: { all: "night,nurse" } } }, "all"],
      [{ user: { tags: { exclude: "doctor" } } }, "exclude"],
      [{ external_user: { ids: "E-6,E-7" } }, "external"],
    ]) {
      await send(text, selector);
      assert.deepEqual((await browser.next()).says, { data: { message: text } }, text);
    }
  });
  await check("none or two ways of choosing, and a channel the hub has not got, are refused", async () => {
    await refusedWith(422, send("m", {}));
    await refusedWith(422, send("m", { user: { ids: [bob.id] }, external_user: { ids: "E-7" } }));
    await refusedWith(422, send("m", { user: { ids: [bob.id] }, push_type: "apns" }));
    await refusedWith(422, send("m", { user: { ids: [alice.id] } }));
  });

  await check("a chat message tells whoever is away, and silent ones do not", async () => {
    await alice.connect();
    await alice.say(bob.id, "quiet", { silent: 1 });
    const id = await alice.say(bob.id, "are you there?");
    await alice.settled();
    const { says } = await browser.next();
    assert.equal(says.data.message, "are you there?");
    assert.equal(says.data.title, "Alice of the House");
    assert.equal(says.data.message_id, id);
    assert.equal(says.data.user_id, alice.id);
    const { items } = await bob.sdk.chat.dialog.list();
    assert.equal(says.data.dialog_id, items[0]._id);
  });
  await check("who looks is told by the chat alone, who looks away by both", async () => {
    await bob.connect();
    await bob.settled();
    await alice.say(bob.id, "you look");
    await alice.settled();
    await bob.chat.markInactive();
    await bob.settled();
    const id = await alice.say(bob.id, "you look away");
    assert.equal((await browser.next()).says.data.message, "you look away");
    await bob.hears(id);
    await bob.chat.markActive();
    await bob.settled();
    await alice.say(bob.id, "you look again");
    await alice.settled();
    await send("last", { user: { ids: [bob.id] } });
    assert.equal((await browser.next()).says.data.message, "last");
  });
  await check("a subscription that its service forgot is gone", async () => {
    service.answer(410);
    await send("too late", { user: { ids: [bob.id] } });
    await browser.next();
    // Noted when its answer is: a second event finds no one.
    await refusedWith(422, eventually(() => send("nobody", { user: { ids: [bob.id] } })));
    assert.ok(!(await subscriptions.list()).some((one) => one.subscription.id === web));
  });
  await check("a subscription is deleted, by its owner only", async () => {
    await refusedWith(404, alice.sdk.pushnotifications.subscriptions.delete(phone));
    await subscriptions.delete(phone);
    const left = await subscriptions.list();
    assert.deepEqual(left.map((one) => one.subscription.notification_channel.name), ["apns", "apns_voip"]);
  });
}

/** It is worth so many seconds, of which some may be over. */
function lives(push, seconds) {
  const ttl = Number(push.headers.ttl);
  assert.ok(ttl <= seconds && ttl > seconds - 10, `${push.headers.ttl} s of ${seconds} s`);
}

/** Repeats until it is refused: each time the hub has had one round trip more. */
async function eventually(attempt, times = 100) {
  for (let n = 0; n < times; n++) await attempt();
}
