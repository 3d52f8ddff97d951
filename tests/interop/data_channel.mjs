/**
 * Orders over a data channel of a call with the official SDK in a browser: opened by the page or
 * offered by the device, obeyed for who is on the door's list, refused for others, and without one
 * the vendor's SDP stays as it is.
 */
import assert from "node:assert/strict";
import { Caller } from "./lib/caller.mjs";
import { Control, startBroker } from "./lib/broker.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { check, keep, script } from "./lib/script.mjs";
import { inCall } from "./lib/in_call.mjs";

const LABEL = "cubelet.control";

const callers = [];
await script(run);

async function run() {
  const hub = await keep(startHub());
  const broker = await keep(startBroker());
  const tag = Date.now().toString(36);
  const [anna, ben, door, gate] = await signUp(hub.ready, [
    { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
    { login: `ben-${tag}`, password: "ben-password", full_name: "Ben Okafor" },
    { login: `door-${tag}`, password: "door-password", full_name: "Front door" },
    { login: `gate-${tag}`, password: "gate-password", full_name: "Gate" },
  ]);
  const station = async (user, name, calls) => {
    const control = await keep(Control.connect(broker.port, name));
    const settings = { ready: hub.ready, user, brokerPort: broker.port, name, ring: [anna.login], allowed: [anna.login], calls };
    await keep(startDevice(settings));
    return { control, id: user.id };
  };
  const answering = await station(door, "front-door", "");
  const offering = await station(gate, "gate", 'data_channel = "offer"');
  const a = await keep(Caller.start(hub.ready, anna));
  callers.push(a);
  const b = await keep(Caller.start(hub.ready, ben, {}, a));
  callers.push(b);
  await plain(answering, a);
  await opened(answering, a);
  await refused(answering, b);
  await offered(offering, a);
  await check("no page reported an error", () => {
    const errors = callers.flatMap((caller) => caller.log.filter((line) => line.startsWith("page error")));
    assert.deepEqual(errors, []);
  });
}

async function plain(device, phone) {
  await check("the SDK's own calls have no data channel, whoever calls", async () => {
    await inCall(device, phone, async () => {
      assert.doesNotMatch(await sdp(phone, device.id), /m=application/);
    });
    await device.control.command("call", { user: phone.id });
    await phone.rings();
    await phone.accept();
    await phone.receives(device.id);
    assert.doesNotMatch(await sdp(phone, device.id), /m=application/);
    await phone.hangUp();
    await device.control.hear("event/call/ended");
    await device.control.state("call", (call) => call.status === "idle");
  });
}

async function opened(device, phone) {
  await phone.page.evaluate(openWithOffers, LABEL);
  await check("a page that opens the channel is told what it may and opens the door, once", async () => {
    await inCall(device, phone, async () => {
      assert.deepEqual(await said(phone), { commands: ["unlock"] });
      for (const garbage of ["", "open!", "[1]", '{"command":"unlock"}', "x".repeat(60_000)]) await say(phone, garbage);
      for (let n = 0; n < 2; n += 1) {
        await say(phone, JSON.stringify({ id: "k-1", command: "unlock" }));
        assert.deepEqual(await said(phone), { id: "k-1", ok: true });
      }
      const unlocked = await device.control.hear("event/door/unlocked");
      assert.deepEqual({ by: unlocked.by, how: unlocked.how }, { by: String(phone.id), how: "data_channel" });
      await say(phone, JSON.stringify({ id: 2, command: "fly" }));
      const answer = await said(phone);
      assert.deepEqual([answer.id, answer.error.code], [2, "unknown_command"]);
      const { attempts } = await device.control.command("door_log");
      assert.deepEqual(attempts.map(({ how, opened }) => [how, opened]), [["data_channel", true]]);
    });
  });
}

async function refused(device, phone) {
  await phone.page.evaluate(openWithOffers, LABEL);
  await check("a caller who is not on the door's list is refused, noted and reported", async () => {
    await inCall(device, phone, async () => {
      assert.deepEqual(await said(phone), { commands: [] });
      await say(phone, JSON.stringify({ id: 1, command: "unlock" }));
      const answer = await said(phone);
      assert.deepEqual([answer.ok, answer.error.code], [false, "not_allowed"]);
      const told = await device.control.hear("event/door/refused");
      assert.deepEqual({ by: told.by, how: told.how }, { by: String(phone.id), how: "data_channel" });
      const { attempts } = await device.control.command("door_log", { limit: 1 });
      assert.deepEqual([attempts[0].by, attempts[0].opened], [String(phone.id), false]);
      for (let n = 0; n < 30; n += 1) await say(phone, JSON.stringify({ id: 100 + n, command: "unlock" }));
      const codes = [];
      while (!codes.includes("rate_limited")) codes.push((await said(phone)).error.code);
      const others = codes.filter((code) => code !== "not_allowed" && code !== "rate_limited");
      assert.deepEqual(others, []);
    });
  });
}

async function offered(device, phone) {
  await check("a device that offers the channel is ordered by the page that answers", async () => {
    await phone.page.evaluate(awaitChannel, LABEL);
    await device.control.command("call", { user: phone.id });
    await phone.rings();
    await phone.accept();
    await phone.receives(device.id);
    assert.deepEqual(await said(phone), { commands: ["unlock"] });
    await say(phone, JSON.stringify({ id: 7, command: "unlock" }));
    assert.deepEqual(await said(phone), { id: 7, ok: true });
    await device.control.hear("event/door/unlocked");
    await phone.hangUp();
    await device.control.hear("event/call/ended");
  });
}

/** Both descriptions of the page's connection with a user. */
function sdp(phone, user) {
  return phone.page.evaluate((id) => {
    const { original } = window.call.peerConnections[id];
    return original.localDescription.sdp + original.remoteDescription.sdp;
  }, user);
}

/** The next message of the device on the channel. */
async function said(phone) {
  const handle = await phone.page.waitForFunction(() => window.said?.shift());
  return JSON.parse(await handle.jsonValue());
}

function say(phone, text) {
  return phone.page.evaluate((what) => window.channel.send(what), text);
}

// The functions below run inside the page.

/** From now on every offer of this page has the channel; the SDK need not know. */
function openWithOffers(label) {
  const { createOffer } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.createOffer = function (options) {
    if (!this.hasChannel) {
      this.hasChannel = true;
      window.said = [];
      window.channel = this.createDataChannel(label);
      window.channel.onmessage = ({ data }) => window.said.push(data);
    }
    return createOffer.call(this, options);
  };
}

function awaitChannel(label) {
  const { setRemoteDescription } = RTCPeerConnection.prototype;
  window.said = [];
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    this.addEventListener("datachannel", ({ channel }) => {
      if (channel.label !== label) return;
      window.channel = channel;
      channel.onmessage = ({ data }) => window.said.push(data);
    });
    return setRemoteDescription.call(this, description);
  };
}
