"""A node of Discnt on a port that the system chose, with a data directory of its own."""

import pathlib
import subprocess
import time

PATIENCE_SECONDS = 30


class Server:
    """Runs until the end of its `with`."""

    def __init__(self, program, directory, *settings):
        self.program, self.directory, self.settings = program, pathlib.Path(directory), settings
        self.port = self.tls_port = 0
        self.process = None

    def __enter__(self):
        self.directory.mkdir(parents=True)
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._try_start():
            # Somebody's connection may have been given the port of a server that is started again.
            in_use = self.port and "in use" in self.log()
            if not in_use or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.log()}")
            time.sleep(0.05)

    def _try_start(self):
        command = [self.program, "--port", str(self.port)]
        command += ["--data-dir", self.directory / "data", "--certs-dir", self.directory.parent / "certs"]
        for setting in self.settings:
            command += ["--set", setting]
        with open(self.directory / "log", "w") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
            )
        # The report ends with the line that says how to connect; nothing is printed after it.
        for line in self.process.stdout:
            if line.startswith("clients "):
                port = int(line.split()[1].rpartition(":")[2])
                if "(TLS" in line:
                    self.tls_port = port
                else:
                    self.port = port
            if line.startswith("connect "):
                return True
        self.process.wait()
        return False

    def restart(self):
        """Ends it in good order and starts it again on its port."""
        self.process.terminate()
        self.process.wait(PATIENCE_SECONDS)
        self.start()

    def log(self):
        return (self.directory / "log").read_text(errors="replace")
