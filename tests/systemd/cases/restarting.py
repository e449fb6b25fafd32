"""Services that are stuck or killed are started again, with what they had counted."""

import os
import signal
import time

from harness.cases import case
from harness.machine import eventually
from harness.threads import hold, thread_of

# Short, so that it is seen to work; the unit has half a minute.
WATCHDOG_SECONDS = 3


def with_watchdog(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.run("mkdir", "-p", "/etc/systemd/system/discnt.service.d")
    machine.write("/etc/systemd/system/discnt.service.d/watchdog.conf", f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "discnt")
    return machine


def restarted(machine, before):
    machine.wait_until_active()
    return int(machine.show("NRestarts")) == before + 1 and machine.cli("ping") == "PONG"


@case
def a_stuck_node_is_started_again_and_one_that_works_is_not(machines):
    machine = with_watchdog(machines)
    assert machine.cli("incrby", "a", "5") == "5"
    # Busy for twice the time: it says in time that it lives.
    machine.run("discnt-cli", "bench", "incr", "-d", str(2 * WATCHDOG_SECONDS), "--clean")
    assert machine.show("NRestarts") == "0"
    machine.cli("save")
    process = machine.seen_from_outside(machine.main_process())
    hold(thread_of(process, "discnt-mesh"))
    # The threads that serve clients still do: what is missed is the node's own word.
    assert machine.cli("get", "a") == "5"
    assert machine.show("ActiveState") == "active"
    eventually("the stuck node is started again", lambda: restarted(machine, 0), 4 * WATCHDOG_SECONDS + 30)
    said = machine.messages("-t", "systemd")
    assert any("Watchdog timeout" in line for line in said), said
    eventually("it serves", lambda: machine.cli("get", "a") == "5")


@case
def a_process_that_is_stopped_is_started_again(machines):
    machine = with_watchdog(machines)
    os.kill(machine.seen_from_outside(machine.main_process()), signal.SIGSTOP)
    eventually("the stopped server is started again", lambda: restarted(machine, 0), 4 * WATCHDOG_SECONDS + 30)


@case
def a_killed_server_is_started_again_with_what_was_on_disk(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    assert machine.cli("incrby", "a", "7") == "7"
    # With durability "everysec" that is on disk.
    time.sleep(1.5)
    for restarts in range(3):
        machine.run("systemctl", "kill", "-s", "KILL", "discnt")
        eventually("it is started again", lambda: restarted(machine, restarts))
        eventually("it has what it had", lambda: machine.cli("get", "a") == "7")


@case
def a_server_that_ends_because_it_was_told_to_stays_ended(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.cli("shutdown", check=False)
    eventually("it has ended", lambda: machine.show("ActiveState") == "inactive")
    assert (machine.show("Result"), machine.show("NRestarts")) == ("success", "0")
    machine.run("systemctl", "start", "discnt")
    machine.run("systemctl", "stop", "discnt")
    assert machine.show("Result") == "success"
