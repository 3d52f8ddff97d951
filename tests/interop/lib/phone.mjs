/** The web phone as a person uses it: by what is written on it, not by its insides. */
import { phoneUrl } from "./hub.mjs";

const LIMIT_MS = 15_000;

export class Phone {
  /** Console lines and page errors, for the report of a failure. */
  log = [];

  static async open(browser, ready, { debug = true } = {}) {
    const page = await browser.context.newPage();
    page.setDefaultTimeout(LIMIT_MS);
    const phone = new Phone(page);
    page.on("console", (line) => phone.log.push(`console ${line.type()}: ${line.text().slice(0, 300)}`));
    page.on("pageerror", (error) => phone.log.push(`page error: ${error.message}`));
    await page.goto(`${phoneUrl(ready)}${debug ? "?debug=1" : ""}`);
    return phone;
  }

  constructor(page) {
    this.page = page;
    this.call = page.getByRole("dialog");
  }

  button(name) {
    return this.page.getByRole("button", { name, exact: true });
  }

  /** Fills the form and sends it, whatever comes of it. */
  async trySignIn(login, password, { remember = false } = {}) {
    await this.page.getByLabel("Login").fill(login);
    await this.page.getByLabel("Password").fill(password);
    await this.page.getByLabel("Stay signed in").setChecked(remember);
    await this.button("Sign in").click();
  }

  async signIn(user, options) {
    await this.trySignIn(user.login, user.password, options);
    await this.online();
  }

  async online() {
    await this.page.getByRole("status").filter({ hasText: /^Online$/ }).waitFor();
  }

  async openConversation(name) {
    await this.page.getByRole("button", { name: new RegExp(`^Messages with ${escape(name)}`) }).click();
    await this.page.getByRole("region", { name: `Conversation with ${name}` }).waitFor();
  }

  async write(text) {
    await this.page.getByLabel("Message", { exact: true }).and(this.page.locator("textarea")).fill(text);
    await this.button("Send").click();
  }

  message(text) {
    return this.page.getByRole("log").getByRole("listitem").filter({ hasText: text });
  }

  /** Waits until our message shows this tick: "Sent", "Delivered" or "Read". */
  async tick(text, label) {
    await this.message(text).getByRole("img", { name: label, exact: true }).waitFor();
  }

  /** Waits for `name is ringing` (a station) or `is calling` (a phone). */
  async ringing(name, limitMs = LIMIT_MS) {
    await this.call.getByRole("heading", { name }).waitFor({ timeout: limitMs });
    await this.button("Answer").waitFor({ timeout: limitMs });
  }

  /** Waits until the moving picture of a ringing call is on the screen; what has come so far. */
  async preview() {
    await this.page.waitForFunction(() => {
      const video = document.querySelector("video.preview:not([hidden])");
      return video?.videoWidth > 0 && !video.paused;
    });
    return await this.received();
  }

  async connected() {
    await this.page.locator('[role=dialog][data-phase="connected"]').waitFor();
  }

  /** Waits until the call says why it ended, takes it off the screen, and gives the words. */
  async ended() {
    await this.page.locator('[role=dialog][data-phase="ended"]').waitFor();
    const words = await this.call.locator(".call-status").innerText();
    await this.button("Close").click();
    await this.call.waitFor({ state: "hidden" });
    return words;
  }

  /** What has been received so far in the newest call: decoded pictures, sound samples. */
  async received() {
    return await this.page.evaluate(async () => {
      const connection = window.__calls.at(-1);
      const got = { frames: 0, samples: 0, energy: 0, width: 0, codec: "" };
      if (!connection) return got;
      const stats = await connection.getStats();
      for (const entry of stats.values()) {
        if (entry.type !== "inbound-rtp") continue;
        if (entry.kind === "video") {
          got.frames = entry.framesDecoded ?? 0;
          got.width = entry.frameWidth ?? 0;
          got.codec = stats.get(entry.codecId)?.mimeType ?? "";
        } else {
          got.samples = entry.totalSamplesReceived ?? 0;
          got.energy = entry.totalAudioEnergy ?? 0;
        }
      }
      return got;
    });
  }

  /** Waits until more pictures and more sound have come than `before`; gives the new counts. */
  async receivesMoreThan(before, { frames = 30, samples = 24_000 } = {}) {
    const enough = (now) => now.frames >= before.frames + frames && now.samples >= before.samples + samples;
    return await until(() => this.received(), enough, LIMIT_MS, "more pictures and sound");
  }
}

/**
 * Whether a second and a half of what `phone` hears from now on is silent. Chromium's fake
 * microphone beeps once a second.
 */
export async function hearsSilence(phone) {
  const before = await phone.received();
  const after = await phone.receivesMoreThan(before, { frames: 0, samples: 72_000 });
  return after.energy - before.energy < 1e-6;
}

/** Asks again until the answer will do. The interval is how often counters are worth reading. */
export async function until(ask, good, limitMs, what) {
  const start = Date.now();
  for (;;) {
    const value = await ask();
    if (good(value)) return value;
    if (Date.now() - start > limitMs) {
      throw new Error(`waited ${limitMs} ms for ${what}; last seen ${JSON.stringify(value)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
