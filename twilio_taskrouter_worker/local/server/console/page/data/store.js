/**
 * The state of one moment: all records by sid, with the indexes that the views need.
 *
 * Records are never changed, only replaced, so that what is derived from one may be kept beside it (see `search.js`).
 *
 * @typedef {import("./types.js").Snapshot} Snapshot
 * @typedef {import("./types.js").Changes} Changes
 * @typedef {import("./types.js").Reservation} Reservation
 */

const KINDS = /** @type {const} */ ([
  "activities",
  "channels",
  "workers",
  "queues",
  "workflows",
  "tasks",
  "reservations",
]);

/** What is replaced as a whole. */
const PARTS = /** @type {const} */ (["info", "totals", "faults", "timers", "streams", "history"]);

const OPEN = new Set(["pending", "accepted", "wrapping"]);

/** @param {Reservation} reservation  @returns {boolean} whether it takes a place of its worker's capacity */
export function isOpen(reservation) {
  return OPEN.has(reservation.reservation_status);
}

export class Store {
  constructor() {
    /** @type {Map<string, import("./types.js").Activity>} */
    this.activities = new Map();
    /** @type {Map<string, import("./types.js").TaskChannel>} */
    this.channels = new Map();
    /** @type {Map<string, import("./types.js").Worker>} */
    this.workers = new Map();
    /** @type {Map<string, import("./types.js").Queue>} */
    this.queues = new Map();
    /** @type {Map<string, import("./types.js").Workflow>} */
    this.workflows = new Map();
    /** @type {Map<string, import("./types.js").Task>} */
    this.tasks = new Map();
    /** @type {Map<string, Reservation>} */
    this.reservations = new Map();
    /** @type {Map<string, Map<string, Reservation>>} open ones by worker */
    this.openByWorker = new Map();
    /** @type {Map<string, Map<string, Reservation>>} all by task */
    this.byTask = new Map();
    /** @type {import("./types.js").Info | null} */
    this.info = null;
    /** @type {import("./types.js").Totals | null} */
    this.totals = null;
    /** @type {import("./types.js").Fault[]} */
    this.faults = [];
    /** @type {import("./types.js").Timer[]} in order */
    this.timers = [];
    /** @type {import("./types.js").TaskStream[]} */
    this.streams = [];
    /** @type {import("./types.js").History | null} */
    this.history = null;
    /** Names this start of the service. */
    this.instance = "";
    /** @type {number | null} the moment of the past that this is; null: now */
    this.moment = null;
    /** Grows with each change. */
    this.version = 0;
  }

  /** @param {Snapshot} snapshot */
  replace(snapshot) {
    for (const kind of KINDS) this[kind].clear();
    this.openByWorker.clear();
    this.byTask.clear();
    // The range of the slider is known from the present; a moment of the past comes without it.
    const history = snapshot.moment === null ? null : this.history;
    Object.assign(this, { info: null, totals: null, faults: [], timers: [], streams: [], history });
    this.instance = snapshot.instance;
    this.moment = snapshot.moment;
    this.apply(snapshot);
  }

  /** @param {Changes} changes */
  apply(changes) {
    for (const kind of KINDS) {
      for (const sid of changes.removed?.[kind] || []) this.#remove(kind, sid);
      for (const record of changes[kind] || []) this.#put(kind, record);
    }
    for (const name of PARTS) {
      if (changes[name] !== undefined) /** @type {any} */ (this)[name] = changes[name];
    }
    this.version++;
  }

  /**
   * @param {typeof KINDS[number]} kind
   * @param {any} record
   */
  #put(kind, record) {
    // The index first: it compares with the state before, and records are replaced, not changed.
    if (kind === "reservations") this.#index(record);
    /** @type {Map<string, any>} */ (this[kind]).set(record.sid, record);
  }

  /**
   * @param {typeof KINDS[number]} kind
   * @param {string} sid
   */
  #remove(kind, sid) {
    const reservation = kind === "reservations" && this.reservations.get(sid);
    if (reservation) {
      drop(this.openByWorker, reservation.worker_sid, sid);
      drop(this.byTask, reservation.task_sid, sid);
    }
    this[kind].delete(sid);
  }

  /** @param {Reservation} reservation */
  #index(reservation) {
    add(this.byTask, reservation.task_sid, reservation);
    if (isOpen(reservation)) add(this.openByWorker, reservation.worker_sid, reservation);
    else drop(this.openByWorker, reservation.worker_sid, reservation.sid);
  }

  /** @param {string} sid  of a worker  @returns {Reservation[]} the open ones, oldest first */
  heldBy(sid) {
    return [...(this.openByWorker.get(sid)?.values() || [])];
  }

  /** @param {string} sid  of a task  @returns {Reservation[]} */
  reservationsOf(sid) {
    return [...(this.byTask.get(sid)?.values() || [])];
  }

  /**
   * Counts the workers of each queue.
   *
   * @returns {Map<string, {members: number, available: number}>} by queue
   */
  servers() {
    const found = new Map();
    // From the workers, which know their queues: one pass instead of one for each queue.
    for (const worker of this.workers.values()) {
      for (const sid of worker.queues) {
        let entry = found.get(sid);
        if (!entry) found.set(sid, (entry = { members: 0, available: 0 }));
        entry.members++;
        if (worker.available) entry.available++;
      }
    }
    return found;
  }

  /**
   * Counts the waiting tasks of each queue.
   *
   * @returns {Map<string, {waiting: number, since: number}>} by queue; `since` is when the oldest one entered it
   */
  waiting() {
    const found = new Map();
    for (const task of this.tasks.values()) {
      if (task.assignment_status !== "pending" || !task.task_queue_sid) continue;
      const since = task.task_queue_entered_date ?? task.date_created;
      const entry = found.get(task.task_queue_sid);
      if (!entry) found.set(task.task_queue_sid, { waiting: 1, since });
      else {
        entry.waiting++;
        entry.since = Math.min(entry.since, since);
      }
    }
    return found;
  }

  /** @returns {{[status: string]: number}} the number of tasks in each status */
  statuses() {
    /** @type {{[status: string]: number}} */
    const counts = { pending: 0, reserved: 0, assigned: 0, wrapping: 0, completed: 0, canceled: 0 };
    for (const task of this.tasks.values()) counts[task.assignment_status] = (counts[task.assignment_status] || 0) + 1;
    return counts;
  }
}

/**
 * @param {Map<string, Map<string, Reservation>>} index
 * @param {string} key
 * @param {Reservation} reservation
 */
function add(index, key, reservation) {
  let group = index.get(key);
  if (!group) index.set(key, (group = new Map()));
  group.set(reservation.sid, reservation);
}

/**
 * @param {Map<string, Map<string, Reservation>>} index
 * @param {string} key
 * @param {string} sid
 */
function drop(index, key, sid) {
  const group = index.get(key);
  group?.delete(sid);
  if (group && group.size === 0) index.delete(key);
}
