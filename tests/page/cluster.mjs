// Real nodes on ports that the system chose, with data directories of their own, and clients that count on them.

import { spawn } from "node:child_process";
import { mkdir, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PATIENCE_MS = 30_000;

/** Waits until `look` answers with something true, and answers that; fails with what was waited for. */
export async function until(what, look, patience_ms = PATIENCE_MS) {
  const deadline = performance.now() + patience_ms;
  let last;
  for (;;) {
    try {
      const answer = await look();
      if (answer) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) throw new Error(`${what} did not come within ${patience_ms} ms${last ? `: ${last.message}` : ""}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Sends requests and counts replies; enough of the protocol for replies of one line, and bulk strings. */
export class Client {
  constructor(port) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.setNoDelay(true);
    this.waiting = [];
    this.rest = Buffer.alloc(0);
    this.ended = false;
    this.socket.on("data", (bytes) => this.take(bytes));
    this.socket.on("error", () => this.end());
    this.socket.on("close", () => this.end());
  }

  end() {
    this.ended = true;
    for (const { reject } of this.waiting.splice(0)) reject(new Error("the connection ended"));
  }

  ask(...words) {
    const parts = words.map((word) => Buffer.from(String(word)));
    const head = Buffer.from(`*${parts.length}\r\n`);
    const bytes = Buffer.concat([head, ...parts.flatMap((part) => [Buffer.from(`$${part.length}\r\n`), part, Buffer.from("\r\n")])]);
    return new Promise((resolve, reject) => {
      if (this.ended) return reject(new Error("the connection ended"));
      this.waiting.push({ resolve, reject });
      this.socket.write(bytes);
    });
  }

  take(bytes) {
    this.rest = Buffer.concat([this.rest, bytes]);
    for (;;) {
      const end = this.rest.indexOf("\r\n");
      if (end < 0) return;
      const line = this.rest.toString("utf8", 0, end);
      let used = end + 2;
      let value = line.slice(1);
      if (line[0] === "$" && value !== "-1") {
        if (this.rest.length < used + Number(value) + 2) return;
        const begin = used;
        used += Number(value) + 2;
        value = this.rest.toString("utf8", begin, used - 2);
      }
      this.rest = this.rest.subarray(used);
      const { resolve, reject } = this.waiting.shift();
      if (line[0] === "-") reject(new Error(value));
      else resolve(line === "$-1" ? null : value);
    }
  }

  close() {
    this.socket.destroy();
  }
}

class Node {
  constructor(cluster, name, datacentre) {
    Object.assign(this, { cluster, name, datacentre, port: 0, url: null, process: null });
  }

  async start(settings = {}) {
    const folder = join(this.cluster.folder, this.name);
    await mkdir(folder, { recursive: true });
    const all = { "node.name": this.name, "node.datacentre": this.datacentre, ...settings };
    const words = ["--port", String(this.port), "--data-dir", join(folder, "data"), "--certs-dir", join(this.cluster.folder, "certs")];
    for (const [key, value] of Object.entries(all)) words.push("--set", `${key}=${value}`);
    this.process = spawn(this.cluster.program, words, { stdio: ["ignore", "pipe", "pipe"] });
    let log = "";
    this.process.stderr.on("data", (bytes) => (log = (log + bytes).slice(-4000)));
    await new Promise((resolve, reject) => {
      createInterface({ input: this.process.stdout }).on("line", (line) => {
        const [word, value] = line.split(/\s+/);
        if (word === "clients") this.port = Number(value.split(":").at(-1));
        if (word === "http") this.url = value;
        if (word === "connect") resolve();
      });
      this.process.on("exit", () => reject(new Error(`${this.name} did not start:\n${log}`)));
    });
    if (this.url === null) throw new Error(`${this.name} does not say where its status page is`);
    return this;
  }

  signal(name) {
    this.process.kill(name);
  }

  async kill() {
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGKILL");
    await ended;
  }

  async ask(...words) {
    const client = new Client(this.port);
    try {
      return await client.ask(...words);
    } finally {
      client.close();
    }
  }
}

/** Counts on a node until it is stopped: `per_second` increments on average, when chance has it, as visitors come. */
function load(node, names, per_second) {
  const client = new Client(node.port);
  let due_ms = performance.now();
  const timer = setInterval(() => {
    if (client.ended) return clearInterval(timer);
    for (const now = performance.now(); due_ms < now; due_ms -= (Math.log(Math.random()) * 1000) / per_second) {
      // The first names get more than the last.
      client.ask("INCR", names[Math.floor(names.length * Math.random() ** 2)]).catch(() => {});
    }
  }, 5);
  return () => {
    clearInterval(timer);
    client.close();
  };
}

export class Cluster {
  constructor(program, folder) {
    Object.assign(this, { program, folder, nodes: [], others: [], loads: [] });
  }

  async start(places) {
    await mkdir(this.folder, { recursive: true });
    for (const [name, datacentre] of places) this.nodes.push(await new Node(this, name, datacentre).start());
    const [first, ...others] = this.nodes;
    for (const other of others) await first.ask("CLUSTER", "MEET", "127.0.0.1", String(other.port));
    await until("the mesh", async () => {
      const answers = await Promise.all(this.nodes.map((node) => node.ask("CLUSTER", "INFO")));
      return answers.every((answer) => answer.includes("cluster_state:ok") && answer.includes(`cluster_reachable_nodes:${this.nodes.length - 1}`));
    });
    return this;
  }

  /** A node that is in no cluster. */
  async alone(name, settings) {
    const node = await new Node(this, name, "nowhere").start(settings);
    this.others.push(node);
    return node;
  }

  load(names, per_second) {
    this.loads.push(...this.nodes.map((node) => load(node, names, per_second)));
  }

  quiet() {
    for (const stop of this.loads.splice(0)) stop();
  }

  async stop() {
    this.quiet();
    for (const node of [...this.nodes, ...this.others]) node.process?.kill("SIGKILL");
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Makes many counters in few requests: `count` names of `prefix` and a number. */
export async function fill(node, prefix, count) {
  const client = new Client(node.port);
  const asked = [];
  for (let number = 0; number < count; number += 1) asked.push(client.ask("INCRBY", `${prefix}${String(number).padStart(6, "0")}`, String(number + 1)));
  await Promise.all(asked);
  client.close();
}
