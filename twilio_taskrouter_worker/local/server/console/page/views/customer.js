/** Plays the customer: creates a task, the same once more, or a stream of them. */

import { button, h, icon, replace } from "../lib/dom.js";
import { field, form, openDialog } from "../lib/dialog.js";
import { shortSid } from "../lib/format.js";
import { compact } from "./panel.js";

/** @typedef {import("../app.js").App} App */

const EXAMPLE = '{\n  "order": 4711\n}';

/** @param {App} app */
export function openNewTask(app) {
  if (app.refuses()) return;
  openDialog("New task", (close) => new TaskForm(app, close).elements, "wide");
}

/** @param {App} app */
export async function repeatLastTask(app) {
  if (app.lastTask) await create(app, app.lastTask);
}

/** @param {App} app */
export function stopStreams(app) {
  for (const { id } of app.store.streams) app.live.send({ type: "stream_stop", id });
}

/**
 * @param {App} app
 * @param {{[parameter: string]: string}} parameters
 */
async function create(app, parameters) {
  const task = await app.api.rest("Tasks", parameters);
  app.lastTask = parameters;
  app.messages.show(`Task ${shortSid(task.sid)} is created.`);
  app.changed();
}

class TaskForm {
  /**
   * @param {App} app
   * @param {() => void} close
   */
  constructor(app, close) {
    this.app = app;
    const { store } = app;
    const last = app.lastTask || {};
    const option = (/** @type {{sid: string, friendly_name: string}} */ { sid, friendly_name }) =>
      h("option", { value: sid }, friendly_name);
    this.workflow = h(
      "select",
      { class: "input", value: last.WorkflowSid || [...store.workflows.keys()][0] || "" },
      [...store.workflows.values()].map(option),
    );
    const channels = [...store.channels.values()].map(({ unique_name }) =>
      h("option", { value: unique_name }, unique_name),
    );
    this.channel = h("select", { class: "input", value: last.TaskChannel || "default" }, channels);
    this.priority = h("input", { class: "input", type: "number", min: 0, value: last.Priority || "0" });
    this.timeout = h("input", {
      class: "input",
      type: "number",
      min: 1,
      placeholder: "86400",
      value: last.Timeout || "",
    });
    this.json = h("textarea", {
      class: "input code",
      rows: 8,
      spellcheck: false,
      value: last.Attributes ? JSON.stringify(JSON.parse(last.Attributes), null, 2) : EXAMPLE,
    });
    this.rate = h("input", { class: "input", type: "number", min: 1, max: 6000, value: "30" });
    this.rows = h("div", { class: "pairs" });
    this.asFields = true;
    this.modes = [
      button("Fields", () => this.#mode(true), { class: "segment" }),
      button("JSON", () => this.#mode(false), { class: "segment" }),
    ];
    this.place = h("div", {});
    const attributes = h(
      "fieldset",
      { class: "field" },
      h("legend", {}, "Attributes"),
      h("div", { class: "segments", role: "group", "aria-label": "Enter the attributes as" }, this.modes),
      this.place,
    );
    const submit = form(
      "Create task",
      [
        attributes,
        h(
          "div",
          { class: "form-row" },
          field("Workflow", this.workflow),
          field("Channel", this.channel),
          field("Priority", this.priority),
          field("Timeout in seconds", this.timeout),
        ),
      ],
      async () => {
        await create(app, this.#parameters());
        close();
      },
    );
    const stream = form(
      "Start stream",
      [field("Tasks per minute", this.rate, "Creates this task again and again, until you stop it or leave the page.")],
      async () => {
        const parameters = this.#parameters();
        app.lastTask = parameters;
        app.live.send({ type: "stream", per_minute: Number(this.rate.value), task: parameters });
        close();
      },
    );
    stream.classList.add("form-aside");
    // Two forms in one dialog, and one of them is what people mostly want.
    stream.querySelector(".primary")?.classList.remove("primary");
    this.#mode(true);
    this.elements = [submit, stream];
  }

  /** @param {boolean} asFields */
  #mode(asFields) {
    if (asFields) this.#showFields();
    else {
      // Only from the fields: otherwise the text would be replaced by itself, parsed and formatted.
      if (this.place.firstChild === this.rows) this.json.value = JSON.stringify(this.#pairs(), null, 2);
      replace(this.place, this.json);
      this.json.setAttribute("aria-label", "Attributes as JSON");
    }
    this.asFields = asFields;
    this.modes.forEach((mode, index) => mode.setAttribute("aria-pressed", String(asFields === (index === 0))));
  }

  #showFields() {
    let document = {};
    try {
      document = JSON.parse(this.json.value || "{}");
    } catch {
      // Text that is not JSON cannot be shown as fields: they begin anew.
    }
    replace(
      this.rows,
      Object.entries(document).map(([name, value]) =>
        this.#pair(name, typeof value === "string" ? value : JSON.stringify(value)),
      ),
    );
    this.rows.append(button("Add attribute", (event) => this.#add(event), { class: "button small", icon: "plus" }));
    replace(this.place, this.rows);
  }

  /** @param {MouseEvent} event */
  #add(event) {
    const pair = this.#pair("", "");
    /** @type {HTMLElement} */ (event.currentTarget).before(pair);
    pair.querySelector("input")?.focus();
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  #pair(name, value) {
    const pair = h(
      "div",
      { class: "pair" },
      h("input", { class: "input", value: name, placeholder: "name", "aria-label": "Name of the attribute" }),
      h("input", { class: "input", value, placeholder: "value", "aria-label": "Value of the attribute" }),
      h(
        "button",
        {
          type: "button",
          class: "icon-button",
          "aria-label": "Remove the attribute",
          on: { click: () => pair.remove() },
        },
        icon("close"),
      ),
    );
    return pair;
  }

  /** @returns {{[name: string]: any}} a value that is JSON as such, and others as text */
  #pairs() {
    /** @type {[string, any][]} */
    const entries = [];
    for (const pair of this.rows.querySelectorAll(".pair")) {
      const [name, value] = [...pair.querySelectorAll("input")].map((input) => input.value);
      if (name) entries.push([name, valueOf(value)]);
    }
    return Object.fromEntries(entries);
  }

  /** @returns {{[parameter: string]: string}} */
  #parameters() {
    /** @type {{[parameter: string]: string}} */
    const parameters = {
      Attributes: this.asFields ? JSON.stringify(this.#pairs()) : compact(this.json.value),
      WorkflowSid: this.workflow.value,
      TaskChannel: this.channel.value,
      Priority: this.priority.value || "0",
    };
    if (this.timeout.value) parameters.Timeout = this.timeout.value;
    return parameters;
  }
}

/** @param {string} text */
function valueOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
