"""What installing the package leaves, and what is left when it is gone."""

from harness.cases import case
from harness.machine import eventually

WORST_EXPOSURE = 1.2


@case
def installing_the_package_serves_on_loopback(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    # READY is told once clients are served: whoever waits for the unit can count at once.
    assert machine.show("ActiveState") == "active"
    assert machine.cli("incrby", "visits", "0.1") == "0.1"
    assert machine.run("systemctl", "is-enabled", "discnt").strip() == "enabled"
    eventually("the status says it", lambda: machine.show("StatusText") == "serving 1 counters; no other members")
    listening = machine.run("ss", "-Hltun", "sport = :5262").split("\n")
    assert all("127.0.0.1:5262" in line for line in listening if line), listening
    assert machine.run("ps", "-o", "user=", "-p", machine.main_process()).strip() == "discnt"
    assert machine.run("stat", "-c", "%U:%G %a", "/var/lib/discnt").strip() == "discnt:discnt 700"
    assert machine.run("stat", "-c", "%U:%G %a", "/etc/discnt/discnt.toml").strip() == "root:discnt 640"
    for page in ["discnt-server.1", "discnt-cli.1"]:
        machine.run("test", "-s", f"/usr/share/man/man1/{page}.gz", check=False)
    assert "total_system_memory:0" not in machine.cli("info", "memory")


@case
def the_sandbox_is_as_tight_as_it_is_said_to_be(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.shell("sed 's/5262/7711/' /etc/discnt/discnt.toml > /etc/discnt/two.toml")
    for unit in ["discnt.service", "discnt@two.service"]:
        last = machine.run("systemd-analyze", "security", unit).strip().splitlines()[-1]
        exposure = float(last.split(": ")[1].split()[0])
        assert exposure <= WORST_EXPOSURE, last
    said = machine.run("systemd-analyze", "verify", "--man=no", "discnt.service", "discnt.socket", "discnt@two.service")
    assert "discnt" not in said, said
    # From where the service is: nothing can be written but its own directories, nobody else is seen, and home is closed.
    within = ["nsenter", "-t", str(machine.main_process()), "-m", "-S", machine.run("id", "-u", "discnt").strip()]
    for path in ["/etc/discnt/x", "/usr/x", "/var/lib/x", "/home/x", "/root/x"]:
        assert machine.try_run(*within, "touch", path).returncode != 0, path
    machine.run(*within, "touch", "/var/lib/discnt/x", "/run/discnt/x")
    assert machine.shell(f"grep CapBnd /proc/{machine.main_process()}/status").split()[1].strip("0") == ""


@case
def the_drop_ins_that_are_documented_work(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.run("mkdir", "-p", "/etc/systemd/system/discnt.service.d")

    def start_with(*lines):
        text = "\n".join(["[Service]", *lines, ""])
        machine.write("/etc/systemd/system/discnt.service.d/more.conf", text)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "discnt")

    start_with("ReadWritePaths=/etc/discnt")
    machine.run("chown", "discnt", "/etc/discnt", "/etc/discnt/discnt.toml")
    machine.cli("config", "set", "maxclients", "321")
    assert machine.cli("config", "rewrite") == "OK"
    machine.run("grep", "-qx", "max_clients = 321", "/etc/discnt/discnt.toml")
    assert machine.run("stat", "-c", "%U:%G %a", "/etc/discnt/discnt.toml").strip() == "discnt:discnt 640"

    start_with("IPAddressDeny=any", "IPAddressAllow=localhost 10.0.0.0/8")
    assert machine.cli("ping") == "PONG"

    start_with(
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "PrivateUsers=no",
        "Environment=DISCNT_RESP__PORT=379",
    )
    assert machine.cli("-p", "379", "ping") == "PONG"


@case
def several_nodes_run_on_one_machine(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    for name, port in [("one", 7711), ("two", 7712)]:
        machine.write(f"/etc/discnt/{name}.toml", f"[resp]\nport = {port}\n[mesh]\nport = {port}\n")
        machine.run("systemctl", "start", f"discnt@{name}")
        machine.cli("-p", str(port), "incrby", "a", str(port))
    assert machine.cli("-p", "7711", "get", "a") == "7711"
    assert machine.cli("-p", "7712", "get", "a") == "7712"
    assert machine.cli("exists", "a") == "0"
    machine.run("test", "-d", "/var/lib/discnt-instances/two/discnt-data/7712")


@case
def a_credential_reaches_the_service_and_none_is_needed(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.run("mkdir", "-p", "/etc/credstore")
    machine.write("/etc/credstore/discnt-resp-password", "secret\n")
    machine.run("systemctl", "restart", "discnt")
    environment = machine.shell(f"tr '\\0' '\\n' < /proc/{machine.main_process()}/environ")
    directory = next(line.split("=")[1] for line in environment.splitlines() if line.startswith("CREDENTIALS_DIRECTORY="))
    found = machine.try_run("nsenter", "-t", str(machine.main_process()), "-m", "cat", f"{directory}/discnt-resp-password")
    assert found.stdout == "secret\n", found
    # It is asked for, and what checks the files at a reload is given it, too.
    assert "NOAUTH" in machine.cli("incr", "a", check=False)
    machine.run("systemctl", "reload", "discnt")
    # By its name, too.
    named = 'password_file = "credential:discnt-resp-password"'
    machine.shell(f"sed -i 's|^# password_file = .*|{named}|' /etc/discnt/discnt.toml")
    machine.run("systemctl", "restart", "discnt")
    assert "NOAUTH" in machine.cli("incr", "a", check=False)
    machine.run("systemctl", "reload", "discnt")
    checked = machine.run("discnt-server", "--config", "/etc/discnt/discnt.toml", "--check-config")
    assert "credential:discnt-resp-password is not looked at here" in checked, checked
    machine.shell("sed -i 's|^password_file = .*|# &|' /etc/discnt/discnt.toml")
    machine.run("rm", "/etc/credstore/discnt-resp-password")
    machine.run("systemctl", "restart", "discnt")
    assert machine.cli("incr", "a") == "1"


@case
def purging_removes_the_data_and_removing_does_not(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.cli("incr", "a")
    machine.run("dpkg", "-r", "discnt")
    assert machine.show("ActiveState") == "inactive"
    machine.run("test", "-d", "/var/lib/discnt/data")
    machine.run("test", "-f", "/etc/discnt/discnt.toml")
    machine.install(machine.packages.deb)
    assert machine.cli("incr", "a") == "2"
    machine.write("/etc/discnt/mine.key", "mine")
    machine.write("/etc/discnt/one.toml", "[resp]\nport = 7711\n[mesh]\nport = 7711\n")
    machine.run("systemctl", "enable", "--now", "discnt@one")
    machine.run("test", "-L", "/etc/systemd/system/multi-user.target.wants/discnt@one.service")
    machine.run("dpkg", "-P", "discnt")
    for path in ["/var/lib/discnt", "/etc/discnt/discnt.toml", "/lib/systemd/system/discnt.service", "/run/discnt"]:
        assert machine.try_run("test", "-e", path).returncode != 0, path
    assert machine.run("cat", "/etc/discnt/mine.key") == "mine"
    assert machine.try_run("systemctl", "cat", "discnt").returncode != 0
    machine.run("id", "discnt")
    links = machine.shell("find /etc/systemd -name 'discnt*'")
    assert links == "", links


@case(short=False)
def the_rpm_installs_serves_and_goes(machines):
    machine = machines.boot()
    # Debian's own rpm knows nothing of what Debian has installed.
    machine.run("rpm", "-i", "--nodeps", f"/mnt/{machine.packages.rpm.name}")
    machine.wait_until_active()
    assert machine.cli("incrby", "a", "3") == "3"
    assert machine.run("systemctl", "is-enabled", "discnt").strip() == "enabled"
    assert machine.run("stat", "-c", "%U:%G %a", "/etc/discnt/discnt.toml").strip() == "root:discnt 640"
    machine.shell("sed -i 's/^# timeout_seconds = 0/timeout_seconds = 77/' /etc/discnt/discnt.toml")
    machine.run("rpm", "-U", "--nodeps", "--replacepkgs", f"/mnt/{machine.packages.rpm.name}")
    machine.wait_until_active()
    assert machine.cli("get", "a") == "3"
    assert machine.cli("config", "get", "timeout").split()[-1].strip('"') == "77"
    machine.run("rpm", "-e", "discnt")
    assert machine.show("ActiveState") == "inactive"
    machine.run("test", "-d", "/var/lib/discnt/data")
