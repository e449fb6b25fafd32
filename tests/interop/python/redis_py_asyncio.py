"""redis-py, and what was made of it (valkey-py), with asyncio. The argument is the module's name."""

import asyncio
import importlib
import sys
import time

import report
from report import equal

sys.modules["hiredis"] = None
library = importlib.import_module(sys.argv[1])
flavour = importlib.import_module(sys.argv[1] + ".asyncio")
Client = getattr(flavour, "Redis" if sys.argv[1] == "redis" else "Valkey")
ResponseError = library.exceptions.ResponseError


def client(**options):
    return Client(host=report.HOST, port=report.PORT, protocol=report.PROTOCOL, **options)


async def raises(error, awaitable):
    try:
        answer = await awaitable
    except error as raised:
        return str(raised)
    raise AssertionError(f"{answer!r} instead of {error}")


async def connects():
    async with Client(host=report.HOST, port=report.PORT) as plain:
        equal(await plain.ping(), True)
    async with Client.from_url(f"redis://{report.HOST}:{report.PORT}/0?protocol={report.PROTOCOL}") as url:
        equal(await url.ping(), True)


async def introduces():
    async with client(client_name="interop-aio") as named:
        await named.ping()
        (line,) = [line for line in await named.client_list() if line["name"] == "interop-aio"]
        assert line["lib-name"].startswith(sys.argv[1]), line
        equal(line["lib-ver"], library.__version__)
        equal(line["resp"], str(report.PROTOCOL))


async def password():
    def guarded(**options):
        return Client(host=report.HOST, port=report.GUARDED_PORT, protocol=report.PROTOCOL, **options)

    async with guarded(password=report.PASSWORD) as r:
        equal(await r.get("missing"), b"0")
    async with guarded(username="default", password=report.PASSWORD) as r:
        equal(await r.ping(), True)
    refused = (library.exceptions.AuthenticationError, library.exceptions.ConnectionError)
    async with guarded(password="wrong") as r:
        assert "password" in await raises(refused, r.ping())
    async with guarded() as r:
        assert "auth" in (await raises((*refused, ResponseError), r.incr("aio"))).lower()


async def counts():
    async with client() as r:
        equal(await r.incr("a"), 1)
        equal(await r.incrby("a", 5), 6)
        equal(await r.decr("a"), 5)
        equal(await r.decrby("a", 7), -2)
        equal(await r.get("a"), b"-2")
        equal(await r.set("a", 41), True)
        equal(await r.mget("a", "missing"), [b"41", b"0"])


async def decimals():
    async with client() as r:
        equal(await r.incrbyfloat("d", "0.1"), 0.1)
        equal(await r.incrbyfloat("d", "0.2"), 0.3)
        equal(await r.get("d"), b"0.3")
        equal(await r.incrby("d", "0.05"), b"0.35")
        equal(await r.set("big", 9223372036854775807), True)
        equal(await r.incr("big"), b"9223372036854775808")


async def keyspace():
    async with client() as r:
        names = {b"page:%d" % number for number in range(30)}
        for name in names:
            await r.incr(name)
        equal(await r.exists("page:1", "page:2", "missing"), 2)
        equal(set(await r.keys("page:*")), names)
        equal({name async for name in r.scan_iter(match="page:*", count=7)}, names)
        equal(await r.type("page:1"), b"string")
        before = await r.dbsize()
        equal(await r.delete("page:1", "missing"), 1)
        equal(await r.dbsize(), before - 1)


async def names_of_bytes():
    async with client() as r:
        name = bytes(range(256))
        equal(await r.incr(name), 1)
        equal(await r.get(name), b"1")
        assert name in await r.keys("*")
        equal(await r.delete(name), 1)


async def errors():
    async with client() as r:
        assert "not a" in (await raises(ResponseError, r.incrby("e", "many"))).lower()
        assert "unknown command" in (await raises(ResponseError, r.execute_command("LPUSH", "e", "1"))).lower()
        equal(await r.get("e"), b"0")


async def pipeline():
    async with client() as r, r.pipeline(transaction=False) as pipe:
        for _ in range(1000):
            pipe.incr("p")
        equal(await pipe.execute(), list(range(1, 1001)))
        first, second, third = await pipe.incr("p").incrby("p", "many").incr("p").execute(raise_on_error=False)
        equal((first, third), (1001, 1002))
        assert isinstance(second, ResponseError), second


async def transaction():
    async with client() as r, r.pipeline(transaction=True) as pipe:
        equal(await pipe.incr("t").incrby("t", 2).get("t").execute(), [1, 3, b"3"])
        first, second, third = await pipe.incr("t").incrby("t", "many").incr("t").execute(raise_on_error=False)
        equal((first, third), (4, 5))
        assert isinstance(second, ResponseError), second
        pipe.incr("t").execute_command("LPUSH", "t", 1)
        await raises(ResponseError, pipe.execute())
        equal(await r.get("t"), b"5")
        one = r.client()
        await one.execute_command("MULTI")
        equal(await one.execute_command("INCR", "t"), b"QUEUED")
        equal(await one.execute_command("DISCARD") in (b"OK", True), True)
        equal(await r.get("t"), b"5")
        await one.aclose()


async def watch():
    async with client() as r, r.pipeline() as pipe:
        await pipe.watch("w")
        equal(await pipe.get("w"), b"0")
        pipe.multi()
        equal(await pipe.set("w", 10).execute(), [True])
        await pipe.watch("w")
        await r.incr("w")
        pipe.multi()
        pipe.set("w", 20)
        await raises(library.exceptions.WatchError, pipe.execute())
        equal(await r.get("w"), b"11")


async def message(pubsub, kind, value):
    """The next such message; those of older values are passed over."""
    deadline = time.monotonic() + report.PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            found = await pubsub.get_message(timeout=1)
        except (library.exceptions.ConnectionError, OSError):
            # It connects again by itself; in between there may be nobody.
            await asyncio.sleep(0.02)
            continue
        if found and found["type"] == kind and found["data"] == value:
            return found
    raise TimeoutError(f"no {kind} {value!r}")


async def subscribe():
    async with client() as r, client().pubsub() as pubsub:
        await r.set("s", 5)
        await pubsub.subscribe("s")
        equal((await message(pubsub, "subscribe", 1))["channel"], b"s")
        equal((await message(pubsub, "message", b"5"))["channel"], b"s")
        await r.incrbyfloat("s", "0.5")
        await message(pubsub, "message", b"5.5")
        equal(await r.pubsub_numsub("s"), [(b"s", 1)])
        await pubsub.ping()
        await message(pubsub, "pong", b"")
        await pubsub.unsubscribe()
        await message(pubsub, "unsubscribe", 0)


async def psubscribe():
    async with client() as r, client().pubsub() as pubsub:
        await pubsub.psubscribe("ps:*")
        await message(pubsub, "psubscribe", 1)
        await r.incrby("ps:1", 3)
        found = await message(pubsub, "pmessage", b"3")
        equal((found["pattern"], found["channel"]), (b"ps:*", b"ps:1"))


async def parallel():
    async with client() as r:
        await asyncio.gather(*(r.incr("many") for _ in range(50)))
        equal(await r.get("many"), b"50")


async def reconnects():
    async with client() as r:
        equal(await r.set("r", 7), True)
        report.restart()
        try:
            equal(await r.incr("r"), 8)
        except library.exceptions.ConnectionError:
            # It tells of the lost connection unless a Retry was given to it, and has a new one for the next request.
            equal(sys.argv[1], "valkey")
            equal(await r.incr("r"), 8)


async def resubscribes():
    async with client() as r, client().pubsub() as pubsub:
        await pubsub.subscribe("rs")
        await message(pubsub, "subscribe", 1)
        report.restart()
        await r.incr("rs")
        await message(pubsub, "message", b"1")


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
}


async def main():
    report.version(library.__version__)
    for name, check in CHECKS.items():
        try:
            await check()
            report.ok(name)
        except Exception as error:
            report.failed(name, error)
    report.end()


asyncio.run(main())
