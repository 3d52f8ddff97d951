/**
 * A device that sends next to nothing while nobody speaks (`[audio] dtx`), heard by Chromium in a call, and
 * recorded and played in Chromium. Its test microphone ticks once a second: pauses that are lost, or made
 * shorter, move the ticks.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Caller } from "./lib/caller.mjs";
import { Control, startBroker } from "./lib/broker.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { check, keep, script } from "./lib/script.mjs";

/** How far a tick may be from its second: the jitter buffer stretches sound, and a machine is busy. */
const OFF_S = 0.15;
const TICKS = 4;

await script(run);

async function run() {
  const hub = await keep(startHub());
  const broker = await keep(startBroker());
  const tag = Date.now().toString(36);
  const [anna, door] = await signUp(hub.ready, [
    { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
    { login: `door-${tag}`, password: "door-password", full_name: "Front door" },
  ]);
  const control = await keep(Control.connect(broker.port, "front-door"));
  const settings = { ready: hub.ready, user: door, brokerPort: broker.port, name: "front-door" };
  const more = "[recording]\nenabled = true\nnotice = \"none\"\n";
  const device = await keep(startDevice({ ...settings, ring: [anna.login], allowed: [], dtx: true, more }));
  const phone = await keep(Caller.start(hub.ready, anna));
  await phone.page.evaluate(prepareEars);
  await check("Chromium hears a device that pauses, each tick in its second", async () => {
    await control.command("call", { user: phone.id });
    await phone.rings();
    await phone.accept();
    await phone.receives(door.id, undefined, { frames: 15, packets: 5 });
    const before = await phone.counters(door.id);
    // The first is heard while the jitter buffer, which begins when somebody listens, still finds its delay.
    const heard = await phone.page.evaluate(hearCall, { user: door.id, wanted: TICKS + 1 });
    const ticks = heard.slice(1);
    const after = await phone.counters(door.id);
    inStep(ticks);
    const perSecond = ((after.packets - before.packets) * 1_000) / (after.at - before.at);
    assert.ok(perSecond < 35, `${perSecond} packets a second are no pauses`);
    return { ticks, perSecond };
  });
  await check("a recording with pauses is heard in Chromium with each tick in its second", async () => {
    await control.command("record", { action: "start", seconds: TICKS + 1 });
    const { file } = await control.hear("event/recording/finished");
    await control.command("hangup");
    const movie = await readFile(join(device.folder, "state", "recordings", file));
    const { ticks, duration } = await phone.page.evaluate(hearMovie, movie.toString("base64"));
    assert.ok(Math.abs(duration - TICKS - 1) < 0.3, `${duration} s`);
    assert.ok(ticks.length >= TICKS, `${ticks.length} ticks`);
    inStep(ticks);
    return { ticks, duration };
  });
}

function inStep(ticks) {
  for (let n = 1; n < ticks.length; n += 1) {
    const apart = ticks[n] - ticks[n - 1];
    assert.ok(Math.abs(apart - 1) < OFF_S, `${apart} s between ticks: ${ticks}`);
  }
}

// The functions below run inside the page.

function prepareEars() {
  /** Calls `heard` with the time in seconds of each sound that begins after a pause. */
  window.listen = async (context, source, heard) => {
    const processor = `registerProcessor("ticks", class extends AudioWorkletProcessor {
      process([input]) {
        (input[0] ?? []).forEach((sample, n) => {
          if (Math.abs(sample) < 0.02) return;
          const now = currentTime + n / sampleRate;
          if (!(now - this.last < 0.2)) this.port.postMessage(now);
          this.last = now;
        });
        return true;
      }
    });`;
    const url = URL.createObjectURL(new Blob([processor], { type: "text/javascript" }));
    await context.audioWorklet.addModule(url);
    await context.resume();
    const ear = new AudioWorkletNode(context, "ticks");
    ear.port.onmessage = ({ data }) => heard(data);
    // Only what leads to the loudspeaker is rendered.
    source.connect(ear).connect(context.destination);
  };
}

async function hearCall({ user, wanted }) {
  const receivers = window.call.peerConnections[user].original.getReceivers();
  const { track } = receivers.find((receiver) => receiver.track.kind === "audio");
  const stream = new MediaStream([track]);
  // Chromium decodes what somebody plays.
  const player = Object.assign(new Audio(), { muted: true, srcObject: stream });
  await player.play();
  const context = new AudioContext({ sampleRate: 48_000 });
  const ticks = [];
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`only ${ticks.length} ticks were heard`)), 15_000);
    const heard = (at) => ticks.push(at) >= wanted && resolve();
    window.listen(context, context.createMediaStreamSource(stream), heard);
  });
  await context.close();
  player.srcObject = null;
  return ticks;
}

async function hearMovie(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const video = document.createElement("video");
  video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  const context = new AudioContext({ sampleRate: 48_000 });
  const ticks = [];
  await window.listen(context, context.createMediaElementSource(video), (at) => ticks.push(at));
  await new Promise((resolve, reject) => {
    video.onended = resolve;
    video.onerror = () => reject(new Error(video.error.message));
    video.play().catch(reject);
  });
  await context.close();
  return { ticks, duration: video.duration };
}
