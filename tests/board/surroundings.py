"""What the board talks to: a hub, a broker and another station, all on this machine."""

import contextlib
import json
import subprocess
import urllib.request

HUB = "10.77.0.1"
PASSWORD = "a password of the board test"
KEY = "key-of-the-board-test"
HTTP, HTTPS, XMPP, MQTT = 8080, 8443, 5223, 1883


class Site:
    """Fixed ports: nobody else is in this network namespace."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        self.children = []
        secret(folder / "password", PASSWORD)
        (folder / "hub.toml").write_text(
            f'data_dir = "hub"\napp_id = 1\nauth_key = "{KEY}"\nnames = ["hub.lan", "{HUB}"]\n'
            f'[listen]\nhttp = "127.0.0.1:{HTTP}"\nhttps = "{HUB}:{HTTPS}"\nxmpp_tls = "0.0.0.0:{XMPP}"\n')
        (folder / "mosquitto.conf").write_text(f"listener {MQTT} 127.0.0.1\nallow_anonymous true\n")
        self.hub = self._start("hub", binary, "hub", "--config", "hub.toml", "--ready-json")
        self.ca = (folder / json.loads(self.hub.stdout.readline())["ca"]).read_text()
        self._start("mosquitto", "mosquitto", "-c", "mosquitto.conf")
        for login in ["board", "station"]:
            self._sign_up(login)

    def station(self):
        """A station that answers the board by itself and keeps what it is sent."""
        (self.folder / "hub-ca.pem").write_text(self.ca)
        (self.folder / "station.toml").write_text(
            '[device]\nname = "station"\nstate_dir = "station"\n'
            f'[hub]\napi = "http://127.0.0.1:{HTTP}"\nchat = "tls://127.0.0.1:{XMPP}"\nchat_host = "hub.lan"\n'
            f'ca = "hub-ca.pem"\napp_id = 1\nauth_key = "{KEY}"\nlogin = "station"\npassword_file = "password"\n'
            '[attachments]\nsave_to = "received"\nsave_up_to_mb = 100\n'
            '[camera]\nsource = "test:ball"\nwidth = 320\nheight = 240\nframerate = 10\nbitrate_kbps = 200\n'
            '[audio]\nsource = "test:tone"\nsink = "null"\n'
            '[calls.incoming]\nauto_answer = ["board"]\nauto_answer_after_s = 1\n'
            f'[mqtt]\nhost = "127.0.0.1"\nport = {MQTT}\n')
        child = self._start("station", self.binary, "run", "--config", "station.toml", "--ready-json")
        assert child.stdout.readline(), "the station ended; see station.log"

    def shell(self, *words):
        """A command line of `cubelet` for the station."""
        return [self.binary, words[0], "--broker", f"127.0.0.1:{MQTT}", *words[1:]]

    def board_config(self):
        """What somebody who installs the board would write."""
        return (
            '[device]\nname = "board"\n'
            f'[hub]\napi = "https://hub.lan:{HTTPS}"\nchat = "tls://hub.lan:{XMPP}"\nca = "hub-ca.pem"\n'
            'app_id = 1\nauth_key_file = "hub-auth-key"\nlogin = "board"\npassword_file = "hub-password"\n'
            '[camera]\nsource = "v4l2:/dev/video0"\nwidth = 320\nheight = 180\nframerate = 10\n'
            'bitrate_kbps = 200\n'
            '[audio]\nsource = "alsa:plughw:CARD=Loopback,DEV=1"\nsink = "alsa:plughw:CARD=Loopback,DEV=0"\n'
            '[calls]\nring = ["station"]\n'
            # Line 3 is where the virtual machine has its power button.
            '[door]\nrelay = "gpio:gpiochip0:0"\npulse_ms = 10000\nunlock_allowed = ["station"]\n'
            '[[button]]\nname = "bell"\nline = "gpio:gpiochip0:3"\nactive = "high"\npull = "down"\n'
            '[visitor_message]\nenabled = true\nto = ["station"]\nafter_ring = false\nsnapshot = false\n'
            '[mqtt]\nhost = "127.0.0.1"\n')

    def _start(self, name, *command):
        with open(self.folder / f"{name}.log", "w") as log:
            child = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=log, text=True)
        self.children.append(child)
        return child

    def _sign_up(self, login):
        request = urllib.request.Request(
            f"http://127.0.0.1:{HTTP}/users",
            json.dumps({"user": {"login": login, "password": PASSWORD}}).encode(),
            {"CB-AuthKey": KEY, "Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=60).read()

    def end(self):
        for child in reversed(self.children):
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
            child.wait()


def secret(path, text):
    path.write_text(text + "\n")
    path.chmod(0o600)
