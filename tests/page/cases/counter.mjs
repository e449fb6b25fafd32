// One counter opened, and names that strangers gave.

import assert from "node:assert/strict";
import { open } from "../browser.mjs";
import { until } from "../cluster.mjs";

const digits = (text) => Number(text.replace(/[^\d.-]/g, ""));
const address = (world, name) => `${world.url}#counter=${encodeURIComponent(name)}`;

async function an_opened_counter_tells_its_value_bound_shares_and_predictions(world) {
  const name = world.names[0];
  const shown = await open(world, world.url);
  const { page } = shown;
  await page.locator(".counter-link", { hasText: name }).first().click();
  await until("its value", async () => digits(await shown.text("#one-value")) > 0);
  assert.equal(await shown.text("#one-name"), name);
  const before = digits(await shown.text("#one-value"));
  const told = Number(await world.cluster.nodes[0].ask("GET", name));
  assert.ok(Math.abs(told - before) < Math.max(200, told * 0.2), `${before} is shown, and the node says ${told}`);
  await until("a newer value", async () => digits(await shown.text("#one-value")) > before);
  await until("three replicas", async () => (await page.locator("#replicas tr").count()) === 3);
  await until("a share of each", async () => (await page.locator("#replicas tr td:nth-child(2)").allInnerTexts()).map(digits).every((share) => share > 0));
  await until("a bound", async () => /±|exact|between/.test(await shown.text("#one-bound")));
  assert.ok((await page.locator(".ruler-ticks text").count()) > 0, "the ruler has numbers");
  await until("a plot", () =>
    page.locator("#one-plot canvas").evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return data.some((value, index) => index % 4 === 3 && value > 0);
    }),
  );
  await until("records sent against changes made", async () => /record/.test(await shown.text("#one-saved")));
  await page.locator("#one-back").click();
  await page.locator("#mesh-picture").waitFor();
  await shown.close();
}

async function a_quiet_counter_is_exact(world) {
  await world.cluster.nodes[1].ask("SET", "quiet:one", "12345678901234567890.125");
  const shown = await open(world, address(world, "quiet:one"));
  await until("its exact value", async () => (await shown.text("#one-value")) === "12,345,678,901,234,567,890.125");
  await until("that it is exact", async () => (await shown.text("#one-bound")) === "exact");
  await shown.close();
}

async function a_counter_that_is_not_there_is_said_until_it_is_and_when_it_is_gone(world) {
  const shown = await open(world, address(world, "not:there:yet"));
  await until("that there is none", async () => /no such counter/.test(await shown.text("#one-state")));
  await world.cluster.nodes[2].ask("INCRBY", "not:there:yet", "7");
  await until("its value", async () => (await shown.text("#one-value")) === "7");
  await world.cluster.nodes[2].ask("DEL", "not:there:yet");
  await until("that it is gone", async () => /no such counter/.test(await shown.text("#one-state")));
  await shown.close({ may_complain: (text) => text.includes("404") });
}

async function names_are_text_whatever_is_in_them(world) {
  const names = ['<img src=x onerror="document.title=1">', "a b/c?d#e%41&f=\"'", "ünïcode ☃ 数", "../../metrics"];
  for (const name of names) await world.cluster.nodes[0].ask("INCRBY", name, "3");
  const shown = await open(world, world.url);
  const { page } = shown;
  await page.getByRole("radio", { name: "All" }).check();
  for (const name of names) {
    await page.locator("#counters-search").fill(name.replace(/[[\]*?\\]/g, "\\$&"));
    await until(`the row of ${name}`, async () => (await page.locator(".counter-link").allTextContents()).includes(name));
    await page.locator(".counter-link").filter({ hasText: name.trim() }).first().click();
    await until(`${name} opened`, async () => (await page.locator("#one-name").textContent()) === name && (await shown.text("#one-value")) === "3");
    await page.keyboard.press("Escape");
    await page.locator("#counters-table").waitFor();
  }
  assert.equal(await page.locator("img").count(), 0);
  await shown.close();
}

export default [
  { run: an_opened_counter_tells_its_value_bound_shares_and_predictions, short: true },
  { run: a_quiet_counter_is_exact },
  { run: a_counter_that_is_not_there_is_said_until_it_is_and_when_it_is_gone },
  { run: names_are_text_whatever_is_in_them, short: true },
];
