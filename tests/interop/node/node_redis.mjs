// node-redis.

import { createRequire } from "node:module";
import { createClient, createClientPool, ErrorReply, MultiErrorReply, RESP_TYPES, WatchError } from "redis";

import { equal, guardedPort, holds, host, password, port, protocol, rejects, restart, run, until } from "./report.mjs";

const { version } = createRequire(import.meta.url)("redis/package.json");

const quiet = (client) => client.on("error", () => {});
const make = (options = {}) => quiet(createClient({ socket: { host, port }, RESP: protocol, ...options }));

/** A client for the time of `work`. */
async function use(work, options) {
  const client = await make(options).connect();
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}

const guarded = (options) => ({ socket: { host, port: guardedPort, reconnectStrategy: false }, ...options });

/** Messages as they come. */
function mailbox() {
  const mails = [];
  return {
    listener: (message, channel) => mails.push([channel, message]),
    holds: (channel, message) =>
      until(`${channel} ${message}`, () => mails.find((mail) => mail[0] === channel && mail[1] === message)),
  };
}

await run(version, {
  async connects() {
    const plain = await quiet(createClient({ socket: { host, port } })).connect();
    equal(await plain.ping(), "PONG");
    await plain.close();
    const url = await quiet(createClient({ url: `redis://${host}:${port}/0`, RESP: protocol })).connect();
    equal(await url.ping(), "PONG");
    await url.close();
  },

  async introduces() {
    await use(
      async (client) => {
        const line = (await client.clientList()).find((line) => line.name === "interop-node");
        equal(line.libName.startsWith("node-redis"), true);
        holds(/^\d+\./.test(line.libVer), line);
        equal((await client.clientInfo()).resp, protocol);
      },
      { name: "interop-node" },
    );
  },

  async password() {
    await use(async (client) => equal(await client.get("missing"), "0"), guarded({ password }));
    await use(async (client) => equal(await client.ping(), "PONG"), guarded({ username: "default", password }));
    const wrong = await rejects(Error, make(guarded({ password: "wrong" })).connect());
    holds(/password/i.test(wrong.message), wrong);
    const none = await rejects(Error, use((client) => client.incr("node"), guarded()));
    holds(/auth/i.test(none.message), none);
  },

  async counts() {
    await use(async (client) => {
      equal(await client.incr("a"), 1);
      equal(await client.incrBy("a", 5), 6);
      equal(await client.decr("a"), 5);
      equal(await client.decrBy("a", 7), -2);
      equal(await client.get("a"), "-2");
      equal(await client.set("a", 41), "OK");
      equal(await client.mGet(["a", "missing"]), ["41", "0"]);
    });
  },

  async decimals() {
    await use(async (client) => {
      equal(String(await client.incrByFloat("d", 0.1)), "0.1");
      equal(String(await client.incrByFloat("d", 0.2)), "0.3");
      equal(await client.incrBy("d", 0.05), "0.35");
      equal(await client.sendCommand(["INCRBY", "d", "0.05"]), "0.4");
      equal(await client.set("big", "9223372036854775807"), "OK");
      equal(await client.incr("big"), "9223372036854775808");
      equal(await client.get("big"), "9223372036854775808");
    });
  },

  async keyspace() {
    await use(async (client) => {
      const names = Array.from({ length: 30 }, (_, number) => `page:${number}`).sort();
      await Promise.all(names.map((name) => client.incr(name)));
      equal(await client.exists(["page:1", "page:2", "missing"]), 2);
      equal((await client.keys("page:*")).sort(), names);
      const seen = new Set();
      for await (const some of client.scanIterator({ MATCH: "page:*", COUNT: 7 })) for (const name of some) seen.add(name);
      equal([...seen].sort(), names);
      equal(await client.type("page:1"), "string");
      const before = await client.dbSize();
      equal(await client.del(["page:1", "missing"]), 1);
      equal(await client.dbSize(), before - 1);
    });
  },

  async bytes() {
    await use(async (client) => {
      const name = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
      equal(await bytes.incr(name), 1);
      equal((await bytes.get(name)).toString(), "1");
      holds((await bytes.keys("*")).some((key) => key.equals(name)), name);
      equal(await bytes.del(name), 1);
    });
  },

  async errors() {
    await use(async (client) => {
      holds(/not a/i.test((await rejects(ErrorReply, client.incrBy("e", "many"))).message), "amount");
      const unknown = await rejects(ErrorReply, client.lPush("e", "1"));
      holds(/unknown command/i.test(unknown.message), unknown);
      await rejects(ErrorReply, client.sendCommand(["GET"]));
      equal(await client.get("e"), "0");
    });
  },

  async pipeline() {
    await use(async (client) => {
      // What is asked in one tick goes in one write.
      const answers = await Promise.all(Array.from({ length: 1000 }, () => client.incr("p")));
      equal(answers, Array.from({ length: 1000 }, (_, index) => index + 1));
      equal(await client.multi().incr("p").get("p").execAsPipeline(), [1001, "1001"]);
      const [first, second, third] = await Promise.allSettled([client.incr("p"), client.incrBy("p", "x"), client.incr("p")]);
      equal([first.value, third.value], [1002, 1003]);
      holds(second.reason instanceof ErrorReply, second);
    });
  },

  async transaction() {
    await use(async (client) => {
      equal(await client.multi().incr("t").incrBy("t", 2).get("t").exec(), [1, 3, "3"]);
      const partly = await rejects(MultiErrorReply, client.multi().incr("t").incrBy("t", "many").incr("t").exec());
      equal([partly.replies[0], partly.replies[2]], [4, 5]);
      equal(partly.errorIndexes, [1]);
      await rejects(ErrorReply, client.multi().incr("t").lPush("t", "1").exec());
      equal(await client.get("t"), "5");
      equal(await client.sendCommand(["MULTI"]), "OK");
      equal(await client.sendCommand(["INCR", "t"]), "QUEUED");
      equal(await client.sendCommand(["DISCARD"]), "OK");
      equal(await client.get("t"), "5");
    });
  },

  async watch() {
    await use(async (client) => {
      await client.watch("w");
      equal(await client.multi().set("w", 10).exec(), ["OK"]);
      await client.watch("w");
      await use((other) => other.incr("w"));
      await rejects(WatchError, client.multi().set("w", 20).exec());
      equal(await client.get("w"), "11");
    });
  },

  async subscribe() {
    await use((client) =>
      use(async (subscriber) => {
        const mails = mailbox();
        await client.set("s", 5);
        await subscriber.subscribe("s", mails.listener);
        await mails.holds("s", "5");
        await client.incrByFloat("s", 0.5);
        await mails.holds("s", "5.5");
        equal({ ...(await client.pubSubNumSub(["s"])) }, { s: 1 });
        holds(/^pong$/i.test(await subscriber.ping()), "ping");
        // Under RESP3 a connection with subscriptions is asked like any other.
        if (protocol === 3) equal(await subscriber.incr("s"), "6.5");
        await subscriber.unsubscribe("s");
        equal({ ...(await client.pubSubNumSub(["s"])) }, { s: 0 });
      }),
    );
  },

  async psubscribe() {
    await use((client) =>
      use(async (subscriber) => {
        const mails = mailbox();
        await subscriber.pSubscribe("ps:*", mails.listener);
        await client.incrBy("ps:1", 3);
        await mails.holds("ps:1", "3");
        await subscriber.pUnsubscribe("ps:*");
        equal(await client.pubSubNumPat(), 0);
      }),
    );
  },

  async parallel() {
    const pool = await quiet(createClientPool({ socket: { host, port }, RESP: protocol }, { maximum: 20 })).connect();
    await Promise.all(Array.from({ length: 500 }, () => pool.incr("many")));
    equal(await pool.get("many"), "500");
    await pool.close();
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
        const mails = mailbox();
        await subscriber.subscribe("rs", mails.listener);
        await restart();
        await client.incr("rs");
        await mails.holds("rs", "1");
      }),
    );
  },
});
