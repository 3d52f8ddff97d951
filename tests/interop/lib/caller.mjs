/**
 * A phone that is nothing but the official SDK in a browser page: what an application of the
 * vendor's customers does, without an application.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { launch } from "./chromium.mjs";

const PACKAGE = createRequire(import.meta.url).resolve("connectycube/package.json");
const SDK = join(dirname(PACKAGE), "dist", "connectycube.min.js");
const LIMIT_MS = 20_000;

export class Caller {
  log = [];

  /**
   * Signs the user in; `videochat` goes into the SDK's settings. With `beside`, another caller, it
   * is one more page of that one's browser, and closed with it.
   */
  static async start(ready, user, videochat = {}, beside = undefined) {
    const browser = beside?.browser ?? (await launch({ bypassCSP: true }));
    const caller = new Caller();
    const page = await browser.context.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    page.on("console", (line) => caller.log.push(`console ${line.type()}: ${line.text().slice(0, 300)}`));
    page.on("pageerror", (error) => caller.log.push(`page error: ${error.message}`));
    Object.assign(caller, { browser, page, user, id: user.id });
    await page.goto(new URL("config.json", ready.phone.replace(/\/?$/, "/")).href);
    await page.addScriptTag({ content: await readFile(SDK, "utf8") });
    const { id, login, password } = user;
    await page.evaluate(signIn, { ready, user: { id, login, password }, videochat });
    return caller;
  }

  /** Calls these users in one session. */
  call(users, info = {}, type = 1) {
    return this.page.evaluate(place, { users, info, type });
  }

  /** Waits for the next call and gives its id and the caller's parameters. */
  async rings() {
    const handle = await this.page.waitForFunction(() => window.incoming.shift());
    return handle.jsonValue();
  }

  accept() {
    return this.page.evaluate(take);
  }

  reject(info = {}) {
    return this.page.evaluate((extra) => window.call.reject(extra), info);
  }

  hangUp(info = {}) {
    return this.page.evaluate((extra) => window.call.stop(extra), info);
  }

  rejectByHttp(recipientId) {
    return this.page.evaluate(declineByHttp, recipientId);
  }

  restartIce(user) {
    return this.page.evaluate((id) => window.call.iceRestart(id), user);
  }

  mute(kind, muted) {
    return this.page.evaluate(([what, how]) => (how ? window.call.mute(what) : window.call.unmute(what)), [kind, muted]);
  }

  /** The first thing of this kind that matches, noted already or to come; each is given once. */
  async noted(kind, match = {}) {
    const handle = await this.page.waitForFunction(take1, { kind, match });
    return handle.jsonValue();
  }

  /** Forgets what was noted until now. */
  forget() {
    return this.page.evaluate(() => {
      window.notes.length = 0;
    });
  }

  /** Counters of the connection with a user: what was received, and the ICE user name in use. */
  counters(user) {
    return this.page.evaluate(count, user);
  }

  /** Waits until so many more pictures, and packets of sound, of a user have come; gives the new counters. */
  async receives(user, since = { frames: 0, packets: 0 }, more = { frames: 15, packets: 25 }) {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
      const now = await this.counters(user);
      if (now && now.frames >= since.frames + more.frames && now.packets >= since.packets + more.packets) return now;
      if (Date.now() > deadline) {
        throw new Error(`${this.user.login} waited for media of ${user}: ${JSON.stringify({ since, now })}`);
      }
      await this.page.waitForTimeout(100);
    }
  }

  /** Kbit/s of pictures that come from a user, over two seconds. */
  async kbps(user) {
    const before = await this.counters(user);
    await this.page.waitForTimeout(2_000);
    const after = await this.counters(user);
    return Math.round(((after.bytes - before.bytes) * 8) / (after.at - before.at));
  }

  /** How bright the newest picture of a user is, 0 to 255. */
  brightness(user) {
    return this.page.evaluate(brightness, user);
  }

  /** The limit the SDK has set for its pictures to a user, in bit/s. */
  sendLimit(user) {
    return this.page.evaluate((id) => {
      const senders = window.call.peerConnections[id].getSenders();
      const video = senders.find((sender) => sender.track?.kind === "video");
      return video.getParameters().encodings[0].maxBitrate;
    }, user);
  }

  close() {
    return this.browser.close();
  }

  tail() {
    return this.log.slice(-40).map((line) => `  ${this.user.login}: ${line}`).join("\n");
  }
}

// The functions below run inside the page.

async function signIn({ ready, user, videochat }) {
  const sdk = window.ConnectyCube;
  sdk.init(
    { appId: ready.app_id, authKey: ready.auth_key },
    {
      endpoints: { api: location.host, api_url: location.origin, chat: ready.chat, chat_url: ready.chat_url },
      videochat: { iceServers: [], ...videochat },
      debug: { mode: 0 },
    },
  );
  window.incoming = [];
  window.notes = [];
  const note = (kind) => (session, userId, info) =>
    window.notes.push({
      kind,
      call: session?.ID,
      user: userId,
      info: info ?? {},
      // Unix milliseconds.
      at: performance.timeOrigin + performance.now(),
    });
  const calls = sdk.videochat;
  calls.onCallListener = (session, info) => {
    window.call = session;
    window.incoming.push({ call: session.ID, info, opponents: session.opponentsIDs });
  };
  calls.onAcceptCallListener = note("accept");
  calls.onRejectCallListener = note("reject");
  calls.onStopCallListener = note("stop");
  calls.onUserNotAnswerListener = note("no_answer");
  calls.onSessionCloseListener = note("closed");
  await sdk.createSession({ login: user.login, password: user.password });
  await sdk.chat.connect({ userId: user.id, password: user.password });
}

async function place({ users, info, type }) {
  const session = window.ConnectyCube.videochat.createNewSession(users, type);
  window.call = session;
  await session.getUserMedia({ audio: true, ...(type === 1 ? { video: { width: 320, height: 240 } } : {}) });
  session.call(info);
  return session.ID;
}

async function take() {
  const video = window.call.callType === 1 ? { video: { width: 320, height: 240 } } : {};
  await window.call.getUserMedia({ audio: true, ...video });
  window.call.accept({});
}

function declineByHttp(recipientId) {
  return window.ConnectyCube.videochat.callRejectRequest({
    sessionID: window.call.ID,
    recipientId,
    platform: "web",
    userInfo: { reason: "asleep" },
  });
}

function take1({ kind, match }) {
  const fits = (one) => one.kind === kind && Object.entries(match).every(([key, value]) => one[key] === value);
  const at = window.notes.findIndex(fits);
  return at >= 0 && window.notes.splice(at, 1)[0];
}

async function count(user) {
  const connection = window.call?.peerConnections[user];
  if (!connection) return undefined;
  const found = { frames: 0, packets: 0, bytes: 0, at: performance.now(), state: connection.iceConnectionState };
  for (const one of (await connection.getStats()).values()) {
    if (one.type === "transport") found.ufrag = one.iceLocalUsernameFragment;
    if (one.type !== "inbound-rtp") continue;
    if (one.kind === "video") {
      found.frames = one.framesDecoded ?? 0;
      found.bytes = one.bytesReceived ?? 0;
    } else found.packets = one.packetsReceived ?? 0;
  }
  return found;
}

async function brightness(user) {
  const receivers = window.call.peerConnections[user].original.getReceivers();
  const { track } = receivers.find((receiver) => receiver.track.kind === "video");
  const video = Object.assign(document.createElement("video"), { muted: true, srcObject: new MediaStream([track]) });
  await video.play();
  await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 24 });
  const paint = canvas.getContext("2d");
  paint.drawImage(video, 0, 0, canvas.width, canvas.height);
  const { data } = paint.getImageData(0, 0, canvas.width, canvas.height);
  video.srcObject = null;
  let sum = 0;
  for (let at = 0; at < data.length; at += 4) sum += (data[at] + data[at + 1] + data[at + 2]) / 3;
  return Math.round(sum / (data.length / 4));
}
