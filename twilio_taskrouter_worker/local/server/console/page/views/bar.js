/** The bar at the top: connection, clock, and the customer's buttons. */

import { button, h, icon, setAttribute, setIcon, setText } from "../lib/dom.js";
import { day, time } from "../lib/format.js";
import { openNewTask, repeatLastTask, stopStreams } from "./customer.js";
import { openHelp } from "./shortcuts.js";

/** @typedef {import("../app.js").App} App */

const LINKS = {
  connecting: "Connecting…",
  live: "Live",
  waiting: "Reconnecting…",
  refused: "Signed out: open the link that the service printed",
};

/** @type {{[state: string]: import("../lib/dom.js").IconName}} */
const LINK_ICONS = { live: "yes", refused: "no", broken: "no" };

export class Bar {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.linkIcon = icon("pending");
    this.linkText = h("span", {});
    this.linkState = h("div", { class: "link", role: "status" }, this.linkIcon, this.linkText);
    this.clockDay = h("span", { class: "clock-day" });
    this.clockTime = h("span", { class: "clock-time" });
    this.clockState = h("span", { class: "clock-state" });
    this.pauseIcon = icon("pause");
    this.pauseText = h("span", {}, "Pause");
    this.pause = h(
      "button",
      { type: "button", class: "button small quiet", on: { click: () => this.#pauseOrResume() } },
      this.pauseIcon,
      this.pauseText,
    );
    this.streamText = h("span", {});
    this.streaming = h(
      "div",
      { class: "streaming", hidden: true },
      this.streamText,
      button("Stop", () => stopStreams(app), { class: "button small" }),
    );
    this.create = button("New task", () => openNewTask(app), { class: "button primary", icon: "plus" });
    this.repeat = button("Repeat last", () => app.act(repeatLastTask(app), ""), {
      class: "button quiet",
      icon: "repeat",
    });
    this.element = h(
      "header",
      { class: "bar" },
      h(
        "a",
        { class: "brand", href: "#/now" },
        h("img", { src: "icon.svg", alt: "", width: 20, height: 20 }),
        h("span", {}, "TaskRouter"),
      ),
      this.linkState,
      h("div", { class: "clock" }, this.clockDay, this.clockTime, this.clockState, this.pause),
      h("div", { class: "bar-space" }),
      this.streaming,
      this.repeat,
      this.create,
      h(
        "button",
        {
          type: "button",
          class: "icon-button help",
          "aria-label": "Keyboard shortcuts",
          on: { click: () => openHelp(app) },
        },
        icon("help"),
      ),
    );
  }

  async #pauseOrResume() {
    const running = this.app.clock.running;
    const action = this.app.api.control("POST", running ? "clock/pause" : "clock/resume");
    await this.app.act(action, running ? "The clock is paused." : "The clock runs.");
  }

  /** Shows the state of now. */
  update() {
    const { app } = this;
    setText(this.linkText, app.link === "broken" ? app.linkReason : LINKS[app.link]);
    setIcon(this.linkIcon, LINK_ICONS[app.link] || "pending");
    setAttribute(this.linkState, "data-state", app.link);
    const past = app.store.moment !== null;
    setText(this.clockDay, day(app.clock.now()));
    setText(this.clockTime, time(app.clock.now()));
    setText(this.clockState, past ? "the past" : app.clock.running ? "" : "paused");
    setIcon(this.pauseIcon, app.clock.running ? "pause" : "play");
    setText(this.pauseText, app.clock.running ? "Pause" : "Resume");
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
