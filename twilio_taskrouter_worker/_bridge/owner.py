"""What activities, channels, reservations, tasks and transfers need of the Worker that they belong to.

They know this protocol only; the :class:`~twilio_taskrouter_worker._bridge.mirror.Mirror`, which makes and holds them,
fulfils it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from ..events import Waits
from .request import NOTHING
from .routes import Route

__all__ = ["Owner"]

T = TypeVar("T")


class Owner(Protocol):
    """The state and the calls of one Worker. All of it may be used on any thread, unless said otherwise."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Guards every replacement of a record; held for a few assignments only."""
        ...

    @property
    def waiting(self) -> Waits:
        """The blocking waits of the worker and its objects."""
        ...

    @property
    def worker_sid(self) -> str:
        """Sid of the worker; empty before the first connection."""
        ...

    @property
    def worker_activity_sid(self) -> str | None:
        """Sid of the current activity; None before the first ``ready``."""
        ...

    def is_current(self, version: int, known: int) -> bool:
        """Whether a record of this version may replace one of that version."""
        ...

    def call(
        self,
        route: Route,
        values: Mapping[str, Any],
        then: Callable[[Any], T],
        *,
        subjects: tuple[str, ...] = (),
        version: Callable[[], str | None] | None = None,
        explain: Callable[[], str] | None = None,
        heard: Callable[[], None] | None = None,
        extra: Mapping[str, Any] = NOTHING,
        **sids: str,
    ) -> Future[T]:
        """Send a request; see ``Mirror.call``."""
        ...

    def call_worker(self, route: Route, values: Mapping[str, Any], then: Callable[[Any], T]) -> Future[T]:
        """Change the worker itself."""
        ...

    def worker_answered(self, payload: object) -> Any:
        """Use the answer of a call about the worker."""
        ...

    def release(self, messages: list[Any]) -> None:
        """Put messages that were held back into the stream of events again."""
        ...

    def keep(self, reservation_sid: str, task: Any) -> None:
        """A listener of this task is being added: where its reservation has ended, the task is kept for its events."""
        ...

    def foreign_accept(self, reservation: Any) -> None:
        """A reservation is accepted, and not by this process."""
        ...

    @property
    def reservations(self) -> Mapping[str, Any]:
        """The open reservations."""
        ...

    def client(self) -> Any:
        """The worker's client for calls without a connection."""
        ...
