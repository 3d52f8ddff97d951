/** One user of the official SDK's Node build, and everything that reached them. */
import ConnectyCube from "connectycube";
import { sdkOptions } from "./hub.mjs";

const LIMIT_MS = 8_000;

/** What came through one listener: `take` waits for the first that matches and removes it. */
class Inbox {
  #items = [];
  #waiting = [];

  constructor(name) {
    this.name = name;
  }

  put(item) {
    const at = this.#waiting.findIndex(({ match }) => match(item));
    if (at < 0) this.#items.push(item);
    else this.#waiting.splice(at, 1)[0].resolve(item);
  }

  take(match, what, limitMs = LIMIT_MS) {
    const at = this.#items.findIndex(match);
    if (at >= 0) return Promise.resolve(this.#items.splice(at, 1)[0]);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((waiting) => waiting !== entry);
        const seen = JSON.stringify(this.#items.slice(-5));
        reject(new Error(`${this.name}: no ${what} within ${limitMs} ms; unclaimed: ${seen}`));
      }, limitMs);
      const entry = {
        match,
        resolve: (item) => {
          clearTimeout(timer);
          resolve(item);
        },
      };
      this.#waiting.push(entry);
    });
  }

  /** Those not taken yet. */
  get left() {
    return [...this.#items];
  }
}

export class Member {
  /** A second instance for a second user or a second device of the same user. */
  constructor(ready, user) {
    this.user = user;
    this.id = user.id;
    this.sdk = new ConnectyCube.ConnectyCube();
    this.sdk.init({ appId: ready.app_id, authKey: ready.auth_key }, sdkOptions(ready));
    const inbox = (name) => new Inbox(`${user.login} ${name}`);
    this.messages = inbox("messages");
    this.delivered = inbox("delivered");
    this.read = inbox("read");
    this.typing = inbox("typing");
    this.edits = inbox("edits");
    this.deletions = inbox("deletions");
    this.system = inbox("system");
    this.sent = inbox("sent");
    this.activity = inbox("activity");
    this.stanzas = inbox("stanzas");
    const chat = this.sdk.chat;
    chat.onMessageListener = (from, message) => this.messages.put({ from, ...message });
    chat.onDeliveredStatusListener = (id, dialog, from) => this.delivered.put({ id, dialog, from });
    chat.onReadStatusListener = (id, dialog, from) => this.read.put({ id, dialog, from });
    chat.onMessageTypingListener = (on, from, dialog) => this.typing.put({ on, from, dialog });
    chat.onMessageUpdateListener = (id, last, body, dialog, from) =>
      this.edits.put({ id, last, body, dialog, from });
    chat.onMessageDeleteListener = (id, dialog, from) => this.deletions.put({ id, dialog, from });
    chat.onSystemMessageListener = (message) => this.system.put(message);
    chat.onSentMessageCallback = (lost, sent) => this.sent.put({ lost, sent });
    chat.onLastUserActivityListener = (from, seconds) => this.activity.put({ from, seconds });
  }

  get chat() {
    return this.sdk.chat;
  }

  async login() {
    this.session = await this.sdk.createSession({
      login: this.user.login,
      password: this.user.password,
    });
    return this.session;
  }

  async connect(password = this.user.password) {
    await this.chat.connect({ userId: this.id, password });
    // Raw stanzas too: the Node build has no calls, so it hides their signals.
    this.chat.xmppClient.on("stanza", (stanza) => this.stanzas.put(stanza));
  }

  async disconnect() {
    await this.chat.disconnect();
  }

  /** Sends a text to a user (number) or a group dialog (its id) and gives the message's id. */
  say(target, body, extension = {}) {
    return this.chat.send(target, {
      type: typeof target === "number" ? "chat" : "groupchat",
      body,
      extension: { save_to_history: 1, ...extension },
    });
  }

  /** Waits for the message with this id. */
  async hears(id) {
    return await this.messages.take((message) => message.id === id, `message ${id}`);
  }
}
