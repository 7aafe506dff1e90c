"""The service: owns the engine, applies commands, runs its timers, and distributes its events.

Invariant: the order commit, answer, events. An answer is written only when its command is committed, and the events of
a command are sent after its answer, so that no client sees a state that a crash could take back.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import attrs

from ..._log import LOCAL as log
from ..._log import LOCAL_EVENTS as events_log
from ...errors import StoreError
from ..clock import Clock
from ..engine import Engine, Event, JournalEntry, Outcome, Rejected, commands, model
from ..engine.events import ConfigurationEvent, WorkerEvent
from .auth.tokens import Grant, SigningKey
from .bridge.paging import Positions
from .commits import Committer, OpenSessions
from .events import frames, payloads
from .events.event_log import Entry, EventLog
from .events.facts import Facts
from .events.sessions import Batch, Close, Session, Sessions
from .events.webhooks import Webhooks
from .faults.active import ActiveFaults
from .http import refusals
from .rules import DEFAULT_SERVICE_RULES, ServiceRules

EVENT_DELAY_SECONDS = 0.003
"""The default delay between the answer to a request and its events: clients should have read the answer by then."""
_ANSWER_SECONDS = 1.0
"""The longest time that events wait for a client that does not read its answer, as other sessions wait with it."""

EVENTS_AT_ONCE = 500
"""How many events timers may cause in one turn of the loop before clients get theirs."""

_LONGEST_SLEEP_SECONDS = 3600.0  # the computer's clock may be set meanwhile


@attrs.frozen
class Context:
    """The origin of a command: the request behind it, and the batch of its events."""

    batch: Batch
    address: str | None = None
    """The client's, for the event log."""
    actor_sid: str | None = None
    """The worker who made the request, for the event log; None: REST, the Python facade or a timer."""


class Service:
    """A TaskRouter account with its connections. Belongs to its loop's thread; no method may be called on another one.

    Args:
        loop: The loop.
        engine: The routing engine.
        clock: The engine's time.
        auth_token: REST's password for the account.
        signing_key: Signs and verifies bridge tokens; its sid and secret are also valid for REST.
        committer: Commits commands to a file; None: nothing is kept.
        rules: The switches of the service; the engine has its own.
        event_delay: Seconds between the answer to a request and its events.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        engine: Engine,
        clock: Clock,
        auth_token: str,
        signing_key: SigningKey,
        committer: Committer | None = None,
        rules: ServiceRules = DEFAULT_SERVICE_RULES,
        event_delay: float = EVENT_DELAY_SECONDS,
    ) -> None:
        self.loop = loop
        self.engine = engine
        self.clock = clock
        self.auth_token = auth_token
        self.signing_key = signing_key
        self.rules = rules
        self.committer: Committer = Committer(loop, None) if committer is None else committer
        self.committer.failed = self._end_sessions
        self._event_delay = event_delay
        # The lambda, because sessions and faults need each other: it is called only after both are there.
        self.sessions: Sessions = Sessions(
            loop, time.time, self._session_closed, rules, lambda *frame: self.faults.frame(*frame)
        )
        self.faults: ActiveFaults = ActiveFaults(loop, self.sessions)
        self.log: EventLog = EventLog()
        self.facts: Facts = Facts()
        self.webhooks: Webhooks = Webhooks(loop, auth_token, engine, self.execute)
        self.open_sessions: OpenSessions = OpenSessions()
        self.changed: Callable[[], None] | None = None
        """Called after each command and move of the clock, on the loop's thread; None: no console is open."""
        self._recorded: list[JournalEntry] = []
        """The engine's journal entries of the command that is being applied."""
        self.positions: Positions = Positions()
        """Page ends of the bridge's lists."""
        self._workspaces: dict[str, model.Workspace] = {}
        """Each workspace as of the latest event, deleted ones too."""
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        """The deadline the timer waits for, on the engine's clock."""
        self._stopped = False

    # -- commands ------------------------------------------------------------------------------------------------

    def execute(self, command: commands.Command, context: Context | None = None) -> Any:
        """Apply a command now and return its result.

        Args:
            command: The command.
            context: The request that it is part of. None: its events are sent in a later turn of the loop.

        Raises:
            Rejected: The engine refused it.
            StoreError: The file could not be written, so nothing is accepted any more.
        """
        return self._apply(command, self.clock.now(), context).result

    def _apply(self, command: commands.Command, now: float, context: Context | None = None) -> Outcome:
        # The engine must not continue after a failed commit: no later command could be committed either.
        self.committer.check()
        own = context is None
        if context is None:
            context = Context(Batch())
        try:
            outcome = self.engine.apply(command, now)
        except Rejected as refusal:
            self._keep(context)
            # Timers that fell due are run before a command is refused; their effects and events stand.
            self._publish(refusal.events, context, own=own)
            raise
        finally:
            # Also after a refusal: the timers that ran before it may have changed the next deadline.
            self._arm()
            if self.changed is not None:
                self.changed()
        # Before publishing: the events wait for the commit of the commands noted by then.
        self._keep(context)
        for warning in outcome.warnings:
            log.warning("%s: %s", type(command).__name__, warning)
        self._publish(outcome.events, context, own=own)
        return outcome

    def _keep(self, context: Context) -> None:
        """Pass the recorded commands to the committer."""
        for entry in self._recorded:
            self.open_sessions.note(entry.command)
            self.committer.note(entry, self.engine.sequence, context.actor_sid, context.address)
        self._recorded.clear()

    def move_clock(self, change: Callable[[], None]) -> None:
        """Change the clock; the caller then calls :meth:`run_timers` for the timers that fell due.

        Args:
            change: Changes the clock.
        """
        # The change comes first: the committer keeps the state of the clock after it.
        change()
        self.committer.note_clock(self.clock.state())
        self._armed_for = None  # the same deadline is now at another distance
        if self.changed is not None:
            self.changed()

    def run_timers(self) -> bool:
        """Run the due timers, up to a limit per turn of the loop.

        Clients can read only between the turns of the loop. All timers of one moment run in one turn.

        Returns:
            Whether more timers are due.

        Raises:
            StoreError: The file could not be written.
        """
        now = self.clock.now()
        events = 0
        while (deadline := self.engine.next_deadline()) is not None and deadline <= now:
            if events >= EVENTS_AT_ONCE:
                return True
            # One deadline at a time and at its own moment, not at once to the present: the events of each become a
            # batch of their own, and the count is checked in between.
            events += len(self._apply(commands.AdvanceTime(), deadline).events)
        # Brings the engine's clock to the present, also if no timer fell due.
        self.execute(commands.AdvanceTime())
        return False

    def record(self) -> None:
        """Record every command from now on."""
        self.engine.record = self._recorded.append

    def replay(self, entry: JournalEntry, actor_sid: str | None, address: str | None) -> None:
        """Apply an entry of the journal again. Its events are not sent, but noted for event log and statistics.

        Args:
            entry: The entry.
            actor_sid: The worker whose request caused it, if any.
            address: The client's address, if any.

        Raises:
            Rejected: The engine refuses it, so another engine wrote the journal.
        """
        # Not through _apply: the entry is in the file already, its clients are gone, and its webhooks were sent before.
        outcome = self.engine.apply(entry.command, entry.now)
        self.open_sessions.note(entry.command)
        for event in outcome.events:
            self._note(event, actor_sid, address)

    def sessions_to_close(self) -> list[commands.SessionClosed]:
        """Return commands that close the sessions left open by a replayed journal: their sockets no longer exist."""
        return self.open_sessions.closing()

    def resume(self) -> None:
        """Load the workspaces of an engine that was restored from a snapshot."""
        # A snapshot has no events, from which the workspaces are taken otherwise.
        self._workspaces = {workspace.sid: workspace for workspace in self.engine.workspaces()}

    def release_soon(self, batch: Batch, transport: asyncio.WriteTransport | None) -> None:
        """Release a batch once the answer being written has left this process, plus the event delay. Does not block.

        Args:
            batch: The batch.
            transport: The connection of the answer; None: it is closed.
        """
        patience = self.loop.time() + _ANSWER_SECONDS

        def release() -> None:
            # The answer may be in the transport's buffer; events go out on other sockets and would overtake it.
            unsent = transport is not None and not transport.is_closing() and transport.get_write_buffer_size()
            if unsent and self.loop.time() < patience:
                self.loop.call_later(self._event_delay, release)
            else:
                batch.release()

        self.loop.call_later(self._event_delay, release)

    def stop(self) -> None:
        """Stop the timers and close the file; no other method may be called afterwards."""
        # Without the flag, a command that still comes would arm the timer again.
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.committer.close()

    # -- sessions ------------------------------------------------------------------------------------------------

    def check_grant(self, grant: Grant) -> None:
        """Check that the token's workspace and worker exist.

        Args:
            grant: The verified grant.

        Raises:
            Rejected: One does not (403).
        """
        try:
            self.engine.workspace(grant.workspace_sid)
        except Rejected:
            raise refusals.bad_grant("its workspace does not exist") from None
        if grant.worker_sid is not None:
            try:
                self.engine.worker(grant.workspace_sid, grant.worker_sid)
            except Rejected:
                raise refusals.bad_grant("its worker does not exist in its workspace") from None

    def open_session(self, session: Session, *, close_others: bool) -> None:
        """Register a websocket; the first frame it gets is ``init``.

        Args:
            session: The session.
            close_others: Close the worker's other sessions.

        Raises:
            Rejected: The worker does not exist any more.
            StoreError: The file could not be written.
        """
        command = commands.SessionOpened(
            workspace_sid=session.workspace_sid, worker_sid=session.worker_sid, set_offline=session.set_offline
        )
        self.execute(command)
        # Milliseconds of real time: tokens do not follow the engine's clock, which may be paused.
        left = max(0, int((session.expires_at - time.time()) * 1000))
        init = frames.message(
            "init",
            {
                "channel_id": session.worker_sid,
                "account_sid": self.engine.account_sid,
                "workspace_sid": session.workspace_sid,
                "token_lifetime": left,
            },
        )
        # Nothing is awaited between the command and this line, so that no event falls between them: its client misses
        # none.
        self.sessions.add(session, init, close_others=close_others)

    def _session_closed(self, session: Session) -> None:
        command = commands.SessionClosed(
            workspace_sid=session.workspace_sid, worker_sid=session.worker_sid, set_offline=session.set_offline
        )
        try:
            self.execute(command)
        except (Rejected, StoreError):
            pass  # the workspace was deleted, or the file could not be written

    def _end_sessions(self) -> None:
        # A worker whose socket stays open would wait for events that never come.
        for session in self.sessions.select(None):
            self.sessions.close(session, Close.FAILED)

    # -- events --------------------------------------------------------------------------------------------------

    def _publish(self, events: tuple[Event, ...], context: Context, *, own: bool) -> None:
        if not events:
            return
        batch = context.batch
        for event in events:
            # The bridge has fewer events than the log: those of queues and workflows reach no worker.
            if event.bridge:
                self._queue(event, batch)
            self._note(event, context.actor_sid, context.address)
            self.webhooks.add(event, self._workspaces.get(event.workspace_sid), batch)
            if isinstance(event, WorkerEvent) and event.type == "worker.deleted":
                # This applies SessionClosed for each session in the middle of this loop; the events of that are
                # published at once, in a batch of their own.
                self.sessions.close_worker(event.worker.sid, Close.WORKER_DELETED)
            elif event.type == "workspace.deleted":
                self.sessions.close_workspace(event.workspace_sid, Close.WORKER_DELETED)
        if own:
            # Not in the same turn: the cause (a timer, a call of the Python facade) must complete first.
            self.committer.when_kept(batch.release)

    def _queue(self, event: Event, batch: Batch) -> None:
        frame: bytes | None = None
        for worker_sid in event.recipients:
            for session in self.sessions.of(worker_sid):
                # Encoded once for all sessions, and only if one is open.
                if frame is None:
                    frame = frames.message(event.type, payloads.payload(event))
                batch.add(session, frame)

    def _note(self, event: Event, actor_sid: str | None, address: str | None) -> None:
        if events_log.isEnabledFor(logging.INFO):
            events_log.info("%s %s", event.type, event.sid)
        self.facts.note(event)
        if isinstance(event, ConfigurationEvent) and isinstance(event.record, model.Workspace):
            self._workspaces[event.workspace_sid] = event.record
        workspace = self._workspaces.get(event.workspace_sid)
        # As of the event: the log keeps showing this name after the workspace was renamed or deleted.
        name = "" if workspace is None else workspace.friendly_name
        self.log.add(Entry(event, name, actor_sid or event.workspace_sid, address))

    # -- timers --------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        deadline = self.engine.next_deadline()
        # Most commands do not change the next deadline; a new timer for each would cost more than the command.
        if deadline == self._armed_for and self._timer is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = deadline
        if deadline is None or self._stopped:
            return
        seconds = self.clock.seconds_until(deadline)
        # None: the clock is paused, and only move_clock() brings it to the deadline.
        if seconds is not None:
            self._timer = self.loop.call_later(min(seconds, _LONGEST_SLEEP_SECONDS), self._tick)

    def _tick(self) -> None:
        self._timer = None
        # An exception in a callback of the loop has no caller: it would only be logged by asyncio.
        if self.committer.failure is None:
            self.run_timers()  # if more are due, this has armed the timer again
