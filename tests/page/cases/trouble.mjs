// When something is wrong: a node is killed, the line to the node is lost, a token is wanted.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { barriers, open } from "../browser.mjs";
import { until } from "../cluster.mjs";

const LEASE_MS = 3000;
// The stream tells the nodes once a second, and this machine has other things to do.
const SHOWN_WITHIN_MS = LEASE_MS + 2000;

async function a_lost_line_is_said_with_the_age_of_the_figures(world) {
  const node = world.cluster.nodes[0];
  const shown = await open(world, world.url);
  const { page } = shown;
  await page.locator("#counters tr").first().waitFor();
  node.signal("SIGSTOP");
  try {
    await until("that it is lost", async () => (await shown.text("#link-word")) === "Connection lost", 8000);
    await until("how old the figures are", async () => /are [4-9] s old/.test(await shown.text("#lost-age")), 8000);
    await until("how old they are later", async () => /are ([7-9]|\d\d) s old/.test(await shown.text("#lost-age")), 8000);
    assert.ok(await page.locator("#counters tr").count(), "the old figures are still there");
  } finally {
    node.signal("SIGCONT");
  }
  await until("that it is back", async () => (await shown.text("#link-word")) === "Live");
  assert.ok(await page.locator("#lost").isHidden());
  await shown.close({ may_complain: (text) => /ERR_|Failed to load/.test(text) });
}

async function a_killed_node_is_shown_outside_its_lease(world) {
  const victim = world.cluster.nodes[2];
  const shown = await open(world, world.url, { bypassCSP: true });
  const { page } = shown;
  await until("all inside", async () => (await page.locator('#nodes tr[data-health="ok"]').count()) === 3);
  await victim.kill();
  const killed = performance.now();
  const row = page.locator("#nodes tr", { hasText: victim.name });
  await until("that it is outside", async () => /outside/.test(await row.locator(".node-lease").innerText()), SHOWN_WITHIN_MS);
  const took_ms = performance.now() - killed;
  assert.equal(await row.locator(".sign").innerText(), "✕", "and that without colour");
  await until("its cross in the mesh", async () => (await page.locator(".mesh-cross").count()) === 1, 2000);
  assert.match(await shown.text("#verdict"), /2 of 3 nodes/);
  await until("what to do", async () => (await page.locator(".problem-action").first().innerText()).length > 20);
  await until("the event", async () => (await page.locator("#events").innerText()).includes(victim.name));
  assert.match(await page.locator("#announcer").textContent(), /2 of 3 nodes/);
  assert.deepEqual(await barriers(page), []);
  await victim.start();
  await until("that it is back", async () => (await shown.text("#verdict")) === "All 3 nodes count together.");
  await shown.close();
  return `shown ${(took_ms / 1000).toFixed(1)} s after the kill`;
}

async function a_token_is_asked_for_and_kept_for_the_tab(world) {
  const file = join(world.cluster.folder, "token");
  await writeFile(file, "a-long-secret\n");
  const node = await world.cluster.alone("guarded", { "http.token_file": file });
  await node.ask("INCRBY", "hidden", "5");
  const shown = await open(world, node.url);
  const { page } = shown;
  await page.locator("#token").fill("wrong");
  await page.keyboard.press("Enter");
  await until("that it is wrong", async () => /not the token/.test(await shown.text("#token-why")));
  assert.ok(!(await page.content()).includes("guarded"), "nothing is told before");
  await page.locator("#token").fill("a-long-secret");
  await page.keyboard.press("Enter");
  await until("figures", async () => (await shown.text("#who-name")) === "guarded");
  assert.ok(await page.locator("#token-form").isHidden());
  await page.reload();
  await until("figures again", async () => (await shown.text("#who-name")) === "guarded");
  await shown.close({ may_complain: (text) => text.includes("401") });
  await node.kill();
}

async function a_page_that_nobody_sees_makes_room_for_another(world) {
  const node = await world.cluster.alone("narrow", { "http.max_streams": 1 });
  const first = await open(world, node.url);
  await until("the first is live", async () => (await first.text("#link-word")) === "Live");
  const second = await open(world, node.url);
  await until("that there is no room", async () => /max_streams/.test(await second.text("#lost-why")));
  const look = (hidden) =>
    first.page.evaluate((is) => {
      Object.defineProperty(document, "hidden", { value: is, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await first.page.clock.install();
  await look(true);
  await first.page.clock.fastForward(61_000);
  await until("the second is live", async () => (await second.text("#link-word")) === "Live");
  await second.close({ may_complain: (text) => text.includes("503") });
  await look(false);
  const before = await first.text("#facts");
  await until("the first goes on", async () => (await first.text("#facts")) !== before);
  await first.close({ may_complain: (text) => text.includes("503") });
  await node.kill();
}

export default [
  { run: a_lost_line_is_said_with_the_age_of_the_figures },
  { run: a_token_is_asked_for_and_kept_for_the_tab },
  { run: a_page_that_nobody_sees_makes_room_for_another },
  { run: a_killed_node_is_shown_outside_its_lease, short: true },
];
