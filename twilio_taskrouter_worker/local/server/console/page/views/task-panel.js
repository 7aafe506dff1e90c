/** A task's life: what it is, who has it, why it waits, and every step so far. */

import { button, h, setText, statusBadge } from "../lib/dom.js";
import { duration, pretty } from "../lib/format.js";
import { explanation } from "./explain.js";
import { life } from "./life.js";
import { facts, openAttributes, panelHead, Part, reservationButtons, section } from "./panel.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../data/types.js").Task} Task */

export class TaskPanel {
  title = "Task";

  /**
   * @param {App} app
   * @param {string} sid
   * @param {() => void} close
   */
  constructor(app, sid, close) {
    this.app = app;
    this.sid = sid;
    this.head = panelHead("Task", sid, close, app);
    this.age = h("span", { class: "number" });
    this.status = new Part(h("div", { class: "panel-status" }));
    this.facts = new Part(h("div", {}));
    this.attributes = new Part(h("div", {}));
    this.offers = new Part(h("div", {}));
    this.why = new Part(h("div", {}));
    this.steps = new Part(h("div", {}));
    this.allWorkers = false;
    /** @type {any} the latest one, and its text */
    this.explain = null;
    this.explainText = "";
    this.whySection = section("Why it waits", this.why.element);
    this.element = h(
      "div",
      { class: "panel-body" },
      this.head.element,
      this.status.element,
      section("With", this.offers.element),
      this.whySection,
      section("Life", this.steps.element),
      section("Attributes", this.attributes.element),
      section("Facts", this.facts.element),
    );
    app.watch(sid);
  }

  destroy() {
    this.app.watch(null);
  }

  update() {
    const { app } = this;
    const { store } = app;
    // The second is the row in the message on its life, for a table that does not have it yet.
    const task = store.tasks.get(this.sid) || app.life?.task;
    if (!task) {
      this.status.update([app.life], () => [
        h("p", { class: "muted" }, app.life ? "There is no such task at this moment." : "Loading…"),
      ]);
      return;
    }
    const locked = app.readOnly;
    this.status.update([task, locked], () => this.#status(task, locked));
    setText(this.age, duration(app.clock.now() - task.date_created));
    const reservations = store.reservationsOf(task.sid);
    this.offers.update([locked, ...reservations], () => this.#offers(reservations));
    const explain = app.life?.explain;
    this.whySection.hidden = !explain;
    this.why.update([explain && this.#sameExplanation(explain), this.allWorkers], () =>
      explain ? explanation(explain, this.allWorkers, () => this.#showAllWorkers()) : [],
    );
    this.steps.update([app.life], () => life(app.life));
    this.attributes.update([task.attributes, locked], () => [
      h("pre", { class: "code", tabindex: "0", "aria-label": "Attributes of the task" }, pretty(task.attributes)),
      button("Edit attributes", () => openAttributes(app, `Tasks/${task.sid}`, task.attributes), {
        class: "button small",
        id: "edit-attributes",
        disabled: locked !== "",
        title: locked,
      }),
    ]);
    this.facts.update([task, store.queues, store.workflows], () => [this.#facts(task)]);
  }

  /**
   * @param {any} explain
   * @returns {string} equal for explanations that look the same, which then stay as they are
   */
  #sameExplanation(explain) {
    if (explain !== this.explain) {
      this.explain = explain;
      // The age differs each second, but is not shown: the list is not made anew for it.
      this.explainText = JSON.stringify({ ...explain, age: 0 });
    }
    return this.explainText;
  }

  #showAllWorkers() {
    this.allWorkers = true;
    this.app.changed();
  }

  /**
   * @param {Task} task
   * @param {string} locked
   */
  #status(task, locked) {
    const { app } = this;
    const end = (/** @type {string} */ status, /** @type {string} */ done) => () =>
      app.act(app.api.rest(`Tasks/${task.sid}`, { AssignmentStatus: status, Reason: "from the console" }), done);
    const cancels = ["pending", "reserved"].includes(task.assignment_status);
    const completes = ["assigned", "wrapping"].includes(task.assignment_status);
    const props = { class: "button small", disabled: locked !== "", title: locked };
    return [
      statusBadge(task.assignment_status),
      h("span", { class: "muted" }, this.age, " old"),
      h("div", { class: "bar-space" }),
      cancels && button("Cancel task", end("canceled", "The task is canceled."), { ...props, id: "cancel-task" }),
      completes &&
        button("Complete task", end("completed", "The task is completed."), { ...props, id: "complete-task" }),
    ];
  }

  /** @param {import("../data/types.js").Reservation[]} reservations */
  #offers(reservations) {
    if (!reservations.length) return [h("p", { class: "muted" }, "It has not been offered to anybody yet.")];
    return [
      h(
        "ul",
        { class: "offers" },
        [...reservations]
          .reverse()
          .map((reservation) =>
            h(
              "li",
              {},
              h("a", { href: `#/${this.app.shell.viewName}/${reservation.worker_sid}` }, reservation.worker_name),
              statusBadge(reservation.reservation_status),
              h("div", { class: "bar-space" }),
              ...reservationButtons(this.app, reservation),
            ),
          ),
      ),
    ];
  }

  /** @param {Task} task */
  #facts(task) {
    const { store } = this.app;
    const queue = store.queues.get(task.task_queue_sid || "");
    return facts([
      ["Queue", queue ? h("a", { href: `#/${this.app.shell.viewName}/${queue.sid}` }, queue.friendly_name) : ""],
      ["Workflow", store.workflows.get(task.workflow_sid || "")?.friendly_name],
      ["Channel", task.task_channel_unique_name],
      ["Priority", String(task.priority)],
      ["Timeout", duration(task.timeout)],
      ["Routing target", task.routing_target],
      ["Reason", task.reason],
    ]);
  }
}
