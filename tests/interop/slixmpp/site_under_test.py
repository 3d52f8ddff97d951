"""A throw-away hub, people on it, and the report of a script's checks.

The report is the one line of JSON that the Node scripts print as well.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

READY_LIMIT = 30


class Site:
    """The hub of the binary in CUBELET_BIN, on free ports of loopback."""

    def __init__(self):
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._hub = subprocess.Popen(
            [os.environ["CUBELET_BIN"], "hub", "--dev", "--ready-json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        # The hub says one line when it is ready, or ends.
        line = self._hub.stdout.readline()
        if not line.startswith("{"):
            raise RuntimeError(f"the hub did not start: {line}{self.log()}")
        self.ready = json.loads(line)
        self.host, port = self.ready["xmpp_tls"].rsplit(":", 1)
        self.port = int(port)

    def rest(self, method, path, body=None, token=None):
        """A REST call; gives the decoded answer, raises urllib.error.HTTPError."""
        request = urllib.request.Request(
            f"{self.ready['api']}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "CB-Token": token or ""},
        )
        with urllib.request.urlopen(request, timeout=READY_LIMIT) as answer:
            return json.loads(answer.read() or b"null")

    def sign_up(self, name):
        """A new user and a session: `{"id", "password", "token"}`."""
        application = {"application_id": self.ready["app_id"], "auth_key": self.ready["auth_key"]}
        token = self.rest("POST", "session", application)["session"]["token"]
        password = f"{name}-password"
        user = {"login": name, "password": password, "full_name": name.title()}
        made = self.rest("POST", "users", {"user": user}, token)["user"]
        credentials = {"login": name, "password": password}
        session = self.rest("POST", "session", {**application, "user": credentials})["session"]
        return {"id": made["id"], "password": password, "token": session["token"]}

    def jid(self, user):
        return f"{user['id']}-{self.ready['app_id']}@{self.ready['chat']}"

    def room(self, dialog):
        return f"{self.ready['app_id']}_{dialog}@muc.{self.ready['chat']}"

    def log(self):
        self._log.seek(0)
        return "".join(self._log.readlines()[-200:])

    def end(self):
        self._hub.terminate()
        try:
            self._hub.wait(5)
        except subprocess.TimeoutExpired:
            self._hub.kill()
            self._hub.wait()


class Report:
    """Checks by name; a failure is noted and the script goes on with the next."""

    def __init__(self):
        self.checks = []

    def check(self, name):
        """For `async with report.check("what must hold"):`"""
        return _Check(self, name)

    @property
    def failed(self):
        return any(not check["ok"] for check in self.checks)

    def print(self, logs):
        print(json.dumps({"checks": self.checks, "logs": logs if self.failed else ""}), flush=True)


class _Check:
    def __init__(self, report, name):
        self.report, self.name = report, name

    async def __aenter__(self):
        self.start = time.monotonic()

    async def __aexit__(self, kind, error, trace):
        detail = "" if error is None else "".join(traceback.format_exception(error)[-6:])
        ms = round((time.monotonic() - self.start) * 1000)
        self.report.checks.append({"name": self.name, "ok": error is None, "detail": detail, "ms": ms})
        print(f"{'FAIL' if error else 'ok  '} {self.name} ({ms} ms) {detail}", file=sys.stderr)
        # A cancelled script must end; a failed check must not end it.
        return error is None or isinstance(error, Exception)


def run(script):
    """Runs `script(site, report)` against a hub of its own and prints the report."""
    report, site = Report(), Site()

    async def whole():
        async with report.check("script"):
            await script(site, report)

    try:
        asyncio.run(whole())
    finally:
        site.end()
        report.print(site.log())
    sys.exit(1 if report.failed else 0)
