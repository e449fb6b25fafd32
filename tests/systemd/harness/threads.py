"""Stops one thread of a process, and no other, for as long as it takes: as a debugger does."""

import contextlib
import ctypes
import os
import pathlib
import threading

SEIZE, INTERRUPT = 0x4206, 0x4207
WAIT_FOR_ALL = 0x40000000


def thread_of(process, name):
    """The id of the thread with this name in a process of the test's own machine."""
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        if (task / "comm").read_text().strip() == name:
            return int(task.name)
    raise AssertionError(f"process {process} has no thread {name}")


def hold(thread):
    """Holds the thread until its process ends."""
    trace = ctypes.CDLL(None, use_errno=True).ptrace
    trace.argtypes = [ctypes.c_long] * 4
    for request in [SEIZE, INTERRUPT]:
        if trace(request, thread, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(thread, WAIT_FOR_ALL)

    # Its process cannot end before whoever holds the thread has taken notice that it is gone.
    def take_notice():
        with contextlib.suppress(ChildProcessError):
            while True:
                status = os.waitpid(thread, WAIT_FOR_ALL)[1]
                if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                    return

    threading.Thread(target=take_notice, daemon=True).start()
