/**
 * The connection to the hub: REST session and chat stream of one signed-in user.
 *
 * Everything derives from where the page was loaded: one origin serves page, REST and XMPP.
 */
import ConnectyCube from "connectycube";
import { Topic } from "./topic";

/** What the hub tells every phone; fetched from `config.json` beside the page. */
interface PhoneConfig {
  app_id: number;
  auth_key: string;
  chat: string;
}

export interface Credentials {
  login: string;
  password: string;
}

export interface Me {
  id: number;
  name: string;
}

export type Link = "offline" | "connecting" | "online";

/** Why signing in failed, in words for the person in front of the screen. */
export class SignInError extends Error {
  /** True when trying again later may help: nothing is wrong with the login itself. */
  readonly passing: boolean;

  constructor(message: string, passing: boolean) {
    super(message);
    this.passing = passing;
  }
}

/** How long a ping may take before the connection counts as dead. */
const PING_LIMIT_MS = 5_000;
/** A phone that slept keeps a dead socket: it is only noticed by asking. */
const PING_EVERY_MS = 20_000;
const RECONNECT_S = 2;

export class Hub {
  readonly linkChanged = new Topic<Link>();
  /** Fires each time the stream is back, after the first time. */
  readonly reconnected = new Topic();
  link: Link = "offline";
  me: Me | undefined;
  /** Of the session, for what the SDK has no method for. */
  token = "";
  #credentials: Credentials | undefined;
  #watchdog: number | undefined;

  /** Fetches the configuration and prepares the SDK. Call once, before anything else. */
  async prepare(): Promise<void> {
    let config: PhoneConfig;
    try {
      const response = await fetch(new URL("config.json", document.baseURI), { cache: "no-store" });
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      config = (await response.json()) as PhoneConfig;
    } catch {
      throw new SignInError("The hub does not answer.", true);
    }
    const socket = location.protocol === "https:" ? "wss:" : "ws:";
    ConnectyCube.init(
      { appId: config.app_id, authKey: config.auth_key },
      {
        endpoints: {
          api: location.host,
          api_url: location.origin,
          chat: config.chat,
          chat_url: `${socket}//${location.host}/xmpp`,
        },
        chat: {
          streamManagement: { enable: true },
          reconnect: { enable: true, timeInterval: RECONNECT_S },
        },
        // Both ends are on the hub's network; the SDK's defaults are servers on the internet.
        videochat: { iceServers: [] },
        // The SDK's default prints every stanza and the password to the console.
        debug: { mode: 0 },
        on: { sessionExpired: (giveUp, retry) => void this.#renew(giveUp, retry) },
      },
    );
    const chat = ConnectyCube.chat;
    chat.onChatStatusListener = (status) => this.#onStatus(String(status));
    chat.onReconnectListener = () => this.reconnected.publish();
    chat.onDisconnectedListener = () => {
      // The SDK keeps unacknowledged messages across a reconnect and would take the next
      // stream's acknowledgements for theirs; stopping reports them as lost instead.
      chat.streamManagement.stop();
    };
    chat.onConnectionErrorListener = () => undefined;
  }

  async signIn(credentials: Credentials): Promise<Me> {
    this.#setLink("connecting");
    try {
      const session = await ConnectyCube.createSession(credentials);
      await ConnectyCube.chat.connect({ userId: session.user_id, password: credentials.password });
      const user = session.user;
      this.#credentials = credentials;
      this.token = session.token;
      this.me = { id: session.user_id, name: user?.full_name || user?.login || credentials.login };
    } catch (error) {
      this.#setLink("offline");
      await ConnectyCube.chat.disconnect();
      throw explain(error);
    }
    // The status listener has said "online" before the promise settles; say so even if not.
    this.#setLink("online");
    this.#watchdog = window.setInterval(() => void this.probe(), PING_EVERY_MS);
    return this.me;
  }

  async signOut(): Promise<void> {
    window.clearInterval(this.#watchdog);
    this.#credentials = undefined;
    this.me = undefined;
    await ConnectyCube.chat.disconnect();
    // The token dies on the server too; a hub that is away cannot be told.
    await ConnectyCube.destroySession().catch(() => undefined);
    this.#setLink("offline");
  }

  /** Tells the hub whether somebody looks: who does not is told by push notifications, too. */
  attend(isLooking: boolean): void {
    if (this.link !== "online") return;
    if (isLooking) ConnectyCube.chat.markActive();
    else ConnectyCube.chat.markInactive();
  }

  /** Finds out whether the stream is alive, and drops it if not so that it comes back. */
  async probe(): Promise<void> {
    if (this.link !== "online") return;
    try {
      await ConnectyCube.chat.pingWithTimeout(PING_LIMIT_MS);
    } catch {
      if (this.link === "online") ConnectyCube.chat.terminate();
    }
  }

  #onStatus(status: string): void {
    if (!this.#credentials && !this.me && this.link === "offline") return;
    if (status === "online") this.#setLink("online");
    else if (["offline", "disconnect", "disconnecting", "close", "closing"].includes(status)) {
      this.#setLink(this.me ? "connecting" : "offline");
    } else this.#setLink("connecting");
  }

  #setLink(link: Link): void {
    if (link === this.link) return;
    this.link = link;
    this.linkChanged.publish(link);
  }

  async #renew(giveUp: () => void, retry: (session: { token: string }) => void): Promise<void> {
    try {
      if (!this.#credentials) return giveUp();
      retry(await ConnectyCube.createSession(this.#credentials));
    } catch {
      giveUp();
    }
  }
}

function explain(error: unknown): SignInError {
  if (error === "not-authorized") return new SignInError("The chat refuses this login.", false);
  const code = (error as { code?: unknown } | null)?.code;
  if (code === 401 || code === 422) return new SignInError("Wrong password.", false);
  if (code === 404) return new SignInError("Nobody here has that login.", false);
  if (code === 429) return new SignInError("Too many attempts. Wait a minute and try again.", false);
  return new SignInError("The hub does not answer.", true);
}
