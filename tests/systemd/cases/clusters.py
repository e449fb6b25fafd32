"""Machines that join each other as an operator has them do it, and count together."""

from harness.cases import case
from harness.machine import eventually

FILE = "/etc/discnt/discnt.toml"


def cli(machine, *words):
    return machine.run("env", "DISCNT_AUTH=a long secret", "discnt-cli", *words).strip()


def status(machine, words):
    eventually(f"the status says {words}", lambda: words in machine.show("StatusText"))


def configure(machine):
    """What the packages' file lacks for more than one machine; the rest stays as it is there."""
    text = machine.run("cat", FILE)
    for section, lines in [
        ("resp", ['bind = "0.0.0.0"', 'password = "a long secret"']),
        ("mesh", ['bind = "0.0.0.0"', f'advertise = "{machine.address}:5262"']),
    ]:
        head = f"\n[{section}]\n"
        assert text.count(head) == 1, text
        text = text.replace(head, head + "\n".join(lines) + "\n")
    machine.write(FILE, text)


def members(machine):
    return sorted(line.split()[0] for line in cli(machine, "--raw", "cluster", "nodes").splitlines() if line)


@case(short=False)
def three_machines_join_with_tokens_count_together_and_through_a_cut(machines):
    booted = machines.boot(3)
    first, second, third = booted
    for machine in booted:
        machine.install(machine.packages.deb)
        configure(machine)
    for machine in [first, second]:
        machine.run("systemctl", "restart", "discnt")
    token = cli(first, "cluster", "invite", "--uses", "2")
    assert token.startswith("discnt1-") and len(token.split()) == 1, token
    # One joins while its node runs, the other before it is started again, as root.
    second.write("/root/token", token + "\n")
    joined = cli(second, "cluster", "join", "--token-file", "/root/token")
    assert joined.startswith("joined by way of 10.77.0.1"), joined
    third.run("systemctl", "stop", "discnt")
    third.write("/root/token", token + "\n")
    joined = third.run("discnt-server", "--config", FILE, "join", "--token-file", "/root/token")
    assert "was certified by the member at 10.77.0.1 port 5262" in joined, joined
    owners = third.shell("find /var/lib/discnt -printf '%u\\n' | sort -u").split()
    assert owners == ["discnt"], third.shell("ls -lR /var/lib/discnt")
    third.run("systemctl", "start", "discnt")
    for machine in booted:
        status(machine, "all 2 other members linked")
        cli(machine, "incrby", "visits", "0.1")
    for machine in booted:
        eventually("all is counted", lambda: cli(machine, "get", "visits") == "0.3")
    # Over the network, too.
    assert cli(first, "-h", third.address, "get", "visits") == "0.3"

    # The token is used up, and nobody has anybody else's keys.
    fourth = third.try_run("discnt-cli", "-a", "a long secret", "cluster", "join", "--token-file", "/root/token")
    assert fourth.returncode == 1, fourth
    keys = {machine.run("sha256sum", "/var/lib/discnt/data/node.key").split()[0] for machine in booted}
    assert len(keys) == 3
    audit = first.journal("-u", "discnt", "TARGET=audit", "DISCNT_EVENT=node_joined")
    assert len(audit) == 2, audit
    made = first.journal("-u", "discnt", "TARGET=audit", "DISCNT_EVENT=invitation_made")
    assert made[0]["DISCNT_USER"] == "default" and made[0]["DISCNT_PEER"].startswith("127.0.0.1:"), made

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

    # A machine that is shut out stays out, whoever is asked to meet whom.
    assert cli(first, "cluster", "forget", names[third], "ban") == "OK"
    for machine in [first, second]:
        eventually("it is no member", lambda: members(machine) == sorted([names[first], names[second]]))
    met = second.try_run("discnt-cli", "-a", "a long secret", "cluster", "meet", third.address, "5262")
    assert "its key was barred from the cluster for good" in met.stdout, met
    assert cli(first, "get", "visits") == "3.3", "what it counted stays"
