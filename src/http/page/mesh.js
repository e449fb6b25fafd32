// The mesh as this node sees it. The circle is the lease: who is inside it was heard from in time. How far a node is
// from the centre is the round-trip time, logarithmic. Links between other nodes are not known, so none are drawn.

import { byId, draw, mark, say } from "./dom.js";
import { milliseconds, nodeName, plural, seconds } from "./format.js";

const box = byId("mesh");
const picture = byId("mesh-picture");
const LABEL_ROOM = 130;
const LETTER = 7.2;
// Of the quickest and the slowest node, in parts of the lease's radius.
const NEAR = 0.3;
const FAR = 0.8;

let scale = null;
let shown = null;

export const health = (node) => {
  if (node.myself) return "ok";
  if (node.state === "failed") return "bad";
  if (!node.in_lease || node.state !== "ok") return "doubtful";
  return "ok";
};

/** In words, for the table and the picture's text. */
export function standing(node) {
  if (node.myself) return "this node";
  const words = { ok: "", suspected: "suspected", failed: "failed", unlinked: "no link", handshake: "being greeted" };
  const state = words[node.state] ?? String(node.state ?? "");
  const lease = node.in_lease ? "inside" : "outside";
  return state ? `${lease}, ${state}` : lease;
}

/** Nodes by datacentre, this one's first, each sorted by name so that the picture holds still. */
export function byDatacentre(nodes) {
  const own = nodes.find((node) => node.myself)?.datacentre ?? "";
  const groups = new Map();
  for (const node of nodes) {
    const label = node.datacentre || "";
    if (!groups.has(label)) groups.set(label, []);
    groups.get(label).push(node);
  }
  const order = (a, b) => a.localeCompare(b, "en", { numeric: true });
  for (const group of groups.values()) group.sort((a, b) => b.myself - a.myself || order(nodeName(a) + a.id, nodeName(b) + b.id));
  return [...groups].sort(([a], [b]) => (b === own) - (a === own) || order(a, b));
}

/** The decades that the rings stand for. They only grow, so that nodes do not jump about. */
function decades(nodes) {
  const times = nodes.filter((node) => node.round_trip_ms > 0).map((node) => Math.log10(node.round_trip_ms));
  if (times.length === 0) return scale ?? { low: -1, high: 1 };
  const low = Math.min(Math.floor(Math.min(...times)), scale?.low ?? Infinity);
  const high = Math.max(Math.ceil(Math.max(...times)), low + 2, scale?.high ?? -Infinity);
  return { low, high };
}

function distance(round_trip_ms) {
  const at = (Math.log10(Math.max(round_trip_ms, 0.001)) - scale.low) / (scale.high - scale.low);
  return NEAR + Math.max(0, Math.min(1, at)) * (FAR - NEAR);
}

const polar = (centre, radius, angle) => [centre.x + radius * Math.cos(angle), centre.y + radius * Math.sin(angle)];
const xy = (point) => point.map((value) => value.toFixed(1)).join(" ");

function arc(centre, radius, from, to) {
  const wide = Math.abs(to - from) > Math.PI ? 1 : 0;
  const way = to > from ? 1 : 0;
  return `M${xy(polar(centre, radius, from))}A${radius} ${radius} 0 ${wide} ${way} ${xy(polar(centre, radius, to))}`;
}

/** A datacentre's sector, its label along the lease. */
function sector(centre, radius, label, from, to, number) {
  const parts = [];
  if (to - from < 2 * Math.PI - 0.01) {
    const body = `${arc(centre, radius, from, to)}L${xy([centre.x, centre.y])}Z`;
    parts.push(draw("path", { class: "mesh-sector", d: body }));
  }
  if (!label) return parts;
  const middle = (from + to) / 2;
  const half = Math.max((to - from) / 2, 0.5);
  const upright = Math.sin(middle) <= 0.2;
  const track = upright
    ? arc(centre, radius - 15, middle - Math.min(half, 1.5), middle + Math.min(half, 1.5))
    : arc(centre, radius - 7, middle + Math.min(half, 1.5), middle - Math.min(half, 1.5));
  const id = `mesh-track-${number}`;
  parts.push(draw("path", { id, class: "mesh-track", d: track }));
  const text = draw("text", { class: "mesh-place" });
  text.append(draw("textPath", { href: `#${id}`, startOffset: "50%" }, label.slice(0, 24)));
  return [...parts, text];
}

function link(centre, at, node) {
  if (node.state === "unlinked") return [];
  return [draw("path", { class: "mesh-link", "data-health": health(node), d: `M${xy([centre.x, centre.y])}L${xy(at)}` })];
}

/** A full dot, or outside the lease a hollow one with a cross: it takes no colour to see it. */
function dot(at, node, size) {
  const [x, y] = at.map((value) => Number(value.toFixed(1)));
  const root = draw("g", { class: "mesh-node", "data-health": health(node) }, draw("circle", { cx: x, cy: y, r: size }));
  if (!node.myself && !node.in_lease) {
    const arm = size * 0.55;
    root.append(draw("path", { class: "mesh-cross", d: `M${x - arm} ${y - arm}L${x + arm} ${y + arm}M${x - arm} ${y + arm}L${x + arm} ${y - arm}` }));
  }
  return root;
}

function shorten(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

function label(at, node, side, room) {
  const anchor = side > 0.25 ? "start" : side < -0.25 ? "end" : "middle";
  const [x, y] = at.map((value) => Number(value.toFixed(1)));
  const letters = Math.max(6, Math.floor(room / LETTER));
  const second = node.in_lease
    ? milliseconds(node.round_trip_ms)
    : Number.isFinite(node.last_heard_ms_ago) ? `silent ${seconds(Math.round(node.last_heard_ms_ago / 1000))}` : "silent";
  return draw(
    "text",
    { class: "mesh-label", "text-anchor": anchor, "data-health": health(node) },
    draw("tspan", { class: "mesh-name", x, y: y - 2 }, shorten(nodeName(node), letters)),
    draw("tspan", { class: "mesh-time", x, y: y + 14 }, second),
  );
}

function rings(centre, radius) {
  const parts = [];
  // Not every ring where they are close to each other.
  const apart = ((FAR - NEAR) * radius) / (scale.high - scale.low);
  const every = Math.max(1, Math.ceil(14 / apart));
  for (let decade = scale.low; decade <= scale.high; decade += 1) {
    const at = (NEAR + ((decade - scale.low) / (scale.high - scale.low)) * (FAR - NEAR)) * radius;
    parts.push(draw("circle", { class: "mesh-ring", cx: centre.x, cy: centre.y, r: at.toFixed(1) }));
    if ((scale.high - decade) % every !== 0) continue;
    const value = 10 ** decade;
    const text = value >= 1000 ? `${value / 1000} s` : `${value >= 1 ? value : value.toFixed(-decade)} ms`;
    parts.push(draw("text", { class: "mesh-scale", x: centre.x, y: (centre.y - at - 3).toFixed(1) }, text));
  }
  return parts;
}

function paint(nodes, lease_ms) {
  const width = Math.max(280, box.clientWidth);
  const longest = Math.max(...nodes.map((node) => (node.myself ? 0 : nodeName(node).length)), 9);
  const room = Math.min(LABEL_ROOM, width * 0.24, longest * LETTER + 4);
  const radius = Math.max(80, Math.min(width / 2 - room - 26, 180));
  const height = radius * 2 + 92;
  const centre = { x: width / 2, y: height / 2 };
  scale = decades(nodes);
  const groups = byDatacentre(nodes).map(([place, group]) => [place, group.filter((node) => !node.myself)]).filter(([, group]) => group.length > 0);
  const others = groups.reduce((sum, [, group]) => sum + group.length, 0);
  // Between datacentres there is a gap of half a node.
  const gaps = groups.length > 1 ? groups.length * 0.5 : 0;
  const slot = (2 * Math.PI) / Math.max(1, others + gaps);
  const back = [];
  const links = [];
  const front = [];
  let angle = -Math.PI / 2;
  groups.forEach(([place, group], number) => {
    const to = angle + slot * group.length;
    back.push(...sector(centre, radius, place, angle, to, number));
    group.forEach((node, index) => {
      const direction = angle + slot * (index + 0.5);
      const reach = node.in_lease ? distance(node.round_trip_ms ?? 10 ** scale.high) * radius : radius + 13;
      const at = polar(centre, reach, direction);
      links.push(...link(centre, at, node));
      front.push(dot(at, node, others > 16 ? 5 : 7));
      const side = Math.cos(direction);
      const lift = Math.abs(side) <= 0.25 ? Math.sin(direction) * 10 : 0;
      const [x, y] = polar(centre, radius + 27, direction);
      front.push(label([x, y + lift], node, side, room));
    });
    angle = to + (groups.length > 1 ? slot * 0.5 : 0);
  });
  const me = nodes.find((node) => node.myself);
  mark(picture, "viewBox", `0 0 ${width} ${height}`);
  mark(picture, "width", width);
  mark(picture, "height", height);
  picture.querySelectorAll(":scope > :not(title)").forEach((part) => part.remove());
  picture.append(
    ...back.filter((part) => part.classList.contains("mesh-sector")),
    draw("circle", { class: "mesh-lease", cx: centre.x, cy: centre.y, r: radius }),
    ...rings(centre, radius),
    ...back.filter((part) => !part.classList.contains("mesh-sector")),
    ...links,
    ...front,
    draw("circle", { class: "mesh-me", cx: centre.x, cy: centre.y, r: 10 }),
    draw("text", { class: "mesh-name mesh-mine", x: centre.x, y: centre.y + 27 }, me ? shorten(nodeName(me), 16) : ""),
  );
  const silent = nodes.filter((node) => !node.myself && !node.in_lease);
  const sentence = `${plural(nodes.length, "node")} in ${plural(byDatacentre(nodes).length, "datacentre")}. ${silent.length === 0 ? "All are inside their lease" : `Outside the lease: ${silent.map(nodeName).join(", ")}`}. The table of nodes says the same in figures.`;
  say(byId("mesh-title"), sentence);
  say(byId("mesh-lease-time"), seconds(lease_ms / 1000));
}

export function show(nodes, lease_ms = 3000) {
  shown = [nodes, lease_ms];
  if (box.clientWidth > 0) paint(nodes, lease_ms);
}

let width_before = 0;
new ResizeObserver(() => {
  if (shown && box.clientWidth !== width_before) {
    width_before = box.clientWidth;
    if (width_before > 0) paint(...shown);
  }
}).observe(box);
