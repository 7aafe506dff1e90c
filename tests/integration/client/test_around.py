"""around(): a context manager around each callback and handler, on its thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.tools.wait import eventually
from twilio_taskrouter_worker import Reservation, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

SOON = 30.0


class Notes:
    """What happened, in order, with the thread it happened on."""

    def __init__(self) -> None:
        self.all: list[tuple[str, int]] = []

    def add(self, text: str) -> None:
        self.all.append((text, threading.get_ident()))

    @property
    def texts(self) -> list[str]:
        return [text for text, _ in self.all]

    def context(self, name: str) -> Any:
        """A context manager that notes when it is entered and left."""

        @contextmanager
        def noting(event: str, args: tuple[Any, ...]) -> Iterator[None]:
            self.add(f"{name}: {event} {type(args[0]).__name__}")
            try:
                yield
            finally:
                self.add(f"{name} left")

        return noting


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A local TaskRouter with a worker."""
    with LocalTaskRouter() as router:
        router.add_worker("Alice", activity="Available")
        yield router


def test_contexts_nest_around_a_handler_and_a_callback(router: LocalTaskRouter) -> None:
    """The first one is the outermost, both are left before the next step, and all is on the callback's thread."""
    notes = Notes()
    worker = Worker(router.token("Alice"), **router.connection)
    worker.around(notes.context("outer"))
    worker.around(notes.context("inner"))

    @worker.serve
    def serve(reservation: Reservation) -> str:
        reservation.on("completed", lambda _: notes.add("completed"))
        notes.add("served")
        return "done"

    with worker:
        router.create_task({})
        eventually(lambda: notes.texts.count("outer left") == 2, SOON, lambda: str(notes.texts))
    served = [
        "outer: reservation_created Reservation",
        "inner: reservation_created Reservation",
        "served",
        "inner left",
        "outer left",
    ]
    completed = [
        "outer: completed Reservation",
        "inner: completed Reservation",
        "completed",
        "inner left",
        "outer left",
    ]
    assert notes.texts == served + completed
    threads = [thread for _, thread in notes.all]
    assert len(set(threads[:5])) == len(set(threads[5:])) == 1 and threads[0] != threads[5]


def test_it_holds_on_an_executor(router: LocalTaskRouter) -> None:
    """The context is entered on the executor's thread, where the callback runs."""
    notes = Notes()
    worker = Worker(router.token("Alice"), **router.connection)
    worker.around(notes.context("context"))
    with ThreadPoolExecutor(1, thread_name_prefix="tool-pool") as pool:
        worker.on("reservation_created", lambda _: notes.add("called"), executor=pool)
        with worker:
            router.create_task({})
            eventually(lambda: len(notes.all) == 3, SOON)
        assert pool.submit(threading.get_ident).result() in {thread for _, thread in notes.all}
    assert len({thread for _, thread in notes.all}) == 1


def test_the_same_function_is_registered_once(router: LocalTaskRouter) -> None:
    """A cell that is run again, or a function given twice, does not double it."""
    notes = Notes()
    worker = Worker(router.token("Alice"), **router.connection)

    def define() -> None:
        @worker.around
        @contextmanager
        def noting(event: str, args: tuple[Any, ...]) -> Iterator[None]:
            notes.add(event)
            yield

    define()
    define()
    worker.on("ready", lambda _: notes.add("called"))
    with worker:
        eventually(lambda: "called" in notes.texts, SOON)
    assert notes.texts.count("ready") == 1


def test_an_exception_passes_through_and_cannot_be_suppressed(router: LocalTaskRouter) -> None:
    """A handler that failed gives its task back, whatever the context does with the exception."""
    worker = Worker(router.token("Alice"), **router.connection)
    worker.around(lambda event, args: suppress(ZeroDivisionError))
    errors: list[BaseException | None] = []
    worker.on("error", lambda error: errors.append(error.__cause__))

    @worker.serve(on_error="leave")
    def serve(reservation: Reservation) -> str:
        raise ZeroDivisionError("wrong")

    with worker:
        task = router.create_task({})
        eventually(lambda: errors, SOON)
    assert [str(error) for error in errors] == ["wrong"]
    assert router.task(task).assignment_status == "assigned"


def test_an_exception_of_the_context_is_the_callbacks(router: LocalTaskRouter) -> None:
    """Where a context cannot be entered, the handler is not run, and the error is reported as its own."""
    worker = Worker(router.token("Alice"), **router.connection)
    ran: list[object] = []
    errors: list[BaseException | None] = []

    @worker.around
    @contextmanager
    def broken(event: str, args: tuple[Any, ...]) -> Iterator[None]:
        if event == "reservation_created":
            raise OSError("no database")
        yield

    worker.on("error", lambda error: errors.append(error.__cause__))
    worker.serve(ran.append, on_error="leave")
    with worker:
        router.create_task({})
        eventually(lambda: errors, SOON)
    assert (ran, [str(error) for error in errors]) == ([], ["no database"])


def test_an_invalid_context(router: LocalTaskRouter) -> None:
    """The error comes at the call."""
    worker = Worker(router.token("Alice"), **router.connection)
    with pytest.raises(TypeError, match=r"The argument of around\(\) must be callable, not nullcontext"):
        from contextlib import nullcontext

        worker.around(nullcontext())  # type: ignore[type-var]
