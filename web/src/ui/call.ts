/**
 * The call on screen: who rings, their picture, and the few things one can do.
 *
 * Built once and updated in place, so that the focus stays where it is while a call moves on.
 */
import type { Call, Calls, Phase } from "../calls";
import type { People } from "../people";
import { avatar } from "./avatar";
import { h, setAttribute, setText } from "./dom";
import { icon, setIcon, type IconName } from "./icons";
import { duration } from "./time";

export interface CallActions {
  /** Opens the conversation with the other side, the call beside it. */
  write(person: number): void;
}

const SECOND_MS = 1_000;
/** The picture fills its place as long as at least this part of it stays visible. */
const VISIBLE_AT_LEAST = 0.58;

export class CallView {
  readonly element: HTMLElement;
  #remote = h("video", { class: "remote", autoplay: true, playsinline: true });
  #self = h("video", { class: "self", autoplay: true, playsinline: true, "aria-label": "Your camera" });
  #preview = h("video", { class: "preview", autoplay: true, playsinline: true });
  #snapshot = h("img", { class: "snapshot", alt: "" });
  #beacon = h("div", { class: "beacon", "aria-hidden": "true" });
  #name = h("h2", {});
  #status = h("p", { class: "call-status" });
  #note = h("p", { class: "call-note", role: "status" });
  /** Spoken at once, whatever has the focus. */
  #announcer = h("p", { class: "visually-hidden", "aria-live": "assertive" });
  #door: HTMLButtonElement;
  #doorLabel = h("span", {});
  #doorReason = h("p", { class: "door-reason", role: "status" });
  #answer: HTMLButtonElement;
  #decline: HTMLButtonElement;
  #mic: HTMLButtonElement;
  #camera: HTMLButtonElement;
  #write: HTMLButtonElement;
  #hangUp: HTMLButtonElement;
  #close: HTMLButtonElement;
  #expand: HTMLButtonElement;
  #fit: HTMLButtonElement;
  /** What the person chose, over what fits best. */
  #fillWished: boolean | undefined;
  #ticker: number | undefined;
  #shownPhase: Phase | undefined;
  #shownCall: string | undefined;

  constructor(
    private calls: Calls,
    private people: People,
    actions: CallActions,
  ) {
    // A property, not only an attribute: the own picture must never be heard.
    this.#self.muted = true;
    this.#preview.muted = true;
    this.#door = h(
      "button",
      { class: "door", type: "button", on: { click: () => void calls.openDoor() } },
      this.#doorLabel,
    );
    this.#answer = control("answer", "phone", "Answer", () => void calls.answer());
    this.#decline = control("decline", "phone", "Decline", () => calls.decline());
    this.#mic = control("toggle", "mic", "Mute", () => calls.toggleMic());
    this.#camera = control("toggle", "camera", "Camera off", () => void calls.toggleCamera());
    this.#hangUp = control("decline", "phone", "Hang up", () => calls.hangUp());
    this.#close = control("dismiss", "close", "Close", () => calls.dismiss());
    this.#write = control("toggle", "chat", "Message", () => {
      const peer = calls.current?.peer;
      if (peer === undefined) return;
      this.minimize(true);
      actions.write(peer);
    });
    this.#expand = h(
      "button",
      {
        class: "expand",
        type: "button",
        "aria-label": "Back to the call",
        on: { click: () => this.minimize(false) },
      },
      icon("expand"),
    );
    this.#fit = h(
      "button",
      {
        class: "fit",
        type: "button",
        on: {
          click: () => {
            this.#fillWished = !this.element.classList.contains("fill");
            this.#fitPicture();
          },
        },
      },
      icon("expand"),
    );
    const resized = new ResizeObserver(() => this.#fitPicture());
    resized.observe(this.#remote);
    resized.observe(this.#preview);
    for (const event of ["loadeddata", "resize", "emptied"] as const) {
      this.#remote.addEventListener(event, () => this.#showPicture());
      this.#preview.addEventListener(event, () => this.#showPicture());
    }
    this.element = h(
      "section",
      { class: "call", role: "dialog", "aria-label": "Call", hidden: true },
      this.#announcer,
      h("div", { class: "stage" }, this.#beacon, this.#snapshot, this.#preview, this.#remote, this.#fit, this.#self, this.#expand),
      h(
        "div",
        { class: "call-panel" },
        h("div", { class: "call-who" }, this.#name, this.#status),
        this.#note,
        h("div", { class: "door-area" }, this.#door, this.#doorReason),
        h(
          "div",
          { class: "controls" },
          this.#decline,
          this.#mic,
          this.#camera,
          this.#write,
          this.#hangUp,
          this.#answer,
          this.#close,
        ),
      ),
    );
  }

  minimize(on: boolean): void {
    this.element.classList.toggle("mini", on);
  }

  update(call: Call | undefined): void {
    this.element.hidden = call === undefined;
    if (!call) {
      this.#shownPhase = undefined;
      this.#tick(undefined);
      this.#attach(this.#remote, undefined);
      this.#attach(this.#preview, undefined);
      this.#attach(this.#self, undefined);
      return;
    }
    if (this.#shownCall !== call.id) {
      this.#shownCall = call.id;
      this.#shownPhase = undefined;
      this.#fillWished = undefined;
      this.minimize(false);
    }
    const entered = call.phase !== this.#shownPhase;
    this.#shownPhase = call.phase;
    this.element.dataset["phase"] = call.phase;
    setText(this.#name, call.name);
    this.#who(call);
    this.#pictures(call);
    this.#buttons(call);
    this.#doorState(call);
    setText(this.#note, call.media?.problem ?? "");
    this.#tick(call);
    if (entered) this.#enter(call);
  }

  /** Says a change of phase aloud and moves the focus to what one wants next. */
  #enter(call: Call): void {
    const spoken: Partial<Record<Phase, string>> = {
      ringing: `${call.name} is ringing`,
      connected: `Connected with ${call.name}`,
      reconnecting: "Connection interrupted",
      ended: call.end ?? "Call ended",
    };
    setText(this.#announcer, spoken[call.phase] ?? "");
    setAttribute(this.element, "aria-label", `Call with ${call.name}`);
    if (call.phase === "ringing") {
      this.minimize(false);
      this.#answer.focus({ preventScroll: true });
    } else if (call.phase === "dialing" || call.phase === "connecting") {
      this.#hangUp.focus({ preventScroll: true });
    } else if (call.phase === "ended" && this.element.contains(document.activeElement)) {
      // The button that had the focus is gone.
      this.#close.focus({ preventScroll: true });
    }
  }

  #who(call: Call): void {
    const person = { ...this.people.get(call.peer), name: call.name };
    if (this.#beacon.dataset["for"] === `${person.id} ${person.name} ${person.station}`) return;
    this.#beacon.dataset["for"] = `${person.id} ${person.name} ${person.station}`;
    this.#beacon.replaceChildren(h("i", {}), h("i", {}), h("i", {}), avatar(person));
  }

  #pictures(call: Call): void {
    this.#attach(this.#remote, call.remote);
    this.#attach(this.#self, call.media?.preview);
    this.#attach(this.#preview, call.preview);
    this.#preview.muted = call.phase !== "ringing" || !call.preview?.getAudioTracks().length;
    this.#self.hidden = !call.media?.cameraOn;
    this.#snapshot.hidden = call.snapshot === undefined || call.phase === "ended";
    if (call.snapshot) {
      setAttribute(this.#snapshot, "src", call.snapshot);
      setAttribute(this.#snapshot, "alt", `Picture from ${call.name}`);
    }
    setAttribute(this.#remote, "aria-label", `Video of ${call.name}`);
    setAttribute(this.#preview, "aria-label", `Live picture from ${call.name}`);
    this.#showPicture();
  }

  #attach(video: HTMLVideoElement, stream: MediaStream | undefined): void {
    if (video.srcObject === (stream ?? null)) return;
    video.srcObject = stream ?? null;
    // Refused only without a gesture; answering is one.
    if (!stream) return;
    void video.play().catch(() => {
      if (video !== this.#preview) return;
      // Its sound may not be heard unasked; the picture may be seen.
      video.muted = true;
      void video.play().catch(() => undefined);
    });
  }

  #showPicture(): void {
    const flowing = this.#remote.srcObject !== null && this.#remote.videoWidth > 0;
    const previewed = this.#preview.srcObject !== null && this.#preview.videoWidth > 0;
    this.#preview.hidden = flowing || !previewed;
    this.element.classList.toggle("has-picture", flowing || previewed || !this.#snapshot.hidden);
    this.#remote.hidden = this.#fit.hidden = !flowing;
    // The still picture has done its duty once the moving one is there.
    if (flowing || previewed) this.#snapshot.hidden = true;
    // Later: this may be the middle of showing a change.
    if (flowing) queueMicrotask(() => this.calls.pictured());
    this.#fitPicture();
  }

  /** Fills the place if that hides little of the picture; a door wants to be seen whole. */
  #fitPicture(): void {
    const shown = this.#remote.hidden ? this.#preview : this.#remote;
    const { videoWidth, videoHeight, clientWidth, clientHeight } = shown;
    if (!videoWidth || !clientWidth || !clientHeight) return;
    const ratio = (videoWidth / videoHeight) * (clientHeight / clientWidth);
    const fill = this.#fillWished ?? Math.min(ratio, 1 / ratio) >= VISIBLE_AT_LEAST;
    this.element.classList.toggle("fill", fill);
    setAttribute(this.#fit, "aria-label", fill ? "Show the whole picture" : "Fill the screen");
  }

  #buttons(call: Call): void {
    const ringing = call.phase === "ringing";
    const over = call.phase === "ended";
    this.#answer.hidden = this.#decline.hidden = !ringing;
    this.#hangUp.hidden = ringing || over;
    this.#mic.hidden = this.#write.hidden = ringing || over;
    this.#camera.hidden = over;
    this.#close.hidden = !over;
    const micOn = call.media?.micOn ?? true;
    const cameraOn = call.media ? call.media.cameraOn : call.cameraWished;
    toggle(this.#mic, micOn ? "mic" : "micOff", micOn ? "Mute" : "Unmute", !micOn);
    const cameraLabel = cameraOn ? "Camera off" : "Camera on";
    toggle(this.#camera, cameraOn ? "camera" : "cameraOff", cameraLabel, !cameraOn);
    this.#mic.disabled = call.media === undefined;
  }

  #doorState(call: Call): void {
    const labels = {
      idle: "Open door",
      asking: "Opening…",
      opened: "Door opened",
      refused: "Not opened",
    } as const;
    // A station opens only for the one it is talking with.
    const talking = ["connecting", "connected", "reconnecting"].includes(call.phase);
    this.#door.hidden = call.peerIsPhone || !talking;
    this.#door.disabled = call.phase === "connecting";
    this.#door.dataset["state"] = call.door;
    this.#door.setAttribute("aria-busy", String(call.door === "asking"));
    setIcon(this.#door, call.door === "opened" ? "check" : call.door === "refused" ? "warning" : "key");
    setText(this.#doorLabel, labels[call.door]);
    const spoken = { idle: "", asking: "", opened: "Door opened", refused: call.doorReason ?? "" };
    setText(this.#doorReason, spoken[call.door]);
    this.#doorReason.classList.toggle("visually-hidden", call.door !== "refused");
  }

  #tick(call: Call | undefined): void {
    const running = call?.phase === "connected";
    if (running && this.#ticker === undefined) {
      this.#ticker = window.setInterval(() => this.#tick(this.calls.current), SECOND_MS);
    } else if (!running) {
      window.clearInterval(this.#ticker);
      this.#ticker = undefined;
    }
    if (call) setText(this.#status, statusText(call));
  }
}

function statusText(call: Call): string {
  switch (call.phase) {
    case "ringing":
      return call.peerIsPhone ? "is calling" : "is ringing";
    case "dialing":
      return "Calling…";
    case "connecting":
      return "Connecting…";
    case "connected":
      return duration(Date.now() - (call.connectedAt ?? Date.now()));
    case "reconnecting":
      return "Connection interrupted. Trying again…";
    case "ended":
      return call.end ?? "Call ended";
  }
}

function control(kind: string, name: IconName, label: string, click: () => void): HTMLButtonElement {
  const disc = h("span", { class: "disc", "data-icon": name }, icon(name));
  return h(
    "button",
    { class: `control ${kind}`, type: "button", on: { click } },
    disc,
    h("span", { class: "control-label" }, label),
  );
}

/** The visible words are the control's name, so that what is read and what is said agree. */
function toggle(button: HTMLButtonElement, name: IconName, label: string, off: boolean): void {
  setIcon(button.querySelector(".disc")!, name);
  setText(button.querySelector(".control-label")!, label);
  button.classList.toggle("off", off);
}
