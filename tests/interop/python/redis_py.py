"""redis-py, and what was made of it (valkey-py), without asyncio. The argument is the module's name."""

import importlib
import os
import sys
import threading

import report
from report import equal, raises, until

if os.environ.get("INTEROP_VARIANT") != "hiredis":
    # The parser in Python is what one has who installs the client alone.
    sys.modules["hiredis"] = None
library = importlib.import_module(sys.argv[1])
Client = getattr(library, "Redis" if sys.argv[1] == "redis" else "Valkey")
ResponseError = library.exceptions.ResponseError


def client(**options):
    return Client(host=report.HOST, port=report.PORT, protocol=report.PROTOCOL, **options)


def connects():
    plain = Client(host=report.HOST, port=report.PORT)
    equal(plain.ping(), True)
    url = Client.from_url(f"redis://{report.HOST}:{report.PORT}/0?protocol={report.PROTOCOL}")
    equal(url.ping(), True)
    if os.environ.get("INTEROP_VARIANT") == "hiredis":
        parser = url.connection_pool.get_connection()._parser
        assert "hiredis" in type(parser).__name__.lower(), parser


def introduces():
    named = client(client_name="interop-py")
    named.ping()
    (line,) = [line for line in named.client_list() if line["name"] == "interop-py"]
    assert line["lib-name"].startswith(sys.argv[1]), line
    equal(line["lib-ver"], library.__version__)
    equal(line["resp"], str(report.PROTOCOL))
    equal(named.client_getname() in ("interop-py", b"interop-py"), True)


def password():
    def guarded(**options):
        options = {"port": report.GUARDED_PORT, "host": report.HOST, "protocol": report.PROTOCOL, **options}
        return Client(**options)

    equal(guarded(password=report.PASSWORD).ping(), True)
    equal(guarded(username="default", password=report.PASSWORD).get("missing"), b"0")
    refused = (library.exceptions.AuthenticationError, library.exceptions.ConnectionError)
    assert "password" in raises(refused, guarded(password="wrong").ping)
    assert "auth" in raises((*refused, ResponseError), lambda: guarded().incr("py")).lower()


def encrypted():
    options = {"host": report.HOST, "protocol": report.PROTOCOL, "decode_responses": True}
    admin = Client(port=report.GUARDED_PORT, password=report.PASSWORD, **options)
    name = f"user-{os.getpid()}"
    equal(admin.acl_setuser(name, enabled=True, passwords=["+secret"], keys=["ads:*"], categories=["+@all"]), True)
    assert name in admin.acl_users() and admin.acl_getuser(name)["enabled"]
    r = Client(
        port=report.TLS_PORT, username=name, password="secret", **options,
        ssl=True, ssl_ca_certs=report.AUTHORITY, ssl_check_hostname=False,
    )
    equal(r.acl_whoami(), name)
    equal(r.incr(f"ads:{name}"), 1)
    assert "key" in raises(library.exceptions.NoPermissionError, lambda: r.incr("other"))
    (entry,) = [entry for entry in admin.acl_log() if entry["username"] == name]
    equal(entry["object"], "other")
    equal(admin.acl_deluser(name), 1)
    raises((library.exceptions.ConnectionError, library.exceptions.AuthenticationError), r.ping)


def counts():
    r = client()
    equal(r.incr("a"), 1)
    equal(r.incrby("a", 5), 6)
    equal(r.decr("a"), 5)
    equal(r.decrby("a", 7), -2)
    equal(r.get("a"), b"-2")
    equal(r.set("a", 41), True)
    equal(r.incr("a", 1), 42)
    equal(r.mget("a", "missing"), [b"42", b"0"])
    equal(client(decode_responses=True).get("a"), "42")


def decimals():
    r = client()
    equal(r.incrbyfloat("d", "0.1"), 0.1)
    equal(r.incrbyfloat("d", "0.2"), 0.3)
    equal(r.get("d"), b"0.3")
    equal(r.incrby("d", "0.05"), b"0.35")
    equal(r.set("big", 9223372036854775807), True)
    equal(r.incr("big"), b"9223372036854775808")
    equal(r.incrby("big", 90000000000000000000), b"99223372036854775808")
    equal(r.get("big"), b"99223372036854775808")
    equal(r.execute_command("GET", "big", "STATE"), [b"99223372036854775808", b"CONSISTENT"])


def keyspace():
    r = client()
    names = {b"page:%d" % number for number in range(30)}
    for name in names:
        r.incr(name)
    equal(r.exists("page:1", "page:2", "missing"), 2)
    equal(set(r.keys("page:*")), names)
    equal(set(r.scan_iter(match="page:*", count=7)), names)
    equal(r.type("page:1"), b"string")
    equal(r.type("missing"), b"none")
    before = r.dbsize()
    equal(r.delete("page:1", "missing"), 1)
    equal(r.unlink("page:2"), 1)
    equal(r.dbsize(), before - 2)


def names_of_bytes():
    r = client()
    name = bytes(range(256))
    equal(r.incr(name), 1)
    equal(r.get(name), b"1")
    assert name in r.keys("*")
    equal(r.delete(name), 1)


def errors():
    r = client()
    assert "not a" in raises(ResponseError, lambda: r.incrby("e", "many")).lower()
    assert "unknown command" in raises(ResponseError, lambda: r.execute_command("LPUSH", "e", "1")).lower()
    assert "number of arguments" in raises(ResponseError, lambda: r.execute_command("GET"))
    raises(ResponseError, lambda: r.set("e", "words"))
    raises(ResponseError, lambda: r.incrby("e", 10**21))
    equal(r.get("e"), b"0")


def pipeline():
    with client().pipeline(transaction=False) as pipe:
        for _ in range(1000):
            pipe.incr("p")
        equal(pipe.execute(), list(range(1, 1001)))
        pipe.incr("p").incrby("p", "many").incr("p")
        first, second, third = pipe.execute(raise_on_error=False)
        equal((first, third), (1001, 1002))
        assert isinstance(second, ResponseError), second


def transaction():
    r = client()
    with r.pipeline(transaction=True) as pipe:
        equal(pipe.incr("t").incrby("t", 2).get("t").execute(), [1, 3, b"3"])
        pipe.incr("t").incrby("t", "many").incr("t")
        first, second, third = pipe.execute(raise_on_error=False)
        equal((first, third), (4, 5))
        assert isinstance(second, ResponseError), second
        pipe.incr("t").execute_command("LPUSH", "t", 1)
        raises((library.exceptions.ExecAbortError, ResponseError), pipe.execute)
    equal(r.get("t"), b"5")
    equal(r.transaction(lambda pipe: pipe.multi() or pipe.incr("t"), "t"), [6])
    # The client itself sends no DISCARD.
    one = r.client()
    one.execute_command("MULTI")
    equal(one.execute_command("INCR", "t"), b"QUEUED")
    equal(one.execute_command("DISCARD") in (b"OK", True), True)
    equal(r.get("t"), b"6")


def watch():
    r = client()
    with r.pipeline() as pipe:
        pipe.watch("w")
        equal(pipe.get("w"), b"0")
        pipe.multi()
        pipe.set("w", 10)
        equal(pipe.execute(), [True])
        pipe.watch("w")
        r.incr("w")
        pipe.multi()
        pipe.set("w", 20)
        raises(library.exceptions.WatchError, pipe.execute)
    equal(r.get("w"), b"11")


def message(pubsub, kind, value):
    """The next message; those of older values are passed over."""

    def attempt():
        found = pubsub.get_message(timeout=1)
        return found if found and found["type"] == kind and found["data"] == value else None

    return until(attempt)


def subscribe():
    r, pubsub = client(), client().pubsub()
    r.set("s", 5)
    pubsub.subscribe("s")
    equal(message(pubsub, "subscribe", 1)["channel"], b"s")
    equal(message(pubsub, "message", b"5")["channel"], b"s")
    r.incrbyfloat("s", "0.5")
    equal(message(pubsub, "message", b"5.5")["channel"], b"s")
    equal(r.pubsub_numsub("s"), [(b"s", 1)])
    pubsub.ping()
    message(pubsub, "pong", b"")
    pubsub.unsubscribe()
    message(pubsub, "unsubscribe", 0)


def psubscribe():
    r, pubsub = client(), client().pubsub()
    pubsub.psubscribe("ps:*")
    message(pubsub, "psubscribe", 1)
    r.incrby("ps:1", 3)
    found = message(pubsub, "pmessage", b"3")
    equal((found["pattern"], found["channel"]), (b"ps:*", b"ps:1"))
    pubsub.punsubscribe()
    message(pubsub, "punsubscribe", 0)


def parallel():
    r = client()
    threads = [threading.Thread(target=lambda: [r.incr("many") for _ in range(50)]) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(r.get("many"), b"1000")


def reconnects():
    r = client()
    equal(r.set("r", 7), True)
    report.restart()
    # The client takes a new connection by itself for the first request.
    equal(r.incr("r"), 8)


def resubscribes():
    r, pubsub = client(), client().pubsub()
    pubsub.subscribe("rs")
    message(pubsub, "subscribe", 1)
    report.restart()
    r.incr("rs")
    message(pubsub, "message", b"1")


CHECKS = {
    "connects": connects,
    "introduces": introduces,
    "password": password,
    "counts": counts,
    "decimals": decimals,
    "keyspace": keyspace,
    "bytes": names_of_bytes,
    "errors": errors,
    "pipeline": pipeline,
    "transaction": transaction,
    "watch": watch,
    "subscribe": subscribe,
    "psubscribe": psubscribe,
    "parallel": parallel,
    "reconnects": reconnects,
    "resubscribes": resubscribes,
    "encrypted": encrypted,
}

report.run(library.__version__, CHECKS)
