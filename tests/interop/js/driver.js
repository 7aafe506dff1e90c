'use strict';
/*
 * Runs the official JS SDK by remote control: one JSON command a line on stdin, one JSON report a line on stdout.
 *
 *   {"id": 1, "do": "connect", "as": "alice", "kind": "Worker", "token": "...", "options": {...}}
 *   {"id": 2, "do": "call", "as": "alice", "on": "reservation", "sid": "WR...", "method": "accept", "args": []}
 *   {"id": 3, "do": "look", "as": "alice"}
 *
 * Each command is reported as {"id", "value"} or {"id", "error"}; what the SDK emits as {"as", "event", ...}.
 */
const readline = require('readline');
const TaskRouter = require('twilio-taskrouter');

const actors = new Map();

function say(report) {
  process.stdout.write(JSON.stringify(report) + '\n');
}

function seenTransfer(transfer) {
  return transfer && {
    sid: transfer.sid, status: transfer.status, mode: transfer.mode, type: transfer.type, to: transfer.to,
    reservationSid: transfer.reservationSid, workerSid: transfer.workerSid,
    reason: transfer.transferFailedReason,
  };
}

function seenTask(task) {
  return {
    sid: task.sid, status: task.status, attributes: task.attributes, version: task.version, reason: task.reason,
    priority: task.priority, routingTarget: task.routingTarget, taskChannelUniqueName: task.taskChannelUniqueName,
    queueSid: task.queueSid, workflowSid: task.workflowSid, age: task.age, addOns: task.addOns,
    virtualStartTime: task.virtualStartTime,
    incoming: task.transfers && seenTransfer(task.transfers.incoming),
    outgoing: task.transfers && seenTransfer(task.transfers.outgoing),
  };
}

function seenReservation(reservation) {
  return {
    sid: reservation.sid, status: reservation.status, version: reservation.version, timeout: reservation.timeout,
    canceledReasonCode: reservation.canceledReasonCode, transfer: seenTransfer(reservation.transfer),
    task: reservation.task && seenTask(reservation.task),
  };
}

function seenWorker(worker) {
  return {
    sid: worker.sid, name: worker.name, version: worker.version, attributes: worker.attributes,
    activity: worker.activity && worker.activity.name,
    activities: [...worker.activities.values()].map((a) => ({ sid: a.sid, name: a.name, isCurrent: a.isCurrent })),
    channels: [...worker.channels.values()].map((c) => ({
      sid: c.sid, name: c.taskChannelUniqueName, capacity: c.capacity, available: c.available,
      assignedTasks: c.assignedTasks, percentage: c.availableCapacityPercentage,
    })),
    reservations: [...worker.reservations.values()].map(seenReservation),
  };
}

function listenToTransfer(as, transfer) {
  if (!transfer || transfer.heard) return;
  transfer.heard = true;
  for (const name of ['attemptFailed', 'canceled', 'completed', 'failed']) {
    transfer.on(name, (it) => say({ as, event: `transfer.${name}`, transfer: seenTransfer(it) }));
  }
}

function listenToReservation(as, reservation) {
  for (const name of ['accepted', 'canceled', 'completed', 'rejected', 'rescinded', 'timeout', 'wrapup']) {
    reservation.on(name, (it) => say({ as, event: `reservation.${name}`, reservation: seenReservation(it) }));
  }
  const task = reservation.task;
  for (const name of ['canceled', 'completed', 'updated', 'wrapup']) {
    task.on(name, (it) => say({ as, event: `task.${name}`, task: seenTask(it), reservationSid: reservation.sid }));
  }
  task.on('transferInitiated', (it) => {
    say({ as, event: 'task.transferInitiated', transfer: seenTransfer(it) });
  });
}

function listenToWorker(as, worker) {
  for (const name of ['activityUpdated', 'attributesUpdated']) {
    worker.on(name, (it) => say({ as, event: name, worker: seenWorker(it) }));
  }
  worker.on('ready', () => {
    for (const channel of worker.channels.values()) {
      for (const name of ['capacityUpdated', 'availabilityUpdated']) {
        channel.on(name, (it) => say({
          as, event: name, version: worker.version,
          channel: { name: it.taskChannelUniqueName, capacity: it.capacity, available: it.available },
        }));
      }
    }
    for (const reservation of worker.reservations.values()) listenToReservation(as, reservation);
    say({ as, event: 'ready', worker: seenWorker(worker) });
  });
  worker.on('reservationCreated', (it) => {
    listenToReservation(as, it);
    say({ as, event: 'reservationCreated', reservation: seenReservation(it), version: worker.version });
  });
  worker.on('reservationFailed', (it) => say({ as, event: 'reservationFailed', payload: it }));
  worker.on('disconnected', (it) => say({ as, event: 'disconnected', reason: it && it.message }));
  worker.on('error', (it) => say({ as, event: 'error', message: it && it.message, name: it && it.name }));
  worker.on('tokenExpired', () => say({ as, event: 'tokenExpired' }));
  worker.on('tokenUpdated', () => say({ as, event: 'tokenUpdated' }));
}

function target(command) {
  const actor = actors.get(command.as);
  switch (command.on) {
    case undefined: return actor;
    case 'reservation': return actor.reservations.get(command.sid);
    case 'task': return actor.reservations.get(command.sid).task;
    case 'transfer': return actor.reservations.get(command.sid).task.transfers.outgoing;
    case 'activity': return [...actor.activities.values()].find((a) => a.name === command.called);
    default: throw new Error(`nothing is called ${command.on}`);
  }
}

function plain(value) {
  if (value instanceof Map) return [...value.values()].map(plain);
  if (value instanceof TaskRouter.Worker) return seenWorker(value);
  if (value && value.task && value.accept) return seenReservation(value);
  if (value && value.cancel && value.reservationSid) return seenTransfer(value);
  if (value && value.assignmentStatus === undefined && value.setAttributes && value.wrapUp) return seenTask(value);
  try {
    return JSON.parse(JSON.stringify(value === undefined ? null : value));
  } catch (error) {
    return String(value);
  }
}

async function run(command) {
  if (command.do === 'connect') {
    const actor = command.kind === 'Workspace'
      ? new TaskRouter.Workspace(command.token, command.options)
      : new TaskRouter[command.kind || 'Worker'](command.token, command.options);
    actors.set(command.as, actor);
    if (command.kind !== 'Workspace') listenToWorker(command.as, actor);
    return null;
  }
  if (command.do === 'look') return seenWorker(actors.get(command.as));
  const on = target(command);
  const args = (command.args || []).map((arg) => (arg && arg.$date ? new Date(arg.$date) : arg));
  const value = await on[command.method](...args);
  if (command.method === 'transfer') listenToTransfer(command.as, on.transfers.outgoing);
  return plain(value);
}

process.on('uncaughtException', (error) => say({ event: 'uncaught', message: String(error && error.stack) }));
process.on('unhandledRejection', (error) => say({ event: 'uncaught', message: String(error && error.stack) }));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  run(command).then(
    (value) => say({ id: command.id, value }),
    (error) => say({ id: command.id, error: error.message, name: error.name }),
  );
}).on('close', () => process.exit(0));
