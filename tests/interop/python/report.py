"""How a client of Python tells the runner what it has tried; see ../README.md."""

import os
import sys
import time

HOST = os.environ["INTEROP_HOST"]
PORT = int(os.environ["INTEROP_PORT"])
PROTOCOL = int(os.environ["INTEROP_PROTOCOL"])
GUARDED_PORT = int(os.environ["INTEROP_GUARDED_PORT"])
TLS_PORT = int(os.environ["INTEROP_TLS_PORT"])
AUTHORITY = os.environ["INTEROP_AUTHORITY"]
PASSWORD = os.environ["INTEROP_PASSWORD"]
PATIENCE_SECONDS = 20


def version(text):
    print("version", text, flush=True)


def ok(name):
    print("ok", name, flush=True)


def failed(name, error):
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    print(f"not ok {name}: {reason}", flush=True)
    import traceback

    traceback.print_exception(error)


def end():
    print("end", flush=True)


def run(used_version, checks):
    """Makes every check and tells what came of it."""
    version(used_version)
    for name, check in checks.items():
        try:
            check()
            ok(name)
        except Exception as error:
            failed(name, error)
    end()


def restart():
    """Has the runner start the server again, and waits until it serves."""
    print("restart", flush=True)
    answer = sys.stdin.readline().strip()
    assert answer == "restarted", answer


def equal(found, expected):
    """Equal, and of one type: 1 is not 1.0 here."""
    assert (type(found), found) == (type(expected), expected), f"{found!r} instead of {expected!r}"


def raises(error, call):
    """The words of the error that `call` has to raise."""
    try:
        answer = call()
    except error as raised:
        return str(raised)
    raise AssertionError(f"{answer!r} instead of {error.__name__}")


def until(attempt):
    """The first result of `attempt` that is not None; what it raises last is raised when there is none in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            result = attempt()
            if result is not None:
                return result
            late = TimeoutError("nothing came")
        except Exception as error:
            late = error
        if time.monotonic() > deadline:
            raise late
        time.sleep(0.02)
