/**
 * Device and web phone through the hub: the bell rings, the phone answers, both see and hear,
 * write, the door opens, and either side hangs up. Nothing here is a stand-in.
 */
import assert from "node:assert/strict";
import { Control, startBroker } from "./lib/broker.mjs";
import { launch } from "./lib/chromium.mjs";
import { startDevice } from "./lib/device.mjs";
import { signUp, startHub } from "./lib/hub.mjs";
import { Phone } from "./lib/phone.mjs";
import { check, keep, script } from "./lib/script.mjs";

const NOTHING = { frames: 0, samples: 0 };
const DEVICE = "front-door";
let phone;
await script(run);

async function run() {
  await keep({ tail: () => phone?.log.map((line) => `  phone: ${line}`).join("\n") ?? "", end() {} });
  const hub = await keep(startHub());
  const tag = Date.now().toString(36);
  const [door, anna] = await signUp(hub.ready, [
    { login: `door-${tag}`, password: "door-password", full_name: "Front door", tag_list: ["station"] },
    { login: `anna-${tag}`, password: "anna-password", full_name: "Anna Weber" },
  ]);
  const broker = await keep(startBroker());
  const control = await keep(Control.connect(broker.port, DEVICE));
  await keep(
    startDevice({
      ready: hub.ready,
      user: door,
      brokerPort: broker.port,
      name: DEVICE,
      ring: [anna.login],
      allowed: [anna.login],
    }),
  );
  const browser = await keep(launch());
  phone = await Phone.open(browser, hub.ready);
  await phone.signIn(anna);
  await bell(control, anna);
  await conversation(control, anna);
  await theDoor(control, anna);
  await hangUp(control);
  await phoneCalls(control, anna);
  await declined(control);
  await check("the page reported no error", () => {
    assert.deepEqual(phone.log.filter((line) => line.startsWith("page error")), []);
  });
}

async function bell(control, anna) {
  await check("the bell rings at the phone with the station's name", async () => {
    await control.command("ring");
    await phone.ringing("Front door");
    await phone.page.getByText("is ringing").first().waitFor();
    const event = await control.hear("event/call/ringing");
    assert.equal(event.direction, "outgoing");
    assert.equal(event.peer, anna.id);
  });
  await check("who is at the door is seen before answering", async () => {
    // Shown only once the browser has decoded it.
    const size = await phone.page.waitForFunction(() => {
      const picture = document.querySelector("img.snapshot");
      return picture?.complete && picture.naturalWidth && [picture.naturalWidth, picture.naturalHeight];
    });
    assert.deepEqual(await size.jsonValue(), [320, 240]);
  });
  await check("the visitor is seen moving, and not heard, while it rings", async () => {
    const first = await phone.preview();
    const later = await phone.receivesMoreThan(first, { frames: 30, samples: 0 });
    assert.equal(later.samples, 0);
    assert.equal(later.width, 640);
    await phone.button("Answer").waitFor();
    const state = await control.state("call", (call) => call.preview?.viewers?.length === 1);
    assert.equal(state.status, "dialing");
    assert.deepEqual(state.preview.viewers, [anna.id]);
    if (process.env.SCREENSHOT) await phone.page.screenshot({ path: process.env.SCREENSHOT });
    return later;
  });
  await check("the phone answers and both sides are connected, without a dark moment between", async () => {
    const dark = phone.page.evaluate(darkMoments);
    await phone.button("Answer").click();
    await phone.connected();
    assert.equal(await dark, 0);
    const answered = await control.hear("event/call/answered");
    assert.equal(answered.peer, anna.id);
    await control.hear("event/call/connected");
    const state = await control.state("call", (call) => call.status === "connected");
    assert.equal(state.peer, anna.id);
    const ended = await control.hear("event/call/preview", (event) => event.phase === "ended");
    assert.equal(ended.reason, "ringing_over");
    await control.state("call", (call) => call.preview === undefined);
  });
  await mediaFlows(control);
}

/** In the page: frames without the visitor (the ball is white) until the call's own picture is there. */
function darkMoments() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  const paint = canvas.getContext("2d", { willReadFrequently: true });
  const preview = document.querySelector("video.preview");
  const remote = document.querySelector("video.remote");
  const isBright = () => {
    paint.drawImage(preview, 0, 0, canvas.width, canvas.height);
    const { data } = paint.getImageData(0, 0, canvas.width, canvas.height);
    return !preview.hidden && data.some((value, index) => index % 4 !== 3 && value > 128);
  };
  return new Promise((resolve) => {
    let dark = 0;
    const look = () => {
      if (!remote.hidden) return resolve(dark);
      if (!isBright()) dark += 1;
      requestAnimationFrame(look);
    };
    look();
  });
}

async function mediaFlows(control) {
  await check("the phone decodes the station's picture and sound", async () => {
    const first = await phone.receivesMoreThan(NOTHING);
    const later = await phone.receivesMoreThan(first);
    assert.equal(later.width, 640);
    return later;
  });
  await check("the station decodes the phone's picture and sound", async () => {
    const enough = (more) => (call) =>
      call.media?.frames_decoded >= more.frames && call.media?.audio_decoded_ms >= more.ms;
    const first = await control.state("call", enough({ frames: 15, ms: 500 }));
    const more = { frames: first.media.frames_decoded + 15, ms: first.media.audio_decoded_ms + 500 };
    const later = await control.state("call", enough(more));
    assert.ok(later.media.frames_sent > first.media.frames_sent);
    return later.media;
  });
}

async function conversation(control, anna) {
  await check("what the phone writes reaches the station, which confirms reading", async () => {
    await phone.button("Message").click();
    await phone.write("Who is there?");
    const message = await control.hear("event/chat/message");
    assert.equal(message.text, "Who is there?");
    assert.equal(message.from, anna.id);
    assert.match(message.dialog, /^[0-9a-f]{24}$/);
    // Whatever arrives at a station is on its display, so "Delivered" shows but for a moment.
    await phone.tick("Who is there?", "Read");
  });
  await check("what the station writes is delivered and read at the phone", async () => {
    const { message } = await control.command("send", { to: anna.login, text: "The postman" });
    await phone.message("The postman").waitFor();
    const about = (marker) => (event) => event.message === message && event.marker === marker;
    await control.hear("event/chat/sent", (event) => event.message === message);
    const delivered = await control.hear("event/chat/marker", about("delivered"));
    assert.equal(delivered.from, anna.id);
    await control.hear("event/chat/marker", about("read"));
    await control.state("chat", (chat) => chat.outbox === 0);
  });
  await check("the call goes on beside the conversation", async () => {
    await phone.button("Hang up").waitFor();
    await phone.button("Back to the call").click();
    await phone.receivesMoreThan(await phone.received());
  });
}

async function theDoor(control, anna) {
  await check("the door opens from within the call", async () => {
    await phone.button("Open door").click();
    await phone.button("Door opened").waitFor();
    const event = await control.hear("event/door/unlocked");
    assert.equal(event.by, String(anna.id));
    await control.state("door", (door) => door.unlocked);
    await control.state("door", (door) => !door.unlocked);
  });
}

async function hangUp(control) {
  await check("the phone hangs up and the station sees why it ended", async () => {
    await phone.button("Hang up").click();
    assert.equal(await phone.ended(), "Call ended");
    const ended = await control.hear("event/call/ended");
    assert.equal(ended.reason, "remote_hung_up");
    assert.ok(ended.duration_s > 0);
    await control.state("call", (call) => call.status === "idle");
  });
}

async function phoneCalls(control, anna) {
  await check("the phone calls the station, which answers on command", async () => {
    await phone.button("Call Front door").first().click();
    const ringing = await control.hear("event/call/ringing", (event) => event.direction === "incoming");
    assert.equal(ringing.peer, anna.id);
    await control.command("answer");
    await phone.connected();
    await control.state("call", (call) => call.status === "connected");
  });
  await mediaFlows(control);
  await check("the station hangs up and the phone sees it", async () => {
    await control.command("hangup");
    assert.equal(await phone.ended(), "Call ended");
    const ended = await control.hear("event/call/ended");
    assert.equal(ended.reason, "hung_up");
    await control.state("call", (call) => call.status === "idle");
  });
}

async function declined(control) {
  await check("a declined bell ends as rejected at the station", async () => {
    await control.command("ring");
    await phone.ringing("Front door");
    await phone.button("Decline").click();
    const ended = await control.hear("event/call/ended");
    assert.equal(ended.reason, "remote_rejected");
    assert.equal(await phone.ended(), "Declined");
    await control.state("call", (call) => call.status === "idle");
  });
  await check("the station declines the phone's call", async () => {
    await phone.button("Call Front door").first().click();
    await control.hear("event/call/ringing", (event) => event.direction === "incoming");
    await control.command("reject");
    assert.equal(await phone.ended(), "Declined");
  });
}
