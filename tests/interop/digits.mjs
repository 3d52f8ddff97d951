/**
 * Telephone keys in a call with the official SDK in a browser, both ways: what Chromium's
 * RTCDTMFSender presses opens a door and is told, what the device presses is heard as the tones of
 * those keys, and nobody else's key or code opens anything.
 */
import assert from "node:assert/strict";
import { Caller } from "./lib/caller.mjs";
import { Control, startBroker } from "./lib/broker.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { check, keep, script } from "./lib/script.mjs";
import { inCall } from "./lib/in_call.mjs";

const CODE = "2468";

await script(run);

async function run() {
  const hub = await keep(startHub());
  const broker = await keep(startBroker());
  const tag = Date.now().toString(36);
  const [anna, ben, door, desk] = await signUp(hub.ready, [
    { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
    { login: `ben-${tag}`, password: "ben-password", full_name: "Ben Okafor" },
    { login: `door-${tag}`, password: "door-password", full_name: "Front door" },
    { login: `desk-${tag}`, password: "desk-password", full_name: "Desk" },
  ]);
  const station = async (user, name, code) => {
    const control = await keep(Control.connect(broker.port, name));
    // Silence, in which a tone is heard for itself.
    const settings = { ready: hub.ready, user, brokerPort: broker.port, name, ring: [anna.login], allowed: [anna.login], code };
    await keep(startDevice(settings));
    return { control, id: user.id };
  };
  const guarded = await station(door, "front-door", CODE);
  const open = await station(desk, "desk", undefined);
  const a = await keep(Caller.start(hub.ready, anna));
  const b = await keep(Caller.start(hub.ready, ben, {}, a));
  await offers(open, a);
  await opens(guarded, a);
  await wrong(guarded, a);
  await stranger(guarded, b);
  await told(open, a);
  await heard(open, a);
  await check("no page reported an error", () => {
    const errors = [a, b].flatMap((caller) => caller.log.filter((line) => line.startsWith("page error")));
    assert.deepEqual(errors, []);
  });
}

async function offers(device, phone) {
  await check("telephone keys are agreed at the clock rate of the sound, whoever calls", async () => {
    await inCall(device, phone, async () => agreed(await descriptions(phone, device.id)));
    await device.control.command("call", { user: phone.id });
    await phone.rings();
    await phone.accept();
    await phone.receives(device.id);
    agreed(await descriptions(phone, device.id));
    await phone.hangUp();
    await device.control.hear("event/call/ended");
    await device.control.state("call", (call) => call.status === "idle");
  });
}

function agreed({ local, remote }) {
  assert.match(local, /a=rtpmap:\d+ telephone-event\/48000/);
  assert.match(remote, /a=rtpmap:\d+ telephone-event\/48000/);
  assert.doesNotMatch(remote, /telephone-event\/8000/);
}

async function opens(device, phone) {
  await check("Chromium's RTCDTMFSender opens the door with the code, and no event tells its digits", async () => {
    await inCall(device, phone, async () => {
      await press(phone, device.id, `${CODE}#`);
      const unlocked = await device.control.hear("event/door/unlocked");
      assert.deepEqual({ by: unlocked.by, how: unlocked.how }, { by: String(phone.id), how: "code" });
      for (let n = 0; n < CODE.length + 1; n += 1) {
        const key = await device.control.hear("event/call/digit");
        assert.deepEqual([key.peer, key.digit], [phone.id, undefined]);
      }
      const { attempts } = await device.control.command("door_log");
      assert.deepEqual(attempts.map(({ how, opened }) => [how, opened]), [["code", true]]);
    });
  });
}

async function wrong(device, phone) {
  await check("after five wrong codes the right one is not heard, in the next call it is", async () => {
    await inCall(device, phone, async () => {
      await press(phone, device.id, `1111222233334444${"5555"}${CODE}`);
      for (let n = 0; n < 5; n += 1) {
        const refused = await device.control.hear("event/door/refused");
        assert.equal(refused.how, "code");
      }
      for (let n = 0; n < 6 * CODE.length; n += 1) await device.control.hear("event/call/digit");
      const { attempts } = await device.control.command("door_log", { limit: 5 });
      assert.deepEqual(attempts.map(({ opened }) => opened), Array(5).fill(false));
    });
    await inCall(device, phone, async () => {
      await press(phone, device.id, CODE);
      await device.control.hear("event/door/unlocked");
      for (const _ of CODE) await device.control.hear("event/call/digit");
    });
  });
}

async function stranger(device, phone) {
  await check("the code of somebody who is not on the door's list opens nothing", async () => {
    await inCall(device, phone, async () => {
      await press(phone, device.id, CODE);
      const refused = await device.control.hear("event/door/refused");
      assert.deepEqual({ by: refused.by, how: refused.how }, { by: String(phone.id), how: "code" });
      const { attempts } = await device.control.command("door_log", { limit: 1 });
      assert.equal(attempts[0].opened, false);
    });
  });
}

async function told(device, phone) {
  await check("without a code each key is told once, also one held for seconds, and the sound goes on", async () => {
    await inCall(device, phone, async () => {
      await press(phone, device.id, "159D*#00");
      // More than the duration of one event can say.
      await press(phone, device.id, "7", 4_000);
      await press(phone, device.id, "8");
      const keys = [];
      for (let n = 0; n < 10; n += 1) keys.push((await device.control.hear("event/call/digit", () => true, 30_000)).digit);
      assert.equal(keys.join(""), "159D*#0078");
      const live = await device.control.state("call", (call) => call.media?.received?.packets > 0);
      assert.equal(live.media.received.loss_percent, 0);
    });
  });
}

async function heard(device, phone) {
  await check("the keys the device presses are the tones of those keys in Chromium", async () => {
    await inCall(device, phone, async () => {
      await phone.page.evaluate(listen, device.id);
      await phone.page.waitForFunction(() => window.hears);
      for (const key of "159D0") await isRecognised(device, phone, key);
      assert.equal((await phone.page.evaluate(() => window.keys)).join(""), "159D0");
    });
  });
}

/** The page looks at the sound now and then; on a busy machine it may look away from a whole key. */
async function isRecognised(device, phone, key) {
  for (let tries = 0; tries < 10; tries += 1) {
    await device.control.command("digits", { digits: key });
    const heard = phone.page.waitForFunction((wanted) => window.keys.at(-1) === wanted, key, { timeout: 2_000 });
    if (await heard.then(() => true, () => false)) return;
  }
  assert.fail(`${key} is not heard`);
}

/** Both descriptions of the page's connection with a user. */
function descriptions(phone, user) {
  return phone.page.evaluate((id) => {
    const { original } = window.call.peerConnections[id];
    return { local: original.localDescription.sdp, remote: original.remoteDescription.sdp };
  }, user);
}

/** Presses keys and waits until the last one is let go. */
function press(phone, user, digits, held = 100) {
  return phone.page.evaluate(pressKeys, { user, digits, held });
}

// The functions below run inside the page.

function pressKeys({ user, digits, held }) {
  const senders = window.call.peerConnections[user].original.getSenders();
  const { dtmf } = senders.find(({ track }) => track?.kind === "audio");
  return new Promise((resolve) => {
    dtmf.ontonechange = ({ tone }) => tone === "" && resolve();
    dtmf.insertDTMF(digits, held, 70);
  });
}

/** Listens for pairs of tones in what is received; the device's own sound ticks, which is none. */
async function listen(user) {
  const LOW = [697, 770, 852, 941];
  const HIGH = [1209, 1336, 1477, 1633];
  const KEYS = ["123A", "456B", "789C", "*0#D"];
  const { track } = window.call.peerConnections[user].original.getReceivers().find((one) => one.track.kind === "audio");
  const stream = new MediaStream([track]);
  // Chromium decodes what somebody plays.
  await Object.assign(new Audio(), { muted: true, srcObject: stream }).play();
  const context = new AudioContext({ sampleRate: 48_000 });
  await context.resume();
  const analyser = new AnalyserNode(context, { fftSize: 2_048, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const level = (hertz) => bins[Math.round((hertz * analyser.fftSize) / context.sampleRate)];
  const loudest = (tones) => tones.map(level).reduce((best, one, at, all) => (one > all[best] ? at : best), 0);
  window.keys = [];
  let [last, times] = [undefined, 0];
  setInterval(() => {
    analyser.getFloatFrequencyData(bins);
    window.hears ||= Math.max(...bins) > -60;
    const [low, high] = [loudest(LOW), loudest(HIGH)];
    const isTone = level(LOW[low]) > -45 && level(HIGH[high]) > -45;
    const key = isTone ? KEYS[low][high] : undefined;
    times = key === last ? times + 1 : 1;
    last = key;
    // Held for longer than a click; no key of the test follows itself.
    if (key && times >= 3 && key !== window.keys.at(-1)) window.keys.push(key);
  }, 10);
}
