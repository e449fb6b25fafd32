// How a client of Node.js tells the runner what it has tried; see ../README.md.

import { isDeepStrictEqual, inspect } from "node:util";
import { createInterface } from "node:readline";

export const host = process.env.INTEROP_HOST;
export const port = Number(process.env.INTEROP_PORT);
export const protocol = Number(process.env.INTEROP_PROTOCOL);
export const guardedPort = Number(process.env.INTEROP_GUARDED_PORT);
export const password = process.env.INTEROP_PASSWORD;
const PATIENCE_MS = 20_000;

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has the runner start the server again, and waits until it serves. */
export async function restart() {
  console.log("restart");
  const { value } = await input.next();
  equal(value, "restarted");
}

export function equal(found, expected) {
  if (!isDeepStrictEqual(found, expected)) throw new Error(`${inspect(found)} instead of ${inspect(expected)}`);
}

export function holds(condition, what) {
  if (!condition) throw new Error(`not so: ${inspect(what)}`);
}

/** The error with which a promise has to be rejected. */
export async function rejects(kind, promise) {
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error(`${inspect(answer)} instead of a ${kind.name}`);
}

/** The first result of `attempt` that is not undefined. */
export async function until(what, attempt) {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    if (Date.now() > deadline) throw new Error(`never so: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs all checks and ends the process. */
export async function run(version, checks) {
  console.log(`version ${version}`);
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`not ok ${name}: ${String(error).replaceAll(/\s+/g, " ")}`);
      console.error(error);
    }
  }
  console.log("end");
  process.exit(0);
}
