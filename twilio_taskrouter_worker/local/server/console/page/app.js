/** Starts the console: connects the state to the shell, and the address to the views. */

import { Api } from "./data/api.js";
import { ServiceClock } from "./data/clock.js";
import { Live } from "./data/live.js";
import { Store } from "./data/store.js";
import { WireLog } from "./data/wire.js";
import { Messages } from "./lib/dialog.js";
import { oncePerFrame } from "./lib/frames.js";
import { Shell } from "./views/shell.js";

/**
 * What every view works with.
 *
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {string} title
 * @property {() => void} update  shows the state of now; called at most once per frame
 * @property {(sid: string | null) => void} [open]  shows which record's details are open
 * @property {() => void} [focus]  focuses the search field
 * @property {() => void} [destroy]
 */

export class App {
  constructor() {
    this.store = new Store();
    this.clock = new ServiceClock();
    this.wire = new WireLog();
    this.messages = new Messages();
    this.api = new Api(new URL(".", document.baseURI).href);
    /** @type {import("./data/live.js").LinkState} */
    this.link = "connecting";
    this.linkReason = "";
    /** @type {number | null} the moment that the user wants to see; null: now */
    this.wanted = null;
    /** @type {string | null} the task whose life is shown */
    this.watched = null;
    /** @type {any} the latest message on the watched task */
    this.life = null;
    /** @type {{[parameter: string]: string} | null} the latest task that was created here */
    this.lastTask = null;
    this.changed = oncePerFrame(() => this.shell.update());
    this.shell = new Shell(this);
    const url = new URL("live", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    this.live = new Live(url.href, {
      onMessage: (message) => this.#receive(message),
      onState: (state, reason) => this.#linked(state, reason),
      isRefused: () => this.#isRefused(),
    });
  }

  /** @returns {string} why nothing can be changed; empty where it can */
  get readOnly() {
    if (this.store.moment !== null) return "This is the past. Go back to now, or fork here, to change something.";
    if (this.store.info?.read_only) return "This is a kept file, which is only read.";
    if (this.link === "broken") return this.linkReason;
    return this.link === "live" ? "" : "There is no connection to the service.";
  }

  /** @returns {boolean} whether nothing can be changed, which is then shown */
  refuses() {
    if (this.readOnly) this.messages.show(this.readOnly, "failed");
    return this.readOnly !== "";
  }

  start() {
    document.body.append(this.shell.element, this.messages.element);
    addEventListener("hashchange", () => this.shell.route());
    this.shell.route();
    this.live.connect();
    // Durations grow without messages.
    setInterval(() => document.hidden || this.changed(), 1000);
  }

  /**
   * Does what the user asked for, and shows that it was done, or why not.
   *
   * @param {Promise<any>} action
   * @param {string} done  the message; empty: none
   * @returns {Promise<any>} the answer; undefined if it failed
   */
  async act(action, done) {
    try {
      const answer = await action;
      if (done) this.messages.show(done);
      return answer ?? {};
    } catch (error) {
      this.messages.show(/** @type {Error} */ (error).message, "failed");
      return undefined;
    }
  }

  /** @param {number | null} moment  to show; null: now */
  view(moment) {
    this.wanted = moment;
    this.live.send({ type: "view", moment });
  }

  /** @param {string | null} sid  of the task whose life is to be sent */
  watch(sid) {
    this.watched = sid;
    this.life = null;
    this.live.send({ type: "watch", task: sid });
  }

  /** @param {any} message */
  #receive(message) {
    // Before the records: what is derived from them (ages, waits) is relative to this clock.
    if (message.now !== undefined) this.clock.set(message.now, message.running);
    if (message.type === "snapshot") this.#begin(message);
    else if (message.type === "changes") this.store.apply(message);
    else if (message.type === "wire") this.wire.add(message.entries, message.missed);
    else if (message.type === "task" && message.sid === this.watched) this.life = message;
    else if (message.type === "error") this.#refused(message);
    this.changed();
  }

  /** @param {{message: string, in_reply_to: string}} message */
  #refused(message) {
    this.messages.show(message.message, "failed");
    if (message.in_reply_to === "view") {
      // The page stays at the moment it shows, and must not ask for the refused one again when it reconnects.
      this.wanted = this.store.moment;
      this.shell.slider.refused();
    }
  }

  /** @param {any} snapshot */
  #begin(snapshot) {
    // A moment of the old service means nothing in the new one, so the page goes back to now.
    const restarted = this.store.instance !== "" && this.store.instance !== snapshot.instance;
    this.store.replace(snapshot);
    this.api.workspaceSid = snapshot.info.workspace_sid;
    if (restarted) {
      this.wanted = null;
      this.messages.show("The service was restarted.");
    }
  }

  /**
   * @param {import("./data/live.js").LinkState} state
   * @param {string} reason
   */
  #linked(state, reason) {
    const renewed = state === "live" && this.link !== "live";
    this.link = state;
    this.linkReason = reason;
    if (renewed) {
      // What the server forgets with a connection is asked for again; the numbers of entries may have begun anew.
      this.wire.clear();
      this.live.send({ type: "wire", on: this.wire.on });
      this.live.send({ type: "watch", task: this.watched });
      if (this.wanted !== null) this.live.send({ type: "view", moment: this.wanted });
    }
    this.changed();
  }

  async #isRefused() {
    try {
      await this.api.control("GET", "clock");
      return false;
    } catch (error) {
      return /** @type {any} */ (error).status === 403;
    }
  }
}

new App().start();
