"""redis-cli, as a command, with requests from standard input, and in a terminal."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))
import report
from report import equal

RESP3 = ["-3"] if report.PROTOCOL == 3 else []
# What a user has set for redis-cli is not to be in the way.
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "xterm"}


def command(*words, port=report.PORT):
    return ["redis-cli", "-h", report.HOST, "-p", str(port), *RESP3, *words]


def cli(*words, stdin=None, port=report.PORT, **environment):
    """What it prints where no person reads it; errors go there, too."""
    done = subprocess.run(
        command(*words, port=port),
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**ENVIRONMENT, **environment},
        timeout=report.PATIENCE_SECONDS,
    )
    return done.stdout.decode().strip()


class Terminal:
    """redis-cli with somebody at the keyboard."""

    def __init__(self, *words):
        self.master, slave = pty.openpty()
        # Without a size it would ask the terminal for one.
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
        self.process = subprocess.Popen(command(*words), stdin=slave, stdout=slave, stderr=slave, env=ENVIRONMENT)
        os.close(slave)
        self.seen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def ask(self, line, answer, prompt="> "):
        """Types a line at a prompt, as what is typed before that is thrown away, and waits for the answer."""
        self.shows(prompt)
        self.type(line + "\n")
        self.shows(answer)

    def type(self, text):
        # Return is a carriage return where nobody translates it.
        os.write(self.master, text.replace("\n", "\r").encode())

    def shows(self, pattern):
        """Waits until it shows this, and forgets what was before."""
        deadline = time.monotonic() + report.PATIENCE_SECONDS
        while not (found := re.search(pattern, self.seen)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {pattern!r} in {self.seen!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        self.seen = self.seen[found.end() :]


def connects():
    equal(cli("PING"), "PONG")
    equal(cli("-u", f"redis://{report.HOST}:{report.PORT}/0", "PING"), "PONG")


def introduces():
    assert "name=interop" in cli(stdin=b"CLIENT SETNAME interop\nCLIENT LIST\n")
    assert f"resp={report.PROTOCOL}" in cli("CLIENT", "INFO")


def password():
    port = report.GUARDED_PORT
    equal(cli("--no-auth-warning", "-a", report.PASSWORD, "GET", "missing", port=port), "0")
    equal(cli("--user", "default", "--pass", report.PASSWORD, "--no-auth-warning", "PING", port=port), "PONG")
    equal(cli("PING", port=port, REDISCLI_AUTH=report.PASSWORD), "PONG")
    assert "WRONGPASS" in cli("--no-auth-warning", "-a", "wrong", "PING", port=port)
    assert "NOAUTH" in cli("INCR", "cli", port=port)


def counts():
    equal(cli("INCR", "a"), "1")
    equal(cli("-r", "4", "-i", "0.01", "INCR", "a").split(), ["2", "3", "4", "5"])
    equal(cli(stdin=b"incrby a 5\ndecr a\nget a\nset a 41\n").split(), ["10", "9", "9", "OK"])
    equal(cli("--csv", "MGET", "a", "missing"), '"41","0"')
    equal(cli("--json", "MGET", "a", "missing"), '["41","0"]')
    equal(cli("--no-raw", "INCR", "a"), "(integer) 42")


def decimals():
    equal(cli("INCRBYFLOAT", "d", "0.1"), "0.1")
    equal(cli("INCRBY", "d", "0.2"), "0.3")
    equal(cli("SET", "big", "9223372036854775807"), "OK")
    equal(cli("INCR", "big"), "9223372036854775808")


def keyspace():
    cli("MINCRBY", "1", *(f"page:{number}" for number in range(30)))
    names = {f"page:{number}" for number in range(30)}
    equal(set(cli("--scan", "--pattern", "page:*").split()), names)
    equal(set(cli("KEYS", "page:*").split()), names)
    equal(cli("DEL", "page:1", "missing"), "1")
    equal(cli("TYPE", "page:2"), "string")
    assert "Sampled" in cli("--bigkeys", "-i", "0")
    assert "Sampled" in cli("--memkeys", "-i", "0")


def bytes_():
    equal(cli("-x", "INCR", stdin=b"\xff\n\x01"), "1")
    assert r'"\xff\n\x01"' in cli("--no-raw", "KEYS", "*")


def errors():
    assert cli("INCRBY", "e", "many").startswith("ERR ")
    assert "unknown command" in cli("LPUSH", "e", "1")
    failing = command("-e", "INCRBY", "e", "many")
    equal(subprocess.run(failing, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT).returncode, 1)


def pipeline():
    requests = b"".join(b"*2\r\n$4\r\nINCR\r\n$1\r\np\r\n" for _ in range(10_000))
    said = cli("--pipe", stdin=requests)
    assert "errors: 0, replies: 10000" in said, said
    equal(cli("GET", "p"), "10000")
    # An error is counted, and the rest goes through.
    said = cli("--pipe", stdin=b"INCR p\r\nINCRBY p many\r\nINCR p\r\n")
    assert "errors: 1, replies: 3" in said, said


def transaction():
    equal(cli(stdin=b"MULTI\nINCR t\nINCRBY t 2\nEXEC\n").split(), ["OK", "QUEUED", "QUEUED", "1", "3"])
    with Terminal() as terminal:
        terminal.ask("MULTI", "OK")
        terminal.ask("INCR t", "QUEUED", prompt=r"\(TX\)> ")
        terminal.ask("DISCARD", "OK", prompt=r"\(TX\)> ")
        terminal.ask("GET t", '"3"')


def watch():
    with Terminal() as terminal:
        terminal.ask("WATCH w", "OK")
        equal(cli("INCR", "w"), "1")
        for line, answer in [("MULTI", "OK"), ("SET w 20", "QUEUED"), ("EXEC", r"\(nil\)")]:
            terminal.ask(line, answer)
    equal(cli("GET", "w"), "1")


def subscribe():
    cli("SET", "s", "5")
    with Terminal() as terminal:
        terminal.ask("SUBSCRIBE s", r'"message"\s+2\) "s"\s+3\) "5"')
        cli("INCRBY", "s", "0.5")
        terminal.shows(r'"message"\s+2\) "s"\s+3\) "5.5"')


def psubscribe():
    with Terminal() as terminal:
        terminal.ask("PSUBSCRIBE ps:*", '"psubscribe"')
        cli("INCRBY", "ps:1", "3")
        terminal.shows(r'"pmessage"\s+2\) "ps:\*"\s+3\) "ps:1"\s+4\) "3"')


def prompt():
    """Hints come from COMMAND DOCS, which it asks for when it starts."""
    with Terminal() as terminal:
        terminal.shows("> ")
        terminal.type("mincrby")
        terminal.shows("amount name")
        terminal.type(" 1 one two\n")
        terminal.shows(r"1\) \(integer\) 1\s+2\) \(integer\) 1")
        terminal.ask("help incr", "Adds one to a counter")


def statistics():
    with Terminal("--stat", "-i", "0.1") as terminal:
        terminal.shows(r"keys\s+mem\s+clients")
        terminal.shows(r"\d+\s+\d+\.\d+M\s+\d+")
    assert re.search(r"\d+ \d+ [\d.]+ \d+", cli("--latency", "-i", "0.2", "--raw")), "latency"
    with Terminal("MONITOR") as terminal:
        terminal.shows("OK")
        cli("INCR", "watched")
        terminal.shows('"INCR" "watched"')


def parallel():
    many = [subprocess.Popen(command("-r", "50", "INCR", "many"), stdout=subprocess.DEVNULL) for _ in range(8)]
    equal([one.wait() for one in many], [0] * 8)
    equal(cli("GET", "many"), "400")


def reconnects():
    with Terminal() as terminal:
        terminal.ask("SET r 7", "OK")
        report.restart()
        # It connects again for a request, if need be for the second.
        terminal.ask("GET r", r'"7"|Error|not connected')
        terminal.ask("GET r", '"7"')
        terminal.ask("INCR r", r"\(integer\) 8")


CHECKS = {
    "connects": connects,
    "introduces": introduces,
    "password": password,
    "counts": counts,
    "decimals": decimals,
    "keyspace": keyspace,
    "bytes": bytes_,
    "errors": errors,
    "pipeline": pipeline,
    "transaction": transaction,
    "watch": watch,
    "subscribe": subscribe,
    "psubscribe": psubscribe,
    "prompt": prompt,
    "statistics": statistics,
    "parallel": parallel,
    "reconnects": reconnects,
}

report.run(subprocess.check_output(["redis-cli", "--version"], text=True).split()[1], CHECKS)
