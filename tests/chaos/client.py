"""A client that is sent garbage, and everything that can be seen of it."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from typing import Any

from tests.chaos import answers, cases, oracle
from tests.chaos.oracle import Fate
from tests.chaos.raw_http import RawAnswer, RawHttp
from tests.oracle.bridge import RecordingBridge, frame
from tests.tools import payloads
from tests.tools.answers import Reply
from tests.tools.seams import events_of
from twilio_taskrouter_worker import InvalidMessageError, RequestError, TaskRouterError, Worker
from twilio_taskrouter_worker.reservation import Reservation

TIMEOUT = 10.0
_TEXT, _BINARY = 0x1, 0x2
_ENDINGS = ("completed", "rejected", "timeout", "canceled", "rescinded")
_PRIVATE = json.dumps({"customer": cases.SECRET})


class Wrong(Exception):
    """The client did what it must not."""


class ChaosClient:
    """A worker at a recording bridge with one accepted reservation; every event it fires is noted."""

    def __init__(self) -> None:
        self.bridge = RecordingBridge(heartbeat=5.0)
        self.worker: Worker
        self.http: RawHttp
        self._numbers = itertools.count(1)
        # Guards the three below; notified at each change.
        self._changed = threading.Condition()
        self._fired: list[str] = []
        self._errors: list[TaskRouterError] = []
        self._marks = 0
        self._seen_errors: Counter[str] = Counter()
        self._ended: set[str] = set()
        self._at_start: list[dict[str, Any]] = []

    def __enter__(self) -> ChaosClient:
        self.bridge.__enter__()
        self.http = RawHttp(self.bridge.port)
        self.http.__enter__()
        state = self.bridge.state
        state.worker["attributes"] = _PRIVATE
        self._connect()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.worker.disconnect()
        self.http.__exit__(None, None, None)
        self.bridge.__exit__(None, None, None)

    def _connect(self) -> None:
        self.worker = Worker(
            "a.token.here", eb_server=self.http.url, ws_server=self.bridge.ws_server, request_timeout=5.0,
            log_level="debug",
        )  # fmt: skip
        for event in sorted(events_of(Worker) - {"error", "reservation_failed"}):
            self.worker.on(event, lambda *_, event=event: self._fire(event))  # type: ignore[call-overload]
        self.worker.on("reservation_created", self._listen)
        self.worker.on("error", self._error)
        self.worker.on("reservation_failed", self._mark)
        self.worker.connect(TIMEOUT)
        for channel in self.worker.channels.values():
            for event in events_of(channel):
                channel.on(event, lambda _, event=event: self._fire(event))  # type: ignore[call-overload]
        self._ended.clear()
        self._at_start = self._base()
        self.sync()

    def renew(self) -> None:
        """Begin anew with a client that nothing has happened to."""
        self.worker.disconnect()
        self.http.script.clear()
        self._connect()
        self.take_fired()

    # -- what is heard (on the dispatch thread) --------------------------------------------------------------------

    def _fire(self, event: str) -> None:
        with self._changed:
            self._fired.append(event)
            self._changed.notify_all()

    def _listen(self, reservation: Reservation) -> None:
        for event in events_of(reservation):
            reservation.on(event, lambda _, event=event: self._fire(event))  # type: ignore[call-overload]
        for event in events_of(reservation.task):
            reservation.task.on(event, lambda _, event=event: self._fire(f"task {event}"))  # type: ignore[call-overload]

    def _error(self, error: TaskRouterError) -> None:
        with self._changed:
            self._errors.append(error)
            self._changed.notify_all()

    def _mark(self, payload: Any) -> None:
        with self._changed:
            if isinstance(payload, dict) and isinstance(payload.get("mark"), int):
                self._marks = payload["mark"]
            else:
                self._fired.append("reservation_failed")
            self._changed.notify_all()

    def sync(self) -> None:
        """Wait until everything that was sent is handled; raises Wrong where the client no longer listens."""
        self._send()

    def _send(self, *frames: bytes) -> None:
        """Send frames in one piece, and wait until they are handled."""
        mark = next(self._numbers)
        last = json.dumps({"event_type": "reservation.failed", "payload": {"mark": mark}}).encode()
        self.bridge.send_wire(b"".join([*frames, frame(_TEXT, last)]))
        with self._changed:
            if not self._changed.wait_for(lambda: self._marks >= mark, TIMEOUT):
                raise Wrong("the client handles no events any more")

    def take_fired(self) -> list[str]:
        """The events that fired since the last time."""
        with self._changed:
            fired, self._fired = self._fired, []
            return fired

    def take_errors(self) -> Counter[str]:
        """How many errors came since the last time, by class."""
        seen, self._seen_errors = self._seen_errors, Counter()
        return seen

    def check_error(self, error: BaseException | None) -> None:
        """An error is one of ours, says something, and nothing about customers."""
        if not isinstance(error, TaskRouterError) or type(error) is TaskRouterError:
            raise Wrong(f"reported as {error!r}, from {error.__cause__!r}" if error else "not reported")
        self._seen_errors[type(error).__name__] += 1
        if not error.message or cases.SECRET in f"{error!r} {error}":
            raise Wrong(f"the report says too little or too much: {error!r}")

    # -- what it shows ---------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[tuple[str, str], dict[str, Any]]:
        """All attributes of all objects, by kind and sid."""
        worker = self.worker
        try:
            _ = worker.activity, repr(worker), worker.activity.is_current
            shown = {("Worker", worker.sid): worker.to_dict()}
            shown.update({("Channel", each.sid): each.to_dict() for each in worker.channels.values()})
            shown.update({("Reservation", each.sid): each.to_dict() for each in worker.reservations.values()})
            json.dumps(list(shown.values()))
        except Exception as error:
            raise Wrong(f"reading an attribute raises {error!r:.200}") from error
        return shown

    def _known(self) -> dict[str, Any]:
        reservations = {each.sid: each.task.sid for each in self.worker.reservations.values()}
        return {
            "worker": self.worker.sid,
            "activities": set(self.worker.activities),
            "channels": set(self.worker.channels),
            "reservations": reservations,
            "tasks": set(reservations.values()) | self._ended,
            "ended": self._ended,
        }

    # -- cases -----------------------------------------------------------------------------------------------------

    def event(self, example: str, data: bytes) -> str:
        """Send a text made of an example event, in a state where the example itself would be used."""
        return self.frame(self._placed(example, data))

    def _placed(self, example: str, data: bytes) -> bytes:
        """The text of an event about things that the client has."""
        for old, new in self._prepare(cases.example(example)).items():
            data = data.replace(old.encode(), new.encode())
        return data

    def _prepare(self, document: dict[str, Any]) -> dict[str, str]:
        """Bring the client where this event makes sense; gives the example's sids and those to put in their place."""
        payload, event_type = document["payload"], document["event_type"]
        state = self.bridge.state
        if event_type.startswith("worker."):
            kind = "activity_sid" if event_type == "worker.activity.update" else ""
            sids = {payload[kind]: next(iter(state.activities))} if kind else {}
            if "task_channel_sid" in payload:
                sids[payload["sid"]] = next(iter(state.channels))
            return sids
        number = next(self._numbers)
        reservation, task = f"WR{number:032x}", f"WT{number:032x}"
        if event_type != "reservation.created":
            self._offer(reservation, task)
        if event_type.startswith("reservation."):
            return {payload["sid"]: reservation, payload.get("task", payload)["sid"]: task}
        if "initiating_reservation_sid" in payload:
            return {payload["initiating_reservation_sid"]: reservation, payload["task_sid"]: task}
        return {payload["sid"]: task}

    def _offer(self, reservation: str, task: str) -> None:
        """Let the client have a reservation; this good event must arrive."""
        created = payloads.load("event.reservation.created")
        created["payload"].update(sid=reservation, version=0)
        created["payload"]["task"].update(sid=task, version=0, attributes=_PRIVATE)
        self._send(frame(_TEXT, json.dumps(created).encode()))
        if "reservation_created" not in self.take_fired():
            raise Wrong("a good event did not arrive")

    def frame(self, data: bytes, *, binary: bool = False) -> str:
        """Send one frame, and compare what becomes of it with what must."""
        fate = Fate.REPORT if binary else oracle.frame_fate(data, self._known())
        return self._judged(fate, data, frame(_BINARY if binary else _TEXT, data))

    def in_pieces(self, example: str) -> str:
        """Send a good event in three pieces, with a ping between."""
        data = self._placed(example, json.dumps(cases.example(example)).encode())
        wire = frame(_TEXT, data[:9], final=False) + frame(0x9, b"?") + frame(0x0, data[9:40], final=False)
        return self._judged(oracle.frame_fate(data, self._known()), data, wire + frame(0x0, data[40:]))

    def _judged(self, fate: Fate, data: bytes, wire: bytes) -> str:
        before = self.snapshot()
        self.take_fired()
        with self._changed:
            self._errors.clear()
        self._send(wire)
        fired = self.take_fired()
        with self._changed:
            errors = list(self._errors)
        for error in errors:
            self.check_error(error)
            if not isinstance(error, InvalidMessageError):
                raise Wrong(f"reported as {type(error).__name__}")
        after = self.snapshot()
        if fate is Fate.ANY:
            fate = Fate.REPORT if errors else Fate.USE
        if len(errors) != (fate is Fate.REPORT):
            raise Wrong(f"must be {fate.value}; errors: {[error.message for error in errors]}, fired: {fired}")
        if fate is Fate.USE:
            self._check_use(before, after, data)
        elif before != after or fired:
            raise Wrong(f"must be {fate.value}; fired: {fired}, changed: {_difference(before, after)}")
        return fate.name.lower()

    def _check_use(self, before: dict[Any, Any], after: dict[Any, Any], data: bytes) -> None:
        """Nothing may have changed but what the event says."""
        message = oracle.parsed(data)
        payload, event_type = message.get("payload"), message["event_type"]
        for key, now in after.items():
            was = before.get(key, {})
            if was == now:
                continue
            kind = key[0]
            said = payload
            if kind == "Reservation" and event_type.startswith("task."):
                wrong = self._task_changes(event_type, was, now, payload)
            elif kind == "Worker" and not event_type.startswith(("worker.a",)):
                # The service counts up without saying so.
                counted = str(int(was["version"]) + 1)
                wrong = [] if now == {**was, "version": counted} else ["the worker"]
            else:
                wrong = oracle.wrong_changes(kind, was, now, said)
            if wrong:
                raise Wrong(f"changed to what was not said: {', '.join(wrong)}")
        for kind, sid in before.keys() - after.keys():
            if kind != "Reservation" or sid != payload.get("sid") or event_type.partition(".")[2] not in _ENDINGS:
                raise Wrong(f"{kind} {sid} is gone")
            self._ended.add(sid)
            self._ended.add(before[kind, sid]["task"]["sid"])

    def _task_changes(self, event_type: str, was: Any, now: Any, payload: Any) -> list[str]:
        if {**was, "task": None} != {**now, "task": None}:
            return ["the reservation"]
        if not event_type.startswith("task.transfer-"):
            return oracle.wrong_changes("Task", was["task"], now["task"], payload)
        first, then = (each["task"]["transfers"]["outgoing"] or {} for each in (was, now))
        same = {**was["task"], "transfers": None} == {**now["task"], "transfers": None}
        return oracle.wrong_changes("Transfer", first, then, payload) if same else ["the task"]

    def answer(self, call: answers.Call, *raw: RawAnswer, may_succeed: bool | None = None) -> str:
        """Make a call that is answered by these bytes, and compare what becomes of it with what must.

        ``may_succeed`` True: either way is right; False: it must fail; None: what the body of the answer says.
        """
        number = next(self._numbers)
        sids = (f"WR{number:032x}", f"WT{number:032x}")
        self._offer(*sids)
        placed = [RawAnswer(call.placed(each.data, sids, self.worker.sid), each.then) for each in raw]
        fate = Fate.ANY if may_succeed else Fate.REPORT
        body = placed[0].data.partition(b"\r\n\r\n")[2]
        if may_succeed is None:
            fate = call.fate(body, sids, self._known())
        before = self.snapshot()
        self.http.script.extend(placed)
        error = call.make(self.worker, self.worker.reservations[sids[0]]).exception(TIMEOUT)
        self.http.script.clear()
        after = self.snapshot()
        if error is not None:
            self.check_error(error)
            if not isinstance(error, RequestError):
                raise Wrong(f"failed with {type(error).__name__}")
            if before != after:
                raise Wrong(f"failed, but changed {_difference(before, after)}")
        if fate is not Fate.ANY and (error is None) != (fate is Fate.USE):
            raise Wrong(f"must be {fate.value}; it ended with {error!r}")
        if error is None and may_succeed is None:
            wrong = call.wrong_changes(sids, before, after, body)
            if wrong:
                raise Wrong(f"changed to what was not said: {', '.join(wrong)}")
        return "report" if error else "use"

    def listed(self, which: str, page: bytes, sids: set[str], spoiled: int | None) -> str:
        """Connect anew with a page of a list as given: ``sids`` must be there, and so many records be reported.

        None: one or none, as the protocol does not say.
        """
        self.worker.disconnect()
        with self._changed:
            self._errors.clear()
        rule = self.bridge.on_call(f"{which}$", Reply(200, page), times=1)
        self._connect()
        rule.remove()
        self.take_fired()
        shown = {sid for kind, sid in self.snapshot()} | set(self.worker.activities)
        with self._changed:
            errors, self._errors = self._errors, []
        for error in errors:
            self.check_error(error)
        wanted = (0, 1) if spoiled is None else (spoiled,)
        if len(errors) not in wanted or not sids <= shown:
            raise Wrong(f"{len(errors)} errors instead of {spoiled}; missing: {sids - shown}; {errors}")
        return "report" if errors else "use"

    def broken(self, data: bytes) -> str:
        """Send bytes that end the connection; the client must say so, and come back."""
        self.take_fired()
        mark = next(self._numbers)
        last = json.dumps({"event_type": "reservation.failed", "payload": {"mark": mark}}).encode()
        self.bridge.send_wire(data + frame(_TEXT, last))
        with self._changed:
            if not self._changed.wait_for(lambda: self._marks >= mark or "disconnected" in self._fired, 2.0):
                self.bridge.abort()
            if self._marks < mark and not self._changed.wait_for(lambda: "ready" in self._fired, TIMEOUT):
                raise Wrong("the client did not come back")
            fate = "used" if self._marks >= mark else "reconnect"
            errors, self._errors = self._errors, []
        for error in errors:
            self.check_error(error)
        return fate

    # -- between cases ---------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """End what a case left open, by good events, which must arrive; a new client where it knows of newer things."""
        worker = self.worker
        if self._base() != self._at_start or len(worker.version) > 9:
            self.renew()
            return
        frames = []
        for reservation in worker.reservations.values():
            ended = payloads.load("event.reservation.canceled")
            ended["payload"].update(sid=reservation.sid, version=10**6)
            ended["payload"]["task"].update(sid=reservation.task.sid, version=10**6)
            frames.append(frame(_TEXT, json.dumps(ended).encode()))
            self._ended |= {reservation.sid, reservation.task.sid}
        self._send(*frames)
        if worker.reservations:
            raise Wrong(f"good events did not arrive: {worker.reservations!r} left")
        self.take_fired()

    def _base(self) -> list[dict[str, Any]]:
        """The worker and its channels, but for the version, which counts up with every reservation."""
        channels = [each.to_dict() for each in self.worker.channels.values()]
        return [{**self.worker.to_dict(), "version": None}, *channels]

    def call_works(self) -> None:
        """A call is answered, and an event arrives after it."""
        if self.worker.fetch_latest_version().result(TIMEOUT) is not self.worker:
            raise Wrong("a call did not give the worker")
        self.sync()


def _difference(before: dict[Any, Any], after: dict[Any, Any]) -> str:
    keys = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    return ", ".join(str(key) for key in keys)
