// What happened, newest first, as it happens.

import { byId, Keyed, make, mark, say } from "./dom.js";
import { clock, nodeName } from "./format.js";

const KEPT = 200;
const SHOWN = 6;

const GOOD = ["joined", "recovered", "linked", "repair_ended", "taking_writes"];
const tone = (event) => (["warning", "error"].includes(event.severity) ? "bad" : GOOD.includes(event.kind) ? "good" : "plain");

const known = new Map();
const names = new Map();
let all = false;
const list = new Keyed(byId("events"), () => {
  const time = make("time", { class: "event-time" });
  const kind = make("span", { class: "event-kind" });
  const text = make("span", { class: "event-text" });
  return { root: make("li", { class: "event" }, time, kind, text), time, kind, text };
});

/** Nodes by their names: an id of 40 digits says nothing to anybody. */
function readable(text) {
  const named = text.replace(/[0-9a-f]{40} \((.+? in .+?)\)/g, "$1");
  return named.replace(/[0-9a-f]{40}/g, (id) => names.get(id) ?? id.slice(0, 8));
}

/** Remembers what nodes are called. */
export function learn(nodes) {
  for (const node of nodes) names.set(node.id, nodeName(node));
}

export function add(events) {
  for (const event of events) known.set(event.sequence, event);
  while (known.size > KEPT) known.delete(Math.min(...known.keys()));
  show();
}

function show() {
  const newest = [...known.values()].sort((a, b) => b.sequence - a.sequence);
  list.show(
    newest.slice(0, all ? KEPT : SHOWN),
    (event) => event.sequence,
    (part, event) => {
      mark(part.root, "data-tone", tone(event));
      say(part.time, clock(event.at_ms));
      mark(part.time, "datetime", new Date(event.at_ms).toISOString());
      say(part.kind, String(event.kind).replaceAll("_", " "));
      say(part.text, readable(event.text ?? ""));
    },
  );
  byId("events-none").hidden = newest.length > 0;
  const more = byId("events-more");
  more.hidden = newest.length <= SHOWN;
  say(more, all ? "Show the latest only" : `Show all ${newest.length}`);
  mark(more, "aria-expanded", String(all));
}

byId("events-more").addEventListener("click", () => {
  all = !all;
  show();
});
