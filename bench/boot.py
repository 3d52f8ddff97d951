"""See bench/boot. Hub, broker and device are processes of their own on loopback."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

BINARY = os.path.abspath(sys.argv[1])
PASSWORD = "a password of the benchmark"
LIMIT = 30.0


def say(text):
    print(text, file=sys.stderr, flush=True)


def figure(name, ours, unit, bound=None, **more):
    line = {"figure": name, "ours": round(ours, 2), "unit": unit}
    if bound is not None:
        line |= {"bound": bound, "ok": ours <= bound}
    print(json.dumps(line | more), flush=True)


def percentile(values, share):
    return sorted(values)[round(share * (len(values) - 1))]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(*command, **more):
    child = subprocess.Popen(command, **more)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()


class Site:
    """A hub and a broker at fixed addresses, so that they can go and come back, and one device."""

    def __init__(self, folder):
        self.folder = folder
        http, https, xmpp, self.mqtt = (free_port() for _ in range(4))
        (folder / "hub.toml").write_text(
            'data_dir = "hub"\napp_id = 1\nauth_key = "benchmark"\nnames = ["localhost"]\n'
            f'[listen]\nhttp = "127.0.0.1:{http}"\nhttps = "127.0.0.1:{https}"\n'
            f'xmpp_tls = "127.0.0.1:{xmpp}"\n'
        )
        (folder / "mosquitto.conf").write_text(
            f"listener {self.mqtt} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        )
        self.api = f"http://127.0.0.1:{http}"
        password = folder / "password"
        password.write_text(PASSWORD + "\n")
        password.chmod(0o600)
        (folder / "kiosk.toml").write_text(
            f'[device]\nname = "bench"\nstate_dir = "state"\n'
            f'[hub]\napi = "{self.api}"\nchat = "tls://127.0.0.1:{xmpp}"\nchat_host = "localhost"\n'
            'ca = "hub-ca.pem"\napp_id = 1\nauth_key = "benchmark"\nlogin = "bench"\n'
            'password_file = "password"\n'
            '[camera]\nsource = "test:ball"\nwidth = 640\nheight = 480\nwarm = false\n'
            '[audio]\nsource = "test"\nsink = "null"\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.mqtt}\n'
        )

    @contextlib.contextmanager
    def hub_and_broker(self, log=subprocess.DEVNULL):
        hub = [BINARY, "hub", "--config", "hub.toml", "--ready-json"]
        broker = ["mosquitto", "-c", "mosquitto.conf"]
        quiet = {"stderr": subprocess.DEVNULL, "cwd": self.folder}
        heard = quiet | {"stderr": log, "stdout": subprocess.PIPE, "text": True}
        with running(*hub, **heard) as hub, running(*broker, **quiet):
            ready = json.loads(hub.stdout.readline())
            shutil.copy(self.folder / ready["ca"], self.folder / "hub-ca.pem")
            yield hub

    def sign_up(self):
        request = urllib.request.Request(
            f"{self.api}/users",
            json.dumps({"user": {"login": "bench", "password": PASSWORD}}).encode(),
            {"CB-AuthKey": "benchmark", "Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=LIMIT).read()

    @contextlib.contextmanager
    def device(self, log=None):
        """A device, when it was started, and what it tells systemd and its reader."""
        path = self.folder / "notify"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(LIMIT)
            environment = os.environ | {"NOTIFY_SOCKET": str(path)}
            if log is None:
                environment["CUBELET_LOG"] = "error"
            begun = time.monotonic()
            command = [BINARY, "run", "--config", "kiosk.toml", "--ready-json"]
            pipes = {"stdout": subprocess.PIPE, "stderr": log or subprocess.DEVNULL}
            with running(*command, cwd=self.folder, env=environment, **pipes) as child:
                yield child, begun, notify


def ready(notify):
    while b"READY=1" not in notify.recv(512):
        pass
    return time.monotonic()


def online(child):
    """Its only line on stdout says so."""
    if not child.stdout.readline():
        raise SystemExit("the device ended")
    return time.monotonic()


def boots(site):
    to_ready, to_online = [], []
    with site.hub_and_broker():
        for _ in range(STARTS):
            with site.device() as (child, begun, notify):
                to_ready.append((ready(notify) - begun) * 1000)
                to_online.append((online(child) - begun) * 1000)
    for name, values, bound in [("start to READY=1", to_ready, 300), ("start to online", to_online, None)]:
        say(f"{name}: p50 {percentile(values, 0.5):.0f} ms, p95 {percentile(values, 0.95):.0f} ms, "
            f"worst {max(values):.0f} ms over {STARTS} starts")
        figure(f"{name}, p95", percentile(values, 0.95), "ms", bound, p50=round(percentile(values, 0.5), 1))


def boot_without_the_site(site):
    with site.device() as (child, begun, notify):
        say(f"ready {1000 * (ready(notify) - begun):.0f} ms after the start, with neither hub nor broker")
        time.sleep(AWAY)
        with site.hub_and_broker():
            back = time.monotonic()
            seconds = online(child) - back
            say(f"online {seconds:.2f} s after the site came up, {AWAY:.0f} s after the start")
            figure(f"online after the site was away for {AWAY:.0f} s", seconds, "s", 5)


def usage(pid):
    """Processor time in seconds, and how often threads have gone to sleep."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    sleeps = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                sleeps += int(line.split()[1])
    written = 0
    for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines():
        if line.startswith("write_bytes"):
            written = int(line.split()[1])
    return cpu, sleeps, written


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024


def watched(pid):
    before = usage(pid)
    time.sleep(IDLE)
    after = usage(pid)
    cpu, sleeps, written = (b - a for a, b in zip(before, after))
    return 100 * cpu / IDLE, sleeps / IDLE, written * 3600 / IDLE, resident(pid)


def idle(site):
    with site.hub_and_broker(), site.device() as (child, _, notify):
        ready(notify)
        online(child)
        # Idle is what is left when start-up has settled; nothing says when that is.
        time.sleep(10)
        ours = watched(child.pid)
    theirs = baresip(site.folder)
    rows = [("idle processor", "% of a core", 0.5), ("idle wake-ups", "a second", 10),
            ("idle disk writes", "bytes an hour", None), ("idle resident memory", "MB", None)]
    for (name, unit, bound), value, other in zip(rows, ours, theirs or [None] * 4):
        say(f"{name}: {value:.2f} {unit}" + ("" if other is None else f", baresip {other:.2f}"))
        beside = {} if other is None else {"peer": "baresip", "theirs": round(other, 2)}
        figure(name, value, unit, bound, **beside)


def baresip(folder):
    """Idle with an account on nobody's server, and no devices."""
    if not shutil.which("baresip"):
        say("baresip is not installed: nothing to compare with")
        return None
    home = folder / "baresip"
    home.mkdir()
    modules = subprocess.run(["sh", "-c", "ls -d /usr/lib/*/baresip/modules /usr/lib/baresip/modules"],
                             capture_output=True, text=True).stdout.split()[0]
    (home / "config").write_text(
        f"module_path {modules}\nsip_listen 127.0.0.1:0\nmodule opus.so\nmodule_app account.so\n"
        "module_app menu.so\naudio_source aubridge,nil\naudio_player aubridge,nil\n"
    )
    (home / "accounts").write_text("<sip:bench@127.0.0.1;regint=0>\n")
    (home / "contacts").write_text("")
    with running("baresip", "-f", str(home), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL) as child:
        time.sleep(10)
        if child.poll() is not None:
            say("baresip ended by itself: nothing to compare with")
            return None
        return watched(child.pid)


def main():
    with tempfile.TemporaryDirectory(prefix="cubelet-boot-") as folder:
        site = Site(pathlib.Path(folder))
        with site.hub_and_broker():
            site.sign_up()
        boots(site)
        idle(site)
        boot_without_the_site(site)


if __name__ == "__main__":
    STARTS, AWAY, IDLE = int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    main()
