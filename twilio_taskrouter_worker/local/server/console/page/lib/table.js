/**
 * A table whose rows exist only while they can be seen: a handful of elements shows any number of records.
 *
 * To assistive technology it is a grid with all its rows (`aria-rowcount`); the keyboard moves an active row.
 *
 * @template R
 * @typedef {object} Column
 * @property {string} name  also the class `cell-<name>`, which the style sheet gives a width
 * @property {string} title
 * @property {(cell: HTMLElement) => void} [create]  fills a new cell; without it the cell is text
 * @property {(cell: HTMLElement, record: R) => void} update
 * @property {(record: R) => string | number} [order]  makes the column sortable
 */

import { h, setAttribute, setText } from "./dom.js";
import { oncePerFrame } from "./frames.js";

const SPARE = 4; // rows above and below the visible ones
const LARGEST = 8_000_000; // pixels: browsers do not lay out much more

let counter = 0;

/** @template R */
export class Table {
  /**
   * @param {object} options
   * @param {string} options.label
   * @param {string} options.kind  the class `table-<kind>`
   * @param {Column<R>[]} options.columns
   * @param {(record: R) => string} options.key
   * @param {(record: R) => void} options.onOpen  a click or Enter on a row
   * @param {(name: string) => void} [options.onSort]  a click on the title of a sortable column
   */
  constructor({ label, kind, columns, key, onOpen, onSort }) {
    this.columns = columns;
    this.key = key;
    this.onOpen = onOpen;
    /** @type {R[]} */
    this.records = [];
    /** @type {string | null} */
    this.active = null;
    /** @type {string | null} */
    this.opened = null;
    /** @type {{element: HTMLElement, cells: HTMLElement[]}[]} */
    this.rows = [];
    this.id = `table-${++counter}`;
    this.rowHeight = 36;
    this.render = oncePerFrame(() => this.#render());

    this.titles = columns.map((column) => this.#title(column, onSort));
    this.head = h("div", { role: "row", class: "row row-head", "aria-rowindex": 1 }, this.titles);
    this.space = h("div", { class: "table-space", role: "rowgroup" });
    this.body = h("div", { class: "table-body", role: "presentation" }, this.space);
    this.empty = h("div", { class: "empty", hidden: true });
    this.grid = h(
      "div",
      {
        role: "grid",
        class: "grid",
        tabindex: "0",
        "aria-label": label,
        on: { keydown: (/** @type {any} */ e) => this.#key(e) },
      },
      h("div", { role: "rowgroup", class: "table-head" }, this.head),
      this.body,
    );
    this.element = h("div", { class: `table table-${kind}` }, this.grid, this.empty);
    this.body.addEventListener("scroll", this.render, { passive: true });
    this.space.addEventListener("click", (event) => this.#click(event));
    this.observer = new ResizeObserver(this.render);
    this.observer.observe(this.body);
  }

  /** Ends its observation of the page. */
  destroy() {
    this.observer.disconnect();
    this.render.cancel();
  }

  /**
   * @param {R[]} records
   * @param {Node | null} [empty]  shown in place of the rows where there are none
   */
  show(records, empty = null) {
    this.records = records;
    this.empty.hidden = records.length > 0;
    this.grid.hidden = records.length === 0;
    if (records.length === 0 && empty && this.empty.textContent !== empty.textContent)
      this.empty.replaceChildren(empty);
    this.render();
  }

  /**
   * @param {string} name  of a column
   * @param {boolean} descending
   */
  showOrder(name, descending) {
    this.columns.forEach((column, index) => {
      if (column.order) {
        const direction = column.name === name ? (descending ? "descending" : "ascending") : "none";
        setAttribute(this.titles[index], "aria-sort", direction);
      }
    });
  }

  /** @param {string | null} key  of the record whose details are open */
  markOpened(key) {
    this.opened = key;
    this.render();
  }

  /**
   * @param {Column<R>} column
   * @param {((name: string) => void) | undefined} onSort
   */
  #title(column, onSort) {
    const props = { role: "columnheader", class: `cell cell-${column.name}` };
    if (!column.order || !onSort) return h("div", props, column.title);
    const sort = h("button", { type: "button", class: "sort", on: { click: () => onSort(column.name) } }, column.title);
    return h("div", { ...props, "aria-sort": "none" }, sort);
  }

  #row() {
    const cells = this.columns.map((column) => {
      const cell = h("div", { role: "gridcell", class: `cell cell-${column.name}` });
      column.create?.(cell);
      return cell;
    });
    const element = h("div", { role: "row", class: "row", id: `${this.id}-row-${this.rows.length}` }, cells);
    this.space.append(element);
    return { element, cells };
  }

  #render() {
    const { records, body } = this;
    if (!records.length || !body.isConnected) return;
    const height = body.clientHeight;
    // From the style sheet, which has other heights for touch and narrow windows.
    this.rowHeight = parseFloat(getComputedStyle(body).getPropertyValue("--row")) || this.rowHeight;
    const wanted = `${Math.min(LARGEST, records.length * this.rowHeight)}px`;
    if (this.space.style.height !== wanted) this.space.style.height = wanted;
    const first = Math.max(0, Math.floor(body.scrollTop / this.rowHeight) - SPARE);
    const count = Math.min(records.length - first, Math.ceil(height / this.rowHeight) + 2 * SPARE);
    // Rows are reused for other records as the table scrolls; none is made per record.
    while (this.rows.length < count) this.rows.push(this.#row());
    while (this.rows.length > count) this.rows.pop()?.element.remove();
    setAttribute(this.grid, "aria-rowcount", String(records.length + 1));
    let active = "";
    for (let index = 0; index < count; index++) {
      if (this.#fill(this.rows[index], records[first + index], first + index)) active = this.rows[index].element.id;
    }
    if (active) setAttribute(this.grid, "aria-activedescendant", active);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  /**
   * @param {{element: HTMLElement, cells: HTMLElement[]}} row
   * @param {R} record
   * @param {number} index
   * @returns {boolean} whether it is the active row
   */
  #fill({ element, cells }, record, index) {
    const key = this.key(record);
    element.dataset.index = String(index);
    const place = `translateY(${index * this.rowHeight}px)`;
    // A transform moves a row without a layout of the others.
    if (element.style.transform !== place) element.style.transform = place;
    setAttribute(element, "aria-rowindex", String(index + 2));
    const isActive = key === this.active;
    element.classList.toggle("row-active", isActive);
    setAttribute(element, "aria-selected", String(key === this.opened));
    this.columns.forEach((column, position) => column.update(cells[position], record));
    return isActive;
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const row = /** @type {HTMLElement} */ (event.target).closest("[data-index]");
    // One listener for all rows, whose records change.
    const record = row && this.records[Number(/** @type {HTMLElement} */ (row).dataset.index)];
    if (!record) return;
    this.active = this.key(record);
    this.render();
    this.onOpen(record);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // Keys in a control inside of the grid belong to that control.
    if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.records.length - 1;
    const at = this.records.findIndex((record) => this.key(record) === this.active);
    const page = Math.max(1, Math.floor(this.body.clientHeight / this.rowHeight) - 1);
    /** @type {{[key: string]: number}} */
    const moves = {
      ArrowDown: at + 1,
      ArrowUp: Math.max(0, at - 1),
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: last,
    };
    if (event.key in moves) {
      this.#activate(Math.max(0, Math.min(last, moves[event.key])));
    } else if (event.key === "Enter" && at >= 0) {
      this.onOpen(this.records[at]);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {number} index */
  #activate(index) {
    this.active = this.key(this.records[index]);
    const top = index * this.rowHeight;
    const below = top + this.rowHeight - this.body.clientHeight;
    if (this.body.scrollTop > top) this.body.scrollTop = top;
    else if (this.body.scrollTop < below) this.body.scrollTop = below;
    this.render();
  }
}

/**
 * A column of plain text.
 *
 * @template R
 * @param {string} name
 * @param {string} title
 * @param {(record: R) => string | number} text
 * @param {(record: R) => string | number} [order]
 * @returns {Column<R>}
 */
export function textColumn(name, title, text, order) {
  return { name, title, order, update: (cell, record) => setText(cell, text(record)) };
}
