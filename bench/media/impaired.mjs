/**
 * Pictures over a bad network: two network namespaces, a pair of virtual cables between them, `tc tbf`
 * as the bottleneck, iptables' statistic match as the loss, and a relay as the long way, both ways. Our
 * sender to our receiver, our sender to Chromium, and Chromium to Chromium, one after the other on the
 * same path.
 * Needs root, MEDIA_LOAD, and the packages of the interop tests. Prints one JSON line per figure.
 * Usage: node bench/media/impaired.mjs [CASE]... [--seconds N]
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { launch } from "../../tests/interop/lib/chromium.mjs";

const CASES = {
  "loss-2": { loss: 0.02, bound: 2 },
  "loss-5": { loss: 0.05, bound: 5 },
  "loss-10": { loss: 0.1, bound: 10 },
  "1-mbit": { rate: "1mbit", bound: 5 },
  "300-kbit": { rate: "300kbit", bound: 5 },
  "100-ms": { delay: 50, bound: 2 },
  "100-ms-loss-5": { delay: 50, loss: 0.05, bound: 5 },
};
const SETTLE = 10;
const ADDRESSES = ["10.213.7.1", "10.213.7.2"];

const words = process.argv.slice(2);
const at = words.indexOf("--seconds");
const seconds = at < 0 ? 20 : Number(words.splice(at, 2)[1]);
const chosen = words.length ? words : Object.keys(CASES);

const names = ["a", "b"].map((end) => `cubelet-bench-${process.pid}-${end}`);
const folder = mkdtempSync(join(tmpdir(), "cubelet-impaired-"));
const run = (program, ...args) => execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"] });
const inside = (end, ...command) => run("ip", "netns", "exec", names[end], ...command);

function network() {
  for (const name of names) run("ip", "netns", "add", name);
  run("ip", "link", "add", "cable0", "netns", names[0], "type", "veth", "peer", "name", "cable1", "netns", names[1]);
  for (const end of [0, 1]) {
    inside(end, "ip", "address", "add", `${ADDRESSES[end]}/24`, "dev", `cable${end}`);
    inside(end, "ip", "link", "set", `cable${end}`, "up");
    inside(end, "ip", "link", "set", "lo", "up");
    // Where the browser runs, in the namespace.
    writeFileSync(join(folder, `chromium${end}`), `#!/bin/sh\nexec ip netns exec ${names[end]} \${CHROMIUM:-/usr/bin/chromium} "$@"\n`);
    chmodSync(join(folder, `chromium${end}`), 0o755);
  }
}

function impair({ loss, rate }) {
  for (const end of [0, 1]) {
    if (rate) {
      inside(end, "tc", "qdisc", "replace", "dev", `cable${end}`, "root", "tbf", "rate", rate, "burst", "5kb", "latency", "400ms");
    }
    if (loss) {
      inside(end, "iptables", "-A", "INPUT", "-i", `cable${end}`, "-p", "udp", "-m", "statistic", "--mode", "random", "--probability", String(loss), "-j", "DROP");
    }
  }
}

function heal() {
  for (const end of [0, 1]) {
    inside(end, "iptables", "-F", "INPUT");
    try {
      execFileSync("ip", ["netns", "exec", names[end], "tc", "qdisc", "del", "dev", `cable${end}`, "root"], { stdio: "ignore" });
    } catch {
      // There was none.
    }
  }
}

/** The long way: where each end is told that the other one is. */
async function longWay(milliseconds) {
  const relay = fileURLToPath(new URL("delay.mjs", import.meta.url));
  const child = spawn("ip", ["netns", "exec", names[0], process.execPath, relay, ADDRESSES[0], String(milliseconds)], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const ports = JSON.parse(line);
  const isTold = [false, false];
  return {
    /** In place of a candidate of this end; nothing in place of all but the first. */
    instead(end, line) {
      if (line.kind !== "candidate") return { ...line, ...(line.sdp && { sdp: line.sdp.replace(/^a=candidate:.*\r?\n/gm, "") }) };
      if (isTold[end]) return null;
      isTold[end] = true;
      return { ...line, candidate: `candidate:1 1 udp 2130706431 ${ADDRESSES[0]} ${ports[1 - end]} typ host` };
    },
    end: () => child.kill(),
  };
}

/** A program that tells lines; `heard` gets each. */
function program(end, args, heard) {
  const child = spawn("ip", ["netns", "exec", names[end], process.env.MEDIA_LOAD, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  createInterface({ input: child.stdout }).on("line", (line) => heard(JSON.parse(line)));
  return { tell: (line) => child.stdin.write(`${JSON.stringify(line)}\n`), end: () => child.kill() };
}

/** In the page: one end of a call, with a moving picture as its camera. */
function page(sends) {
  const link = new RTCPeerConnection();
  window.link = link;
  link.onicecandidate = ({ candidate }) => {
    if (candidate?.candidate) {
      window.tell({ kind: "candidate", call: 0, candidate: candidate.candidate, mid: candidate.sdpMid, index: candidate.sdpMLineIndex });
    }
  };
  link.ontrack = ({ track }) => {
    if (track.kind !== "video") return;
    const video = document.createElement("video");
    Object.assign(video, { srcObject: new MediaStream([track]), muted: true });
    document.body.append(video);
    video.play();
  };
  window.hear = async (line) => {
    if (line.kind === "offer") {
      await link.setRemoteDescription({ type: "offer", sdp: line.sdp });
      await link.setLocalDescription();
      window.tell({ kind: "answer", call: 0, sdp: link.localDescription.sdp });
    } else if (line.kind === "answer") {
      await link.setRemoteDescription({ type: "answer", sdp: line.sdp });
    } else if (line.kind === "candidate") {
      await link.addIceCandidate({ candidate: line.candidate, sdpMid: line.mid, sdpMLineIndex: line.index });
    }
  };
  setInterval(async () => {
    for (const one of (await link.getStats()).values()) {
      if (one.type === "inbound-rtp" && one.kind === "video") {
        window.tell({ kind: "received", decoded: [one.framesDecoded], frozen_ms: [Math.round(one.totalFreezesDuration * 1000)], bytes: one.bytesReceived });
      }
    }
  }, 1000);
  return (async () => {
    if (!sends) return;
    const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720, frameRate: 30 } });
    link.addTrack(stream.getVideoTracks()[0], stream);
    await link.setLocalDescription();
    window.tell({ kind: "offer", call: 0, sdp: link.localDescription.sdp });
  })();
}

async function browser(end, sends, heard) {
  const opened = await launch({ executablePath: join(folder, `chromium${end}`) });
  const tab = await opened.context.newPage();
  // Cameras are given to secure places only.
  await tab.route("**/*", (route) => route.fulfill({ contentType: "text/html", body: "<body></body>" }));
  await tab.goto("https://cubelet.example/");
  await tab.exposeFunction("tell", heard);
  return {
    begin: () => tab.evaluate(page, sends),
    tell: (line) => tab.evaluate((line) => window.hear(line), line).catch(() => {}),
    end: () => opened.close(),
  };
}

/** Shares of time that pictures stood still, and how many there were. */
async function measure(from, to, delay) {
  const way = delay ? await longWay(delay) : { instead: (_, line) => line, end: () => {} };
  let last;
  let sender;
  let receiver;
  const tellSender = (line) => line && sender.tell(line);
  const tellReceiver = (line) => line && receiver.tell(line);
  const onReceived = (line) => (line.kind === "received" ? (last = line) : tellSender(way.instead(1, line)));
  receiver = to === "cubelet" ? program(1, ["watch"], onReceived) : await browser(1, false, onReceived);
  await receiver.begin?.();
  const onSent = (line) => line.kind !== "received" && tellReceiver(way.instead(0, line));
  sender = from === "cubelet" ? program(0, ["send", "1"], onSent) : await browser(0, true, onSent);
  await sender.begin?.();
  const pause = (s) => new Promise((done) => setTimeout(done, s * 1000));
  try {
    for (let waited = 0; !(last?.decoded?.[0] > 0); waited += 0.25) {
      if (waited > 30) throw new Error(`no picture from ${from} to ${to}`);
      await pause(0.25);
    }
    await pause(SETTLE);
    const before = last;
    await pause(seconds);
    return {
      frozen: (last.frozen_ms[0] - before.frozen_ms[0]) / seconds / 10,
      fps: (last.decoded[0] - before.decoded[0]) / seconds,
    };
  } finally {
    await sender.end();
    await receiver.end();
    way.end();
  }
}

const round = (value) => Math.round(value * 100) / 100;

try {
  network();
  for (const name of chosen) {
    const { bound, ...how } = CASES[name];
    heal();
    impair(how);
    const results = {};
    for (const [from, to] of [["cubelet", "cubelet"], ["cubelet", "chromium"], ["chromium", "chromium"]]) {
      try {
        results[`${from}-${to}`] = await measure(from, to, how.delay);
      } catch (error) {
        console.error(`${name}: ${from} to ${to}: ${error.message}`);
      }
      console.error(name, `${from} to ${to}:`, JSON.stringify(results[`${from}-${to}`] ?? null));
    }
    const theirs = results["chromium-chromium"];
    for (const to of ["cubelet", "chromium"]) {
      const ours = results[`cubelet-${to}`];
      for (const [what, unit, limit] of [["frozen", "% of the time", bound], ["fps", "pictures/s", null]]) {
        console.log(JSON.stringify({
          figure: `media_${name}_to_${to}_${what}`,
          ours: ours ? round(ours[what]) : null,
          unit,
          peer: "Chromium to Chromium",
          theirs: theirs ? round(theirs[what]) : null,
          ratio: ours && theirs && theirs[what] ? round(ours[what] / theirs[what]) : null,
          bound: limit,
          ok: Boolean(ours) && (limit === null || ours[what] <= limit),
        }));
      }
    }
  }
} finally {
  for (const name of names) {
    try {
      run("ip", "netns", "del", name);
    } catch {
      // It was not made.
    }
  }
  rmSync(folder, { recursive: true, force: true });
}
