/** The frame around the views: bar at the top, navigation, panel of details, time line at the bottom. */

import { button, h, icon, replace, setAttribute, setIcon, setText } from "../lib/dom.js";
import { dayAndTime } from "../lib/format.js";
import { openNewTask, repeatLastTask, stopStreams } from "./customer.js";
import { InspectorView } from "./inspector.js";
import { NowView } from "./now.js";
import { QueuePanel } from "./queue-panel.js";
import { listenToKeys, openHelp } from "./shortcuts.js";
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

const LINKS = {
  connecting: "Connecting…",
  live: "Live",
  waiting: "Reconnecting…",
  refused: "Signed out: open the link that the service printed",
};

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
    this.slider = new Slider(app);
    this.main = h("main", { id: "main", class: "main", tabindex: "-1" });
    this.side = h("aside", { class: "panel", "aria-label": "Details", hidden: true });
    this.links = VIEWS.map(({ name, title, icon: name_of_icon }) =>
      h("a", { href: `#/${name}`, class: "nav-link" }, icon(name_of_icon), h("span", {}, title)),
    );
    this.element = h(
      "div",
      { class: "shell" },
      h("a", { class: "skip", href: "#main", on: { click: (/** @type {Event} */ e) => this.#skip(e) } }, "Skip to content"),
      this.#bar(),
      h("nav", { class: "nav", "aria-label": "Views" }, this.links),
      this.main,
      this.side,
      this.slider.element,
    );
    listenToKeys(app, this);
  }

  #bar() {
    const { app } = this;
    this.linkIcon = icon("pending");
    this.linkText = h("span", {});
    this.linkState = h("div", { class: "link", role: "status" }, this.linkIcon, this.linkText);
    this.clockTime = h("span", { class: "clock-time" });
    this.clockState = h("span", { class: "clock-state" });
    this.pauseIcon = icon("pause");
    this.pauseText = h("span", {}, "Pause");
    this.pause = h("button", { type: "button", class: "button small", on: { click: () => this.#pauseOrResume() } }, this.pauseIcon, this.pauseText);
    this.streamText = h("span", {});
    this.streaming = h("div", { class: "streaming", hidden: true }, this.streamText, button("Stop", () => stopStreams(app), { class: "button small" }));
    this.create = button("New task", () => openNewTask(app), { class: "button primary", icon: "plus" });
    this.repeat = button("Repeat last", () => app.act(repeatLastTask(app), ""), { class: "button", icon: "repeat" });
    return h(
      "header",
      { class: "bar" },
      h("a", { class: "brand", href: "#/now" }, h("img", { src: "icon.svg", alt: "", width: 20, height: 20 }), h("span", {}, "TaskRouter")),
      this.linkState,
      h("div", { class: "clock" }, this.clockTime, this.clockState, this.pause),
      h("div", { class: "bar-space" }),
      this.streaming,
      this.repeat,
      this.create,
      h("button", { type: "button", class: "icon-button", "aria-label": "Keyboard shortcuts", on: { click: () => openHelp(app) } }, icon("help")),
    );
  }

  /** @param {Event} event */
  #skip(event) {
    event.preventDefault(); // the address names a view
    this.main.focus();
  }

  async #pauseOrResume() {
    const running = this.app.clock.running;
    const action = this.app.api.control("POST", running ? "clock/pause" : "clock/resume");
    await this.app.act(action, running ? "The clock is paused." : "The clock runs.");
  }

  /** Shows the view and the details that the address names: `#/VIEW` or `#/VIEW/SID`. */
  route() {
    const [, name = "now", sid = ""] = location.hash.split("/");
    const known = VIEWS.find((view) => view.name === name) || VIEWS[0];
    if (this.viewName !== known.name) this.#showView(known, sid);
    this.sid = sid;
    this.#showPanel(sid in this.#ownSids() ? "" : sid);
    this.view?.open?.(sid || null);
    this.app.changed();
  }

  /** Workflows are a view of their own, without a panel. */
  #ownSids() {
    return this.viewName === "workflows" ? { [this.sid]: true } : {};
  }

  /**
   * @param {typeof VIEWS[number]} known
   * @param {string} sid
   */
  #showView(known, sid) {
    const moved = this.view !== null;
    this.view?.destroy?.();
    this.viewName = known.name;
    this.view = new known.View(this.app, sid);
    replace(this.main, this.view.element);
    document.title = `${this.view.title} · TaskRouter console`;
    VIEWS.forEach(({ name }, index) => {
      if (name === known.name) this.links[index].setAttribute("aria-current", "page");
      else this.links[index].removeAttribute("aria-current");
    });
    if (moved) this.main.focus({ preventScroll: true });
  }

  /** @param {string} sid */
  #showPanel(sid) {
    const Panel = PANELS[sid.slice(0, 2)];
    if (this.panel && this.panelSid === sid) return;
    const opened = !this.panel && Panel;
    this.panel?.destroy?.();
    this.panel = Panel ? new Panel(this.app, sid, () => this.closePanel()) : null;
    this.panelSid = sid;
    this.side.hidden = !this.panel;
    this.element.classList.toggle("with-panel", Boolean(this.panel));
    replace(this.side, this.panel?.element);
    if (opened) this.before = document.activeElement;
    if (Panel) /** @type {HTMLElement | null} */ (this.side.querySelector("[tabindex='-1']"))?.focus({ preventScroll: true });
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
    this.#updateBar();
    this.slider.update();
    this.view?.update();
    this.panel?.update();
  }

  #updateBar() {
    const { app } = this;
    setText(this.linkText, LINKS[app.link]);
    setIcon(this.linkIcon, app.link === "live" ? "yes" : app.link === "refused" ? "no" : "pending");
    setAttribute(this.linkState, "data-state", app.link);
    const past = app.store.moment !== null;
    setText(this.clockTime, dayAndTime(app.clock.now()));
    setText(this.clockState, past ? "the past" : app.clock.running ? "" : "paused");
    setIcon(this.pauseIcon, app.clock.running ? "pause" : "play");
    setText(this.pauseText, app.clock.running ? "Pause" : "Resume");
    this.element.classList.toggle("in-past", past);
    const locked = app.readOnly !== "";
    for (const control of [this.pause, this.create, this.repeat]) {
      control.disabled = locked;
      control.title = app.readOnly;
    }
    this.repeat.disabled ||= app.lastTask === null;
    const rate = app.store.streams.reduce((sum, stream) => sum + stream.per_minute, 0);
    this.streaming.hidden = rate === 0;
    setText(this.streamText, `${rate} tasks per minute`);
  }
}
