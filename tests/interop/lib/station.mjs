/**
 * A door station played by the official SDK in a browser: what the phone must get along with
 * besides cubelet's own device. It rings with a picture and answers the door button.
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { launch } from "./chromium.mjs";

const PACKAGE = createRequire(import.meta.url).resolve("connectycube/package.json");
const SDK = join(dirname(PACKAGE), "dist", "connectycube.min.js");
const VISITOR = new URL("../assets/visitor.svg", import.meta.url);
const CAMERA = { width: 640, height: 480 };
const LIMIT_MS = 15_000;

/** The drawn visitor as the browser's camera film (MJPEG) and as the picture sent while ringing. */
async function film(directory) {
  const browser = await launch({ viewport: CAMERA });
  try {
    const page = await browser.context.newPage();
    const drawing = await readFile(VISITOR, "utf8");
    await page.setContent(`<style>*{margin:0}svg{width:100vw;height:100vh}</style>${drawing}`);
    const picture = await page.screenshot({ type: "jpeg", quality: 88 });
    const path = join(directory, "camera.mjpeg");
    // Motion JPEG is pictures end to end; Chromium plays them in a loop.
    await writeFile(path, Buffer.concat([picture, picture]));
    const snapshot = await page.screenshot({ type: "jpeg", quality: 62 });
    return { path, snapshot: `data:image/jpeg;base64,${snapshot.toString("base64")}` };
  } finally {
    await browser.close();
  }
}

export class Station {
  log = [];

  /**
   * Signs the user in and waits, its camera showing the drawn visitor. `sound` is a WAV file for
   * its microphone, `script` a function that runs in its page before anything else.
   */
  static async start(ready, user, { sound, script } = {}) {
    const directory = await mkdtemp(join(tmpdir(), "cubelet-station-"));
    const { path, snapshot } = await film(directory);
    const browser = await launch({ video: path, sound, bypassCSP: true });
    if (script) await browser.context.addInitScript(script);
    const station = new Station(browser, directory, snapshot);
    const page = await browser.context.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    page.on("console", (line) => station.log.push(`console ${line.type()}: ${line.text().slice(0, 300)}`));
    page.on("pageerror", (error) => station.log.push(`page error: ${error.message}`));
    station.page = page;
    // Any page of the hub's origin will do: camera and chat need a secure context.
    await page.goto(new URL("config.json", ready.phone.replace(/\/?$/, "/")).href);
    await page.addScriptTag({ content: await readFile(SDK, "utf8") });
    await page.evaluate(signIn, { ready, user: { id: user.id, login: user.login, password: user.password } });
    return station;
  }

  constructor(browser, directory, snapshot) {
    this.browser = browser;
    this.directory = directory;
    this.snapshot = snapshot;
  }

  /** Calls one user as a door station does; `withSnapshot` sends the visitor's picture along. */
  async ring(userId, name, { withSnapshot = true } = {}) {
    const info = withSnapshot ? { name, snapshot: this.snapshot } : { name };
    return await this.page.evaluate(ring, { userId, info });
  }

  /**
   * Calls each of these users by a session of its own, as a door station does: the first to
   * accept has the call, and the others are told so.
   */
  async ringEach(userIds, name) {
    await this.page.evaluate(ringEach, { userIds, info: { name } });
  }

  async hangUp() {
    await this.page.evaluate(() => window.call.stop({}));
  }

  /** How the door answers from now on: "open", "silent", or the reason of a refusal. */
  async door(answer) {
    await this.page.evaluate((value) => (window.doorAnswer = value), answer);
  }

  async close() {
    await this.browser.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}

// The functions below run inside the page.

async function signIn({ ready, user }) {
  const sdk = window.ConnectyCube;
  sdk.init(
    { appId: ready.app_id, authKey: ready.auth_key },
    {
      endpoints: { api: location.host, api_url: location.origin, chat: ready.chat, chat_url: ready.chat_url },
      videochat: { iceServers: [] },
      debug: { mode: 0 },
    },
  );
  window.doorAnswer = "open";
  const chat = sdk.chat;
  chat.onSystemMessageListener = ({ userId, extension }) => {
    if (extension?.cubelet !== "unlock" || window.doorAnswer === "silent") return;
    const opened = window.doorAnswer === "open";
    const known = extension.session_id === window.call?.ID;
    const reason = known ? window.doorAnswer : "only the one in the call may open the door";
    chat.sendSystemMessage(userId, {
      extension: {
        cubelet: "unlock_result",
        request_id: extension.request_id,
        ok: String(opened && known),
        ...(opened && known ? {} : { reason }),
      },
    });
  };
  await sdk.createSession({ login: user.login, password: user.password });
  await chat.connect({ userId: user.id, password: user.password });
}

async function ring({ userId, info }) {
  const session = window.ConnectyCube.videochat.createNewSession([userId], 1);
  window.call = session;
  await session.getUserMedia({ audio: true, video: { width: 640, height: 480 } });
  session.call(info);
  return session.ID;
}

async function ringEach({ userIds, info }) {
  const videochat = window.ConnectyCube.videochat;
  let sessions = [];
  const remote = document.querySelector("video") ?? document.body.appendChild(document.createElement("video"));
  remote.className = "far";
  remote.autoplay = true;
  videochat.onAcceptCallListener = (session) => {
    window.__marks.accept_received ??= performance.timeOrigin + performance.now();
    window.call = session;
    for (const other of sessions) if (other !== session) other.stop({ reason: "answered_elsewhere" });
  };
  videochat.onRemoteStreamListener = (_session, _user, stream) => {
    remote.srcObject = stream;
  };
  // A session takes the listeners there are when it is made.
  sessions = userIds.map((userId) => videochat.createNewSession([userId], 1));
  const stream = await sessions[0].getUserMedia({ audio: true, video: { width: 640, height: 480 } });
  // A session that ends stops its tracks.
  for (const session of sessions.slice(1)) session.localStream = stream.clone();
  for (const session of sessions) session.call(info);
}
