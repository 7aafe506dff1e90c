// A day of a task over REST, with the npm package named in the first argument; prints what it has seen as JSON.
'use strict';

const [, , name, accountSid, authToken, workspaceSid, workflowSid, available] = process.argv;
const twilio = require(name);
const client = new twilio.Twilio(accountSid, authToken);
const workspace = client.taskrouter.v1.workspaces(workspaceSid);

async function day() {
  const seen = {};
  seen.workspace = (await workspace.fetch()).friendlyName;
  const worker = await workspace.workers.create({
    friendlyName: 'Zoë & Co. = 100%',
    activitySid: available,
    attributes: JSON.stringify({ languages: ['en', 'es'], contact_uri: 'client:zoe' }),
  });
  seen.worker = [worker.friendlyName, worker.attributes, worker.available];
  const channel = await workspace.workers(worker.sid).workerChannels('default').update({ capacity: 3 });
  seen.capacity = channel.configuredCapacity;
  const tasks = [];
  for (let number = 0; number < 4; number += 1) {
    tasks.push(await workspace.tasks.create({
      workflowSid,
      attributes: JSON.stringify({ number }),
      priority: number,
      taskChannel: 'default',
    }));
  }
  const listed = await workspace.tasks.list({ pageSize: 2 });
  seen.listed = listed.map(task => JSON.parse(task.attributes).number);
  const [reservation] = await workspace.tasks(tasks[0].sid).reservations.list();
  seen.offered = [reservation.reservationStatus, reservation.workerSid === worker.sid];
  const accepted = await workspace.tasks(tasks[0].sid).reservations(reservation.sid)
    .update({ reservationStatus: 'accepted' });
  seen.accepted = accepted.reservationStatus;
  const done = await workspace.tasks(tasks[0].sid).update({ assignmentStatus: 'completed', reason: 'solved' });
  seen.done = [done.assignmentStatus, done.reason];
  seen.events = (await workspace.events.list({ taskSid: tasks[0].sid })).map(event => event.eventType).reverse();
  const queue = workspace.taskQueues(done.taskQueueSid);
  const figures = await (queue.statistics || queue.taskQueueStatistics)().fetch();
  seen.waiting = figures.realtime.total_tasks;
  seen.deleted = await workspace.tasks(tasks[3].sid).remove();
  try {
    await workspace.tasks(tasks[3].sid).fetch();
  } catch (error) {
    seen.missing = [error.status, error.code];
  }
  try {
    await workspace.tasks(tasks[0].sid).update({ assignmentStatus: 'wrapping' });
  } catch (error) {
    seen.refused = [error.status, error.code, error.message];
  }
  return seen;
}

day().then(
  seen => process.stdout.write(JSON.stringify(seen)),
  error => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  },
);
