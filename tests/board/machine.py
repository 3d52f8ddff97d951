"""The virtual board: QEMU with a disk of its own, and a shell on it over SSH."""

import json
import pathlib
import shlex
import socket
import subprocess
import time

ADDRESS = "10.77.0.2"


class Machine:
    """Switched on with `power_on`; `pull_the_plug` takes what the disk was not given yet."""

    def __init__(self, image, folder):
        """`image`: what scripts/board made. `folder`: scratch, for the disk and the console's log."""
        self.image, self.folder = image, folder
        self.disk = folder / "disk.qcow2"
        self.qemu = None
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image / "disk.img",
                        self.disk], check=True)

    def power_on(self, limit=900.0):
        """Seconds until it can be logged in to."""
        begun = time.monotonic()
        self.qemu = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-accel", "tcg,thread=multi",
             "-smp", "2", "-m", "1024", "-display", "none", "-no-reboot", "-monitor", "none",
             "-kernel", self.image / "vmlinuz", "-initrd", self.image / "initrd.img",
             "-append", "root=/dev/vda rw console=ttyAMA0 quiet panic=-1 net.ifnames=0",
             "-drive", f"file={self.disk},format=qcow2,if=none,id=disk,discard=unmap",
             "-device", "virtio-blk-pci,drive=disk",
             "-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no",
             "-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci",
             "-device", "virtio-gpu-pci,xres=640,yres=480",
             "-serial", f"file:{self.folder / 'console.log'}",
             "-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off"],
            stdin=subprocess.DEVNULL)
        while time.monotonic() - begun < limit:
            if self.qemu.poll() is not None:
                raise SystemExit("QEMU ended by itself")
            if self._answers():
                # The first connection is shared by all that follow.
                self.run("true")
                return time.monotonic() - begun
            # Nothing tells when a machine begins to listen.
            time.sleep(0.5)
        raise SystemExit(f"the board does not boot; see {self.folder / 'console.log'}")

    def pull_the_plug(self):
        self.qemu.kill()
        self.qemu.wait()
        (self.folder / "ssh").unlink(missing_ok=True)

    def press_the_button(self):
        """The machine's power button: its GPIO line (3) goes high for a tenth of a second."""
        self._tell_qemu("system_powerdown")

    def screen(self):
        """Width, height and the pixels, red, green and blue, of what the machine's screen shows."""
        file = self.folder / "screen.ppm"
        self._tell_qemu("screendump", filename=str(file))
        kind, size, depth, pixels = file.read_bytes().split(b"\n", 3)
        assert (kind, depth) == (b"P6", b"255"), f"{kind} {depth}"
        width, height = map(int, size.split())
        return width, height, pixels

    def _tell_qemu(self, command, **arguments):
        with socket.socket(socket.AF_UNIX) as control, control.makefile("rw") as talk:
            control.settimeout(60)
            control.connect(str(self.folder / "qmp"))
            for order in [{"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}]:
                talk.write(json.dumps(order) + "\n")
                talk.flush()
                # Before and between come the greeting and events.
                while "return" not in (said := json.loads(talk.readline())):
                    if "error" in said:
                        raise AssertionError(f"{order}: {said}")

    def driven(self, consumer):
        """Whether the kernel drives the consumer's GPIO output high; `None` when it has none."""
        for line in self.run("cat", "/sys/kernel/debug/gpio").splitlines():
            if f"|{consumer} " in line and " out " in line:
                return " out hi" in line
        return None

    def _answers(self):
        try:
            with socket.create_connection((ADDRESS, 22), timeout=2) as probe:
                probe.settimeout(20)
                return probe.recv(4) == b"SSH-"
        except OSError:
            return False

    def command(self, *words):
        """The local command line that runs `words` on the board."""
        options = ["-i", self.image / "key", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                   "-o", "LogLevel=ERROR", "-o", "ControlMaster=auto", "-o", f"ControlPath={self.folder / 'ssh'}",
                   "-o", "ControlPersist=yes", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=8"]
        return ["ssh", "-F", "none", *map(str, options), f"root@{ADDRESS}", shlex.join(words)]

    def run(self, *words, give=None, may_fail=False, limit=600):
        """What the command printed."""
        done = subprocess.run(self.command(*words), input=give, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=limit)
        if done.returncode and not may_fail:
            raise AssertionError(f"{shlex.join(words)}: exit {done.returncode}\n"
                                 f"{done.stdout.decode()}{done.stderr.decode()}")
        return done.stdout.decode()

    def write(self, path, text, owner="root", mode="644"):
        data = text if isinstance(text, bytes) else text.encode()
        self.run("install", "-D", "-o", owner, "-m", mode, "/dev/stdin", path, give=data)

    def send(self, local, path):
        self.write(path, pathlib.Path(local).read_bytes())

    def unit(self, *properties, name="cubelet.service"):
        """Properties of the unit by name."""
        said = self.run("systemctl", "show", "-p", ",".join(properties), name)
        return dict(line.split("=", 1) for line in said.splitlines())
