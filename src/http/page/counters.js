// The counters: the busiest as they move, or all of them, searched and page by page. A page is what is in the document,
// so ten thousand counters, or ten million, cost the browser no more than fifty.

import { grouped } from "./amount.js";
import { byId, Keyed, make, mark, say } from "./dom.js";
import { ask } from "./feed.js";
import { count, rate } from "./format.js";
import { Past, plot, spark } from "./spark.js";

const BUSIEST = 20;
const ROWS = 50;
const REFRESH_MS = 2000;
// The order is kept for a while, so that a row is still there when the pointer arrives.
const REORDER_MS = 5000;
const PASTS = 1000;
// So many stretches of names without a hit are looked through for one search.
const EMPTY_PAGES = 40;

const form = byId("counters-form");
const search = byId("counters-search");
const table = byId("counters-table");
const pasts = new Map();
let rows = [];
let order = [];
let ordered_at = -Infinity;
let wanted = { sort: "rate", search: "", cursors: [null] };
let next = null;
let looking = null;
let trouble = "";

const list = new Keyed(byId("counters"), () => {
  const link = make("a", { class: "counter-link" });
  const value = make("td", { class: "number" });
  const speed = make("td", { class: "number" });
  const line = spark(120, 22);
  const root = make("tr", {}, make("th", { scope: "row" }, link), value, speed, make("td", { class: "counter-past" }, line.root));
  return { root, link, value, speed, line };
});

/** Where a counter is opened. The node encodes names: they may be any bytes. */
const address = (counter) => `#counter=${counter.path.split(/[/=]/).at(-1)}`;

function remember(counter, fresh) {
  let past = pasts.get(counter.path);
  const told = Array.isArray(counter.history) ? counter.history : [];
  // The stream may have come first, and knows no past.
  if (!past || told.length > past.values.length) {
    past = new Past(told);
    pasts.delete(counter.path);
    pasts.set(counter.path, past);
    if (pasts.size > PASTS) pasts.delete(pasts.keys().next().value);
  }
  if (fresh) past.push(counter.rate_per_second);
  return past;
}

const isBusiest = () => wanted.sort === "rate" && wanted.search === "";

/** Rows keep their places, unless it is time to sort again and nobody is about to choose one. */
function arrange(counters) {
  const now = performance.now();
  const busy = table.matches(":hover") || table.contains(document.activeElement);
  if (now - ordered_at > REORDER_MS && !busy) {
    order = counters.map((counter) => counter.path);
    ordered_at = now;
    return counters;
  }
  const found = new Map(counters.map((counter) => [counter.path, counter]));
  const old = order.filter((name) => found.has(name));
  const seen = new Set(old);
  order = [...old, ...counters.map((counter) => counter.path).filter((name) => !seen.has(name))];
  return order.map((name) => found.get(name));
}

function show() {
  list.show(
    rows,
    (counter) => counter.path,
    (part, counter) => {
      say(part.link, counter.name);
      mark(part.link, "title", counter.name);
      mark(part.link, "href", address(counter));
      say(part.value, grouped(counter.value));
      say(part.speed, rate(counter.rate_per_second));
      plot(part.line, pasts.get(counter.path)?.values ?? []);
    },
  );
  const page = wanted.cursors.length;
  byId("counters-previous").disabled = page === 1;
  byId("counters-next").disabled = next === null;
  byId("counters-pages").hidden = page === 1 && next === null;
  say(byId("counters-page"), `Page ${page}`);
  say(byId("counters-state"), state());
  table.hidden = rows.length === 0;
}

function state() {
  if (trouble) return trouble;
  // The node looks for the busiest only from when it is asked.
  if ((looking || performance.now() < 4000) && rows.length === 0) return "Looking…";
  if (rows.length > 0) return "";
  if (wanted.search) return `No counter matches ${wanted.search}${next === null ? "." : " so far; the next page looks on."}`;
  return isBusiest() ? "Nothing is being counted just now." : "There are no counters yet.";
}

/** What the stream says of the busiest. */
export function top(counters) {
  for (const counter of counters) remember(counter, true);
  if (!isBusiest() || wanted.cursors.length > 1) return;
  rows = arrange(counters.slice(0, BUSIEST));
  trouble = "";
  show();
}

function path(cursor) {
  const query = new URLSearchParams({ sort: wanted.sort, limit: isBusiest() ? BUSIEST : ROWS });
  if (wanted.search) query.set("search", wanted.search);
  if (cursor !== null) query.set("cursor", cursor);
  return `counters?${query}`;
}

/** Asks for the page that is wanted, and shows it if it is still wanted then. */
async function look() {
  const mine = wanted;
  looking = mine;
  try {
    let cursor = mine.cursors.at(-1);
    let answer;
    for (let stretch = 0; stretch < EMPTY_PAGES; stretch += 1) {
      answer = await ask(path(cursor));
      if (mine !== wanted) return;
      if (answer.counters.length > 0 || answer.cursor === null) break;
      cursor = answer.cursor;
    }
    trouble = "";
    rows = answer.counters;
    next = answer.cursor ?? null;
    for (const counter of rows) remember(counter, !isBusiest());
    if (isBusiest()) order = rows.map((counter) => counter.path);
    const total = answer.total_estimate;
    say(byId("counters-total"), typeof total === "number" ? `${count(total)} in all` : "");
  } catch (error) {
    if (mine === wanted) trouble = `The counters cannot be shown: ${error.message}.`;
  }
  if (mine === wanted) {
    looking = null;
    show();
  }
}

function want(change) {
  wanted = { ...wanted, ...change };
  rows = change.cursors && change.cursors.length > 1 ? rows : [];
  ordered_at = -Infinity;
  trouble = "";
  look();
  show();
}

/** A word means names that have it in them; what has a wildcard is taken as it is. */
const glob = (words) => (words === "" || /[*?[\\]/.test(words) ? words : `*${words}*`);

let typing = 0;
function typed() {
  clearTimeout(typing);
  const found = glob(search.value.trim());
  // The busiest are a short list: a search is one of all.
  if (found !== wanted.search && found !== "") form.elements.sort.value = "name";
  const sort = form.elements.sort.value;
  if (found !== wanted.search || sort !== wanted.sort) want({ search: found, sort, cursors: [null] });
}
form.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(typed, 200);
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  typed();
});
byId("counters-next").addEventListener("click", () => want({ cursors: [...wanted.cursors, next] }));
byId("counters-previous").addEventListener("click", () => want({ cursors: wanted.cursors.slice(0, -1) }));

/** Keeps what is shown fresh where the stream does not. */
export function start(allowed) {
  want({});
  setInterval(() => {
    if (!looking && !isBusiest() && allowed() && !document.hidden) look();
  }, REFRESH_MS);
}
