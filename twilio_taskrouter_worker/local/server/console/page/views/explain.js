/** Why a task waits: every filter, target, queue and worker with its verdict. */

import { button, h, icon } from "../lib/dom.js";
import { counted, literal } from "../lib/format.js";

/** @typedef {import("../data/types.js").Verdict} Verdict */
/** @typedef {import("../lib/dom.js").Child} Child */

const NEAREST = 20; // workers that are shown unless all are asked for

/**
 * @param {any} explain  the explanation as the server gives it
 * @param {boolean} all  shows all workers that it names, in place of the nearest ones
 * @param {() => void} showAll
 * @returns {Child[]}
 */
export function explanation(explain, all, showAll) {
  const workers = all ? explain.workers : explain.workers.slice(0, NEAREST);
  const more = explain.workers.length - workers.length;
  return [
    h("p", { class: "why-summary" }, sentence(explain.summary)),
    explain.ahead > 0 && h("p", { class: "muted" }, ahead(explain.ahead)),
    ...explain.warnings.map((/** @type {string} */ warning) => h("p", { class: "warning" }, icon("timeout"), warning)),
    group("Workers", workersCount(explain), workers.map(workerItem), "There are no workers."),
    more > 0 && button(`Show ${more} more workers`, showAll, { class: "button small", id: "why-all" }),
    explain.filters.length > 0 && group("Filters", "", explain.filters.map(filterItem), ""),
    group("Queues", "", explain.queues.map(queueItem), ""),
  ];
}

/** @param {number} count */
function ahead(count) {
  return `${counted(count, "task")} of this queue and channel ${count === 1 ? "comes" : "come"} before it.`;
}

/** @param {string} text */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** @param {any} explain */
function workersCount(explain) {
  const all = explain.workers_total ?? explain.workers.length;
  const suitable =
    explain.suitable_total ?? explain.workers.filter((/** @type {any} */ worker) => worker.suitable).length;
  const shown = all > explain.workers.length ? `, the nearest ${explain.workers.length} are shown` : "";
  return `${suitable} of ${all} could take it${shown}`;
}

/**
 * @param {string} title
 * @param {string} note
 * @param {HTMLElement[]} items
 * @param {string} empty
 */
function group(title, note, items, empty) {
  return h(
    "div",
    { class: "why-group" },
    h("h4", {}, title, note && h("span", { class: "muted" }, note)),
    items.length ? h("ul", { class: "why-list" }, items) : h("p", { class: "muted" }, empty),
  );
}

/** @param {boolean} passed  @param {string} yes  @param {string} no */
function mark(passed, yes = "passes", no = "fails") {
  return h(
    "span",
    { class: passed ? "mark mark-yes" : "mark mark-no" },
    icon(passed ? "yes" : "no"),
    h("span", { class: "unseen" }, passed ? yes : no),
  );
}

/** @param {any} worker */
function workerItem(worker) {
  const failed = worker.checks.filter((/** @type {any} */ check) => !check.passed);
  return h(
    "li",
    {},
    h(
      "div",
      { class: "why-line" },
      mark(worker.suitable, "could take it", "cannot take it"),
      h("strong", {}, worker.friendly_name),
      h("span", { class: "muted" }, worker.activity_name),
    ),
    failed.length
      ? h(
          "ul",
          { class: "why-checks" },
          failed.map((/** @type {any} */ check) => h("li", {}, ...checkText(check))),
        )
      : h("p", { class: "why-checks muted" }, "could take it"),
  );
}

/**
 * @param {any} check
 * @returns {Child[]}
 */
function checkText(check) {
  if (!check.expression?.verdict) return [check.detail];
  // The server's sentence ends with the expression, which is shown with its parts marked instead.
  const reason = check.detail.split(" is false")[0];
  return [`${reason} is false:`, expression(check.expression.verdict, check.expression.text)];
}

/** @param {any} filter */
function filterItem(filter) {
  const { matched } = filter;
  return h(
    "li",
    { class: filter.current ? "why-current" : "" },
    h(
      "div",
      { class: "why-line" },
      matched ? mark(matched.result, "matches", "does not match") : icon("forward"),
      h("strong", {}, filter.label),
      !matched && h("span", { class: "muted" }, "if no other filter matches"),
      here(filter),
    ),
    matched &&
      (matched.verdict
        ? expression(matched.verdict, matched.text)
        : h("code", { class: "expression" }, matched.text || "(empty)")),
    h("ol", { class: "why-targets" }, filter.targets.map(targetItem)),
  );
}

/** @param {any} target */
function targetItem(target) {
  const parts = [
    `suits ${target.suited} of ${counted(target.members, "member")}`,
    target.known_worker !== null && `known worker ${target.known_worker}`,
    target.priority !== null && `priority ${target.priority}`,
    target.timeout !== null && `timeout ${target.timeout} s`,
    target.order_by !== null && `order by ${target.order_by}`,
  ];
  return h(
    "li",
    { class: target.current ? "why-current" : "" },
    h(
      "div",
      { class: "why-line" },
      h("span", {}, target.queue_name),
      h("span", { class: "muted" }, parts.filter(Boolean).join(", ")),
      here(target),
    ),
    target.expression && h("code", { class: "expression" }, target.expression),
    target.skip_if &&
      h(
        "div",
        { class: "why-line" },
        "skip if",
        target.skip_if.verdict
          ? expression(target.skip_if.verdict, target.skip_if.text)
          : h("code", {}, target.skip_if.text),
      ),
  );
}

/** @param {{current: boolean}} part */
function here(part) {
  return part.current && h("span", { class: "tag" }, "here");
}

/** @param {any} queue */
function queueItem(queue) {
  return h(
    "li",
    { class: queue.current ? "why-current" : "" },
    h(
      "div",
      { class: "why-line" },
      h("strong", {}, queue.friendly_name),
      h(
        "span",
        { class: "muted" },
        `${counted(queue.members, "member")}, ${queue.available} available, ${queue.free} free, ${queue.waiting} waiting`,
      ),
      here(queue),
    ),
    h("code", { class: "expression" }, queue.target_workers || "matches nobody"),
  );
}

/**
 * Shows an expression with the parts marked that make it false, and the actual values beside them.
 *
 * @param {Verdict} verdict
 * @param {string} whole  the text that it is about
 */
export function expression(verdict, whole) {
  return h("code", { class: "expression" }, ...marked(verdict, whole));
}

/**
 * @param {Verdict} verdict
 * @param {string} whole
 * @returns {Child[]}
 */
function marked(verdict, whole) {
  const leaves = failing(verdict);
  /** @type {Child[]} */
  const parts = [];
  let at = 0;
  for (const leaf of leaves) {
    const start = leaf.start ?? whole.indexOf(leaf.text, at);
    const end = leaf.end ?? start + leaf.text.length;
    // Overlaps with the part before it, or was not found: what is marked must stay in the order of the text.
    if (start < at) continue;
    parts.push(whole.slice(at, start), failingPart(leaf, whole.slice(start, end)));
    at = end;
  }
  parts.push(whole.slice(at));
  return parts;
}

/**
 * @param {Verdict} verdict
 * @returns {Verdict[]} the smallest parts that make it false, in the order of the text
 */
function failing(verdict) {
  if (verdict.result) return [];
  return verdict.parts?.length ? verdict.parts.flatMap(failing) : [verdict];
}

/**
 * @param {Verdict} leaf
 * @param {string} text
 */
function failingPart(leaf, text) {
  const values = Object.entries(leaf.values || {}).map(([path, value]) => `${path} is ${literal(value)}`);
  return h(
    "span",
    { class: "failing" },
    h("span", { class: "unseen" }, "false: "),
    h("mark", {}, icon("no"), text || "(empty)"),
    values.length > 0 && h("span", { class: "actual" }, values.join(", ")),
  );
}
