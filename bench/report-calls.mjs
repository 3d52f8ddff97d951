// Turns two runs of first_picture.mjs into a table of stages and one JSON line per figure.
import { readFileSync } from "node:fs";

const [ours, theirs] = process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, "utf8")));
const PEER = "connectycube SDK 6.1.2 in Chromium";

const row = (name, of) => `| ${name} | ${of.p50} | ${of.p95} | ${of.max} |`;
for (const [title, run] of [["cubelet", ours], [PEER, theirs]]) {
  console.log(`\n${title}, ${run.calls} calls, ms since the press\n\n| stage | p50 | p95 | max |\n|---|---|---|---|`);
  for (const [name, of] of Object.entries(run.stages)) {
    if (of.n) console.log(row(name, of));
  }
}
console.log();

function figure(name, mine, peers, bound) {
  const ratio = Math.round((mine / peers) * 100) / 100;
  const line = { figure: name, ours: mine, unit: "ms", peer: PEER, theirs: peers, ratio, bound, ok: mine <= bound };
  console.log(JSON.stringify(line));
}
const frame = (run, rank) => run.stages.first_frame[rank];
figure("bell to first picture, p50", frame(ours, "p50"), frame(theirs, "p50"), 500);
figure("bell to first picture, p95", frame(ours, "p95"), frame(theirs, "p95"), 500);
figure("bell to first picture, worst", frame(ours, "max"), frame(theirs, "max"), 1000);
const answered = (run) => run.since_accept.first_frame.p95;
figure("accept to first picture, p95", answered(ours), answered(theirs), 500);
