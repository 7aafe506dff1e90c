/** Workflows: their text, the parser's errors at their place, and what a change would do, before it is saved. */

import { button, h, icon, replace, setText } from "../lib/dom.js";
import { field, form, openDialog } from "../lib/dialog.js";
import { counted, pretty, shortSid, summary } from "../lib/format.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../data/types.js").Workflow} Workflow */

const CHECK_AFTER = 250; // milliseconds without a keystroke
/** Ways of tasks that a dry run shows; a workflow has few filters, but a person may have written many. */
const MOST_WAYS = 50;
/** Tasks that are named for each way. */
const NAMED_TASKS = 3;

export class WorkflowsView {
  title = "Workflows";

  /**
   * @param {App} app
   * @param {string} sid
   */
  constructor(app, sid) {
    this.app = app;
    this.sid = sid;
    /** @type {Editor | null} */
    this.editor = null;
    this.shown = "";
    this.adder = button("Add workflow", () => openAddWorkflow(app), { class: "button small", icon: "plus" });
    this.list = h("ul", { class: "workflow-list" });
    this.place = h("div", { class: "workflow-place" });
    this.element = h(
      "div",
      { class: "view view-workflows" },
      h("h1", { class: "unseen" }, "Workflows"),
      h("nav", { class: "workflow-side", "aria-label": "Workflows" }, this.list, this.adder),
      this.place,
    );
  }

  destroy() {
    this.editor?.destroy();
  }

  /** @param {string | null} sid */
  open(sid) {
    // The sid may be of other details that are open beside the editor.
    if (sid?.startsWith("WW")) this.sid = sid;
  }

  update() {
    this.adder.disabled = this.app.readOnly !== "";
    const workflows = [...this.app.store.workflows.values()];
    const chosen = workflows.find(({ sid }) => sid === this.sid) || workflows[0];
    const shown = workflows.map(({ sid, friendly_name }) => sid + friendly_name).join() + chosen?.sid;
    if (shown !== this.shown) {
      this.shown = shown;
      replace(
        this.list,
        workflows.map(({ sid, friendly_name }) =>
          h(
            "li",
            {},
            h(
              "a",
              { href: `#/workflows/${sid}`, class: "nav-link", "aria-current": sid === chosen?.sid && "true" },
              friendly_name,
            ),
          ),
        ),
      );
    }
    if (chosen && this.editor?.sid !== chosen.sid) {
      this.editor?.destroy();
      this.editor = new Editor(this.app, chosen);
      replace(this.place, this.editor.element);
    } else if (!chosen && !this.place.querySelector(".empty")) {
      replace(
        this.place,
        h(
          "div",
          { class: "empty" },
          h(
            "p",
            {},
            "No workflows yet: ",
            button("add one", () => openAddWorkflow(this.app), { class: "link-button" }),
          ),
        ),
      );
    }
    if (chosen) this.editor?.update(chosen);
  }
}

class Editor {
  /**
   * @param {App} app
   * @param {Workflow} workflow
   */
  constructor(app, workflow) {
    this.app = app;
    this.sid = workflow.sid;
    this.saved = pretty(workflow.configuration);
    this.ending = new AbortController();
    this.timer = 0;
    this.checked = 0;
    this.valid = true;
    this.text = h("textarea", {
      class: "editor-text",
      spellcheck: false,
      wrap: "off",
      "aria-label": "Configuration",
      "aria-describedby": "workflow-problem",
      value: this.saved,
    });
    this.numbers = h("div", { class: "editor-numbers", "aria-hidden": "true" });
    this.marker = h("div", { class: "editor-marker", hidden: true, "aria-hidden": "true" });
    this.problem = h("div", { id: "workflow-problem", class: "problem", role: "status" });
    this.dry = h("div", { class: "dry-run", role: "status" });
    this.name = h("h2", {}, workflow.friendly_name);
    this.save = button("Save", () => this.#save(), { class: "button primary" });
    this.revert = button("Revert", () => this.#revert(), { class: "button" });
    this.text.addEventListener("input", () => this.#edited());
    this.text.addEventListener("scroll", () => this.#scroll(), { passive: true });
    this.element = h(
      "section",
      { class: "editor", "aria-label": "Editor" },
      h("div", { class: "block-head" }, this.name, h("div", { class: "bar-space" }), this.revert, this.save),
      h("div", { class: "editor-area" }, this.numbers, h("div", { class: "editor-place" }, this.marker, this.text)),
      this.problem,
      this.dry,
    );
    this.#lines();
    this.#check();
  }

  destroy() {
    clearTimeout(this.timer);
    this.ending.abort();
  }

  /** @param {Workflow} workflow  as it is now */
  update(workflow) {
    setText(this.name, workflow.friendly_name);
    const saved = pretty(workflow.configuration);
    if (saved !== this.saved) {
      // Somebody else has changed it: what is being edited here stays.
      if (this.text.value === this.saved) this.text.value = saved;
      this.saved = saved;
      this.#edited();
    }
    const locked = this.app.readOnly;
    this.text.readOnly = locked !== "";
    this.revert.disabled = this.text.value === this.saved;
    this.save.disabled = locked !== "" || !this.valid || this.text.value === this.saved;
    this.save.title = locked || (this.valid ? "" : "The configuration has an error.");
  }

  #edited() {
    this.#lines();
    this.app.changed();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#check(), CHECK_AFTER);
  }

  #revert() {
    this.text.value = this.saved;
    this.#edited();
  }

  #lines() {
    const count = this.text.value.split("\n").length;
    if (this.numbers.childElementCount !== count)
      replace(
        this.numbers,
        Array.from({ length: count }, (_, index) => h("div", {}, index + 1)),
      );
  }

  #scroll() {
    this.numbers.scrollTop = this.text.scrollTop;
    this.marker.style.setProperty("--scroll-top", `${this.text.scrollTop}px`);
    this.marker.style.setProperty("--scroll-left", `${this.text.scrollLeft}px`);
  }

  async #check() {
    const number = ++this.checked;
    let answer;
    try {
      // Checked by the engine on a copy, not here: there is one parser, and its errors are those of a save.
      answer = await this.app.api.post("workflow", { sid: this.sid, configuration: this.text.value });
    } catch (error) {
      if (!this.ending.signal.aborted)
        replace(this.problem, h("span", { class: "muted" }, /** @type {Error} */ (error).message));
      return;
    }
    // Only the answer to the latest text counts.
    if (number !== this.checked || this.ending.signal.aborted) return;
    this.valid = answer.ok;
    if (answer.ok) this.#showDryRun(answer);
    else this.#showError(answer.error);
    this.app.changed();
  }

  /** @param {any} error  with its place in the text */
  #showError(error) {
    const place = error.line ? `Line ${error.line}, column ${error.column}: ` : "";
    const go = () => {
      this.text.focus();
      this.text.setSelectionRange(error.offset, error.offset + (error.length || 1));
    };
    replace(
      this.problem,
      h(
        "div",
        { class: "error" },
        icon("no"),
        h("span", {}, `${place}${error.message}`),
        error.line && button("Go to the error", go, { class: "button small" }),
      ),
      error.where && h("p", { class: "muted" }, `In ${error.where}.`),
    );
    this.text.setAttribute("aria-invalid", "true");
    replace(this.dry);
    this.#mark(error, "error");
  }

  /**
   * Marks a place in the text.
   *
   * @param {{line: number | null, column: number, length?: number} | undefined} place  undefined: none
   * @param {"error" | "warning"} kind
   */
  #mark(place, kind) {
    const line = place?.line;
    [...this.numbers.children].forEach((number, index) => {
      number.classList.toggle("line-error", index + 1 === line && kind === "error");
      number.classList.toggle("line-warning", index + 1 === line && kind === "warning");
    });
    this.marker.hidden = !line;
    this.marker.className = `editor-marker marker-${kind}`;
    if (!place || !line) return;
    this.marker.style.setProperty("--line", String(line - 1));
    this.marker.style.setProperty("--column", String(place.column - 1));
    this.marker.style.setProperty("--length", String(Math.max(1, place.length || 1)));
    this.#scroll();
  }

  /** @param {any} answer */
  #showDryRun({ warnings, waiting, moves }) {
    this.#mark(warnings[0], "warning");
    this.text.removeAttribute("aria-invalid");
    replace(
      this.problem,
      h("p", { class: "fine" }, icon("yes"), "The configuration is valid."),
      warnings.map((/** @type {any} */ { message, line, column }) =>
        h("p", { class: "warning" }, icon("timeout"), `Line ${line}, column ${column}: ${message}`),
      ),
    );
    const moved = moves.filter((/** @type {any} */ move) => move.changed);
    const unchanged = waiting - moved.length;
    replace(
      this.dry,
      h("h3", {}, "Dry run"),
      waiting === 0
        ? h("p", { class: "muted" }, "No task of this workflow waits.")
        : h(
            "p",
            {},
            moved.length
              ? `${counted(moved.length, "waiting task")} would go elsewhere, ${unchanged.toLocaleString()} would stay.`
              : `${counted(waiting, "waiting task")} would stay where ${waiting === 1 ? "it is" : "they are"}.`,
          ),
      moved.length > 0 &&
        h(
          "ul",
          { class: "plain-list" },
          this.#grouped(moved).map((group) => this.#group(group)),
        ),
    );
  }

  /**
   * Groups the tasks that would go the same way, the largest group first.
   *
   * @param {any[]} moves
   * @returns {any[][]}
   */
  #grouped(moves) {
    const groups = new Map();
    for (const move of moves) {
      const way = [move.from, move.to].map((place) => place && `${place.queue_sid} ${place.filter} ${place.priority}`);
      const key = way.join(" > ");
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(move);
    }
    return [...groups.values()].sort((one, other) => other.length - one.length).slice(0, MOST_WAYS);
  }

  /** @param {any[]} moves  that go the same way */
  #group(moves) {
    const [{ from, to }] = moves;
    const tasks = moves.slice(0, NAMED_TASKS).map(({ task_sid }) => {
      const task = this.app.store.tasks.get(task_sid);
      return (task && summary(task.attributes)) || shortSid(task_sid);
    });
    if (moves.length > NAMED_TASKS) tasks.push(`${(moves.length - NAMED_TASKS).toLocaleString()} more`);
    const priority = to && from.priority !== to.priority && `priority ${from.priority} to ${to.priority}`;
    return h(
      "li",
      {},
      h("span", {}, counted(moves.length, "task"), h("span", { class: "muted" }, `: ${tasks.join("; ")}`)),
      h(
        "span",
        { class: "move" },
        this.#place(from),
        icon("forward"),
        h("span", { class: "unseen" }, "to"),
        to ? this.#place(to) : "canceled",
        priority && h("span", { class: "muted" }, priority),
      ),
    );
  }

  /** @param {any} place  where a task waits or would wait */
  #place({ queue_sid, filter }) {
    const queue = this.app.store.queues.get(queue_sid)?.friendly_name || "no queue";
    return h("span", {}, queue, filter && h("span", { class: "muted" }, ` (${filter})`));
  }

  async #save() {
    const configuration = this.text.value;
    const answer = await this.app.act(
      this.app.api.rest(`Workflows/${this.sid}`, { Configuration: configuration, ReEvaluateTasks: "true" }),
      "The workflow is saved; waiting tasks were routed anew.",
    );
    if (answer) this.text.focus();
  }
}

/** @param {App} app */
function openAddWorkflow(app) {
  if (app.refuses()) return;
  openDialog("Add workflow", (close) => {
    const name = h("input", { class: "input", required: true, autocomplete: "off" });
    const queue = h(
      "select",
      { class: "input" },
      [...app.store.queues.values()].map(({ sid, friendly_name }) => h("option", { value: sid }, friendly_name)),
    );
    return [
      form(
        "Add workflow",
        [
          field("Name", name),
          field("Default queue", queue, "Where tasks go that no filter matches. Filters are added in the editor."),
        ],
        async () => {
          const configuration = { task_routing: { filters: [], default_filter: { queue: queue.value } } };
          const { sid } = await app.api.rest("Workflows", {
            FriendlyName: name.value,
            Configuration: JSON.stringify(configuration),
          });
          app.messages.show(`Workflow ${name.value} is added.`);
          close();
          location.hash = `#/workflows/${sid}`;
        },
      ),
    ];
  });
}
