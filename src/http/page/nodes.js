// The nodes as a table: what the picture shows, in figures.

import { byId, Keyed, make, mark, say } from "./dom.js";
import { count, milliseconds, nodeName, seconds } from "./format.js";
import { byDatacentre, health, standing } from "./mesh.js";

const list = new Keyed(byId("nodes"), () => {
  const cells = ["lease", "trip", "heard", "lag"].map((name) => [name, make("td", { class: `node-${name}` })]);
  const name = make("span", { class: "node-name" });
  const id = make("span", { class: "node-id" });
  const sign = make("span", { class: "sign", "aria-hidden": "true" });
  const words = make("span");
  const part = Object.fromEntries(cells);
  part.lease.append(sign, words);
  return { ...part, root: make("tr", {}, make("th", { scope: "row" }, name, id), ...cells.map(([, cell]) => cell)), name, id, sign, words };
});

const SIGNS = { ok: "●", doubtful: "✕", bad: "✕" };

function lag(node) {
  const records = node.lag_records;
  if (node.myself || records === null || records === undefined) return "–";
  if (records === 0) return "none";
  return node.lag_seconds ? `${count(records)}, ${seconds(node.lag_seconds)}` : count(records);
}

export function show(nodes) {
  const sorted = byDatacentre(nodes).flatMap(([, group]) => group);
  list.show(
    sorted,
    (node) => node.id,
    (part, node) => {
      mark(part.root, "data-health", health(node));
      say(part.name, nodeName(node));
      say(part.id, [node.datacentre, `${node.host ?? ""}${node.client_port ? `:${node.client_port}` : ""}`].filter(Boolean).join(" · "));
      mark(part.id, "title", node.id);
      say(part.sign, SIGNS[health(node)]);
      say(part.words, standing(node));
      say(part.trip, node.myself ? "–" : milliseconds(node.round_trip_ms));
      say(part.heard, node.myself || !Number.isFinite(node.last_heard_ms_ago) ? "–" : node.last_heard_ms_ago < 1000 ? "now" : `${seconds(Math.round(node.last_heard_ms_ago / 1000))} ago`);
      say(part.lag, lag(node));
    },
  );
}
