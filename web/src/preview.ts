/**
 * The visitor's picture while it rings, before anybody answers.
 *
 * A station that has it on offer says so with its call (`preview`, `preview_audio`). It is asked
 * by a system message, so that the hub vouches for who asks and the station decides:
 * `{cubelet: "preview", session_id, request_id, sdp}` →
 * `{cubelet: "preview_answer", session_id, request_id, ok: "true", sdp}` or `ok: "false", reason`.
 * Either side may add `preview_candidates` and end with `preview_end`. A connection of its own:
 * nothing of this phone is sent, and the call's one is made only by answering.
 */
import ConnectyCube from "connectycube";
import type { Chat } from "connectycube/types";

/** Candidates that come together go out together. */
const BATCH_MS = 50;
/** The station bounds what it takes in one message. */
const BATCH_MOST = 16;

export class Preview {
  readonly #connection = new RTCPeerConnection({ iceServers: [] });
  readonly #request = crypto.randomUUID();
  readonly #stream = new MediaStream();
  #candidates: RTCIceCandidateInit[] = [];
  /** The station's that came before its answer. */
  #early: RTCIceCandidateInit[] | undefined = [];
  #closed = false;

  static offered(info: Record<string, string>): boolean {
    return info["preview"] === "1" && typeof RTCPeerConnection === "function";
  }

  /** Asks at once. `shown` is told when there is something to show, and `undefined` when no more. */
  constructor(
    private station: number,
    private sessionId: string,
    readonly hasSound: boolean,
    private shown: (stream: MediaStream | undefined) => void,
  ) {
    this.#connection.ontrack = ({ track }) => {
      this.#stream.addTrack(track);
      if (track.kind === "video") this.shown(this.#stream);
    };
    this.#connection.onconnectionstatechange = () => {
      if (this.#connection.connectionState === "failed") this.close(true);
    };
    this.#connection.onicecandidate = ({ candidate }) => {
      // Addresses hidden behind names of mDNS: the station finds those by itself.
      if (candidate?.candidate && !candidate.candidate.includes(".local ")) this.#tell(candidate.toJSON());
    };
    void this.#ask().catch(() => this.close(false));
  }

  /** For whoever debugs. */
  get connection(): RTCPeerConnection {
    return this.#connection;
  }

  onSystemMessage(message: Chat.SystemMessage): void {
    const said = message.extension as Record<string, unknown> | null;
    if (message.userId !== this.station || said?.["request_id"] !== this.#request) return;
    switch (said["cubelet"]) {
      case "preview_answer":
        if (said["ok"] === "true") void this.#take(String(said["sdp"])).catch(() => this.close(true));
        else this.close(false);
        break;
      case "preview_candidates":
        void this.#add(said["candidates"]);
        break;
      case "preview_end":
        this.close(false);
    }
  }

  /** Ends it. Once it rings no more the station knows by itself, so that `tell` is for before. */
  close(tell: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.close();
    if (tell) this.#say("preview_end", { reason: "stopped" });
    this.shown(undefined);
  }

  async #ask(): Promise<void> {
    this.#receive("video", ["video/H264", "video/VP8", "video/rtx"]);
    if (this.hasSound) this.#receive("audio", ["audio/opus"]);
    await this.#connection.setLocalDescription();
    this.#say("preview", { sdp: this.#connection.localDescription?.sdp ?? "" });
  }

  /** Only what a station can send, in this order: a short offer is a quick one. */
  #receive(kind: "audio" | "video", types: string[]): void {
    const transceiver = this.#connection.addTransceiver(kind, { direction: "recvonly" });
    const all = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
    const known = types.flatMap((type) => all.filter(({ mimeType }) => mimeType === type));
    if (known.length > 0) transceiver.setCodecPreferences?.(known);
  }

  async #take(sdp: string): Promise<void> {
    if (this.#closed || this.#connection.signalingState !== "have-local-offer") return;
    // XML has made LF of the line ends on the way.
    await this.#connection.setRemoteDescription({ type: "answer", sdp: sdp.replace(/\r?\n/g, "\r\n") });
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const candidate of early) await this.#addOne(candidate);
  }

  async #add(text: unknown): Promise<void> {
    let candidates: unknown;
    try {
      candidates = JSON.parse(String(text));
    } catch {
      return;
    }
    if (!Array.isArray(candidates)) return;
    for (const candidate of (candidates as RTCIceCandidateInit[]).slice(0, BATCH_MOST)) {
      if (this.#early) this.#early.push(candidate);
      else await this.#addOne(candidate);
    }
  }

  /** One that cannot be used leaves the others. */
  async #addOne(candidate: RTCIceCandidateInit): Promise<void> {
    if (!this.#closed) await this.#connection.addIceCandidate(candidate).catch(() => undefined);
  }

  #tell(candidate: RTCIceCandidateInit): void {
    this.#candidates.push(candidate);
    if (this.#candidates.length > 1) return;
    window.setTimeout(() => {
      const candidates = JSON.stringify(this.#candidates.slice(0, BATCH_MOST));
      this.#candidates = [];
      if (!this.#closed) this.#say("preview_candidates", { candidates });
    }, BATCH_MS);
  }

  #say(word: string, more: Record<string, string>): void {
    const ids = { session_id: this.sessionId, request_id: this.#request };
    ConnectyCube.chat.sendSystemMessage(this.station, { extension: { cubelet: word, ...ids, ...more } });
  }
}
