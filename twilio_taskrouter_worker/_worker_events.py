"""Listening to a Worker, with a type for each event's callback."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from .errors import TaskRouterError
from .events import (
    DisconnectReason,
    Emitter,
    WorkerBareEvent,
    WorkerEvent,
    WorkerSecondsEvent,
    WorkerSelfEvent,
    names,
)

if TYPE_CHECKING:
    from .reservation import Reservation
    from .worker import Worker

__all__ = ["WorkerEmitter"]

R = TypeVar("R")

ReservationCreated = Literal["reservation_created", "reservationCreated"]
ReservationFailed = Literal["reservation_failed", "reservationFailed"]


class WorkerEmitter(Emitter):
    """The events of a Worker, and what their callbacks get."""

    __slots__ = ()
    _events = names(WorkerEvent)

    @overload
    def on(
        self, event: WorkerSelfEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Callable[[Callable[[Worker], R]], Callable[[Worker], R]]: ...
    @overload
    def on(
        self, event: WorkerSelfEvent, callback: Callable[[Worker], R], *, executor: Executor | None = None
    ) -> Callable[[Worker], R]: ...
    @overload
    def on(
        self, event: WorkerBareEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Callable[[Callable[[], R]], Callable[[], R]]: ...
    @overload
    def on(
        self, event: WorkerBareEvent, callback: Callable[[], R], *, executor: Executor | None = None
    ) -> Callable[[], R]: ...
    @overload
    def on(
        self, event: WorkerSecondsEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Callable[[Callable[[float], R]], Callable[[float], R]]: ...
    @overload
    def on(
        self, event: WorkerSecondsEvent, callback: Callable[[float], R], *, executor: Executor | None = None
    ) -> Callable[[float], R]: ...
    @overload
    def on(
        self,
        event: ReservationCreated,
        callback: None = None,
        *,
        executor: Executor | None = None,
    ) -> Callable[[Callable[[Reservation], R]], Callable[[Reservation], R]]: ...
    @overload
    def on(
        self,
        event: ReservationCreated,
        callback: Callable[[Reservation], R],
        *,
        executor: Executor | None = None,
    ) -> Callable[[Reservation], R]: ...
    @overload
    def on(
        self,
        event: ReservationFailed,
        callback: None = None,
        *,
        executor: Executor | None = None,
    ) -> Callable[[Callable[[Any], R]], Callable[[Any], R]]: ...
    @overload
    def on(
        self,
        event: ReservationFailed,
        callback: Callable[[Any], R],
        *,
        executor: Executor | None = None,
    ) -> Callable[[Any], R]: ...
    @overload
    def on(
        self,
        event: Literal["disconnected"],
        callback: None = None,
        *,
        executor: Executor | None = None,
    ) -> Callable[[Callable[[DisconnectReason], R]], Callable[[DisconnectReason], R]]: ...
    @overload
    def on(
        self,
        event: Literal["disconnected"],
        callback: Callable[[DisconnectReason], R],
        *,
        executor: Executor | None = None,
    ) -> Callable[[DisconnectReason], R]: ...
    @overload
    def on(
        self,
        event: Literal["error"],
        callback: None = None,
        *,
        executor: Executor | None = None,
    ) -> Callable[[Callable[[TaskRouterError], R]], Callable[[TaskRouterError], R]]: ...
    @overload
    def on(
        self, event: Literal["error"], callback: Callable[[TaskRouterError], R], *, executor: Executor | None = None
    ) -> Callable[[TaskRouterError], R]: ...
    def on(self, event: Any, callback: Any = None, *, executor: Executor | None = None) -> Any:
        """Call ``callback`` at each such event; without a callback, a decorator. Returns the callback.

        It runs on this worker's dispatch thread, or is handed to ``executor`` (any
        :class:`concurrent.futures.Executor`), with the order of events given up for this listener. Raises ValueError
        for an unknown event, TypeError for what cannot be called.
        """
        return self._subscribe(event, callback, once=False, executor=executor)

    @overload
    def once(
        self, event: WorkerSelfEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Callable[[Callable[[Worker], R]], Callable[[Worker], R]]: ...
    @overload
    def once(
        self, event: WorkerSelfEvent, callback: Callable[[Worker], R], *, executor: Executor | None = None
    ) -> Callable[[Worker], R]: ...
    @overload
    def once(
        self, event: WorkerBareEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Callable[[Callable[[], R]], Callable[[], R]]: ...
    @overload
    def once(
        self, event: WorkerBareEvent, callback: Callable[[], R], *, executor: Executor | None = None
    ) -> Callable[[], R]: ...
    @overload
    def once(
        self, event: WorkerSecondsEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Callable[[Callable[[float], R]], Callable[[float], R]]: ...
    @overload
    def once(
        self, event: WorkerSecondsEvent, callback: Callable[[float], R], *, executor: Executor | None = None
    ) -> Callable[[float], R]: ...
    @overload
    def once(
        self,
        event: ReservationCreated,
        callback: None = None,
        *,
        executor: Executor | None = None,
    ) -> Callable[[Callable[[Reservation], R]], Callable[[Reservation], R]]: ...
    @overload
    def once(
        self,
        event: ReservationCreated,
        callback: Callable[[Reservation], R],
        *,
        executor: Executor | None = None,
    ) -> Callable[[Reservation], R]: ...
    @overload
    def once(
        self,
        event: ReservationFailed,
        callback: None = None,
        *,
        executor: Executor | None = None,
    ) -> Callable[[Callable[[Any], R]], Callable[[Any], R]]: ...
    @overload
    def once(
        self,
        event: ReservationFailed,
        callback: Callable[[Any], R],
        *,
        executor: Executor | None = None,
    ) -> Callable[[Any], R]: ...
    @overload
    def once(
        self,
        event: Literal["disconnected"],
        callback: None = None,
        *,
        executor: Executor | None = None,
    ) -> Callable[[Callable[[DisconnectReason], R]], Callable[[DisconnectReason], R]]: ...
    @overload
    def once(
        self,
        event: Literal["disconnected"],
        callback: Callable[[DisconnectReason], R],
        *,
        executor: Executor | None = None,
    ) -> Callable[[DisconnectReason], R]: ...
    @overload
    def once(
        self,
        event: Literal["error"],
        callback: None = None,
        *,
        executor: Executor | None = None,
    ) -> Callable[[Callable[[TaskRouterError], R]], Callable[[TaskRouterError], R]]: ...
    @overload
    def once(
        self, event: Literal["error"], callback: Callable[[TaskRouterError], R], *, executor: Executor | None = None
    ) -> Callable[[TaskRouterError], R]: ...
    def once(self, event: Any, callback: Any = None, *, executor: Executor | None = None) -> Any:
        """As ``on``, for the next such event only: the callback is taken off before it runs."""
        return self._subscribe(event, callback, once=True, executor=executor)
