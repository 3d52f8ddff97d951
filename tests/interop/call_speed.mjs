/**
 * How fast a call is: from the press of the bell until every phone of the ring group rings, and
 * from the answer to picture and sound on both sides.
 *
 * `CUBELET_BIN=… node call_speed.mjs [CALLS] [--peer]` makes CALLS (50) calls on loopback, three
 * phones ringing in each, and prints one JSON object: percentiles of every stage in milliseconds,
 * and the stages of each call. With `--peer` the station is the vendor's SDK in a browser of its
 * own, pressed by script, instead of the device. All clocks are this machine's. The answer button
 * is pressed by script as soon as all three ring, so no person's reaction is measured.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Control, startBroker } from "./lib/broker.mjs";
import { callMarks } from "./lib/call_marks.mjs";
import { launch } from "./lib/chromium.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { Phone } from "./lib/phone.mjs";
import { Station } from "./lib/station.mjs";
import { writeTone } from "./lib/tone.mjs";

const DEVICE = "front-door";
const calls = Number(process.argv.slice(2).find((argument) => !argument.startsWith("--")) ?? 50);
const isPeer = process.argv.includes("--peer");
const LIMIT_MS = 20_000;
/** At the phone that answers, since its button was pressed. */
const AT_PHONE = [
  "accepted",
  "ice_connected",
  "dtls_connected",
  "first_video_packet",
  "first_frame",
  "first_audio_packet",
  "first_audio",
];
/** At the station, since the accept left the phone. */
const AT_STATION = ["accept_received", "connected", "first_frame", "first_audio"];
const parts = [];
const phones = [];
let failed = false;

try {
  process.stdout.write(`${JSON.stringify(await bench(), undefined, 2)}\n`);
} catch (error) {
  failed = true;
  const logs = phones.map((phone) => phone.log.slice(-10).join("\n"));
  console.error(error, logs.join("\n"), parts.map((part) => part.tail?.() ?? "").join("\n"));
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
  const folder = await mkdtemp(join(tmpdir(), "cubelet-speed-"));
  parts.push({ end: () => rm(folder, { recursive: true, force: true }) });
  const sound = join(folder, "tone.wav");
  await writeTone(sound);
  const hub = await keep(startHub());
  const tag = Date.now().toString(36);
  const [door, ...people] = await signUp(hub.ready, [
    { login: `door-${tag}`, password: "door-password", full_name: "Front door" },
    { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
    { login: `ben-${tag}`, password: "ben-password", full_name: "Ben Okafor" },
    { login: `clara-${tag}`, password: "clara-password", full_name: "Clara Novak" },
  ]);
  const bell = await (isPeer ? sdkStation(hub, door, people, sound) : deviceStation(hub, door, people));
  const browser = await keep(launch({ sound, bypassCSP: true }));
  await browser.context.addInitScript(callMarks);
  for (const person of people) {
    const phone = await Phone.open(browser, hub.ready);
    await phone.signIn(person);
    phones.push(phone);
  }
  // A page behind another one paints once a second.
  await phones[0].page.bringToFront();
  await phones[0].page.evaluate(() => window.__prepareEars());
  const each = [];
  for (let call = 0; call < calls; call += 1) {
    each.push(await one(bell));
    process.stderr.write(`call ${call + 1}/${calls}: ${JSON.stringify(each.at(-1))}\n`);
  }
  const version = browser.context.browser()?.version();
  return { calls, browser: version, ...summary(each), each };
}

/** The device, pressed over MQTT. */
async function deviceStation(hub, door, people) {
  const broker = await keep(startBroker());
  const control = await keep(Control.connect(broker.port, DEVICE));
  const settings = { ready: hub.ready, user: door, brokerPort: broker.port, name: DEVICE };
  const ring = people.map(({ login }) => login);
  await keep(startDevice({ ...settings, ring, allowed: [], sound: "test:tone" }));
  const heard = async (what) => (await control.hear(`event/call/${what}`)).ts;
  return {
    begin: () => undefined,
    press: () => control.command("ring"),
    async marks() {
      const [accept_received, connected, first_frame, first_audio] = await Promise.all(
        ["answered", "connected", "first_frame", "first_audio"].map(heard),
      );
      return { accept_received, connected, first_frame, first_audio };
    },
    async hangUp() {
      await control.command("hangup");
      await control.state("call", (call) => call.status === "idle");
    },
  };
}

/** The vendor's SDK in a browser of its own, its camera a film and its microphone the tone. */
async function sdkStation(hub, door, people, sound) {
  const station = await keep(Station.start(hub.ready, door, { sound, script: callMarks }));
  await station.page.evaluate(() => window.__prepareEars());
  return {
    begin: () => station.page.evaluate(() => window.__newCall()),
    press: () => station.ringEach(people.map(({ id }) => id), "Front door"),
    async marks() {
      const marks = await complete(station.page);
      return { ...marks, connected: marks.dtls_connected };
    },
    hangUp: () => station.hangUp(),
  };
}

/** The marks of a page once picture and sound are there. */
async function complete(page) {
  const done = () => window.__marks.first_frame && window.__marks.first_audio && window.__marks;
  try {
    return await (await page.waitForFunction(done, undefined, { timeout: LIMIT_MS })).jsonValue();
  } catch (error) {
    const marks = JSON.stringify(await page.evaluate(() => window.__marks));
    throw new Error(`no picture and sound at ${page.url()}: ${marks}`, { cause: error });
  }
}

async function one(bell) {
  await bell.begin();
  for (const phone of phones) await phone.page.evaluate(() => window.__newCall());
  const pressed = Date.now();
  await bell.press();
  const ringing = await Promise.all(phones.map(({ page }) => rings(page)));
  const [answering] = phones;
  await answering.page.evaluate(() => document.querySelector(".control.answer").click());
  const phone = await complete(answering.page);
  const station = await bell.marks();
  await bell.hangUp();
  await Promise.all(phones.map((each) => each.ended()));
  const since = (from, to) => (to === undefined ? null : Math.round((to - from) * 10) / 10);
  const named = (names, from, marks) => Object.fromEntries(names.map((name) => [name, since(from, marks[name])]));
  return {
    ringing: { first: since(pressed, Math.min(...ringing)), last: since(pressed, Math.max(...ringing)) },
    phone: named(AT_PHONE, phone.answered, phone),
    station: named(AT_STATION, phone.accepted, station),
    // Without the time between the last ringing and the press of the button, which is the script's.
    bell_to_picture: since(pressed, ringing[0]) + since(phone.answered, phone.first_frame),
  };
}

async function rings(page) {
  const mark = () => window.__marks.ringing;
  return (await page.waitForFunction(mark, undefined, { timeout: LIMIT_MS })).jsonValue();
}

function summary(each) {
  const of = (part) => {
    const names = Object.keys(each[0][part]);
    return Object.fromEntries(names.map((name) => [name, spread(each.map((call) => call[part][name]))]));
  };
  return {
    ringing: of("ringing"),
    phone: of("phone"),
    station: of("station"),
    bell_to_picture: spread(each.map((call) => call.bell_to_picture)),
  };
}

/** Nearest-rank percentiles: with 50 calls, p95 is the third worst. */
function spread(values) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const rank = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  const round = (value) => value && Math.round(value * 10) / 10;
  return { p50: round(rank(0.5)), p95: round(rank(0.95)), max: round(sorted.at(-1)), n: sorted.length };
}
