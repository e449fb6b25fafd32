// What is seen first: the verdict, the mesh, the work, the counters.

import assert from "node:assert/strict";
import { open, work } from "../browser.mjs";
import { fill, until } from "../cluster.mjs";

const MOST_BYTES = 150_000;
const FIRST_PAINT_MS = 300;
const LONGEST_TASK_MS = 200;
const COUNTERS = 10_000;

async function three_nodes_are_shown_inside_their_lease_with_what_they_do(world) {
  const shown = await open(world, world.url);
  const { page } = shown;
  await until("the verdict", async () => (await shown.text("#verdict")) === "All 3 nodes count together.");
  assert.equal(await page.locator("#nodes tr").count(), 3);
  assert.equal(await page.locator('#nodes tr[data-health="ok"]').count(), 3);
  assert.equal(await page.locator(".mesh-link").count(), 2, "links of this node alone are drawn");
  const names = await page.locator("#nodes .node-name").allInnerTexts();
  assert.deepEqual(names.sort(), world.cluster.nodes.map((node) => node.name).sort());
  const places = await page.locator(".mesh-place").allTextContents();
  assert.ok(places.includes("oslo"), `the datacentre is written in the mesh: ${places}`);
  await until("round-trip times", async () => (await page.locator(".mesh-time").allTextContents()).every((text) => /^[\d.]+ ms$/.test(text)));
  await until("increments a second", async () => Number((await page.locator(".rate dd").first().innerText()).replace(/,/g, "")) > world.per_second / 3);
  await until("busiest counters", async () => (await page.locator("#counters tr").count()) >= 5);
  await until("sparklines", async () => (await page.locator("#counters .spark-line[d]").count()) >= 5);
  await until("events", async () => (await page.locator("#events li").count()) > 0);
  await shown.close();
}

async function the_page_is_light_and_paints_at_once(world) {
  const shown = await open(world, `${world.url}#counter=${encodeURIComponent(world.names[0])}`);
  await shown.page.locator("#one-plot canvas").waitFor();
  const weight = await shown.weight();
  await shown.close();
  const bytes = [...weight.values()].reduce((sum, part) => sum + part, 0);
  assert.ok(weight.has("/page/uplot.js") && weight.size > 15, `all of it was weighed: ${[...weight.keys()]}`);
  assert.ok(bytes < MOST_BYTES, `the page weighs ${bytes} bytes`);
  const fresh = await open(world, world.url);
  const session = await fresh.page.context().newCDPSession(fresh.page);
  await session.send("Network.setCacheDisabled", { cacheDisabled: true });
  const paints = [];
  for (let round = 0; round < (world.short ? 5 : 15); round += 1) {
    await fresh.page.goto(world.url);
    paints.push(await until("a paint", () => fresh.page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime)));
  }
  await fresh.close();
  paints.sort((a, b) => a - b);
  const median = paints[paints.length >> 1];
  assert.ok(median < FIRST_PAINT_MS, `the first paint took ${paints.map(Math.round)} ms`);
  return `${bytes} bytes, first paint ${Math.round(paints[0])} to ${Math.round(paints.at(-1))} ms, median ${Math.round(median)}`;
}

async function nothing_is_inline_and_the_policy_is_strict(world) {
  const answer = await fetch(world.url);
  const policy = answer.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  const html = await answer.text();
  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=|javascript:/i);
  for (const script of html.matchAll(/<script([^>]*)>([^<]*)/g)) assert.ok(script[1].includes("src=") && script[2].trim() === "", "no inline script");
  for (const address of html.matchAll(/(?:src|href)="([^"]+)"/g)) assert.doesNotMatch(address[1], /^(?:https?:)?\/\//, "no outside address");
}

async function ten_thousand_counters_are_searched_and_paged_without_lag(world) {
  await fill(world.cluster.nodes[0], "shelf:", COUNTERS);
  const shown = await open(world, world.url);
  const { page } = shown;
  await page.evaluate(() => {
    window.longest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.longest = Math.max(window.longest, entry.duration)))).observe({ type: "longtask" });
  });
  await page.getByRole("radio", { name: "All" }).check();
  await until("a page of fifty", async () => (await page.locator("#counters tr").count()) === 50);
  const seen = new Set(await page.locator(".counter-link").allTextContents());
  for (let turn = 2; turn <= 12; turn += 1) {
    await page.locator("#counters-next").click();
    await until(`page ${turn}`, async () => (await shown.text("#counters-page")) === `Page ${turn}` && !seen.has(await page.locator(".counter-link").first().textContent()));
    for (const name of await page.locator(".counter-link").allTextContents()) seen.add(name);
  }
  assert.ok(seen.size >= 11 * 50, `pages do not repeat each other: ${seen.size} names`);
  await page.locator("#counters-previous").click();
  await until("the page before", async () => (await shown.text("#counters-page")) === "Page 11");
  await page.locator("#counters-search").fill("shelf:004711");
  await until("what was searched", async () => (await page.locator(".counter-link").allTextContents()).join() === "shelf:004711");
  assert.match(await page.locator("#counters td").first().innerText(), /^4,712$/);
  await page.locator("#counters-search").fill("shelf:99*");
  await until("what a pattern finds", async () => {
    const names = await page.locator(".counter-link").allTextContents();
    return names.length === 0 ? /No counter matches/.test(await shown.text("#counters-state")) : false;
  });
  await page.locator("#counters-search").fill("shelf:00*");
  await until("a page of them", async () => (await page.locator("#counters tr").count()) === 50);
  const busy = await work(page, 4000);
  const longest = await page.evaluate(() => window.longest);
  assert.ok(longest < LONGEST_TASK_MS, `the page stood still for ${longest} ms`);
  assert.ok(busy < 1.2, `the page worked ${busy.toFixed(2)} s of 4`);
  await shown.close();
  return `longest task ${Math.round(longest)} ms, ${(busy * 25).toFixed(1)}% of a core`;
}

async function pause_holds_the_figures_still(world) {
  const shown = await open(world, world.url);
  const { page } = shown;
  await until("figures", async () => (await page.locator("#counters tr").count()) > 0);
  await page.getByRole("button", { name: "Pause" }).click();
  assert.equal(await shown.text("#link-word"), "Paused");
  const before = await page.locator("#counters").innerText();
  await page.waitForTimeout(2500);
  assert.equal(await page.locator("#counters").innerText(), before);
  await page.getByRole("button", { name: "Go on" }).click();
  await until("new figures", async () => (await page.locator("#counters").innerText()) !== before);
  await shown.close();
}

export default [
  { run: three_nodes_are_shown_inside_their_lease_with_what_they_do, short: true },
  { run: the_page_is_light_and_paints_at_once, short: true },
  { run: nothing_is_inline_and_the_policy_is_strict, short: true },
  { run: ten_thousand_counters_are_searched_and_paged_without_lag },
  { run: pause_holds_the_figures_still },
];
