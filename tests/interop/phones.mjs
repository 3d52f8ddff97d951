/**
 * The web phone in Chromium against the hub: sign-in, chat, calls between two phones, the door
 * of a station, and a connection that breaks.
 */
import assert from "node:assert/strict";
import { cable } from "./lib/cable.mjs";
import { launch } from "./lib/chromium.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { hearsSilence, Phone, until } from "./lib/phone.mjs";
import { Report } from "./lib/report.mjs";
import { Station } from "./lib/station.mjs";

const NOTHING = { frames: 0, samples: 0 };
const report = new Report();
const check = report.check.bind(report);
const hub = await startHub();
const closing = [];
const phones = [];
let station;
try {
  await run(hub.ready);
} catch (error) {
  report.abort("script", error);
} finally {
  for (const close of closing.reverse()) await close();
  await hub.end();
  const pages = phones.flatMap(({ name, phone }) => phone.log.map((line) => `  ${name}: ${line}`));
  const far = station?.log.slice(-40).map((line) => `  station: ${line}`) ?? [];
  report.print([...pages, ...far, hub.tail()].join("\n"));
}
process.exit(report.failed ? 1 : 0);

async function run(ready) {
  const tag = Date.now().toString(36);
  const [anna, ben, door] = await signUp(ready, [
    { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
    { login: `ben-${tag}`, password: "ben-password", full_name: "Ben Okafor" },
    { login: `door-${tag}`, password: "door-password", full_name: "Front door", tag_list: ["station"] },
  ]);
  const line = await cable(ready);
  closing.push(async () => line.close());
  const browser = await launch();
  closing.push(() => browser.close());
  const other = await launch();
  closing.push(() => other.close());
  const a = await open("anna", browser, line.ready);
  const b = await open("ben", other, ready);
  await signingIn(a, b, anna, ben);
  await chat(a, b);
  await calls(a, b);
  await twoDevices(a, b, ben, other, ready);
  station = await Station.start(ready, door);
  closing.push(() => station.close());
  await theDoor(a, anna);
  await brokenCable(a, b, line);
  await check("no page reported an error", () => {
    const errors = phones.flatMap(({ phone }) => phone.log.filter((entry) => entry.startsWith("page error")));
    assert.deepEqual(errors, []);
  });
}

async function open(name, browser, ready) {
  const phone = await Phone.open(browser, ready);
  phones.push({ name, phone });
  return phone;
}

async function signingIn(a, b, anna, ben) {
  await check("an unknown login is told from a wrong password", async () => {
    await a.trySignIn("nobody-at-all", "whatever");
    await a.page.getByRole("alert").filter({ hasText: "Nobody here has that login." }).waitFor();
    await a.trySignIn(anna.login, "wrong");
    await a.page.getByRole("alert").filter({ hasText: "Wrong password." }).waitFor();
  });
  await check("both phones sign in and see each other", async () => {
    await a.signIn(anna, { remember: true });
    await b.signIn(ben);
    await a.button("Call Ben Okafor").waitFor();
    await b.button("Call Anna Weber").waitFor();
  });
  await check("a remembered login survives a reload", async () => {
    await a.page.reload();
    await a.online();
    await a.button("Call Ben Okafor").waitFor();
  });
}

async function chat(a, b) {
  await check("a message counts as unread where nobody looks", async () => {
    await a.openConversation("Ben Okafor");
    await a.write("Are you there?");
    await a.tick("Are you there?", "Delivered");
    await b.page.getByRole("button", { name: "Messages with Anna Weber, online, 1 unread" }).waitFor();
  });
  await check("opening the conversation reads it, and the author sees that", async () => {
    await b.openConversation("Anna Weber");
    await b.message("Are you there?").waitFor();
    await a.tick("Are you there?", "Read");
  });
  await check("typing shows on the other side", async () => {
    await b.page.locator("textarea").pressSequentially("Ye");
    await a.page.getByText("writes…").first().waitFor();
  });
  await check("an answer comes back", async () => {
    await b.write("Yes, <b>here</b> & now");
    await a.message("Yes, <b>here</b> & now").waitFor();
    await b.tick("Yes, <b>here</b> & now", "Read");
  });
  await check("history is there after a reload", async () => {
    await a.page.reload();
    await a.online();
    await a.openConversation("Ben Okafor");
    const texts = await a.page.getByRole("log").getByRole("listitem").locator("p").allInnerTexts();
    assert.deepEqual(texts, ["Are you there?", "Yes, <b>here</b> & now"]);
    await a.tick("Are you there?", "Read");
  });
}

async function calls(a, b) {
  await check("a call rings with the caller's name and is answered", async () => {
    await a.button("Call Ben Okafor").first().click();
    await b.ringing("Anna Weber");
    await b.page.getByText("is calling").waitFor();
    await b.button("Answer").click();
    await a.connected();
    await b.connected();
  });
  await check("pictures and sound flow both ways", async () => {
    const [atA, atB] = await Promise.all([a.receivesMoreThan(NOTHING), b.receivesMoreThan(NOTHING)]);
    assert.equal(atA.width, 640);
    return { atA, atB };
  });
  await check("with the camera off the picture goes dark but keeps coming", async () => {
    await b.button("Camera off").click();
    await b.button("Camera on").waitFor();
    await a.receivesMoreThan(await a.received(), { frames: 2, samples: 4_800 });
    await b.button("Camera on").click();
    await b.button("Camera off").waitFor();
    await a.receivesMoreThan(await a.received());
  });
  await check("a muted microphone is silent, and heard again after", async () => {
    await b.button("Mute").click();
    await until(() => hearsSilence(a), (silent) => silent, 10_000, "silence");
    await b.button("Unmute").click();
    await until(() => hearsSilence(a), (silent) => !silent, 10_000, "sound");
  });
  await check("hanging up ends it on both sides", async () => {
    await a.button("Hang up").click();
    assert.equal(await b.ended(), "Call ended");
    assert.equal(await a.ended(), "Call ended");
  });
  await check("a declined call says so to the caller", async () => {
    await b.button("Call Anna Weber").first().click();
    await a.ringing("Ben Okafor");
    await a.button("Decline").click();
    assert.equal(await a.ended(), "Declined");
    assert.equal(await b.ended(), "Declined");
  });
  await check("a caller who gives up leaves a missed call", async () => {
    await b.button("Call Anna Weber").first().click();
    await a.ringing("Ben Okafor");
    await b.button("Hang up").click();
    assert.equal(await a.ended(), "Missed call");
    assert.equal(await b.ended(), "Call ended");
  });
}

async function twoDevices(a, b, ben, browser, ready) {
  await check("answering on one device stops the ringing on the other", async () => {
    const tablet = await open("ben's tablet", browser, ready);
    await tablet.signIn(ben);
    await a.button("Call Ben Okafor").first().click();
    await b.ringing("Anna Weber");
    await tablet.ringing("Anna Weber");
    await tablet.button("Answer").click();
    await tablet.connected();
    assert.equal(await b.ended(), "Answered on another device");
    await tablet.button("Hang up").click();
    assert.equal(await a.ended(), "Call ended");
    await tablet.page.close();
  });
}

async function theDoor(a, anna) {
  await check("a station rings with a picture of the visitor", async () => {
    await station.ring(anna.id, "Front door");
    await a.ringing("Front door");
    await a.page.getByText("is ringing").first().waitFor();
    const picture = a.page.getByRole("img", { name: "Picture from Front door" });
    await picture.waitFor();
    assert.equal(await picture.evaluate((image) => image.naturalWidth), 640);
  });
  await check("the visitor is seen after answering", async () => {
    await a.button("Answer").click();
    await a.connected();
    await a.receivesMoreThan(NOTHING);
  });
  await check("the door opens and says so", async () => {
    await a.button("Open door").click();
    await a.button("Door opened").waitFor();
  });
  await check("a refusal is told with its reason", async () => {
    await station.door("you are not on this door's list");
    await a.button("Open door").click();
    await a.button("Not opened").waitFor();
    await a.page.getByText("You are not on this door's list.").waitFor();
  });
  await check("a door that does not answer is told within its time-out", async () => {
    await station.door("silent");
    await a.button("Open door").click();
    await a.page.getByText("The door did not answer.").waitFor({ timeout: 7_000 });
  });
  await check("the station hangs up", async () => {
    await station.hangUp();
    assert.equal(await a.ended(), "Call ended");
  });
}

async function brokenCable(a, b, line) {
  await check("a pulled cable shows, and what is written meanwhile waits", async () => {
    line.pull();
    await a.page.getByRole("status").filter({ hasText: "Connecting…" }).waitFor();
    await a.write("Sent from nowhere");
    await a.tick("Sent from nowhere", "Waiting for the connection");
  });
  await check("once back the phone fetches what it missed and sends what waited", async () => {
    await b.write("Written while you were away");
    line.plug();
    await a.online();
    await b.message("Sent from nowhere").waitFor();
    await a.tick("Sent from nowhere", "Read");
    await a.message("Written while you were away").waitFor();
    assert.equal(await b.message("Sent from nowhere").count(), 1);
    assert.equal(await a.message("Written while you were away").count(), 1);
  });
  await check("and it can still be called", async () => {
    await b.button("Call Anna Weber").first().click();
    await a.ringing("Ben Okafor");
    await a.button("Decline").click();
    assert.equal(await a.ended(), "Declined");
    assert.equal(await b.ended(), "Declined");
  });
}
