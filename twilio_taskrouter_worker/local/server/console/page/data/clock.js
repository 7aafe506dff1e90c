/** The clock of the service, shown between two messages by this machine's own steady clock. */

export class ServiceClock {
  constructor() {
    this.running = true;
    this.shown = Date.now() / 1000;
    this.read = performance.now();
  }

  /**
   * @param {number} now  as the service has it
   * @param {boolean} running
   */
  set(now, running) {
    this.shown = now;
    this.running = running;
    this.read = performance.now();
  }

  /** @returns {number} unix seconds */
  now() {
    // Not Date.now(): the clock of the service may be another one, and this machine's time of day may be set.
    return this.running ? this.shown + (performance.now() - this.read) / 1000 : this.shown;
  }
}
