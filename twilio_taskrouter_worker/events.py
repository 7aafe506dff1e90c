"""Listening: the names of all events, and how callbacks are kept.

Callbacks run on the dispatch thread of the Worker they belong to, one at a time, in the order of the events; see
:class:`~twilio_taskrouter_worker.Worker`.
"""

from __future__ import annotations

import inspect
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from types import FunctionType
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import attrs

from . import _checks
from ._callables import check_callback, is_same_function
from ._executors import check_executor, check_portable
from ._nearest import nearest

__all__ = [
    "ChannelEvent",
    "DisconnectReason",
    "Emitter",
    "Listener",
    "ReservationEvent",
    "TaskEvent",
    "TransferEvent",
    "WorkerEvent",
]

Callback = Callable[..., object]
F = TypeVar("F", bound=Callback)

ReservationEvent = Literal["accepted", "rejected", "timeout", "canceled", "rescinded", "completed", "wrapup"]
"""Events of a Reservation; each callback gets the reservation."""

ChannelEvent = Literal["capacity_updated", "availability_updated", "capacityUpdated", "availabilityUpdated"]
"""Events of a Channel; each callback gets the channel."""

TransferEvent = Literal["attempt_failed", "completed", "failed", "canceled", "attemptFailed"]
"""Events of an OutgoingTransfer; each callback gets the transfer."""

TaskSelfEvent = Literal["updated", "canceled", "completed", "wrapup"]
"""Events of a Task whose callback gets the task."""

TaskTransferEvent = Literal[
    "transfer_initiated",
    "transfer_attempt_failed",
    "transfer_completed",
    "transfer_failed",
    "transfer_canceled",
    "transferInitiated",
    "transferAttemptFailed",
    "transferCompleted",
    "transferFailed",
    "transferCanceled",
]
"""Events of a Task whose callback gets the outgoing transfer."""

TaskEvent = Literal[TaskSelfEvent, TaskTransferEvent]
"""Every event of a Task."""

WorkerSelfEvent = Literal["ready", "activity_updated", "attributes_updated", "activityUpdated", "attributesUpdated"]
"""Events of a Worker whose callback gets the worker."""

WorkerBareEvent = Literal["connected", "token_expired", "token_updated", "tokenExpired", "tokenUpdated"]
"""Events of a Worker whose callback gets nothing."""

WorkerSecondsEvent = Literal["reconnecting", "token_will_expire", "tokenWillExpire"]
"""Events of a Worker whose callback gets a number of seconds."""

WorkerEvent = Literal[
    WorkerSelfEvent,
    WorkerBareEvent,
    WorkerSecondsEvent,
    "reservation_created",
    "reservationCreated",
    "reservation_failed",
    "reservationFailed",
    "disconnected",
    "error",
]
"""Every event of a Worker."""


def names(*literals: Any) -> frozenset[str]:
    """Collect the snake_case names of Literal types.

    Args:
        *literals: Literal types of strings, which may be nested.

    Returns:
        The names, without the camelCase spellings.
    """
    found: set[str] = set()
    for literal in literals:
        for value in literal.__args__:
            if isinstance(value, str):
                found.add(value)
            else:
                found.update(names(value))
    return frozenset(name for name in found if name == snake_case(name))


def snake_case(name: str) -> str:
    """Return the snake_case spelling of a camelCase name."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@attrs.frozen
class DisconnectReason:
    """The reason for the end of a connection; the argument of ``disconnected``."""

    message: str
    """The reason as text: the peer's, if it sent one."""

    code: int | None = None
    """Close code of the websocket; None where the peer sent none, e.g. because the network was lost."""

    def __str__(self) -> str:
        return self.message


# Compared by identity: two registrations of one function are two listeners.
@attrs.define(eq=False)
class Listener:
    """One registered callback."""

    callback: Callback
    once: bool = False
    executor: Executor | None = None
    handler: Callback | None = None
    """The function that the user registered, as ``listeners()`` shows it; None for the listener of a wait."""
    existing: bool = False
    """Whether it also gets the reservations that are open at the first ``ready``."""
    waits: bool = False
    """Whether those are still to come; until then it gets no event. Changed on the dispatch thread only."""


# Guards every change of every listener table. Registering is rare, and a lock per object would be paid by each of
# thousands of reservations. Reading needs none: tuples are replaced, never changed.
registration: threading.Lock = threading.Lock()

if hasattr(os, "register_at_fork"):
    # A child must not inherit the lock while another thread holds it, since that thread does not exist there.
    os.register_at_fork(
        before=registration.acquire, after_in_parent=registration.release, after_in_child=registration.release
    )


class Waits(Protocol):
    """The blocking waits of a Worker and its objects."""

    def for_event(
        self, emitter: Emitter, event: str, timeout: float | None, predicate: Callable[..., object] | None
    ) -> tuple[Any, ...]:
        """Block until an event; see ``Emitter.wait_for``.

        Args:
            emitter: The object that fires the event.
            event: Its canonical name.
            timeout: Seconds to wait; None waits without limit.
            predicate: Selects events, called on the dispatch thread; None takes the next one.

        Returns:
            The arguments of the event.

        Raises:
            TimeoutError: No such event came in time.
            ClosedError: The worker was disconnected meanwhile.
            DispatchThreadError: Called on the dispatch thread.
        """
        ...

    def stream(self, emitter: Emitter, events: list[str], timeout: float | None) -> Iterator[Any]:
        """Iterate over events; see ``Emitter.stream``.

        Args:
            emitter: The object that fires the events.
            events: Their canonical names.
            timeout: Seconds without an event after which the iteration ends; None for never.

        Returns:
            The iterator, whose steps block.

        Raises:
            DispatchThreadError: Called on the dispatch thread.
        """
        ...


class Emitter:
    """An object with events.

    All methods may be called on any thread. A listener stays until it is taken off; reconnecting keeps it.
    """

    # Empty, and the table a slot of each class: a class can have only one base with slots, and that is Resource.
    __slots__ = ()
    _arguments: ClassVar[Mapping[str, str]] = {}
    """The argument of each event's callback; the names, the checks and the help of ``on`` are made from it."""
    _events: ClassVar[frozenset[str]] = frozenset()
    _owners: ClassVar[dict[str, list[str]]] = {}
    """Names of the classes that have an event, by event; one table for all classes."""
    _with_existing: ClassVar[str] = ""
    """The event for which ``existing=True`` is allowed; empty for none."""
    _listeners: dict[str, tuple[Listener, ...]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Not in subclasses without events of their own, such as Supervisor.
        if "_arguments" in vars(cls):
            cls._events = frozenset(cls._arguments)
            for event in cls._events:
                cls._owners.setdefault(event, []).append(cls.__name__.removesuffix("Emitter"))
            for method in (Emitter.on, Emitter.once):
                setattr(cls, method.__name__, _with_event_list(method, cls))

    def _waiting(self) -> Waits:
        """Return the waits that end with this object's connection."""
        raise NotImplementedError

    @classmethod
    def _event(cls, name: object) -> str:
        """Return the canonical name of an event.

        Raises:
            TypeError: The name is not a string.
            ValueError: There is no such event; the message has the nearest name.
        """
        if not isinstance(name, str):
            raise TypeError(f"An event's name is a string, not {type(name).__name__}")
        # First as it is: most names are, and ``snake_case`` takes a regular expression.
        if name in cls._events:
            return name
        canonical = snake_case(name)
        if canonical in cls._events:
            return canonical
        close = nearest(canonical, cls._events, cutoff=0.5)
        if owners := cls._owners.get(canonical):
            hint = f"that is an event of {' and '.join(owners)}"
        else:
            hint = f"did you mean {close!r}?" if close else f"it has {', '.join(sorted(cls._events))}"
        raise ValueError(f"{cls.__name__} has no event {name!r}; {hint}")

    def on(
        self,
        event: str,
        callback: Callback | None = None,
        *,
        executor: Executor | None = None,
        existing: bool = False,
    ) -> Any:
        """Call ``callback`` at each event of this name; without a callback, return a decorator.

        Does not block. The callback runs on the worker's dispatch thread, in the order of the events. Registering a
        function again, i.e. one with the same module and qualified name (a notebook cell that is run twice, a reloaded
        module), replaces the earlier registration.

        Args:
            event: Name of the event, in snake_case or in the camelCase of the JS SDK.
            callback: Receives the arguments of the event. None returns a decorator.
            executor: Runs the callback instead of the dispatch thread; the order of events is then not kept for this
                listener. In other processes (ProcessPoolExecutor, Dask) the callback receives a ReservationHandle for a
                reservation, and ``to_dict()`` of other objects. If a callback that receives a reservation returns a
                string, Complete, WrapUp, Transfer or Reject, this worker accepts the reservation if it is pending and
                acts on the value as ``serve`` does; Reject rejects a pending one.
            existing: For ``reservation_created`` of a Worker only: the callback also receives each reservation that is
                open at the first ``ready`` after connecting, in any status; or, if the worker has been ready already,
                each that is open now.

        Returns:
            The callback, or the decorator.

        Raises:
            ValueError: There is no such event, or ``existing`` is used with another one.
            TypeError: The callback is not callable, is a coroutine or generator function, or cannot be sent to the
                processes of the executor; or another argument has the wrong type.
        """
        return self._subscribe(event, callback, once=False, executor=executor, existing=existing)

    def once(
        self,
        event: str,
        callback: Callback | None = None,
        *,
        executor: Executor | None = None,
        existing: bool = False,
    ) -> Any:
        """Call ``callback`` at the next event of this name only; it is removed before it runs.

        Does not block. The callback runs as with ``on``.

        Args:
            event: Name of the event.
            callback: Receives the arguments of the event. None returns a decorator.
            executor: Runs the callback instead of the dispatch thread, as for ``on``.
            existing: As for ``on``.

        Returns:
            The callback, or the decorator.

        Raises:
            ValueError: There is no such event, or ``existing`` is used with another one.
            TypeError: The callback is not callable, is a coroutine or generator function, or cannot be sent to the
                processes of the executor; or another argument has the wrong type.
        """
        return self._subscribe(event, callback, once=True, executor=executor, existing=existing)

    def _subscribe(
        self, event: object, callback: Callback | None, *, once: bool, executor: Executor | None, existing: bool
    ) -> Any:
        name = self._event(event)
        check_executor(executor)
        _checks.boolean("existing", existing)
        if existing and name != self._with_existing:
            raise ValueError(f"existing=True is for 'reservation_created' of a Worker, not for {name!r}")

        add = partial(self._add, name, once, executor, existing)
        return add if callback is None else add(callback)

    def _add(self, name: str, once: bool, executor: Executor | None, existing: bool, function: F) -> F:
        what = f"The callback of {name!r}"
        check_callback(what, function, self._arguments[name])
        check_portable(what, function, executor)
        self._register(name, Listener(function, once, executor, function, existing, waits=existing))
        return function

    def _register(self, name: str, listener: Listener) -> None:
        """Add a listener of the user, replacing an earlier one of the same function."""
        with registration:
            table = self._listener_table()
            before = table.get(name, ())
            # The first of several equal ones keeps its place, so that the order of callbacks does not change with a
            # reload.
            old = [each for each in before if is_same_function(listener.handler, each.handler)]
            if not old:
                table[name] = (*before, listener)
            else:
                renewed = (listener if each is old[0] else each for each in before if each not in old[1:])
                table[name] = tuple(renewed)
        if listener.existing:
            # Outside the lock: this reaches the queue of the dispatch thread, which has a lock of its own.
            self._announce_existing()

    def _announce_existing(self) -> None:
        """Called when a listener for open reservations was added; a Worker passes them to it."""

    def _attach(self, name: str, listener: Listener) -> None:
        """Add a listener of the library: it replaces none, and ``off`` and ``listeners`` leave it alone."""
        with registration:
            table = self._listener_table()
            table[name] = (*table.get(name, ()), listener)

    def _listener_table(self) -> dict[str, tuple[Listener, ...]]:
        """Return the table, created at its first use: most objects never have a listener."""
        # A default, here and below: an exception at each event of an object without listeners would cost more.
        table: dict[str, tuple[Listener, ...]] | None = getattr(self, "_listeners", None)
        if table is None:
            table = self._listeners = {}  # type: ignore[misc]  # a slot of the concrete class
        return table

    def _was_listened_to(self) -> bool:
        """Whether it ever had a listener."""
        return hasattr(self, "_listeners")

    def _detach(self, name: str, listener: Listener) -> bool:
        """Remove one listener; return False if it was removed already."""
        with registration:
            table = self._listener_table()
            before = table.get(name, ())
            after = tuple(each for each in before if each is not listener)
            if after:
                table[name] = after
            else:
                table.pop(name, None)
            return len(after) < len(before)

    def _listening(self, name: str) -> tuple[Listener, ...]:
        table: dict[str, tuple[Listener, ...]] | None = getattr(self, "_listeners", None)
        return () if table is None else table.get(name, ())

    def off(self, event: str | None = None, callback: Callback | None = None) -> None:
        """Remove listeners: one callback of one event, all callbacks of an event, or all of this object.

        Does not block, and does not interrupt a callback that is running. Removing an unknown listener has no effect.

        Args:
            event: Name of the event; None means all events.
            callback: The callback; None means all callbacks.

        Raises:
            TypeError: The callback is not callable.
            ValueError: There is no such event.
        """
        name = None if event is None else self._event(event)
        if callback is not None:
            _checks.function("callback", callback)
        for key in self._events if name is None else (name,):
            for listener in self._listening(key):
                # Without the lock: the comparison may be the user's code. The library's own listeners stay.
                if listener.handler is not None and (callback is None or listener.handler == callback):
                    self._detach(key, listener)

    def listeners(self) -> dict[str, tuple[Callback, ...]]:
        """Return the registered functions by event, in the order in which they run.

        The handler of ``serve`` is listed under ``reservation_created``.
        """
        shown = {}
        for event in sorted(self._events):
            handlers = tuple(each.handler for each in self._listening(event) if each.handler is not None)
            if handlers:
                shown[event] = handlers
        return shown

    def wait_for(
        self, event: str, timeout: float | None = None, predicate: Callable[..., object] | None = None
    ) -> tuple[Any, ...]:
        """Block until the next event of this name.

        Args:
            event: Name of the event.
            timeout: Seconds to wait; None waits without limit.
            predicate: Receives the event's arguments, on the dispatch thread; events for which it returns a false value
                are skipped. None takes the next event.

        Returns:
            The arguments of the event's callback.

        Raises:
            TimeoutError: No such event came in time.
            ClosedError: The worker was disconnected meanwhile.
            DispatchThreadError: Called inside a callback, where the wait could never end.
            ValueError: There is no such event.
            Exception: Any exception raised by the predicate.
        """
        return self._waiting().for_event(self, self._event(event), timeout, predicate)

    def stream(self, *events: str, timeout: float | None = None) -> Iterator[Any]:
        """Iterate over events as they come; each step blocks until the next one.

        Listening begins with this call, not with the first step, so no event in between is missed. The loop ends when
        the worker is disconnected; leaving it with ``break`` stops listening.

        Args:
            *events: Names of the events.
            timeout: Seconds without an event after which the loop ends; None for never.

        Returns:
            An iterator. With one event named, each step gives the callback's argument (a tuple unless there is exactly
            one); with several, a tuple of the event's name and its arguments.

        Raises:
            TypeError: No event is named.
            ValueError: There is no such event.
            DispatchThreadError: Called inside a callback.
        """
        if not events:
            raise TypeError("stream() needs the name of at least one event")
        return self._waiting().stream(self, [self._event(event) for event in events], timeout)


def _with_event_list(method: Callable[..., Any], owner: type[Emitter]) -> FunctionType:
    """Return a copy of ``on`` or ``once`` whose docstring lists the events of a class, as ``help()`` shows it."""
    assert isinstance(method, FunctionType)
    copy = FunctionType(method.__code__, method.__globals__, method.__name__, method.__defaults__, method.__closure__)
    copy.__kwdefaults__, copy.__annotations__ = method.__kwdefaults__, method.__annotations__
    copy.__qualname__ = f"{owner.__name__}.{method.__name__}"
    listed = "\n".join(f"    {event}({argument})" for event, argument in sorted(owner._arguments.items()))
    copy.__doc__ = f"{inspect.getdoc(method)}\n\nThe events, with the arguments of their callbacks::\n\n{listed}\n"
    return copy
