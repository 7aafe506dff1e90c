/** Time and faults: the clock, the next timers, what goes wrong on purpose. */

import { button, h, setText } from "../lib/dom.js";
import { field, form, openDialog } from "../lib/dialog.js";
import { counted, dayAndTime, duration, summary } from "../lib/format.js";
import { Part } from "./panel.js";

/** @typedef {import("../app.js").App} App */

const SHOWN = 12; // of the timers

const STEPS = /** @type {const} */ ([
  ["10 seconds", 10],
  ["1 minute", 60],
  ["1 hour", 3600],
]);

export class TimeView {
  title = "Time & faults";

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {any[]} */
    this.kinds = [];
    this.clock = h("p", { class: "big-clock" });
    this.state = h("p", { class: "muted" });
    this.advance = [
      ...STEPS.map(([text, seconds]) =>
        button(text, () => this.#advance({ seconds }, `The clock is ${text} later.`), {
          class: "button",
          icon: "forward",
        }),
      ),
      button("Next timer", () => this.#advance({ to: "next" }, "The clock is at the next timer."), {
        class: "button",
        icon: "forward",
      }),
    ];
    this.timers = new Part(h("div", {}));
    this.faults = new Part(h("div", {}));
    this.element = h(
      "div",
      { class: "view view-time" },
      h("h1", { class: "unseen" }, "Time and faults"),
      h(
        "div",
        { class: "cards" },
        h(
          "section",
          { class: "card", "aria-label": "Clock" },
          h("h2", {}, "Clock"),
          this.clock,
          this.state,
          h("h3", {}, "Advance"),
          h("div", { class: "actions" }, this.advance),
        ),
        h("section", { class: "card", "aria-label": "Next timers" }, h("h2", {}, "Next timers"), this.timers.element),
        h(
          "section",
          { class: "card", "aria-label": "Faults" },
          h("h2", {}, "Faults"),
          h("p", { class: "muted" }, "What goes wrong on purpose, to see how clients take it."),
          this.faults.element,
        ),
      ),
    );
    this.#load();
  }

  async #load() {
    const kinds = await this.app.act(this.app.api.control("GET", "faults/kinds"), "");
    this.kinds = kinds || [];
    this.app.changed();
  }

  /**
   * @param {object} body
   * @param {string} done
   */
  #advance(body, done) {
    return this.app.act(this.app.api.control("POST", "clock/advance", body), done);
  }

  update() {
    const { app } = this;
    const { clock, store } = app;
    const locked = app.readOnly;
    setText(this.clock, dayAndTime(clock.now()));
    setText(
      this.state,
      clock.running ? "It runs as the time of this machine does." : "It is paused: nothing times out by itself.",
    );
    for (const control of this.advance) {
      control.disabled = locked !== "";
      control.title = locked;
    }
    this.advance[STEPS.length].disabled ||= store.timers.length === 0;
    // Once a second, since the spans are shown in seconds.
    this.timers.update([store.timers, Math.floor(clock.now())], () => this.#timers());
    this.faults.update([store.faults, this.kinds, locked], () => this.#faults(locked));
  }

  #timers() {
    const { store } = this.app;
    if (!store.timers.length)
      return [h("p", { class: "muted" }, "No timer is set: nothing would happen by the clock.")];
    const later = store.timers.length - SHOWN;
    return [
      h(
        "ol",
        { class: "plain-list timers" },
        store.timers.slice(0, SHOWN).map((timer) => this.#timer(timer)),
      ),
      later > 0 && h("p", { class: "muted" }, `and ${later} later ones`),
    ];
  }

  /** @param {import("../data/types.js").Timer} timer */
  #timer(timer) {
    const { clock, store } = this.app;
    const text = timer.text.charAt(0).toUpperCase() + timer.text.slice(1);
    const about = timer.task_sid || timer.worker_sid;
    const task = store.tasks.get(timer.task_sid || "");
    const line = about
      ? h("a", { href: `#/time/${about}`, id: `timer-${timer.kind}-${timer.sid}` }, text)
      : h("span", {}, text);
    return h(
      "li",
      {},
      h("div", { class: "timer" }, line, task && h("div", { class: "muted" }, summary(task.attributes))),
      h("span", { class: "number muted" }, `in ${duration(timer.due - clock.now())}`),
    );
  }

  /** @param {string} locked */
  #faults(locked) {
    const { app } = this;
    const props = { class: "button small", disabled: locked !== "", title: locked };
    const lasting = this.kinds.filter((kind) => kind.lasting);
    const once = this.kinds.filter((kind) => !kind.lasting);
    return [
      h(
        "ul",
        { class: "faults" },
        lasting.map((kind) => this.#fault(kind, locked)),
      ),
      once.length > 0 && h("h3", {}, "Once"),
      h(
        "div",
        { class: "actions" },
        once.map((kind) => button(titleOf(kind.name), () => this.#begin(kind), { ...props, id: `fault-${kind.name}` })),
      ),
      app.store.faults.length > 0 &&
        h(
          "div",
          { class: "actions" },
          button("End all faults", () => app.act(app.api.control("POST", "faults/clear"), "All faults have ended."), {
            ...props,
            id: "fault-clear",
          }),
        ),
    ];
  }

  /**
   * @param {any} kind
   * @param {string} locked
   */
  #fault(kind, locked) {
    const active = this.app.store.faults.filter(({ name }) => name === kind.name);
    const turn = () => (active.length ? this.#end(active) : this.#begin(kind));
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          role: "switch",
          class: "switch",
          id: `fault-${kind.name}`,
          "aria-checked": String(active.length > 0),
          disabled: locked !== "",
          title: locked,
          on: { click: turn },
        },
        h("span", { class: "switch-knob", "aria-hidden": "true" }),
        h("span", {}, titleOf(kind.name)),
      ),
      h(
        "span",
        { class: "muted" },
        active.length ? active.map(({ text, hits }) => `${text}, ${counted(hits, "hit")}`).join("; ") : "off",
      ),
    );
  }

  /** @param {{id: number}[]} active */
  async #end(active) {
    for (const { id } of active)
      await this.app.act(this.app.api.control("DELETE", `faults/${id}`), "The fault has ended.");
  }

  /** @param {any} kind */
  #begin(kind) {
    if (kind.parameters.length) openFault(this.app, kind);
    else
      this.app.act(
        this.app.api.control("POST", "faults", { name: kind.name, arguments: {} }),
        `${titleOf(kind.name)}: done.`,
      );
  }
}

/** @param {string} name */
function titleOf(name) {
  const text = name.replaceAll("_", " ").replace("http", "HTTP").replace("connects", "connections");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * @param {App} app
 * @param {any} kind
 */
function openFault(app, kind) {
  openDialog(titleOf(kind.name), (close) => {
    /** @type {[any, HTMLElement & {value: string}][]} */
    const controls = kind.parameters.map((/** @type {any} */ parameter) => [parameter, control(app, parameter)]);
    const fields = controls.map(([parameter, element]) => field(titleOf(parameter.name), element));
    const seconds = h("input", { class: "input", type: "number", min: 1, max: 86400 });
    if (kind.lasting) fields.push(field("Ends after seconds", seconds, "Empty: until it is switched off."));
    return [
      form(kind.lasting ? "Switch on" : "Do it", fields, async () => {
        const given = controls
          // An empty field leaves the argument out, so that the fault's own default applies.
          .filter(([, element]) => element.value !== "")
          .map(([parameter, element]) => [parameter.name, valueOf(parameter, element.value)]);
        const body = {
          name: kind.name,
          arguments: Object.fromEntries(given),
          ...(seconds.value ? { for: Number(seconds.value) } : {}),
        };
        await app.api.control("POST", "faults", body);
        app.messages.show(`${titleOf(kind.name)}: done.`);
        close();
      }),
    ];
  });
}

/**
 * @param {App} app
 * @param {any} parameter
 * @returns {HTMLElement & {value: string}}
 */
function control(app, parameter) {
  const first = parameter.default === null || parameter.default === undefined ? "" : String(parameter.default);
  if (parameter.kind === "worker") {
    const workers = [...app.store.workers.values()].map(({ sid, friendly_name }) =>
      h("option", { value: sid }, friendly_name),
    );
    return h("select", { class: "input" }, h("option", { value: "" }, "all workers"), workers);
  }
  if (parameter.kind === "boolean")
    return h(
      "select",
      { class: "input", value: first || "false" },
      h("option", { value: "false" }, "no"),
      h("option", { value: "true" }, "yes"),
    );
  const isNumber = parameter.kind === "seconds" || parameter.kind === "integer";
  return h("input", {
    class: "input",
    type: isNumber ? "number" : "text",
    step: parameter.kind === "integer" ? 1 : "any",
    required: parameter.required,
    value: first,
  });
}

/**
 * @param {any} parameter
 * @param {string} text
 */
function valueOf(parameter, text) {
  if (parameter.kind === "seconds" || parameter.kind === "integer") return Number(text);
  if (parameter.kind === "boolean") return text === "true";
  return parameter.kind === "json" ? JSON.parse(text) : text;
}
