"""Machines that count together."""

from harness.cases import case
from harness.machine import eventually

CONFIGURATION = """[resp]
bind = "0.0.0.0"
password = "a long secret"
[mesh]
bind = "0.0.0.0"
advertise = "{address}:5262"
ca_cert = "/etc/discnt/ca.crt"
cert = "/etc/discnt/node.crt"
key = "/etc/discnt/node.key"
[storage]
data_dir = "/var/lib/discnt/data"
"""


def cli(machine, *words):
    return machine.run("env", "DISCNT_AUTH=a long secret", "discnt-cli", *words).strip()


def status(machine, words):
    eventually(f"the status says {words}", lambda: words in machine.show("StatusText"))


@case(short=False)
def three_machines_count_together_and_through_a_cut(machines):
    booted = machines.boot(3)
    first, second, third = booted
    for machine in booted:
        machine.install(machine.packages.deb)
    # Certificates are made on the first, and copied.
    first.run("discnt-cli", "certs", "init", "--dir", "/srv/authority")
    for number, machine in enumerate(booted, 1):
        first.run("discnt-cli", "certs", "issue", "--name", f"node{number}", "--dir", "/srv/authority")
        machine.shell("install -m 644 /srv/authority/ca.crt /etc/discnt/ca.crt")
        machine.shell(f"install -m 644 /srv/authority/node{number}.crt /etc/discnt/node.crt")
        machine.shell(f"install -m 600 -o discnt /srv/authority/node{number}.key /etc/discnt/node.key")
        machine.write("/etc/discnt/discnt.toml", CONFIGURATION.format(address=machine.address))
        # With the key that it was given it is another node than the one that was started by installing it.
        machine.run("systemctl", "stop", "discnt")
        machine.run("rm", "-r", "/var/lib/discnt/data")
        machine.run("systemctl", "start", "discnt")
    assert cli(first, "cluster", "meet", second.address, "5262") == "OK"
    assert cli(first, "cluster", "meet", third.address, "5262") == "OK"
    for machine in booted:
        status(machine, "all 2 other members linked")
        cli(machine, "incrby", "visits", "0.1")
    for machine in booted:
        eventually("all is counted", lambda: cli(machine, "get", "visits") == "0.3")
    # Over the network, too.
    assert cli(first, "-h", third.address, "get", "visits") == "0.3"

    names = {machine: cli(machine, "cluster", "myid").strip('"') for machine in booted}
    joined = first.journal("-u", "discnt", "DISCNT_EVENT=linked", f"DISCNT_PEER={names[third]}")
    assert joined and joined[0]["TARGET"] == "discnt::node", joined
    third.cut_off()
    status(first, "1 of 2 other members linked")
    eventually("the loss is told", lambda: first.journal("DISCNT_EVENT=unlinked", f"DISCNT_PEER={names[third]}"))
    for machine in booted:
        cli(machine, "incr", "visits")
    third.join_again()
    for machine in booted:
        eventually("all is counted again", lambda: cli(machine, "get", "visits") == "3.3")

    # A member that is upgraded or restarted comes back by itself.
    second.run("systemctl", "restart", "discnt")
    status(first, "all 2 other members linked")
    status(second, "all 2 other members linked")
    assert cli(second, "get", "visits") == "3.3"
