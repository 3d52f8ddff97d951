/**
 * Calls between devices and phones that are nothing but the official SDK: ring groups, meshes of
 * three and four, every signal both ways, ICE restarts from either side, and what is done in a call.
 */
import assert from "node:assert/strict";
import { Caller } from "./lib/caller.mjs";
import { Control, startBroker } from "./lib/broker.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { check, keep, script } from "./lib/script.mjs";

/** How long a phone may still ring after another has answered, milliseconds. */
const STILL_RINGS_MS = 300;

const callers = [];
await script(run);

async function run() {
  const hub = await keep(startHub());
  const broker = await keep(startBroker());
  const tag = Date.now().toString(36);
  // Signed up in this order, so that the offer rule by id has phones on either side of a device.
  const [anna, door, ben, hall, clara] = await signUp(hub.ready, [
    { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
    { login: `door-${tag}`, password: "door-password", full_name: "Front door" },
    { login: `ben-${tag}`, password: "ben-password", full_name: "Ben Okafor" },
    { login: `hall-${tag}`, password: "hall-password", full_name: "Hall" },
    { login: `clara-${tag}`, password: "clara-password", full_name: "Clara Novak" },
  ]);
  const device = async (user, name, more = {}) => {
    const control = await keep(Control.connect(broker.port, name));
    const settings = { ready: hub.ready, user, brokerPort: broker.port, name, ring: [anna.login], allowed: [] };
    await keep(startDevice({ ...settings, ...more }));
    return { control, id: user.id, login: user.login };
  };
  // Noise fills whatever bitrate there is.
  const front = await device(door, "front-door", { source: "test:snow" });
  const inside = await device(hall, "hall", { calls: "answer_timeout_s = 10" });
  const a = await keep(Caller.start(hub.ready, anna));
  callers.push(a);
  const b = await keep(Caller.start(hub.ready, ben, { answerTimeInterval: 8 }));
  callers.push(b);
  const c = await Caller.start(hub.ready, clara, {}, b);
  await endings(front, inside, a, b);
  await ringGroup(front, [a, b, c]);
  await oneToOne(front, a);
  await three(front, a, b);
  await four(front, inside, a, b);
  await check("no page reported an error", () => {
    const errors = callers.flatMap((caller) => caller.log.filter((line) => line.startsWith("page error")));
    assert.deepEqual(errors, []);
  });
}

function ended(device) {
  return device.control.hear("event/call/ended");
}

function idle(device) {
  return device.control.state("call", (call) => call.status === "idle");
}

async function endings(front, inside, a, b) {
  await check("a phone's reject, its parameters and their meaning reach the device", async () => {
    await front.control.command("conference", { users: [a.id], info: { gate: "north" } });
    const { info } = await a.rings();
    assert.equal(info.gate, "north");
    assert.equal(info.name, "front-door");
    await a.reject({ note: "later" });
    const told = await front.control.hear("event/call/told");
    assert.deepEqual({ peer: told.peer, signal: told.signal, info: told.info }, {
      peer: a.id,
      signal: "reject",
      info: { note: "later" },
    });
    assert.equal((await ended(front)).reason, "remote_rejected");
  });
  await check("a phone that is busy says so", async () => {
    await front.control.command("call", { user: a.id });
    await a.rings();
    await a.reject({ busy: true });
    assert.equal((await ended(front)).reason, "busy");
  });
  await check("a phone that rejects by HTTP ends the call at the device", async () => {
    await front.control.command("call", { user: a.id });
    await a.rings();
    await a.rejectByHttp(front.id);
    assert.equal((await ended(front)).reason, "remote_rejected");
    await a.noted("closed");
  });
  await check("a device that rejects tells the phone why", async () => {
    await a.call([front.id], { room: "kitchen" });
    const ringing = await front.control.hear("event/call/ringing", (event) => event.direction === "incoming");
    assert.deepEqual(ringing.info, { room: "kitchen" });
    await front.control.command("reject", { reason: "asleep" });
    const { info } = await a.noted("reject", { user: front.id });
    assert.deepEqual({ reason: info.reason, text: info.text }, { reason: "rejected", text: "asleep" });
    assert.equal((await ended(front)).reason, "rejected");
  });
  await check("a device nobody answers gives up and the phone stops ringing", async () => {
    await inside.control.command("call", { user: a.id });
    await a.rings();
    assert.equal((await ended(inside)).reason, "no_answer");
    await a.noted("stop", { user: inside.id });
  });
  await check("a phone that gives up without a word leaves a missed call", async () => {
    await b.call([inside.id]);
    await inside.control.hear("event/call/ringing", (event) => event.direction === "incoming");
    await b.noted("no_answer", { user: inside.id });
    assert.equal((await ended(inside)).reason, "missed");
    await idle(inside);
  });
}

async function ringGroup(front, phones) {
  await check("three phones ring, one answers and the two others stop, told why", async () => {
    await front.control.command("ring", { targets: phones.map(({ id }) => id) });
    await Promise.all(phones.map((phone) => phone.rings()));
    const [first, answering, last] = phones;
    const others = [first, last];
    await answering.accept();
    const answered = await front.control.hear("event/ring/answered");
    assert.deepEqual(answered.users, [answering.id]);
    const stopped = await Promise.all(others.map((phone) => phone.noted("stop", { user: front.id })));
    assert.deepEqual(stopped.map(({ info }) => info.reason), ["answered_elsewhere", "answered_elsewhere"]);
    const after = stopped.map(({ at }) => Math.round(at - answered.ts));
    assert.ok(Math.max(...after) <= STILL_RINGS_MS, `stopped ${after} ms after the answer`);
    await answering.receives(front.id);
    await front.control.state("call", (call) => call.status === "connected" && call.media?.frames_decoded > 10);
    await front.control.command("hangup");
    await answering.noted("stop", { user: front.id });
    await idle(front);
    for (const phone of phones) {
      await ended(front);
      await phone.forget();
    }
    return { after };
  });
}

async function oneToOne(front, a) {
  await check("a limit in the invitation holds for the phone's pictures", async () => {
    await front.control.command("conference", { users: [a.id], info: { maxBandwidth: "200" } });
    const { info } = await a.rings();
    assert.equal(info.maxBandwidth, "200");
    await a.accept();
    await a.receives(front.id);
    assert.equal(await a.sendLimit(front.id), 200_000);
  });
  await check("a limit in mid-call holds for the device's pictures", async () => {
    await front.control.command("bandwidth", { kbps: 0 });
    await a.receives(front.id, await a.counters(front.id), { frames: 30, packets: 0 });
    const free = await a.kbps(front.id);
    await front.control.command("bandwidth", { kbps: 150 });
    await a.receives(front.id, await a.counters(front.id), { frames: 60, packets: 0 });
    const limited = await a.kbps(front.id);
    assert.ok(limited < 300 && limited < free / 2, `${free} kbit/s, limited ${limited}`);
    await front.control.command("bandwidth", { kbps: 0 });
    return { free, limited };
  });
  await check("the device restarts ICE and the call goes on", async () => {
    const before = await a.counters(front.id);
    await front.control.command("reconnect");
    const after = await a.receives(front.id, before, { frames: 60, packets: 100 });
    assert.ok(before.ufrag && after.ufrag);
    assert.notEqual(after.ufrag, before.ufrag);
    await front.control.state("call", (call) => call.status === "connected");
  });
  await check("muted pictures are black at the phone while the sound goes on", async () => {
    const seen = await a.brightness(front.id);
    await front.control.command("mute", { video: true });
    await a.receives(front.id, await a.counters(front.id), { frames: 0, packets: 25 });
    const muted = await a.counters(front.id);
    const black = await a.brightness(front.id);
    assert.ok(black < 20 && seen > 60, `${black}, before ${seen}`);
    // One black picture a second.
    const later = await a.receives(front.id, muted, { frames: 0, packets: 100 });
    const seconds = (later.at - muted.at) / 1_000;
    assert.ok(later.frames - muted.frames <= seconds + 2, `${later.frames - muted.frames} in ${seconds} s`);
    await front.control.command("mute", { video: false });
    await a.receives(front.id, later);
    assert.ok((await a.brightness(front.id)) > 60);
    return { seen, black };
  });
  await check("a held call stands still and goes on, and the phone does not mind", async () => {
    await front.control.command("hold");
    await a.page.waitForTimeout(500);
    const held = await a.counters(front.id);
    await a.page.waitForTimeout(1_000);
    // One or two, and those are black.
    assert.ok((await a.counters(front.id)).frames - held.frames <= 2);
    assert.ok((await a.brightness(front.id)) < 20);
    await front.control.command("resume");
    await a.receives(front.id, held);
  });
  await check("the device hangs up and the phone hears why", async () => {
    await front.control.command("hangup");
    const { info } = await a.noted("stop", { user: front.id });
    assert.equal(info.reason, "hung_up");
    assert.equal((await ended(front)).reason, "hung_up");
  });
  await check("the phone restarts ICE and the call goes on", async () => {
    await a.call([front.id]);
    await front.control.hear("event/call/ringing", (event) => event.direction === "incoming");
    await front.control.command("answer");
    const before = await a.receives(front.id);
    await a.restartIce(front.id);
    const after = await a.receives(front.id, before, { frames: 60, packets: 100 });
    assert.ok(before.ufrag && after.ufrag);
    assert.notEqual(after.ufrag, before.ufrag);
    await a.hangUp({ note: "bye" });
    const told = await front.control.hear("event/call/told", (event) => event.signal === "hangUp");
    assert.equal(told.info.note, "bye");
    assert.equal((await ended(front)).reason, "remote_hung_up");
  });
}

/** Waits until a device has so many connected participants. */
function among(device, count) {
  return device.control.state("call", (call) => {
    const connected = (call.participants ?? []).filter((one) => one.status === "connected");
    return connected.length === count && call.media?.frames_decoded > 10 * count;
  });
}

async function three(front, a, b) {
  await check("a device and two phones are a mesh of three", async () => {
    await front.control.command("conference", { users: [a.id, b.id] });
    for (const phone of [a, b]) {
      const { opponents } = await phone.rings();
      assert.deepEqual([...opponents].sort(), [a.id, b.id].sort());
      await phone.accept();
    }
    for (const [phone, other] of [[a, b], [b, a]]) {
      await phone.receives(front.id);
      await phone.receives(other.id);
    }
    await among(front, 2);
  });
  await check("a member that leaves ends its leg and no other", async () => {
    await b.hangUp();
    await front.control.hear("event/call/participant", (one) => one.peer === b.id && one.status === "ended");
    await a.receives(front.id, await a.counters(front.id));
    await front.control.state("call", (call) => call.status === "connected");
  });
  await check("the device that began the call ends it for everybody", async () => {
    await front.control.command("hangup");
    await a.noted("stop", { user: front.id });
    await a.noted("closed");
    await idle(front);
  });
}

async function four(front, inside, a, b) {
  await check("two phones and two devices are a mesh of four", async () => {
    await a.call([front.id, b.id, inside.id]);
    await b.rings();
    await b.accept();
    for (const device of [front, inside]) {
      await device.control.state("call", (call) => call.status === "ringing");
      await device.control.command("answer");
    }
    for (const [phone, other] of [[a, b], [b, a]]) {
      for (const id of [front.id, inside.id, other.id]) await phone.receives(id);
    }
    for (const device of [front, inside]) await among(device, 3);
  });
  await check("the phone that began the call ends it for everybody", async () => {
    await a.hangUp();
    for (const device of [front, inside]) await idle(device);
    await b.noted("stop", { user: a.id });
  });
}
