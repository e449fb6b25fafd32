// ioredis, and what was made of it (iovalkey). The argument is the package's name.

import { createRequire } from "node:module";

import { equal, guardedPort, holds, host, password, port, protocol, rejects, restart, run, until } from "./report.mjs";

const require = createRequire(import.meta.url);
const [name] = process.argv.slice(2);
const Client = require(name).default;
const { ReplyError } = require(name);
const { version } = require(`${name}/package.json`);
// Without one of these iovalkey would not be asked for RESP3, which it does not have.
const options = name === "ioredis" ? { host, port, protocol } : { host, port };

const quiet = (client) => client.on("error", () => {});
const make = (more = {}) => quiet(new Client({ ...options, ...more }));

/** A client for the time of `work`. */
async function use(work, more) {
  const client = make(more);
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}

const guarded = (more) => ({ port: guardedPort, retryStrategy: null, ...more });

/** Messages as they come. */
function mailbox(subscriber) {
  const mails = [];
  subscriber.on("message", (channel, message) => mails.push([channel, message]));
  subscriber.on("pmessage", (pattern, channel, message) => mails.push([channel, message]));
  return (channel, message) =>
    until(`${channel} ${message}`, () => mails.find((mail) => mail[0] === channel && mail[1] === message));
}

await run(version, {
  async connects() {
    const plain = quiet(new Client(port, host));
    equal(await plain.ping(), "PONG");
    equal(await plain.quit(), "OK");
    const url = quiet(new Client(`redis://${host}:${port}/0`, protocol === 3 ? {} : options));
    equal(await url.ping(), "PONG");
    url.disconnect();
  },

  async introduces() {
    await use(
      async (client) => {
        // iovalkey says nothing of itself.
        const says = name === "ioredis" ? new RegExp(` lib-name=ioredis lib-ver=${version}`) : /./;
        await client.ping();
        // It tells of its library without waiting for the answer.
        const line = await until("its line", async () =>
          (await client.client("LIST")).split("\n").find((line) => line.includes(" name=interop-io ") && says.test(line)),
        );
        holds(line.includes(` resp=${protocol}`), line);
      },
      { connectionName: "interop-io" },
    );
  },

  async password() {
    await use(async (client) => equal(await client.get("missing"), "0"), guarded({ password }));
    await use(async (client) => equal(await client.ping(), "PONG"), guarded({ username: "default", password }));
    const wrong = await rejects(Error, use((client) => client.incr("io"), guarded({ password: "wrong" })));
    holds(/WRONGPASS|NOAUTH|closed/i.test(wrong.message), wrong);
    const none = await rejects(Error, use((client) => client.incr("io"), guarded()));
    holds(/NOAUTH|closed/i.test(none.message), none);
  },

  async counts() {
    await use(async (client) => {
      equal(await client.incr("a"), 1);
      equal(await client.incrby("a", 5), 6);
      equal(await client.decr("a"), 5);
      equal(await client.decrby("a", 7), -2);
      equal(await client.get("a"), "-2");
      equal(await client.set("a", 41), "OK");
      equal(await client.mget("a", "missing"), ["41", "0"]);
    });
  },

  async decimals() {
    await use(async (client) => {
      equal(await client.incrbyfloat("d", "0.1"), "0.1");
      equal(await client.incrbyfloat("d", "0.2"), "0.3");
      equal(await client.incrby("d", "0.05"), "0.35");
      equal(await client.set("big", "9223372036854775807"), "OK");
      equal(await client.incr("big"), "9223372036854775808");
      equal(await client.get("big"), "9223372036854775808");
    });
  },

  async keyspace() {
    await use(async (client) => {
      const names = Array.from({ length: 30 }, (_, number) => `page:${number}`).sort();
      await Promise.all(names.map((name) => client.incr(name)));
      equal(await client.exists("page:1", "page:2", "missing"), 2);
      equal((await client.keys("page:*")).sort(), names);
      const seen = new Set();
      for await (const some of client.scanStream({ match: "page:*", count: 7 })) for (const name of some) seen.add(name);
      equal([...seen].sort(), names);
      equal(await client.type("page:1"), "string");
      const before = await client.dbsize();
      equal(await client.del("page:1", "missing"), 1);
      equal(await client.dbsize(), before - 1);
    });
  },

  async bytes() {
    await use(async (client) => {
      const name = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      equal(await client.incr(name), 1);
      equal((await client.getBuffer(name)).toString(), "1");
      holds((await client.keysBuffer("*")).some((key) => key.equals(name)), name);
      equal(await client.del(name), 1);
    });
  },

  async errors() {
    await use(async (client) => {
      holds(/not a/i.test((await rejects(ReplyError, client.incrby("e", "many"))).message), "amount");
      holds(/unknown command/i.test((await rejects(ReplyError, client.lpush("e", "1"))).message), "command");
      await rejects(ReplyError, client.call("GET"));
      equal(await client.get("e"), "0");
    });
  },

  async pipeline() {
    await use(async (client) => {
      const pipeline = client.pipeline();
      for (let number = 0; number < 1000; number += 1) pipeline.incr("p");
      equal(await pipeline.exec(), Array.from({ length: 1000 }, (_, index) => [null, index + 1]));
      const [first, second, third] = await client.pipeline().incr("p").incrby("p", "many").incr("p").exec();
      equal([first[1], third[1]], [1001, 1002]);
      holds(second[0] instanceof ReplyError, second);
    });
    await use(
      async (client) => equal(await Promise.all([client.incr("auto"), client.incr("auto")]), [1, 2]),
      { enableAutoPipelining: true },
    );
  },

  async transaction() {
    await use(async (client) => {
      equal(await client.multi().incr("t").incrby("t", 2).get("t").exec(), [[null, 1], [null, 3], [null, "3"]]);
      const [first, second, third] = await client.multi().incr("t").incrby("t", "many").incr("t").exec();
      equal([first[1], third[1]], [4, 5]);
      holds(second[0] instanceof ReplyError, second);
      const refused = await rejects(ReplyError, client.multi().incr("t").lpush("t", "1").exec());
      holds(/EXECABORT/.test(refused.message), refused);
      equal(await client.get("t"), "5");
      await client.multi({ pipeline: false });
      equal(await client.incr("t"), "QUEUED");
      equal(await client.discard(), "OK");
      equal(await client.get("t"), "5");
    });
  },

  async watch() {
    await use(async (client) => {
      equal(await client.watch("w"), "OK");
      equal(await client.multi().set("w", 10).exec(), [[null, "OK"]]);
      await client.watch("w");
      await use((other) => other.incr("w"));
      equal(await client.multi().set("w", 20).exec(), null);
      equal(await client.get("w"), "11");
    });
  },

  async subscribe() {
    await use((client) =>
      use(async (subscriber) => {
        const comes = mailbox(subscriber);
        await client.set("s", 5);
        equal(await subscriber.subscribe("s"), 1);
        await comes("s", "5");
        await client.incrbyfloat("s", 0.5);
        await comes("s", "5.5");
        equal(await client.pubsub("NUMSUB", "s"), ["s", 1]);
        holds(["PONG", "pong"].includes([await subscriber.ping()].flat()[0]), "ping");
        equal(await subscriber.unsubscribe("s"), 0);
      }),
    );
  },

  async psubscribe() {
    await use((client) =>
      use(async (subscriber) => {
        const comes = mailbox(subscriber);
        equal(await subscriber.psubscribe("ps:*"), 1);
        await client.incrby("ps:1", 3);
        await comes("ps:1", "3");
        equal(await subscriber.punsubscribe("ps:*"), 0);
      }),
    );
  },

  async parallel() {
    const clients = Array.from({ length: 20 }, () => make());
    await Promise.all(clients.flatMap((client) => Array.from({ length: 25 }, () => client.incr("many"))));
    equal(await clients[0].get("many"), "500");
    for (const client of clients) client.disconnect();
  },

  async reconnects() {
    await use(async (client) => {
      equal(await client.set("r", 7), "OK");
      await restart();
      equal(await client.incr("r"), 8);
    });
  },

  async resubscribes() {
    await use((client) =>
      use(async (subscriber) => {
        const comes = mailbox(subscriber);
        await subscriber.subscribe("rs");
        await restart();
        await client.incr("rs");
        await comes("rs", "1");
      }),
    );
  },
});
