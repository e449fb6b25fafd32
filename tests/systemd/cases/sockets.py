"""Restarts while clients come and go."""

import json
import pathlib
import subprocess
import sys
import time

from harness.cases import case

LOAD = pathlib.Path(__file__).resolve().parent.parent / "harness" / "load.py"
RESTARTS = 3


def restart_under_load(machine):
    """What clients were told meanwhile, and how much was counted."""
    load = subprocess.Popen(machine.on_its_network(sys.executable, LOAD, 5262), stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(RESTARTS):
            time.sleep(1)
            machine.run("systemctl", "restart", "discnt")
        time.sleep(1)
    finally:
        load.terminate()
    told = json.loads(load.communicate(timeout=60)[0])
    return told, int(machine.cli("get", "load"))


@case
def a_restart_refuses_no_client_with_the_socket_unit_and_some_without(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    without, _ = restart_under_load(machine)
    assert without["refused"] > 0, f"this would not notice a refusal: {without}"

    machine.run("systemctl", "stop", "discnt")
    machine.run("systemctl", "enable", "--now", "discnt.socket")
    # The first client starts the service.
    assert machine.cli("del", "load") in ["0", "1"]
    told, counted = restart_under_load(machine)
    assert told["refused"] == 0 and told["other"] == [], told
    assert told["answered"] > 1000, told
    # Every answer was counted, once; who was closed without one was counted once or not at all.
    assert told["answered"] <= counted <= told["answered"] + told["unanswered"], (told, counted)
    print(f"  without the socket {without['refused']} of {without['refused'] + without['connected']} connections refused;")
    print(f"  with it none of {told['connected']}, {told['unanswered']} closed unanswered, the longest took {told['longest']:.2f} s")


@case
def a_socket_at_a_path_is_served(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    machine.run("systemctl", "stop", "discnt")
    machine.run("mkdir", "-p", "/etc/systemd/system/discnt.socket.d")
    drop_in = "[Socket]\nListenStream=\nListenStream=127.0.0.1:7000\nListenStream=/run/discnt/discnt.sock\n"
    machine.write("/etc/systemd/system/discnt.socket.d/where.conf", drop_in)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--now", "discnt.socket")
    assert machine.cli("-s", "/run/discnt/discnt.sock", "incr", "a") == "1"
    assert machine.cli("-p", "7000", "incr", "a") == "2"
    machine.run("systemctl", "restart", "discnt")
    assert machine.cli("-s", "/run/discnt/discnt.sock", "get", "a") == "2"
    assert machine.run("stat", "-c", "%U:%G %a", "/run/discnt/discnt.sock").strip() == "discnt:discnt 660"


@case
def the_socket_for_tls_outlives_the_service_and_serves_nobody_in_plain_text(machines):
    machine = machines.boot()
    machine.install(machine.packages.deb)
    # An authority and a certificate of the kind that nodes have will do for a server of clients.
    machine.run("discnt-cli", "certs", "init", "--dir", "/root/ca")
    machine.run("discnt-cli", "certs", "issue", "--name", "clients", "--dir", "/root/ca")
    machine.shell("install -m 644 /root/ca/clients.crt /etc/discnt/ && install -m 600 -o discnt /root/ca/clients.key /etc/discnt/")
    settings = 'tls_port = 5263\\ntls_cert = "/etc/discnt/clients.crt"\\ntls_key = "/etc/discnt/clients.key"'
    machine.shell(f"sed -i 's|^# tls_port = .*|{settings}|' /etc/discnt/discnt.toml")
    machine.run("systemctl", "stop", "discnt")
    machine.run("systemctl", "enable", "--now", "discnt.socket", "discnt-tls.socket")
    by_tls = ["-p", "5263", "--tls", "--insecure"]
    assert machine.cli(*by_tls, "incr", "a") == "1", "the first client starts the service"
    assert machine.cli("incr", "a") == "2"
    assert machine.run("systemctl", "show", "-P", "NAccepted", "discnt-tls.socket").strip() == "0"
    listening = machine.run("ss", "-Hltnp", "sport = :5263")
    assert "systemd" in listening and "discnt-server" in listening, listening
    assert machine.try_run("discnt-cli", "-p", "5263", "ping").returncode != 0
    machine.run("systemctl", "restart", "discnt")
    assert machine.cli(*by_tls, "incr", "a") == "3"
