/** Times, durations and names as people read them. */

/**
 * @param {number} seconds
 * @returns {string} such as `42 s`, `3 m 05 s`, `2 h 10 m`, `4 d 3 h`
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

const TIME = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const DAY = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });

/** @param {number} moment  unix seconds */
export function time(moment) {
  return TIME.format(moment * 1000);
}

/** @param {number} moment  unix seconds */
export function timeWithMilliseconds(moment) {
  return `${time(moment)}.${String(Math.floor((moment * 1000) % 1000)).padStart(3, "0")}`;
}

/** @param {number} moment  unix seconds */
export function day(moment) {
  return DAY.format(moment * 1000);
}

/** @param {number} moment  unix seconds */
export function dayAndTime(moment) {
  return `${day(moment)}, ${time(moment)}`;
}

/** @param {string} sid  @returns {string} its letters and last six digits */
export function shortSid(sid) {
  return sid.length > 12 ? `${sid.slice(0, 2)}…${sid.slice(-6)}` : sid;
}

/** @param {string} path  of a request  @returns {string} without the workspace, and with short sids */
export function shortPath(path) {
  return path.replace(/^(\/v1\/)?Workspaces\/WS[0-9a-f]{32}(?=\/)/, "…").replace(/[A-Z]{2}[0-9a-f]{32}/g, shortSid);
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}

/**
 * @param {string} text  JSON, or not
 * @returns {string} the same, indented where it is JSON
 */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/**
 * @param {string} attributes  JSON text
 * @returns {string} one line such as `order 4711 · lang es`
 */
export function summary(attributes) {
  let document;
  try {
    document = JSON.parse(attributes);
  } catch {
    return attributes;
  }
  if (document === null || typeof document !== "object") return attributes;
  return Object.entries(document)
    .slice(0, 6)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(" · ");
}

/** @param {any} value  @returns {string} as it stands in an expression */
export function literal(value) {
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}
