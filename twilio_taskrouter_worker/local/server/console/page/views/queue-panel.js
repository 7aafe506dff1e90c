/** A queue: what waits in it, and who could serve it. */

import { button, h, icon, setText } from "../lib/dom.js";
import { duration, shortSid, summary } from "../lib/format.js";
import { facts, panelHead, Part, section } from "./panel.js";
import { askForQueue } from "./tasks.js";

/** @typedef {import("../app.js").App} App */

const SHOWN = 20; // of the workers and tasks: the lists have all

export class QueuePanel {
  title = "Queue";

  /**
   * @param {App} app
   * @param {string} sid
   * @param {() => void} close
   */
  constructor(app, sid, close) {
    this.app = app;
    this.sid = sid;
    this.head = panelHead("Queue", sid, close, app);
    this.facts = new Part(h("div", {}));
    this.waiting = new Part(h("div", {}));
    this.members = new Part(h("div", {}));
    const showAll = () => {
      askForQueue(sid);
      location.hash = "#/tasks";
    };
    this.element = h(
      "div",
      { class: "panel-body" },
      this.head.element,
      section("Facts", this.facts.element),
      section("Waiting", this.waiting.element, button("Show all in Tasks", showAll, { class: "button small" })),
      section("Could serve", this.members.element),
    );
  }

  update() {
    const { store, clock } = this.app;
    const queue = store.queues.get(this.sid);
    if (!queue) {
      this.facts.update([null], () => [h("p", { class: "muted" }, "There is no such queue at this moment.")]);
      return;
    }
    setText(this.head.title, queue.friendly_name);
    this.facts.update([queue], () => [
      facts([
        ["Target workers", h("code", { class: "expression" }, queue.target_workers || "matches nobody")],
        ["Order", queue.task_order],
        ["Offered to", `${queue.max_reserved_workers} at a time`],
      ]),
    ]);
    const tasks = [...store.tasks.values()]
      .filter(
        ({ task_queue_sid, assignment_status }) => task_queue_sid === queue.sid && assignment_status === "pending",
      )
      .slice(0, SHOWN);
    // Waits grow: they are of the second in which the list is made.
    this.waiting.update([Math.floor(clock.now()), ...tasks], () => [
      tasks.length
        ? h(
            "ul",
            { class: "plain-list" },
            tasks.map((task) =>
              h(
                "li",
                {},
                h(
                  "a",
                  { href: `#/${this.app.shell.viewName}/${task.sid}`, id: `waiting-${task.sid}` },
                  summary(task.attributes) || shortSid(task.sid),
                ),
                h(
                  "span",
                  { class: "number muted" },
                  duration(clock.now() - (task.task_queue_entered_date ?? task.date_created)),
                ),
              ),
            ),
          )
        : h("p", { class: "muted" }, "Nothing waits here."),
    ]);
    const members = [...store.workers.values()].filter(({ queues }) => queues.includes(queue.sid));
    const shown = members.sort((one, other) => Number(other.available) - Number(one.available)).slice(0, SHOWN);
    this.members.update(shown, () => [
      members.length
        ? h(
            "ul",
            { class: "plain-list" },
            shown.map((worker) =>
              h(
                "li",
                {},
                icon(worker.available ? "available" : "unavailable"),
                h(
                  "a",
                  { href: `#/${this.app.shell.viewName}/${worker.sid}`, id: `member-${worker.sid}` },
                  worker.friendly_name,
                ),
                h("span", { class: "muted" }, worker.activity_name),
              ),
            ),
          )
        : h("p", { class: "muted" }, "No worker matches the expression."),
      members.length > SHOWN && h("p", { class: "muted" }, `and ${members.length - SHOWN} more`),
    ]);
  }
}
