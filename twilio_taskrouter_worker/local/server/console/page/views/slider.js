/** The time machine: a slider over all moments of the service's history, under every view. */

import { button, h, setText } from "../lib/dom.js";
import { time } from "../lib/format.js";

/** @typedef {import("../app.js").App} App */

export class Slider {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {number | null} asked for, and not shown yet */
    this.asking = null;
    /** @type {number | null} wanted after that */
    this.next = null;
    /** @type {Map<number, string>} what happened at the moments around */
    this.texts = new Map();
    this.input = h("input", {
      type: "range",
      class: "slider",
      "aria-label": "Moment of the history",
      min: 0,
      max: 0,
      step: 1,
      value: "0",
      on: { input: () => this.#dragged() },
    });
    this.when = h("output", { class: "slider-when" });
    this.what = h("span", { class: "slider-what muted" });
    this.back = button("Back to now", () => this.#go(null), { class: "button small primary", hidden: true });
    this.fork = button("Fork here", () => this.#fork(), { class: "button small", icon: "fork" });
    this.element = h(
      "footer",
      { class: "timebar", "aria-label": "Time machine", role: "contentinfo", hidden: true },
      this.when,
      this.input,
      this.what,
      this.back,
      this.fork,
    );
  }

  update() {
    const { store, clock, link } = this.app;
    const { history, moment } = store;
    this.element.hidden = !history;
    if (!history) return;
    if (this.asking !== null && moment === this.asking) this.#arrived();
    // The answer will not come on this connection; the page asks again when it is back.
    if (link !== "live") this.asking = null;
    this.input.min = String(history.first);
    this.input.max = String(history.last);
    const shown = this.next ?? this.asking ?? moment ?? history.last;
    // Not in every frame: setting it would interrupt a drag.
    if (Number(this.input.value) !== shown) this.input.value = String(shown);
    const past = moment !== null;
    const text = past ? time(clock.now()) : "Now";
    setText(this.when, text);
    this.input.setAttribute(
      "aria-valuetext",
      past ? `${text}, ${this.texts.get(moment) || `moment ${moment}`}` : "now",
    );
    setText(
      this.what,
      past ? this.texts.get(moment) || "" : `${(history.last - history.first).toLocaleString()} moments`,
    );
    this.back.hidden = !past;
    this.fork.disabled = link !== "live";
  }

  #dragged() {
    const { history } = this.app.store;
    const moment = Number(this.input.value);
    // The end of the slider is now, which goes on.
    this.#go(history && moment >= history.last ? null : moment);
  }

  /**
   * Shows a moment. While one is asked for, only the latest wish is kept: dragging never runs behind.
   *
   * @param {number | null} moment
   */
  #go(moment) {
    // "Back to now" does not wait: the server drops what it was asked for before.
    if (moment !== null && this.asking !== null) {
      this.next = moment;
      return;
    }
    this.asking = moment;
    this.next = null;
    this.app.view(moment);
  }

  /** The moment that was asked for cannot be shown: the slider goes back to the one that is. */
  refused() {
    this.asking = this.next = null;
  }

  #arrived() {
    const { next } = this;
    const { moment } = this.app.store;
    this.asking = null;
    if (next !== null && next !== moment) this.#go(next);
    else if (moment !== null && !this.texts.has(moment)) this.#describe(moment);
  }

  /** @param {number} moment */
  async #describe(moment) {
    try {
      const { moments } = await this.app.api.get(`history?around=${moment}&limit=100`);
      // Bounded: somebody may drag over a history of millions.
      if (this.texts.size > 2000) this.texts.clear();
      for (const each of moments) this.texts.set(each.moment, each.text);
      this.app.changed();
    } catch {
      // The time is shown without a text.
    }
  }

  async #fork() {
    const fork = await this.app.act(this.app.api.post("fork", { moment: this.app.store.moment }), "");
    if (!fork) return;
    // After a request, a browser may take it for a pop-up and refuse: then a link is shown.
    const opened = window.open(fork.console_url, "_blank");
    if (opened) this.app.messages.show("The fork is open in another tab.");
    else this.app.messages.link("The fork is there.", "Open its console", fork.console_url);
  }
}
