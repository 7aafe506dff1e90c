"""Webhooks: assignment callbacks, whose answers are instructions, and event callbacks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any

import attrs

from ...._log import LOCAL as log
from ...._log import LOCAL_WEBHOOKS as webhooks_log
from ....errors import StoreError
from ...engine import Engine, Event, Rejected, commands, model
from ...engine.events import LOG_EVENTS, ReservationEvent
from . import assignments, event_fields
from .posting import NotDelivered, Posted, Reply, WebhookClient, one_line, shown
from .sessions import Batch

WAITING_EVENTS = 1000
"""How many event callbacks of a workspace may wait for those before them; further ones are dropped."""

WARNED_EVERY_SECONDS = 60.0
"""The shortest time between two warnings about failing assignment callbacks of one workflow."""

_JSON = "application/json"
_TAKEN = (200, 204)
"""The statuses with which an event callback counts as delivered."""


class Webhooks:
    """Posts assignment and event callbacks. Belongs to its loop's thread.

    Each assignment callback is a task of its own. The event callbacks of a workspace form one queue, in the order of
    their events: each is posted when its batch was released and the one before it was answered or given up. Callbacks
    are not kept in the file: those in progress when the service stops are given up, and a restart does not repeat past
    ones.

    Args:
        loop: The loop.
        auth_token: Signs the requests.
        engine: Has the workflows with their URLs.
        execute: Applies a command.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        auth_token: str,
        engine: Engine,
        execute: Callable[[commands.Command], Any],
    ) -> None:
        self._loop = loop
        self._engine = engine
        self._execute = execute
        self._client = WebhookClient(auth_token)
        self._tasks: set[asyncio.Task[None]] = set()
        self._queues: dict[str, _Queue] = {}
        """Event callbacks that wait or are under way, by workspace."""
        self._failing: set[str] = set()
        """URLs whose latest event callback failed."""
        self._warned: dict[str, float] = {}
        """When the failure of a workflow's assignment callbacks was last logged as a warning, by the loop's time."""
        self._closed = False

    def add(self, event: Event, workspace: model.Workspace | None, batch: Batch) -> None:
        """Send the callbacks of an event once its batch is released.

        Args:
            event: The event.
            workspace: The event's workspace, as of the event; the URLs are the current ones. None: it is unknown.
            batch: The batch of the event.
        """
        if isinstance(event, ReservationEvent) and event.type == "reservation.created":
            # Read now: if the workflow changes before the release, this reservation still goes by the URLs of its time.
            urls = self._assignment_urls(event)
            if urls:
                batch.then(lambda: self._start(self._assign(event, urls)))
        if workspace is not None and workspace.event_callback_url and _wanted(workspace.events_filter, event.type):
            # Queued now, not at the release: batches may be released in another order than that of their events.
            queue = self._queues.setdefault(event.workspace_sid, _Queue(event.workspace_sid))
            queue.append(_Callback(batch, workspace.event_callback_url, event, workspace.friendly_name))
            batch.then(lambda: self._pump(queue))

    def record(self, seen: Callable[[Posted], None]) -> None:
        """Report each webhook that was posted.

        Args:
            seen: Called with it, on the loop's thread.
        """
        self._client.seen = seen

    async def close(self) -> None:
        """Give up the callbacks in progress, and close the connections."""
        self._closed = True
        # A copy: each task removes itself as it ends.
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        if self._closed:
            # A coroutine that is never awaited would cause a warning.
            work.close()
            return
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A webhook failed in the local TaskRouter itself", exc_info=error)

    # -- assignment ------------------------------------------------------------------------------------------------

    def _assignment_urls(self, event: ReservationEvent) -> list[str]:
        """Return the workflow's URLs in the order in which they are tried; empty without the first one."""
        try:
            workflow = self._engine.workflow(event.workspace_sid, event.task.workflow_sid or "")
        except Rejected:
            return []  # the task has none, or it was deleted
        if not workflow.assignment_callback_url:
            return []
        return [url for url in (workflow.assignment_callback_url, workflow.fallback_assignment_callback_url) if url]

    async def _assign(self, event: ReservationEvent, urls: list[str]) -> None:
        params = assignments.params(event)
        sid = params["ReservationSid"]
        level = self._level(params["WorkflowSid"])
        for index, url in enumerate(urls):
            try:
                reply = await self._client.post(url, params)
                _check(reply)
            except NotDelivered as trouble:
                then = "trying the fallback URL" if index + 1 < len(urls) else "the reservation is canceled"
                log.log(level, "Assignment callback %s for reservation %s: %s; %s", shown(url), sid, trouble, then)
                if level == logging.WARNING:
                    self._warned[params["WorkflowSid"]] = self._loop.time()
                continue
            webhooks_log.info("Assignment callback %s answered %d for %s", shown(url), reply.status, sid)
            self._execute_instruction(reply, event, url)
            return
        try:
            self._execute(commands.CancelReservation(workspace_sid=event.workspace_sid, sid=sid))
        except (Rejected, StoreError):
            pass  # its workspace or task was deleted, or the file could not be written

    def _level(self, workflow_sid: str) -> int:
        """Return the level for a failure: repeated ones are quiet, because the task is offered again at once."""
        latest = self._warned.get(workflow_sid)
        if latest is not None and self._loop.time() - latest < WARNED_EVERY_SECONDS:
            return logging.DEBUG
        # Set again only if this one fails as well.
        self._warned.pop(workflow_sid, None)
        return logging.WARNING

    def _execute_instruction(self, reply: Reply, event: ReservationEvent, url: str) -> None:
        where = f"{shown(url)} for reservation {event.reservation.sid}"
        try:
            asked = assignments.instruction(reply.body, event)
        except assignments.Unusable as trouble:
            log.warning("The answer of assignment callback %s is ignored: %s", where, trouble)
            return
        if asked is None:
            return
        name = asked.command.instruction
        if asked.ignored:
            unknown = ", ".join(one_line(key[:40]) for key in asked.ignored)
            log.warning("Assignment callback %s: the instruction %s has no %s; ignored", where, name, unknown)
        try:
            self._execute(asked.command)
        except Rejected as refusal:
            log.warning(
                "Assignment callback %s: the instruction %s is refused: %s", where, name, one_line(refusal.message)
            )
        except StoreError as failure:
            log.warning("Assignment callback %s: the instruction %s failed: %s", where, name, failure)

    # -- events ----------------------------------------------------------------------------------------------------

    def _pump(self, queue: _Queue) -> None:
        """Start posting a queue's callbacks, if its first one is released."""
        if not queue.busy and queue.ready():
            queue.busy = True
            self._start(self._serve(queue))

    async def _serve(self, queue: _Queue) -> None:
        try:
            # Checked again after each answer: other batches may have been released meanwhile.
            while queue.ready():
                callback = queue.waiting.popleft()
                await self._post_event(callback.url, callback.event, callback.workspace_name)
                queue.report_gap()
        finally:
            # Without an await between the last check and this line, no callback can be released unseen.
            queue.busy = False
            if not queue.waiting:
                # An idle queue is removed, so that deleted workspaces leave none behind.
                self._queues.pop(queue.workspace_sid, None)

    async def _post_event(self, url: str, event: Event, workspace_name: str) -> None:
        # Made from the event's own snapshots, however long it has waited.
        params = event_fields.callback_params(event, self._engine.account_sid, workspace_name)
        try:
            reply = await self._client.post(url, params)
            trouble = None if reply.status in _TAKEN else f"it answered {reply.status}, not 200 or 204"
        except NotDelivered as failure:
            trouble = str(failure)
        if trouble is None:
            webhooks_log.info("Event callback %s took %s %s", shown(url), event.type, event.sid)
            if url in self._failing:
                self._failing.discard(url)
                log.info("Event callback %s works again", shown(url))
            return
        # One warning until it works again, not one for each event.
        level = logging.DEBUG if url in self._failing else logging.WARNING
        self._failing.add(url)
        log.log(level, "Event callback %s failed for %s %s: %s", shown(url), event.type, event.sid, trouble)


@attrs.frozen
class _Callback:
    """One event callback that waits for its turn."""

    batch: Batch
    """It is posted after this was released."""
    url: str
    event: Event
    workspace_name: str


class _Queue:
    """Event callbacks of one workspace, in the order of their events."""

    def __init__(self, workspace_sid: str) -> None:
        self.workspace_sid = workspace_sid
        self.waiting: deque[_Callback] = deque()
        self.busy = False
        """One is being posted."""
        self._left_out = 0

    def ready(self) -> bool:
        """Return whether the first one may be posted; those behind it wait for it, released or not."""
        return bool(self.waiting) and self.waiting[0].batch.released

    def append(self, callback: _Callback) -> None:
        """Add a callback, or drop it if too many wait."""
        # The newest is dropped, so that the receiver gets the others without a gap between them.
        if len(self.waiting) < WAITING_EVENTS:
            self.waiting.append(callback)
            return
        if not self._left_out:
            log.warning(
                "Event callback %s is too slow: %d events of workspace %s wait for it; further ones are left out",
                shown(callback.url),
                WAITING_EVENTS,
                self.workspace_sid,
            )
        self._left_out += 1

    def report_gap(self) -> None:
        """Log the number of dropped ones, once at most half of the queue is in use again."""
        if self._left_out and len(self.waiting) <= WAITING_EVENTS // 2:
            log.warning("%d event callbacks of workspace %s were left out", self._left_out, self.workspace_sid)
            self._left_out = 0


def _check(reply: Reply) -> None:
    """Check that an assignment callback's answer has a status and a content type that TaskRouter reads."""
    if reply.status != 200:
        raise NotDelivered(f"it answered {reply.status}, not 200")
    # An empty answer needs no content type; many frameworks set text/html for it.
    if reply.body.strip() and reply.content_type != _JSON:
        raise NotDelivered(f"its answer is {reply.content_type[:60]}, not {_JSON}")


def _wanted(events_filter: str | None, event_type: str) -> bool:
    names = _names(events_filter or "")
    return not names or event_type in names


@lru_cache(maxsize=256)
def _names(events_filter: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in events_filter.split(",") if name.strip())
    # Once for each filter, thanks to the cache.
    unknown = sorted(names - LOG_EVENTS)
    if unknown:
        log.warning("The events filter has unknown events: %s", ", ".join(one_line(name[:60]) for name in unknown))
    return names
