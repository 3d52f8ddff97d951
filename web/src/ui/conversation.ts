/** One conversation: its messages and the line to write. */
import type { Conversation, Conversations } from "../conversations";
import type { Message, Status } from "../messages";
import type { People } from "../people";
import { avatar } from "./avatar";
import { arrange, h, setAttribute, setText } from "./dom";
import { icon } from "./icons";
import { clock, seen } from "./time";

const MESSAGE_LIMIT = 5_000;
/** Without a key for this long, one has stopped writing. */
const TYPING_PAUSE_MS = 3_000;

const TICKS: Record<Status, { text: string; label: string }> = {
  waiting: { text: "◷", label: "Waiting for the connection" },
  sending: { text: "◷", label: "Sending" },
  sent: { text: "✓", label: "Sent" },
  delivered: { text: "✓✓", label: "Delivered" },
  read: { text: "✓✓", label: "Read" },
  failed: { text: "!", label: "Not sent" },
};

export interface ConversationActions {
  back(): void;
  call(person: number): void;
}

export class ConversationView {
  readonly element: HTMLElement;
  #sign = h("span", { class: "head-sign" });
  #name = h("h2", {});
  #status = h("p", { class: "head-status", "aria-live": "polite" });
  #callButton: HTMLButtonElement;
  #log = h("ol", { class: "messages", role: "log", "aria-label": "Messages" });
  #input = h("textarea", {
    rows: 1,
    placeholder: "Message",
    "aria-label": "Message",
    maxlength: MESSAGE_LIMIT,
    enterkeyhint: "send",
  });
  #rows = new Map<string, HTMLElement>();
  #shown: Conversation | undefined;
  #typingTimer: number | undefined;

  constructor(
    private people: People,
    private conversations: Conversations,
    actions: ConversationActions,
  ) {
    this.#callButton = h(
      "button",
      {
        class: "icon-button strong",
        type: "button",
        on: { click: () => this.#shown?.peer && actions.call(this.#shown.peer) },
      },
      icon("phone"),
    );
    const head = h(
      "header",
      { class: "head" },
      h(
        "button",
        { class: "icon-button back", type: "button", "aria-label": "Back", on: { click: actions.back } },
        icon("back"),
      ),
      this.#sign,
      h("div", { class: "head-text" }, this.#name, this.#status),
      this.#callButton,
    );
    const composer = h(
      "form",
      {
        class: "composer",
        on: {
          submit: (event) => {
            event.preventDefault();
            this.#send();
          },
        },
      },
      this.#input,
      h("button", { class: "send", type: "submit", "aria-label": "Send" }, icon("send")),
    );
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#send();
    });
    this.#input.addEventListener("input", () => {
      this.#grow();
      this.#typed();
    });
    this.element = h("section", { class: "conversation" }, head, this.#log, composer);
  }

  focus(): void {
    this.#input.focus({ preventScroll: true });
  }

  update(): void {
    const conversation = this.conversations.open;
    if (!conversation) {
      this.#shown = undefined;
      return;
    }
    const switched = conversation !== this.#shown;
    if (switched) {
      this.#shown = conversation;
      this.#rows.clear();
      this.#input.value = "";
      this.#grow();
    }
    const group = { id: 0, name: conversation.name, station: false, seen: undefined };
    const person = conversation.peer === undefined ? group : this.people.get(conversation.peer);
    this.#sign.replaceChildren(avatar(person));
    setText(this.#name, person.name);
    setText(this.#status, conversation.typing.size ? "writes…" : seen(person.seen));
    this.#callButton.hidden = conversation.peer === undefined;
    setAttribute(this.#callButton, "aria-label", `Call ${person.name}`);
    setAttribute(this.element, "aria-label", `Conversation with ${person.name}`);
    this.#messages(conversation, switched);
  }

  #messages(conversation: Conversation, switched: boolean): void {
    const log = this.#log;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    const messages = conversation.messages.ordered;
    const last = messages.at(-1);
    const grown = last !== undefined && !this.#rows.has(last.id);
    arrange(log, messages.map((message) => this.#row(conversation, message)));
    if (switched || (grown && (atEnd || this.#mine(last)))) log.scrollTop = log.scrollHeight;
  }

  #mine(message: Message): boolean {
    return message.from === this.conversations.self;
  }

  #row(conversation: Conversation, message: Message): HTMLElement {
    const mine = this.#mine(message);
    let row = this.#rows.get(message.id);
    if (!row) {
      const author = conversation.peer === undefined && !mine;
      row = h(
        "li",
        { class: mine ? "message mine" : "message", "data-id": message.id },
        author && h("span", { class: "author" }, this.people.get(message.from).name),
        h("p", {}),
        h("span", { class: "meta" }, h("time", {}, clock(message.time)), mine && h("span", { role: "img" })),
      );
      this.#rows.set(message.id, row);
    }
    setText(row.querySelector("p")!, message.body);
    const tick = row.querySelector(".meta [role=img]");
    if (tick) {
      setText(tick, TICKS[message.status].text);
      setAttribute(tick, "aria-label", TICKS[message.status].label);
      setAttribute(tick, "class", `tick ${message.status}`);
    }
    let retry = row.querySelector<HTMLButtonElement>(".retry");
    if (message.status === "failed" && !retry) {
      retry = h(
        "button",
        {
          class: "retry",
          type: "button",
          on: { click: () => this.conversations.retry(conversation, message) },
        },
        "Send again",
      );
      row.append(retry);
    } else if (message.status !== "failed") retry?.remove();
    return row;
  }

  #send(): void {
    const text = this.#input.value.trim();
    if (!text || !this.#shown) return;
    this.#stopTyping();
    this.conversations.write(this.#shown, text);
    this.#input.value = "";
    this.#grow();
  }

  #grow(): void {
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }

  #typed(): void {
    const conversation = this.#shown;
    if (!conversation) return;
    if (this.#typingTimer === undefined) this.conversations.typing(conversation, true);
    window.clearTimeout(this.#typingTimer);
    this.#typingTimer = window.setTimeout(() => this.#stopTyping(), TYPING_PAUSE_MS);
  }

  #stopTyping(): void {
    if (this.#typingTimer === undefined || !this.#shown) return;
    window.clearTimeout(this.#typingTimer);
    this.#typingTimer = undefined;
    this.conversations.typing(this.#shown, false);
  }
}
