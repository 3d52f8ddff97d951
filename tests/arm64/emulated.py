"""See tests/arm64/run. Emulation is some ten times slower than a PC, so nothing here is about speed."""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

BINARY = sys.argv[1]
LIMIT = 600.0


@contextlib.contextmanager
def step(what):
    begun = time.monotonic()
    print(f"==> {what} …", file=sys.stderr)
    yield
    print(f"    {time.monotonic() - begun:.1f} s", file=sys.stderr)


def check(is_so, what):
    if not is_so:
        raise AssertionError(what)


def cubelet(*words, status=0, folder=None):
    done = subprocess.run([BINARY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=LIMIT,
                          cwd=folder)
    check(done.returncode == status, f"{words}: exit {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def running(*words, folder):
    """A daemon, once it has printed its line of `--ready-json`."""
    with open(folder / f"{words[0]}.log", "w") as log:
        child = subprocess.Popen([BINARY, *words], stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder)
    try:
        line = child.stdout.readline()
        check(line, f"{words} ended: {(folder / f'{words[0]}.log').read_text()}")
        yield json.loads(line)
    finally:
        child.terminate()
        child.wait()


def rest(hub, path, body, method="POST", **headers):
    request = urllib.request.Request(hub["api"] + path, json.dumps(body).encode() if body else None,
                                     {"Content-Type": "application/json"} | headers, method=method)
    with urllib.request.urlopen(request, timeout=LIMIT) as answer:
        return answer.status, json.load(answer)


def is_arm():
    with step("an ARM program"):
        # e_machine of the ELF header: 183 is AArch64.
        header = pathlib.Path(BINARY).read_bytes()[:20]
        check(header[:4] == b"\x7fELF" and header[18] == 183, "the binary is for another machine")
        check(cubelet("--version").startswith("cubelet "), "no version")
        check(".TH cubelet 1" in cubelet("man"), "no manual page")


def devices():
    with step("devices: the encoder of a board without hardware for it"):
        found = json.loads(cubelet("devices", "--json"))
        h264 = next(codec for codec in found["codecs"] if codec["codec"] == "H264")
        check(any(verdict["element"] == "x264enc" and verdict["refused"] is None for verdict in h264["encoders"]),
              f"x264enc does not work: {h264['encoders']}")
        check(any(verdict["refused"] is None for verdict in h264["decoders"]), f"no decoder: {h264['decoders']}")


def doctor_without_configuration(folder):
    with step("doctor without a configuration names what is missing"):
        said = json.loads(cubelet("doctor", "--json", "--config", str(folder / "none.toml"), status=1))
        check(not said["ok"] and "none.toml" in said["checks"][0]["detail"], f"{said}")


def site(folder):
    with running("hub", "--dev", "--ready-json", folder=folder) as hub:
        with step("the hub answers: a user, a session, whom it belongs to"):
            key = {"CB-AuthKey": hub["auth_key"]}
            user = {"login": "board", "password": "a password of the test"}
            status, _ = rest(hub, "/users", {"user": user}, **key)
            check(status == 201, f"sign-up: {status}")
            body = {"application_id": hub["app_id"], "auth_key": hub["auth_key"], "timestamp": int(time.time()),
                    "nonce": 1, "user": user}
            status, session = rest(hub, "/session", body)
            check(status == 201, f"session: {status}")
            token = session["session"]["token"]
            _, seen = rest(hub, "/session", None, "GET", **{"CB-Token": token})
            check(seen["session"]["user_id"] == session["session"]["user_id"], f"{seen}")
        with step("a device comes online, doctor finds nothing wrong"):
            configure(folder, hub)
            with running("run", "--config", "kiosk.toml", "--ready-json", folder=folder) as ready:
                check(ready["status"] == "online" and ready["device"] == "board", f"{ready}")
            said = json.loads(cubelet("doctor", "--json", "--config", "kiosk.toml", folder=folder))
            check(said["ok"], f"{said}")


def configure(folder, hub):
    password = folder / "password"
    password.write_text("a password of the test\n")
    password.chmod(0o600)
    (folder / "kiosk.toml").write_text(
        '[device]\nname = "board"\nstate_dir = "state"\n'
        f'[hub]\napi = "{hub["api"]}"\nchat = "tls://{hub["xmpp_tls"]}"\nchat_host = "{hub["chat"]}"\n'
        f'ca = "{hub["ca"]}"\napp_id = {hub["app_id"]}\nauth_key = "{hub["auth_key"]}"\nlogin = "board"\n'
        'password_file = "password"\n'
        '[camera]\nsource = "test:ball"\nwidth = 160\nheight = 120\nframerate = 5\n'
        '[audio]\nsource = "test"\nsink = "null"\n')


def demo(folder):
    with step("the demo: the bell rings, both sides see and hear each other, the door opens"):
        figures = json.loads(cubelet("demo", "--once", "--json", "--contact-sheet", "sheet.png", folder=folder))
        print(f"    {json.dumps(figures)}", file=sys.stderr)
        check((folder / "sheet.png").stat().st_size > 1000, "no pictures on the contact sheet")


with tempfile.TemporaryDirectory(prefix="cubelet-arm64-") as scratch:
    scratch = pathlib.Path(scratch)
    is_arm()
    devices()
    doctor_without_configuration(scratch)
    site(scratch)
    demo(scratch)
print("the ARM program works", file=sys.stderr)
