/**
 * The phone's own microphone and camera.
 *
 * A call must not wait for them: whoever answers wants to see who is at the door while the
 * browser still asks for permission. So a call starts with silent and dark stand-in tracks if
 * the devices are not there in time, and the real ones replace them in the running call. The
 * same stand-in makes "camera off" real: the camera is released and its light goes out.
 */

const AUDIO: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};
// The station decodes this on a small board and shows it on a small screen.
const VIDEO: MediaTrackConstraints = {
  width: { ideal: 640 },
  height: { ideal: 480 },
  frameRate: { ideal: 30, max: 30 },
  facingMode: "user",
};
/**
 * How long a call waits for the devices where the browser has not granted them for good: until
 * it has, it hides this phone's addresses from the other side, which costs some networks the
 * connection.
 */
const DEVICES_WAIT_MS = 800;
const STAND_IN_SIZE = { width: 320, height: 240 };
/** A canvas sends a frame only when painted, and a decoder that gets none reports a freeze. */
const STAND_IN_REPAINT_MS = 500;

/** Shared: a browser allows only a few of them at a time. */
let silentContext: AudioContext | undefined;

export class LocalMedia {
  /** The tracks a call begins with. */
  readonly stream = new MediaStream();
  /** What the camera sees, for the own small picture. */
  preview: MediaStream | undefined;
  /** Why the microphone or camera is not used, in words. */
  problem: string | undefined;
  onChange: () => void = () => undefined;

  #senders: () => RTCRtpSender[];
  #mic: MediaStreamTrack | undefined;
  #camera: MediaStreamTrack | undefined;
  #silent: MediaStreamTrack | undefined;
  #dark: MediaStreamTrack | undefined;
  #micOn = true;
  #cameraOn: boolean;
  #closed = false;
  #cleanups: (() => void)[] = [];

  private constructor(camera: boolean, senders: () => RTCRtpSender[]) {
    this.#cameraOn = camera;
    this.#senders = senders;
  }

  /**
   * Begins to open the devices and gives tracks to start the call with: at once if the browser
   * has granted them before, else after 0.8 s at the latest. `senders` gives the call's senders;
   * call `sync` when it has some.
   */
  static async open(camera: boolean, senders: () => RTCRtpSender[]): Promise<LocalMedia> {
    const media = new LocalMedia(camera, senders);
    const devices = media.#openDevices();
    if (!(await granted())) await Promise.race([devices, pause(DEVICES_WAIT_MS)]);
    media.stream.addTrack(media.#audio());
    media.stream.addTrack(media.#video());
    return media;
  }

  /** Sends what is there now: the devices, or their stand-ins. */
  async sync(): Promise<void> {
    const wanted = { audio: this.#audio(), video: this.#video() };
    const changes = this.#senders().map(async (sender) => {
      const track = sender.track && wanted[sender.track.kind as keyof typeof wanted];
      if (track && track !== sender.track) await sender.replaceTrack(track);
    });
    await Promise.all(changes);
  }

  get micOn(): boolean {
    return this.#micOn;
  }

  get cameraOn(): boolean {
    return this.#cameraOn && this.#camera !== undefined;
  }

  setMic(on: boolean): void {
    this.#micOn = on;
    if (this.#mic) this.#mic.enabled = on;
    this.onChange();
  }

  async setCamera(on: boolean): Promise<void> {
    this.#cameraOn = on;
    if (!on) {
      const camera = this.#camera;
      this.#camera = undefined;
      this.preview = undefined;
      await this.sync();
      camera?.stop();
    } else if (!this.#camera) {
      try {
        const stream = await navigator.mediaDevices.getUserMedia({ video: VIDEO });
        await this.#useCamera(stream.getVideoTracks()[0]);
      } catch (error) {
        this.#cameraOn = false;
        this.problem = sentence(error, "camera");
      }
    }
    this.onChange();
  }

  close(): void {
    this.#closed = true;
    this.#mic?.stop();
    this.#camera?.stop();
    for (const cleanup of this.#cleanups) cleanup();
    this.preview = undefined;
  }

  async #openDevices(): Promise<void> {
    const devices = navigator.mediaDevices;
    if (!devices) {
      this.problem = "This address is not secure, so the browser gives no microphone or camera.";
      return;
    }
    let stream: MediaStream | undefined;
    try {
      stream = await devices.getUserMedia({ audio: AUDIO, video: this.#cameraOn && VIDEO });
    } catch (error) {
      this.problem = sentence(error, this.#cameraOn ? "camera" : "microphone");
    }
    if (!stream && this.#cameraOn) {
      // One of the two is missing or refused: a voice without a picture is still a call.
      this.#cameraOn = false;
      try {
        stream = await devices.getUserMedia({ audio: AUDIO });
      } catch (error) {
        this.problem = sentence(error, "microphone");
      }
    }
    await this.#useMic(stream?.getAudioTracks()[0]);
    await this.#useCamera(stream?.getVideoTracks()[0]);
    this.onChange();
  }

  async #useMic(track: MediaStreamTrack | undefined): Promise<void> {
    if (!track || this.#closed) return track?.stop();
    track.enabled = this.#micOn;
    this.#mic = track;
    await this.sync();
  }

  async #useCamera(track: MediaStreamTrack | undefined): Promise<void> {
    // The person may have hung up, or switched the camera off again, while it opened.
    if (!track || this.#closed || !this.#cameraOn) return track?.stop();
    this.#camera = track;
    this.preview = new MediaStream([track]);
    await this.sync();
  }

  #audio(): MediaStreamTrack {
    return this.#mic ?? (this.#silent ??= this.#silence());
  }

  #video(): MediaStreamTrack {
    return this.#camera ?? (this.#dark ??= this.#darkness());
  }

  #silence(): MediaStreamTrack {
    silentContext ??= new AudioContext();
    const track = silentContext.createMediaStreamDestination().stream.getAudioTracks()[0]!;
    this.#cleanups.push(() => track.stop());
    return track;
  }

  #darkness(): MediaStreamTrack {
    const canvas = Object.assign(document.createElement("canvas"), STAND_IN_SIZE);
    const paint = canvas.getContext("2d")!;
    const repaint = () => {
      paint.fillStyle = "#101614";
      paint.fillRect(0, 0, canvas.width, canvas.height);
    };
    repaint();
    const timer = window.setInterval(repaint, STAND_IN_REPAINT_MS);
    const track = canvas.captureStream().getVideoTracks()[0]!;
    this.#cleanups.push(() => {
      window.clearInterval(timer);
      track.stop();
    });
    return track;
  }
}

/** Whether the browser asks no more. One that does not know these names asks. */
async function granted(): Promise<boolean> {
  try {
    const ask = (name: string) => navigator.permissions.query({ name: name as PermissionName });
    const answers = await Promise.all([ask("microphone"), ask("camera")]);
    return answers.every(({ state }) => state === "granted");
  } catch {
    return false;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => window.setTimeout(resolve, milliseconds));
}

function sentence(error: unknown, device: string): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return `The browser may not use the ${device}.`;
  if (name === "NotFoundError") return `No ${device} was found.`;
  if (name === "NotReadableError") return `The ${device} is used by another program.`;
  return `The ${device} could not be opened.`;
}
