"""Mappings from sid to object: those of a Worker, and what a Workspace lists."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING, Generic, TypeVar

from ._display.tables import Table, table_of
from ._nearest import choice
from .errors import ForkedProcessError

if TYPE_CHECKING:
    from .activity import Activity
    from .channel import Channel
    from .reservation import Reservation
    from .task_queue import TaskQueue
    from .worker_info import WorkerInfo

__all__ = ["Directory", "Named"]

R_co = TypeVar("R_co", bound="Activity | Channel | Reservation | TaskQueue | WorkerInfo", covariant=True)
N_co = TypeVar("N_co", bound="Activity | Channel | TaskQueue | WorkerInfo", covariant=True)

SHOWN = 20
"""Maximum number of entries in a repr."""


class Directory(Mapping[str, R_co], Generic[R_co]):
    """A read-only mapping from sid to object, in server order; that of a Worker is live.

    It may be read on any thread: iterating goes over a snapshot.
    """

    def __init__(self, entries: Mapping[str, R_co] | None = None) -> None:
        self._entries: dict[str, R_co] = dict(entries or {})

    def __getitem__(self, sid: str) -> R_co:
        try:
            return self._entries[sid]
        except KeyError:
            raise KeyError(self._not_found(sid)) from None

    def _not_found(self, sid: object) -> str:
        return f"there is no {sid!r}; the keys are sids: {', '.join(self) or 'none'}"

    def __contains__(self, sid: object) -> bool:
        return sid in self._entries

    def __iter__(self) -> Iterator[str]:
        # A copy, as below: the dispatch thread adds and removes entries, and copying is atomic.
        return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def values(self) -> ValuesView[R_co]:
        """Return the objects, as of now.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        return dict(self._entries).values()

    def items(self) -> ItemsView[str, R_co]:
        """Return pairs of sid and object, as of now.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        return dict(self._entries).items()

    def __repr__(self) -> str:
        try:
            shown = self._shown()
        except ForkedProcessError:
            return f"<{type(self).__name__} of another process>"
        listed = f": {', '.join(shown[:SHOWN])}" if shown else ""
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        return f"<{type(self).__name__} of {len(shown)}{listed}{more}>"

    def _shown(self) -> list[str]:
        return list(self)

    def _repr_html_(self) -> str | None:
        try:
            return self._table().to_html()
        except ForkedProcessError:
            return None  # the notebook shows the repr

    def _table(self, what: str = "") -> Table:
        entries = list(self.values())
        columns = type(entries[0])._columns if entries else ("sid",)
        title = f"{len(entries)} {what}" if what else f"{type(self).__name__} of {len(entries)}"
        return table_of(entries, title, columns)

    # IPython asks for these at ``worker.reservations["<Tab>``.
    def _ipython_key_completions_(self) -> list[str]:
        return list(self)


class Named(Directory[N_co], Generic[N_co]):
    """A Directory whose objects have names, and are found by sid or name: ``worker.activities["Available"]``.

    A key that is the sid of one and the name of another finds the former. Iterating gives sids.
    """

    def __getitem__(self, key: str) -> N_co:
        try:
            return self._entries[key]
        except KeyError:
            return self.by_name(key)

    def __contains__(self, key: object) -> bool:
        return key in self._entries or any(entry.name == key for entry in self.values())

    def by_name(self, name: str) -> N_co:
        """Find an object by its name.

        Args:
            name: The exact name.

        Returns:
            The object.

        Raises:
            KeyError: None has that name; the message has the nearest name, or all of them.
        """
        for entry in self.values():
            if entry.name == name:
                return entry
        raise KeyError(f"{name!r}; {choice(name, [entry.name for entry in self.values()])}") from None

    def _shown(self) -> list[str]:
        entries = list(self.values())
        return [f"{each.name!r}{' (current)' if getattr(each, 'is_current', False) else ''}" for each in entries]

    def _ipython_key_completions_(self) -> list[str]:
        return [entry.name for entry in self.values()]
