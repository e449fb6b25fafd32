"""systemctl reload, and what the journal holds."""

from harness.cases import case
from harness.machine import eventually

FILE = "/etc/discnt/discnt.toml"


def max_clients(machine):
    return machine.cli("config", "get", "maxclients").split()[-1].strip('"')


@case
def a_good_file_takes_effect_and_a_bad_one_is_refused_with_the_reason(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    process = machine.main_process()
    machine.shell(f"sed -i 's/^# max_clients = .*/max_clients = 500/; s/^# settle_ms = .*/settle_ms = 700/' {FILE}")
    machine.run("systemctl", "reload", "discnt")
    eventually("the good file takes effect", lambda: max_clients(machine) == "500")
    waits = machine.journal("-u", "discnt", "DISCNT_EVENT=reload_waits")
    assert ["takes effect after a restart: counters.settle_ms"] == [entry["MESSAGE"] for entry in waits], waits

    machine.shell(f"sed -i 's/^max_clients = .*/max_clients = \"some\"/' {FILE}")
    reload = machine.try_run("systemctl", "reload", "discnt")
    assert reload.returncode != 0, "whoever reloads by a script is to notice"
    why = f"{FILE}, line "
    status = eventually("the status says why", lambda: "NOT RELOADED" in machine.show("StatusText") and machine.show("StatusText"))
    assert why in status and "max_clients" in status, status
    refused = machine.journal("-u", "discnt", "DISCNT_EVENT=reload_refused")
    assert len(refused) == 1 and why in refused[0]["MESSAGE"] and refused[0]["PRIORITY"] == "3", refused
    assert (machine.show("ActiveState"), max_clients(machine)) == ("active", "500")

    machine.shell(f"sed -i 's/^max_clients = .*/max_clients = 600/' {FILE}")
    machine.run("systemctl", "reload", "discnt")
    eventually("a good one ends it", lambda: max_clients(machine) == "600")
    eventually("so does the status", lambda: "NOT RELOADED" not in machine.show("StatusText"))
    assert machine.main_process() == process
    # The signal alone does the same.
    machine.shell(f"sed -i 's/^max_clients = .*/max_clients = 700/' {FILE}")
    machine.run("systemctl", "kill", "-s", "HUP", "--kill-who=main", "discnt")
    eventually("the signal is enough", lambda: max_clients(machine) == "700")


@case
def a_reload_with_a_file_that_cannot_be_used_fails_and_says_which(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.write("/etc/discnt/users.acl", "user default on nopass +@all ~* &*\n")
    machine.run("chown", "root:discnt", "/etc/discnt/users.acl")
    machine.shell(f"sed -i 's|^# acl_file = .*|acl_file = \"/etc/discnt/users.acl\"|' {FILE}")
    machine.run("systemctl", "restart", "discnt")
    machine.run("systemctl", "reload", "discnt")
    machine.write("/etc/discnt/users.acl", "user default on +@nonsense\n")
    reload = machine.try_run("systemctl", "reload", "discnt")
    assert reload.returncode != 0, "whoever reloads by a script is to notice"
    eventually("the status says which", lambda: "/etc/discnt/users.acl" in machine.show("StatusText"))
    checked = machine.try_run("discnt-server", "--config", FILE, "--check-config")
    assert checked.returncode == 1 and "[resp] acl_file: /etc/discnt/users.acl" in checked.stdout, checked
    machine.write("/etc/discnt/users.acl", "user default on nopass +@all ~* &*\n")
    machine.run("systemctl", "reload", "discnt")
    # A key of the node that only root can read keeps it from starting again, and the check says so before that.
    key = "/var/lib/discnt/data/node.key"
    machine.run("chown", "root", key)
    assert machine.try_run("systemctl", "reload", "discnt").returncode != 0
    by_root = machine.try_run("discnt-server", "--config", FILE, "--check-config")
    assert by_root.returncode == 0, "root can read it"
    machine.run("chown", "discnt", key)
    machine.run("systemctl", "reload", "discnt")
    assert machine.cli("incr", "a") == "1"


@case
def the_journal_holds_the_fields_that_are_documented(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    node = machine.cli("cluster", "myid").strip('"')
    ready = machine.journal("-u", "discnt", f"DISCNT_NODE={node}")
    assert any("is ready" in entry["MESSAGE"] for entry in ready), ready
    entry = ready[0]
    assert entry["SYSLOG_IDENTIFIER"] == "discnt-server" and entry["TARGET"].startswith("discnt::daemon"), entry
    assert entry["_TRANSPORT"] == "journal" and entry["PRIORITY"] == "5", entry
    machine.run("systemctl", "reload", "discnt")
    eventually("an event", lambda: machine.journal("DISCNT_EVENT=reloaded"))
    # Nothing comes by standard error but what is not of the server itself.
    by_pipe = [entry for entry in machine.journal("-u", "discnt") if entry["_TRANSPORT"] == "stdout"]
    assert all("configuration is valid" in entry["MESSAGE"] for entry in by_pipe), by_pipe
