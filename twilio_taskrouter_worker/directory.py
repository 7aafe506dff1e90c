"""The mappings from sid to object of a Worker."""

from __future__ import annotations

import difflib
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import ForkedProcessError

if TYPE_CHECKING:
    from .activity import Activity
    from .channel import Channel
    from .reservation import Reservation

__all__ = ["Directory", "Named"]

R_co = TypeVar("R_co", bound="Activity | Channel | Reservation", covariant=True)
N_co = TypeVar("N_co", bound="Activity | Channel", covariant=True)


class Directory(Mapping[str, R_co], Generic[R_co]):
    """A live, read-only mapping from sid to object, in server order.

    It may be read on any thread: iterating goes over a snapshot.
    """

    def __init__(self) -> None:
        self._entries: dict[str, R_co] = {}

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
        return f"<{type(self).__name__} of {len(shown)}: {', '.join(shown)}>"

    def _shown(self) -> list[str]:
        return list(self)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)


class Named(Directory[N_co], Generic[N_co]):
    """A Directory whose objects have names."""

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
        raise KeyError(f"{name!r}; {self._hint(name)}")

    def _not_found(self, sid: object) -> str:
        if any(entry.name == sid for entry in self.values()):
            return f"there is no {sid!r}; the keys are sids: use by_name({sid!r})"
        return super()._not_found(sid)

    def _hint(self, name: object) -> str:
        names = [entry.name for entry in self.values()]
        near = difflib.get_close_matches(name, names, n=1) if isinstance(name, str) else []
        there = f"there are {', '.join(map(repr, names)) or 'none'}"
        return f"did you mean {near[0]!r}? {there}" if near else there

    def _shown(self) -> list[str]:
        entries = list(self.values())
        return [f"{each.name!r}{' (current)' if getattr(each, 'is_current', False) else ''}" for each in entries]
