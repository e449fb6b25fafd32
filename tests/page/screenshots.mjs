// Pictures of the page for the documents, with something going on.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { open } from "./browser.mjs";
import { until } from "./cluster.mjs";

// Long enough for the small lines to fill, and for a minute of dots.
const WARM_MS = 75_000;

/** Takes those of the documents into the folder, and the others if they are wanted, too. */
export async function takeAll(world, folder, others) {
  await mkdir(folder, { recursive: true });
  const wide = { viewport: { width: 1360, height: 900 }, deviceScaleFactor: 1 };
  const shot = async (page, name, options = {}) => {
    await page.screenshot({ path: join(folder, `${name}.png`), ...options });
    console.log(join(folder, `${name}.png`));
  };
  const opened = `${world.url}#counter=${encodeURIComponent(world.names[0])}`;
  const overview = await open(world, world.url, { ...wide, colorScheme: "light" });
  const counter = await open(world, opened, { ...wide, colorScheme: "dark" });
  await overview.page.waitForTimeout(WARM_MS);
  // A machine that is busy with other things is late now and then, which the page says.
  await until("that all is well", async () => (await overview.text("#verdict")) === "All 3 nodes count together.");
  await overview.page.setViewportSize({ width: 1360, height: 1290 });
  await overview.page.waitForTimeout(1500);
  await shot(overview.page, "status-page");
  await counter.page.setViewportSize({ width: 1360, height: 1290 });
  await counter.page.waitForTimeout(1500);
  await shot(counter.page, "status-page-counter");
  if (!others) return Promise.all([overview.close(), counter.close()]);
  const phone = await open(world, world.url, { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, colorScheme: "dark" });
  await until("counters", async () => (await phone.page.locator("#counters tr").count()) > 5);
  await shot(phone.page, "phone");
  const victim = world.cluster.nodes[2];
  await victim.kill();
  await until("what is wrong", async () => /2 of 3/.test(await overview.text("#verdict")));
  await overview.page.waitForTimeout(2500);
  await shot(overview.page, "trouble");
  for (const shown of [overview, counter, phone]) await shown.close();
}
