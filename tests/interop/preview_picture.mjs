/**
 * From the ring to the visitor's moving picture, before anybody answers.
 *
 * `CUBELET_BIN=… node preview_picture.mjs [RINGS]` rings RINGS (20) times on loopback and prints
 * one JSON object: p50, p95 and max, in milliseconds, of the stages since the MQTT `ring` was
 * published and of the picture since the phone began to ring; then a line for each figure. All
 * clocks are this machine's.
 */
import { Control, startBroker } from "./lib/broker.mjs";
import { launch } from "./lib/chromium.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { Phone } from "./lib/phone.mjs";

const DEVICE = "front-door";
const rings = Number(process.argv[2] ?? 20);
const LIMIT_MS = 20_000;
const STAGES = ["invited", "ringing", "asked", "answered", "ice_connected", "dtls_connected", "first_packet", "first_frame"];
const parts = [];
let phone;
let failed = false;

try {
  const result = await bench();
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  for (const [figure, ours, bound] of [
    ["preview: ring to picture, p50 ms", result.ringing_to_picture.p50, 200],
    ["preview: press to picture, p95 ms", result.stages.first_frame.p95, 500],
  ]) {
    const line = { figure, ours, unit: "ms", peer: null, theirs: null, ratio: null, bound, ok: ours <= bound };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  }
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
  const broker = await keep(startBroker());
  const control = await keep(Control.connect(broker.port, DEVICE));
  const settings = { ready: hub.ready, user: door, brokerPort: broker.port, name: DEVICE };
  await keep(startDevice({ ...settings, ring: [anna.login], allowed: [] }));
  const browser = await keep(launch());
  await browser.context.addInitScript(watch);
  phone = await Phone.open(browser, hub.ready);
  await phone.signIn(anna);
  const marks = [];
  for (let ring = 0; ring < rings; ring += 1) {
    marks.push(await one(control));
    process.stderr.write(`ring ${ring + 1}/${rings}: ${JSON.stringify(marks.at(-1))}\n`);
  }
  const stages = Object.fromEntries(STAGES.map((name) => [name, spread(marks.map((mark) => mark[name]))]));
  const since = spread(marks.map((mark) => mark.first_frame - mark.ringing));
  return { rings, browser: browser.context.browser()?.version(), stages, ringing_to_picture: since, each: marks };
}

async function one(control) {
  await phone.page.evaluate(() => (window.__marks = {}));
  const pressed = Date.now();
  await control.command("ring");
  const seen = await phone.page.waitForFunction(() => window.__marks.first_frame && window.__marks, undefined, {
    timeout: LIMIT_MS,
  });
  const stamps = await seen.jsonValue();
  await control.command("hangup");
  await control.state("call", (call) => call.status === "idle");
  await phone.ended();
  const since = (stamp) => (stamp === undefined ? null : Math.round((stamp - pressed) * 10) / 10);
  return Object.fromEntries(STAGES.map((stage) => [stage, since(stamps[stage])]));
}

/** Nearest-rank percentiles. */
function spread(values) {
  const sorted = values.filter((value) => value !== null && !Number.isNaN(value)).sort((a, b) => a - b);
  const rank = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const round = (value) => value && Math.round(value * 10) / 10;
  return { p50: round(rank(0.5)), p95: round(rank(0.95)), max: round(sorted.at(-1)), n: sorted.length };
}

/** Runs in the page before its own scripts and only listens. */
function watch() {
  const now = () => performance.timeOrigin + performance.now();
  const mark = (name) => {
    window.__marks[name] ??= now();
  };
  window.__marks = {};

  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...settings) {
      super(...settings);
      this.addEventListener("iceconnectionstatechange", () => {
        if (["connected", "completed"].includes(this.iceConnectionState)) mark("ice_connected");
      });
      this.addEventListener("connectionstatechange", () => {
        if (this.connectionState === "connected") mark("dtls_connected");
      });
      this.addEventListener("track", ({ track }) => track.addEventListener("unmute", () => mark("first_packet")));
    }
  };

  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...settings) {
      super(...settings);
      this.addEventListener("message", ({ data }) => {
        if (typeof data !== "string") return;
        if (data.includes("<signalType>call</signalType>")) mark("invited");
        if (data.includes("<cubelet>preview_answer</cubelet>")) mark("answered");
      });
    }

    send(data) {
      if (typeof data === "string" && data.includes("<cubelet>preview</cubelet>")) mark("asked");
      return super.send(data);
    }
  };

  addEventListener("DOMContentLoaded", () => {
    let watched;
    const look = () => {
      const answer = document.querySelector(".control.answer");
      if (answer && !answer.hidden && !answer.closest("[hidden]")) mark("ringing");
      const video = document.querySelector("video.preview");
      if (!video?.srcObject || watched === video.srcObject) return;
      watched = video.srcObject;
      video.requestVideoFrameCallback(() => mark("first_frame"));
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
    document.addEventListener("loadstart", look, true);
  });
}
