/**
 * Elements without markup: data becomes text nodes and attributes only, so it can never become markup.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {{[name: string]: any}} Props  `class`, `on` (handlers by event), `style` (custom properties), or attributes
 */

const SVG = "http://www.w3.org/2000/svg";

/** Attributes that are also live state of a form control: they are set as properties. */
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "hidden", "open", "spellcheck"]);

/**
 * Creates an element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Props} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  // A select takes its value from its options, which must be there first.
  element.append(...shown(children));
  for (const [name, value] of Object.entries(props)) set(element, name, value);
  return element;
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]} those that are to be seen
 */
function shown(children) {
  return children
    .flat()
    .filter(isShown)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * @template T
 * @param {T | null | undefined | false} child
 * @returns {child is T}
 */
function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}

/**
 * @param {HTMLElement} element
 * @param {string} name
 * @param {any} value  null, undefined and false leave the attribute out
 */
function set(element, name, value) {
  if (name === "on") {
    for (const [type, handler] of Object.entries(value)) element.addEventListener(type, /** @type {any} */ (handler));
  } else if (name === "style") {
    // Through the object model: the Content-Security-Policy forbids style attributes.
    for (const [property, text] of Object.entries(value)) element.style.setProperty(property, String(text));
  } else if (PROPERTIES.has(name)) {
    /** @type {any} */ (element)[name] = value;
  } else if (name === "class") {
    element.className = value || "";
  } else if (isShown(value)) {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * Changes the text of a node, and only if it differs: an unchanged node costs no layout.
 *
 * @param {Node} node
 * @param {string | number} text
 */
export function setText(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/**
 * Replaces the children of an element. Where the focus was on a control with an id, the new one of that id gets it.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function replace(element, ...children) {
  // Lists are made anew while somebody works in them with the keyboard; without this, the focus would be lost.
  const focused = element.contains(document.activeElement) ? document.activeElement?.id : "";
  element.replaceChildren(...shown(children));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** The paths of the icons, on a grid of 16 by 16. */
const ICONS = {
  pending: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.2l2 1.3",
  reserved: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M5.5 8h5M8.5 5.8L10.7 8L8.5 10.2",
  assigned: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M6.6 5.7v4.6L10.3 8z",
  wrapping: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M5.5 6.5h5M5.5 9.5h3",
  completed: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M5.5 8.2l1.8 1.8l3.4-3.8",
  canceled: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M6 6l4 4M10 6l-4 4",
  timeout: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.5M8 10.6v.4",
  available: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M5.5 8.2l1.8 1.8l3.4-3.8",
  unavailable: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M5.5 8h5",
  yes: "M3.5 8.4l3 3l6-6.6",
  no: "M4.5 4.5l7 7M11.5 4.5l-7 7",
  plus: "M8 3.5v9M3.5 8h9",
  close: "M4 4l8 8M12 4l-8 8",
  search: "M7 3a4 4 0 1 0 0 8a4 4 0 1 0 0-8M10 10l3 3",
  pause: "M5.5 4v8M10.5 4v8",
  play: "M5.5 3.5v9l7-4.5z",
  forward: "M3 4v8l5-4zM8 4v8l5-4z",
  fork: "M4.5 3v10M4.5 10c0-3 7-2 7-5.5M11.5 4.5a1 1 0 1 0 0-.1",
  repeat: "M3.5 9a4.5 4.5 0 0 0 8.6 1M12.5 7a4.5 4.5 0 0 0-8.6-1M4 3v3h3M12 13v-3H9",
  now: "M2.5 8h2.6l1.8-4.5l2.6 9L11.2 8h2.3",
  tasks: "M3 4.5h10M3 8h10M3 11.5h6",
  workflows: "M3 4h4M3 12h4M7 4c4 0 2 8 6 8M7 12c4 0 2-8 6-8",
  inspector: "M3 5.5L6 8L3 10.5M7.5 11h5.5",
  time: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.2l2 1.3",
  help: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M6.4 6.6a1.6 1.6 0 1 1 2.4 1.3c-.6.4-.8.7-.8 1.2M8 11v.2",
};

/** @typedef {keyof typeof ICONS} IconName */

/**
 * Creates an icon, which is decoration: the text beside it says the same.
 *
 * @param {IconName} name
 * @returns {SVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of [
    ["viewBox", "0 0 16 16"],
    ["class", `icon icon-${name}`],
    ["aria-hidden", "true"],
  ]) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * Changes what an icon shows.
 *
 * @param {Element} svg  made by {@link icon}
 * @param {IconName} name
 */
export function setIcon(svg, name) {
  if (svg.getAttribute("class") === `icon icon-${name}`) return;
  svg.setAttribute("class", `icon icon-${name}`);
  svg.firstElementChild?.setAttribute("d", ICONS[name]);
}

/** @type {{[status: string]: IconName}} */
const STATUS_ICONS = {
  pending: "pending",
  reserved: "reserved",
  assigned: "assigned",
  accepted: "assigned",
  wrapping: "wrapping",
  completed: "completed",
  canceled: "canceled",
  rejected: "canceled",
  rescinded: "canceled",
  timeout: "timeout",
};

/**
 * @param {string} status  of a task or reservation
 * @returns {IconName}
 */
export function statusIcon(status) {
  return STATUS_ICONS[status] || "pending";
}

/**
 * Creates a status as icon and word.
 *
 * @param {string} status
 */
export function statusBadge(status) {
  return h("span", { class: `status status-${status}` }, icon(statusIcon(status)), h("span", {}, status));
}

/**
 * Creates a button.
 *
 * @param {string} text
 * @param {(event: MouseEvent) => void} onClick
 * @param {Props & {icon?: IconName}} [props]
 */
export function button(text, onClick, props = {}) {
  const { icon: name, ...rest } = props;
  return h(
    "button",
    { type: "button", class: "button", ...rest, on: { click: onClick } },
    name && icon(name),
    h("span", {}, text),
  );
}
