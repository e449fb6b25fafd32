// Small lines of the last minute; the figure beside each says what it is now.

import { draw, mark } from "./dom.js";

export const POINTS = 60;

/** Keeps the last minute of figures. */
export class Past {
  constructor(values = []) {
    this.values = values.slice(-POINTS);
  }

  push(value) {
    this.values.push(typeof value === "number" ? value : null);
    if (this.values.length > POINTS) this.values.shift();
  }
}

export function spark(width, height) {
  const line = draw("path", { class: "spark-line" });
  const area = draw("path", { class: "spark-area" });
  const root = draw(
    "svg",
    { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false" },
    area,
    line,
  );
  return { root, line, area, width, height };
}

/** Draws the values against zero, newest at the right. */
export function plot(part, values) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) {
    mark(part.line, "d", null);
    mark(part.area, "d", null);
    return;
  }
  const top = Math.max(...known, 0);
  const bottom = Math.min(...known, 0);
  const span = top - bottom || 1;
  const step = part.width / (POINTS - 1);
  const left = part.width - (values.length - 1) * step;
  const y = (value) => (part.height - 1.5 - ((value - bottom) / span) * (part.height - 3)).toFixed(1);
  let path = "";
  let first = null;
  let last = 0;
  values.forEach((value, at) => {
    if (value === null) return;
    const x = (left + at * step).toFixed(1);
    path += `${path ? "L" : "M"}${x} ${y(value)}`;
    first ??= x;
    last = x;
  });
  mark(part.line, "d", path);
  mark(part.area, "d", `${path}L${last} ${y(0)}L${first} ${y(0)}Z`);
}
