"""What the service did, what the clients told of it, and what does not fit.

The service's side is written on its own thread, in the moment in which it changes: every event of the engine, every
websocket session that opens, and which frames each session was sent. The clients' side is what their callbacks got.

**What must be announced.** The service replays nothing, so a reservation that came and went while its worker was away
is nobody's business. Every other one must be announced exactly once: by ``reservation_created``, or by being in
``worker.reservations`` at the first ``ready``. A reservation counts as "other" if one of these holds:

1. *Listed.* It was there when a session of its worker opened, and had not ended when the client said ``ready`` on that
   session: the list that the client reads in between had it.
2. *Overtaken.* Its ``reservation.created`` was sent to a session on which the client handled a later frame. Frames of a
   session arrive in order, so this one had arrived too. Only what callbacks got between ``ready`` and ``disconnected``
   counts as handled; what is announced before ``ready`` comes from the lists.
3. *Open at the end*, when the network is whole again and every client has handled a last frame.

**What must be told of it.** An announced reservation that has ended on the service fires exactly one event of an
ending, and the right one; one that has not ended fires none. ``accepted`` and ``wrapup`` fire at most once, in this
order and before the ending; and exactly once where the reservation stands, or ended, in a state that is only reached
through ``accepted``. Its task's ``completed`` and ``canceled`` fire at most once. Where the task was deleted or purged
before the ending was told, nobody who was away can learn how the reservation ended: some ending must be told then,
exactly once, but which one is not judged.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.tools.seams import service_of
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.engine import Event, Outcome, Rejected, commands
from twilio_taskrouter_worker.local.engine.events import ReservationEvent, TaskEvent
from twilio_taskrouter_worker.local.server.service import Service

ENDINGS = ("completed", "rejected", "timeout", "canceled", "rescinded")
STEPS = {"accepted": 1, "wrapup": 2, **dict.fromkeys(ENDINGS, 3)}
THROUGH_ACCEPTED = ("accepted", "wrapping", "completed")
PURGED = "task.purged"
"""Type of a Fact; the service has no event for it."""


@dataclass(eq=False)
class Session:
    """One websocket session, as the service saw it."""

    opened: int
    """The moment, a number that grows with everything the service does."""
    frames: dict[tuple[str, str], int] = field(default_factory=dict)
    """Moment of each frame about a reservation that it was sent, by sid and event."""
    heard: int = -1
    """Moment of the latest of them that the client handled."""


@dataclass(eq=False)
class Story:
    """One reservation on both sides."""

    sid: str
    worker_sid: str
    created: int
    status: str = "pending"
    ended: int | None = None
    deleted: bool = False
    """Whether it went with its task, so that the service no longer knows it."""
    unknowable: bool = False
    """Whether it was deleted before its ending was told."""
    announced: int = 0
    announced_as: str = ""
    told: list[str] = field(default_factory=list)
    """The events its callbacks got, in order."""


@dataclass(frozen=True)
class ReservationFact:
    """A reservation, as an event of the engine has it."""

    sid: str
    worker_sid: str
    task_sid: str
    status: str


@dataclass(frozen=True)
class Fact:
    """What the ledger needs of one event of the engine; it can be pickled."""

    type: str
    task_sid: str | None
    task_over: bool
    reservation: ReservationFact | None
    sessions: tuple[Hashable, ...]
    """Keys of the sessions that the event is sent to."""


def tap(service: Service, opened: Callable[[Hashable, str], None], happened: Callable[[list[Fact]], None]) -> None:
    """Call these functions at each session and at each change of a service, on its thread, before any client knows."""
    open_session, apply = service.open_session, service.engine.apply
    # By id(), which another session may have once this one is gone: it is replaced then.
    keys: dict[int, int] = {}
    numbers = itertools.count()
    # Ended tasks that are not purged yet, each with its workspace, in the order in which they ended and will be purged.
    over = {
        task.sid: task.workspace_sid
        for workspace in service.engine.workspaces()
        for task in sorted(service.engine.tasks(workspace.sid), key=lambda task: task.date_updated)
        if task.final
    }

    def opening(session: Any, *, close_others: bool) -> None:
        keys[id(session)] = next(numbers)
        opened(keys[id(session)], session.worker_sid)
        open_session(session, close_others=close_others)

    def fact_of(event: Event) -> Fact:
        task = event.task if isinstance(event, TaskEvent) else None
        reservation = event.reservation if isinstance(event, ReservationEvent) else None
        sessions = [session for sid in event.recipients for session in service.sessions.of(sid)]
        return Fact(
            event.type,
            None if task is None else task.sid,
            task is not None and (task.final or event.type == "task.deleted"),
            None
            if reservation is None
            else ReservationFact(
                reservation.sid, reservation.worker_sid, reservation.task_sid, reservation.reservation_status
            ),
            tuple(keys[id(session)] for session in sessions),
        )

    def purged() -> Iterator[Fact]:
        while over:
            sid, workspace_sid = next(iter(over.items()))
            try:
                service.engine.task(workspace_sid, sid)
            except Rejected:
                del over[sid]
                yield Fact(PURGED, sid, True, None, ())
            else:
                return

    def facts_of(events: Sequence[Event]) -> list[Fact]:
        for event in events:
            if isinstance(event, TaskEvent) and event.task.final:
                over.setdefault(event.task.sid, event.workspace_sid)
        return [*map(fact_of, events), *purged()]

    def applying(command: commands.Command, now: float) -> Outcome:
        try:
            outcome = apply(command, now)
        except Rejected as refusal:
            happened(facts_of(refusal.events))
            raise
        happened(facts_of(outcome.events))
        return outcome

    service.open_session = opening  # type: ignore[method-assign]
    service.engine.apply = applying  # type: ignore[method-assign]


class Ledger:
    """Both sides of every reservation. Its methods are called on the threads of the service and of the workers."""

    def __init__(self) -> None:
        # Guards everything below.
        self._lock = threading.Lock()
        self._moment = 0
        self._open: dict[Hashable, Session] = {}
        self._sessions: dict[str, list[Session]] = {}
        self._ready: list[tuple[str, Session, int]] = []
        self.stories: dict[str, Story] = {}
        self._by_task: dict[str, list[str]] = {}
        self.waiting_tasks: dict[str, None] = {}
        """Sids of tasks that are not over."""
        self.problems: list[str] = []
        """What was seen to be wrong at once, without comparing."""
        self.uncertain = 0
        """How often a client said ``ready`` so late that it is not sure for which session."""

    # -- the service's side ----------------------------------------------------------------------------------------

    def attach(self, router: LocalTaskRouter) -> None:
        """Follow a service of this process that has just been started."""
        service = service_of(router)
        # The service remembers every event, as Twilio does; here it is the client's memory that must not grow.
        service.log.add = lambda entry: None  # type: ignore[method-assign]
        service.facts.note = lambda event: None  # type: ignore[method-assign]
        tap(service, self.opened, self.happened)

    def opened(self, key: Hashable, worker_sid: str) -> None:
        """The service has opened a session."""
        with self._lock:
            self._moment += 1
            record = self._open[key] = Session(self._moment)
            self._sessions.setdefault(worker_sid, []).append(record)

    def happened(self, facts: Iterable[Fact]) -> None:
        """The service's engine has changed something."""
        with self._lock:
            for fact in facts:
                self._moment += 1
                self._follow(fact)

    def _follow(self, fact: Fact) -> None:
        if fact.task_sid is not None:
            if fact.task_over:
                self.waiting_tasks.pop(fact.task_sid, None)
            elif fact.type == "task.created":
                self.waiting_tasks[fact.task_sid] = None
            if fact.type in ("task.deleted", "task.system-deleted", PURGED):
                for sid in self._by_task.pop(fact.task_sid, ()):
                    if sid in self.stories:
                        self.stories[sid].deleted = True
        reservation = fact.reservation
        if reservation is None or not fact.type.startswith("reservation."):
            return
        name = fact.type.partition(".")[2]
        story = self.stories.get(reservation.sid)
        if story is None:
            story = Story(reservation.sid, reservation.worker_sid, self._moment)
            self.stories[reservation.sid] = story
            self._by_task.setdefault(reservation.task_sid, []).append(story.sid)
            if name != "created":
                self.problems.append(f"{reservation.sid}: the service sent {name} before created")
        story.status = reservation.status
        if name in ENDINGS:
            if story.ended is not None:
                self.problems.append(f"{reservation.sid}: the service ended it twice")
            story.ended = self._moment
        # They are in the same step of the service's thread: these are the sessions that it sends the event to.
        for key in fact.sessions:
            self._open[key].frames[reservation.sid, name] = self._moment

    # -- the clients' side -----------------------------------------------------------------------------------------

    def ready(self, worker_sid: str, *, certain: bool) -> None:
        """A client is ready, on the newest session of its worker if it says so in time."""
        with self._lock:
            if certain:
                self._ready.append((worker_sid, self._sessions[worker_sid][-1], self._moment))
            else:
                self.uncertain += 1

    def announce(self, worker_sid: str, sid: str, status: str, *, live: bool) -> None:
        """A client showed a reservation for the first time; ``live`` if it came as a frame after ``ready``."""
        with self._lock:
            story = self.stories.get(sid)
            if story is None or story.worker_sid != worker_sid:
                self.problems.append(f"{sid}: announced to {worker_sid}, for whom the service made no such one")
                return
            story.announced += 1
            story.announced_as = story.announced_as or status
            if live:
                self._handled(worker_sid, sid, "created")

    def tell(self, worker_sid: str, sid: str, event: str, *, live: bool) -> None:
        """A client fired an event of a reservation (or, as ``task completed``, of its task)."""
        with self._lock:
            story = self.stories.get(sid)
            if story is None:
                self.problems.append(f"{sid}: {event} was told when it had long ended, or by nobody")
                return
            story.told.append(event)
            if event in ENDINGS:
                story.unknowable = story.deleted
            if live and not event.startswith("task "):
                self._handled(worker_sid, sid, event)

    def wrong(self, text: str) -> None:
        """Note something that must never be."""
        with self._lock:
            self.problems.append(text)

    def _handled(self, worker_sid: str, sid: str, event: str) -> None:
        # A session that the client has given up may be sent frames until the service notices. The client reads the
        # newest only.
        for session in reversed(self._sessions[worker_sid]):
            moment = session.frames.get((sid, event))
            if moment is not None:
                session.heard = max(session.heard, moment)
                return
        self.problems.append(f"{sid}: {event} was told as it happened, but the service sent no such frame")

    # -- the comparison --------------------------------------------------------------------------------------------

    def sessions(self) -> int:
        """How many websocket sessions the service has opened."""
        with self._lock:
            return sum(map(len, self._sessions.values()))

    def compare(self) -> Verdict:
        """Compare both sides, as of now."""
        with self._lock:
            due = self._due()
            verdict = Verdict(must=len(due), wrong=list(self.problems))
            for sid, story in self.stories.items():
                _judge(story, due.get(sid), verdict)
            return verdict

    def settle(self, before: int, verdict: Verdict) -> None:
        """Judge the reservations that had ended before a moment, add to the verdict, and forget them.

        Their workers must have had the time to announce their ends. What is announced of them later counts as wrong.
        """
        with self._lock:
            due = self._due()
            over = [story for story in self.stories.values() if story.ended is not None and story.ended < before]
            verdict.must += sum(story.sid in due for story in over)
            for story in over:
                _judge(story, due.get(story.sid), verdict)
                del self.stories[story.sid]
            oldest = min((story.created for story in self.stories.values()), default=self._moment)
            self._ready = [entry for entry in self._ready if entry[2] >= oldest]
            for sessions in self._sessions.values():
                for session in sessions:
                    session.frames = {key: moment for key, moment in session.frames.items() if key[0] in self.stories}
                sessions[:-1] = [session for session in sessions[:-1] if session.frames]
            kept = {id(session) for sessions in self._sessions.values() for session in sessions}
            self._open = {key: session for key, session in self._open.items() if id(session) in kept}
            self._by_task = {
                task: left
                for task, sids in self._by_task.items()
                if (left := [sid for sid in sids if sid in self.stories])
            }
            verdict.wrong += self.problems
            self.problems = []

    @property
    def moment(self) -> int:
        """The latest moment."""
        with self._lock:
            return self._moment

    def _due(self) -> dict[str, str]:
        """Sids of what must have been announced, by the rules at the head of this module, and which rule says so."""
        due = {sid: "open at the end" for sid, story in self.stories.items() if story.ended is None}
        by_worker: dict[str, list[Story]] = {}
        for story in self.stories.values():
            by_worker.setdefault(story.worker_sid, []).append(story)
        for worker_sid, session, moment in self._ready:
            for story in by_worker.get(worker_sid, ()):
                if story.created < session.opened and (story.ended is None or story.ended > moment):
                    due[story.sid] = f"listed for the session of {session.opened}, which was ready at {moment}"
        for sessions in self._sessions.values():
            for session in sessions:
                for (sid, name), moment in session.frames.items():
                    if name == "created" and moment <= session.heard:
                        due[sid] = f"sent to the session of {session.opened}, of which {session.heard} was handled"
        return due


@dataclass
class Verdict:
    """The outcome of a comparison: figures, and one line for each thing that does not fit."""

    must: int
    announced: int = 0
    events: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether everything fits."""
        return not (self.missed or self.duplicated or self.wrong)


def _judge(story: Story, due: str | None, verdict: Verdict) -> None:
    sid, told = story.sid, story.told
    verdict.announced += bool(story.announced)
    verdict.events += len(told) + story.announced
    if due and not story.announced:
        verdict.missed.append(f"{sid}: never announced, though {due} ({story.worker_sid}; {story})")
    if story.announced > 1:
        verdict.duplicated.append(f"{sid}: announced {story.announced} times")
    verdict.duplicated += [f"{sid}: {name} told {n} times" for name, n in Counter(told).items() if n > 1]
    own = [name for name in told if name in STEPS]
    if [STEPS[name] for name in own] != sorted(STEPS[name] for name in own):
        verdict.wrong.append(f"{sid}: told in the wrong order: {', '.join(own)}")
    if not story.announced:
        verdict.wrong += [f"{sid}: told {name} without having been announced" for name in own]
        return
    endings = [name for name in own if name in ENDINGS]
    verdict.endings.update(endings)
    if story.ended is None:
        verdict.wrong += [f"{sid}: told {name}, but it is {story.status}" for name in endings]
    elif not endings:
        verdict.missed.append(f"{sid}: its end ({story.status}) was never told")
    elif set(endings) != {story.status} and not story.unknowable:
        verdict.wrong.append(f"{sid}: told {', '.join(endings)}, but it is {story.status} ({story})")
    taken = story.status in THROUGH_ACCEPTED and not story.unknowable
    if taken and story.announced_as == "pending" and "accepted" not in own:
        verdict.missed.append(f"{sid}: it is {story.status}, but accepted was never told")
