// Runs the cases against three nodes under load: `node tests/page/try.mjs --server PROGRAM [--short] [word ...]`.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";
import counter from "./cases/counter.mjs";
import everybody from "./cases/everybody.mjs";
import overview from "./cases/overview.mjs";
import trouble from "./cases/trouble.mjs";
import { Cluster } from "./cluster.mjs";
import { takeAll } from "./screenshots.mjs";

const PLACES = [["lisbon-1", "lisbon"], ["oslo-1", "oslo"], ["lima-1", "lima"]];
const NAMES = ["visits:home", "visits:login", "api:requests", "orders:eu", "orders:us", "likes:post:88123", "downloads:app", "search:queries", "mail:sent", "sensors:door"];
const PER_SECOND = 400;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { server: { type: "string" }, short: { type: "boolean", default: false }, screenshots: { type: "string" }, others: { type: "boolean", default: false } },
});

const chosen = [...overview, ...counter, ...everybody, ...trouble].filter(({ run, short }) =>
  positionals.length > 0 ? positionals.some((word) => run.name.includes(word)) : short || !values.short);

const cluster = new Cluster(values.server, await mkdtemp(join(tmpdir(), "discnt-page-")));
let browser;
let failed = 0;
try {
  await cluster.start(PLACES);
  // At the finest precisions each change is told, and nothing is predicted.
  for (const name of NAMES) await cluster.nodes[0].ask("PRECISION", name, "30");
  cluster.load(NAMES, PER_SECOND);
  browser = await launch();
  const world = { cluster, browser, url: cluster.nodes[0].url, names: NAMES, per_second: PER_SECOND, short: values.short };
  if (values.screenshots) {
    await takeAll(world, values.screenshots, values.others);
  } else {
    for (const { run } of chosen) failed += (await pass(run, world)) ? 0 : 1;
    console.log(`\n${chosen.length - failed} passed, ${failed} failed`);
  }
} finally {
  await browser?.close();
  await cluster.stop();
}
process.exit(failed > 0 || (chosen.length === 0 && !values.screenshots) ? 1 : 0);

async function pass(run, world) {
  const began = performance.now();
  const seconds = () => `(${((performance.now() - began) / 1000).toFixed(1)} s)`;
  try {
    const figures = await run(world);
    console.log(`ok      ${run.name} ${seconds()}${figures ? `: ${figures}` : ""}`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${run.name} ${seconds()}\n${String(error.stack ?? error).replace(/^/gm, "    | ")}`);
    return false;
  }
}
