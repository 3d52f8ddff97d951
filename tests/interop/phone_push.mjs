/**
 * The web phone of somebody who does not look: it subscribes, its service worker shows what the hub
 * pushed, and signing out ends it. Chromium's own push service is on the internet, so where the
 * browser subscribes is stood in for; what it is told and what the worker makes of it are real.
 */
import assert from "node:assert/strict";
import { launch } from "./lib/chromium.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { Member } from "./lib/member.mjs";
import { Phone, until } from "./lib/phone.mjs";
import { Browser, PushService } from "./lib/push_service.mjs";
import { check, keep, script } from "./lib/script.mjs";

const LIMIT_MS = 10_000;

await script(run);

async function run() {
  const service = await keep(PushService.start());
  const hub = await keep(startHub('phone_config = true\n[push]\nlocal_services = ["127.0.0.1"]\n'));
  const { ready } = hub;
  const [anna, ben] = await signUp(ready, [
    { login: "anna", password: "anna-password", full_name: "Anna Weber" },
    { login: "ben", password: "ben-password", full_name: "Ben Okafor" },
  ]);
  const chromium = await keep(launch({ permissions: ["notifications"] }));
  const keys = new Browser(service, "/anna");
  await chromium.context.addInitScript(standIn, keys.params("-").push_token);
  const phone = await Phone.open(chromium, ready);
  const own = new Member(ready, anna);
  await own.login();
  const { subscriptions } = own.sdk.pushnotifications;
  const writer = new Member(ready, ben);
  await writer.login();
  await writer.connect();

  await check("whoever stays signed in is subscribed with the hub's key", async () => {
    await phone.signIn(anna, { remember: true });
    const [{ subscription }] = await until(() => subscriptions.list(), (list) => list.length === 1, LIMIT_MS, "a subscription");
    assert.equal(subscription.notification_channel.name, "web");
    assert.equal(subscription.device.platform.name, "web");
    const told = await fetch(`${ready.api}/cubelet/push`, { headers: { "CB-Token": own.session.token } });
    const key = await phone.page.evaluate(() => window.__subscribedWith);
    assert.equal(key, (await told.json()).vapid_public_key);
  });

  let push;
  await check("a message to a page nobody looks at is pushed", async () => {
    await phone.page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    // Nothing orders what the page tells the hub and what Ben writes, so he writes until it is heard.
    const pushed = keys.next();
    let isHeard = false;
    pushed.finally(() => (isHeard = true)).catch(() => undefined);
    while (!isHeard) {
      await writer.say(anna.id, "Parcel for you");
      await writer.settled();
    }
    push = await pushed;
    assert.equal(push.says.data.message, "Parcel for you");
    assert.equal(push.says.data.title, "Ben Okafor");
  });

  await check("the worker shows it", async () => {
    const { origin, registrationId, session } = await registration(phone.page, ready);
    const shown = async (data) => {
      const { message } = JSON.parse(data).data;
      const of = (all) => all.find((one) => one.body === message);
      // Chromium's tool now and then loses what it is given first; given again it replaces itself.
      const handed = async () => {
        await session.send("ServiceWorker.deliverPushMessage", { origin, registrationId, data });
        return notifications(phone.page);
      };
      return of(await until(handed, of, LIMIT_MS, `the notification ${message}`));
    };
    const chat = await shown(JSON.stringify(push.says));
    assert.deepEqual(chat, { title: "Ben Okafor", body: "Parcel for you", tag: `chat-${push.says.data.dialog_id}`, stays: false });
    const call = { title: "Front door", message: "Somebody rings at Front door.", signal_type: "startCall", uuid: "u1" };
    const ring = await shown(JSON.stringify({ data: call }));
    assert.deepEqual(ring, { title: "Front door", body: call.message, tag: "call-u1", stays: true });
  });

  await check("signing out ends the subscription", async () => {
    await phone.button("Sign out").click();
    await phone.page.getByLabel("Login").waitFor();
    assert.deepEqual(await subscriptions.list(), []);
  });
  await check("no page reported an error", () => {
    assert.deepEqual(phone.log.filter((line) => line.startsWith("page error")), []);
  });
  await writer.disconnect();
}

/** In the page: what the browser's push service would answer. */
function standIn(token) {
  let current = null;
  const made = {
    toJSON: () => ({ endpoint: token.web_endpoint, keys: { auth: token.web_auth, p256dh: token.web_p256dh } }),
    unsubscribe: async () => {
      current = null;
      return true;
    },
  };
  PushManager.prototype.subscribe = async (options) => {
    window.__subscribedWith = options.applicationServerKey;
    current = made;
    return made;
  };
  PushManager.prototype.getSubscription = async () => current;
}

/** The phone's service worker as the browser's tools know it, once it works: before, what is handed to it is lost. */
async function registration(page, ready) {
  const session = await page.context().newCDPSession(page);
  const found = new Promise((resolve) => {
    session.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
      const own = versions.find((one) => one.scriptURL.endsWith("/phone/worker.js") && one.status === "activated");
      if (own) resolve(own.registrationId);
    });
  });
  await session.send("ServiceWorker.enable");
  const registrationId = await found;
  await page.evaluate(async () => {
    const { active } = await navigator.serviceWorker.ready;
    const isDone = () => active.state === "activated";
    if (!isDone()) await new Promise((resolve) => active.addEventListener("statechange", () => isDone() && resolve()));
  });
  return { session, origin: new URL(ready.api).origin, registrationId };
}

async function notifications(page) {
  return page.evaluate(async () => {
    const worker = await navigator.serviceWorker.ready;
    const shown = await worker.getNotifications();
    return shown.map(({ title, body, tag, requireInteraction }) => ({ title, body, tag, stays: requireInteraction }));
  });
}
