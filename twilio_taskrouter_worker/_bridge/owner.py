"""The interface through which activities, channels, reservations, tasks and transfers use their Worker.

They depend on this protocol only; it is implemented by :class:`~twilio_taskrouter_worker._bridge.mirror.Mirror`, which
creates and holds them.
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
        """Whether a record may replace a known one.

        Args:
            version: Version of the record.
            known: Version of the known one.

        Returns:
            True also if versions are not trusted.
        """
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
        after_callbacks: Callable[[], None] | None = None,
        extra: Mapping[str, Any] = NOTHING,
        **sids: str,
    ) -> Future[T]:
        """Send a request; does not block. See ``Mirror.call`` for the arguments and errors.

        Raises:
            TypeError, ValueError: An argument is invalid.
            StateError: The worker cannot make calls now, e.g. because it was disconnected.
        """
        ...

    def call_worker(self, route: Route, values: Mapping[str, Any], then: Callable[[Any], T]) -> Future[T]:
        """Change the worker itself; does not block.

        Args:
            route: Which request.
            values: Arguments of the public method by name.
            then: Makes the result from the payload, on a pool thread.

        Returns:
            A Future that resolves to the result; its callbacks run on a pool thread.

        Raises:
            TypeError, ValueError: An argument is invalid.
            StateError: The worker cannot make calls now, e.g. because it was disconnected.
        """
        ...

    def worker_answered(self, payload: object) -> Any:
        """Apply the answer of a call about the worker.

        Args:
            payload: The payload.

        Returns:
            The worker.

        Raises:
            InvalidMessageError: The payload is invalid.
        """
        ...

    def release(self, take: Callable[[], list[Any]], /) -> None:
        """Have messages that were held back applied before those that wait; any thread, does not block.

        Args:
            take: Removes and returns them in order, on the dispatch thread; not called without a connection.
        """
        ...

    def keep(self, reservation_sid: str, task: Any) -> None:
        """Keep a task whose first listener is being added although its reservation has ended; any thread.

        Args:
            reservation_sid: Sid of the reservation.
            task: The task.
        """
        ...

    def foreign_accept(self, reservation: Any) -> None:
        """Report a reservation that was not accepted by this process.

        Args:
            reservation: The reservation.
        """
        ...

    @property
    def reservations(self) -> Mapping[str, Any]:
        """The open reservations."""
        ...

    @property
    def client(self) -> Callable[[], Any]:
        """Returns the WorkerClient of the worker; it raises NotReadyError before the first ``ready``."""
        ...
