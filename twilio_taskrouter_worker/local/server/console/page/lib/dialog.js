/** Modal dialogs and messages. */

import { button, h, icon } from "./dom.js";

let counter = 0;

/**
 * Opens a modal dialog. Escape and the close button close it; the focus returns to where it was.
 *
 * @param {string} title
 * @param {(close: () => void) => (Node | string)[]} content  makes what stands below the title
 * @param {string} [kind]  the class `dialog-<kind>`
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, content, kind = "plain") {
  const before = document.activeElement;
  const id = `dialog-${++counter}`;
  const close = () => dialog.close();
  const dialog = h(
    "dialog",
    { class: `dialog dialog-${kind}`, "aria-labelledby": id },
    h(
      "header",
      { class: "dialog-head" },
      h("h2", { id }, title),
      h("button", { type: "button", class: "icon-button", "aria-label": "Close", on: { click: close } }, icon("close")),
    ),
    ...content(close),
  );
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (before instanceof HTMLElement && before.isConnected) before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  /** @type {HTMLElement | null} */ (dialog.querySelector("[autofocus], input, select, textarea"))?.focus();
  return dialog;
}

/**
 * Creates a labelled control.
 *
 * @param {string} label
 * @param {HTMLElement} control
 * @param {string} [hint]
 */
export function field(label, control, hint) {
  control.id ||= `field-${++counter}`;
  const note = hint && h("small", { class: "hint", id: `${control.id}-hint` }, hint);
  if (note) control.setAttribute("aria-describedby", note.id);
  return h("div", { class: "field" }, h("label", { for: control.id }, label), control, note);
}

/**
 * Creates a place for the error of a form, which is read out when it appears.
 *
 * @returns {{element: HTMLElement, show(error: unknown): void, clear(): void}}
 */
export function errorBox() {
  const element = h("p", { class: "error", role: "alert" });
  return {
    element,
    show: (error) => element.replaceChildren(icon("no"), error instanceof Error ? error.message : String(error)),
    clear: () => element.replaceChildren(),
  };
}

/**
 * Creates the form of a dialog: fields, an error and a submit button.
 *
 * @param {string} submit  the text of the button
 * @param {(Node | string)[]} fields
 * @param {() => Promise<void>} send  rejects with what is shown as the error
 */
export function form(submit, fields, send) {
  const error = errorBox();
  const go = h("button", { type: "submit", class: "button primary" }, submit);
  const onSubmit = async (/** @type {Event} */ event) => {
    // The browser would leave the page with the form.
    event.preventDefault();
    error.clear();
    // A second click while the first request is on its way would create a second task.
    go.disabled = true;
    try {
      await send();
    } catch (problem) {
      error.show(problem);
    } finally {
      go.disabled = false;
    }
  };
  return h(
    "form",
    { class: "form", on: { submit: onSubmit } },
    ...fields,
    error.element,
    h("div", { class: "actions" }, go),
  );
}

/** Short messages at the edge of the window, which are read out and go away by themselves. */
export class Messages {
  constructor() {
    this.element = h("div", { class: "messages", role: "status", "aria-live": "polite" });
  }

  /**
   * @param {string} text
   * @param {"done" | "failed"} [kind]
   */
  show(text, kind = "done") {
    const message = h(
      "div",
      { class: `message message-${kind}` },
      icon(kind === "done" ? "yes" : "no"),
      h("span", {}, text),
    );
    const dismiss = () => message.remove();
    if (kind === "failed") message.append(button("Dismiss", dismiss, { class: "button small" }));
    this.element.append(message);
    // A stream that fails would fill the window.
    while (this.element.childElementCount > 4) this.element.firstElementChild?.remove();
    setTimeout(dismiss, kind === "failed" ? 12_000 : 3_500);
  }
  /**
   * @param {string} text
   * @param {string} link  its text
   * @param {string} address
   */
  link(text, link, address) {
    const message = h(
      "div",
      { class: "message" },
      h("span", {}, text),
      h("a", { href: address, target: "_blank", rel: "noopener" }, link),
    );
    message.append(button("Dismiss", () => message.remove(), { class: "button small" }));
    this.element.append(message);
  }
}
