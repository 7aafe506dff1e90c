"""Listening, with a type for each event's callback.

``on`` and ``once`` take the same arguments, so each kind of object has one protocol for both. At run time they are the
methods of :class:`~twilio_taskrouter_worker.events.Emitter`; a type checker sees the protocols.

The classes of the objects are parameters, which ``Task`` and ``Worker`` fill in: this module imports neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar, overload

from .errors import TaskRouterError
from .events import (
    DisconnectReason,
    Emitter,
    TaskEvent,
    TaskSelfEvent,
    TaskTransferEvent,
    WorkerBareEvent,
    WorkerEvent,
    WorkerSecondsEvent,
    WorkerSelfEvent,
    names,
)

__all__ = ["Listenable", "TaskEmitter", "WorkerEmitter"]

E = TypeVar("E", bound=str)
S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)
R = TypeVar("R")
A = TypeVar("A")
# What the callbacks get: a transfer, a reservation, or the handle of one.
X = TypeVar("X")
X_co = TypeVar("X_co", covariant=True)
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)
H = TypeVar("H")
E_contra = TypeVar("E_contra", bound=str, contravariant=True)

Predicate = Callable[[A], object]

ReservationCreated = Literal["reservation_created", "reservationCreated"]
ReservationFailed = Literal["reservation_failed", "reservationFailed"]


class Decorator(Protocol[A]):
    """Registers a callback that gets one argument."""

    def __call__(self, callback: Callable[[A], R], /) -> Callable[[A], R]: ...


class HandleDecorator(Protocol[V, H]):
    """Registers a callback on an executor: it gets a reservation, or in another process its handle."""

    @overload
    def __call__(self, callback: Callable[[V], R], /) -> Callable[[V], R]: ...
    @overload
    def __call__(self, callback: Callable[[H], R], /) -> Callable[[H], R]: ...


class BareDecorator(Protocol):
    """Registers a callback that gets nothing."""

    def __call__(self, callback: Callable[[], R], /) -> Callable[[], R]: ...


# -- objects whose callbacks all get one argument: the object ------------------------------------------------------


class On(Protocol[E_contra, S]):
    """``on`` and ``once`` of a Listenable."""

    @overload
    def __call__(self, event: E_contra, callback: None = None, *, executor: Executor | None = None) -> Decorator[S]: ...
    @overload
    def __call__(
        self, event: E_contra, callback: Callable[[S], R], *, executor: Executor | None = None
    ) -> Callable[[S], R]: ...
    # In another process a callback gets ``to_dict()`` of the object, and no type shows where an executor runs it.
    @overload
    def __call__(self, event: E_contra, callback: Callable[[Any], R], *, executor: Executor) -> Callable[[Any], R]: ...


class StreamOf(Protocol[E_contra, S_co]):
    """``stream`` of a Listenable."""

    @overload
    def __call__(self, event: E_contra, /, *, timeout: float | None = None) -> Iterator[S_co]: ...
    @overload
    def __call__(
        self, event: E_contra, second: E_contra, /, *more: E_contra, timeout: float | None = None
    ) -> Iterator[tuple[str, S_co]]: ...


class Listenable(Emitter, Generic[E, S]):
    """An Emitter with events ``E`` whose callbacks all get one argument, ``S``."""

    __slots__ = ()

    if TYPE_CHECKING:
        # Properties that return a protocol, so that ``on`` and ``once`` share its overloads. They are narrower than the
        # methods of Emitter, which take any event and callback.
        @property
        def on(self) -> On[E, S]: ...  # type: ignore[override]
        @property
        def once(self) -> On[E, S]: ...  # type: ignore[override]
        @property
        def stream(self) -> StreamOf[E, S]: ...  # type: ignore[override]

        def wait_for(  # type: ignore[override]
            self, event: E, timeout: float | None = None, predicate: Predicate[S] | None = None
        ) -> tuple[S]: ...


# -- tasks ---------------------------------------------------------------------------------------------------------


class OnTask(Protocol[S, X]):
    """``on`` and ``once`` of a Task."""

    @overload
    def __call__(
        self, event: TaskSelfEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Decorator[S]: ...
    @overload
    def __call__(
        self, event: TaskSelfEvent, callback: Callable[[S], R], *, executor: Executor | None = None
    ) -> Callable[[S], R]: ...
    @overload
    def __call__(
        self, event: TaskTransferEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Decorator[X]: ...
    @overload
    def __call__(
        self, event: TaskTransferEvent, callback: Callable[[X], R], *, executor: Executor | None = None
    ) -> Callable[[X], R]: ...
    @overload
    def __call__(self, event: TaskEvent, callback: Callable[[Any], R], *, executor: Executor) -> Callable[[Any], R]: ...


class WaitForTask(Protocol[S_co, X_co]):
    """``wait_for`` of a Task."""

    @overload
    def __call__(
        self, event: TaskSelfEvent, timeout: float | None = None, predicate: Predicate[S_co] | None = None
    ) -> tuple[S_co]: ...
    @overload
    def __call__(
        self,
        event: TaskTransferEvent,
        timeout: float | None = None,
        predicate: Predicate[X_co] | None = None,
    ) -> tuple[X_co]: ...


class StreamOfTask(Protocol[S_co, X_co]):
    """``stream`` of a Task."""

    @overload
    def __call__(self, event: TaskSelfEvent, /, *, timeout: float | None = None) -> Iterator[S_co]: ...
    @overload
    def __call__(self, event: TaskTransferEvent, /, *, timeout: float | None = None) -> Iterator[X_co]: ...
    @overload
    def __call__(
        self, event: TaskEvent, second: TaskEvent, /, *more: TaskEvent, timeout: float | None = None
    ) -> Iterator[tuple[str, S_co | X_co]]: ...


class TaskEmitter(Emitter, Generic[S, X]):
    """The events of a Task, ``S``; their callbacks get the task, or an outgoing transfer, ``X``."""

    __slots__ = ()
    _arguments = {
        **dict.fromkeys(names(TaskSelfEvent), "task: Task"),
        **dict.fromkeys(names(TaskTransferEvent), "transfer: OutgoingTransfer"),
    }

    if TYPE_CHECKING:

        @property
        def on(self) -> OnTask[S, X]: ...  # type: ignore[override]
        @property
        def once(self) -> OnTask[S, X]: ...  # type: ignore[override]
        @property
        def wait_for(self) -> WaitForTask[S, X]: ...  # type: ignore[override]
        @property
        def stream(self) -> StreamOfTask[S, X]: ...  # type: ignore[override]


# -- workers -------------------------------------------------------------------------------------------------------


class OnWorker(Protocol[S, V, H]):
    """``on`` and ``once`` of a Worker."""

    @overload
    def __call__(
        self, event: WorkerSelfEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Decorator[S]: ...
    @overload
    def __call__(
        self, event: WorkerSelfEvent, callback: Callable[[S], R], *, executor: Executor | None = None
    ) -> Callable[[S], R]: ...
    @overload
    def __call__(
        self, event: WorkerSelfEvent, callback: Callable[[Any], R], *, executor: Executor
    ) -> Callable[[Any], R]: ...
    @overload
    def __call__(
        self, event: WorkerBareEvent, callback: None = None, *, executor: Executor | None = None
    ) -> BareDecorator: ...
    @overload
    def __call__(
        self, event: WorkerBareEvent, callback: Callable[[], R], *, executor: Executor | None = None
    ) -> Callable[[], R]: ...
    @overload
    def __call__(
        self, event: WorkerSecondsEvent, callback: None = None, *, executor: Executor | None = None
    ) -> Decorator[float]: ...
    @overload
    def __call__(
        self, event: WorkerSecondsEvent, callback: Callable[[float], R], *, executor: Executor | None = None
    ) -> Callable[[float], R]: ...
    @overload
    def __call__(
        self,
        event: ReservationCreated,
        callback: None = None,
        *,
        executor: None = None,
        existing: bool = False,
    ) -> Decorator[V]: ...
    @overload
    def __call__(
        self, event: ReservationCreated, callback: None = None, *, executor: Executor, existing: bool = False
    ) -> HandleDecorator[V, H]: ...
    @overload
    def __call__(
        self,
        event: ReservationCreated,
        callback: Callable[[V], R],
        *,
        executor: Executor | None = None,
        existing: bool = False,
    ) -> Callable[[V], R]: ...
    # The one event whose argument in another process has a type: there it is the reservation's handle.
    @overload
    def __call__(
        self,
        event: ReservationCreated,
        callback: Callable[[H], R],
        *,
        executor: Executor,
        existing: bool = False,
    ) -> Callable[[H], R]: ...
    @overload
    def __call__(
        self, event: ReservationFailed, callback: None = None, *, executor: Executor | None = None
    ) -> Decorator[Any]: ...
    @overload
    def __call__(
        self, event: ReservationFailed, callback: Callable[[Any], R], *, executor: Executor | None = None
    ) -> Callable[[Any], R]: ...
    @overload
    def __call__(
        self, event: Literal["disconnected"], callback: None = None, *, executor: Executor | None = None
    ) -> Decorator[DisconnectReason]: ...
    @overload
    def __call__(
        self,
        event: Literal["disconnected"],
        callback: Callable[[DisconnectReason], R],
        *,
        executor: Executor | None = None,
    ) -> Callable[[DisconnectReason], R]: ...
    @overload
    def __call__(
        self, event: Literal["error"], callback: None = None, *, executor: Executor | None = None
    ) -> Decorator[TaskRouterError]: ...
    @overload
    def __call__(
        self, event: Literal["error"], callback: Callable[[TaskRouterError], R], *, executor: Executor | None = None
    ) -> Callable[[TaskRouterError], R]: ...


class WaitForWorker(Protocol[S_co, V_co]):
    """``wait_for`` of a Worker."""

    @overload
    def __call__(
        self, event: WorkerSelfEvent, timeout: float | None = None, predicate: Predicate[S_co] | None = None
    ) -> tuple[S_co]: ...
    @overload
    def __call__(
        self, event: WorkerBareEvent, timeout: float | None = None, predicate: Callable[[], object] | None = None
    ) -> tuple[()]: ...
    @overload
    def __call__(
        self, event: WorkerSecondsEvent, timeout: float | None = None, predicate: Predicate[float] | None = None
    ) -> tuple[float]: ...
    @overload
    def __call__(
        self, event: ReservationCreated, timeout: float | None = None, predicate: Predicate[V_co] | None = None
    ) -> tuple[V_co]: ...
    @overload
    def __call__(
        self, event: ReservationFailed, timeout: float | None = None, predicate: Predicate[Any] | None = None
    ) -> tuple[Any]: ...
    @overload
    def __call__(
        self,
        event: Literal["disconnected"],
        timeout: float | None = None,
        predicate: Predicate[DisconnectReason] | None = None,
    ) -> tuple[DisconnectReason]: ...
    @overload
    def __call__(
        self, event: Literal["error"], timeout: float | None = None, predicate: Predicate[TaskRouterError] | None = None
    ) -> tuple[TaskRouterError]: ...


class StreamOfWorker(Protocol[S_co, V_co]):
    """``stream`` of a Worker."""

    @overload
    def __call__(self, event: WorkerSelfEvent, /, *, timeout: float | None = None) -> Iterator[S_co]: ...
    @overload
    def __call__(self, event: WorkerBareEvent, /, *, timeout: float | None = None) -> Iterator[tuple[()]]: ...
    @overload
    def __call__(self, event: WorkerSecondsEvent, /, *, timeout: float | None = None) -> Iterator[float]: ...
    @overload
    def __call__(self, event: ReservationCreated, /, *, timeout: float | None = None) -> Iterator[V_co]: ...
    @overload
    def __call__(self, event: ReservationFailed, /, *, timeout: float | None = None) -> Iterator[Any]: ...
    @overload
    def __call__(
        self, event: Literal["disconnected"], /, *, timeout: float | None = None
    ) -> Iterator[DisconnectReason]: ...
    @overload
    def __call__(self, event: Literal["error"], /, *, timeout: float | None = None) -> Iterator[TaskRouterError]: ...
    @overload
    def __call__(
        self, event: WorkerEvent, second: WorkerEvent, /, *more: WorkerEvent, timeout: float | None = None
    ) -> Iterator[tuple[Any, ...]]: ...


class WorkerEmitter(Emitter, Generic[S, V, H]):
    """The events of a Worker, ``S``; some callbacks get the worker, a reservation, ``V``, or its handle, ``H``."""

    __slots__ = ()
    _arguments = {
        **dict.fromkeys(names(WorkerSelfEvent), "worker: Worker"),
        **dict.fromkeys(names(WorkerBareEvent), ""),
        **dict.fromkeys(names(WorkerSecondsEvent), "seconds: float"),
        "reservation_created": "reservation: Reservation",
        "reservation_failed": "payload: dict[str, Any]",
        "disconnected": "reason: DisconnectReason",
        "error": "error: TaskRouterError",
    }
    _with_existing = "reservation_created"

    if TYPE_CHECKING:

        @property
        def on(self) -> OnWorker[S, V, H]: ...  # type: ignore[override]
        @property
        def once(self) -> OnWorker[S, V, H]: ...  # type: ignore[override]
        @property
        def wait_for(self) -> WaitForWorker[S, V]: ...  # type: ignore[override]
        @property
        def stream(self) -> StreamOfWorker[S, V]: ...  # type: ignore[override]
