"""One client tried over one protocol: its process, and the lines that it prints."""

import dataclasses
import os
import subprocess
import tempfile
import threading
import time

from . import clients

LIMIT_SECONDS = 120


@dataclasses.dataclass
class Result:
    """What came of a trial; it went well if there are no problems."""

    client: clients.Client
    protocol: int
    version: str = ""
    passed: list = dataclasses.field(default_factory=list)
    problems: list = dataclasses.field(default_factory=list)
    errors: str = ""
    seconds: float = 0


def run(client, protocol, server, guarded, password, tools):
    """Runs the client's program against the server, and judges what it says."""
    begin = time.monotonic()
    result = Result(client, protocol)
    environment = {
        **os.environ,
        "INTEROP_HOST": "127.0.0.1",
        "INTEROP_PORT": str(server.port),
        "INTEROP_PROTOCOL": str(protocol),
        "INTEROP_GUARDED_PORT": str(guarded.port),
        "INTEROP_TLS_PORT": str(guarded.tls_port),
        "INTEROP_AUTHORITY": str(guarded.directory.parent / "authority" / "ca.crt"),
        "INTEROP_PASSWORD": password,
        "INTEROP_VARIANT": client.variant,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [tools.get(word.strip("{}"), word) if word.startswith("{") else word for word in client.run]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command,
            cwd=clients.HERE,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        )
        late = threading.Timer(LIMIT_SECONDS, process.kill)
        late.start()
        ended = _listen(process, server, result)
        process.stdin.close()
        code = process.wait()
        late.cancel()
        errors.seek(0)
        result.errors = errors.read()
    if not ended or code != 0:
        result.problems.append(f"its program did not come to its end: code {code}")
    _judge(client, result)
    result.seconds = time.monotonic() - begin
    return result


def _listen(process, server, result):
    """Takes the lines in until there are no more; whether the last word was `end`."""
    ended = False
    for line in process.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "version":
            result.version = rest
        elif word == "ok":
            result.passed.append(rest)
        elif line.startswith("not ok "):
            result.problems.append(rest.removeprefix("ok "))
        elif word == "restart":
            server.restart()
            process.stdin.write("restarted\n")
            process.stdin.flush()
        elif word == "end":
            ended = True
        elif word:
            result.problems.append(f"it printed: {line.strip()}")
    return ended


def _judge(client, result):
    told = {problem.partition(":")[0] for problem in result.problems}
    missing = [check for check in client.checks if check not in result.passed and check not in told]
    if missing:
        result.problems.append("did not run: " + ", ".join(missing))
    extra = [check for check in result.passed if check not in client.checks]
    if extra:
        result.problems.append("ran, but clients.toml does not expect it to: " + ", ".join(extra))
    if result.version != client.version:
        result.problems.append(f"version {result.version or 'unknown'}, but {client.manifest} pins {client.version}")
