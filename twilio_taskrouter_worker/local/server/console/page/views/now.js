/** Now: totals, workers with their load, queues with what waits. */

import { button, h, icon, replace, setIcon, setText } from "../lib/dom.js";
import { duration, shortSid, summary } from "../lib/format.js";
import { Table, textColumn } from "../lib/table.js";
import { openAddQueue, openAddWorker } from "./add.js";
import { openNewTask } from "./customer.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../data/types.js").Worker} Worker */
/** @typedef {import("../data/types.js").Queue} Queue */

export class NowView {
  title = "Now";

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.totals = new Totals(app);
    this.waiting = /** @type {Map<string, {waiting: number, since: number}>} */ (new Map());
    this.servers = /** @type {Map<string, {members: number, available: number}>} */ (new Map());
    this.workers = this.#workers();
    this.queues = this.#queues();
    this.adders = [
      button("Add worker", () => openAddWorker(app), { class: "button small", icon: "plus" }),
      button("Add queue", () => openAddQueue(app), { class: "button small", icon: "plus" }),
    ];
    this.workerCount = h("span", { class: "count" });
    this.queueCount = h("span", { class: "count" });
    this.find = h("input", {
      type: "search",
      class: "input small",
      placeholder: "Find a worker",
      "aria-label": "Find a worker",
      on: { input: app.changed },
    });
    this.noWorkers = h(
      "p",
      {},
      "No workers yet: ",
      button("add one", () => openAddWorker(app), { class: "link-button" }),
    );
    this.noneFound = h("p", {}, "No worker has that name, activity or attribute.");
    this.noQueues = h(
      "p",
      {},
      "No queues yet: ",
      button("add one", () => openAddQueue(app), { class: "link-button" }),
    );
    this.element = h(
      "div",
      { class: "view view-now" },
      h("h1", { class: "unseen" }, "Now"),
      this.totals.element,
      h(
        "section",
        { class: "block", "aria-label": "Workers" },
        h(
          "div",
          { class: "block-head" },
          h("h2", {}, "Workers"),
          this.workerCount,
          h("div", { class: "bar-space" }),
          this.find,
          this.adders[0],
        ),
        this.workers.element,
      ),
      h(
        "section",
        { class: "block", "aria-label": "Queues" },
        h(
          "div",
          { class: "block-head" },
          h("h2", {}, "Queues"),
          this.queueCount,
          h("div", { class: "bar-space" }),
          this.adders[1],
        ),
        this.queues.element,
      ),
    );
  }

  focus() {
    this.find.focus();
  }

  /** @param {string | null} sid */
  open(sid) {
    this.workers.markOpened(sid);
    this.queues.markOpened(sid);
  }

  destroy() {
    this.workers.destroy();
    this.queues.destroy();
  }

  update() {
    const { store } = this.app;
    this.waiting = store.waiting();
    this.servers = store.servers();
    this.totals.update(this.waiting);
    for (const adder of this.adders) adder.disabled = this.app.readOnly !== "";
    const workers = this.#found();
    this.workers.show(workers, store.workers.size ? this.noneFound : this.noWorkers);
    setText(this.workerCount, store.workers.size.toLocaleString());
    const queues = [...store.queues.values()];
    this.queues.show(queues, this.noQueues);
    setText(this.queueCount, queues.length.toLocaleString());
  }

  /** @returns {Worker[]} available ones first, then by name */
  #found() {
    const { store } = this.app;
    const wanted = this.find.value.toLowerCase();
    const rank = (/** @type {Worker} */ worker) => (worker.available ? 0 : 1);
    return [...store.workers.values()]
      .filter((worker) => !wanted || this.#text(worker).includes(wanted))
      .sort((one, other) => rank(one) - rank(other) || (one.friendly_name < other.friendly_name ? -1 : 1));
  }

  /** @param {Worker} worker */
  #text(worker) {
    return `${worker.sid}\n${worker.friendly_name}\n${worker.activity_name}\n${worker.attributes}`.toLowerCase();
  }

  #workers() {
    const { app } = this;
    return new Table({
      label: "Workers",
      kind: "workers",
      key: (/** @type {Worker} */ worker) => worker.sid,
      onOpen: (worker) => app.shell.open(worker.sid),
      columns: [
        textColumn("name", "Name", (worker) => worker.friendly_name),
        {
          name: "activity",
          title: "Activity",
          create: (cell) => cell.append(icon("unavailable"), h("span", {}), h("span", { class: "muted since" })),
          update: (cell, worker) => {
            setIcon(cell.children[0], worker.available ? "available" : "unavailable");
            setText(cell.children[1], worker.activity_name);
            setText(cell.children[2], duration(app.clock.now() - worker.date_status_changed));
          },
        },
        {
          name: "load",
          title: "Load",
          update: (cell, worker) => showLoad(cell, worker),
        },
        {
          name: "holds",
          title: "Holds",
          create: (cell) => cell.append(h("span", { class: "held" }), h("span", { class: "muted since" })),
          update: (cell, worker) => this.#showHeld(cell, worker),
        },
      ],
    });
  }

  /**
   * @param {HTMLElement} cell
   * @param {Worker} worker
   */
  #showHeld(cell, worker) {
    const held = this.app.store.heldBy(worker.sid);
    const [first] = held;
    const task = first && this.app.store.tasks.get(first.task_sid);
    const what = task ? summary(task.attributes) || shortSid(task.sid) : "";
    const more = held.length > 1 ? ` and ${held.length - 1} more` : "";
    setText(
      cell.children[0],
      first ? `${first.reservation_status === "pending" ? "offered: " : ""}${what}${more}` : "nothing",
    );
    cell.children[0].classList.toggle("muted", !first);
    setText(cell.children[1], first ? duration(this.app.clock.now() - first.date_created) : "");
  }

  #queues() {
    const { app } = this;
    return new Table({
      label: "Queues",
      kind: "queues",
      key: (/** @type {Queue} */ queue) => queue.sid,
      onOpen: (queue) => app.shell.open(queue.sid),
      columns: [
        textColumn("name", "Name", (queue) => queue.friendly_name),
        textColumn("waiting", "Waiting", (queue) => this.waiting.get(queue.sid)?.waiting || 0),
        textColumn("longest", "Longest wait", (queue) => {
          const entry = this.waiting.get(queue.sid);
          return entry ? duration(app.clock.now() - entry.since) : "–";
        }),
        textColumn("servers", "Could serve", (queue) => {
          const { available = 0, members = 0 } = this.servers.get(queue.sid) || {};
          return `${available} of ${members}`;
        }),
        textColumn("target", "Target workers", (queue) => queue.target_workers || "nobody"),
      ],
    });
  }
}

/**
 * Shows how many places of each channel are taken; the number says the same as the bar.
 *
 * @param {HTMLElement} cell
 * @param {Worker} worker
 */
function showLoad(cell, worker) {
  const shown = worker.channels.filter(
    (channel) => channel.occupied > 0 || channel.unique_name === "default" || channel.configured_capacity > 1,
  );
  const text = shown
    .map(({ unique_name, occupied, configured_capacity }) => `${unique_name} ${occupied}/${configured_capacity}`)
    .join("  ");
  // Most frames change no load; the bars are made anew only if the text that says the same differs.
  if (cell.dataset.text === text) return;
  cell.dataset.text = text;
  replace(
    cell,
    shown.map(({ unique_name, occupied, configured_capacity, available }) =>
      h(
        "span",
        { class: available ? "load" : "load load-off", title: available ? "" : "switched off" },
        h("span", { class: "load-name" }, unique_name),
        h(
          "span",
          { class: "load-bar", "aria-hidden": "true" },
          h("span", { style: { "--part": configured_capacity ? Math.min(1, occupied / configured_capacity) : 0 } }),
        ),
        h("span", { class: "number" }, `${occupied}/${configured_capacity}`),
      ),
    ),
  );
}

/** The strip of figures at the top. */
class Totals {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {{[name: string]: HTMLElement}} */
    this.values = {};
    this.element = h(
      "dl",
      { class: "totals" },
      [
        ["pending", "Waiting"],
        ["longest", "Longest wait"],
        ["reserved", "Offered"],
        ["assigned", "Assigned"],
        ["wrapping", "Wrapping"],
        ["workers", "Available"],
        ["level", "Service level"],
        ["completed", "Completed"],
        ["canceled", "Canceled"],
      ].map(([name, title]) =>
        h("div", { class: "total" }, h("dt", {}, title), (this.values[name] = h("dd", {}, "–"))),
      ),
    );
    this.hint = h(
      "p",
      { class: "first-look", hidden: true },
      "No tasks yet: ",
      button("create one", () => openNewTask(app), { class: "link-button" }),
      " and watch how it finds a worker.",
    );
    this.element = h("div", {}, this.element, this.hint);
  }

  /** @param {Map<string, {waiting: number, since: number}>} waiting */
  update(waiting) {
    const { app } = this;
    const { store } = app;
    const statuses = store.statuses();
    for (const name of ["pending", "reserved", "assigned", "wrapping"])
      setText(this.values[name], statuses[name].toLocaleString());
    // Infinity if nothing waits.
    const since = Math.min(...[...waiting.values()].map((entry) => entry.since));
    setText(this.values.longest, Number.isFinite(since) ? duration(app.clock.now() - since) : "–");
    let available = 0;
    for (const worker of store.workers.values()) if (worker.available) available++;
    setText(this.values.workers, `${available} of ${store.workers.size}`);
    const { totals } = store;
    setText(this.values.completed, (totals?.cumulative.tasks_completed ?? statuses.completed).toLocaleString());
    setText(this.values.canceled, (totals?.cumulative.tasks_canceled ?? statuses.canceled).toLocaleString());
    this.#level(totals?.service_level);
    this.hint.hidden = store.tasks.size > 0 || app.link !== "live";
  }

  /** @param {import("../data/types.js").ServiceLevel | undefined} level */
  #level(level) {
    const text = !level || level.value === null ? "–" : `${Math.round(level.value * 100)} % ≤ ${level.threshold} s`;
    if (this.values.level.textContent === text) return;
    const [part, threshold = ""] = text.split(/(?= ≤)/);
    replace(this.values.level, part, h("small", {}, threshold));
  }
}
