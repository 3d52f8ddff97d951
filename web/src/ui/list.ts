/** Everybody one can call or write to, the latest conversation first. */
import type { Conversation, Conversations } from "../conversations";
import type { People, Person } from "../people";
import { avatar } from "./avatar";
import { arrange, h, setAttribute, setText } from "./dom";
import { icon } from "./icons";
import { clock } from "./time";

export interface ListActions {
  openPerson(id: number): void;
  openGroup(conversation: Conversation): void;
  call(id: number): void;
}

interface Entry {
  key: string;
  person: Person;
  conversation: Conversation | undefined;
}

interface Row {
  element: HTMLElement;
  update(entry: Entry, selected: boolean): void;
}

export class ListView {
  readonly element: HTMLElement;
  #rows = new Map<string, Row>();
  #list = h("ul", { class: "people", "aria-label": "People and stations" });
  #empty = h("p", { class: "empty" }, "Nobody else is registered at this hub yet.");

  constructor(
    private people: People,
    private conversations: Conversations,
    private actions: ListActions,
  ) {
    this.element = h("nav", { class: "list", "aria-label": "Contacts" }, this.#list, this.#empty);
  }

  update(): void {
    const entries = this.#entries();
    this.#empty.hidden = entries.length > 0;
    const elements = entries.map((entry) => {
      let row = this.#rows.get(entry.key);
      if (!row) {
        row = this.#makeRow(entry);
        this.#rows.set(entry.key, row);
      }
      const selected = entry.conversation !== undefined && entry.conversation === this.conversations.open;
      row.update(entry, selected);
      return row.element;
    });
    arrange(this.#list, elements);
  }

  #entries(): Entry[] {
    const persons = this.people.all.map((person) => ({
      key: `person ${person.id}`,
      person,
      conversation: this.conversations.withPerson(person.id),
    }));
    const groups = this.conversations.all
      .filter((conversation) => conversation.peer === undefined)
      .map((conversation) => ({
        key: `group ${conversation.id}`,
        person: { id: 0, name: conversation.name, station: false, seen: undefined },
        conversation,
      }));
    const time = (entry: Entry) => entry.conversation?.time ?? 0;
    return [...persons, ...groups].sort(
      (a, b) => time(b) - time(a) || a.person.name.localeCompare(b.person.name),
    );
  }

  #makeRow(first: Entry): Row {
    const name = h("span", { class: "row-name" });
    const preview = h("span", { class: "row-preview" });
    const time = h("time", { class: "row-time" });
    const badge = h("span", { class: "badge" });
    let latest = first;
    let sign = avatar(first.person);
    const presence = h("span", { class: "presence" });
    const open = h(
      "button",
      {
        class: "row-open",
        type: "button",
        on: {
          click: () => {
            const { person, conversation } = latest;
            if (person.id === 0 && conversation) this.actions.openGroup(conversation);
            else this.actions.openPerson(person.id);
          },
        },
      },
      h("span", { class: "row-sign" }, sign, presence),
      h("span", { class: "row-text" }, name, preview),
      h("span", { class: "row-side" }, time, badge),
    );
    const call = h(
      "button",
      { class: "icon-button", type: "button", on: { click: () => this.actions.call(latest.person.id) } },
      icon("phone"),
    );
    const element = h("li", { class: "row" }, open, first.person.id !== 0 && call);
    const update = (entry: Entry, selected: boolean) => {
      const { person, conversation } = entry;
      if (person.name !== name.textContent || person.station !== latest.person.station) {
        const fresh = avatar(person);
        sign.replaceWith(fresh);
        sign = fresh;
      }
      latest = entry;
      setText(name, person.name);
      setText(preview, subtitle(entry));
      preview.classList.toggle("typing", (conversation?.typing.size ?? 0) > 0);
      setText(time, conversation?.time ? clock(conversation.time) : "");
      const unread = conversation?.unread ?? 0;
      setText(badge, unread > 0 ? String(unread) : "");
      badge.hidden = unread === 0;
      if (unread > 0) setAttribute(badge, "aria-label", `${unread} unread`);
      presence.classList.toggle("online", person.seen === 0);
      element.classList.toggle("selected", selected);
      if (selected) open.setAttribute("aria-current", "true");
      else open.removeAttribute("aria-current");
      setAttribute(open, "aria-label", label(entry));
      setAttribute(call, "aria-label", `Call ${person.name}`);
      call.title = `Call ${person.name}`;
    };
    return { element, update };
  }
}

function subtitle({ person, conversation }: Entry): string {
  if (conversation?.typing.size) return "writes…";
  if (conversation?.preview) return conversation.preview;
  return person.station ? "Door station" : "";
}

/** One sentence for a screen reader instead of a row of fragments. */
function label({ person, conversation }: Entry): string {
  const parts = [`Messages with ${person.name}`];
  if (person.seen === 0) parts.push("online");
  if (conversation?.unread) parts.push(`${conversation.unread} unread`);
  return parts.join(", ");
}
