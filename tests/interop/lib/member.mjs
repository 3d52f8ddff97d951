/** One user of the official SDK's Node build, and everything that reached them. */
import ConnectyCube from "connectycube";
import { sdkOptions } from "./hub.mjs";
import { recorded } from "./surface.mjs";

const LIMIT_MS = 8_000;

/** What came through one listener: `take` waits for the first that matches and removes it. */
export class Inbox {
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

  /** Forgets what came so far. */
  clear() {
    this.#items = [];
  }

  /** Those not taken yet. */
  get left() {
    return [...this.#items];
  }
}

export class Member {
  /**
   * An instance of its own for each user and each device of a user. `calls` notes what the SDK is
   * asked to do and which of its listeners were told something.
   */
  constructor(ready, user, calls = new Set()) {
    this.user = user;
    this.id = user.id;
    /** Where REST calls go that the SDK cannot make. */
    this.api = ready.api;
    this.sdk = recorded(new ConnectyCube.ConnectyCube(), calls);
    this.sdk.init({ appId: ready.app_id, authKey: ready.auth_key }, sdkOptions(ready));
    const listen = (name, listener, item) => {
      this[name] = new Inbox(`${user.login} ${name}`);
      this.chat[listener] = (...args) => {
        calls.add(`chat.${listener}`);
        this[name].put(item(...args));
      };
    };
    this.stanzas = new Inbox(`${user.login} stanzas`);
    listen("messages", "onMessageListener", (from, message) => ({ from, ...message }));
    listen("delivered", "onDeliveredStatusListener", (id, dialog, from) => ({ id, dialog, from }));
    listen("read", "onReadStatusListener", (id, dialog, from) => ({ id, dialog, from }));
    listen("typing", "onMessageTypingListener", (on, from, dialog) => ({ on, from, dialog }));
    listen("edits", "onMessageUpdateListener", (id, last, body, dialog, from, extension) => ({
      id,
      last,
      body,
      dialog,
      from,
      extension,
    }));
    listen("deletions", "onMessageDeleteListener", (id, dialog, from) => ({ id, dialog, from }));
    listen("reactions", "onMessageReactionsListener", (id, from, dialog, add, remove) => ({
      id,
      from,
      dialog,
      add,
      remove,
    }));
    listen("system", "onSystemMessageListener", (message) => message);
    listen("refusals", "onMessageErrorListener", (id, error) => ({ id, ...error }));
    listen("sent", "onSentMessageCallback", (lost, sent) => ({ lost, sent }));
    listen("activity", "onLastUserActivityListener", (from, seconds) => ({ from, seconds }));
    listen("joins", "onJoinOccupant", (dialog, who) => ({ dialog, who }));
    listen("leaves", "onLeaveOccupant", (dialog, who) => ({ dialog, who }));
    listen("kicks", "onKickOccupant", (dialog, by) => ({ dialog, by }));
    listen("statuses", "onChatStatusListener", (status) => status);
    listen("errors", "onConnectionErrorListener", (error) => error);
    listen("disconnects", "onDisconnectedListener", () => "disconnected");
    listen("reconnects", "onReconnectListener", () => "reconnected");
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

  /**
   * A round trip to the hub: what this member sent before has been dealt with, and what the hub
   * sent it before has arrived.
   */
  async settled() {
    await this.chat.ping();
  }

  /** Waits for the message with this id. */
  async hears(id) {
    return await this.messages.take((message) => message.id === id, `message ${id}`);
  }
}
