/** Keyboard shortcuts of single keys, which can be switched off. */

import { h } from "../lib/dom.js";
import { openDialog } from "../lib/dialog.js";
import { openNewTask, repeatLastTask } from "./customer.js";
import { VIEWS } from "./shell.js";

/** @typedef {import("../app.js").App} App */

const STORED = "taskrouter-console-shortcuts";

/** @returns {boolean} */
function enabled() {
  return localStorage.getItem(STORED) !== "off";
}

/**
 * @param {App} app
 * @param {import("./shell.js").Shell} shell
 */
export function listenToKeys(app, shell) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    // Shortcuts of the browser, and keys of an open dialog, are not ours.
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") {
      shell.closePanel();
      return;
    }
    // Escape works above also without shortcuts: WCAG 2.1.4 is about keys that are characters.
    if (!enabled() || target.closest("input, textarea, select")) return;
    const action = actions(app, shell)[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/**
 * @param {App} app
 * @param {import("./shell.js").Shell} shell
 * @returns {{[key: string]: () => void}}
 */
function actions(app, shell) {
  /** @type {{[key: string]: () => void}} */
  const found = { "/": () => shell.view?.focus?.(), "?": () => openHelp(app) };
  VIEWS.forEach(({ name }, index) => (found[String(index + 1)] = () => (location.hash = `#/${name}`)));
  if (!app.readOnly) {
    found.n = () => openNewTask(app);
    found.r = () => app.act(repeatLastTask(app), "");
  }
  return found;
}

/** @param {App} app */
export function openHelp(app) {
  openDialog("Keyboard shortcuts", () => {
    const keys = [
      ...VIEWS.map(({ title }, index) => [String(index + 1), title]),
      ["/", "Search"],
      ["n", "New task"],
      ["r", "Repeat the last task"],
      ["↑ ↓", "Row of a table; Enter opens it"],
      ["Esc", "Close the details"],
      ["?", "This list"],
    ];
    const box = h("input", {
      type: "checkbox",
      id: "shortcuts-on",
      checked: enabled(),
      on: { change: () => localStorage.setItem(STORED, box.checked ? "on" : "off") },
    });
    return [
      h(
        "dl",
        { class: "keys" },
        keys.map(([key, text]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, text))),
      ),
      h("label", { class: "check", for: "shortcuts-on" }, box, "Single keys act"),
      h(
        "p",
        { class: "muted" },
        app.store.info ? `twilio_taskrouter_worker ${app.store.info.version} at ${app.store.info.url}` : "",
      ),
    ];
  });
}
