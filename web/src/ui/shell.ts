/** The frame around everything: who I am, whether the hub is there, list and main pane. */
import type { Link } from "../hub";
import { h, setText } from "./dom";
import { icon } from "./icons";

const LINK_TEXT: Record<Link, string> = {
  online: "Online",
  connecting: "Connecting…",
  offline: "Offline",
};

export class Shell {
  readonly element: HTMLElement;
  #me = h("span", { class: "me" });
  #link = h("span", { class: "link", role: "status" });
  #notice = h("div", { class: "notice", role: "alert", hidden: true });
  #noticeTimer: number | undefined;
  #welcome = h(
    "div",
    { class: "welcome" },
    h("img", { src: "./icon.svg", alt: "", width: 64, height: 64 }),
    h("p", { class: "welcome-title" }, "All quiet."),
    h("p", {}, "When somebody rings you see and hear them here. Choose a name to write or call."),
  );

  constructor(list: HTMLElement, conversation: HTMLElement, call: HTMLElement, signOut: () => void) {
    const bar = h(
      "header",
      { class: "bar" },
      h("img", { src: "./icon.svg", alt: "", width: 30, height: 30 }),
      h("div", { class: "bar-text" }, this.#me, this.#link),
      h(
        "button",
        { class: "icon-button", type: "button", "aria-label": "Sign out", title: "Sign out", on: { click: signOut } },
        icon("leave"),
      ),
    );
    this.element = h(
      "div",
      { class: "shell" },
      h("aside", { class: "side" }, bar, list),
      h("main", { class: "main" }, this.#welcome, conversation),
      call,
      this.#notice,
    );
  }

  setMe(name: string): void {
    setText(this.#me, name);
  }

  setLink(link: Link): void {
    this.#link.dataset["link"] = link;
    setText(this.#link, LINK_TEXT[link]);
  }

  /** Whether a conversation is on screen: on a phone it takes the place of the list. */
  setOpen(open: boolean): void {
    this.element.classList.toggle("open", open);
    this.#welcome.hidden = open;
  }

  notify(message: string): void {
    setText(this.#notice, message);
    this.#notice.hidden = false;
    window.clearTimeout(this.#noticeTimer);
    this.#noticeTimer = window.setTimeout(() => (this.#notice.hidden = true), 6_000);
  }
}
