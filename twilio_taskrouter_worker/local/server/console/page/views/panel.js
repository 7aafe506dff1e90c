/** What the panels of details have in common. */

import { button, h, icon, replace } from "../lib/dom.js";
import { field, form, openDialog } from "../lib/dialog.js";
import { pretty } from "../lib/format.js";

/** @typedef {import("../app.js").App} App */

/** A part of a page that is made anew only when what it shows differs. */
export class Part {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    /** @type {any[]} */
    this.values = [];
  }

  /**
   * @param {any[]} values  what it shows; records are replaced when they change, so identity is enough
   * @param {() => import("../lib/dom.js").Child[]} make
   */
  update(values, make) {
    if (values.length === this.values.length && values.every((value, index) => value === this.values[index])) return;
    this.values = values;
    replace(this.element, make());
  }
}

/**
 * @param {string} kind  such as `Task`
 * @param {string} sid
 * @param {() => void} close
 * @param {App} app
 */
export function panelHead(kind, sid, close, app) {
  const title = h("h2", { tabindex: "-1", class: "panel-title" }, kind);
  const copy = () => copyText(app, sid, "The sid is copied.");
  const element = h(
    "header",
    { class: "panel-head" },
    h(
      "div",
      { class: "panel-name" },
      title,
      h(
        "button",
        {
          type: "button",
          class: "sid",
          title: "Copy the sid",
          "aria-label": `Copy the sid ${sid}`,
          on: { click: copy },
        },
        sid,
      ),
    ),
    h(
      "button",
      { type: "button", class: "icon-button", "aria-label": "Close the details", on: { click: close } },
      icon("close"),
    ),
  );
  return { element, title };
}

/**
 * @param {App} app
 * @param {string} text
 * @param {string} done
 */
export async function copyText(app, text, done) {
  try {
    // Missing or refused where the page is not a secure context: another host than localhost, without TLS.
    await navigator.clipboard.writeText(text);
    app.messages.show(done);
  } catch {
    app.messages.show("The browser does not let this page write to the clipboard.", "failed");
  }
}

/**
 * @param {[string, import("../lib/dom.js").Child][]} rows  those with an empty value are left out
 */
export function facts(rows) {
  const shown = rows.filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return h(
    "dl",
    { class: "facts" },
    shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

/**
 * @param {string} title
 * @param {...import("../lib/dom.js").Child} children
 */
export function section(title, ...children) {
  return h("section", { class: "panel-section", "aria-label": title }, h("h3", {}, title), ...children);
}

/**
 * Opens the editor of a record's attributes.
 *
 * @param {App} app
 * @param {string} path  of the record in REST
 * @param {string} attributes
 */
export function openAttributes(app, path, attributes) {
  openDialog("Attributes", (close) => {
    const text = h("textarea", { class: "input code", rows: 14, spellcheck: false, value: pretty(attributes) });
    return [
      form("Save", [field("JSON", text)], async () => {
        await app.api.rest(path, { Attributes: compact(text.value) });
        app.messages.show("The attributes are saved.");
        close();
      }),
    ];
  });
}

/**
 * @param {string} text
 * @returns {string} the JSON without needless space
 * @throws {Error} it is not JSON
 */
export function compact(text) {
  try {
    return JSON.stringify(JSON.parse(text || "{}"));
  } catch (error) {
    throw new Error(`The attributes are not JSON: ${/** @type {Error} */ (error).message}`);
  }
}

/**
 * The buttons that play the worker of a reservation.
 *
 * @param {App} app
 * @param {import("../data/types.js").Reservation} reservation
 * @returns {HTMLElement[]}
 */
export function reservationButtons(app, reservation) {
  const act = (/** @type {string} */ status, /** @type {string} */ done) => () => {
    const path = `Workers/${reservation.worker_sid}/Reservations/${reservation.sid}`;
    app.act(
      app.api.rest(path, { ReservationStatus: status }, reservation.worker_sid),
      `${reservation.worker_name} ${done}.`,
    );
  };
  const make = (
    /** @type {string} */ text,
    /** @type {string} */ status,
    /** @type {string} */ done,
    kind = "button small",
  ) =>
    button(text, act(status, done), {
      class: kind,
      id: `${status}-${reservation.sid}`,
      disabled: app.readOnly !== "",
      title: app.readOnly,
    });
  const complete = make("Complete", "completed", "completed the task");
  if (reservation.reservation_status === "pending")
    return [
      make("Accept", "accepted", "accepted the task", "button small primary"),
      make("Reject", "rejected", "rejected the task"),
    ];
  if (reservation.reservation_status === "accepted") return [make("Wrap up", "wrapping", "wraps up"), complete];
  return reservation.reservation_status === "wrapping" ? [complete] : [];
}
