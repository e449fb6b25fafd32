// One counter, opened up: its value with the bound, who counted how much of it, and whether predictions held.

import { grouped, number, parse, print, toNumber } from "./amount.js";
import { byId, draw, Keyed, make, mark, say } from "./dom.js";
import { milliseconds, nodeName, percent, plural, rate, seconds } from "./format.js";
import { errorPlot, inkOf, ready, valuePlot, WINDOW_SECONDS } from "./plots.js";
import { Ruler } from "./ruler.js";

const SPOKEN_MS = 10_000;
const REPLICAS_PLOTTED = 6;
const GAP_MS = 2000;
const SILENCE_MS = 3000;

// As it stands in the address: names may be any bytes.
let encoded = null;
let name = null;
let samples = [];
let arrivals = [];
/** How many records of each replica were seen. */
const before = new Map();
let latest = null;
let value_plot = null;
let error_plot = null;
let plotted = [];
let base = 0n;
let spoken_at = -Infinity;
let heard_at = 0;
const ruler = new Ruler(byId("one-ruler"));

const list = new Keyed(byId("replicas"), () => {
  const title = make("span", { class: "node-name" });
  const detail = make("span", { class: "node-id" });
  const dot = draw("circle", { cx: 6, cy: 6, r: 4 });
  const dots = draw("svg", { class: "replica-dot", viewBox: "0 0 12 12", "aria-hidden": "true" }, dot);
  const bar = draw("rect", { class: "share-bar", height: 8, width: 0 });
  const bars = draw("svg", { class: "share", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, draw("rect", { class: "share-all", width: 100, height: 8 }), bar);
  const cells = ["share", "part", "speed", "predicted", "off", "heard"].map((key) => [key, make("td", { class: key === "part" ? "replica-part" : "number" })]);
  const part = Object.fromEntries(cells);
  const percentage = make("span");
  part.part.append(bars, percentage);
  return { ...part, root: make("tr", {}, make("th", { scope: "row" }, dots, title, detail), ...cells.map(([, cell]) => cell)), title, detail, dot, bar, percentage };
});

/** Which one is open, as it stands in the address; or null. */
export const opened = () => encoded;

/** The text of an encoded name; what is no text in it becomes a question mark of its own. */
function decoded(text) {
  const bytes = [];
  for (const [part, code] of text.matchAll(/%([0-9a-f]{2})|[^]/giu)) bytes.push(...(code ? [parseInt(code, 16)] : new TextEncoder().encode(part)));
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(bytes));
}

export function open(wanted) {
  close();
  encoded = wanted;
  name = decoded(wanted);
  say(byId("one-name"), name);
  say(byId("one-value"), "…");
  for (const id of ["one-bound", "one-rate", "one-set", "one-saved", "one-spoken"]) say(byId(id), "");
  byId("one-figures").hidden = true;
  say(byId("one-state"), "Asking the node…");
  byId("one-state").hidden = false;
}

export function close() {
  encoded = null;
  name = null;
  latest = null;
  spoken_at = -Infinity;
  forget();
  drop();
}

function forget() {
  samples = [];
  arrivals = [];
  before.clear();
}

/** Whether it is open and nothing was said of it for a while. */
export const isSilent = () => latest !== null && performance.now() - heard_at > SILENCE_MS;

function drop() {
  value_plot?.destroy();
  error_plot?.destroy();
  value_plot = null;
  error_plot = null;
  plotted = [];
}

/** Other colours: the plots are made anew with what they have. */
export function restyle() {
  drop();
  if (latest) paint();
}

/** Says why there are no figures. */
export function missing(message) {
  latest = null;
  byId("one-figures").hidden = true;
  byId("one-state").hidden = false;
  say(byId("one-state"), message);
}

const keyOf = (replica) => `${replica.node_id} ${replica.incarnation}`;

function take(counter) {
  const at_ms = counter.at_usec / 1000;
  const value = parse(counter.value);
  // A stretch in which nothing was heard is not drawn as if it were known.
  if (samples.length > 0 && at_ms - samples.at(-1).at_ms > GAP_MS) samples.push({ at_ms: at_ms - 1, value: null });
  if (value !== null) samples.push({ at_ms, value, below: number(counter.bound?.below), above: number(counter.bound?.above) });
  for (const replica of counter.replicas ?? []) {
    const key = keyOf(replica);
    const error = number(replica.last_error);
    if (error !== null && replica.records_received > before.get(key)) arrivals.push({ at_ms, key, error });
    if (Number.isFinite(replica.records_received)) before.set(key, replica.records_received);
  }
  const begin = at_ms - WINDOW_SECONDS * 1000;
  samples = samples.filter((sample) => sample.at_ms >= begin);
  arrivals = arrivals.filter((arrival) => arrival.at_ms >= begin);
}

/** Shows what the node says of it, if it is the one that is open. */
export function show(counter) {
  if (name === null || counter.name !== name) return;
  const passed_usec = counter.at_usec - (latest?.at_usec ?? -1);
  // One that was asked for may come behind one of the stream; a node that was started again begins anew.
  if (passed_usec <= 0 && passed_usec > -5e6) return;
  if (passed_usec < 0) forget();
  latest = counter;
  heard_at = performance.now();
  take(counter);
  byId("one-state").hidden = true;
  byId("one-figures").hidden = false;
  paint();
}

function paint() {
  const counter = latest;
  say(byId("one-value"), grouped(counter.value));
  const old = counter.bound?.as_of_ms_ago;
  say(byId("one-rate"), `${rate(counter.rate_per_second)} a second.${Number.isFinite(old) ? ` The bound holds as of ${milliseconds(old)} ago.` : ""}`);
  paintBound(counter);
  paintReplicas(counter);
  paintSaved(counter);
  const set = counter.last_assignment;
  say(byId("one-set"), set ? setText(set) : "");
  paintPlots(counter);
  speak(counter);
}

function setText(set) {
  const who = set.node_name || (set.node_id ?? "").slice(0, 8);
  const when = set.at_ms ? ` at ${new Date(set.at_ms).toLocaleString("en-GB")}` : "";
  const what = set.deleted ? "Last deleted" : `Last set to ${grouped(set.value)}`;
  return `${what}${who ? ` by ${who}` : ""}${when}.`;
}

/** Three digits, never less than it is: the band must not look narrower. */
function upwards(text) {
  const value = number(text);
  const places = value >= 100 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(value)));
  const scale = 10 ** places;
  return value < 1e9 && places < 9 ? String(Math.ceil(value * scale - 1e-9) / scale) : text;
}

function paintBound(counter) {
  const bound = counter.bound;
  byId("one-ruler").hidden = !bound;
  if (!bound) {
    say(byId("one-bound"), "How far this is from the truth is not known.");
    return;
  }
  const exact = number(bound.below) === 0 && number(bound.above) === 0;
  const value = parse(counter.value);
  let text = "exact";
  if (!exact && bound.below === bound.above) text = `± ${grouped(upwards(bound.above))}`;
  else if (!exact) text = `between ${grouped(print(value - parse(bound.below)))} and ${grouped(print(value + parse(bound.above)))}`;
  if (bound.certain === false) text += ", as far as the nodes inside their lease counted";
  say(byId("one-bound"), text);
  mark(byId("one-bound"), "title", exact ? null : `${bound.below} below, ${bound.above} above`);
  mark(byId("one-bound"), "data-certain", String(bound.certain !== false));
  ruler.show(counter.value, bound.below, bound.above);
}

function paintReplicas(counter) {
  const replicas = counter.replicas ?? [];
  const sizes = replicas.map((replica) => Math.abs(number(replica.share) ?? 0));
  const all = sizes.reduce((sum, size) => sum + size, 0);
  const remote = replicas.filter((replica) => !replica.myself);
  list.show(
    replicas,
    keyOf,
    (part, replica) => {
      const portion = all > 0 ? Math.abs(number(replica.share) ?? 0) / all : 0;
      const index = remote.indexOf(replica);
      say(part.title, nodeName(replica));
      say(part.detail, [replica.datacentre, replica.myself ? "this node" : "", `life ${replica.incarnation}`].filter(Boolean).join(" · "));
      // As in the plot: full and hollow by turns.
      const ink = index >= 0 && index < REPLICAS_PLOTTED ? `var(${inkOf(index)})` : "none";
      mark(part.dot, "stroke", ink);
      mark(part.dot, "fill", index % 2 === 1 ? "none" : ink);
      say(part.share, grouped(replica.share));
      mark(part.bar, "width", (portion * 100).toFixed(2));
      say(part.percentage, percent(portion));
      say(part.speed, rate(replica.rate_per_second));
      say(part.predicted, replica.myself ? "–" : grouped(replica.predicted));
      const error = number(replica.last_error);
      say(part.off, error === null ? "–" : signed(error));
      say(part.heard, replica.myself || !Number.isFinite(replica.as_of_ms_ago) ? "–" : replica.as_of_ms_ago < 1000 ? "now" : `${seconds(Math.round(replica.as_of_ms_ago / 1000))} ago`);
    },
  );
}

const signed = (value) => (value > 0.005 ? `+${rate(value)}` : Math.abs(value) <= 0.005 ? "0" : rate(value));

function paintSaved(counter) {
  const { records_sent, changes_made, saved_ratio } = counter.predictions ?? {};
  byId("one-saved-box").hidden = !Number.isFinite(saved_ratio);
  say(byId("one-saved-share"), percent(saved_ratio));
  say(byId("one-saved"), `Since it was opened here, ${plural(changes_made, "change was", "changes were")} made on this node, and ${plural(records_sent, "record")} told them.`);
  mark(byId("one-saved-bar"), "width", (1 - (saved_ratio ?? 1)) * 100);
  const precision = counter.precision;
  say(byId("one-precision"), number(precision) === 0 ? "Precision 0: every change is told." : `Precision ${grouped(precision)}: all nodes together may be that far off.`);
}

async function paintPlots(counter) {
  const wanted = name;
  const uPlot = await ready();
  if (uPlot === null || wanted !== name || name === null) return;
  const now = samples.at(-1)?.at_ms ?? 0;
  const times = (items) => items.map((item) => (item.at_ms - now) / 1000);
  paintValue(uPlot, times);
  const remote = (counter.replicas ?? []).filter((replica) => !replica.myself).slice(0, REPLICAS_PLOTTED);
  const keys = remote.map(keyOf);
  byId("one-errors").hidden = keys.length === 0;
  if (keys.length === 0) return;
  if (!error_plot || keys.join() !== plotted.join()) {
    error_plot?.destroy();
    error_plot = errorPlot(uPlot, byId("one-errors-plot"), remote);
    plotted = keys;
  }
  const promise = number(counter.precision) ?? 0;
  const spots = [{ at_ms: now - WINDOW_SECONDS * 1000 }, ...arrivals, { at_ms: now }];
  error_plot.setData([
    times(spots),
    spots.map(() => promise),
    spots.map(() => -promise),
    ...keys.map((key) => spots.map((spot) => (spot.key === key ? spot.error : null))),
  ]);
}

/** Figures beyond exact numbers are plotted as the distance from the first one seen. */
function paintValue(uPlot, times) {
  if (samples.length === 0) return;
  if (!value_plot) {
    const large = Math.abs(toNumber(samples[0].value)) > 1e14;
    base = large ? samples[0].value : 0n;
    const format = (tick) => (large && tick > 0 ? `+${rate(tick)}` : grouped((Math.round(tick * 1e6) / 1e6).toFixed(tick % 1 === 0 ? 0 : 6).replace(/(\.\d*?)0+$/, "$1")));
    value_plot = valuePlot(uPlot, byId("one-plot"), format);
  }
  const values = samples.map((sample) => (sample.value === null ? null : toNumber(sample.value - base)));
  const edge = (distance, at, sign) => (values[at] === null || !Number.isFinite(distance) ? null : values[at] + sign * distance);
  value_plot.setData([
    times(samples),
    samples.map((sample, at) => edge(sample.below, at, -1)),
    samples.map((sample, at) => edge(sample.above, at, 1)),
    values,
  ]);
}

/** A screen reader is told the value now and then, not four times a second. */
function speak(counter) {
  const now = performance.now();
  const first = spoken_at === -Infinity;
  if (!first && now - spoken_at < SPOKEN_MS) return;
  spoken_at = now;
  const bound = byId("one-bound").textContent;
  const text = `The value is ${grouped(counter.value)}, ${bound}, moving by ${rate(counter.rate_per_second)} a second.`;
  if (first) say(byId("one-spoken"), text);
  mark(byId("one-plot"), "aria-label", `${text} The plot shows the last ${WINDOW_SECONDS} seconds.`);
  mark(byId("one-errors-plot"), "aria-label", `${plural(arrivals.length, "announcement")} in the last ${WINDOW_SECONDS} seconds. The table of replicas has the last error of each.`);
}

new ResizeObserver(() => {
  for (const [plot, id] of [[value_plot, "one-plot"], [error_plot, "one-errors-plot"]]) {
    const width = byId(id).clientWidth;
    if (plot && width > 0 && plot.width !== width) plot.setSize({ width, height: plot.height });
  }
}).observe(byId("one"));
