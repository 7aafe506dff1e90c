/** The frame around the views: bar at the top, navigation, panel of details, time line at the bottom. */

import { h, icon, replace } from "../lib/dom.js";
import { Bar } from "./bar.js";
import { InspectorView } from "./inspector.js";
import { NowView } from "./now.js";
import { QueuePanel } from "./queue-panel.js";
import { listenToKeys } from "./shortcuts.js";
import { Slider } from "./slider.js";
import { TaskPanel } from "./task-panel.js";
import { TasksView } from "./tasks.js";
import { TimeView } from "./time.js";
import { WorkerPanel } from "./worker-panel.js";
import { WorkflowsView } from "./workflows.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../app.js").View} View */

/** @type {{name: string, title: string, icon: import("../lib/dom.js").IconName, View: new (app: App, sid: string) => View}[]} */
export const VIEWS = [
  { name: "now", title: "Now", icon: "now", View: NowView },
  { name: "tasks", title: "Tasks", icon: "tasks", View: TasksView },
  { name: "workflows", title: "Workflows", icon: "workflows", View: WorkflowsView },
  { name: "inspector", title: "Inspector", icon: "inspector", View: InspectorView },
  { name: "time", title: "Time & faults", icon: "time", View: TimeView },
];

/** @type {{[prefix: string]: new (app: App, sid: string, close: () => void) => View}} */
const PANELS = { WT: TaskPanel, WK: WorkerPanel, WQ: QueuePanel };

export class Shell {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {View | null} */
    this.view = null;
    /** @type {View | null} */
    this.panel = null;
    this.viewName = "";
    this.sid = "";
    this.bar = new Bar(app);
    this.slider = new Slider(app);
    this.main = h("main", { id: "main", class: "main", tabindex: "-1" });
    this.side = h("aside", { class: "panel", "aria-label": "Details", hidden: true });
    this.links = VIEWS.map(({ name, title, icon: name_of_icon }) =>
      h("a", { href: `#/${name}`, class: "nav-link" }, icon(name_of_icon), h("span", {}, title)),
    );
    this.element = h(
      "div",
      { class: "shell" },
      h(
        "a",
        { class: "skip", href: "#main", on: { click: (/** @type {Event} */ e) => this.#skip(e) } },
        "Skip to content",
      ),
      this.bar.element,
      h("nav", { class: "nav", "aria-label": "Views" }, this.links),
      this.main,
      this.side,
      this.slider.element,
    );
    listenToKeys(app, this);
  }

  /** @param {Event} event */
  #skip(event) {
    event.preventDefault(); // the address names a view
    this.main.focus();
  }

  /** Shows the view and the details that the address names: `#/VIEW` or `#/VIEW/SID`. */
  route() {
    const [, name = "now", sid = ""] = location.hash.split("/");
    const known = VIEWS.find((view) => view.name === name) || VIEWS[0];
    // The same view stays when only the details change: its filters, scrolling and focus are kept.
    if (this.viewName !== known.name) this.#showView(known, sid);
    this.sid = sid;
    this.#showPanel(sid);
    this.view?.open?.(sid || null);
    this.app.changed();
  }

  /**
   * @param {typeof VIEWS[number]} known
   * @param {string} sid
   */
  #showView(known, sid) {
    const moved = this.view !== null;
    // Views observe the page and switch the inspector's entries on: without an end they would go on unseen.
    this.view?.destroy?.();
    this.viewName = known.name;
    this.view = new known.View(this.app, sid);
    replace(this.main, this.view.element);
    document.title = `${this.view.title} · TaskRouter console`;
    VIEWS.forEach(({ name }, index) => {
      if (name === known.name) this.links[index].setAttribute("aria-current", "page");
      else this.links[index].removeAttribute("aria-current");
    });
    // As a browser does with a new page, so that a screen reader begins there; not at the first view.
    if (moved) this.main.focus({ preventScroll: true });
  }

  /** @param {string} sid */
  #showPanel(sid) {
    // Workflows (WW) have no panel: their view shows them itself.
    const Panel = PANELS[sid.slice(0, 2)];
    if (this.panel && this.panelSid === sid) return;
    const opened = !this.panel && Panel;
    this.panel?.destroy?.();
    this.panel = Panel ? new Panel(this.app, sid, () => this.closePanel()) : null;
    this.panelSid = sid;
    this.side.hidden = !this.panel;
    this.element.classList.toggle("with-panel", Boolean(this.panel));
    replace(this.side, this.panel?.element);
    // Only the first one: from record to record inside of the panel, the way back stays the same.
    if (opened) this.before = document.activeElement;
    if (Panel)
      /** @type {HTMLElement | null} */ (this.side.querySelector("[tabindex='-1']"))?.focus({ preventScroll: true });
  }

  /** Closes the details; the focus goes back to where they were opened. */
  closePanel() {
    if (!this.panel) return;
    location.hash = `#/${this.viewName}`;
    this.route();
    if (this.before instanceof HTMLElement && this.before.isConnected) this.before.focus();
  }

  /** @param {string} sid  of a task, worker or queue */
  open(sid) {
    location.hash = `#/${this.viewName}/${sid}`;
  }

  /** Shows the state of now. */
  update() {
    this.bar.update();
    const past = this.app.store.moment !== null;
    this.element.classList.toggle("in-past", past);
    this.slider.update();
    this.view?.update();
    this.panel?.update();
  }
}
