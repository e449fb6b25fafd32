// Puts the page together: what the node says goes to the parts that show it.

import * as counter from "./counter.js";
import * as counters from "./counters.js";
import { byId, mark, say } from "./dom.js";
import * as events from "./events.js";
import { ask, Feed, remember } from "./feed.js";
import { nodeName, seconds } from "./format.js";
import * as mesh from "./mesh.js";
import * as nodes from "./nodes.js";
import * as problems from "./problems.js";
import * as totals from "./totals.js";

const seen = { summary: null, nodes: null };
let paused = false;
let started = false;
let was_lost = false;

function showNodes() {
  mesh.show(seen.nodes, seen.summary?.cluster?.lease_ms ?? 3000);
  nodes.show(seen.nodes);
}

const SHOW = {
  summary(value) {
    seen.summary = value;
    const { node } = value;
    say(byId("who-name"), nodeName(node));
    say(byId("who-rest"), [node.datacentre, `${node.host}:${node.client_port}`, `version ${node.version}`].filter(Boolean).join(" · "));
    mark(byId("who-rest"), "title", node.id);
    totals.show(value);
    problems.show(seen.summary, seen.nodes);
  },
  nodes(value) {
    seen.nodes = value.nodes;
    events.learn(value.nodes);
    showNodes();
    problems.show(seen.summary, seen.nodes);
  },
  top: (value) => counters.top(value.counters),
  event: (value) => events.add([value]),
  counter: (value) => counter.show(value),
};

const feed = new Feed({
  event(kind, value) {
    if (paused) return;
    SHOW[kind]?.(value);
    // One that was deleted is not told of any more.
    if (kind === "summary" && counter.isSilent()) look(counter.opened());
  },
  state: showState,
});

function showState({ state, heard_at, message }) {
  const age = heard_at === null ? null : (performance.now() - heard_at) / 1000;
  const words = { live: "Live", lost: "Connection lost", locked: "Token wanted" };
  say(byId("link-word"), paused && state === "live" ? "Paused" : words[state]);
  mark(document.documentElement, "data-link", paused && state === "live" ? "paused" : state);
  byId("lost").hidden = state !== "lost";
  if (state === "lost") {
    say(byId("lost-why"), `The connection is lost: ${message}.`);
    say(byId("lost-age"), age === null ? "There are no figures yet." : `The figures are ${seconds(Math.floor(age))} old.`);
  }
  byId("token-form").hidden = state !== "locked";
  if (state === "locked") say(byId("token-why"), (feed.tried ? "That is not the token. " : "") + message);
  if (state === "live" && was_lost) past();
  was_lost = state === "lost" && started;
  if (state === "live" && !started) begin();
}

function begin() {
  started = true;
  counters.start(() => !paused && feed.state === "live");
  past();
}

/** What happened before, or while the line was lost. */
async function past() {
  try {
    events.add((await ask("events")).events);
  } catch {
    // They come with the stream as they happen.
  }
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  remember(byId("token").value.trim());
  byId("token").value = "";
  feed.tried = true;
  feed.state = "starting";
  feed.start();
});

let seen_until = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(seen_until);
  if (document.hidden) seen_until = setTimeout(() => feed.rest(true), 60_000);
  else if (feed.resting) {
    feed.rest(false);
    past();
  }
});

byId("pause").addEventListener("click", () => {
  paused = !paused;
  mark(byId("pause"), "aria-pressed", String(paused));
  say(byId("pause"), paused ? "Go on" : "Pause");
  showState(feed);
});

function sayTheme() {
  say(byId("theme"), document.documentElement.dataset.theme === "dark" ? "Light" : "Dark");
  counter.restyle();
}
byId("theme").addEventListener("click", () => window.toggleTheme());
addEventListener("theme", sayTheme);
sayTheme();

/** Which counter the address names, encoded; or null. */
const named = () => /^#counter=(.+)$/s.exec(location.hash)?.[1] ?? null;

/** Asks once: figures come at once, even while paused, and the node says if there is no such counter. */
async function look(name) {
  try {
    counter.show(await ask(`counter?name=${name}`));
  } catch (error) {
    if (counter.opened() === name) counter.missing(error.status === 404 ? "There is no such counter. It is shown here as soon as somebody counts on it." : `It cannot be shown: ${error.message}.`);
  }
}

let opened_from = null;
function route() {
  const name = named();
  if (name === counter.opened()) return;
  const was = counter.opened();
  byId("overview").hidden = name !== null;
  byId("one").hidden = name === null;
  if (name !== null) {
    opened_from ??= { y: scrollY, name };
    counter.open(name);
    feed.start(name);
    look(name);
    scrollTo(0, 0);
    byId("one-name").focus({ preventScroll: true });
  } else {
    counter.close();
    feed.start(null);
    if (seen.nodes) showNodes();
    scrollTo(0, opened_from?.y ?? 0);
    // Back to the row it came from, so that the keyboard goes on where it was.
    const links = [...document.querySelectorAll(".counter-link")];
    (links.find((link) => link.getAttribute("href") === `#counter=${was}`) ?? byId("counters-search")).focus({ preventScroll: true });
    opened_from = null;
  }
}
addEventListener("hashchange", route);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && counter.opened() !== null) location.hash = "";
});

const first = named();
if (first === null) feed.start(null);
else route();
