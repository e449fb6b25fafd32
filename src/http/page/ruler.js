// The value on a ruler that slides under it, with the bound as a band: where the truth lies.

import { grouped, parse, print, toNumber } from "./amount.js";
import { draw, mark } from "./dom.js";

const HEIGHT = 74;
const LINE = 40;

export class Ruler {
  constructor(box) {
    this.box = box;
    this.band = draw("rect", { class: "ruler-band", y: 12, height: LINE - 12 });
    this.ticks = draw("g", { class: "ruler-ticks" });
    this.needle = draw("path", { class: "ruler-needle" });
    this.root = draw("svg", { class: "ruler", height: HEIGHT, "aria-hidden": "true" }, this.band, this.ticks, this.needle);
    box.append(this.root);
  }

  show(value_text, below_text, above_text) {
    const value = parse(value_text);
    if (value === null) return;
    const below = parse(below_text) ?? 0n;
    const above = parse(above_text) ?? 0n;
    const width = Math.max(240, this.box.clientWidth);
    const reach = widest(below, above);
    const step = stepOf(reach, width);
    const scale = width / 2 / toNumber(reach);
    const x = (offset) => width / 2 + toNumber(offset) * scale;
    mark(this.root, "width", width);
    mark(this.root, "viewBox", `0 0 ${width} ${HEIGHT}`);
    const left = Math.max(0, x(-below) - 1);
    mark(this.band, "x", left.toFixed(1));
    mark(this.band, "width", (Math.min(width, x(above) + 1) - left).toFixed(1));
    mark(this.needle, "d", `M${width / 2} 6V${LINE + 6}`);
    const parts = [];
    let at = value - reach;
    at = at - (((at % step) + step) % step) + step;
    for (; at < value + reach; at += step) {
      const place = x(at - value).toFixed(1);
      const tall = at % (step * 5n) === 0n;
      parts.push(draw("path", { d: `M${place} ${LINE}V${LINE - (tall ? 14 : 7)}` }));
      const text = grouped(print(at));
      const half = text.length * 3.5;
      if (tall && place > half && place < width - half) parts.push(draw("text", { x: place, y: LINE + 22 }, text));
    }
    parts.push(draw("path", { class: "ruler-base", d: `M0 ${LINE}H${width}` }));
    this.ticks.replaceChildren(...parts);
  }
}

const UNIT = parse("1");

/** Half of what is seen: the bound and as much again, at least a few whole counts. */
function widest(below, above) {
  const bound = below > above ? below : above;
  const least = UNIT * 8n;
  return bound * 2n > least ? bound * 2n : least;
}

/** 1, 2 or 5 times a power of ten, so that ticks are some 12 pixels apart and numbers do not touch. */
function stepOf(reach, width) {
  const fewest = (reach * 2n) / BigInt(Math.max(12, Math.floor(width / 26)));
  for (let power = UNIT; ; power *= 10n) {
    for (const factor of [1n, 2n, 5n]) if (power * factor >= fewest) return power * factor;
  }
}
