"""GStreamer's webrtcbin doing what the benchmark's own ends do: a 720p30 camera, encoded once,
sent to any number of calls; or one call within this process whose pictures carry the time.

Usage: webrtcbin.py send CALLS | latency SECONDS
Signals are JSON lines, as in signal.rs.
"""

import json
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstApp, GstSdp, GstWebRTC  # noqa: E402,F401

WIDTH, HEIGHT, KBPS = 1280, 720, 1200
CAPS = f"video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate=30/1"
RTP = "application/x-rtp,media=video,encoding-name=H264,payload=96"
# The same settings as our own encoder's.
ENCODER = (
    "x264enc tune=zerolatency speed-preset=ultrafast threads=1 aud=false "
    f"bitrate={KBPS} vbv-buf-capacity=500 key-int-max=300 "
    "! video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au "
    "! rtph264pay mtu=1200 config-interval=-1 aggregate-mode=none pt=96 "
    f"! {RTP}"
)
WARM_UP = 5


SPEAKING = threading.Lock()


def tell(**line):
    # Each call tells from a thread of its own, and a line is written in two parts.
    with SPEAKING:
        print(json.dumps(line), flush=True)


def description(kind, text):
    result, message = GstSdp.SDPMessage.new_from_text(text)
    if result != GstSdp.SDPResult.OK:
        raise ValueError("a description that cannot be read")
    return GstWebRTC.WebRTCSessionDescription.new(kind, message)


def send(calls):
    heads = " ".join(
        # The filter tells each of them its format before the first packet, as it offers at once.
        f"t. ! queue ! {RTP},clock-rate=90000,packetization-mode=(string)1 ! w{n}.sink_0 "
        f"webrtcbin name=w{n} bundle-policy=max-bundle"
        for n in range(calls)
    )
    pipeline = Gst.parse_launch(
        f"videotestsrc is-live=true pattern=smpte ! {CAPS} ! {ENCODER} ! tee name=t {heads}"
    )
    bins = [pipeline.get_by_name(f"w{n}") for n in range(calls)]

    def negotiate(element, n):
        def made(promise):
            promise.wait()
            reply = promise.get_reply()
            offer = reply["offer"]
            element.emit("set-local-description", offer, Gst.Promise.new())
            tell(kind="offer", call=n, sdp=offer.sdp.as_text())

        element.emit("create-offer", None, Gst.Promise.new_with_change_func(made))

    for n, element in enumerate(bins):
        element.connect("on-negotiation-needed", negotiate, n)
        element.connect(
            "on-ice-candidate",
            lambda _, index, candidate, n=n: tell(
                kind="candidate", call=n, candidate=candidate, mid="video0", index=index
            ),
        )

    def listen():
        for line in sys.stdin:
            signal = json.loads(line)
            if signal["kind"] == "answer":
                answer = description(GstWebRTC.WebRTCSDPType.ANSWER, signal["sdp"])
                bins[signal["call"]].emit("set-remote-description", answer, Gst.Promise.new())
            elif signal["kind"] == "candidate":
                bins[signal["call"]].emit(
                    "add-ice-candidate", signal["index"], signal["candidate"]
                )

    threading.Thread(target=listen, daemon=True).start()
    pipeline.set_state(Gst.State.PLAYING)
    GLib.MainLoop().run()


def micros():
    return time.time_ns() // 1000 & 0xFFFFFFFF


def latency(seconds):
    sender = Gst.parse_launch(
        "appsrc name=in is-live=true do-timestamp=true format=time max-buffers=2 "
        f"leaky-type=downstream caps={CAPS} ! {ENCODER} "
        "! w.sink_0 webrtcbin name=w bundle-policy=max-bundle"
    )
    receiver = Gst.Pipeline.new()
    into = Gst.ElementFactory.make("webrtcbin")
    Gst.util_set_object_arg(into, "bundle-policy", "max-bundle")
    receiver.add(into)
    out = sender.get_by_name("w")
    delays, counts = [], threading.Event()

    def sample(sink):
        seen = sink.emit("pull-sample")
        buffer = seen.get_buffer()
        ok, mapped = buffer.map(Gst.MapFlags.READ)
        if ok and counts.is_set():
            row = bytes(mapped.data[16 * WIDTH : 16 * WIDTH + 1024])
            drawn = sum((row[bit * 32 + 16] > 125) << bit for bit in range(32))
            delays.append((micros() - drawn) & 0xFFFFFFFF)
        buffer.unmap(mapped)
        return Gst.FlowReturn.OK

    def stream(_, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        tail = Gst.parse_bin_from_description(
            "rtph264depay ! h264parse ! openh264dec ! videoconvert ! video/x-raw,format=I420 "
            "! appsink name=out emit-signals=true sync=false max-buffers=1 drop=true",
            True,
        )
        tail.get_by_name("out").connect("new-sample", sample)
        receiver.add(tail)
        tail.sync_state_with_parent()
        pad.link(tail.get_static_pad("sink"))

    into.connect("pad-added", stream)
    out.connect("on-ice-candidate", lambda _, i, c: into.emit("add-ice-candidate", i, c))
    into.connect("on-ice-candidate", lambda _, i, c: out.emit("add-ice-candidate", i, c))

    def offered(promise):
        promise.wait()
        reply = promise.get_reply()
        offer = reply["offer"]
        out.emit("set-local-description", offer, Gst.Promise.new())
        into.emit(
            "set-remote-description", offer, Gst.Promise.new_with_change_func(lambda _: answer())
        )

    def answer():
        into.emit("create-answer", None, Gst.Promise.new_with_change_func(answered))

    def answered(promise):
        promise.wait()
        reply = promise.get_reply()
        answer = reply["answer"]
        into.emit("set-local-description", answer, Gst.Promise.new())
        out.emit("set-remote-description", answer, Gst.Promise.new())

    out.connect(
        "on-negotiation-needed",
        lambda element: element.emit(
            "create-offer", None, Gst.Promise.new_with_change_func(offered)
        ),
    )
    receiver.set_state(Gst.State.PLAYING)
    sender.set_state(Gst.State.PLAYING)

    base = bytearray(128 for _ in range(WIDTH * HEIGHT * 3 // 2))
    for y in range(HEIGHT):
        base[y * WIDTH : (y + 1) * WIDTH] = bytes(40 + x // 10 + y // 16 for x in range(WIDTH))
    source = sender.get_by_name("in")
    start = time.monotonic()
    n = 0
    while time.monotonic() - start < WARM_UP + seconds:
        due = start + n / 30
        time.sleep(max(0.0, due - time.monotonic()))
        if time.monotonic() - start > WARM_UP:
            counts.set()
        picture = bytearray(base)
        bar = n * 8 % (WIDTH - 64)
        white = b"\xdc" * 64
        for y in range(64, HEIGHT):
            picture[y * WIDTH + bar : y * WIDTH + bar + 64] = white
        stamp = micros()
        row = b"".join((b"\xeb" if stamp >> bit & 1 else b"\x10") * 32 for bit in range(32))
        for y in range(32):
            picture[y * WIDTH : y * WIDTH + 1024] = row
        source.emit("push-buffer", Gst.Buffer.new_wrapped(bytes(picture)))
        n += 1
    tell(kind="latencies", micros=delays)


if __name__ == "__main__":
    Gst.init(None)
    {"send": send, "latency": latency}[sys.argv[1]](int(sys.argv[2]))
