"""The workspace the recording bridge answers from: the story of the example payloads, and what tests add to it.

It is a table, not a routing engine: it checks no transition and sends no event by itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from tests.tools import payloads
from tests.tools.answers import Call, Reply, error

Record = dict[str, Any]

_ONLY_IN_FULL_TASK = ("account_sid", "workspace_sid", "counter")
_ONLY_IN_NESTED_RESERVATION = ("task", "reservation_timeout", "task_transfer", "active_outgoing_task_transfer")
_TASK_STATUS = {"pending": "reserved", "accepted": "assigned", "wrapping": "wrapping", "completed": "completed"}
"""The status of the task beside each reservation status; the ones missing here put it back to ``pending``."""

_ACTIVE = ("pending", "accepted", "wrapping")


def text_of(value: Any) -> str:
    """Return attributes as the wire carries them in answers: JSON text."""
    return value if isinstance(value, str) else json.dumps(value)


class State:
    """The worker, activities, channels, reservations, tasks, transfers, workers and task queues of one workspace.

    All of them are plain dicts by sid, in server order, open to the test; hold ``lock`` to change several at once.
    """

    def __init__(self) -> None:
        # Guards every table below: tests change them while the bridge's thread answers from them.
        self.lock = threading.RLock()
        self.worker: Record = payloads.load("rest.worker")
        self.activities = _by_sid(payloads.load("rest.page.activities")["contents"])
        self.channels = _by_sid(payloads.load("rest.page.channels")["contents"])
        self.reservations: dict[str, Record] = {}
        """Nested form without ``task``; the key ``task_sid`` names the row in ``tasks``."""
        self.tasks: dict[str, Record] = {}
        self.transfers: dict[str, Record] = {}
        self.workers: dict[str, Record] = {self.worker["sid"]: self.worker}
        self.task_queues = _by_sid([payloads.load("rest.taskqueue")])
        self.page_limit = 1000
        """The most records on one page, whatever ``PageSize`` asks for: set it low to force paging."""
        self._made = 0
        self._routes = _compile(self)

    # -- what tests add ------------------------------------------------------------------------------------------

    def new_sid(self, prefix: str) -> str:
        """Return a sid not used before; the same ones in the same order each time."""
        with self.lock:
            self._made += 1
            return prefix + hashlib.md5(f"{prefix}{self._made}".encode()).hexdigest()

    def add_activity(self, name: str, *, available: bool = False, **fields: Any) -> Record:
        """Add an activity and return its payload."""
        return self._add(self.activities, "rest.activity", "WA", friendly_name=name, available=available, **fields)

    def add_channel(self, name: str, **fields: Any) -> Record:
        """Add a worker channel and return its payload."""
        kind = self.new_sid("TC")
        fields = {"task_channel_sid": kind, "task_channel_unique_name": name, **fields}
        return self._add(self.channels, "rest.channel", "WC", **fields)

    def add_worker(self, name: str, **fields: Any) -> Record:
        """Add another worker to the workspace and return its payload."""
        return self._add(self.workers, "rest.worker", "WK", friendly_name=name, **fields)

    def add_task_queue(self, name: str, **fields: Any) -> Record:
        """Add a task queue and return its payload."""
        return self._add(self.task_queues, "rest.taskqueue", "WQ", friendly_name=name, **fields)

    def add_task(self, *, attributes: Any = None, **fields: Any) -> Record:
        """Add a task without a reservation and return its (full) payload."""
        if attributes is not None:
            fields["attributes"] = text_of(attributes)
        sid = payloads.load("rest.task")["sid"]
        fields.setdefault("sid", sid if sid not in self.tasks else self.new_sid("WT"))
        return self._add(self.tasks, "rest.task", "WT", **fields)

    def add_reservation(
        self,
        status: str = "pending",
        *,
        task: Mapping[str, Any] | None = None,
        transfer: Mapping[str, Any] | None = None,
        outgoing: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Record:
        """Add a reservation with its task and return the nested payload, as in the list and in events.

        ``task`` are fields of the task (``sid`` of an existing one to share it), ``transfer`` and ``outgoing`` fields
        that differ from the examples of ``task_transfer`` and ``active_outgoing_task_transfer`` (``{}`` for none that
        differ). The first reservation has the sids of the example payloads, later ones sids of their own.
        """
        with self.lock:
            example = payloads.load("rest.reservation.with-transfers")
            task = {"assignment_status": _TASK_STATUS.get(status, "pending"), "version": 1, **(task or {})}
            if "attributes" in task:
                task["attributes"] = text_of(task["attributes"])
            known = self.tasks.get(task.get("sid", ""))
            row = known if known is not None else self.add_task(**task)
            for key, given in (("task_transfer", transfer), ("active_outgoing_task_transfer", outgoing)):
                shown = example.pop(key)
                if given is not None:
                    fields[key] = {**shown, "task_sid": row["sid"], **given}
            del example["task"]
            if example["sid"] in self.reservations:
                example["sid"] = self.new_sid("WR")
            record = {**example, "version": 0, **fields, "reservation_status": status, "task_sid": row["sid"]}
            self.reservations[record["sid"]] = record
            return self.nested(record["sid"])

    def change_reservation(self, sid: str, status: str, **fields: Any) -> Record:
        """Set the status of a reservation and of its task and return the nested payload.

        A version counts up only where something changes: after a POST that already changed the reservation only the
        task's does, so the payload is the one that the event after that POST carries.
        """
        with self.lock:
            record = self.reservations[sid]
            if fields or record["reservation_status"] != status:
                _change(record, reservation_status=status, **fields)
            task, task_status = self.tasks[record["task_sid"]], _TASK_STATUS.get(status, "pending")
            if task["assignment_status"] != task_status:
                _change(task, assignment_status=task_status)
            return self.nested(sid)

    def change_task(self, sid: str, **fields: Any) -> Record:
        """Set fields of a task, count its version up, return the full payload."""
        if "attributes" in fields:
            fields["attributes"] = text_of(fields["attributes"])
        with self.lock:
            return dict(_change(self.tasks[sid], **fields))

    def remove_reservation(self, sid: str) -> None:
        """Take a reservation off the list, as the service does once it is over."""
        with self.lock:
            del self.reservations[sid]

    def nested(self, sid: str) -> Record:
        """Return a reservation with its task inside: the form of the list and of events."""
        with self.lock:
            record = dict(self.reservations[sid])
            task = self.tasks[record.pop("task_sid")]
            record["task"] = {key: value for key, value in task.items() if key not in _ONLY_IN_FULL_TASK}
            return _copy(record)

    def bare(self, sid: str) -> Record:
        """Return a reservation without its task: the form of answers to reservation updates."""
        with self.lock:
            record = {k: v for k, v in self.reservations[sid].items() if k not in _ONLY_IN_NESTED_RESERVATION}
            record["task_channel_sid"] = self.tasks[record["task_sid"]]["task_channel_sid"]
            return record

    def _add(self, table: dict[str, Record], example: str, prefix: str, **fields: Any) -> Record:
        with self.lock:
            if "attributes" in fields:
                fields["attributes"] = text_of(fields["attributes"])
            record = payloads.load(example)
            record.update(fields if "sid" in fields else {"sid": self.new_sid(prefix), **fields})
            table[record["sid"]] = record
            return dict(record)

    # -- answering -----------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Reply:
        """Return the service's answer to a tunnelled call, and make the change it asks for."""
        if not call.url or call.method not in ("GET", "POST") or not isinstance(call.params, dict):
            return error(400, "Malformed request: url, method and params are needed")
        with self.lock:
            for method, pattern, handler in self._routes:
                found = pattern.fullmatch(call.url)
                if found and method == call.method:
                    return handler(call, **{name: unquote(part) for name, part in found.groupdict().items()})
        return error(404, f"The requested resource /{call.url} was not found", code=20404)

    def _get_list(self, table: dict[str, Record], call: Call) -> Reply:
        """Answer one page: ``AfterSid`` (or, with ``Ordering``, ``NextToken``) says after which record it starts."""
        params, ordered = call.params, "Ordering" in call.params
        after = str(params.get("NextToken", "")).partition("/")[0] if ordered else params.get("AfterSid")
        sids, start = list(table), 0
        if after:
            if after not in table:
                return error(400, f"Invalid AfterSid {after}")
            start = sids.index(after) + 1
        asked = str(params.get("PageSize", 50))
        if not (asked.isdecimal() and 1 <= int(asked) <= 1000):
            return error(400, f"Invalid PageSize {asked}")
        size = min(int(asked), self.page_limit)
        shown, more = sids[start : start + size], start + size < len(sids)
        page = payloads.load("rest.page.activities")
        page.update(contents=[table[sid] for sid in shown], total=len(sids), after_sid=shown[-1] if more else None)
        page.update(page=start // size, start=start, end=start + len(shown), nextPage=start // size + more)
        if ordered and more:
            page["meta"]["next_token"] = f"{shown[-1]}/2026-01-01T10:00:00.125Z"
        return _payload(page)

    def _get_reservations(self, call: Call, worker: str) -> Reply:
        wanted = _ACTIVE if call.params.get("Active") == "true" else None
        return self._get_list({
            sid: self.nested(sid) for sid, record in self.reservations.items()
            if wanted is None or record["reservation_status"] in wanted
        }, call)  # fmt: skip

    def _get_worker(self, call: Call, worker: str) -> Reply:
        record = self.workers.get(worker)
        return _payload(record) if record else _not_found("Worker", worker)

    def _post_worker(self, call: Call, worker: str) -> Reply:
        record = self.workers.get(worker)
        if record is None:
            return _not_found("Worker", worker)
        if stale := _stale(call, record):
            return stale
        changes: Record = {}
        if (sid := call.params.get("ActivitySid")) is not None:
            activity = self.activities.get(sid)
            if activity is None:
                return error(400, f"ActivitySid {sid} is not an activity of this workspace")
            changes.update(activity_sid=sid, activity_name=activity["friendly_name"], available=activity["available"])
            changes["date_status_changed"] = record["date_status_changed"] + 1
        if "Attributes" in call.params:
            changes["attributes"] = text_of(call.params["Attributes"])
        return _payload(_change(record, **changes))

    def _get_reservation(self, call: Call, worker: str, sid: str) -> Reply:
        if sid not in self.reservations:
            return _not_found("Reservation", sid)
        return _payload(self.nested(sid) if call.api_version == "v2" else self.bare(sid))

    def _post_reservation(self, call: Call, sid: str, **_path: str) -> Reply:
        record = self.reservations.get(sid)
        if record is None:
            return _not_found("Reservation", sid)
        if stale := _stale(call, record):
            return stale
        if status := call.params.get("ReservationStatus"):
            # The nested task follows only with the event, as on the wire: change_reservation makes that.
            _change(record, reservation_status=status)
        return _payload(self.bare(sid))

    def _post_new_task(self, call: Call) -> Reply:
        params = call.params
        record = payloads.load("rest.task.created")
        record.update(sid=self.new_sid("WT"), attributes=text_of(params.get("Attributes", {})))
        record.update(workflow_sid=params.get("WorkflowSid"), queue_sid=params.get("TaskQueueSid"))
        record["routing_target"] = params.get("RoutingTarget")
        self.tasks[record["sid"]] = {**record, "version": 0}
        return _payload(record)

    def _get_task(self, call: Call, sid: str) -> Reply:
        return _payload(self.tasks[sid]) if sid in self.tasks else _not_found("Task", sid)

    def _post_task(self, call: Call, sid: str) -> Reply:
        record = self.tasks.get(sid)
        if record is None:
            return _not_found("Task", sid)
        if stale := _stale(call, record):
            return stale
        named = {"AssignmentStatus": "assignment_status", "Reason": "reason"}
        changes = {wire: call.params[name] for name, wire in named.items() if name in call.params}
        if "Attributes" in call.params:
            changes["attributes"] = text_of(call.params["Attributes"])
        if "VirtualStartTime" in call.params:
            changes["virtual_start_time"] = record["virtual_start_time"] + 60
        return _payload(_change(record, **changes))

    def _post_participant(self, call: Call, worker: str) -> Reply:
        return self._get_task(call, str(call.params.get("TaskSid")))

    def _post_own_participant(self, call: Call, worker: str) -> Reply:
        sid = str(call.params.get("ReservationSid"))
        return _payload(self.bare(sid)) if sid in self.reservations else _not_found("Reservation", sid)

    def _post_new_transfer(self, call: Call, worker: str) -> Reply:
        record, params = payloads.load("rest.transfer"), call.params
        target = str(params.get("To"))
        record.update(sid=record["sid"] if record["sid"] not in self.transfers else self.new_sid("TT"))
        record.update(task_sid=params.get("TaskSid"), initiating_reservation_sid=params.get("ReservationSid"))
        record.update(transfer_to=target, transfer_mode=params.get("Mode", "WARM"), initiating_worker_sid=worker)
        record["transfer_type"] = "QUEUE" if target.startswith("WQ") else "WORKER"
        self.transfers[record["sid"]] = record
        return _payload(record)

    def _post_transfer(self, call: Call, worker: str, sid: str) -> Reply:
        record = self.transfers.get(sid)
        if record is None:
            return _not_found("Transfer", sid)
        if record["transfer_status"] == "canceled":
            return error(400, f"Transfer {sid} is already canceled . Cannot cancel transfer.")
        record.update(transfer_status=call.params.get("TransferStatus"), date_updated=record["date_updated"] + 1)
        return _payload(record)

    def _get_task_queue(self, call: Call, sid: str) -> Reply:
        return _payload(self.task_queues[sid]) if sid in self.task_queues else _not_found("TaskQueue", sid)


Handler = Callable[..., Reply]


def _compile(state: State) -> list[tuple[str, re.Pattern[str], Handler]]:
    """Return the table of calls: method, tunnelled path, what answers it."""
    own = "Workers/{worker}/"
    table: list[tuple[str, str, Handler]] = [
        ("GET", "Activities", lambda call: state._get_list(state.activities, call)),
        ("GET", "Workers", lambda call: state._get_list(state.workers, call)),
        ("GET", "TaskQueues", lambda call: state._get_list(state.task_queues, call)),
        ("GET", "TaskQueues/{sid}", state._get_task_queue),
        ("POST", "Tasks", state._post_new_task),
        ("GET", "Tasks/{sid}", state._get_task),
        ("POST", "Tasks/{sid}", state._post_task),
        ("POST", "Tasks/{task}/Reservations/{sid}", state._post_reservation),
        ("GET", "Workers/{worker}", state._get_worker),
        ("POST", "Workers/{worker}", state._post_worker),
        ("GET", own + "WorkerChannels", lambda call, worker: state._get_list(state.channels, call)),
        ("GET", own + "Reservations", state._get_reservations),
        ("GET", own + "Reservations/{sid}", state._get_reservation),
        ("POST", own + "Reservations/{sid}", state._post_reservation),
        ("POST", own + "Transfers", state._post_new_transfer),
        ("POST", own + "Transfers/{sid}", state._post_transfer),
        ("POST", own + "CustomerParticipant", state._post_participant),
        ("POST", own + "HoldWorkerParticipant", state._post_participant),
        ("POST", own + "KickWorkerParticipant", state._post_participant),
        ("POST", own + "WorkerParticipant", state._post_own_participant),
    ]
    prefix = f"Workspaces/{state.worker['workspace_sid']}/"
    return [(method, re.compile(prefix + re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)), handler)
            for method, path, handler in table]  # fmt: skip


def _by_sid(records: list[Record]) -> dict[str, Record]:
    return {record["sid"]: record for record in records}


def _copy(record: Record) -> Record:
    copied: Record = json.loads(json.dumps(record))
    return copied


def _change(record: Record, **fields: Any) -> Record:
    record.update(fields, version=record["version"] + 1, date_updated=record["date_updated"] + 1)
    return record


def _payload(record: Record) -> Reply:
    return Reply(200, {"payload": _copy(record)})


def _not_found(kind: str, sid: str) -> Reply:
    return error(404, f"{kind} {sid} was not found", code=20404)


def _stale(call: Call, record: Record) -> Reply | None:
    if call.if_match is None or call.if_match == str(record["version"]):
        return None
    return error(412, f"If-Match {call.if_match} is not the version of {record['sid']}", code=20412)
