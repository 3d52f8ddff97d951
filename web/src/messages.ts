/** The messages of one conversation, in the order they were written, each once. */
import type { Messages as Rest } from "connectycube/types";

/**
 * How far a message of ours has come: `waiting` for the connection, `sending`, taken by the
 * hub (`sent`), at the other side's device (`delivered`), on its screen (`read`).
 */
export type Status = "waiting" | "sending" | "sent" | "delivered" | "read" | "failed";

export interface Message {
  /** The id it was written with: 24 hex digits. */
  id: string;
  from: number;
  body: string;
  /** Unix seconds. */
  time: number;
  status: Status;
  /** Not ours, and not yet on this screen. */
  unread: boolean;
}

const RANK: Status[] = ["failed", "waiting", "sending", "sent", "delivered", "read"];

export class Messages {
  #byId = new Map<string, Message>();
  #ordered: Message[] = [];

  get ordered(): readonly Message[] {
    return this.#ordered;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  waiting(): Message[] {
    return this.#ordered.filter((message) => message.status === "waiting");
  }

  compose(from: number, body: string): Message {
    const message: Message = {
      id: objectId(),
      from,
      body,
      time: Math.floor(Date.now() / 1000),
      status: "waiting",
      unread: false,
    };
    this.#insert(message);
    return message;
  }

  /** False when it was here already: the echo of our own, or a copy. */
  receive(message: Message): boolean {
    if (this.#byId.has(message.id)) {
      this.#raise(message.id, "sent");
      return false;
    }
    this.#insert(message);
    return true;
  }

  /** Takes the hub's history, whose order counts: live messages of one second may overtake. */
  restore(items: Rest.Message[], self: number): void {
    const elsewhere = new Map(this.#byId);
    this.#ordered = items.map((item) => {
      elsewhere.delete(item._id);
      const message = this.#byId.get(item._id) ?? fromHistory(item, self);
      this.#byId.set(item._id, message);
      this.#raise(item._id, statusOf(item));
      return message;
    });
    for (const message of elsewhere.values()) this.#insert(message);
  }

  sent(id: string): void {
    this.#raise(id, "sent");
  }

  delivered(id: string): void {
    this.#raise(id, "delivered");
  }

  read(id: string): void {
    this.#raise(id, "read");
  }

  /** The stream broke before the hub confirmed it: it goes out again with the same id. */
  lost(id: string): void {
    const message = this.#byId.get(id);
    if (message?.status === "sending") message.status = "waiting";
  }

  failed(id: string): void {
    const message = this.#byId.get(id);
    if (message && message.status !== "read") message.status = "failed";
  }

  edited(id: string, body: string): void {
    const message = this.#byId.get(id);
    if (message) message.body = body;
  }

  deleted(id: string): void {
    this.#byId.delete(id);
    this.#ordered = this.#ordered.filter((message) => message.id !== id);
  }

  /** The message is on a screen of ours; false when that was known. */
  seen(id: string): boolean {
    const message = this.#byId.get(id);
    if (!message?.unread) return false;
    message.unread = false;
    return true;
  }

  takeUnread(self: number): Message[] {
    const unread = this.#ordered.filter((message) => message.unread && message.from !== self);
    for (const message of unread) message.unread = false;
    return unread;
  }

  /** Markers overtake each other; a status only ever rises. */
  #raise(id: string, status: Status): void {
    const message = this.#byId.get(id);
    if (message && RANK.indexOf(status) > RANK.indexOf(message.status)) message.status = status;
  }

  #insert(message: Message): void {
    this.#byId.set(message.id, message);
    let at = this.#ordered.length;
    while (at > 0 && this.#ordered[at - 1]!.time > message.time) at -= 1;
    this.#ordered.splice(at, 0, message);
  }
}

function fromHistory(item: Rest.Message, self: number): Message {
  return {
    id: item._id,
    from: item.sender_id,
    body: item.message,
    time: Number(item.date_sent) || 0,
    status: "sent",
    unread: item.sender_id !== self && !(item.read_ids ?? []).includes(self),
  };
}

function statusOf(item: Rest.Message): Status {
  const others = (ids?: number[]) => (ids ?? []).some((id) => id !== item.sender_id);
  if (others(item.read_ids)) return "read";
  return others(item.delivered_ids) ? "delivered" : "sent";
}

/** BSON-like: seconds, then random; what the hub stores the message under. */
function objectId(): string {
  const seconds = Math.floor(Date.now() / 1000).toString(16).padStart(8, "0");
  const random = crypto.getRandomValues(new Uint8Array(8));
  return seconds + [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
