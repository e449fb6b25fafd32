// The two plots of an opened counter. The library is fetched when the first counter is opened.

import { make } from "./dom.js";
import { rate } from "./format.js";

export const WINDOW_SECONDS = 90;
const INKS = ["--link", "--second", "--third", "--doubtful"];

let library = null;

/** Resolves with the plotting library, or with null where it cannot be had. */
export function ready() {
  library ??= new Promise((resolve) => {
    const script = make("script", { src: "page/uplot.js" });
    script.addEventListener("load", () => resolve(window.uPlot));
    script.addEventListener("error", () => { library = null; resolve(null); });
    document.head.append(script);
  });
  return library;
}

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const inkOf = (index) => INKS[index % INKS.length];

function axes(format, wide) {
  const common = {
    stroke: ink("--faint"),
    font: `12px ${ink("--face")}`,
    grid: { stroke: ink("--hair"), width: 1 },
    ticks: { show: false },
  };
  return [
    { ...common, grid: { show: false }, values: (plot, ticks) => ticks.map((tick) => (tick === 0 ? "now" : `${tick} s`)), space: 70, size: 26 },
    { ...common, values: (plot, ticks) => ticks.map(format), size: wide, space: 34 },
  ];
}

function base(box, height) {
  return {
    width: Math.max(240, box.clientWidth),
    height,
    padding: [8, 16, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    select: { show: false },
  };
}

const xScale = { time: false, range: () => [-WINDOW_SECONDS, 0] };

/** The value with its bound as a band. `format` writes a tick. */
export function valuePlot(uPlot, box, format) {
  const line = ink("--link");
  return new uPlot(
    {
      ...base(box, 220),
      scales: { x: xScale, y: { range: (plot, low, high) => around(low, high) } },
      axes: axes(format, 104),
      series: [
        {},
        { stroke: "transparent", points: { show: false } },
        { stroke: "transparent", points: { show: false } },
        { stroke: line, width: 2, points: { show: false } },
      ],
      bands: [{ series: [2, 1], fill: ink("--band") }],
    },
    [[], [], [], []],
    box,
  );
}

function around(low, high) {
  if (low === null || high === null) return [0, 1];
  const room = (high - low) * 0.08 || Math.max(1, Math.abs(high) * 0.001);
  return [low - room, high + room];
}

/** How far each record was from what had been extrapolated, in the band that was promised. */
export function errorPlot(uPlot, box, replicas) {
  return new uPlot(
    {
      ...base(box, 180),
      scales: {
        x: xScale,
        y: {
          range(plot, low, high) {
            const reach = Math.max(Math.abs(low ?? 0), Math.abs(high ?? 0), 0.5) * 1.25;
            return [-reach, reach];
          },
        },
      },
      axes: axes((tick) => (tick > 0 ? `+${rate(tick)}` : rate(tick)), 64),
      series: [
        {},
        { stroke: ink("--edge"), dash: [3, 4], width: 1, points: { show: false } },
        { stroke: ink("--edge"), dash: [3, 4], width: 1, points: { show: false } },
        ...replicas.map((replica, index) => ({
          stroke: ink(inkOf(index)),
          paths: () => null,
          // Full and hollow by turns: not by colour alone.
          points: { show: true, size: 7, width: 2, fill: index % 2 === 0 ? ink(inkOf(index)) : ink("--paper") },
        })),
      ],
      bands: [{ series: [1, 2], fill: ink("--band") }],
    },
    [[], [], [], ...replicas.map(() => [])],
    box,
  );
}
