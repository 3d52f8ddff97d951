"""What the virtual board goes through; see tests/board/run. Prints each step with its seconds, and the
figures as JSON lines at the end. The first thing that is not as it should be ends it with its reason."""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from device import Device
from machine import Machine
from surroundings import HUB, KEY, PASSWORD, Site

# How long anything may take: an emulated board on a busy machine is slow, and none of it is about speed.
LIMIT = 300.0
FIGURES = {}


@contextlib.contextmanager
def step(what):
    begun = time.monotonic()
    print(f"==> {what} …", file=sys.stderr)
    yield
    print(f"    {time.monotonic() - begun:.1f} s", file=sys.stderr)


def figure(name, value, unit):
    FIGURES[name] = {"figure": name, "value": round(value, 2), "unit": unit}


def check(is_so, what):
    if not is_so:
        raise AssertionError(what)


def length(movie):
    """Seconds, by the header of an MP4 file (ISO/IEC 14496-12, mvhd of version 0 or 1).

    The last one holds: what was the header while the file grew lies before it, and is none any more.
    """
    header = movie[movie.rindex(b"mvhd") + 4:]
    times, size = ((20, 8), (12, 4))[header[0] == 0]
    scale, duration = header[times:times + 4], header[times + 4:times + 4 + size]
    return int.from_bytes(duration, "big") / int.from_bytes(scale, "big")


class Story:
    def __init__(self, binary, package, image, folder):
        self.package, self.folder = package, folder
        self.machine = Machine(image, folder)
        self.site = Site(binary, folder)
        self.board = self.station = None

    def boots(self):
        with step("the board boots"):
            figure("power on to a login", self.machine.power_on(), "s")
            print("    " + self.machine.run("systemd-analyze", "time").splitlines()[0], file=sys.stderr)
            self.machine.run("test", "-c", "/dev/video0")
            self.machine.run("test", "-d", "/proc/asound/Loopback")

    def package_installs(self):
        with step("the package installs without a network"):
            self.machine.send(self.package, "/root/cubelet.deb")
            self.machine.run("apt-get", "install", "-y", "-qq", "/root/cubelet.deb")
            version = self.machine.run("cubelet", "--version")
            check("cubelet" in version, version)
            check(self.machine.run("uname", "-m").strip() == "aarch64", "not an ARM")

    def unit_starts(self):
        with step("one file edited, and the sandboxed unit runs"):
            self.machine.run("sh", "-c", f"echo {HUB} hub.lan >>/etc/hosts")
            write = self.machine.write
            write("/etc/cubelet/kiosk.toml", self.site.board_config())
            write("/etc/cubelet/hub-ca.pem", self.site.ca)
            write("/etc/cubelet/hub-auth-key", KEY + "\n", "cubelet", "600")
            write("/etc/cubelet/hub-password", PASSWORD + "\n", "cubelet", "600")
            self.machine.run("systemctl", "enable", "--quiet", "--now", "cubelet")
            self.is_up("first start to READY=1")

    def is_up(self, name=None):
        """Its process, and when it was ready. Active is what systemd calls a unit of Type=notify that has sent READY=1."""
        unit = self.machine.unit("ActiveState", "SubState", "ExecMainStartTimestampMonotonic",
                                 "ActiveEnterTimestampMonotonic", "MainPID", "User", "NoNewPrivileges")
        check((unit["ActiveState"], unit["SubState"]) == ("active", "running"), f"the unit is {unit}")
        check((unit["User"], unit["NoNewPrivileges"]) == ("cubelet", "yes"), f"the unit is not locked in: {unit}")
        begun, ready = int(unit["ExecMainStartTimestampMonotonic"]), int(unit["ActiveEnterTimestampMonotonic"])
        if name:
            figure(name, (ready - begun) / 1e6, "s")
        return unit["MainPID"], ready / 1e6

    def doctor(self):
        with step("doctor finds nothing wrong, devices finds camera and sound card"):
            self.board = Device("board", lambda *words: self.machine.command("cubelet", *words))
            self.board.online(LIMIT)
            said = json.loads(self.as_daemon("cubelet", "doctor", "--json"))
            check(said["ok"], f"doctor: {json.dumps(said)}")
            for one in said["checks"]:
                print(f"    {one['status']:8} {one['name']}: {one['detail']}", file=sys.stderr)
            found = json.loads(self.as_daemon("cubelet", "devices", "--json"))
            print(f"    {[node['path'] for node in found['video']]} {[pcm['name'] for pcm in found['sound']]}",
                  file=sys.stderr)
            camera = next((node for node in found["video"] if node["path"] == "/dev/video0"), None)
            check(camera and camera["role"] == "camera" and camera["driver"] == "vivid", f"no camera: {found['video']}")
            sizes = [(size["width"], size["height"], size["framerate"]) for one in camera["formats"] for size in one["sizes"]]
            check(any(one["fourcc"] == "YUYV" for one in camera["formats"]) and
                  any(wide == 1280 and high == 720 and rate for wide, high, rate in sizes), f"vivid in {camera['formats']}")
            check(any(one["key"] == "brightness" for one in camera["controls"]), f"vivid has {camera['controls']}")
            card = [pcm for pcm in found["sound"] if "Loopback" in pcm["name"]]
            check(card, f"no sound card: {found['sound']}")
            # The daemon has it open: what is used by another program is there, and said to be used.
            for way in ("capture", "playback"):
                check(any(pcm[way] != "absent" for pcm in card), f"nothing for {way}: {card}")

    def as_daemon(self, *command):
        """As `sudo -u cubelet` would."""
        return self.machine.run("runuser", "-u", "cubelet", "--", "env", "HOME=/var/lib/cubelet", *command, may_fail=True)

    def station_starts(self):
        with step("the station comes online"):
            self.site.station()
            self.station = Device("station", self.site.shell)
            self.station.online(LIMIT)

    def costs(self, name):
        """Resident memory and processor of the daemon, on the board."""
        pid, _ = self.is_up()
        script = (f"cd /proc/{pid}; grep VmRSS status; awk '/^Pss:/{{print $0}}' smaps_rollup;"
                  "cut -d' ' -f14,15 stat; sleep 30; cut -d' ' -f14,15 stat")
        rss, pss, before, after = self.machine.run("sh", "-c", script).splitlines()
        spent = sum(map(int, after.split())) - sum(map(int, before.split()))
        figure(f"resident memory, {name}", int(rss.split()[1]) / 1024, "MB")
        figure(f"proportional memory, {name}", int(pss.split()[1]) / 1024, "MB")
        figure(f"processor, {name}, emulated", spent / 30, "% of a core")

    def idle(self):
        with step("idle for half a minute"):
            self.board.state(lambda state: state["camera"]["status"] == "running", "camera running", LIMIT)
            self.costs("idle, camera warm")

    def snapshot(self):
        """The size of a picture of the camera, bytes."""
        self.machine.run("cubelet", "ctl", "-d", "board", "--timeout", "60", "snapshot", "-o", "/root/picture.jpg")
        kind = self.machine.run("sh", "-c", "head -c 3 /root/picture.jpg | od -An -tx1").split()
        check(kind == ["ff", "d8", "ff"], f"no JPEG: {kind}")
        return int(self.machine.run("stat", "-c", "%s", "/root/picture.jpg"))

    def control(self):
        """The brightness the camera's driver has."""
        found = json.loads(self.as_daemon("cubelet", "devices", "--json"))
        camera = next(node for node in found["video"] if node["path"] == "/dev/video0")
        return next(one for one in camera["controls"] if one["key"] == "brightness")

    def camera_is_set(self):
        with step("the camera's brightness is set, and what it does not take is refused"):
            was = self.control()
            check((was["minimum"], was["maximum"]) == (0, 255) and was["value"] != 200, f"vivid has {was}")
            since = self.board.states.mark()
            self.board.order("set", "camera", "controls.brightness=200")
            told = {"label": "Brightness", "kind": "number", "minimum": 0, "maximum": 255, "step": 1,
                    "default": was["default"], "value": 200}
            self.board.state(lambda state: state["camera"].get("controls") == {"brightness": 200} and
                             state["camera"].get("settable", {}).get("brightness") == told, "it is shown",
                             LIMIT, max(since - 1, 0))
            check(self.control()["value"] == 200, f"the driver has {self.control()}")
            done = subprocess.run(self.board.shell("ctl", "-d", "board", "set", "camera", "controls.brightness=256"),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            check(done.returncode != 0 and "controls.brightness: must be 0 to 255, not 256" in done.stdout, done.stdout)
            check(self.control()["value"] == 200, "what is refused changes nothing")
        with step("a button of the camera is pressed: the kernel tells others who watch it"):
            watcher = subprocess.Popen(
                self.machine.command("sh", "-c", "echo ready; exec v4l2-ctl -d /dev/video0 --wait-for-event ctrl=button"),
                stdout=subprocess.PIPE, text=True)
            try:
                watcher.stdout.readline()
                # It tells nobody when it listens; pressed again until it has heard.
                until = time.monotonic() + LIMIT
                while watcher.poll() is None:
                    check(time.monotonic() < until, "no event of the button")
                    self.board.order("set", "camera", "controls.button=true")
                said = watcher.stdout.read()
                check(watcher.returncode == 0 and "button" in said.lower(), f"{watcher.returncode}: {said}")
                print(f"    {' '.join(said.split())}", file=sys.stderr)
            finally:
                watcher.kill()
                watcher.wait()

    def call(self):
        with step("the button is pressed, the station answers: picture and sound both ways"):
            check(self.snapshot() > 2000, "vivid's test picture is not that small")
            here, there = self.board.events.mark(), self.station.events.mark()
            rang = time.monotonic()
            self.machine.press_the_button()
            pressed = self.board.event("button/pressed", LIMIT, here)
            check(pressed["button"] == "bell", f"{pressed}")
            released = self.board.event("button/released", LIMIT, here)
            print(f"    held {released['held_ms']} ms", file=sys.stderr)
            for device, since in [(self.board, here), (self.station, there)]:
                device.event("call/connected", LIMIT, since)
                device.event("call/first_frame", LIMIT, since)
                device.event("call/first_audio", LIMIT, since)
            figure("button to picture and sound on both sides, answered after 1 s", time.monotonic() - rang, "s")
            for device in [self.board, self.station]:
                state = device.state(self.flows, "pictures flow", LIMIT, device.states.mark())
                media = state["call"]["media"]
                print(f"    {device.name} receives {media['received']}, sends {media['sent']}", file=sys.stderr)
            self.costs("in a call")

    @staticmethod
    def flows(state):
        media = state["call"].get("media") or {}
        return (media.get("received") or {}).get("fps", 0) > 0 and (media.get("sent") or {}).get("fps", 0) > 0

    def door_opens(self):
        with step("the station opens the door: the relay's line is driven for its pulse"):
            check(self.machine.driven("cubelet") is False, "the relay does not rest before")
            events, states = self.board.events.mark(), self.board.states.mark()
            self.station.order("unlock")
            self.board.event("door/unlocked", LIMIT, events)
            check(self.machine.driven("cubelet") is True, "the relay is not pulled")
            self.board.state(lambda state: state["door"]["unlocked"], "unlocked", LIMIT, states)
            self.board.state(lambda state: not state["door"]["unlocked"], "locked again", LIMIT,
                             self.board.states.mark() - 1)
            check(self.machine.driven("cubelet") is False, "the relay does not rest again")

    def camera_goes_and_comes(self):
        with step("the camera is pulled in the call and comes back; the call lives"):
            since = self.board.states.mark()
            driver = "/sys/bus/platform/drivers/vivid"
            self.machine.run("sh", "-c", f"echo vivid.0 >{driver}/unbind")
            self.machine.run("test", "!", "-e", "/dev/video0")
            self.board.state(lambda state: state["camera"]["status"] == "failed", "camera failed", LIMIT, since)
            since = self.board.states.mark()
            self.machine.run("sh", "-c", f"echo vivid.0 >{driver}/bind")
            back = time.monotonic()
            self.board.state(lambda state: state["camera"]["status"] == "running", "camera running", LIMIT, since)
            figure("camera plugged in to running", time.monotonic() - back, "s")
            self.board.state(self.flows, "pictures flow again", LIMIT, self.board.states.mark())
            self.station.state(self.flows, "pictures arrive again", LIMIT, self.station.states.mark())
            check(self.snapshot() > 2000, "a picture after the camera came back")
            # It is set again beside the first pictures; nothing tells of it.
            until = time.monotonic() + LIMIT
            while self.control()["value"] != 200:
                check(time.monotonic() < until, f"the camera that came back has {self.control()}")

    def hang_up(self):
        with step("the call ends"):
            here, there = self.board.events.mark(), self.station.events.mark()
            self.board.order("hangup")
            self.board.event("call/ended", LIMIT, here)
            self.station.event("call/ended", LIMIT, there)

    def killed(self):
        with step("kill -9: systemd brings it back"):
            since = self.board.states.mark()
            before, _ = self.is_up()
            begun = time.monotonic()
            self.machine.run("systemctl", "kill", "-s", "KILL", "cubelet")
            self.board.states.wait(lambda line: line["availability"] == "offline", "the last will", LIMIT, since)
            self.board.online(LIMIT, self.board.states.mark())
            figure("kill -9 to online", time.monotonic() - begun, "s")
            unit = self.machine.unit("NRestarts", "MainPID")
            check(unit["NRestarts"] == "1" and unit["MainPID"] not in ("0", before), f"not restarted once: {unit}")
            self.is_up("start again to READY=1")

    def wrong_configuration(self):
        with step("a wrong configuration is said once and not tried again"):
            self.machine.run("sed", "-i", "s/^width = 320/width = 99999/", "/etc/cubelet/kiosk.toml")
            self.machine.run("systemctl", "restart", "cubelet", may_fail=True)
            unit = self.machine.unit("ActiveState", "ExecMainStatus")
            check(unit == {"ActiveState": "failed", "ExecMainStatus": "78"}, f"{unit}")
            said = self.machine.run("journalctl", "-u", "cubelet", "-b", "-o", "cat", "--no-pager", "-n", "30")
            check("camera.width" in said, f"the journal does not say what is wrong:\n{said}")
            self.machine.run("sed", "-i", "s/^width = 99999/width = 320/", "/etc/cubelet/kiosk.toml")
            since = self.board.states.mark()
            self.machine.run("systemctl", "restart", "cubelet")
            self.board.online(LIMIT, since)

    def screen_shows(self):
        with step("a screen is configured that is not there, then the one that is: it shows the station's picture"):
            for connector, status in [("HDMI-A-9", "failed"), ("Virtual-1", "showing")]:
                self.configured(f'[display]\nsink = "kms"\nconnector = "{connector}"\n')
                since = self.board.states.mark()
                # At once: a press while the connection to the hub is being made is not lost.
                self.machine.press_the_button()
                self.board.state(self.flows, "pictures flow", LIMIT, since)
                shown = self.board.state(lambda state: state["display"]["status"] == status, status, LIMIT, since)
                print(f"    {shown['display']}", file=sys.stderr)
                if status == "showing":
                    until = time.monotonic() + LIMIT
                    while not self.is_the_ball():
                        check(time.monotonic() < until, "the screen does not show the station's ball")
                else:
                    reason = shown["display"]["reason"]
                    check("there is no connector HDMI-A-9, only Virtual-1" in reason, reason)
                    check(not self.is_the_ball(), "somebody else shows it")
                since = self.board.states.mark()
                self.board.order("hangup")
                self.board.state(lambda state: state["display"]["status"] == "closed", "closed", LIMIT, since)
            self.configured("")

    def configured(self, more):
        """Runs with that in addition. Stopped first: what it said before the restart is no sign of life."""
        self.machine.write("/etc/cubelet/kiosk.toml", self.site.board_config() + more)
        # The plug is pulled later, and nobody else writes it down.
        self.machine.run("sync")
        since = self.board.states.mark()
        self.machine.run("systemctl", "stop", "cubelet")
        self.board.states.wait(lambda line: line["availability"] == "offline", "offline", LIMIT, since)
        since = self.board.states.mark()
        self.machine.run("systemctl", "start", "cubelet")
        self.board.online(LIMIT, since)

    def is_the_ball(self):
        """Whether the screen is black but for the ball, a disc of 20 pixels' radius at a quarter of its size."""
        width, height, pixels = self.machine.screen()
        check((width, height) == (640, 480), f"the screen is {width}x{height}")
        green = pixels[1::3]
        bright = [place for place, value in enumerate(green) if value > 128]
        if not bright or len(bright) + sum(value < 64 for value in green) < 0.95 * len(green):
            return False
        columns, rows = [place % width for place in bright], [place // width for place in bright]
        wide, high = max(columns) - min(columns) + 1, max(rows) - min(rows) + 1
        return 60 <= wide <= 100 and 60 <= high <= 100 and len(bright) > 0.6 * wide * high

    def plug_pulled_in_recording(self):
        with step("the plug is pulled while a visitor speaks"):
            since = self.board.events.mark()
            self.board.order("visitor-message", "start")
            self.board.event("visitor_message/recording", LIMIT, since)
            begun = time.monotonic()
            # The visitor speaks; there is no event for that.
            time.sleep(10)
            self.pull_the_plug()
            spoken = time.monotonic() - begun
        with step("the board boots again: the recording arrives and plays"):
            since = self.station.events.mark()
            self.comes_back()
            arrived = self.station.event("chat/message", LIMIT, since, lambda event: event.get("attachments"))
            saved = self.station.event("chat/saved", LIMIT, since,
                                       lambda event: event["message"] == arrived["message"])
            pictures, seconds = self.play(self.folder / saved["file"])
            figure("spoken until the plug was pulled", spoken, "s")
            figure("of it in the recording", seconds, "s")
            figure("pictures in it", pictures, "")
            check(seconds >= spoken - 2.5, f"{seconds:.1f} s of {spoken:.1f} s are left")
            check(pictures >= seconds, f"{pictures} pictures in {seconds:.1f} s")

    def play(self, file):
        """Decodes it: how many pictures, and how many seconds."""
        frames = self.folder / "frames"
        frames.mkdir()
        subprocess.run(["gst-launch-1.0", "-q", "filesrc", f"location={file}", "!", "qtdemux", "!", "h264parse", "!",
                        "avdec_h264", "!", "videoconvert", "!", "jpegenc", "!", "multifilesink",
                        f"location={frames}/%05d.jpg"], check=True, timeout=LIMIT)
        return len(list(frames.iterdir())), length(file.read_bytes())

    def plug_pulled_in_sending(self):
        text = "sent as the lights went out"
        since = self.station.events.mark()
        with step("the plug is pulled while a message is under way"):
            # The hub reads nothing: the message is on its way and never acknowledged.
            self.site.hub.send_signal(signal.SIGSTOP)
            self.board.order("send", "--to", "station", text)
            self.pull_the_plug()
            # Now it reads what it was sent, and the connection it came by is dead.
            self.site.hub.send_signal(signal.SIGCONT)
        with step("the board boots again: the message arrives once"):
            self.comes_back()
            self.board.state(lambda state: state["chat"]["outbox"] == 0, "everything sent", LIMIT)
            self.station.event("chat/message", LIMIT, since, lambda event: event["text"] == text)
            self.board.order("send", "--to", "station", "the lights are on")
            self.station.event("chat/message", LIMIT, since, lambda event: event["text"] == "the lights are on")
            arrived = [event for event in self.station.events.seen[since:]
                       if event["type"] == "chat/message" and event["text"] == text]
            check(len(arrived) == 1, f"it arrived {len(arrived)} times: {arrived}")
            kept = self.station.order("search", "lights")["messages"]
            check(sum(message["text"] == text for message in kept) == 1, f"the history has {kept}")

    def pull_the_plug(self):
        self.machine.pull_the_plug()
        self.board.end()

    def comes_back(self):
        figure("power on to a login, disk not unmounted", self.machine.power_on(), "s")
        begun = time.monotonic()
        # The broker has forgotten everything, and nothing tells when the device is first heard of there.
        while subprocess.run(self.board.shell("ctl", "-d", "board", "status"), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL).returncode:
            check(time.monotonic() - begun < LIMIT, "the device does not come to its broker")
            time.sleep(1)
        self.board.watch()
        self.board.online(LIMIT)
        figure("login to online", time.monotonic() - begun, "s")
        _, ready = self.is_up("start to READY=1 in a boot")
        figure("kernel start to READY=1", ready, "s")

    def end(self):
        for device in [self.board, self.station]:
            if device:
                device.end()
        self.site.end()
        if self.machine.qemu:
            self.machine.pull_the_plug()

    def tell(self):
        self.boots()
        self.package_installs()
        self.unit_starts()
        self.doctor()
        self.station_starts()
        self.idle()
        self.camera_is_set()
        self.call()
        self.door_opens()
        self.camera_goes_and_comes()
        self.hang_up()
        self.killed()
        self.wrong_configuration()
        self.screen_shows()
        self.plug_pulled_in_recording()
        self.plug_pulled_in_sending()


def main():
    binary, package, image = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    begun = time.monotonic()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cubelet-board-"))
    story = Story(binary, package, image, folder)
    try:
        story.tell()
    except BaseException:
        print(f"FAILED; logs, console and disk are kept in {folder}", file=sys.stderr)
        if story.machine.qemu and story.machine.qemu.poll() is None:
            with contextlib.suppress(Exception):
                print(story.machine.run("journalctl", "-u", "cubelet", "-b", "--no-pager", "-n", "60"), file=sys.stderr)
        raise
    finally:
        story.end()
    subprocess.run(["rm", "-r", folder], check=True)
    figure("the whole board test", time.monotonic() - begun, "s")
    for line in FIGURES.values():
        print(json.dumps(line))


main()
