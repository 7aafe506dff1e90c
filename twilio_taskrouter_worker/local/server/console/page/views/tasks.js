/** Tasks and reservations: filters, full-text search, order. */

import { matches, words } from "../data/search.js";
import { button, h, icon, replace, setIcon, setText, statusIcon } from "../lib/dom.js";
import { duration, shortSid, summary } from "../lib/format.js";
import { Table, textColumn } from "../lib/table.js";
import { openNewTask } from "./customer.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../data/types.js").Task} Task */
/** @typedef {import("../data/types.js").Reservation} Reservation */

const TASK_STATUSES = ["pending", "reserved", "assigned", "wrapping", "completed", "canceled"];
const RESERVATION_STATUSES = [
  "pending",
  "accepted",
  "wrapping",
  "completed",
  "rejected",
  "timeout",
  "rescinded",
  "canceled",
];

/** What is asked for, kept while other views are shown. */
const asked = {
  kind: /** @type {"tasks" | "reservations"} */ ("tasks"),
  query: "",
  queue: "",
  statuses: /** @type {Set<string>} */ (new Set()),
  order: "created",
  descending: false,
};

/** @param {string} sid  of a queue whose waiting tasks the view shows next */
export function askForQueue(sid) {
  Object.assign(asked, { kind: "tasks", query: "", queue: sid, statuses: new Set(["pending"]) });
}

export class TasksView {
  title = "Tasks";

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.shown = "";
    this.search = h("input", {
      type: "search",
      class: "input search",
      placeholder: "Search sid, name, attributes",
      "aria-label": "Search tasks",
      value: asked.query,
      on: { input: () => this.#ask({ query: this.search.value }) },
    });
    this.queue = h("select", {
      class: "input",
      "aria-label": "Queue",
      on: { change: () => this.#ask({ queue: this.queue.value }) },
    });
    this.kinds = ["tasks", "reservations"].map((kind) =>
      button(kind === "tasks" ? "Tasks" : "Reservations", () => this.#choose(/** @type {any} */ (kind)), {
        class: "segment",
      }),
    );
    this.chips = h("div", { class: "chips", role: "group", "aria-label": "Status" });
    this.result = h("p", { class: "result muted", role: "status" });
    this.tasks = this.#taskTable();
    this.reservations = this.#reservationTable();
    this.none = h(
      "p",
      {},
      "No tasks yet: ",
      button("create one", () => openNewTask(app), { class: "link-button" }),
    );
    this.noneFound = h(
      "p",
      {},
      "Nothing is like that. ",
      button("Clear the filters", () => this.#clear(), { class: "link-button" }),
    );
    this.place = h("div", { class: "fill" });
    this.element = h(
      "div",
      { class: "view view-tasks" },
      h("h1", { class: "unseen" }, "Tasks and reservations"),
      h(
        "div",
        { class: "filters" },
        h("div", { class: "segments", role: "group", "aria-label": "Show" }, this.kinds),
        this.search,
        this.queue,
        this.result,
        this.chips,
      ),
      this.place,
    );
    this.#choose(asked.kind);
  }

  focus() {
    this.search.focus();
  }

  /** @param {string | null} sid */
  open(sid) {
    this.tasks.markOpened(sid);
    this.reservations.markOpened(sid);
  }

  destroy() {
    this.tasks.destroy();
    this.reservations.destroy();
  }

  /** @param {Partial<typeof asked>} changes */
  #ask(changes) {
    Object.assign(asked, changes);
    this.app.changed();
  }

  #clear() {
    this.search.value = "";
    this.#ask({ query: "", queue: "", statuses: new Set() });
    this.search.focus();
  }

  /** @param {"tasks" | "reservations"} kind */
  #choose(kind) {
    if (kind !== asked.kind) asked.statuses = new Set();
    asked.kind = kind;
    this.kinds[0].setAttribute("aria-pressed", String(kind === "tasks"));
    this.kinds[1].setAttribute("aria-pressed", String(kind === "reservations"));
    const statuses = kind === "tasks" ? TASK_STATUSES : RESERVATION_STATUSES;
    this.counts = new Map(statuses.map((status) => [status, h("span", { class: "number" })]));
    this.chipButtons = new Map(statuses.map((status) => [status, this.#chip(status)]));
    replace(this.chips, [...this.chipButtons.values()]);
    replace(this.place, kind === "tasks" ? this.tasks.element : this.reservations.element);
    this.app.changed();
  }

  /** @param {string} status */
  #chip(status) {
    const toggle = () => {
      if (!asked.statuses.delete(status)) asked.statuses.add(status);
      this.app.changed();
    };
    return h(
      "button",
      { type: "button", class: `chip status-${status}`, on: { click: toggle } },
      icon(statusIcon(status)),
      h("span", {}, status),
      this.counts?.get(status),
    );
  }

  update() {
    this.#updateQueues();
    const { store } = this.app;
    const wanted = words(asked.query);
    /** @type {{[status: string]: number}} */
    const counts = {};
    const isTasks = asked.kind === "tasks";
    const inPlace = (/** @type {Task} */ task) =>
      (!asked.queue || task.task_queue_sid === asked.queue) && matches(task, wanted, store);
    const statusOf = (/** @type {any} */ record) => (isTasks ? record.assignment_status : record.reservation_status);
    const found = [];
    for (const record of isTasks ? store.tasks.values() : store.reservations.values()) {
      const task = isTasks
        ? /** @type {Task} */ (record)
        : store.tasks.get(/** @type {Reservation} */ (record).task_sid);
      if (!task || !inPlace(task)) continue;
      const status = statusOf(record);
      // Before the filter by status: each chip shows how many there would be.
      counts[status] = (counts[status] || 0) + 1;
      if (!asked.statuses.size || asked.statuses.has(status)) found.push(record);
    }
    for (const [status, chip] of this.chipButtons || []) {
      chip.setAttribute("aria-pressed", String(asked.statuses.has(status)));
      setText(/** @type {Node} */ (this.counts?.get(status)), (counts[status] || 0).toLocaleString());
    }
    const all = isTasks ? store.tasks.size : store.reservations.size;
    setText(this.result, `${found.length.toLocaleString()} of ${all.toLocaleString()}`);
    const table = isTasks ? this.tasks : this.reservations;
    table.show(this.#ordered(/** @type {any[]} */ (found), table), all ? this.noneFound : this.none);
  }

  #updateQueues() {
    const queues = [...this.app.store.queues.values()];
    const shown = queues.map((queue) => queue.sid + queue.friendly_name).join();
    if (shown === this.shown) return;
    this.shown = shown;
    replace(
      this.queue,
      h("option", { value: "" }, "All queues"),
      queues.map(({ sid, friendly_name }) => h("option", { value: sid }, friendly_name)),
    );
    // Options that are replaced take the choice with them.
    this.queue.value = asked.queue;
  }

  /**
   * @template R
   * @param {R[]} records
   * @param {Table<R>} table
   */
  #ordered(records, table) {
    const column =
      table.columns.find(({ name, order }) => order && name === asked.order) ||
      table.columns.find(({ name }) => name === "created");
    const order = /** @type {(record: R) => string | number} */ (column?.order);
    table.showOrder(column?.name || "", asked.descending);
    // The keys are made once for each record, not for each comparison.
    const keyed = records.map((record) => /** @type {[string | number, R]} */ ([order(record), record]));
    const sign = asked.descending ? -1 : 1;
    keyed.sort(([one], [other]) => (one < other ? -sign : one > other ? sign : 0));
    return keyed.map(([, record]) => record);
  }

  /** @param {string} name */
  #sort(name) {
    this.#ask({ order: name, descending: asked.order === name ? !asked.descending : name === "priority" });
  }

  #taskTable() {
    const { app } = this;
    return new Table({
      label: "Tasks",
      kind: "tasks",
      key: (/** @type {Task} */ task) => task.sid,
      onOpen: (task) => app.shell.open(task.sid),
      onSort: (name) => this.#sort(name),
      columns: [
        statusColumn((/** @type {Task} */ task) => task.assignment_status),
        textColumn("attributes", "Attributes", (task) => summary(task.attributes) || "none"),
        textColumn("sid", "Task", (task) => shortSid(task.sid)),
        textColumn(
          "queue",
          "Queue",
          (task) => app.store.queues.get(task.task_queue_sid || "")?.friendly_name || "–",
          (task) => app.store.queues.get(task.task_queue_sid || "")?.friendly_name || "",
        ),
        textColumn("worker", "Worker", (task) => this.#holder(task)),
        textColumn(
          "priority",
          "Priority",
          (task) => task.priority,
          (task) => task.priority,
        ),
        textColumn(
          "created",
          "Age",
          (task) => duration(app.clock.now() - task.date_created),
          (task) => -task.date_created,
        ),
      ],
    });
  }

  /** @param {Task} task */
  #holder(task) {
    const reservations = this.app.store.reservationsOf(task.sid);
    const held = reservations.filter(({ reservation_status }) =>
      ["pending", "accepted", "wrapping"].includes(reservation_status),
    );
    const names = (
      held.length ? held : reservations.filter(({ reservation_status }) => reservation_status === "completed")
    ).map(({ worker_name }) => worker_name);
    return names.join(", ") || "–";
  }

  #reservationTable() {
    const { app } = this;
    return new Table({
      label: "Reservations",
      kind: "reservations",
      key: (/** @type {Reservation} */ reservation) => reservation.task_sid,
      onOpen: (reservation) => app.shell.open(reservation.task_sid),
      onSort: (name) => this.#sort(name),
      columns: [
        statusColumn((/** @type {Reservation} */ reservation) => reservation.reservation_status),
        textColumn(
          "worker",
          "Worker",
          (reservation) => reservation.worker_name,
          (reservation) => reservation.worker_name,
        ),
        textColumn(
          "attributes",
          "Task",
          (reservation) =>
            summary(app.store.tasks.get(reservation.task_sid)?.attributes || "") || shortSid(reservation.task_sid),
        ),
        textColumn("sid", "Reservation", (reservation) => shortSid(reservation.sid)),
        textColumn(
          "created",
          "Age",
          (reservation) => duration(app.clock.now() - reservation.date_created),
          (reservation) => -reservation.date_created,
        ),
      ],
    });
  }
}

/**
 * @template R
 * @param {(record: R) => string} status
 * @returns {import("../lib/table.js").Column<R>}
 */
function statusColumn(status) {
  return {
    name: "status",
    title: "Status",
    order: status,
    create: (cell) => cell.append(h("span", { class: "status" }, icon("pending"), h("span", {}))),
    update: (cell, record) => {
      const badge = /** @type {HTMLElement} */ (cell.firstElementChild);
      const shown = status(record);
      if (badge.className !== `status status-${shown}`) badge.className = `status status-${shown}`;
      setIcon(badge.children[0], statusIcon(shown));
      setText(badge.children[1], shown);
    },
  };
}
