/**
 * The latest requests, frames and webhooks, of which a bounded number is kept.
 *
 * @typedef {import("./types.js").WireEntry} WireEntry
 */

export const KEPT = 5000;

export class WireLog {
  constructor() {
    /** @type {WireEntry[]} oldest first */
    this.entries = [];
    /** Whether the server sends them; they cost it and this page time, and begin with the first look at them. */
    this.on = false;
    /** Entries that were left out because they came too fast. */
    this.missed = 0;
    this.version = 0;
  }

  /**
   * @param {WireEntry[]} entries  newer than those that are there
   * @param {number} [missed]
   */
  add(entries, missed = 0) {
    const last = this.entries.at(-1)?.n ?? -1;
    // After a pause the server sends its latest entries, of which some may be here already.
    this.entries.push(...entries.filter((entry) => entry.n > last));
    this.missed += missed;
    // Some more than are kept, so that the list is not moved for each entry.
    if (this.entries.length > KEPT + 500) this.entries = this.entries.slice(-KEPT);
    this.version++;
  }

  clear() {
    this.entries = [];
    this.missed = 0;
    this.version++;
  }
}
