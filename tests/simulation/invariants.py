"""What must always hold, checked as things happen, and what must hold once the network is healed and all is quiet."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs

from tests.tools.seams import kernel_of
from twilio_taskrouter_worker import Channel, Reservation, Task
from twilio_taskrouter_worker._bridge.connections import Answer
from twilio_taskrouter_worker._bridge.mirror import Notice
from twilio_taskrouter_worker._bridge.reload import ENDINGS
from twilio_taskrouter_worker.local.engine import Rejected
from twilio_taskrouter_worker.local.server.events import payloads
from twilio_taskrouter_worker.worker_info import WorkerFields

if TYPE_CHECKING:
    from .client import Client, SimulatedCall
    from .service import Began
    from .world import World

__all__ = ["Invariants", "Violation"]

DEADLINE_SLACK = 0.5
"""Seconds after its deadline at which a Future must be done."""
MOST_ATTEMPTS_A_MINUTE = 40
"""Connections that a worker may try in a minute in which it is never ready."""
MOST_CANCELLED = 257
"""Cancelled timers that the engine may keep, or as many as there are others."""
MOST_FRAMES = 100
"""Frames of one session that may wait for the answers that they follow."""
MOST_REQUESTS = 100
"""Requests that may wait for a commit."""

_RANKS = {"accepted": 1, "wrapup": 2, **dict.fromkeys(ENDINGS, 3)}


class Violation(Exception):
    """An invariant does not hold.

    Args:
        name: Which one.
        text: What was seen.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name = name
        self.text = text

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@attrs.define
class Seen:
    """What one client was told of one reservation."""

    announced: bool = False
    rank: int = 0
    version: int = -1
    accepted: bool = False
    ending: str | None = None
    task_version: int = -1
    task_ended: bool = False


@attrs.define
class Sent:
    """What became of the attempts of one call."""

    attempts: int = 0
    harmless: int = 0
    """Those of which the answer says that the service has not acted."""
    acted: int = 0
    not_before: float = 0.0


class Invariants:
    """The checks of one world.

    Args:
        world: The world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.violation: Violation | None = None
        self._seen: dict[Client, dict[str, Seen]] = {}
        self._versions: dict[Client, dict[str, int]] = {}
        self._worker_version: dict[Client, int] = {}
        self._calls: dict[int, Sent] = {}
        self._last_acted: dict[tuple[Client, str], int] = {}
        self._dials: dict[Client, deque[float]] = {}
        self._number = 0
        self.futures = 0
        """Calls that were made."""

    def violated(self, name: str, text: str) -> None:
        """Note a violation; the first one ends the simulation after the current step.

        Args:
            name: Which invariant.
            text: What was seen.
        """
        if self.violation is None:
            self.violation = Violation(name, text)

    # -- events ------------------------------------------------------------------------------------------------------

    def fired(self, client: Client, notice: Notice) -> None:
        """A client is about to run the callbacks of an event."""
        emitter, event, args = notice
        self._world.trace(client.number, event, emitter)
        if event == "error":
            if "defect" in str(args[0]) or "could not be handled" in str(args[0]):
                self.violated("no defects", f"{args[0]!r} {args[0].__cause__!r}")
        elif event == "reservation_created":
            seen = self._of(client, args[0].sid)
            if seen.announced or seen.rank or args[0].sid in (client.existing or ()):
                self.violated("announced once", f"{args[0].sid} was announced twice")
            seen.announced = True
            self._version(client, args[0], seen)
        elif isinstance(emitter, Reservation):
            self._reservation_event(client, emitter, event)
        elif isinstance(emitter, Task):
            self._task_event(client, emitter, event)
        elif emitter is client.worker and event in ("activity_updated", "attributes_updated"):
            record = client.worker._state.track.record
            version = 0 if record is None else record[WorkerFields._schema.index["version"]]
            if version < self._worker_version.get(client, -1):
                self.violated("order", f"worker {client.number}: version {version} after a newer one")
            self._worker_version[client] = version

    def _of(self, client: Client, sid: str) -> Seen:
        seen = self._seen.setdefault(client, {})
        if sid not in seen:
            seen[sid] = Seen()
        return seen[sid]

    def _reservation_event(self, client: Client, reservation: Reservation, event: str) -> None:
        seen, rank = self._of(client, reservation.sid), _RANKS[event]
        if seen.ending is not None:
            self.violated("ended once", f"{reservation.sid}: {event} after {seen.ending}")
        elif rank <= seen.rank:
            self.violated("order", f"{reservation.sid}: {event} after an event of rank {seen.rank}")
        seen.rank = rank
        seen.accepted = seen.accepted or event == "accepted"
        if rank == 3:
            seen.ending = event
            if reservation.sid in client.worker.reservations:
                self.violated("ended once", f"{reservation.sid} is among the open ones at its {event}")
        self._version(client, reservation, seen)

    def _version(self, client: Client, reservation: Reservation, seen: Seen) -> None:
        record = reservation._track.record
        if record is None:
            return
        version = record[Reservation._schema.index["version"]]
        if version < seen.version:
            self.violated("order", f"{reservation.sid}: version {version} after {seen.version}")
        seen.version = version

    def up_to_date(self, client: Client) -> None:
        """A client that is ready has handled all that has arrived: it must have announced it."""
        socket = client.socket
        if socket is None:
            return
        heard, socket.heard = socket.heard, []
        for text in heard:
            if b'"reservation.' not in text[:40]:
                continue
            message = json.loads(text)
            _, _, event = message["event_type"].partition(".")
            if event == "failed":
                continue
            sid = message["payload"]["sid"]
            seen = self._of(client, sid)
            known = seen.announced or seen.rank > 0 or sid in (client.existing or ())
            if event == "created" and not known:
                self.violated("nothing lost", f"{sid}: its creation arrived and was not announced")
            elif event in ENDINGS and known and seen.ending is None:
                self.violated("nothing lost", f"{sid}: {event} arrived and was not announced")
        self.answer_applied(client)

    def answer_applied(self, client: Client) -> None:
        """An answer or a list may have changed what a client knows: no object is older than it was."""
        versions = self._versions.setdefault(client, {})
        worker = client.worker
        known = [(each.sid, int(each.version)) for each in worker.reservations.values()]
        known += [(f"{each.sid}'s task", int(each.task.version)) for each in worker.reservations.values()]
        if worker._state.record is not None:
            known.append((client.sid, worker._state.record[WorkerFields._schema.index["version"]]))
        for sid, version in known:
            if version < versions.get(sid, -1):
                self.violated("never older", f"{sid} is of version {version}, and was of version {versions[sid]}")
        self._versions[client] = dict(known)

    def _task_event(self, client: Client, task: Task, event: str) -> None:
        seen, record = self._of(client, task.reservation_sid), task._track.record
        version = 0 if record is None else record[Task._schema.index["version"]]
        if event.startswith("transfer"):
            return
        if version < seen.task_version:
            self.violated("order", f"{task.sid}: version {version} after {seen.task_version}")
        seen.task_version = version
        if event in ("completed", "canceled"):
            if seen.task_ended:
                self.violated("ended once", f"{task.sid}: {event} after its end")
            seen.task_ended = True

    # -- reloads -----------------------------------------------------------------------------------------------------

    def first_ready(self, client: Client) -> None:
        """A client is ready for the first time: what it has is there, and is not announced as well."""
        for sid in client.worker.reservations:
            if self._of(client, sid).announced:
                self.violated("announced once", f"{sid} was announced, and is there at the first ready")

    def taken_over(self, client: Client, began: Began) -> None:
        """A client has taken over the lists of a connection: it knows all that was so when its session opened."""
        self.answer_applied(client)
        machine = self._world.service
        if not machine.is_running(began.process):
            client.version_is_exact = False
            return
        engine, workspace, here = machine.engine, machine.workspace_sid, client.worker.reservations
        now = machine.began(client.sid)
        client.version_is_exact = now.worker_version == began.worker_version
        for sid in began.reservations.keys() & now.reservations.keys():
            if sid not in here:
                self.violated("nothing lost", f"{sid} was open when the session opened, and is not known at ready")
            elif int(here[sid].version) < began.reservations[sid]:
                self.violated("nothing lost", f"{sid} is older at ready than it was when the session opened")
        for sid in here.keys() - began.reservations.keys() - now.reservations.keys():
            try:
                created = engine.reservation(workspace, sid).date_created
            except Rejected:
                continue
            if created < began.at:
                self.violated("nothing lost", f"{sid} had ended when the session opened, and is open at ready")

    # -- calls -------------------------------------------------------------------------------------------------------

    def made(self, call: SimulatedCall) -> int:
        """A call was made; returns its number."""
        self._number += 1
        self.futures += 1
        number = self._number
        self._calls[number] = Sent()

        def check() -> None:
            if not call.future.done() and not call.client.dead:
                self.violated("deadline", f"{call._request} has not ended at its deadline")
            self._calls.pop(number, None)

        self._world.scheduler.at(call.deadline + DEADLINE_SLACK, check)
        return number

    def sent(self, call: SimulatedCall) -> None:
        """A request reaches the wire."""
        sent = self._calls.get(call.number)
        if call.future.done():
            self.violated("no silent retry", f"{call._request} is sent although its Future is done")
        if sent is None:
            return
        if not call.is_read and sent.attempts > sent.harmless:
            self.violated("at most once", f"{call._request} is repeated although the service may have acted on it")
        if self._world.scheduler.now < sent.not_before - 1e-6:
            self.violated("Retry-After", f"{call._request} comes back too early")
        sent.attempts += 1

    def answered(self, call: SimulatedCall, answer: Answer) -> None:
        """An answer reaches a client."""
        sent = self._calls.get(call.number)
        pause = answer.headers.get("retry-after")
        if sent is not None:
            sent.harmless += answer.status == 429 or (answer.status == 503 and pause is not None)
            if pause is not None:
                sent.not_before = self._world.scheduler.now + float(pause)

    def acted(self, call: SimulatedCall) -> None:
        """The service carried a request out."""
        if call.is_read:
            return
        self._world.acted += 1
        sent = self._calls.get(call.number)
        if sent is not None:
            sent.acted += 1
            if sent.acted > 1:
                self.violated("at most once", f"the service acted twice on {call._request}")
        for subject in call.subjects_changed:
            key = (call.client, subject)
            last = self._last_acted.get(key, 0)
            # One that was reported failed may still be under way, and take effect at any time.
            if call.number < last and not call.future.done():
                self.violated("calls in order", f"{call._request} takes effect after a call that was made later")
            self._last_acted[key] = max(last, call.number)

    # -- connections -------------------------------------------------------------------------------------------------

    def connecting(self, client: Client) -> None:
        """A client tries to connect."""
        now = self._world.scheduler.now
        dials = self._dials.setdefault(client, deque())
        if client.worker._connection is not None and client.worker._connection._session.attempts <= 1:
            dials.clear()
        dials.append(now)
        while dials[0] < now - 60:
            dials.popleft()
        if len(dials) > MOST_ATTEMPTS_A_MINUTE:
            self.violated("back off", f"worker {client.number} tried {len(dials)} connections in a minute")

    # -- memory ------------------------------------------------------------------------------------------------------

    def check_memory(self) -> None:
        """Nothing is kept for longer than it is needed, also while faults go on."""
        now, machine = self._world.scheduler.now, self._world.service
        for client in self._world.clients:
            connection = client.worker._connection
            if not client.dead and connection is not None:
                self._check_kept(client, connection, now)
        if machine.up:
            service, schedule = machine.service, kernel_of(machine.engine).schedule
            live = sum(1 for _ in schedule)
            kept = {
                "sessions without a connection": len(service.sessions) - len(self._world.network.links),
                "tokens of workers without sessions": len(service.sessions._newest_token) - len(machine.workers),
                "cancelled timers": len(schedule._heap) - max(2 * live, live + MOST_CANCELLED),
                "frames": max((len(each.queue) for each in service.sessions.select(None)), default=0) - MOST_FRAMES,
                "requests": max(len(service.committer._next.callbacks), len(machine._requests)) - MOST_REQUESTS,
            }
            self._none_kept("the service", kept)

    def _check_kept(self, client: Client, connection: Any, now: float) -> None:
        mirror, calls, reload = client.worker._state, client.worker._calls, connection._session._reload
        ready = connection._session.state.name == "READY"
        forget_at = mirror.forget_at
        tasks = {each.task.sid for each in mirror.reservations.values()} | {entry[2] for entry in mirror._ended_at}
        kept = {
            "calls in line": 0 if calls.in_flight else len(calls._turns),
            "ended reservations": max(0, len(mirror.ended) + len(mirror._kept) - 2 * len(mirror._ended_at)),
            "reservations that ended long ago": connection.dispatcher.rests
            and forget_at is not None
            and forget_at < now - 1,
            "tasks": len(mirror._tasks.keys() - tasks),
            "frames": len(reload.buffered) if ready else 0,
            "look-ups": len(reload._found) if ready else 0,
        }
        self._none_kept(f"worker {client.number}", kept)

    def _none_kept(self, who: str, kept: dict[str, int]) -> None:
        for what, count in kept.items():
            if count > 0:
                self.violated("bounded memory", f"{who} keeps {int(count)} {what}")

    # -- the end -----------------------------------------------------------------------------------------------------

    def check_quiet(self) -> None:
        """Everything is healed, and nothing is under way: clients and service must agree."""
        self.check_connected()
        for client in self._world.clients:
            if self.violation is None:
                self._check_reservations(client)
                self._check_worker(client)
                self._check_endings(client)
                self._check_memory(client)
        self._check_service()

    def check_connected(self) -> None:
        """Everything is healed: every client must be ready."""
        for client in self._world.clients:
            if not client.ready:
                connection = client.worker._connection
                state = "disconnected" if connection is None else connection._session.state.value
                self.violated("converges", f"worker {client.number} is still {state}, though all is healed")

    def _check_reservations(self, client: Client) -> None:
        engine, workspace = self._world.service.engine, self._world.service.workspace_sid
        views = engine.reservation_views(workspace, client.sid, active=True)
        there = {view.reservation.sid: view for view in views}
        here = client.worker.reservations
        if set(here) != set(there):
            missing, extra = sorted(set(there) - set(here)), sorted(set(here) - set(there))
            self.violated("equal", f"worker {client.number} lacks {missing} and has {extra} which have ended")
            return
        for sid, view in there.items():
            reservation = here[sid]
            payload = payloads.reservation_view(view, engine.now)
            self._compare(f"reservation {sid}", reservation, Reservation._schema.read(payload))
            self._compare(f"task {view.task.sid}", reservation.task, Task._schema.read(payload["task"]), ("age",))

    def _compare(self, what: str, resource: Any, record: Any, but: tuple[str, ...] = ()) -> None:
        schema, known = resource._schema, resource._record
        for name, at in schema.index.items():
            if name not in but and known[at] != record[at]:
                self.violated("equal", f"{what}: {name} is {known[at]!r} here and {record[at]!r} at the service")

    def _check_worker(self, client: Client) -> None:
        engine, workspace = self._world.service.engine, self._world.service.workspace_sid
        worker = engine.worker(workspace, client.sid)
        record = WorkerFields._schema.read(payloads.worker(worker))
        index, known = WorkerFields._schema.index, client.worker._record
        names = ["activity_sid", "activity_name", "available", "attributes", "friendly_name"]
        # The service counts the version with each reservation without sending it, so the client counts along. It cannot
        # know which of the two came first where a reservation was created while the lists were read.
        if client.version_is_exact:
            names.append("version")
        for name in names:
            if known[index[name]] != record[index[name]]:
                self.violated(
                    "equal",
                    f"worker {client.number}: {name} is {known[index[name]]!r} here and {record[index[name]]!r} at the "
                    "service",
                )
        for channel in engine.channels(workspace, client.sid):
            payload = Channel._schema.read(payloads.channel(channel))
            mine = client.worker.channels[channel.sid]._record
            for name in ("capacity", "available"):
                if mine[Channel._schema.index[name]] != payload[Channel._schema.index[name]]:
                    self.violated("equal", f"worker {client.number}: {name} of channel {channel.sid}")

    def _check_endings(self, client: Client) -> None:
        """Each announced reservation that has ended had its ending announced, and its acceptance before."""
        engine, workspace = self._world.service.engine, self._world.service.workspace_sid
        for sid, seen in self._seen.get(client, {}).items():
            try:
                status = engine.reservation(workspace, sid).reservation_status
            except Rejected:
                continue
            if status in ENDINGS and seen.announced and seen.ending != status:
                self.violated("ended once", f"{sid} is {status}, and {seen.ending} was announced")
            if status in ("accepted", "wrapping", "completed") and seen.announced and not seen.accepted:
                self.violated("announced once", f"{sid} is {status}, and its acceptance was not announced")
        for sid in client.worker.reservations:
            if not self._of(client, sid).announced and sid not in (client.existing or ()):
                self.violated("announced once", f"{sid} is open and was never announced")

    def _check_memory(self, client: Client) -> None:
        mirror, calls = client.worker._state, client.worker._calls
        connection = client.worker._connection
        assert connection is not None
        left = {
            "ended reservations": len(mirror.ended) + len(mirror._kept) + len(mirror._ended_at),
            "tasks": len(mirror._tasks) - len({each.task.sid for each in mirror.reservations.values()}),
            "calls": calls.in_flight + len(calls._turns),
            "kept frames": len(connection._session._reload.buffered),
            "backlog": connection.dispatcher.backlog,
        }
        self._none_kept(f"worker {client.number}", left)

    def _check_service(self) -> None:
        machine = self._world.service
        service, engine = machine.service, machine.engine
        for sid in machine.workers:
            sessions, known = len(service.sessions.of(sid)), engine.open_sessions(machine.workspace_sid, sid)
            if sessions != 1 or known != 1:
                self.violated("sessions", f"{sid} has {sessions} sessions, and the engine knows of {known}")
            for session in service.sessions.of(sid):
                if session.queue:
                    self.violated("bounded memory", f"a session keeps {len(session.queue)} frames")
        if service.committer._next.callbacks or machine._requests:
            self.violated("bounded memory", "the service has requests that were never answered")
        now = engine.now
        for task in engine.tasks(machine.workspace_sid):
            for reservation in engine.reservations(machine.workspace_sid, task_sid=task.sid):
                late = now - reservation.date_created - self._world.plan.reservation_timeout
                if reservation.reservation_status == "pending" and late > 2:
                    self.violated("timers", f"{reservation.sid} is pending {late:.0f} s after its timeout")
        replayed = type(engine).replay(machine.disk.entries(), account_sid=engine.account_sid, seed=engine.seed)
        if replayed.state_digest() != engine.state_digest():
            self.violated("replay", "the journal leads to another state")
