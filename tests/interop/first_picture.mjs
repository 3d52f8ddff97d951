/**
 * The headline number: from the press of the bell to the visitor's picture on the phone.
 *
 * `CUBELET_BIN=… node first_picture.mjs [CALLS] [--peer]` makes CALLS (20) calls on loopback and
 * prints one JSON object (with `--peer` the station is the vendor's SDK in a browser of its own,
 * pressed by script, instead of the device): p50, p95 and max of every stage in milliseconds since the MQTT `ring` was
 * published, the stages of each call, and of the part the device answers for, from the accept.
 * All clocks are this machine's. The page answers by itself the moment the button appears, so
 * no person's reaction is measured.
 */
import { Control, startBroker } from "./lib/broker.mjs";
import { launch } from "./lib/chromium.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { Phone } from "./lib/phone.mjs";
import { Station } from "./lib/station.mjs";

const DEVICE = "front-door";
const calls = Number(process.argv.slice(2).find((argument) => !argument.startsWith("--")) ?? 20);
const isPeer = process.argv.includes("--peer");
const FIRST_FRAME_LIMIT_MS = 20_000;
const STAGES = ["ringing", "answered", "accepted", "ice_connected", "dtls_connected", "first_packet", "first_frame"];
const parts = [];
let phone;
let failed = false;

try {
  process.stdout.write(`${JSON.stringify(await bench(), undefined, 2)}\n`);
} catch (error) {
  failed = true;
  console.error(error, phone?.log.slice(-20).join("\n"), parts.map((part) => part.tail?.() ?? "").join("\n"));
} finally {
  for (const part of [...parts].reverse()) await (part.end ?? part.close).call(part);
}
process.exit(failed ? 1 : 0);

async function keep(part) {
  const started = await part;
  parts.push(started);
  return started;
}

async function bench() {
  const hub = await keep(startHub());
  const tag = Date.now().toString(36);
  const [door, anna] = await signUp(hub.ready, [
    { login: `door-${tag}`, password: "door-password", full_name: "Front door" },
    { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
  ]);
  const bell = await (isPeer ? sdkStation(hub, door, anna) : deviceStation(hub, door, anna));
  const browser = await keep(launch());
  await browser.context.addInitScript(watch);
  phone = await Phone.open(browser, hub.ready);
  await phone.signIn(anna);
  const marks = [];
  for (let call = 0; call < calls; call += 1) {
    marks.push(await one(bell));
    process.stderr.write(`call ${call + 1}/${calls}: ${JSON.stringify(marks.at(-1))}\n`);
  }
  const version = await browser.context.browser()?.version();
  return { calls, browser: version, stages: summary(marks), since_accept: sinceAccept(marks), each: marks };
}

/** The device, pressed over MQTT. */
async function deviceStation(hub, door, anna) {
  const broker = await keep(startBroker());
  const control = await keep(Control.connect(broker.port, DEVICE));
  const settings = { ready: hub.ready, user: door, brokerPort: broker.port, name: DEVICE };
  await keep(startDevice({ ...settings, ring: [anna.login], allowed: [] }));
  return {
    press: () => control.command("ring"),
    connected: async () => (await control.hear("event/call/connected")).ts,
    async hangUp() {
      await control.command("hangup");
      await control.state("call", (call) => call.status === "idle");
    },
  };
}

/** The vendor's SDK in a browser of its own, with the browser's fake camera and microphone. */
async function sdkStation(hub, door, anna) {
  const station = await keep(Station.start(hub.ready, door));
  return {
    press: () => station.ring(anna.id, "Front door", { withSnapshot: false }),
    connected: async () => undefined,
    hangUp: () => station.hangUp(),
  };
}

async function one(bell) {
  await phone.page.evaluate(() => window.__newCall());
  const pressed = Date.now();
  await bell.press();
  const seen = await phone.page.waitForFunction(() => window.__marks.first_frame && window.__marks, undefined, {
    timeout: FIRST_FRAME_LIMIT_MS,
  });
  const stamps = await seen.jsonValue();
  const connected = await bell.connected();
  await bell.hangUp();
  await phone.ended();
  const since = (stamp) => (stamp === undefined ? null : Math.round((stamp - pressed) * 10) / 10);
  const stages = Object.fromEntries(STAGES.map((stage) => [stage, since(stamps[stage])]));
  return { ...stages, device_connected: since(connected) };
}

function summary(marks) {
  const names = [...STAGES, "device_connected"];
  return Object.fromEntries(names.map((name) => [name, spread(marks.map((mark) => mark[name]))]));
}

function sinceAccept(marks) {
  const names = ["ice_connected", "dtls_connected", "first_packet", "first_frame"];
  const of = (name) => marks.map((mark) => mark[name] - mark.accepted);
  return Object.fromEntries(names.map((name) => [name, spread(of(name))]));
}

/** Nearest-rank percentiles: with 20 calls, p95 is the second worst. */
function spread(values) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const rank = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const round = (value) => value && Math.round(value * 10) / 10;
  return { p50: round(rank(0.5)), p95: round(rank(0.95)), max: round(sorted.at(-1)), n: sorted.length };
}

/**
 * Runs in the page before its own scripts: presses Answer when it appears and stamps what
 * happens to the connection. Wraps the browser's classes only to listen.
 */
function watch() {
  const now = () => performance.timeOrigin + performance.now();
  const mark = (name) => {
    window.__marks[name] ??= now();
  };
  window.__newCall = () => (window.__marks = {});
  window.__newCall();

  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...settings) {
      super(...settings);
      // The connection of the picture before the answer sends nothing.
      const isCall = () => this.getSenders().some(({ track }) => track);
      this.addEventListener("iceconnectionstatechange", () => {
        if (isCall() && ["connected", "completed"].includes(this.iceConnectionState)) mark("ice_connected");
      });
      this.addEventListener("connectionstatechange", () => {
        if (isCall() && this.connectionState === "connected") mark("dtls_connected");
      });
      this.addEventListener("track", ({ track }) => {
        if (!isCall()) return;
        // A track is unmuted by its first packet.
        if (track.kind === "video") track.addEventListener("unmute", () => mark("first_packet"));
      });
    }
  };

  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (typeof data === "string" && data.includes("<signalType>accept</signalType>")) mark("accepted");
    return send.call(this, data);
  };

  addEventListener("DOMContentLoaded", () => {
    let watched;
    const look = () => {
      const answer = document.querySelector(".control.answer");
      const visible = answer && !answer.hidden && !answer.closest("[hidden]");
      if (visible && !window.__marks.ringing) {
        mark("ringing");
        answer.click();
        mark("answered");
      }
      const video = document.querySelector("video.remote");
      if (!video?.srcObject || watched === video.srcObject) return;
      watched = video.srcObject;
      video.requestVideoFrameCallback(() => mark("first_frame"));
    };
    const options = { subtree: true, childList: true, attributes: true };
    new MutationObserver(look).observe(document.body, options);
    // A stream is attached without any change to the document; its track event tells.
    document.addEventListener("loadstart", look, true);
  });
}
