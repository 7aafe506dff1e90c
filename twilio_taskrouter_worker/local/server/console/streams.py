"""Streams of tasks: the same task, again and again, as long as its console is open."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from ....errors import StoreError
from ...engine import Rejected
from ..events.sessions import Batch
from ..rest.call import Call
from ..rest.operations import TABLE
from ..service import Context, Service

FASTEST = 6_000
"""Tasks in a minute."""
MOST = 10
"""Streams of one console."""


class Streams:
    """The streams of one console. Belongs to the service's loop.

    Args:
        service: The service.
        changed: Called with the rows after each change.
    """

    def __init__(self, service: Service, changed: Callable[[list[dict[str, Any]]], None]) -> None:
        self._service = service
        self._changed = changed
        self._numbers = itertools.count(1)
        self._streams: dict[int, _Stream] = {}

    def begin(self, workspace_sid: str, per_minute: object, task: object) -> None:
        """Begin a stream; its first task is created at once.

        Args:
            workspace_sid: The workspace of the tasks.
            per_minute: How many tasks a minute.
            task: The parameters of each task, as REST has them.

        Raises:
            ValueError: An argument is invalid.
        """
        if isinstance(per_minute, bool) or not isinstance(per_minute, (int, float)) or not 0 < per_minute <= FASTEST:
            raise ValueError(f"per_minute must be a number up to {FASTEST}, not {per_minute!r}")
        if not isinstance(task, dict) or not all(isinstance(value, str) for value in task.values()):
            raise ValueError("task must be an object with the parameters of a task, whose values are texts")
        # Failed streams stay in the list, to show their error, but do not count.
        if sum(stream.active for stream in self._streams.values()) >= MOST:
            raise ValueError(f"There are {MOST} streams already")
        number = next(self._numbers)
        self._streams[number] = _Stream(self._service, workspace_sid, number, per_minute, task, self._notify)
        self._streams[number].begin()

    def end(self, number: object) -> None:
        """End a stream.

        Args:
            number: Its id.

        Raises:
            ValueError: There is no such stream.
        """
        if not isinstance(number, int) or (stream := self._streams.pop(number, None)) is None:
            raise ValueError(f"There is no stream {number!r}")
        stream.end()
        self._notify()

    def end_all(self) -> None:
        """End all streams, because their console has gone."""
        for stream in self._streams.values():
            stream.end()
        self._streams.clear()

    def rows(self) -> list[dict[str, Any]]:
        """Return the streams as rows, failed ones too."""
        return [stream.row() for stream in self._streams.values()]

    def _notify(self) -> None:
        self._changed(self.rows())


class _Stream:
    """One stream."""

    def __init__(
        self,
        service: Service,
        workspace_sid: str,
        number: int,
        per_minute: float,
        task: Mapping[str, str],
        changed: Callable[[], None],
    ) -> None:
        self._service = service
        self._workspace_sid = workspace_sid
        self._number = number
        self._per_minute = per_minute
        self._task = task
        self._changed = changed
        self._created = 0
        self._error: str | None = None
        self.active = True
        # Not at once: the page gets the row of the stream before its first task.
        self._timer = service.loop.call_soon(self._create)

    def begin(self) -> None:
        """Report that it has begun."""
        self._changed()

    def end(self) -> None:
        """Stop it."""
        self.active = False
        self._timer.cancel()

    def row(self) -> dict[str, Any]:
        """Return it as a row."""
        return {
            "id": self._number,
            "per_minute": self._per_minute,
            "created": self._created,
            "error": self._error,
            "task": self._task,
        }

    def _create(self) -> None:
        begun = self._service.loop.time()
        try:
            create_task(self._service, self._workspace_sid, self._task)
        except (Rejected, StoreError) as refusal:
            # The next one would be refused as well.
            self._error = refusal.message if isinstance(refusal, Rejected) else str(refusal)
            self.active = False
        else:
            self._created += 1
            # From the beginning of this one: a slow machine creates fewer, rather than all late ones at once.
            self._timer = self._service.loop.call_at(begun + 60 / self._per_minute, self._create)
        self._changed()


def create_task(service: Service, workspace_sid: str, task: Mapping[str, str]) -> None:
    """Create a task by the operation of REST; does not wait for its commit.

    Args:
        service: The service.
        workspace_sid: Its workspace.
        task: Its parameters, as REST has them.

    Raises:
        Rejected: It is refused.
        StoreError: The file could not be written.
    """
    path = f"Workspaces/{workspace_sid}/Tasks"
    found = TABLE.find("POST", path)
    assert found is not None
    operation, variables = found
    assert operation.handle is not None
    batch = Batch()
    try:
        operation.handle(
            Call(
                service=service,
                context=Context(batch),
                path=variables,
                query={},
                form=dict(task),
                if_match=None,
                base="",
                url=path,
            )
        )
    finally:
        # Also after a refusal: timers that ran before it have events.
        service.committer.when_kept(batch.release)
