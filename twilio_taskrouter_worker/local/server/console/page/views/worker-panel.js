/** A worker: activity, what it holds, channels, attributes; and the buttons to play it. */

import { button, h, icon, setText, statusBadge } from "../lib/dom.js";
import { counted, duration, pretty, shortSid, summary } from "../lib/format.js";
import { facts, openAttributes, panelHead, Part, reservationButtons, section } from "./panel.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../data/types.js").Worker} Worker */

export class WorkerPanel {
  title = "Worker";

  /**
   * @param {App} app
   * @param {string} sid
   * @param {() => void} close
   */
  constructor(app, sid, close) {
    this.app = app;
    this.sid = sid;
    this.head = panelHead("Worker", sid, close, app);
    this.since = h("span", { class: "number" });
    this.activity = new Part(h("div", {}));
    this.held = new Part(h("div", {}));
    this.channels = new Part(h("div", {}));
    this.attributes = new Part(h("div", {}));
    this.facts = new Part(h("div", {}));
    this.element = h(
      "div",
      { class: "panel-body" },
      this.head.element,
      section("Activity", this.activity.element),
      section("Holds", this.held.element),
      section("Channels", this.channels.element),
      section("Attributes", this.attributes.element),
      section("Facts", this.facts.element),
    );
  }

  update() {
    const { store } = this.app;
    const worker = store.workers.get(this.sid);
    if (!worker) {
      this.activity.update([null], () => [h("p", { class: "muted" }, "There is no such worker at this moment.")]);
      return;
    }
    const locked = this.app.readOnly;
    setText(this.head.title, worker.friendly_name);
    setText(this.since, duration(this.app.clock.now() - worker.date_status_changed));
    const held = store.heldBy(worker.sid);
    this.activity.update([worker, locked, store.activities.size], () => this.#activities(worker, locked));
    this.held.update([locked, ...held, ...held.map(({ task_sid }) => store.tasks.get(task_sid))], () =>
      this.#held(held),
    );
    this.channels.update([worker.channels], () => [channelList(worker)]);
    this.attributes.update([worker.attributes, locked], () => [
      h("pre", { class: "code", tabindex: "0", "aria-label": "Attributes of the worker" }, pretty(worker.attributes)),
      button("Edit attributes", () => openAttributes(this.app, `Workers/${worker.sid}`, worker.attributes), {
        class: "button small",
        id: "edit-attributes",
        disabled: locked !== "",
        title: locked,
      }),
    ]);
    const queues = worker.queues.map((sid) => store.queues.get(sid)?.friendly_name || sid);
    this.facts.update([worker], () => [
      facts([
        ["Queues", queues.join(", ") || "none"],
        ["Connections", counted(worker.sessions, "open websocket")],
      ]),
    ]);
  }

  /**
   * @param {Worker} worker
   * @param {string} locked
   */
  #activities(worker, locked) {
    const { app } = this;
    const choose =
      (/** @type {import("../data/types.js").Activity} */ { sid, friendly_name }) =>
      () =>
        app.act(
          app.api.rest(`Workers/${worker.sid}`, { ActivitySid: sid }),
          `${worker.friendly_name} is ${friendly_name}.`,
        );
    return [
      h(
        "p",
        { class: "panel-status" },
        h(
          "span",
          { class: worker.available ? "status status-available" : "status" },
          icon(worker.available ? "available" : "unavailable"),
          h("span", {}, worker.activity_name),
        ),
        h("span", { class: "muted" }, "for ", this.since),
      ),
      h(
        "div",
        { class: "segments", role: "group", "aria-label": "Change the activity" },
        [...app.store.activities.values()].map((activity) =>
          button(activity.friendly_name, choose(activity), {
            class: "segment",
            id: `activity-${activity.sid}`,
            "aria-pressed": String(activity.sid === worker.activity_sid),
            disabled: locked !== "",
            title: locked,
          }),
        ),
      ),
    ];
  }

  /** @param {import("../data/types.js").Reservation[]} held */
  #held(held) {
    if (!held.length)
      return [h("p", { class: "muted" }, "Nothing. A task that is offered to this worker appears here.")];
    const { app } = this;
    return [
      h(
        "ul",
        { class: "offers" },
        held.map((reservation) => {
          const task = app.store.tasks.get(reservation.task_sid);
          return h(
            "li",
            {},
            h(
              "a",
              { href: `#/${app.shell.viewName}/${reservation.task_sid}` },
              (task && summary(task.attributes)) || shortSid(reservation.task_sid),
            ),
            statusBadge(reservation.reservation_status),
            h("div", { class: "bar-space" }),
            ...reservationButtons(app, reservation),
          );
        }),
      ),
    ];
  }
}

/** @param {Worker} worker */
function channelList(worker) {
  return h(
    "ul",
    { class: "plain-list" },
    worker.channels.map(({ unique_name, occupied, configured_capacity, available }) =>
      h(
        "li",
        {},
        h("span", {}, unique_name),
        h(
          "span",
          { class: "number muted" },
          `${occupied} of ${configured_capacity} taken${available ? "" : ", switched off"}`,
        ),
      ),
    ),
  );
}
