// The line to the node: JSON by requests, and the stream of what changes. Says when the line is lost, and tries again.
//
// The stream is read with fetch rather than EventSource, which cannot carry a token.

const TOKEN = "discnt-token";
const SILENCE_MS = 3500; // A summary comes every second; three missed ones are a loss.
const RESTART_MS = 12_000; // Whoever is asked and says nothing is asked again.
const RETRY_MS = [500, 1000, 2000, 4000, 8000];

let token = null;
try {
  token = sessionStorage.getItem(TOKEN);
} catch {
  // The browser keeps nothing for this page.
}

export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export function remember(secret) {
  token = secret;
  try {
    sessionStorage.setItem(TOKEN, secret);
  } catch {
    // See above.
  }
}

async function request(path, options = {}) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch(`api/v1/${path}`, { ...options, headers, cache: "no-store" });
  if (answer.ok) return answer;
  let error = {};
  try {
    error = (await answer.json()).error ?? {};
  } catch {
    // Whatever answered, it was not the node.
  }
  throw new Refused(answer.status, error.code ?? "", error.message ?? `the node answered ${answer.status}`);
}

/** One answer of the node, as JSON. Throws Refused, or what fetch throws when nobody answers. */
export async function ask(path, signal) {
  const answer = await request(path, { signal: signal ?? AbortSignal.timeout(5000) });
  return answer.json();
}

/** Cuts a text of server-sent events into events; keeps the unfinished end. */
export class Cutter {
  constructor() {
    this.rest = "";
  }

  push(text) {
    this.rest += text.replaceAll("\r\n", "\n");
    const blocks = this.rest.split("\n\n");
    this.rest = blocks.pop();
    return blocks.map(event).filter((found) => found !== null);
  }
}

function event(block) {
  let kind = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) kind = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length > 0 ? { kind, data: data.join("\n") } : null;
}

/** Gives `on.event(kind, value)` and `on.state(this)`; states: live, lost, locked. */
export class Feed {
  constructor(on) {
    this.on = on;
    this.heard_at = null;
    this.state = "starting";
    this.counter = null;
    this.attempt = 0;
    this.message = "";
    this.began_at = 0;
    this.resting = false;
    this.running = null;
    setInterval(() => this.watch(), 500);
  }

  /** Starts, or starts again with another counter to be told of. */
  start(counter = this.counter) {
    this.counter = counter;
    this.began_at = performance.now();
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    this.run(running.signal);
  }

  /** A page that nobody sees holds none of the node's places for watchers. */
  rest(resting) {
    if (resting === this.resting) return;
    this.resting = resting;
    if (resting) this.running.abort();
    else this.start();
  }

  async run(signal) {
    while (!signal.aborted) {
      try {
        await this.follow(signal);
        this.message = "the node closed the stream";
      } catch (error) {
        if (signal.aborted) return;
        if (error.status === 401 || error.status === 403) {
          this.change("locked", error.message);
          return;
        }
        this.message = error instanceof Refused ? error.message : "the node does not answer";
      }
      if (signal.aborted) return;
      this.change("lost", this.message);
      const wait_ms = RETRY_MS[Math.min(this.attempt, RETRY_MS.length - 1)];
      this.attempt += 1;
      await pause(wait_ms, signal);
    }
  }

  async follow(signal) {
    const query = this.counter === null ? "" : `?counter=${this.counter}`;
    const answer = await request(`stream${query}`, { signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const cutter = new Cutter();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      for (const { kind, data } of cutter.push(value)) {
        if (signal.aborted) return;
        this.heard();
        this.change("live", "");
        this.tell(kind, data);
      }
    }
  }

  tell(kind, data) {
    let value;
    try {
      value = JSON.parse(data);
    } catch {
      return; // A newer node may say what this page does not read.
    }
    this.on.event(kind, value);
  }

  heard() {
    this.heard_at = performance.now();
    this.attempt = 0;
  }

  /** A stream that is open but silent is lost, too: the machine may be gone without a word. */
  watch() {
    const now = performance.now();
    if (this.state === "locked" || this.resting) return;
    if (now - Math.max(this.heard_at, this.began_at) > (this.state === "lost" ? RESTART_MS : SILENCE_MS)) {
      this.change("lost", this.message || "nothing is heard of the node");
      this.start();
    }
    if (this.state === "lost") this.on.state(this);
  }

  change(state, message) {
    if (state === this.state && message === this.message) return;
    this.state = state;
    this.message = message;
    this.on.state(this);
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
