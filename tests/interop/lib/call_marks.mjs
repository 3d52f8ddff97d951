/**
 * When what of a call happens in a page: runs in it before its own scripts and only listens; but
 * the microphone is taken as it is, for a browser's noise suppression takes a tone for noise.
 *
 * `window.__marks` has milliseconds of Unix time for the stages of the present call, each of its
 * first time; `window.__newCall()` begins a new one. `await window.__prepareEars()` once, else
 * sound is not listened for.
 */
export function callMarks() {
  /** Far above the noise of a codec, far below the tone that is sent. */
  const AUDIBLE = 0.01;
  const now = () => performance.timeOrigin + performance.now();
  const mark = (name) => {
    window.__marks[name] ??= now();
  };
  window.__newCall = () => (window.__marks = {});
  window.__newCall();

  let ears;
  window.__prepareEars = async () => {
    const context = new AudioContext({ latencyHint: "interactive", sampleRate: 48_000 });
    const processor = `registerProcessor("ear", class extends AudioWorkletProcessor {
      process([input]) {
        if (input[0]?.some((sample) => Math.abs(sample) > ${AUDIBLE})) {
          this.port.postMessage("heard");
          return false;
        }
        return true;
      }
    });`;
    const url = URL.createObjectURL(new Blob([processor], { type: "text/javascript" }));
    await context.audioWorklet.addModule(url);
    await context.resume();
    ears = context;
  };
  const listen = (track) => {
    if (!ears) return;
    const source = ears.createMediaStreamSource(new MediaStream([track]));
    const ear = new AudioWorkletNode(ears, "ear");
    ear.port.onmessage = () => {
      mark("first_audio");
      source.disconnect();
      ear.disconnect();
    };
    // Only what leads to the loudspeaker is rendered; the ear itself gives silence.
    source.connect(ear).connect(ears.destination);
  };

  const devices = navigator.mediaDevices;
  const open = devices?.getUserMedia.bind(devices);
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  if (open) devices.getUserMedia = (wanted) => open({ ...wanted, audio: wanted.audio && plain });

  const Connection = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Connection {
    constructor(...settings) {
      super(...settings);
      // The connection of the picture before the answer sends nothing.
      const isCall = () => this.getSenders().some(({ track }) => track);
      this.addEventListener("iceconnectionstatechange", () => {
        if (isCall() && ["connected", "completed"].includes(this.iceConnectionState)) mark("ice_connected");
      });
      this.addEventListener("connectionstatechange", () => {
        if (isCall() && this.connectionState === "connected") mark("dtls_connected");
      });
      this.addEventListener("track", ({ track }) => {
        if (!isCall()) return;
        // A track is unmuted by its first packet.
        track.addEventListener("unmute", () => mark(`first_${track.kind}_packet`));
        if (track.kind === "audio") listen(track);
      });
    }
  };

  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (data) {
    if (typeof data === "string" && data.includes("<signalType>accept</signalType>")) mark("accepted");
    return send.call(this, data);
  };

  addEventListener("click", ({ target }) => target.closest(".control.answer") && mark("answered"), true);

  addEventListener("DOMContentLoaded", () => {
    let watched;
    const watch = (video) => {
      if (!video?.srcObject || watched === video.srcObject) return;
      const stream = (watched = video.srcObject);
      const shown = () => {
        if (watched !== stream) return;
        // A phone may see who rings before it answers; that is not what is measured.
        if (window.__marks.answered || window.__marks.accept_received) mark("first_frame");
        else video.requestVideoFrameCallback(shown);
      };
      video.requestVideoFrameCallback(shown);
    };
    const look = () => {
      const answer = document.querySelector(".control.answer");
      if (answer && !answer.hidden && !answer.closest("[hidden]")) mark("ringing");
      watch(document.querySelector("video.remote, video.far"));
    };
    const options = { subtree: true, childList: true, attributes: true };
    new MutationObserver(look).observe(document.body, options);
    // A stream is attached without any change to the document; its loading tells.
    document.addEventListener("loadstart", look, true);
    look();
  });
}
