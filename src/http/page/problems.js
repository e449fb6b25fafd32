// The sentence at the top: whether all is well, and if not, what is wrong and what to do first.

import { byId, Keyed, make, mark, say } from "./dom.js";
import { nodeName, plural } from "./format.js";

const title = byId("verdict");
const announcer = byId("announcer");
const list = new Keyed(byId("problems"), () => {
  const what = make("p", { class: "problem-what" });
  const action = make("p", { class: "problem-action" });
  const kind = make("span", { class: "problem-kind" });
  const since = make("span", { class: "problem-since" });
  const root = make("li", { class: "problem" }, make("p", { class: "problem-head" }, kind, since), what, action);
  return { root, what, action, kind, since };
});

let told = null;

/** What the node says, and who is outside its lease. */
function wrong(summary, nodes) {
  const problems = [...(summary?.problems ?? [])];
  const silent = (nodes ?? []).filter((node) => !node.myself && !node.in_lease);
  // The node says this itself as soon as its membership agrees; the lease is quicker.
  if (silent.length > 0 && !problems.some((problem) => problem.code.startsWith("node_"))) {
    problems.push({
      severity: "warning",
      code: "outside_lease",
      what: `Not heard from within the lease: ${silent.map(nodeName).join(", ")}.`,
      what_to_do: "See whether the machine and the network between are up. What was counted there stays counted.",
      since_ms: null,
    });
  }
  return problems;
}

function verdict(nodes, summary, problems) {
  const errors = problems.filter((problem) => problem.severity === "error").length;
  const all = nodes?.length ?? summary?.cluster?.nodes ?? 1;
  const here = (nodes ?? []).filter((node) => node.myself || node.in_lease).length;
  if (problems.length === 0) return all === 1 ? "This node counts alone, and nothing is wrong." : `All ${all} nodes count together.`;
  if (here < all) return `${here} of ${all} nodes count together.`;
  return errors > 0 ? `${plural(errors, "thing needs", "things need")} you now.` : `It counts, but ${plural(problems.length, "thing wants", "things want")} a look.`;
}

/** Shows it; the screen reader is told once for each change, not each second. */
export function show(summary, nodes, at_ms) {
  const problems = wrong(summary, nodes);
  const sentence = verdict(nodes, summary, problems.filter((problem) => problem.severity !== "notice"));
  const severity = ["error", "warning"].find((word) => problems.some((problem) => problem.severity === word)) ?? "ok";
  say(title, sentence);
  mark(byId("verdict-band"), "data-severity", severity);
  list.show(
    problems,
    (problem) => `${problem.code} ${problem.what}`,
    (part, problem) => {
      mark(part.root, "data-severity", problem.severity);
      say(part.kind, { error: "Error", warning: "Warning" }[problem.severity] ?? "Notice");
      say(part.since, problem.since_ms ? `since ${new Date(problem.since_ms).toLocaleTimeString("en-GB")}` : "");
      say(part.what, problem.what);
      say(part.action, problem.what_to_do ?? "");
    },
  );
  byId("problems").hidden = problems.length === 0;
  const key = `${sentence} ${problems.map((problem) => problem.code).join(" ")}`;
  if (key !== told) {
    told = key;
    say(announcer, [sentence, ...problems.map((problem) => problem.what)].join(" "));
  }
  const sign = { ok: "", warning: "! ", error: "!! " }[severity];
  document.title = `${sign}${summary?.node ? nodeName(summary.node) : "Discnt"} · Discnt`;
}
