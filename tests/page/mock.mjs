// Plays a node's HTTP side, for work on the page without a cluster: `node tests/page/mock.mjs [port]`.
//
// What it says is made up, but of the shape that the node's is. POST /mock/kill?node=2 silences a node of it, /mock/revive wakes it.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const PAGE = new URL("../../src/http/page/", import.meta.url).pathname;
const KINDS = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8" };
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const LEASE_MS = 3000;
const began = Date.now();
const PLACES = [["lisbon-1", "lisbon", 0], ["lisbon-2", "lisbon", 0.4], ["oslo-1", "oslo", 31], ["oslo-2", "oslo", 33], ["lima-1", "lima", 148]].slice(0, Number(process.env.MOCK_NODES ?? 5));
const nodes = PLACES.map(([name, datacentre, trip], index) => ({ id: String(index).repeat(40), name, datacentre, trip, silent_since: null }));
const events = [];
const streams = new Set();
const NAMES = ["visits:home", "visits:login", "api:requests", "clicks:<b>bold</b>", "orders:eu", "likes:post:88123", "ünïcode/über", "stock:4711"];
const counters = Array.from({ length: 10_000 }, (_, index) => ({
  name: NAMES[index] ?? `user:${String(index).padStart(5, "0")}:clicks`,
  value: 1000 * index,
  rate: index < 60 ? 4000 / (index + 1) : 0,
}));
counters[0].value = 184_467_440_737;

function happen(kind, node, text) {
  const event = { sequence: events.length + 1, at_ms: Date.now(), kind, node_id: node.id, node_name: node.name, text };
  events.push(event);
  for (const stream of streams) stream("event", event);
}
nodes.slice(1).forEach((node) => happen("joined", node, `${node.name} joined from ${node.datacentre}`));

const wave = (counter, at = Date.now()) => counter.rate * (1 + 0.3 * Math.sin(at / 7000 + counter.name.length));
setInterval(() => {
  for (const counter of counters.slice(0, 60)) counter.value += wave(counter) / 10;
  for (const node of nodes) {
    const outside = node.silent_since !== null && Date.now() - node.silent_since > LEASE_MS + 500;
    if (outside && !node.told) happen("failed", node, `${node.name} was not heard from and is taken for failed`);
    if (!outside && node.told) happen("recovered", node, `${node.name} is back`);
    node.told = outside;
  }
}, 100);

function summary() {
  const uptime_seconds = (Date.now() - began) / 1000 + 400_000;
  const rate = counters.reduce((sum, counter) => sum + wave(counter), 0);
  const silent = nodes.filter((node) => node.told);
  return {
    node: { id: nodes[0].id, name: nodes[0].name, datacentre: nodes[0].datacentre, version: "0.9.0", host: "10.1.0.1", client_port: 5262, mesh_port: 5262, uptime_seconds, started_at_ms: began, incarnation: 1 },
    cluster: { state: silent.length ? "degraded" : "ok", nodes: nodes.length, reachable_nodes: nodes.length - silent.length, replicas: 5, lease_ms: LEASE_MS },
    counters: { held: counters.length, waiting: 3, beyond_precision: 0 },
    rates: { commands_per_second: rate * 1.2, increments_per_second: rate, records_sent_per_second: 120 + 20 * Math.sin(Date.now() / 3000), records_received_per_second: 240, bytes_sent_per_second: 48_000, bytes_received_per_second: 96_000 },
    totals: { commands: 9_000_000, increments: 8_200_000, records_sent: 41_000, records_received: 82_000, prediction_hits: 1, prediction_misses: 41_000, records_saved_ratio: 0.995 },
    clients: { connected: 48 }, memory: { resident_bytes: 84_000_000 },
    storage: { durability: "everysec", last_commit_usec: 812, commit_failing_seconds: 0, refusing_writes: false, store_bytes: 12_000_000 },
    certificate_days_left: 71.4, authority_days_left: 3000,
    problems: silent.map((node) => ({ severity: "error", code: "node_failed", what: `${node.name} in ${node.datacentre} is not reachable.`, what_to_do: "See whether the machine and the network are up. What it counted stays counted.", since_ms: node.silent_since })),
  };
}

function nodeList() {
  const now = Date.now();
  return { nodes: nodes.map((node, index) => {
    const heard = node.silent_since === null ? (now % 300) : now - node.silent_since;
    const in_lease = heard <= LEASE_MS;
    return { id: node.id, name: node.name, datacentre: node.datacentre, host: `10.1.0.${index + 1}`, client_port: 5262, mesh_port: 5262, myself: index === 0, state: in_lease ? "ok" : node.told ? "failed" : "suspected", in_lease,
      round_trip_ms: index === 0 ? null : node.trip * (1 + 0.05 * Math.sin(now / 900 + index)), last_heard_ms_ago: index === 0 ? 0 : heard, linked_since_ms: began, lag_records: in_lease ? 0 : 12, lag_seconds: in_lease ? 0 : heard / 1000, protocol: 3, version: "0.9.0",
      datagrams_sent: 10_000, datagrams_received: 20_000, datagrams_lost: index, bytes_sent: 1_000_000 * index, bytes_received: 2_000_000 * index };
  }) };
}

const row = (counter, past) => ({ name: counter.name, path: `/api/v1/counters/${encodeURIComponent(counter.name)}`, value: String(Math.round(counter.value)), rate_per_second: wave(counter),
  history: past ? Array.from({ length: 60 }, (_, at) => wave(counter, Date.now() - (59 - at) * 1000)) : null });

function page(query) {
  const limit = Number(query.get("limit") ?? 50);
  const begin = Number(query.get("cursor") ?? 0);
  const pattern = query.get("search");
  const matches = pattern ? new RegExp(`^${pattern.replace(/[.+^${}()|\\]/g, "\\$&").replaceAll("*", ".*").replaceAll("?", ".")}$`, "s") : null;
  if (query.get("sort") === "rate" && !pattern) return { counters: counters.slice(0, limit).map((counter) => row(counter, true)), cursor: null, total_estimate: counters.length };
  const stretch = counters.slice(begin, begin + (pattern ? 2000 : limit)).filter((counter) => !matches || matches.test(counter.name));
  const end = begin + (pattern ? 2000 : limit);
  return { counters: stretch.slice(0, limit).map((counter) => row(counter, false)), cursor: end < counters.length ? String(end) : null, total_estimate: counters.length };
}

const shares = new Map();
function one(counter) {
  const now = performance.now();
  if (!shares.has(counter.name)) shares.set(counter.name, nodes.map(() => ({ share: 0, at: now, rate: 0, error: 0, received: 0 })));
  const held = shares.get(counter.name);
  const speed = wave(counter) / nodes.length;
  const replicas = nodes.map((node, index) => {
    const part = held[index];
    const truth = (counter.value * (index + 1)) / 15;
    if (index === 0 || (now - part.at > 700 && node.silent_since === null)) {
      part.error = (Math.random() - 0.5) * 3;
      part.received += 1;
      Object.assign(part, { share: Math.round(truth), at: now - 20 * Math.random(), rate: speed });
    }
    const age = now - part.at;
    return { node_id: node.id, incarnation: 1, node_name: node.name, datacentre: node.datacentre, share: String(part.share), rate_per_second: part.rate, predicted: String(Math.round(part.share + (part.rate * Math.min(age, LEASE_MS)) / 1000)), as_of_ms_ago: index === 0 ? 0 : age, myself: index === 0, last_error: part.error.toFixed(2), records_received: part.received };
  });
  return { name: counter.name, value: String(Math.round(counter.value)), bound: { below: "2", above: "2", certain: nodes.every((node) => node.silent_since === null) }, precision: "2", rate_per_second: wave(counter), at_usec: now * 1000,
    predictions: { records_sent: 4100, changes_made: 812_000, saved_ratio: 0.99495 }, replicas, last_assignment: null };
}

function stream(response, query) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const send = (kind, value) => response.write(`event: ${kind}\ndata: ${JSON.stringify(value)}\n\n`);
  const second = () => { send("summary", summary()); send("nodes", nodeList()); send("top", { counters: counters.slice(0, 50).map((counter) => row(counter, false)) }); };
  second();
  const timers = [setInterval(second, 1000)];
  const found = counters.find((counter) => counter.name === query.get("counter"));
  if (found) timers.push(setInterval(() => send("counter", one(found)), 250));
  streams.add(send);
  response.on("close", () => { timers.forEach(clearInterval); streams.delete(send); });
}

async function file(response, name) {
  if (!/^[a-z0-9.-]+$/.test(name)) return refuse(response, "no_such_page");
  const body = await readFile(join(PAGE, name)).catch(() => null);
  if (body === null) return refuse(response, "no_such_page");
  response.writeHead(200, { "content-type": KINDS[extname(name)] ?? "application/octet-stream", "content-security-policy": CSP, "x-content-type-options": "nosniff" });
  response.end(body);
}

function refuse(response, code) {
  response.writeHead(404, { "content-type": "application/json" });
  response.end(JSON.stringify({ error: { code, message: code.replaceAll("_", " ") } }));
}

function json(response, value) {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://mock");
  const api = pathname.replace("/api/v1/", "");
  if (pathname === "/") file(response, "index.html");
  else if (pathname.startsWith("/page/")) file(response, pathname.slice(6));
  else if (api === "summary") json(response, summary());
  else if (api === "nodes") json(response, nodeList());
  else if (api === "counters") json(response, page(searchParams));
  else if (api === "events") json(response, { events });
  else if (api === "stream") stream(response, searchParams);
  else if (api === "counter") {
    const found = counters.find((counter) => counter.name === searchParams.get("name"));
    if (found) json(response, one(found));
    else refuse(response, "no_such_counter");
  } else if (pathname === "/mock/kill" || pathname === "/mock/revive") {
    nodes[Number(searchParams.get("node"))].silent_since = pathname === "/mock/kill" ? Date.now() : null;
    json(response, {});
  } else refuse(response, "no_such_page");
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/`));
