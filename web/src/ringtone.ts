/**
 * The sounds of the phone, synthesised: nothing to download, nothing to license.
 *
 * A browser plays nothing before the first touch or key; `unlock` hooks that moment.
 */

/** Two chimes like a door bell: frequency in Hz and start in seconds. */
const CHIME = [
  { frequency: 659.25, at: 0 },
  { frequency: 523.25, at: 0.42 },
];
const CHIME_EVERY_MS = 2_600;
const CHIME_LENGTH_S = 1.5;
const RINGBACK_HZ = 425;
const RINGBACK_EVERY_MS = 4_000;
const RINGBACK_LENGTH_S = 1;
const VIBRATION_MS = [300, 120, 300];

export type Tone = "bell" | "ringback";

export class Ringtone {
  #context: AudioContext | undefined;
  #timer: number | undefined;
  #playing: Tone | undefined;
  #output: GainNode | undefined;

  /** Prepares the sound at the first gesture, and again whenever the browser suspends it. */
  unlock(): void {
    const wake = () => {
      this.#context ??= new AudioContext();
      if (this.#context.state === "suspended") void this.#context.resume();
    };
    for (const gesture of ["pointerdown", "keydown"]) {
      document.addEventListener(gesture, wake, { passive: true });
    }
  }

  play(tone: Tone | undefined): void {
    if (tone === this.#playing) return;
    this.#stop();
    this.#playing = tone;
    if (!tone) return;
    const once = tone === "bell" ? () => this.#bell() : () => this.#ringback();
    once();
    this.#timer = window.setInterval(once, tone === "bell" ? CHIME_EVERY_MS : RINGBACK_EVERY_MS);
  }

  #stop(): void {
    window.clearInterval(this.#timer);
    this.#output?.disconnect();
    this.#output = undefined;
    if (this.#playing === "bell") navigator.vibrate?.(0);
  }

  #bell(): void {
    navigator.vibrate?.(VIBRATION_MS);
    for (const { frequency, at } of CHIME) {
      this.#note(frequency, at, CHIME_LENGTH_S, 0.32);
      // A soft octave above gives the metal.
      this.#note(frequency * 2, at, CHIME_LENGTH_S * 0.6, 0.08);
    }
  }

  #ringback(): void {
    this.#note(RINGBACK_HZ, 0, RINGBACK_LENGTH_S, 0.06, "held");
  }

  #note(hz: number, at: number, length: number, volume: number, shape?: "held"): void {
    const context = this.#context;
    if (!context || context.state !== "running") return;
    if (!this.#output) {
      this.#output = context.createGain();
      this.#output.connect(context.destination);
    }
    const start = context.currentTime + at;
    const envelope = context.createGain();
    envelope.gain.setValueAtTime(0, start);
    envelope.gain.linearRampToValueAtTime(volume, start + 0.015);
    if (shape === "held") envelope.gain.setValueAtTime(volume, start + length - 0.03);
    envelope.gain.exponentialRampToValueAtTime(0.0001, start + length);
    const tone = new OscillatorNode(context, { frequency: hz });
    tone.connect(envelope).connect(this.#output);
    tone.start(start);
    tone.stop(start + length);
  }
}
