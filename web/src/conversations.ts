/**
 * Dialogs and their messages: what the hub has stored, and what is written now.
 *
 * Invariant: a message is shown once, under the id it was written with, however often it
 * arrives (echo of a group, copy from another device, history).
 */
import ConnectyCube, { ChatType } from "connectycube";
import type { Chat, Dialogs } from "connectycube/types";
import { Messages, type Message } from "./messages";
import type { People } from "./people";
import { Topic } from "./topic";

/** ConnectyCube's number for a conversation of two. */
const PRIVATE = 3;
const DIALOGS_LIMIT = 100;
const HISTORY_LIMIT = 50;
/** A "typing" that is never taken back counts as over after this. */
const TYPING_SHOWN_MS = 6_000;

export interface Conversation {
  id: string;
  /** The other person of a conversation of two. */
  peer: number | undefined;
  name: string;
  preview: string;
  /** Unix seconds of the last message. */
  time: number;
  unread: number;
  messages: Messages;
  /** Who writes at this moment. */
  typing: Set<number>;
  loaded: boolean;
}

export class Conversations {
  readonly changed = new Topic();
  /** The one on screen; its messages count as read while the page is visible. */
  open: Conversation | undefined;
  #all = new Map<string, Conversation>();
  #people: People;
  /** The signed-in user. */
  self = 0;

  constructor(people: People) {
    this.#people = people;
  }

  get all(): Conversation[] {
    return [...this.#all.values()];
  }

  withPerson(id: number): Conversation | undefined {
    return this.all.find((conversation) => conversation.peer === id);
  }

  listen(): void {
    const chat = ConnectyCube.chat;
    chat.onMessageListener = (user, message) => void this.#onMessage(user, message);
    chat.onSentMessageCallback = (lost, sent) => {
      if (sent?.id) this.#mark(sent.id, (messages, id) => messages.sent(id));
      if (lost?.id) this.#onLost(lost.id);
    };
    chat.onMessageErrorListener = (id) => this.#mark(id, (messages) => messages.failed(id));
    chat.onDeliveredStatusListener = (id, _dialog, user) => {
      if (user !== this.self) this.#mark(id, (messages) => messages.delivered(id));
    };
    chat.onReadStatusListener = (id, dialog, user) => {
      if (user !== this.self) this.#mark(id, (messages) => messages.read(id));
      else this.#readElsewhere(dialog, id);
    };
    chat.onMessageUpdateListener = (id, _last, body) => {
      this.#mark(id, (messages) => messages.edited(id, body));
    };
    chat.onMessageDeleteListener = (id) => this.#mark(id, (messages) => messages.deleted(id));
    chat.onMessageTypingListener = (typing, user, dialog) => this.#onTyping(typing, user, dialog);
  }

  async load(self: number): Promise<void> {
    this.self = self;
    const { items } = await ConnectyCube.chat.dialog.list({
      limit: DIALOGS_LIMIT,
      sort_desc: "last_message_date_sent",
    });
    for (const dialog of items) this.#add(dialog);
    await this.#people.meet(items.flatMap((dialog) => dialog.occupants_ids));
    this.changed.publish();
  }

  /** After the stream was away: fetch what was missed, send what waited. */
  async resume(): Promise<void> {
    this.#sendWaiting();
    for (const conversation of this.#all.values()) conversation.loaded = false;
    await this.load(this.self);
    if (this.open) await this.#history(this.open);
  }

  clear(): void {
    this.#all.clear();
    this.open = undefined;
    this.changed.publish();
  }

  /** Opens the conversation with a person, which the hub starts if there is none. */
  async openWith(person: number): Promise<Conversation> {
    let conversation = this.withPerson(person);
    if (!conversation) {
      const dialog = await ConnectyCube.chat.dialog.create({ type: PRIVATE, occupants_ids: [person] });
      conversation = this.#add(dialog);
    }
    await this.show(conversation);
    return conversation;
  }

  async show(conversation: Conversation | undefined): Promise<void> {
    this.open = conversation;
    this.changed.publish();
    if (!conversation) return;
    if (!conversation.loaded) await this.#history(conversation);
    this.markRead();
  }

  write(conversation: Conversation, body: string): void {
    const message = conversation.messages.compose(this.self, body);
    this.#touch(conversation, message);
    this.#transmit(conversation, message);
    this.changed.publish();
  }

  retry(conversation: Conversation, message: Message): void {
    this.#transmit(conversation, message);
    this.changed.publish();
  }

  typing(conversation: Conversation, on: boolean): void {
    if (!online()) return;
    const target = conversation.peer ?? conversation.id;
    if (on) ConnectyCube.chat.sendIsTypingStatus(target);
    else ConnectyCube.chat.sendIsStopTypingStatus(target);
  }

  /** Tells the authors that what is on screen has been seen. */
  markRead(): void {
    const conversation = this.open;
    if (!conversation || document.visibilityState !== "visible") return;
    if (!online()) return;
    for (const message of conversation.messages.takeUnread(this.self)) {
      ConnectyCube.chat.sendReadStatus({
        messageId: message.id,
        dialogId: conversation.id,
        userId: message.from,
      });
    }
    if (conversation.unread === 0) return;
    conversation.unread = 0;
    this.changed.publish();
  }

  #transmit(conversation: Conversation, message: Message): void {
    if (!online()) {
      message.status = "waiting";
      return;
    }
    message.status = "sending";
    ConnectyCube.chat.send(conversation.peer ?? conversation.id, {
      id: message.id,
      type: conversation.peer === undefined ? ChatType.GROUPCHAT : ChatType.CHAT,
      body: message.body,
      extension: { save_to_history: 1, dialog_id: conversation.id, date_sent: message.time },
    });
  }

  async #onMessage(user: number, incoming: Chat.Message): Promise<void> {
    const dialogId = incoming.dialog_id;
    if (!dialogId || !incoming.body) return;
    const known = this.#all.has(dialogId);
    if (!known) await this.load(this.self);
    const conversation = this.#all.get(dialogId);
    if (!conversation) return;
    conversation.typing.delete(user);
    const time = Number(incoming.extension?.date_sent) || Math.floor(Date.now() / 1000);
    const message: Message = {
      id: incoming.id,
      from: user,
      body: incoming.body,
      time,
      status: "sent",
      unread: user !== this.self,
    };
    const fresh = conversation.messages.receive(message);
    this.#touch(conversation, message);
    // A dialog fetched just now has counted this message already.
    if (fresh && known && message.unread) conversation.unread += 1;
    if (conversation === this.open) this.markRead();
    this.changed.publish();
  }

  /** Not confirmed in time, or the stream broke; the hub drops an id it has already. */
  #onLost(id: string): void {
    this.#mark(id, (messages) => messages.lost(id));
    if (online()) this.#sendWaiting();
  }

  #sendWaiting(): void {
    for (const conversation of this.#all.values()) {
      for (const message of conversation.messages.waiting()) this.#transmit(conversation, message);
    }
  }

  #onTyping(typing: boolean, user: number, dialog: string | null): void {
    const conversation = dialog ? this.#all.get(dialog) : this.withPerson(user);
    if (!conversation || user === this.self) return;
    if (typing) {
      conversation.typing.add(user);
      window.setTimeout(() => {
        if (conversation.typing.delete(user)) this.changed.publish();
      }, TYPING_SHOWN_MS);
    } else conversation.typing.delete(user);
    this.changed.publish();
  }

  /** Another device of this user has shown the message: the badge here goes too. */
  #readElsewhere(dialog: string, id: string): void {
    const conversation = this.#all.get(dialog);
    if (!conversation || !conversation.messages.seen(id)) return;
    conversation.unread = Math.max(0, conversation.unread - 1);
    this.changed.publish();
  }

  async #history(conversation: Conversation): Promise<void> {
    const { items } = await ConnectyCube.chat.message.list({
      chat_dialog_id: conversation.id,
      sort_desc: "date_sent",
      limit: HISTORY_LIMIT,
      // Read is what was on screen, not what was fetched.
      mark_as_read: 0,
    });
    conversation.messages.restore(items.reverse(), this.self);
    conversation.loaded = true;
    this.changed.publish();
  }

  #mark(id: string, change: (messages: Messages, id: string) => void): void {
    for (const { messages } of this.#all.values()) if (messages.has(id)) change(messages, id);
    this.changed.publish();
  }

  #touch(conversation: Conversation, message: Message): void {
    if (message.time < conversation.time) return;
    conversation.time = message.time;
    conversation.preview = message.body;
  }

  #add(dialog: Dialogs.Dialog): Conversation {
    const peer =
      dialog.type === PRIVATE
        ? dialog.occupants_ids.find((id) => id !== this.self)
        : undefined;
    const conversation: Conversation = this.#all.get(dialog._id) ?? {
      id: dialog._id,
      peer,
      name: "",
      preview: "",
      time: 0,
      unread: 0,
      messages: new Messages(),
      typing: new Set(),
      loaded: false,
    };
    conversation.name = dialog.name || "Conversation";
    conversation.preview = dialog.last_message ?? "";
    conversation.time = Number(dialog.last_message_date_sent) || 0;
    conversation.unread = dialog.unread_messages_count || 0;
    this.#all.set(dialog._id, conversation);
    return conversation;
  }
}

/** The SDK's `isConnected` is still true while it reports the disconnection. */
function online(): boolean {
  return ConnectyCube.chat.connectionStatus === "online";
}
