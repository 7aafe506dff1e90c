"""Listening: names, aliases, registering and taking off."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from twilio_taskrouter_worker import Channel, DisconnectReason, OutgoingTransfer, Reservation, Task, Worker
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
    return [listener.callback for listener in worker._listening(event)]


@pytest.mark.parametrize("kind", EVENTS)
def test_the_events_of_each_class(kind: type[Emitter]) -> None:
    """Every class has exactly its events, each also by the camelCase name of the JS SDK."""
    assert kind._events == EVENTS[kind]
    for event in EVENTS[kind]:
        first, *rest = event.split("_")
        assert kind._event(first + "".join(part.capitalize() for part in rest)) == event


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("reservation_create", "did you mean 'reservation_created'?"),
        ("activityupdated", "did you mean 'activity_updated'?"),
        ("zzz", "it has activity_updated, attributes_updated, connected"),
        ("", "it has activity_updated"),
    ],
)
def test_unknown_names(worker: Worker, name: str, hint: str) -> None:
    """A name that is none is refused with the nearest one, or with all; wherever it is given."""
    for use in (worker.on, worker.once, worker.off, worker.wait_for, worker.stream):
        with pytest.raises(ValueError) as refused:
            use(name)  # type: ignore[operator]
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
    assert heard(worker, "ready") == [first, second, second]
    assert [listener.once for listener in worker._listening("ready")] == [False, False, True]


@pytest.mark.parametrize("callback", [1, "print", [print]])
def test_callbacks_can_be_called(worker: Worker, callback: Any) -> None:
    """What cannot be called is refused at once."""
    with pytest.raises(TypeError, match="The callback of 'ready' should be callable, not"):
        worker.on("ready", callback)
    with pytest.raises(TypeError, match="The callback of 'ready' should be callable, not"):
        worker.on("ready")(callback)


def test_coroutine_functions(worker: Worker) -> None:
    """A coroutine function would never be awaited; it is refused with what to do."""

    async def callback(each: Worker) -> None: ...

    with pytest.raises(TypeError, match="run_coroutine_threadsafe"):
        worker.on("ready", callback)


def test_executors(worker: Worker) -> None:
    """An executor is anything with submit(); what has none is refused, also for a decorator."""
    with ThreadPoolExecutor(1) as executor:
        worker.on("ready", print, executor=executor)
        assert worker._listening("ready")[0].executor is executor
    for bad in (1, "pool"):
        with pytest.raises(TypeError, match="executor should be a concurrent.futures.Executor"):
            worker.on("ready", executor=bad)  # type: ignore[call-overload]


def test_the_same_callback_twice(worker: Worker) -> None:
    """Registered twice it is called twice, and taken off together."""
    worker.on("ready", print)
    worker.on("ready", print)
    assert heard(worker, "ready") == [print, print]
    worker.off("ready", print)
    assert heard(worker, "ready") == []


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
    thread.join(5)
    assert not thread.is_alive()
    assert [listener.callback for listener in worker._listening("ready")] == [first]


def test_taking_off_what_is_not_there(worker: Worker) -> None:
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

    class Desk:
        def ready(self, each: Worker) -> None: ...

    desk = Desk()
    worker.on("ready", desk.ready)
    worker.off("ready", desk.ready)
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
        thread.join(10)
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
