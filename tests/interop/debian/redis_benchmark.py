"""redis-benchmark: its tests of commands that Discnt has, and requests of one's own."""

import csv
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "python"))
import report
from report import equal

REQUESTS = 2000
# Its other tests are of lists, sets, hashes and streams; MSET is none of Discnt's commands.
TESTS = {"ping_inline", "ping_mbulk", "get", "incr"}


def benchmark(*words, port=report.PORT):
    command = ["redis-benchmark", "-h", report.HOST, "-p", str(port), "-n", str(REQUESTS), "-c", "20"]
    command += ["-3", *words] if report.PROTOCOL == 3 else words
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


def told(*words, **options):
    """The rates that it tells, by test."""
    done = benchmark("--csv", *words, **options)
    equal(done.returncode, 0)
    rows = [row for row in csv.reader(done.stdout.splitlines()) if len(row) > 1 and row[0] != "test"]
    # The warning that it could not ask for the configuration of a Redis would be here, too.
    assert rows and "WARNING" not in done.stdout, done.stdout
    assert all(float(row[1]) > 0 for row in rows), rows
    return [row[0] for row in rows]


def connects():
    equal(len(told("-t", ",".join(sorted(TESTS)))), len(TESTS))


def password():
    equal(told("-a", report.PASSWORD, "-t", "get", port=report.GUARDED_PORT), ["GET"])
    assert "NOAUTH" in benchmark("-t", "get", port=report.GUARDED_PORT).stdout


def counts():
    equal(told("INCR", "a"), ["INCR a"])
    equal(value("a"), str(REQUESTS))
    # Its SET writes three bytes, "xxx": a number of one's own takes their place.
    equal(told("-r", "10", "SET", "b:__rand_int__", "12"), ["SET b:__rand_int__ 12"])
    equal(value("b:000000000003"), "12")


def decimals():
    told("INCRBY", "d", "0.1")
    equal(value("d"), str(REQUESTS // 10))


def errors():
    done = benchmark("-t", "set")
    assert "Error from server: ERR" in done.stdout, done.stdout


def pipeline():
    told("-P", "16", "INCR", "p")
    equal(value("p"), str(REQUESTS))


def parallel():
    told("--threads", "2", "-P", "16", "INCR", "many")
    equal(value("many"), str(REQUESTS))


def value(name):
    command = ["redis-cli", "-h", report.HOST, "-p", str(report.PORT), "GET", name]
    return subprocess.check_output(command, text=True).strip()


CHECKS = {
    "connects": connects,
    "password": password,
    "counts": counts,
    "decimals": decimals,
    "errors": errors,
    "pipeline": pipeline,
    "parallel": parallel,
}

report.run(subprocess.check_output(["redis-benchmark", "--version"], text=True).split()[1], CHECKS)
