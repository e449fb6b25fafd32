"""Machines that are booted by systemd-nspawn, on a network of their own."""

import itertools
import json
import os
import pathlib
import signal
import subprocess
import time

PATIENCE_SECONDS = 60
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
NUMBERS = itertools.count(1)
# Without these a unit that denies addresses cannot be started in a container.
BPF = ["--system-call-filter=bpf", "--capability=CAP_BPF,CAP_NET_ADMIN"]


def eventually(what, attempt, seconds=PATIENCE_SECONDS):
    """Waits until attempt answers something true, and answers that."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            last = attempt()
        except (AssertionError, subprocess.CalledProcessError, OSError) as error:
            last = error
        if last and not isinstance(last, Exception):
            return last
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; the last was {last!r}")
        time.sleep(0.05)


class Machines:
    """All machines of a case, and the switch between them."""

    def __init__(self, root, packages, directory):
        self.root, self.packages, self.directory = root, packages, directory
        self.all, self.spaces = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for machine in self.all:
            machine.end()
        for space in reversed(self.spaces):
            ip("netns", "del", space)

    def boot(self, count=1):
        """So many machines, with the addresses 10.77.0.1 and so on. The packages are in /mnt, this directory in /srv."""
        switch = self.space("switch")
        ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        ip("-n", switch, "link", "set", "bridge", "up")
        booted = []
        for number in range(1, count + 1):
            space = self.space("host")
            ip("link", "add", "uplink", "netns", space, "type", "veth", "peer", f"port{number}", "netns", switch)
            ip("-n", switch, "link", "set", f"port{number}", "master", "bridge", "up")
            ip("-n", space, "address", "add", f"10.77.0.{number}/24", "dev", "uplink")
            for link in ["lo", "uplink"]:
                ip("-n", space, "link", "set", link, "up")
            machine = Machine(self, space, f"10.77.0.{number}", switch, f"port{number}")
            self.all.append(machine)
            booted.append(machine)
        for machine in booted:
            machine.wait_until_booted()
        return booted[0] if count == 1 else booted

    def space(self, kind):
        name = f"discnt-{os.getpid()}-{kind}-{next(NUMBERS)}"
        ip("netns", "add", name)
        self.spaces.append(name)
        return name

    def tell_logs(self):
        for machine in self.all:
            machine.tell_log()


class Machine:
    def __init__(self, machines, space, address, switch, port):
        self.machines, self.space, self.address, self.switch, self.port = machines, space, address, switch, port
        self.packages = machines.packages
        self.boot_log = machines.directory / f"boot-{space}"
        self.leader = None
        command = ["systemd-nspawn", "-q", "-D", machines.root, "--volatile=overlay", "--boot", *BPF]
        command += [f"--network-namespace-path=/run/netns/{space}", f"--machine={space}", "--register=no", "--keep-unit"]
        command += ["--console=read-only", f"--bind-ro={self.packages.folder}:/mnt", f"--bind={machines.directory}:/srv"]
        environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        with open(self.boot_log, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def wait_until_booted(self):
        def leader():
            assert self.process.poll() is None, self.boot_log.read_text(errors="replace")
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            # Others only prepare the machine.
            return next((child for child in children if os.readlink(f"/proc/{child}/exe").endswith("/systemd")), None)

        def is_up():
            state = self.run("systemctl", "is-system-running", check=False).strip()
            return state in ["running", "degraded"]

        self.leader = eventually("a process in the machine", leader)
        eventually("the machine is up", is_up)

    def run(self, *command, check=True, seconds=120):
        """What a command in the machine says."""
        result = self.try_run(*command, seconds=seconds)
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{result.stdout}")
        return result.stdout

    def try_run(self, *command, seconds=120):
        enter = ["nsenter", "-t", self.leader, "-a", "env", "-i", PATH, "LC_ALL=C.UTF-8"]
        return subprocess.run(
            [*enter, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds
        )

    def shell(self, script, check=True):
        return self.run("sh", "-ec", script, check=check)

    def on_its_network(self, *command):
        """A command of the test's machine that runs on the network of this one."""
        return ["ip", "netns", "exec", self.space, *map(str, command)]

    def write(self, path, text):
        subprocess.run(
            ["nsenter", "-t", self.leader, "-m", "tee", path], input=text, text=True, check=True, stdout=subprocess.DEVNULL
        )

    # What is asked all the time.

    def install(self, package):
        return self.run("dpkg", "-i", f"/mnt/{package.name}")

    def cli(self, *words, check=True):
        return self.run("discnt-cli", *words, check=check).strip()

    def show(self, name, unit="discnt"):
        return self.run("systemctl", "show", "-P", name, unit).strip()

    def main_process(self, unit="discnt"):
        return int(self.show("MainPID", unit))

    def seen_from_outside(self, process):
        """The number that a process of the machine has on the test's own machine."""
        space = os.readlink(f"/proc/{self.leader}/ns/pid")
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(path / "ns/pid") != space:
                    continue
                inside = next(line for line in (path / "status").read_text().splitlines() if line.startswith("NSpid:"))
            except OSError:
                continue
            if inside.split()[-1] == str(process):
                return int(path.name)
        raise AssertionError(f"process {process} is not there")

    def wait_until_active(self, unit="discnt"):
        eventually(f"{unit} is active", lambda: self.show("ActiveState", unit) == "active")

    def journal(self, *matches):
        """Entries of the journal, each a dictionary of its fields."""
        self.run("journalctl", "--sync", check=False)
        return [json.loads(line) for line in self.run("journalctl", "-q", "-o", "json", "--all", *matches).splitlines()]

    def messages(self, *matches):
        return [str(entry.get("MESSAGE")) for entry in self.journal(*matches)]

    def tell_log(self):
        if self.leader is None:
            print(self.boot_log.read_text(errors="replace"))
            return
        print(f"--- {self.space}")
        print(self.run("journalctl", "-q", "--no-pager", "-n", "60", "-u", "discnt*", check=False))

    def cut_off(self):
        ip("-n", self.switch, "link", "set", self.port, "down")

    def join_again(self):
        ip("-n", self.switch, "link", "set", self.port, "up")

    def end(self):
        # All that runs in it goes with its first process.
        if self.leader is not None and self.process.poll() is None:
            try:
                os.kill(int(self.leader), signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def ip(*words):
    subprocess.run(["ip", *words], check=True)
