"""A device as its `cubelet ctl` shows it, here or on the board."""

import json
import subprocess
import threading
import time


class Lines:
    """JSON lines a running command prints, waited for by what they say."""

    def __init__(self, command):
        self.seen = []
        self.changed = threading.Condition()
        self.ended = False
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            with self.changed:
                self.seen.append(json.loads(line))
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, wanted, what, limit, since=0):
        """The first line from number `since` on that is wanted."""
        until = time.monotonic() + limit
        with self.changed:
            while True:
                for line in self.seen[since:]:
                    if wanted(line):
                        return line
                left = until - time.monotonic()
                if left <= 0 or self.ended:
                    last = json.dumps(self.seen[-1]) if self.seen else "nothing"
                    raise AssertionError(f"{what}: not within {limit} s; last was {last}")
                self.changed.wait(left)

    def mark(self):
        with self.changed:
            return len(self.seen)

    def end(self):
        self.child.terminate()
        self.child.wait()


class Device:
    """`shell` turns words into a local command line that runs `cubelet` where the device is."""

    def __init__(self, name, shell):
        self.name, self.shell = name, shell
        self.watch()

    def watch(self):
        self.events = Lines(self.shell("ctl", "-d", self.name, "--json", "events"))
        self.states = Lines(self.shell("ctl", "-d", self.name, "--json", "status", "--watch"))

    def order(self, *words, limit=60):
        """The reply; the device must not refuse."""
        done = subprocess.run(self.shell("ctl", "-d", self.name, "--json", "--timeout", str(limit), *words),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0, f"{self.name}: {' '.join(words)}: {done.stderr}{done.stdout}"
        return json.loads(done.stdout)

    def event(self, kind, limit, since=0, where=lambda event: True):
        return self.events.wait(lambda event: event["type"] == kind and where(event),
                                f"{self.name}: event {kind}", limit, since)

    def state(self, wanted, what, limit, since=0):
        """The first state from number `since` on that is wanted."""
        def fits(line):
            # Availability and state are messages of their own, and one of them comes first.
            return line["availability"] == "online" and line["state"] is not None and wanted(line["state"])
        return self.states.wait(fits, f"{self.name}: {what}", limit, since)["state"]

    def online(self, limit, since=0):
        return self.state(lambda state: state["chat"]["status"] == "online", "online", limit, since)

    def end(self):
        self.events.end()
        self.states.end()
