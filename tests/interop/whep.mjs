/**
 * A browser that knows nothing of cubelet watches a device: a bare RTCPeerConnection and `fetch`,
 * as the WHEP draft has it, from a page of the device's own and from one that is allowed to.
 */
import assert from "node:assert/strict";
import { startBroker } from "./lib/broker.mjs";
import { launch } from "./lib/chromium.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { check, keep, script } from "./lib/script.mjs";

const LIMIT_MS = 15_000;
await script(run);

async function run() {
  const hub = await keep(startHub());
  const tag = Date.now().toString(36);
  const [door] = await signUp(hub.ready, [{ login: `door-${tag}`, password: "door-password", full_name: "Door" }]);
  const broker = await keep(startBroker());
  const dashboard = new URL(hub.ready.api).origin;
  const more = `[console]\nlisten = "127.0.0.1:0"\naudio = true\norigins = [${JSON.stringify(dashboard)}]\n`;
  const settings = { ready: hub.ready, user: door, brokerPort: broker.port, name: "front-door" };
  const device = await keep(startDevice({ ...settings, ring: [], allowed: [], more }));
  const base = `http://${device.console}`;
  const browser = await keep(launch());
  const page = await browser.context.newPage();
  page.setDefaultTimeout(LIMIT_MS);

  await check("health and figures are there to read", async () => {
    const health = await fetch(`${base}/healthz`);
    assert.deepEqual([health.status, await health.json()], [200, { status: "ok" }]);
    const figures = await (await fetch(`${base}/metrics`)).text();
    assert.match(figures, /^cubelet_whep_viewers 0$/m);
  });
  await check("a snapshot is a picture the browser shows", async () => {
    await page.goto(`${base}/healthz`);
    const size = await page.evaluate(async () => {
      const image = new Image();
      image.src = "/snapshot.jpg";
      await image.decode();
      return [image.naturalWidth, image.naturalHeight];
    });
    assert.deepEqual(size, [640, 480]);
  });
  let session;
  await check("pictures and sound come to a bare RTCPeerConnection", async () => {
    session = await page.evaluate(watch, "/whep");
    assert.equal(session.status, 201);
    assert.match(session.location, /^\/whep\/[0-9a-f-]{36}$/);
    const seen = await page.evaluate(figures, { frames: 30, samples: 24_000 });
    assert.equal(seen.width, 640);
    assert.equal(seen.codec, "video/H264");
    const text = await (await fetch(`${base}/metrics`)).text();
    assert.match(text, /^cubelet_whep_viewers 1$/m);
    if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
    return seen;
  });
  await check("what is no receiving offer is refused", async () => {
    const refused = await page.evaluate(async () => {
      const connection = new RTCPeerConnection();
      connection.addTransceiver("video", { direction: "sendrecv" });
      await connection.setLocalDescription();
      const body = connection.localDescription.sdp;
      const headers = { "Content-Type": "application/sdp" };
      const answer = await fetch("/whep", { method: "POST", headers, body });
      return [answer.status, await answer.text()];
    });
    assert.equal(refused[0], 400);
    assert.match(refused[1], /recvonly/);
  });
  await check("deleting the resource ends it", async () => {
    const ended = await page.evaluate(async (url) => {
      const answer = await fetch(url, { method: "DELETE" });
      const connection = window.__watching.connection;
      while (!["disconnected", "failed", "closed"].includes(connection.connectionState)) {
        await new Promise((resolve) => connection.addEventListener("connectionstatechange", resolve, { once: true }));
      }
      return answer.status;
    }, session.location);
    assert.equal(ended, 200);
    const again = await fetch(new URL(session.location, base), { method: "DELETE" });
    assert.equal(again.status, 404);
  });
  await check("a page that is listed may watch from its own address, others may not", async () => {
    await page.goto(`${dashboard}/phone/config.json`);
    const listed = await page.evaluate(watch, `${base}/whep`);
    assert.equal(listed.status, 201);
    assert.match(listed.location, /^\/whep\//);
    await page.evaluate(figures, { frames: 15, samples: 0 });
    await page.goto(`${hub.ready.https}/phone/config.json`);
    const refused = await page.evaluate(async (url) => {
      const headers = { "Content-Type": "application/sdp" };
      return await fetch(url, { method: "POST", headers, body: "v=0" }).then(
        () => "read",
        (error) => error.name,
      );
    }, `${base}/whep`);
    assert.equal(refused, "TypeError");
  });
}

/** In the page: the whole of a WHEP player. */
async function watch(url) {
  const connection = new RTCPeerConnection();
  connection.addTransceiver("video", { direction: "recvonly" });
  connection.addTransceiver("audio", { direction: "recvonly" });
  const stream = new MediaStream();
  connection.ontrack = ({ track }) => stream.addTrack(track);
  await connection.setLocalDescription();
  const body = connection.localDescription.sdp;
  const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body });
  const told = { status: answer.status, location: answer.headers.get("Location") };
  await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  const video = Object.assign(document.createElement("video"), { autoplay: true, muted: true, srcObject: stream });
  document.body.replaceChildren(video);
  window.__watching = { connection, video };
  return told;
}

/** In the page: waits until so much has come; what has. */
async function figures(enough) {
  const { connection, video } = window.__watching;
  const until = Date.now() + 15_000;
  for (;;) {
    const seen = { frames: 0, samples: 0, width: video.videoWidth, codec: "" };
    const stats = await connection.getStats();
    for (const entry of stats.values()) {
      if (entry.type !== "inbound-rtp") continue;
      if (entry.kind === "video") {
        seen.frames = entry.framesDecoded ?? 0;
        seen.codec = stats.get(entry.codecId)?.mimeType ?? "";
      } else seen.samples = entry.totalSamplesReceived ?? 0;
    }
    if (seen.frames >= enough.frames && seen.samples >= enough.samples) return seen;
    if (Date.now() > until) throw new Error(`only ${JSON.stringify(seen)} has come`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
