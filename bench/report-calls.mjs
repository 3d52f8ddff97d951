// Turns two runs of call_speed.mjs into a table of stages and one JSON line per figure.
import { readFileSync } from "node:fs";

const [ours, theirs] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const PEER = "connectycube SDK 6.1.2 in Chromium";
const PARTS = {
  ringing: "ring pressed to phones ringing",
  phone: "at the phone, since its answer button was pressed",
  station: "at the station, since the accept left the phone",
};

console.log(`\n${ours.calls} calls, ms: cubelet, then ${PEER}\n`);
console.log("| | stage | p50 | p95 | max | p50 | p95 | max |\n|---|---|---|---|---|---|---|---|");
for (const [part, title] of Object.entries(PARTS)) {
  for (const [name, own] of Object.entries(ours[part])) row(title, name, own, theirs[part][name]);
}
row("ring pressed to picture", "", ours.bell_to_picture, theirs.bell_to_picture);
console.log();

function figure(name, of, bound) {
  const [mine, peers] = [of(ours).p95, of(theirs).p95];
  const ratio = Math.round((mine / peers) * 100) / 100;
  const line = { figure: name, ours: mine, unit: "ms", peer: PEER, theirs: peers, ratio, bound, ok: mine <= bound };
  console.log(JSON.stringify(line));
  return ratio;
}

function row(title, name, own, peers) {
  const cells = (of) => `${of.p50 ?? ""} | ${of.p95 ?? ""} | ${of.max ?? ""}`;
  console.log(`| ${title} | ${name} | ${cells(own)} | ${cells(peers)} |`);
}

figure("MQTT ring to all three phones ringing, p95", (run) => run.ringing.last, 150);
const ratios = [
  figure("answer to first picture at the phone, p95", (run) => run.phone.first_frame, 400),
  figure("answer to first audio at the phone, p95", (run) => run.phone.first_audio, 300),
  figure("accept to first picture at the device, p95", (run) => run.station.first_frame, 400),
  figure("accept to first audio at the device, p95", (run) => run.station.first_audio, 300),
];
figure("bell to first picture, p95", (run) => run.bell_to_picture, 500);
const worst = Math.max(...ratios);
const line = { figure: "answer to media, worst ratio to the SDK", ours: worst, unit: "ratio", bound: 0.7, ok: worst <= 0.7 };
console.log(JSON.stringify(line));
