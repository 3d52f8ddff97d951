/**
 * The web phone: joins the model (hub, people, conversations, calls) with its views.
 *
 * `?debug=1` keeps every RTCPeerConnection of this page in `window.__calls`, newest last, for
 * reading `getStats()` from the browser's console or a test.
 */
import ConnectyCube from "connectycube";
import { Calls, type Call } from "./calls";
import { Conversations } from "./conversations";
import { Hub, SignInError, type Credentials } from "./hub";
import { People } from "./people";
import { askToNotify, subscribe, unsubscribe } from "./push";
import { rememberedLogin, rememberLogin } from "./remembered";
import { Ringtone } from "./ringtone";
import { CallView } from "./ui/call";
import { ConversationView } from "./ui/conversation";
import { h } from "./ui/dom";
import { ListView } from "./ui/list";
import { LoginView } from "./ui/login";
import { Shell } from "./ui/shell";
import "./style/base.css";
import "./style/login.css";
import "./style/list.css";
import "./style/conversation.css";
import "./style/call.css";

const RETRY_MS = 3_000;

const root = document.getElementById("app")!;
const hub = new Hub();
const people = new People();
const conversations = new Conversations(people);
const calls = new Calls(people);
const ringtone = new Ringtone();

const conversationView = new ConversationView(people, conversations, {
  back: () => void conversations.show(undefined),
  call: (person) => void calls.call(person),
});
const listView = new ListView(people, conversations, {
  openPerson: (id) => void open(() => conversations.openWith(id)),
  openGroup: (conversation) => void open(() => conversations.show(conversation)),
  call: (id) => void calls.call(id),
});
const callView = new CallView(calls, people, {
  write: (person) => void open(() => conversations.openWith(person)),
});
const shell = new Shell(listView.element, conversationView.element, callView.element, () => void signOut());
const login = new LoginView(signIn);

people.changed.subscribe(refresh);
conversations.changed.subscribe(refresh);
calls.changed.subscribe(onCall);
hub.linkChanged.subscribe((link) => shell.setLink(link));
hub.reconnected.subscribe(() => {
  hub.attend(document.visibilityState === "visible");
  people.watch();
  conversations.resume().catch(() => shell.notify("The missed messages could not be fetched."));
});
document.addEventListener("visibilitychange", () => {
  hub.attend(document.visibilityState === "visible");
  if (document.visibilityState !== "visible") return;
  conversations.markRead();
  void hub.probe();
});
window.addEventListener("online", () => void hub.probe());
// Closing the page ends the call for the other side too, at once rather than by time-out.
window.addEventListener("pagehide", () => {
  // A ringing call goes on ringing elsewhere.
  if (calls.current?.phase !== "ringing") calls.hangUp();
});
ringtone.unlock();
if (new URLSearchParams(location.search).get("debug") === "1") {
  const kept: RTCPeerConnection[] = [];
  Object.assign(window, { __calls: kept });
  calls.connectionMade.subscribe((connection) => kept.push(connection));
}
void start();

async function start(): Promise<void> {
  root.replaceChildren(h("p", { class: "boot", role: "status" }, "Connecting…"));
  for (;;) {
    try {
      await hub.prepare();
      break;
    } catch {
      root.replaceChildren(h("p", { class: "boot", role: "status" }, "The hub does not answer. Trying again…"));
      await pause();
    }
  }
  listen();
  const remembered = rememberedLogin();
  if (!window.isSecureContext) return showLogin(INSECURE);
  if (!remembered) return showLogin();
  for (;;) {
    try {
      await enter(remembered);
      return await beReached();
    } catch (error) {
      if (!(error instanceof SignInError) || !error.passing) {
        return showLogin(error instanceof Error ? error.message : String(error));
      }
      root.replaceChildren(h("p", { class: "boot", role: "status" }, "The hub does not answer. Trying again…"));
      await pause();
    }
  }
}

const INSECURE =
  "This address is not secure, so the browser gives no microphone, camera or chat. Open the hub's https:// address.";

function listen(): void {
  calls.listen();
  conversations.listen();
  ConnectyCube.chat.onSystemMessageListener = (message) => calls.onSystemMessage(message);
  ConnectyCube.chat.onLastUserActivityListener = (id, seconds) => people.onActivity(id, seconds);
}

function showLogin(problem?: string): void {
  root.replaceChildren(login.element);
  if (problem) login.fail(problem);
  else login.focus();
}

async function signIn(credentials: Credentials, remember: boolean): Promise<void> {
  try {
    // Browsers ask only while the tap is being handled; the answer may come when it likes.
    const asked = remember ? askToNotify() : undefined;
    await enter(credentials);
    rememberLogin(remember ? credentials : undefined);
    void asked?.then(beReached);
  } catch (error) {
    login.fail(error instanceof Error ? error.message : String(error));
  }
}

/** On a device of the person's own: the hub may wake it. */
async function beReached(): Promise<void> {
  try {
    await subscribe(hub.token);
  } catch (error) {
    // Without a push service within reach the phone rings while it is open, as ever.
    console.warn("no push notifications:", error);
  }
}

async function enter(credentials: Credentials): Promise<void> {
  const me = await hub.signIn(credentials);
  shell.setMe(me.name);
  shell.setLink(hub.link);
  root.replaceChildren(shell.element);
  refresh();
  try {
    await people.load(me.id);
    await conversations.load(me.id);
  } catch {
    shell.notify("The list of people could not be fetched.");
  }
}

async function signOut(): Promise<void> {
  calls.hangUp();
  rememberLogin(undefined);
  await unsubscribe().catch(() => undefined);
  await hub.signOut();
  conversations.clear();
  people.clear();
  showLogin();
}

async function open(show: () => Promise<unknown>): Promise<void> {
  try {
    await show();
    conversationView.focus();
  } catch {
    shell.notify("The conversation could not be opened.");
  }
}

function refresh(): void {
  shell.setOpen(conversations.open !== undefined);
  listView.update();
  conversationView.update();
}

function onCall(call: Call | undefined): void {
  callView.update(call);
  ringtone.play(call?.phase === "ringing" ? "bell" : call?.phase === "dialing" ? "ringback" : undefined);
  document.title = call?.phase === "ringing" ? `${call.name} is ringing` : "Phone · cubelet";
}

function pause(): Promise<void> {
  return new Promise((resolve) => window.setTimeout(resolve, RETRY_MS));
}
