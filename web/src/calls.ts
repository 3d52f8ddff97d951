/**
 * The one call this phone is in, from ringing to its end.
 *
 * Invariant: `current` is the only call the page shows; events of any other session are
 * answered (busy) or ignored.
 */
import ConnectyCube, { CallSessionConnectionState as Ice, CallType } from "connectycube";
import type { Calls as Sdk, Chat } from "connectycube/types";
import { Door } from "./door";
import { LocalMedia } from "./media";
import type { People } from "./people";
import { Preview } from "./preview";
import { cameraWished, rememberCamera } from "./remembered";
import { Topic } from "./topic";

/** Where the call stands. `ended` stays on screen for a moment to say why. */
export type Phase = "ringing" | "dialing" | "connecting" | "connected" | "reconnecting" | "ended";
export type DoorState = "idle" | "asking" | "opened" | "refused";

export interface Call {
  readonly id: string;
  readonly peer: number;
  readonly incoming: boolean;
  name: string;
  phase: Phase;
  /** A picture of the visitor sent along with the ringing. */
  snapshot: string | undefined;
  /** The moving one, while it rings. */
  preview: MediaStream | undefined;
  /** The other side is a phone like this one and has no door. */
  peerIsPhone: boolean;
  connectedAt: number | undefined;
  remote: MediaStream | undefined;
  media: LocalMedia | undefined;
  cameraWished: boolean;
  door: DoorState;
  doorReason: string | undefined;
  /** Why it ended, in words. */
  end: string | undefined;
}

/** Told to the other side with every call, answer and refusal. */
const USER_INFO = { client: "phone" };
const ENDED_SHOWN_MS = 4_000;
const DOOR_SHOWN_MS = 4_000;
/** So long after the call is connected the last picture of the ringing stays, if no other comes. */
const PREVIEW_STAYS_MS = 2_000;

export class Calls {
  readonly changed = new Topic<Call | undefined>();
  /** Every peer connection made, for whoever debugs; see `?debug=1` in main.ts. */
  readonly connectionMade = new Topic<RTCPeerConnection>();
  readonly door = new Door();
  current: Call | undefined;
  #session: Sdk.Session | undefined;
  #people: People;
  #clearing: number | undefined;
  #preview: Preview | undefined;

  constructor(people: People) {
    this.#people = people;
  }

  /** Hooks the SDK up. Call after it is prepared, before signing in. */
  listen(): void {
    const video = ConnectyCube.videochat;
    video.onCallListener = (session, info) => this.#onCall(session, text(info));
    video.onAcceptCallListener = (session, user, info) => this.#onAccept(session, user, text(info));
    video.onRejectCallListener = (session, user, info) => {
      if (!this.#isCurrent(session)) return;
      if (user === session.currentUserID) this.#forget(session, "Declined on another device");
      else this.#end(text(info)["busy"] ? "Busy" : "Declined");
    };
    video.onStopCallListener = (session, _user, info) => {
      if (!this.#isCurrent(session)) return;
      if (this.#phase !== "ringing") this.#end("Call ended");
      else if (text(info)["reason"] === "answered_elsewhere") this.#end("Answered by someone else");
      else this.#end("Missed call");
    };
    video.onUserNotAnswerListener = (session) => {
      if (this.#isCurrent(session)) this.#end("No answer");
    };
    video.onRemoteStreamListener = (session, _user, stream) => {
      if (this.#isCurrent(session)) this.#update({ remote: stream });
    };
    video.onSessionConnectionStateChangedListener = (session, user, state) => {
      if (this.#isCurrent(session)) this.#onIce(session, user, state);
    };
    video.onSessionCloseListener = (session) => {
      // The SDK closes the session just before it reports the hang-up, which knows more.
      queueMicrotask(() => {
        if (!this.#isCurrent(session)) return;
        this.#end(this.#phase === "ringing" ? "Missed call" : "Connection lost");
      });
    };
  }

  async call(user: number): Promise<void> {
    if (this.busy) return;
    const session = ConnectyCube.videochat.createNewSession([user], CallType.VIDEO);
    this.#begin(session, user, false, {});
    await this.#attachMedia(session);
    // Hung up while the camera opened.
    if (!this.#isCurrent(session) || this.current?.phase !== "dialing") return;
    session.call(USER_INFO);
    this.#announce(session);
  }

  async answer(): Promise<void> {
    const session = this.#session;
    if (!session || this.current?.phase !== "ringing") return;
    this.#update({ phase: "connecting" });
    await this.#attachMedia(session);
    if (!this.#isCurrent(session) || this.#phase !== "connecting") return;
    session.accept(USER_INFO);
    this.#announce(session);
  }

  decline(): void {
    if (this.current?.phase !== "ringing") return;
    this.#session?.reject(USER_INFO);
    this.#end("Declined");
  }

  hangUp(): void {
    if (!this.current || this.current.phase === "ended") return;
    this.#session?.stop(USER_INFO);
    this.#end("Call ended");
  }

  toggleMic(): void {
    const media = this.current?.media;
    media?.setMic(!media.micOn);
  }

  /** Before the call has media this only says how it shall begin. */
  async toggleCamera(): Promise<void> {
    const call = this.current;
    if (!call) return;
    const on = !(call.media ? call.media.cameraOn : call.cameraWished);
    rememberCamera(on);
    this.#update({ cameraWished: on });
    await call.media?.setCamera(on);
  }

  async openDoor(): Promise<void> {
    const call = this.current;
    if (!call || call.door === "asking") return;
    this.#update({ door: "asking", doorReason: undefined });
    const { opened, reason } = await this.door.open(call.peer, call.id);
    if (this.current !== call) return;
    this.#update({ door: opened ? "opened" : "refused", doorReason: reason });
    window.setTimeout(() => {
      if (this.current === call && call.door !== "asking") this.#update({ door: "idle" });
    }, DOOR_SHOWN_MS);
  }

  get busy(): boolean {
    return this.current !== undefined && this.current.phase !== "ended";
  }

  get #phase(): Phase | undefined {
    return this.current?.phase;
  }

  #onCall(session: Sdk.Session, info: Record<string, string>): void {
    if (this.busy) {
      // Its peer connections are made right after this listener returns; refuse after that.
      queueMicrotask(() => session.reject({ ...USER_INFO, busy: "1" }));
      return;
    }
    this.#begin(session, session.initiatorID, true, info);
    if (Preview.offered(info)) this.#look(session, info["preview_audio"] === "1");
    // The hub vouches for the name of an account; what the caller says of itself comes second.
    this.#people.meet([session.initiatorID]).then(
      () => {
        const known = this.#people.find(session.initiatorID);
        if (known && this.#isCurrent(session)) this.#update({ name: known.name });
      },
      () => undefined,
    );
  }

  /** The call's own picture is there. */
  pictured(): void {
    if (this.#session && this.#phase !== "ringing") this.#dropPreview(this.#session);
  }

  /** A connection that is closed leaves a dark picture, so not before there is another. */
  #dropPreview(session: Sdk.Session): void {
    if (!this.#preview || !this.#isCurrent(session)) return;
    this.#preview.close(false);
    this.#preview = undefined;
    this.#update({ preview: undefined });
  }

  /** The station ends it when somebody answers; its last picture stays until the call has one. */
  #look(session: Sdk.Session, hasSound: boolean): void {
    const preview = new Preview(session.initiatorID, session.ID ?? "", hasSound, (stream) => {
      if (this.#preview === preview && (stream || this.#phase === "ringing")) this.#update({ preview: stream });
    });
    this.#preview = preview;
    this.connectionMade.publish(preview.connection);
  }

  onSystemMessage(message: Chat.SystemMessage): void {
    this.#preview?.onSystemMessage(message);
    this.door.onSystemMessage(message);
  }

  #onAccept(session: Sdk.Session, user: number, info: Record<string, string>): void {
    if (!this.#isCurrent(session)) return;
    if (user === session.currentUserID) this.#forget(session, "Answered on another device");
    else this.#update({ phase: "connecting", peerIsPhone: info["client"] === "phone" });
  }

  #onIce(session: Sdk.Session, user: number, state: Ice): void {
    const phase = this.#phase;
    if (phase === "ended" || phase === "ringing") return;
    if (state === Ice.CONNECTED || state === Ice.COMPLETED) {
      const connectedAt = this.current?.connectedAt ?? Date.now();
      if (!this.current?.connectedAt) window.setTimeout(() => this.#dropPreview(session), PREVIEW_STAYS_MS);
      this.#update({ phase: "connected", connectedAt });
    } else if (state === Ice.DISCONNECTED || state === Ice.FAILED) {
      this.#update({ phase: "reconnecting" });
      if (state === Ice.FAILED && session.canInitiateIceRestart(user)) void session.iceRestart(user);
    }
  }

  #begin(session: Sdk.Session, peer: number, incoming: boolean, info: Record<string, string>) {
    window.clearTimeout(this.#clearing);
    this.#session = session;
    this.current = {
      id: session.ID ?? "",
      peer,
      incoming,
      name: this.#people.find(peer)?.name ?? info["name"] ?? this.#people.get(peer).name,
      phase: incoming ? "ringing" : "dialing",
      snapshot: picture(info["snapshot"]),
      preview: undefined,
      peerIsPhone: info["client"] === "phone",
      connectedAt: undefined,
      remote: undefined,
      media: undefined,
      cameraWished: cameraWished(),
      door: "idle",
      doorReason: undefined,
      end: undefined,
    };
    this.changed.publish(this.current);
  }

  async #attachMedia(session: Sdk.Session): Promise<void> {
    const senders = () => Object.values(session.peerConnections).flatMap((pc) => pc.getSenders());
    const media = await LocalMedia.open(this.current?.cameraWished ?? false, senders);
    if (!this.#isCurrent(session) || this.#phase === "ended") return media.close();
    media.onChange = () => this.changed.publish(this.current);
    session.localStream = media.stream;
    this.#update({ media });
  }

  /** The SDK has made its connections: whatever opened meanwhile goes into them now. */
  #announce(session: Sdk.Session): void {
    void this.current?.media?.sync();
    for (const pc of Object.values(session.peerConnections)) this.connectionMade.publish(pc.original);
  }

  #isCurrent(session: Sdk.Session): boolean {
    return this.#session === session;
  }

  #update(change: Partial<Call>): void {
    if (!this.current) return;
    Object.assign(this.current, change);
    this.changed.publish(this.current);
  }

  /** Another device of this user took the call: stop ringing here, tell nobody. */
  #forget(session: Sdk.Session, why: string): void {
    this.#end(why);
    for (const pc of Object.values(session.peerConnections)) pc.release();
    session.closeSessionIfAllConnectionsClosed();
  }

  #end(why: string): void {
    const call = this.current;
    if (!call || call.phase === "ended") return;
    call.media?.close();
    this.#session = undefined;
    this.#preview?.close(false);
    this.#preview = undefined;
    this.#update({ phase: "ended", end: why, remote: undefined, media: undefined, preview: undefined });
    this.#clearing = window.setTimeout(() => this.dismiss(), ENDED_SHOWN_MS);
  }

  /** Takes an ended call off the screen. */
  dismiss(): void {
    if (this.current?.phase !== "ended") return;
    window.clearTimeout(this.#clearing);
    this.current = undefined;
    this.changed.publish(undefined);
  }
}

/** On the wire every value of a user info is a string; nested ones are not ours. */
function text(info: object | undefined): Record<string, string> {
  const entries = Object.entries(info ?? {}).filter(([, value]) => typeof value === "string");
  return Object.fromEntries(entries) as Record<string, string>;
}

/** Only a picture carried inline or kept by this hub; anything else would leak who rings. */
function picture(value: string | undefined): string | undefined {
  if (!value) return undefined;
  if (/^data:image\/(jpeg|png|webp);base64,/.test(value)) return value;
  try {
    const url = new URL(value, location.origin);
    return url.origin === location.origin ? url.href : undefined;
  } catch {
    return undefined;
  }
}
