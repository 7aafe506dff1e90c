"""In a forked child, reading a worker that the parent has connected raises; only sids can be read."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import ForkedProcessError
from ..worker_info import WorkerFields

if TYPE_CHECKING:
    from ..task import Task
    from .mirror import Mirror
    from .schema import Record, Resource, Schema

__all__ = ["forked_error", "guard", "release"]

# The process that each connected worker is connected in.
_connected: weakref.WeakKeyDictionary[Mirror, int] = weakref.WeakKeyDictionary()


def guard(mirror: Mirror) -> None:
    """Make a worker unreadable in forked children from now on.

    Args:
        mirror: The worker's state.
    """
    _connected[mirror] = os.getpid()


def release(mirror: Mirror) -> None:
    """Make a worker usable in every process again, since it is no longer connected.

    Args:
        mirror: The worker's state.
    """
    _connected.pop(mirror, None)


def forked_error(parent: int) -> ForkedProcessError:
    """Create the error for using a worker that was connected in the parent process.

    Args:
        parent: Id of that process.

    Returns:
        The error.
    """
    return ForkedProcessError(
        f"This worker was connected in process {parent} and cannot be used in process {os.getpid()}, which was forked "
        "from it: its threads and socket are not here, and what it knows is no longer updated. Make and connect a new "
        "Worker after the fork, or use worker.client() there"
    )


class _Stale:
    """Stands for a record, or the entries of a Directory, that the child cannot keep up to date.

    ``known`` are the places of a record that never change.
    """

    def __init__(self, parent: int, known: dict[int, Any] | None = None) -> None:
        self._parent = parent
        self._known = known or {}

    def __getitem__(self, place: Any) -> Any:
        if place in self._known:
            return self._known[place]
        raise forked_error(self._parent)

    def __contains__(self, item: object) -> bool:
        raise forked_error(self._parent)

    def __iter__(self) -> Iterator[Any]:
        raise forked_error(self._parent)

    def __len__(self) -> int:
        raise forked_error(self._parent)

    # For ``dict(directory)``, which calls it first.
    keys = __iter__


def _forget() -> None:
    """In a forked child, where no other thread exists."""
    # Without the mirrors' locks: a thread that does not exist here may have held them.
    for mirror, parent in list(_connected.items()):
        _make_stale(mirror, parent)
    _connected.clear()


def _make_stale(mirror: Mirror, parent: int) -> None:
    # A new one: calls take it before they find out that they are in a child.
    mirror.lock = threading.Lock()
    # Before the entries become unreadable: ``client()`` knows activities by name in the child too.
    mirror.activity_sids_at_fork = mirror.activity_sids()
    resources: list[Resource] = [
        *mirror.activities.values(), *mirror.channels.values(), *mirror.reservations.values()
    ]  # fmt: skip
    for task in mirror.all_tasks():
        resources.extend(_of(task))
    for resource in resources:
        # Replaced, instead of a check of the process at each access: reading an attribute must cost nothing.
        resource._record = _stale_record(resource._schema, resource._record, parent)
    for directory in (mirror.activities, mirror.channels, mirror.reservations):
        directory._entries = _Stale(parent)  # type: ignore[assignment]
    if mirror.record is not None:
        mirror.record = mirror.public_record = _stale_record(WorkerFields._schema, mirror.record, parent)


def _of(task: Task) -> Iterator[Resource]:
    yield task
    yield from filter(None, (task.transfers.incoming, task.transfers.outgoing))
    yield from task._replaced.values()


def _stale_record(schema: Schema, record: Record, parent: int) -> Any:
    sid = schema.index["sid"]
    return _Stale(parent, {sid: record[sid]})


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
