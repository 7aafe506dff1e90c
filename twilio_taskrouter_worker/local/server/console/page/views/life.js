/** The time line of a task. */

import { h, icon } from "../lib/dom.js";
import { duration, timeWithMilliseconds } from "../lib/format.js";

/** @type {[string, import("../lib/dom.js").IconName][]} by the beginning of a step's type */
const ICONS = [
  ["task.created", "plus"],
  ["workflow.", "workflows"],
  ["task-queue.", "tasks"],
  ["reservation.created", "reserved"],
  ["reservation.accepted", "assigned"],
  ["reservation.rejected", "canceled"],
  ["reservation.timeout", "timeout"],
  ["reservation.rescinded", "canceled"],
  ["reservation.canceled", "canceled"],
  ["reservation.wrapup", "wrapping"],
  ["reservation.completed", "completed"],
  ["task.transfer", "forward"],
  ["task.wrapup", "wrapping"],
  ["task.completed", "completed"],
  ["task.canceled", "canceled"],
];

/**
 * @param {{life: import("../data/types.js").Step[], complete: boolean} | null} message
 */
export function life(message) {
  if (!message) return [h("p", { class: "muted" }, "Loading…")];
  if (!message.life.length) return [h("p", { class: "muted" }, "No steps are known.")];
  const begun = message.life[0].at;
  return [
    message.complete ? null : h("p", { class: "muted" }, "The log no longer has the beginning."),
    h(
      "ol",
      { class: "life" },
      message.life.map((step) => stepItem(step, begun)),
    ),
  ];
}

/**
 * @param {import("../data/types.js").Step} step
 * @param {number} begun
 */
function stepItem(step, begun) {
  const name = ICONS.find(([start]) => step.type.startsWith(start))?.[1] || "pending";
  return h(
    "li",
    { class: "step" },
    icon(name),
    h(
      "div",
      {},
      h("div", { class: "step-text" }, step.text),
      step.why && h("div", { class: "step-why" }, step.why),
      h("div", { class: "step-who muted" }, step.who ? `by ${step.who.name || step.who.sid}` : "by the router"),
    ),
    h("time", { class: "number muted", title: timeWithMilliseconds(step.at) }, `+${duration(step.at - begun)}`),
  );
}
