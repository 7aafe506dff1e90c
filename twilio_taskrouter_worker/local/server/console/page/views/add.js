/** Adds workers and queues. */

import { h } from "../lib/dom.js";
import { field, form, openDialog } from "../lib/dialog.js";
import { compact } from "./panel.js";

/** @typedef {import("../app.js").App} App */

/** @param {App} app */
export function openAddWorker(app) {
  if (app.refuses()) return;
  openDialog("Add worker", (close) => {
    const activities = [...app.store.activities.values()];
    const name = h("input", { class: "input", required: true, autocomplete: "off" });
    const activity = h(
      "select",
      { class: "input" },
      activities.map(({ sid, friendly_name }) => h("option", { value: sid }, friendly_name)),
    );
    activity.value = activities.find(({ available }) => available)?.sid || activity.value;
    const attributes = h("textarea", { class: "input code", rows: 5, spellcheck: false, value: "{}" });
    return [
      form(
        "Add worker",
        [
          field("Name", name),
          field("Activity", activity),
          field("Attributes as JSON", attributes, "Expressions of queues and workflows refer to them."),
        ],
        async () => {
          await app.api.rest("Workers", {
            FriendlyName: name.value,
            ActivitySid: activity.value,
            Attributes: compact(attributes.value),
          });
          app.messages.show(`${name.value} is added.`);
          close();
        },
      ),
    ];
  });
}

/** @param {App} app */
export function openAddQueue(app) {
  if (app.refuses()) return;
  openDialog("Add queue", (close) => {
    const name = h("input", { class: "input", required: true, autocomplete: "off" });
    const target = h("textarea", { class: "input code", rows: 3, spellcheck: false, value: "1==1" });
    const order = h(
      "select",
      { class: "input" },
      h("option", { value: "FIFO" }, "First in, first out"),
      h("option", { value: "LIFO" }, "Last in, first out"),
    );
    const many = h("input", { class: "input", type: "number", min: 1, max: 50, value: "1" });
    return [
      form(
        "Add queue",
        [
          field("Name", name),
          field("Target workers", target, "An expression over the workers' attributes; 1==1 takes all."),
          h("div", { class: "form-row" }, field("Order", order), field("Workers offered at a time", many)),
        ],
        async () => {
          await app.api.rest("TaskQueues", {
            FriendlyName: name.value,
            TargetWorkers: target.value,
            TaskOrder: order.value,
            MaxReservedWorkers: many.value,
          });
          app.messages.show(`Queue ${name.value} is added.`);
          close();
        },
      ),
    ];
  });
}
