// A real browser, and pages in it that report whatever they should not have done.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const launch = () => chromium.launch({ executablePath: PROGRAM, args: QUIET });

/** A page of its own context, with what it complained of and what it fetched. */
export async function open(world, url, options = {}) {
  // What axe-core needs is not the page's: only then is the policy that forbids it off.
  const context = await world.browser.newContext({ viewport: { width: 1280, height: 900 }, bypassCSP: options.bypassCSP ?? false, ...options });
  const page = await context.newPage();
  const complaints = [];
  const fetched = [];
  const origin = new URL(url).origin;
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    const address = new URL(request.url());
    if (address.protocol !== "data:" && address.origin !== origin) complaints.push(`asked for ${request.url()}`);
  });
  page.on("response", async (response) => {
    const path = new URL(response.url()).pathname;
    if (path === "/" || path.startsWith("/page/")) fetched.push(response.body().then((body) => [path, body.length], () => [path, 0]));
  });
  await page.goto(url);
  return {
    page,
    text: (selector) => page.locator(selector).first().innerText(),
    /** What came of the page itself: path and bytes. */
    weight: async () => new Map(await Promise.all(fetched)),
    close: async ({ may_complain = () => false } = {}) => {
      await context.close();
      assert.deepEqual(complaints.filter((complaint) => !may_complain(complaint)), [], "the browser complained");
    },
  };
}

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds of a page as it stands, serious and critical. */
export async function barriers(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert.ok(found.passes.length > 10, "axe-core looked at too little");
  return found.violations
    .filter((violation) => ["serious", "critical"].includes(violation.impact))
    .map((violation) => `${violation.id}: ${violation.nodes.map((node) => `${node.target} ${node.failureSummary ?? ""}`).slice(0, 3).join("; ")}`);
}

/** Seconds that the page's main thread worked in a stretch of time. */
export async function work(page, milliseconds) {
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const read = async () => (await session.send("Performance.getMetrics")).metrics.find((metric) => metric.name === "TaskDuration").value;
  const before = await read();
  await page.waitForTimeout(milliseconds);
  const seconds = (await read()) - before;
  await session.detach();
  return seconds;
}
