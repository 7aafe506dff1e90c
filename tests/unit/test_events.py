"""Listening: names, aliases, registering and taking off."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import partial, wraps
from types import MethodType
from typing import Any

import pytest

from tests.tools.seams import events_of, listeners_of
from twilio_taskrouter_worker import Channel, DisconnectReason, OutgoingTransfer, Reservation, Task, Worker
from twilio_taskrouter_worker._executors import is_remote
from twilio_taskrouter_worker.events import Emitter, names, snake_case

EVENTS: dict[type[Emitter], set[str]] = {
    Worker: {
        "ready",
        "activity_updated",
        "attributes_updated",
        "reservation_created",
        "reservation_failed",
        "token_expired",
        "token_updated",
        "disconnected",
        "error",
        "connected",
        "reconnecting",
        "token_will_expire",
    },
    Reservation: {"accepted", "rejected", "timeout", "canceled", "rescinded", "completed", "wrapup"},
    Task: {
        "updated",
        "canceled",
        "completed",
        "wrapup",
        "transfer_initiated",
        "transfer_attempt_failed",
        "transfer_completed",
        "transfer_failed",
        "transfer_canceled",
    },
    OutgoingTransfer: {"attempt_failed", "completed", "failed", "canceled"},
    Channel: {"capacity_updated", "availability_updated"},
}


@pytest.fixture
def worker() -> Worker:
    return Worker("token")


def heard(worker: Worker, event: str) -> list[Any]:
    """The callbacks that an event would run, in order."""
    return [listener.callback for listener in listeners_of(worker, event)]


@pytest.mark.parametrize("kind", EVENTS)
def test_the_events_of_each_class(kind: type[Emitter]) -> None:
    """Every class has exactly its events, each also by the camelCase name of the JS SDK."""
    assert events_of(kind) == EVENTS[kind]
    for event in EVENTS[kind]:
        first, *rest = event.split("_")
        assert kind._event(first + "".join(part.capitalize() for part in rest)) == event


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("reservation_create", "did you mean 'reservation_created'?"),
        ("activityupdated", "did you mean 'activity_updated'?"),
        ("Reservation_Create", "did you mean 'reservation_created'?"),
        ("accepted", "that is an event of Reservation"),
        ("transferFailed", "that is an event of Task"),
        ("zzz", "it has activity_updated, attributes_updated, connected"),
        ("", "it has activity_updated"),
    ],
)
def test_unknown_names(worker: Worker, name: str, hint: str) -> None:
    """A name that is none is refused with the nearest one, or with all; wherever it is given."""
    uses: list[Callable[..., object]] = [worker.on, worker.once, worker.off, worker.wait_for, worker.stream]
    for use in uses:
        with pytest.raises(ValueError) as refused:
            use(name)
        assert str(refused.value).startswith(f"Worker has no event {name!r}; {hint}")


@pytest.mark.parametrize("name", [1, b"ready", ["ready"]])
def test_names_are_strings(worker: Worker, name: Any) -> None:
    """An event's name is a string."""
    with pytest.raises(TypeError, match="An event's name is a string"):
        worker.on(name, print)


def test_on_as_call_and_as_decorator(worker: Worker) -> None:
    """Both give the callback back, so that it can be taken off later."""

    @worker.on("ready")
    def first(each: Worker) -> None: ...

    def second(each: Worker) -> None: ...

    assert worker.on("ready", second) is second
    decorated = worker.once("ready")(second)
    assert decorated is second
    assert heard(worker, "ready") == [first, second]
    assert [listener.once for listener in listeners_of(worker, "ready")] == [False, True]


@pytest.mark.parametrize("callback", [1, "print", [print]])
def test_callbacks_can_be_called(worker: Worker, callback: Any) -> None:
    """What cannot be called is refused at once."""
    with pytest.raises(TypeError, match="The callback of 'ready' must be callable, not"):
        worker.on("ready", callback)
    with pytest.raises(TypeError, match="The callback of 'ready' must be callable, not"):
        worker.on("ready")(callback)


def test_coroutine_functions(worker: Worker) -> None:
    """A coroutine function would never be awaited; it is refused with what to do."""

    async def callback(each: Worker) -> None: ...

    class Notifier:
        async def __call__(self, each: Worker) -> None: ...
        async def notify(self, each: Worker) -> None: ...

    for each in (callback, partial(callback), Notifier(), Notifier().notify, MethodType(callback, 1)):
        with pytest.raises(TypeError, match="run_coroutine_threadsafe"):
            worker.on("ready", each)
        with pytest.raises(TypeError, match="predicate must be a function, not a coroutine function"):
            worker.wait_for("ready", 0, each)
        with pytest.raises(TypeError, match="token_provider must be .*, not a coroutine function"):
            Worker(token_provider=each)  # type: ignore[arg-type]


class Desk:
    """Methods as callbacks."""

    def open(self) -> None:
        """Take nothing but the desk."""

    def work(self, worker: object) -> None:
        """Take the argument of an event."""

    @classmethod
    def close(cls) -> None:
        """Take nothing but the class."""


def _needs_keyword(worker: object, *, shift: int) -> None:
    """Take an argument that no event has."""


@pytest.mark.parametrize(
    "callback", [lambda: None, lambda worker, other: None, Desk().open, Desk.work, Desk.close, _needs_keyword]
)
def test_callbacks_that_do_not_take_the_argument(worker: Worker, callback: Any) -> None:
    """They would fail at each event; the error has what they are called with, and their own signature."""
    with pytest.raises(
        TypeError, match=r"The callback of 'ready' is called with one argument, worker, which .*\(.*\).* does"
    ):
        worker.on("ready", callback)
    with pytest.raises(TypeError, match=r"The handler of serve\(\) is called with one argument, reservation, which"):
        worker.serve(callback)
    assert not worker.listeners()


def test_callbacks_of_events_without_an_argument(worker: Worker) -> None:
    """They are called without one."""
    with pytest.raises(
        TypeError, match=r"'connected' is called without arguments, which .*<lambda>\(worker\) does not fit"
    ):
        worker.on("connected", lambda worker: None)  # type: ignore[call-overload]
    worker.on("connected", lambda: None)


def _wrapped(worker: object) -> None:
    """Is called by another function."""


@wraps(_wrapped)
def _wrapper(*arguments: object, shift: int = 1) -> None:
    """Takes anything, whatever the function it wraps takes."""


@pytest.mark.parametrize(
    "callback",
    [
        lambda worker: None,
        lambda worker, other=3: None,
        lambda *all_of_them: None,
        Desk().work,
        _wrapper,
        print,
        partial(_wrapped),
    ],
)
def test_callbacks_that_take_the_argument(worker: Worker, callback: Any) -> None:
    """Defaults, any number, methods, wrappers, and what has no code to look at."""
    worker.on("ready", callback)
    assert len(worker.listeners()) == 1


@pytest.mark.skipif(sys.version_info < (3, 12), reason="functions can be marked since Python 3.12")
def test_functions_marked_as_coroutine_functions(worker: Worker) -> None:
    """A plain function that is marked as one, since it returns a coroutine, is refused like one."""
    mark = inspect.markcoroutinefunction  # type: ignore[attr-defined,unused-ignore]
    with pytest.raises(TypeError, match="run_coroutine_threadsafe"):
        worker.on("ready", mark(lambda each: None))


def test_generator_functions(worker: Worker) -> None:
    """A call of a generator function runs nothing; it is refused, but what contextmanager makes of one is not."""

    def steps(*args: object) -> Iterator[None]:
        yield

    async def later(*args: object) -> AsyncIterator[None]:
        yield

    class Steps:
        def __init__(self, *args: object) -> None: ...

        def __call__(self, *args: object) -> Iterator[None]:
            yield

    registrations: list[Callable[[Any], object]] = [
        lambda function: worker.on("ready", function),
        worker.serve,
        worker.around,
    ]
    for register in registrations:
        for function in (steps, later, partial(steps), Steps()):
            with pytest.raises(TypeError, match="is a generator function, which nothing would iterate over"):
                register(function)
    worker.around(contextmanager(steps))
    # A call of a class makes an object, whatever its instances can do.
    worker.on("ready", Steps)
    assert worker.listeners() == {"ready": (Steps,)}


@pytest.mark.parametrize("bad", [0, 1, "yes", None])
def test_existing_is_a_boolean(worker: Worker, bad: Any) -> None:
    """As everywhere, nothing is taken for true or false that is not."""
    for use in (worker.on, worker.once):
        with pytest.raises(TypeError, match="existing must be True or False, not"):
            use("reservation_created", print, existing=bad)


def test_removing_an_object_that_is_not_a_callback(worker: Worker) -> None:
    """The result of a callback, say, is not what was registered; the mistake is not passed over in silence."""
    worker.on("ready", print)
    with pytest.raises(TypeError, match="callback must be a function, not int"):
        worker.off("ready", 0)  # type: ignore[arg-type]
    assert worker.listeners() == {"ready": (print,)}


def test_executors(worker: Worker) -> None:
    """An executor is anything with submit(); what has none is refused, also for a decorator."""
    with ThreadPoolExecutor(1) as executor:
        worker.on("ready", print, executor=executor)
        assert listeners_of(worker, "ready")[0].executor is executor
    for bad in (1, "pool"):
        with pytest.raises(TypeError, match="executor must be a concurrent.futures.Executor"):
            worker.on("ready", executor=bad)  # type: ignore[call-overload]


def test_the_same_callback_twice(worker: Worker) -> None:
    """Registered twice it is called once, in its old place, as registered last."""
    worker.on("ready", print)
    worker.on("ready", repr)
    worker.once("ready", print)
    assert heard(worker, "ready") == [print, repr]
    assert [listener.once for listener in listeners_of(worker, "ready")] == [True, False]


CELL = """
@worker.on("ready")
def serve(worker):
    return {number}

class Handlers:
    @staticmethod
    @worker.on("connected")
    def connected():
        return {number}
"""


def test_a_cell_that_is_run_twice(worker: Worker) -> None:
    """A function of the same module and qualified name takes the place of the earlier one; others stay."""
    worker.on("ready", print)
    for module in ("__main__", "other", "__main__"):
        for number in (1, 2):
            exec(CELL.format(number=number), {"worker": worker, "__name__": module})
    assert [callback(None) for callback in heard(worker, "ready")] == [None, 2, 2]
    assert [callback() for callback in heard(worker, "connected")] == [2, 2]


def test_a_definition_that_is_run_twice(worker: Worker) -> None:
    """So does a function inside a function, and a method of the same object."""
    calls: list[int] = []

    class Handlers:
        def ready(self, each: Worker) -> None: ...

    handlers = Handlers()
    defined: list[Callable[[Worker], None]] = []
    for _ in range(2):

        @worker.on("ready")
        def serve(each: Worker) -> None:
            calls.append(1)

        defined.append(serve)
        worker.on("ready", handlers.ready)
    assert heard(worker, "ready") == [defined[-1], handlers.ready]


def test_functions_that_hold_different_values_are_different(worker: Worker) -> None:
    """What one def or lambda makes in a factory or a loop is registered each time, and so are objects' methods."""

    def make(name: str) -> Any:
        def greet(each: Worker) -> str:
            return name

        return greet

    class Handlers:
        def ready(self, each: Worker) -> str:
            return "desk"

    for name in ("a", "b"):
        worker.on("ready", make(name))
        worker.on("ready", lambda each, name=name: name + name)  # type: ignore[call-overload]
        worker.on("ready", Handlers().ready)
    assert [callback(worker) for callback in heard(worker, "ready")] == ["a", "aa", "desk", "b", "bb", "desk"]


def test_a_factory_that_is_run_again(worker: Worker) -> None:
    """All functions of the old definition give way to those of the new one."""
    source = "def make(name):\n    def greet(worker):\n        return name\n    return greet\n"
    for names_ in ("ab", "cd"):
        scope: dict[str, Any] = {"__name__": "module"}
        exec(source, scope)
        for name in names_:
            worker.on("ready", scope["make"](name))
    assert [callback(worker) for callback in heard(worker, "ready")] == ["c", "d"]


def test_listeners(worker: Worker) -> None:
    """What is registered is shown by event, without the library's own."""
    assert worker.listeners() == {}
    worker.on("ready", print)
    worker.once("reservationCreated", repr)
    worker.on("reservation_created", print, existing=True)
    stream = worker.stream("reservation_created")
    assert worker.listeners() == {"ready": (print,), "reservation_created": (repr, print)}
    stream.close()  # type: ignore[attr-defined]
    worker.off()
    assert worker.listeners() == {}


def test_existing_is_for_reservations(worker: Worker) -> None:
    """No other event can be had for what is there already."""
    for listen in (worker.on, worker.once):
        with pytest.raises(ValueError, match="existing=True is for 'reservation_created' of a Worker, not for 'ready'"):
            listen("ready", print, existing=True)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("module", "name", "remote", "by_name"),
    [
        ("concurrent.futures.thread", "ThreadPoolExecutor", False, False),
        ("concurrent.futures.process", "ProcessPoolExecutor", True, True),
        ("concurrent.futures.interpreter", "InterpreterPoolExecutor", True, True),
        ("loky.reusable_executor", "_ReusablePoolExecutor", True, False),
        ("distributed.cfexecutor", "ClientExecutor", True, False),
        ("my.own", "Threads", False, False),
    ],
)
def test_executors_of_other_processes(worker: Worker, module: str, name: str, remote: bool, by_name: bool) -> None:
    """Which executors send their work away; those that send functions by name only refuse what has none."""
    executor = type(name, (Executor,), {"__module__": module})()
    assert is_remote(executor) is remote
    with pytest.raises(TypeError, match="is a lambda") if by_name else nullcontext():
        worker.on("ready", lambda worker: None, executor=executor)


def test_off(worker: Worker) -> None:
    """One callback of one event, all of an event, one callback everywhere, or everything."""
    for event in ("ready", "connected", "error"):
        for callback in (print, repr):
            worker.on(event, callback)  # type: ignore[call-overload]
    worker.off("ready", print)
    assert (heard(worker, "ready"), heard(worker, "error")) == ([repr], [print, repr])
    worker.off("error")
    assert heard(worker, "error") == []
    worker.off(callback=repr)
    assert (heard(worker, "ready"), heard(worker, "connected")) == ([], [print])
    worker.off()
    assert heard(worker, "connected") == []


def test_off_asks_the_callbacks_without_holding_a_lock(worker: Worker) -> None:
    """Comparing two callbacks may be the user's code, which may listen to something itself."""

    class Sociable:
        def __call__(self, worker: Worker) -> None: ...

        def __eq__(self, other: object) -> bool:
            worker.on("error", repr)
            return self is other

        __hash__ = object.__hash__

    first, second = Sociable(), Sociable()
    worker.on("ready", first)
    thread = threading.Thread(target=worker.off, args=("ready", second), daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert [listener.callback for listener in listeners_of(worker, "ready")] == [first]


def test_removing_an_unknown_listener(worker: Worker) -> None:
    """That does nothing."""
    worker.off()
    worker.off("ready")
    worker.off("ready", print)
    worker.on("ready", repr)
    worker.off("ready", print)
    worker.off("connected", repr)
    assert heard(worker, "ready") == [repr]


def test_bound_methods_are_taken_off(worker: Worker) -> None:
    """Each access makes another object of a bound method; equal ones count as the same callback."""

    class Handlers:
        def ready(self, each: Worker) -> None: ...

    handlers = Handlers()
    worker.on("ready", handlers.ready)
    worker.off("ready", handlers.ready)
    assert heard(worker, "ready") == []


def test_aliases_are_the_same_event(worker: Worker) -> None:
    """Listened to by one name, an event can be taken off by the other."""
    worker.on("reservationCreated", print)
    assert heard(worker, "reservation_created") == [print]
    worker.off("reservation_created", print)
    assert heard(worker, "reservation_created") == []


def test_registering_on_many_threads(worker: Worker) -> None:
    """No listener is lost, however many threads register and take off at the same time."""

    def work(number: int) -> None:
        for _ in range(100):
            keep, drop = (lambda each: None), (lambda each: None)
            worker.on("ready", keep)
            worker.on("ready", drop)
            worker.off("ready", drop)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(heard(worker, "ready")) == 400


def test_names() -> None:
    """Names are told from their aliases by their spelling."""
    assert snake_case("reservationCreated") == "reservation_created"
    assert snake_case("ready") == "ready"
    assert names() == frozenset()


def test_disconnect_reason() -> None:
    """A reason reads as its message, and knows the close code where there was one."""
    assert str(DisconnectReason("bye", 1000)) == "bye"
    assert DisconnectReason("bye").code is None
    assert DisconnectReason("bye", 1000) == DisconnectReason("bye", 1000)


def test_an_emitter_of_nobody() -> None:
    """The base class itself belongs to no connection."""

    class Bare(Emitter):
        _events = frozenset({"x"})

    with pytest.raises(NotImplementedError):
        Bare().wait_for("x", 0)
