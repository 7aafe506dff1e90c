/** Full-text search over tasks: sid, attributes, and the names of what they are with. */

/**
 * @typedef {import("./types.js").Task} Task
 * @typedef {import("./store.js").Store} Store
 */

/** @type {WeakMap<Task, string>} by record: a changed task is another record */
const texts = new WeakMap();

/**
 * @param {Task} task
 * @param {Store} store
 */
function textOf(task, store) {
  let text = texts.get(task);
  if (text === undefined) {
    const names = [
      task.sid,
      task.attributes,
      task.assignment_status,
      task.task_channel_unique_name,
      store.queues.get(task.task_queue_sid || "")?.friendly_name,
      store.workflows.get(task.workflow_sid || "")?.friendly_name,
    ];
    text = names.join("\n").toLowerCase();
    texts.set(task, text);
  }
  return text;
}

/**
 * @param {string} query
 * @returns {string[]} the words, each of which must be found
 */
export function words(query) {
  return query.toLowerCase().split(/\s+/).filter(Boolean);
}

/**
 * @param {Task} task
 * @param {string[]} wanted
 * @param {Store} store
 */
export function matches(task, wanted, store) {
  if (!wanted.length) return true;
  // The text of the task is kept; the names of workers are looked up, since offers come and go without the task.
  const text = textOf(task, store);
  return wanted.every((word) => text.includes(word) || workers(task, store).some((name) => name.includes(word)));
}

/**
 * @param {Task} task
 * @param {Store} store
 * @returns {string[]} names and sids of the workers it was offered to: they change without the task
 */
function workers(task, store) {
  return store
    .reservationsOf(task.sid)
    .flatMap(({ sid, worker_sid }) => [sid, worker_sid, store.workers.get(worker_sid)?.friendly_name || ""])
    .map((name) => name.toLowerCase());
}
