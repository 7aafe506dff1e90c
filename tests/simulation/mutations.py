"""Deliberate defects, to check that the simulation finds what it is there for.

Each mutation replaces one function of the library, for the length of its simulations, by one with a plausible mistake.
A simulator that misses one of them does not check what it seems to check.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs

from twilio_taskrouter_worker import Reservation, Task
from twilio_taskrouter_worker._bridge import calls, connection, dispatch, reload, resync, session, tracking, turns
from twilio_taskrouter_worker._bridge.mirror import Mirror
from twilio_taskrouter_worker._bridge.states import State
from twilio_taskrouter_worker._bridge.token_life import TokenLife
from twilio_taskrouter_worker.local.engine.core.schedule import Schedule
from twilio_taskrouter_worker.local.server.commits import Committer, OpenSessions
from twilio_taskrouter_worker.local.server.events.frames import Kind
from twilio_taskrouter_worker.local.server.events.sessions import Session as ServerSession
from twilio_taskrouter_worker.local.server.events.sessions import Sessions
from twilio_taskrouter_worker.local.server.service import Service

from .report import one
from .world import Outcome

__all__ = ["MUTATIONS", "Mutation", "applied", "check", "seeds_until_found"]


@attrs.frozen
class Mutation:
    """One deliberate defect."""

    name: str
    why: str
    """What would come of it."""
    owner: Any
    """The class or module whose function is replaced."""
    attribute: str
    make: Callable[[Any], Any]
    """Takes the original and returns the defective one."""


MUTATIONS: list[Mutation] = []


def _mutation(owner: Any, attribute: str, why: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    def add(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        MUTATIONS.append(Mutation(make.__name__.replace("_", " "), why, owner, attribute, make))
        return make

    return add


# -- the client: connections and reloads -------------------------------------------------------------------------------


@_mutation(reload.Reload, "release", "events that come while the lists are read are lost")
def lost_buffer(original: Any) -> Any:
    def release(self: Any) -> tuple[bytes, ...]:
        original(self)
        return ()

    return release


@_mutation(reload.Reload, "drop", "frames of a lost connection are replayed in the next one")
def buffer_not_dropped(original: Any) -> Any:
    def drop(self: Any) -> Any:
        self.snapshot, self._to_find = None, []
        return tuple(self._buffer)

    return drop


@_mutation(reload.Reload, "next_look_ups", "a reservation that the list lacks is taken for ended, without being read")
def no_look_ups(original: Any) -> Any:
    def next_look_ups(self: Any) -> list[str]:
        self.snapshot.ended.update(dict.fromkeys(self._to_find))
        return []

    return next_look_ups


@_mutation(connection, "missing", "what ended while the connection was lost stays open for ever")
def missing_ones_ignored(original: Any) -> Any:
    return lambda state, snapshot: []


@_mutation(session.Session, "_is_loading", "the answer for an earlier connection is taken for the current one's")
def generation_ignored(original: Any) -> Any:
    return lambda self, generation: self.state is State.LOADING


@_mutation(session.Session, "silent_at", "a dead connection is never noticed")
def silence_not_noticed(original: Any) -> Any:
    return property(lambda self: None)


@_mutation(session.Session, "load_failed", "a reload that failed is not tried again")
def reload_not_retried(original: Any) -> Any:
    def load_failed(self: Any, *args: Any) -> Any:
        actions = original(self, *args)
        self._load_at = None
        return actions

    return load_failed


@_mutation(session.Session, "_back_off", "no pause between two attempts to connect")
def no_back_off(original: Any) -> Any:
    def back_off(self: Any, now: float) -> Any:
        actions = original(self, now)
        self._retry_at = now
        return actions

    return back_off


@_mutation(session.Session, "token_changed", "a client that waits for a token does not use the one it gets")
def paused_for_ever(original: Any) -> Any:
    def token_changed(self: Any, token: str, ends_at: float | None, now: float) -> Any:
        self._tokens.renew(token, ends_at, now)
        return []

    return token_changed


@_mutation(TokenLife, "refused", "a refused token is not replaced")
def refused_token_kept(original: Any) -> Any:
    def refused(self: Any, refusals: int, now: float) -> bool:
        self.renew_at = None
        return False

    return refused


# -- the client: announcing once, in order ---------------------------------------------------------------------------


@_mutation(tracking.Track, "admits", "events are announced as often as they come, also old ones")
def every_event_admitted(original: Any) -> Any:
    def admits(self: Any, event_type: str, record: Any, trust: Any, *, ending: bool = False) -> bool:
        self.record = record
        return True

    return admits


@_mutation(tracking.Track, "admits", "a version is compared the wrong way")
def version_compared_the_wrong_way(original: Any) -> Any:
    def admits(self: Any, event_type: str, record: Any, trust: Any, *, ending: bool = False) -> bool:
        if record[self._version_at] > self._version >= 0 and not ending:
            return False
        return bool(original(self, event_type, record, trust, ending=ending))

    return admits


@_mutation(tracking.Track, "listed", "what a list said is announced again by the event")
def list_not_noted(original: Any) -> Any:
    return lambda self, record: None


@_mutation(resync, "_missed", "an acceptance that was missed is not announced after a reconnect")
def missed_acceptance(original: Any) -> Any:
    return lambda before, after: [event for event in original(before, after) if event != "accepted"]


@_mutation(resync._TakeOver, "__init__", "what is there at the first ready is announced as well")
def first_lists_announced(original: Any) -> Any:
    def init(self: Any, state: Any, now: float, quiet: bool) -> None:
        original(self, state, now, False)

    return init


@_mutation(Mirror, "count_version", "the worker's version falls behind with each reservation")
def version_not_counted(original: Any) -> Any:
    return lambda self: None


@_mutation(Mirror, "end", "a repeated creation of what has ended is announced")
def ended_forgotten_at_once(original: Any) -> Any:
    def end(self: Any, reservation: Any, status: str, now: float) -> None:
        original(self, reservation, status, now)
        del self.ended[reservation.sid]

    return end


@_mutation(Mirror, "forget_ended", "what has ended is remembered for ever")
def ended_never_forgotten(original: Any) -> Any:
    return lambda self, now: None


@_mutation(Mirror, "forget_ended", "a rounded difference makes the dispatch thread wait in circles")
def rounded_linger(original: Any) -> Any:
    def forget_ended(self: Any, now: float) -> None:
        if self._ended_at and now - self._ended_at[0][0] >= self._linger:
            original(self, now)

    return forget_ended


@_mutation(dispatch, "apply", "a repetition that waits behind a slow callback is announced")
def arrival_ignored(original: Any) -> Any:
    return lambda state, message, now, arrived=None: original(state, message, now)


@_mutation(Mirror, "worker_answered", "lists overwrite the newer answer of a call that was made meanwhile")
def lists_overwrite_answers(original: Any) -> Any:
    def worker_answered(self: Any, payload: object) -> Any:
        original(self, payload)
        self.answered = None
        return self.worker

    return worker_answered


@_mutation(Mirror, "is_current", "an old answer overwrites newer state")
def stale_answer_wins(original: Any) -> Any:
    return lambda self, version, known: True


@_mutation(Mirror, "renew_worker", "an old worker overwrites a newer one")
def stale_worker_wins(original: Any) -> Any:
    def renew_worker(self: Any, record: Any, *, in_order: bool) -> bool:
        self.record = self.public_record = record
        return True

    return renew_worker


@_mutation(Mirror, "renew_worker", "an answer that is late takes the counted version back")
def counted_version_taken_back(original: Any) -> Any:
    def renew_worker(self: Any, record: Any, *, in_order: bool) -> bool:
        return bool(original(self, record, in_order=True))

    return renew_worker


@_mutation(Reservation, "_renew", "an event does not change the reservation")
def event_not_applied(original: Any) -> Any:
    def renew(self: Any, update: Any, *, ending: bool = False) -> None:
        if ending:
            original(self, update, ending=ending)

    return renew


@_mutation(Task, "_renew", "the answer of a call about a task is not applied, nor is an event")
def task_not_renewed(original: Any) -> Any:
    return lambda self, record, *, ending=False: None


# -- the client: calls -----------------------------------------------------------------------------------------------


@_mutation(calls, "retry_delay", "a POST is repeated although the service may have acted")
def post_retried(original: Any) -> Any:
    return lambda method, *args, **kwargs: original("GET", *args, **kwargs)


@_mutation(calls, "retry_delay", "Retry-After is not obeyed")
def impatient(original: Any) -> Any:
    def retry_delay(*args: Any, **kwargs: Any) -> float | None:
        delay = original(*args, **kwargs)
        return None if delay is None else min(delay, 0.3)

    return retry_delay


@_mutation(turns.Turns, "enter", "calls on one object overtake each other")
def no_turns(original: Any) -> Any:
    return lambda self, turn, subjects: []


@_mutation(turns.Turns, "leave", "a call that expired in line lets those behind it overtake")
def expired_call_leaves_the_line(original: Any) -> Any:
    def leave(self: Any, turn: Any) -> Any:
        turn.ahead = 0
        return original(self, turn)

    return leave


@_mutation(calls.Calls, "ended", "a call that has ended keeps its place in line")
def line_never_moves(original: Any) -> Any:
    def ended(self: Any, call: Any) -> None:
        with self._lock:
            self._open.pop(call, None)

    return ended


@_mutation(calls._Call, "start", "a call takes ten minutes longer than it may")
def late_deadline(original: Any) -> Any:
    def start(self: Any) -> None:
        self._deadline += 600
        original(self)

    return start


@_mutation(calls._Call, "_off_the_wire", "a call that was given up is sent again")
def given_up_but_sent(original: Any) -> Any:
    def off_the_wire(self: Any, *, final: bool) -> bool:
        self._exchange, ended = None, self._ended
        if ended and not final:
            self._ended = False
            return True
        return bool(original(self, final=final))

    return off_the_wire


# -- the service -----------------------------------------------------------------------------------------------------


@_mutation(Committer, "when_kept", "an answer is sent before its commands are on the disk")
def answer_before_commit(original: Any) -> Any:
    return lambda self, callback: callback()


@_mutation(OpenSessions, "closing", "sessions of a killed service stay open")
def sessions_of_the_dead(original: Any) -> Any:
    return lambda self: []


@_mutation(Service, "_session_closed", "the engine is not told that a session has ended")
def session_end_not_told(original: Any) -> Any:
    return lambda self, session: None


@_mutation(ServerSession, "pump", "events are sent before the answer that they follow, and out of order")
def events_out_of_order(original: Any) -> Any:
    def pump(self: Any) -> None:
        for item in [each for each in self.queue if each[0].released]:
            self.queue.remove(item)
            self.write(Kind.EVENT, item[1])

    return pump


@_mutation(Sessions, "of", "a worker's second session gets no events")
def only_the_first_session(original: Any) -> Any:
    return lambda self, worker_sid: list(original(self, worker_sid))[:1]


@_mutation(Schedule, "pop_due", "a timer that is due with others is lost")
def timer_lost(original: Any) -> Any:
    def pop_due(self: Any, now: float) -> Any:
        timer = original(self, now)
        if timer is not None and self.next_due() is not None and self.next_due() <= now:
            return original(self, now)
        return timer

    return pop_due


# -- checking --------------------------------------------------------------------------------------------------------


@contextmanager
def applied(mutation: Mutation) -> Iterator[None]:
    """Replace the function of a mutation, for the length of a ``with`` block.

    Args:
        mutation: The mutation.
    """
    original = vars(mutation.owner)[mutation.attribute]
    setattr(mutation.owner, mutation.attribute, mutation.make(original))
    try:
        yield
    finally:
        setattr(mutation.owner, mutation.attribute, original)


def seeds_until_found(mutation: Mutation, most: int) -> tuple[int, Outcome] | None:
    """Run simulations with a mutation until one fails.

    Args:
        mutation: The mutation.
        most: How many seeds are tried.

    Returns:
        How many it took, and the failure; None if none failed.
    """
    with applied(mutation):
        for seed in range(1, most + 1):
            outcome = one(seed)
            if outcome.violation is not None:
                return seed, outcome
    return None


def check(only: str | None, most: int, processes: int) -> int:
    """Print for each mutation how many seeds it took to find it; returns 1 if one was not found.

    Args:
        only: The name of the only one to check; None: all.
        most: How many seeds are tried for each.
        processes: How many mutations are checked at once.
    """
    names = [each.name for each in MUTATIONS if only in (None, each.name)]
    missed = 0
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for name, seeds, violation, seconds in pool.imap(partial(_found, most=most), names):
            why = next(each.why for each in MUTATIONS if each.name == name)
            missed += violation is None
            found = f"not found in {most} seeds" if violation is None else f"{violation}, seed {seeds}"
            print(f"{seconds:6.1f} s  {name} ({why}): {found}", flush=True)
    print(f"{len(names) - missed} of {len(names)} mutations found")
    return 1 if missed else 0


def _found(name: str, most: int) -> tuple[str, int, str | None, float]:
    """Look for one mutation: its name, the seed that found it, the violated invariant, and the seconds it took."""
    began = time.monotonic()
    found = seeds_until_found(next(each for each in MUTATIONS if each.name == name), most)
    seed, violation = (most, None) if found is None else (found[0], found[1].violation)
    return name, seed, None if violation is None else violation.name, time.monotonic() - began
