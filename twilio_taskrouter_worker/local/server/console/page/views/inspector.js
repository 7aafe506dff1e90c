/** Inspector: every request, frame and webhook. */

import { button, h, icon, replace, setText } from "../lib/dom.js";
import { pretty, shortPath, timeWithMilliseconds } from "../lib/format.js";
import { Table, textColumn } from "../lib/table.js";
import { copyText, facts } from "./panel.js";

/** @typedef {import("../app.js").App} App */
/** @typedef {import("../data/types.js").WireEntry} WireEntry */

const KINDS = ["rest", "bridge", "handshake", "frame", "webhook", "control"];
const COPIES = /** @type {const} */ ([
  ["curl", "Copy as curl"],
  ["python", "Copy as Python (helper library)"],
  ["client", "Copy as this client"],
]);

export class InspectorView {
  title = "Inspector";

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.ending = new AbortController();
    /** @type {Set<string>} */
    this.kinds = new Set();
    /** @type {string | null} */
    this.opened = null;
    this.search = h("input", {
      type: "search",
      class: "input search",
      placeholder: "Filter by path, status, worker",
      "aria-label": "Filter the requests",
      on: { input: () => app.changed() },
    });
    this.own = h("input", { type: "checkbox", id: "inspector-own", on: { change: () => app.changed() } });
    this.pause = button("Pause", () => this.#turn(!app.wire.on), { class: "button small", icon: "pause" });
    this.chips = KINDS.map((kind) =>
      h(
        "button",
        {
          type: "button",
          class: "chip",
          "aria-pressed": "false",
          on: { click: (/** @type {any} */ event) => this.#toggle(kind, event.currentTarget) },
        },
        kind,
      ),
    );
    this.count = h("p", { class: "result muted", role: "status" });
    this.table = this.#makeTable();
    this.detail = h("section", { class: "wire-detail", "aria-label": "The chosen request", hidden: true });
    this.none = h("p", {}, "No requests yet. Whatever a client, the console or a webhook sends appears here.");
    this.noneFound = h("p", {}, "No request is like that.");
    this.element = h(
      "div",
      { class: "view view-inspector" },
      h("h1", { class: "unseen" }, "Inspector"),
      h(
        "div",
        { class: "filters" },
        this.search,
        h("div", { class: "chips", role: "group", "aria-label": "Kind" }, this.chips),
        h("label", { class: "check", for: "inspector-own" }, this.own, "this console's own"),
        this.pause,
        button("Clear", () => this.#clear(), { class: "button small" }),
        this.count,
      ),
      h("div", { class: "split" }, h("div", { class: "fill" }, this.table.element), this.detail),
    );
    this.#turn(true);
  }

  focus() {
    this.search.focus();
  }

  destroy() {
    this.ending.abort();
    this.table.destroy();
    this.app.wire.on = false;
    // Entries cost the service and this page time, so they come only while this view is shown.
    this.app.live.send({ type: "wire", on: false });
  }

  /** @param {boolean} on */
  #turn(on) {
    this.app.wire.on = on;
    this.app.live.send({ type: "wire", on });
    replace(this.pause, icon(on ? "pause" : "play"), h("span", {}, on ? "Pause" : "Resume"));
    this.app.changed();
  }

  async #clear() {
    await this.app.act(this.app.api.remove("wire"), "");
    this.app.wire.clear();
    this.#close();
    this.app.changed();
  }

  /**
   * @param {string} kind
   * @param {HTMLElement} chip
   */
  #toggle(kind, chip) {
    if (!this.kinds.delete(kind)) this.kinds.add(kind);
    chip.setAttribute("aria-pressed", String(this.kinds.has(kind)));
    this.app.changed();
  }

  update() {
    const { wire } = this.app;
    const wanted = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = wire.entries.filter((entry) => this.#matches(entry, wanted)).reverse();
    this.table.show(found, wire.entries.length ? this.noneFound : this.none);
    setText(
      this.count,
      `${found.length.toLocaleString()} of ${wire.entries.length.toLocaleString()}${wire.missed ? `, ${wire.missed.toLocaleString()} left out` : ""}${wire.on ? "" : ", paused"}`,
    );
  }

  /**
   * @param {WireEntry} entry
   * @param {string[]} wanted
   */
  #matches(entry, wanted) {
    // Left out at first: they are the effects of this page, not of the programs that are being looked at.
    if (entry.console && !this.own.checked) return false;
    if (this.kinds.size && !this.kinds.has(entry.kind)) return false;
    if (!wanted.length) return true;
    const worker = this.app.store.workers.get(entry.worker_sid || "")?.friendly_name || "";
    const text =
      `${entry.kind} ${entry.method} ${entry.path} ${entry.status} ${entry.summary} ${entry.worker_sid} ${worker}`.toLowerCase();
    return wanted.every((word) => text.includes(word));
  }

  #makeTable() {
    return new Table({
      label: "Requests, frames and webhooks",
      kind: "wire",
      key: (/** @type {WireEntry} */ entry) => String(entry.n),
      onOpen: (entry) => this.#open(entry),
      columns: [
        textColumn("time", "Time", (entry) => timeWithMilliseconds(entry.at)),
        textColumn("kind", "Kind", (entry) => entry.kind),
        textColumn("method", "Method", (entry) => entry.method),
        textColumn("path", "What", (entry) =>
          entry.summary && entry.summary !== entry.path
            ? `${shortPath(entry.path)} ${entry.summary}`
            : shortPath(entry.path),
        ),
        textColumn("code", "Status", (entry) => entry.status ?? "–"),
        textColumn("ms", "Time taken", (entry) => (entry.ms === null ? "–" : `${entry.ms.toFixed(1)} ms`)),
      ],
    });
  }

  #close() {
    this.opened = null;
    this.detail.hidden = true;
    this.table.markOpened(null);
    this.table.grid.focus();
  }

  /** @param {WireEntry} entry */
  async #open(entry) {
    this.opened = String(entry.n);
    this.table.markOpened(this.opened);
    const whole = await this.app.act(this.app.api.get(`wire/${entry.n}`, this.ending.signal), "");
    // Another row was chosen while this one was fetched, or the entry was evicted.
    if (!whole || this.opened !== String(entry.n)) return;
    this.detail.hidden = false;
    const title = h("h2", { tabindex: "-1", class: "panel-title" }, `${whole.method} ${whole.path}`);
    replace(
      this.detail,
      h(
        "header",
        { class: "panel-head" },
        title,
        h(
          "button",
          {
            type: "button",
            class: "icon-button",
            "aria-label": "Close the request",
            on: { click: () => this.#close() },
          },
          icon("close"),
        ),
      ),
      h(
        "div",
        { class: "actions" },
        COPIES.map(
          ([name, label]) =>
            whole.copy?.[name] &&
            button(label, () => copyText(this.app, whole.copy[name], "It is copied."), { class: "button small" }),
        ),
      ),
      facts([
        ["Time", timeWithMilliseconds(whole.at)],
        ["Status", whole.status === null ? "" : String(whole.status)],
        ["Time taken", whole.ms === null ? "" : `${whole.ms.toFixed(1)} ms`],
        ["From", whole.address],
        ["What", whole.summary],
      ]),
      half("Request", whole.request),
      half("Answer", whole.response),
    );
    title.focus({ preventScroll: true });
  }
}

/**
 * @param {string} title
 * @param {any} part  a request or an answer
 */
function half(title, part) {
  if (!part) return null;
  const headers = (part.headers || [])
    .map((/** @type {[string, string]} */ [name, value]) => `${name}: ${value}`)
    .join("\n");
  return h(
    "section",
    { class: "panel-section", "aria-label": title },
    h("h3", {}, title),
    headers && h("pre", { class: "code", tabindex: "0", "aria-label": `${title}: headers` }, headers),
    part.body && h("pre", { class: "code", tabindex: "0", "aria-label": `${title}: body` }, pretty(part.body)),
    part.truncated && h("p", { class: "muted" }, "The body is longer; the rest is not kept."),
    !headers && !part.body && h("p", { class: "muted" }, "Nothing."),
  );
}
