// The page for everybody: dark and light, a phone, the keyboard alone, a screen reader.

import assert from "node:assert/strict";
import { barriers, open } from "../browser.mjs";
import { until } from "../cluster.mjs";

const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };
const paper = (page) => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
const isDark = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) < 200;
const ready = (page) => page.locator("#counters tr").first().waitFor();

async function dark_and_light_follow_the_system_and_the_choice_is_kept(world) {
  const shown = await open(world, world.url, { colorScheme: "dark" });
  const { page } = shown;
  assert.ok(isDark(await paper(page)), "dark as the system is");
  await page.getByRole("button", { name: "Light" }).click();
  assert.ok(!isDark(await paper(page)));
  await page.reload();
  assert.ok(!isDark(await paper(page)), "light as was chosen");
  await page.getByRole("button", { name: "Dark" }).click();
  assert.ok(isDark(await paper(page)));
  await shown.close();
}

async function a_phone_needs_no_sideways_scrolling(world) {
  const shown = await open(world, world.url, PHONE);
  const { page } = shown;
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await ready(page);
  assert.ok((await wide()) <= 0, `${await wide()} pixels stand over`);
  const small = await page.evaluate(() =>
    [...document.querySelectorAll("button, input[type=search]")].filter((part) => part.offsetParent && part.offsetHeight < 32).map((part) => part.textContent || part.id));
  assert.deepEqual(small, [], "what is touched is large enough");
  await page.locator(".counter-link").first().tap();
  await page.locator("#one-plot canvas").waitFor();
  assert.ok((await wide()) <= 0, `${await wide()} pixels stand over with a counter open`);
  await shown.close();
}

async function the_keyboard_alone_opens_a_counter_and_comes_back(world) {
  const shown = await open(world, world.url);
  const { page } = shown;
  await ready(page);
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "skip", "the first stop leaps over the head");
  const order = [];
  for (let presses = 0; presses < 20 && order.at(-1) !== "counter-link"; presses += 1) {
    await page.keyboard.press("Tab");
    const now = await focused();
    order.push(now);
    const ring = await page.evaluate(() => {
      const part = document.activeElement;
      return [part, part.nextElementSibling].some((one) => one && getComputedStyle(one).outlineStyle !== "none") || getComputedStyle(part, "::after").outlineStyle !== "none";
    });
    assert.ok(ring, `the focus is seen on ${now}`);
  }
  assert.ok(order.indexOf("pause") < order.indexOf("theme") && order.indexOf("theme") < order.indexOf("counters-search"), `the order is that of the page: ${order}`);
  assert.equal(order.at(-1), "counter-link", `a counter is reached: ${order}`);
  const href = await page.evaluate(() => document.activeElement.getAttribute("href"));
  await page.keyboard.press("Enter");
  await until("the opened counter's heading has the focus", async () => (await focused()) === "one-name");
  await page.keyboard.press("Escape");
  await until("the focus is back on the row", () => page.evaluate((wanted) => document.activeElement.getAttribute("href") === wanted, href));
  await page.locator("#counters-search").focus();
  await page.keyboard.type(world.names[1]);
  await until("what was typed is found", async () => (await page.locator(".counter-link").allTextContents()).join() === world.names[1]);
  await shown.close();
}

async function axe_finds_no_serious_barrier(world) {
  const found = [];
  const looks = [{ colorScheme: "light" }, { colorScheme: "dark" }, { colorScheme: "light", ...PHONE }];
  for (const look of looks) {
    const shown = await open(world, world.url, { ...look, bypassCSP: true });
    await ready(shown.page);
    found.push(...(await barriers(shown.page)));
    await shown.page.goto(`${world.url}#counter=${encodeURIComponent(world.names[0])}`);
    await shown.page.locator("#replicas tr").first().waitFor();
    found.push(...(await barriers(shown.page)));
    await shown.close();
  }
  assert.deepEqual(found, []);
  return `${looks.length * 2} views`;
}

async function a_screen_reader_is_told_changes_and_not_every_second(world) {
  const shown = await open(world, world.url);
  const { page } = shown;
  await ready(page);
  await until("that all is well", async () => (await shown.text("#verdict")) === "All 3 nodes count together.");
  await page.waitForTimeout(1500);
  await page.evaluate(() => {
    window.told = [];
    for (const part of document.querySelectorAll("[role=status], [role=alert], [aria-live=polite], [aria-live=assertive]")) {
      if (part.getAttribute("aria-live") === "off") continue;
      new MutationObserver(() => window.told.push(part.textContent)).observe(part, { childList: true, characterData: true, subtree: true });
    }
  });
  await page.waitForTimeout(4000);
  assert.deepEqual(await page.evaluate(() => window.told), [], "nothing is read out while nothing changes");
  const landmarks = await page.evaluate(() => ["header", "main", "footer", "h1"].map((tag) => document.querySelectorAll(tag).length));
  assert.deepEqual(landmarks, [1, 1, 1, 1]);
  assert.match(await page.getByRole("img").first().evaluate((part) => part.querySelector("title").textContent), /3 nodes in/);
  await shown.close();
}

export default [
  { run: dark_and_light_follow_the_system_and_the_choice_is_kept, short: true },
  { run: a_phone_needs_no_sideways_scrolling, short: true },
  { run: the_keyboard_alone_opens_a_counter_and_comes_back, short: true },
  { run: axe_finds_no_serious_barrier, short: true },
  { run: a_screen_reader_is_told_changes_and_not_every_second },
];
