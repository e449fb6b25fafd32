"""From one version to the next, and back."""

from harness.cases import case
from harness.machine import eventually

FILE = "/etc/discnt/discnt.toml"


def version(machine):
    return machine.run("dpkg-query", "-Wf", "${Version}", "discnt")


@case
def an_upgrade_keeps_counters_and_configuration_and_restarts_cleanly(machines):
    machine = machines.boot()
    packages = machine.packages
    machine.install(packages.previous)
    before = version(machine)
    assert before != packages.version
    for number in range(50):
        machine.cli("incrby", f"counter:{number}", f"{number}.5")
    node = machine.cli("cluster", "myid")
    machine.shell(f"sed -i 's/^# max_clients = .*/max_clients = 500/' {FILE}")
    machine.run("systemctl", "restart", "discnt")
    process = machine.main_process()
    # Nobody is there to be asked.
    machine.run("dpkg", "--force-confold", "-i", f"/mnt/{packages.deb.name}")
    assert version(machine) == packages.version
    machine.wait_until_active()
    assert machine.main_process() != process, "the new version runs"
    assert machine.show("NRestarts") == "0"
    for number in range(50):
        assert machine.cli("get", f"counter:{number}") == f"{number}.5"
    assert machine.cli("cluster", "myid") == node
    assert machine.cli("config", "get", "maxclients").split()[-1].strip('"') == "500"
    ends = [line for line in machine.messages("-u", "discnt") if "counters are saved in" in line]
    assert len(ends) == 2, "the old version ended in good order"
    # A service that an administrator has stopped and disabled is left so.
    machine.run("systemctl", "disable", "--now", "discnt")
    machine.install(packages.deb)
    assert machine.try_run("systemctl", "is-enabled", "discnt").stdout.strip() == "disabled"
    assert machine.show("ActiveState") == "inactive"


@case
def data_of_a_later_version_is_refused_and_left_alone(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.cli("incrby", "a", "3")
    machine.run("systemctl", "stop", "discnt")
    # As a later version would have left it.
    machine.shell("sed -i 's/^discnt data 1$/discnt data 2/' /var/lib/discnt/data/FORMAT")
    start = machine.try_run("systemctl", "start", "--no-block", "discnt")
    assert start.returncode == 0, start.stdout
    refusal = eventually("it says why", lambda: [m for m in machine.messages("-u", "discnt") if "newer" in m or "later" in m])
    assert "/var/lib/discnt/data/FORMAT" in refusal[0], refusal
    machine.run("systemctl", "stop", "discnt")
    machine.shell("sed -i 's/^discnt data 2$/discnt data 1/' /var/lib/discnt/data/FORMAT")
    machine.run("systemctl", "reset-failed", "discnt", check=False)
    machine.run("systemctl", "start", "discnt")
    assert machine.cli("get", "a") == "3"
