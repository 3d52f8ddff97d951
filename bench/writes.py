"""See bench/writes."""

import os
import pathlib
import sys
import tempfile
import time

from boot import Site, figure, online, ready, say, usage

MINUTES = float(sys.argv[2])
# First entries of a history, the registry of plug-ins, statistics of a start.
SETTLE = 60


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main():
    with tempfile.TemporaryDirectory(prefix="cubelet-writes-") as folder:
        site = Site(pathlib.Path(folder))
        with site.hub_and_broker():
            site.sign_up()
        # In memory: a journal's writes are the journal's. As much as a unit logs.
        with tempfile.TemporaryFile(dir="/dev/shm") as hub_log, tempfile.TemporaryFile(dir="/dev/shm") as log:
            with site.hub_and_broker(hub_log) as hub, site.device(log) as (device, _, notify):
                ready(notify)
                online(device)
                time.sleep(SETTLE)
                watched = {
                    "device": (device.pid, site.folder / "state", log),
                    "hub": (hub.pid, site.folder / "hub", hub_log),
                }
                before = {name: look(*one) for name, one in watched.items()}
                if not all(written for written, _, _ in before.values()):
                    raise SystemExit("what is written here is not counted: name a folder on a disk in TMPDIR")
                time.sleep(MINUTES * 60)
                after = {name: look(*one) for name, one in watched.items()}
    for name in watched:
        written, kept, logged = (
            (b - a) * 60 / MINUTES for a, b in zip(before[name], after[name])
        )
        say(f"{name}, idle: {written:.0f} bytes an hour to the disk, its folder grows by {kept:.0f}, "
            f"{logged:.0f} to the log, over {MINUTES:.0f} min; {before[name][0]} bytes from its start until then")
        figure(f"{name}, idle disk writes", written, "bytes an hour", folder=round(kept), log=round(logged),
               start=before[name][0])


def look(pid, folder, log):
    return usage(pid)[2], size(folder), os.fstat(log.fileno()).st_size


main()
