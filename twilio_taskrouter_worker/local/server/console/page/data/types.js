/**
 * The records and messages of the console's server, for type checkers and readers. Dates are unix seconds; attributes
 * and configurations are JSON texts.
 *
 * @typedef {{sid: string, friendly_name: string, available: boolean}} Activity
 * @typedef {{sid: string, unique_name: string, friendly_name: string}} TaskChannel
 *
 * @typedef {object} WorkerChannel
 * @property {string} sid
 * @property {string} unique_name
 * @property {number} configured_capacity
 * @property {boolean} available  its switch, whatever the worker's activity
 * @property {number} occupied  places taken
 *
 * @typedef {object} Worker
 * @property {string} sid
 * @property {string} friendly_name
 * @property {string} activity_sid
 * @property {string} activity_name
 * @property {boolean} available
 * @property {string} attributes
 * @property {number} date_status_changed
 * @property {number} sessions  open websockets
 * @property {string[]} queues  sids of those it is a member of
 * @property {WorkerChannel[]} channels
 *
 * @typedef {object} Queue
 * @property {string} sid
 * @property {string} friendly_name
 * @property {string | null} target_workers
 * @property {string} task_order
 * @property {number} max_reserved_workers
 *
 * @typedef {object} Workflow
 * @property {string} sid
 * @property {string} friendly_name
 * @property {string} configuration
 * @property {string | null} assignment_callback_url
 * @property {number} task_reservation_timeout
 *
 * @typedef {object} Task
 * @property {string} sid
 * @property {string} assignment_status
 * @property {string} attributes
 * @property {number} priority
 * @property {string | null} reason
 * @property {number} timeout
 * @property {string | null} workflow_sid
 * @property {string | null} task_queue_sid
 * @property {number | null} task_queue_entered_date
 * @property {string} task_channel_unique_name
 * @property {string | null} routing_target
 * @property {number} date_created
 * @property {number} date_updated
 *
 * @typedef {object} Reservation
 * @property {string} sid
 * @property {string} task_sid
 * @property {string} worker_sid
 * @property {string} worker_name
 * @property {string} reservation_status
 * @property {number} reservation_timeout
 * @property {number} date_created
 * @property {number} date_updated
 *
 * @typedef {{due: number, kind: string, text: string, sid: string, task_sid?: string, worker_sid?: string}} Timer
 * @typedef {{id: number, name: string, text: string, hits: number, seconds_left?: number}} Fault
 * @typedef {{id: number, per_minute: number, error: string | null}} TaskStream
 * @typedef {{first: number, last: number, from: number, to: number}} History
 * @typedef {{threshold: number, value: number | null}} ServiceLevel
 * @typedef {{realtime: any, cumulative: any, minutes: number, service_level: ServiceLevel}} Totals
 *
 * @typedef {object} Info
 * @property {string} url
 * @property {string} account_sid
 * @property {string} workspace_sid
 * @property {string} version
 * @property {boolean} read_only
 * @property {string | null} fork_of
 * @property {{sid: string, friendly_name: string}[]} workspaces
 *
 * @typedef {object} Changes
 * @property {number} [now]
 * @property {boolean} [running]
 * @property {Activity[]} [activities]
 * @property {TaskChannel[]} [channels]
 * @property {Worker[]} [workers]
 * @property {Queue[]} [queues]
 * @property {Workflow[]} [workflows]
 * @property {Task[]} [tasks]
 * @property {Reservation[]} [reservations]
 * @property {{[kind: string]: string[]}} [removed]  sids
 * @property {Info} [info]
 * @property {Totals | null} [totals]
 * @property {Timer[]} [timers]
 * @property {Fault[]} [faults]
 * @property {TaskStream[]} [streams]
 * @property {History | null} [history]
 *
 * @typedef {Changes & {instance: string, moment: number | null}} Snapshot
 *
 * @typedef {object} WireEntry
 * @property {number} n
 * @property {number} at
 * @property {string} kind  rest, bridge, handshake, frame, webhook, control
 * @property {boolean} console  made by the console itself
 * @property {string} method
 * @property {string} path
 * @property {number | null} status
 * @property {number | null} ms
 * @property {number} bytes
 * @property {string | null} worker_sid
 * @property {string} summary
 *
 * @typedef {object} Verdict  of an expression or a part of it
 * @property {string} text
 * @property {boolean} result
 * @property {string} operator
 * @property {number} [start]
 * @property {number} [end]
 * @property {Verdict[]} [parts]
 * @property {{[path: string]: any}} [values]
 *
 * @typedef {object} Step  of a task's life
 * @property {number} at
 * @property {string} sid
 * @property {string} type
 * @property {string} text
 * @property {{sid: string, name: string} | null} who
 * @property {string} [why]
 * @property {string} [worker_sid]
 * @property {string} [worker_name]
 */

export {};
