/** The people and stations of the application, and who of them is there. */
import ConnectyCube from "connectycube";
import type { Users } from "connectycube/types";
import { Topic } from "./topic";

export interface Person {
  id: number;
  name: string;
  /** A door station, kiosk or other device: its user carries the tag `station`. */
  station: boolean;
  /** Seconds since last seen; 0 is now; undefined when nobody knows. */
  seen: number | undefined;
}

/** One page of users; a site with more than this needs a search, not a list. */
const LIST_LIMIT = 100;

export class People {
  readonly changed = new Topic();
  #people = new Map<number, Person>();
  #self = 0;

  get all(): Person[] {
    return [...this.#people.values()].filter((person) => person.id !== this.#self);
  }

  find(id: number): Person | undefined {
    return this.#people.get(id);
  }

  /** Known or not, everybody has a name to show. */
  get(id: number): Person {
    return this.#people.get(id) ?? { id, name: `User ${id}`, station: false, seen: undefined };
  }

  async load(self: number): Promise<void> {
    this.#self = self;
    const { items } = await ConnectyCube.users.getV2({ limit: LIST_LIMIT, sort_asc: "full_name" });
    for (const user of items) this.#add(user);
    this.changed.publish();
    this.watch();
  }

  /** Subscribes to everybody's coming and going; the hub forgets it with each stream. */
  watch(): void {
    for (const person of this.all) this.#watch(person.id);
  }

  /** Asks for people met in a dialog or a call who are not in the list yet. */
  async meet(ids: number[]): Promise<void> {
    const unknown = ids.filter((id) => !this.#people.has(id));
    if (unknown.length === 0) return;
    const { items } = await ConnectyCube.users.getV2({ id: { in: unknown }, limit: unknown.length });
    for (const user of items) this.#add(user);
    this.changed.publish();
    for (const user of items) if (user.id !== this.#self) this.#watch(user.id);
  }

  clear(): void {
    this.#people.clear();
    this.changed.publish();
  }

  onActivity(id: number, seconds: number): void {
    const person = this.#people.get(id);
    if (!person || person.seen === seconds) return;
    person.seen = seconds;
    this.changed.publish();
  }

  #add(user: Users.User): void {
    this.#people.set(user.id, {
      id: user.id,
      name: user.full_name || user.login || `User ${user.id}`,
      station: tags(user.user_tags).includes("station"),
      seen: this.#people.get(user.id)?.seen,
    });
  }

  #watch(id: number): void {
    const chat = ConnectyCube.chat;
    chat.subscribeToUserLastActivityStatus(id);
    // A hub without this answer only costs the green dot.
    chat.getLastUserActivity(id).then(({ seconds }) => this.onActivity(id, seconds), () => undefined);
  }
}

/** The server writes tags as a comma string, the SDK's types say array; take both. */
function tags(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  return typeof value === "string" ? value.split(",").map((tag) => tag.trim()) : [];
}
