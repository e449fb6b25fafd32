// The rates of this node with their last minute, what prediction saved, and the standing facts.

import { byId, make, say, mark } from "./dom.js";
import { bytes, count, percent, plural, rate, seconds } from "./format.js";
import { Past, plot, spark } from "./spark.js";

const RATES = [
  ["increments_per_second", "Increments", rate],
  ["commands_per_second", "Commands", rate],
  ["records_sent_per_second", "Records sent", rate],
  ["records_received_per_second", "Records received", rate],
  ["bytes_sent_per_second", "Bytes sent", bytes],
  ["bytes_received_per_second", "Bytes received", bytes],
];

const rates = RATES.map(([key, label, format]) => {
  const figure = make("span", { class: "rate-figure" });
  const line = spark(150, 34);
  byId("rates").append(make("div", { class: "rate" }, make("dt", {}, label), make("dd", {}, figure, line.root)));
  return { key, format, figure, line, past: new Past() };
});

const facts = new Map();
function fact(label, text, tone) {
  let part = facts.get(label);
  if (!part) {
    const value = make("dd");
    part = { value, root: make("div", { class: "fact" }, make("dt", {}, label), value) };
    facts.set(label, part);
    byId("facts").append(part.root);
  }
  part.root.hidden = text === null;
  say(part.value, text ?? "");
  mark(part.root, "data-tone", tone);
}

const known = (value) => value !== null && value !== undefined;

function saved(totals) {
  const box = byId("saved");
  const changes = totals?.increments;
  const records = totals?.prediction_misses;
  const share = totals?.records_saved_ratio;
  box.hidden = !known(changes) || !known(records) || !known(share) || changes === 0;
  if (box.hidden) return;
  say(byId("saved-share"), percent(Math.max(0, share)));
  say(byId("saved-text"), `${plural(changes, "change was", "changes were")} made here, and ${plural(records, "record")} told them.`);
  mark(byId("saved-bar"), "width", Math.max(0, Math.min(1, 1 - share)) * 100);
}

export function show(summary) {
  for (const part of rates) {
    const value = summary.rates?.[part.key];
    part.past.push(value);
    say(part.figure, part.format(value));
    plot(part.line, part.past.values);
  }
  saved(summary.totals);
  const { counters, clients, memory, storage, totals } = summary;
  fact("Counters", known(counters?.held) ? count(counters.held) : null);
  fact("Nodes reachable", known(summary.cluster?.nodes) ? `${summary.cluster.reachable_nodes ?? "–"} of ${summary.cluster.nodes}` : null);
  fact("Increments in all", known(totals?.increments) ? count(totals.increments) : null);
  fact("Clients", known(clients?.connected) ? count(clients.connected) : null);
  fact("Memory", known(memory?.resident_bytes) ? bytes(memory.resident_bytes) : null);
  const failing = (storage?.commit_failing_seconds ?? 0) > 0 || storage?.refusing_writes;
  const commit = known(storage?.last_commit_usec) ? `, ${(storage.last_commit_usec / 1000).toFixed(1)} ms` : "";
  fact("Durability", storage?.durability ? `${storage.durability}${commit}` : null, failing ? "bad" : null);
  fact("On disk", known(storage?.store_bytes) ? bytes(storage.store_bytes) : null);
  const days = summary.certificate_days_left;
  fact("Certificate", known(days) ? `${plural(Math.floor(days), "day")} left` : null, days < 14 ? "bad" : null);
  fact("Up", known(summary.node?.uptime_seconds) ? seconds(summary.node.uptime_seconds) : null);
}
