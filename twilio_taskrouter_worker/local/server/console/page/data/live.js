/**
 * The console's websocket: one snapshot, then differences. It reconnects by itself.
 *
 * @typedef {"connecting" | "live" | "waiting" | "refused" | "broken"} LinkState
 * @typedef {object} LiveHandlers
 * @property {(message: any) => void} onMessage
 * @property {(state: LinkState, reason: string) => void} onState  the reason why it is broken
 * @property {() => Promise<boolean>} isRefused  asks, after a failed attempt, whether the cookie is no longer valid
 */

const FIRST_DELAY = 250; // milliseconds
const LONGEST_DELAY = 4000;
const BROKEN = 1011; // the close code of a service that cannot go on

export class Live {
  /**
   * @param {string} url
   * @param {LiveHandlers} handlers
   */
  constructor(url, handlers) {
    this.url = url;
    this.handlers = handlers;
    this.delay = FIRST_DELAY;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.timer = 0;
    this.broken = false;
    // A laptop that wakes up, or a network that is back, does not have to wait for the timer.
    addEventListener("online", () => this.#now());
    document.addEventListener("visibilitychange", () => document.hidden || this.#now());
  }

  /** Connects, and stays connected. */
  connect() {
    // A service that cannot go on is asked again, since it may be restarted; until then its reason stays in view.
    if (!this.broken) this.handlers.onState("connecting", "");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      // Not at "open": a service that accepts and closes at once would be asked again without a delay.
      if (message.type === "snapshot") {
        this.delay = FIRST_DELAY;
        this.broken = false;
        this.handlers.onState("live", "");
      }
      this.handlers.onMessage(message);
    });
    socket.addEventListener("close", async (event) => {
      this.broken = event.code === BROKEN;
      if (this.broken) this.handlers.onState("broken", `The service cannot write its file: ${event.reason}`);
      else this.handlers.onState("waiting", "");
      // A browser does not tell why a handshake failed. Another start of the service has another cookie.
      if (this.delay > FIRST_DELAY && (await this.handlers.isRefused())) this.handlers.onState("refused", "");
      this.socket = null;
      this.#later();
    });
  }

  /**
   * Sends a message; without a connection it is left out, as the next snapshot starts afresh.
   *
   * @param {object} message
   */
  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #later() {
    clearTimeout(this.timer);
    // Several tabs reconnect to a service that has just started; not all at the same moment.
    const jitter = 0.8 + 0.4 * Math.random();
    this.timer = setTimeout(() => this.connect(), this.delay * jitter);
    this.delay = Math.min(LONGEST_DELAY, this.delay * 2);
  }

  #now() {
    if (this.socket) return;
    clearTimeout(this.timer);
    this.delay = FIRST_DELAY;
    this.connect();
  }
}
