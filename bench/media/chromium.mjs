/**
 * Chromium doing what the benchmark's own ends do: a 720p30 camera, its own test picture, sent to any number of
 * calls. Chromium encodes for each call. Usage: chromium.mjs send CALLS. Signals are JSON lines, as in signal.rs.
 */
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { launch } from "../../tests/interop/lib/chromium.mjs";

const KBPS = 1_200;

const [what, calls] = process.argv.slice(2);
if (what !== "send") throw new Error("usage: chromium.mjs send CALLS");

const tell = (line) => console.log(JSON.stringify(line));
// The last flag of a name holds.
const browser = await launch({ flags: ["--use-fake-device-for-media-stream=fps=30"] });
// Only a page with an address may use a camera.
const server = createServer((_, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>calls</title>");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const page = await browser.context.newPage();
await page.exposeFunction("tell", tell);
await page.goto(`http://127.0.0.1:${server.address().port}/`);
const codec = await page.evaluate(offer, { calls: Number(calls), kbps: KBPS });
console.error(`Chromium sends ${codec}`);

for await (const line of createInterface({ input: process.stdin })) {
  const signal = JSON.parse(line);
  if (["answer", "candidate"].includes(signal.kind)) await page.evaluate(take, signal);
}
await browser.close();
server.close();
process.exit(0);

// The functions below run inside the page.

async function offer({ calls: count, kbps }) {
  const wanted = { width: { exact: 1280 }, height: { exact: 720 }, frameRate: { exact: 30 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
  const [track] = stream.getVideoTracks();
  const { codecs } = RTCRtpSender.getCapabilities("video");
  const named = (name) => codecs.filter(({ mimeType }) => mimeType === `video/${name}`);
  // Another packetization mode is not agreed to.
  const h264 = named("H264").filter(({ sdpFmtpLine }) => /packetization-mode=1.*profile-level-id=42e0/.test(sdpFmtpLine));
  const preferred = h264.length > 0 ? h264 : named("VP8");
  window.connections = [];
  for (let call = 0; call < count; call += 1) {
    const connection = new RTCPeerConnection();
    window.connections.push(connection);
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      const { sdpMid: mid, sdpMLineIndex: index } = candidate;
      window.tell({ kind: "candidate", call, candidate: candidate.candidate, mid, index });
    };
    const transceiver = connection.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    transceiver.setCodecPreferences(preferred);
    await connection.setLocalDescription();
    window.tell({ kind: "offer", call, sdp: connection.localDescription.sdp });
    const parameters = transceiver.sender.getParameters();
    parameters.encodings[0].maxBitrate = kbps * 1_000;
    // Neither smaller nor fewer pictures, whatever it costs.
    parameters.degradationPreference = "maintain-framerate-and-resolution";
    await transceiver.sender.setParameters(parameters);
  }
  return preferred[0].mimeType;
}

async function take({ kind, call, sdp, candidate, mid, index }) {
  const connection = window.connections[call];
  if (kind === "answer") await connection.setRemoteDescription({ type: "answer", sdp });
  else await connection.addIceCandidate({ candidate, sdpMid: mid, sdpMLineIndex: index });
}
