"""Callbacks in other processes: what is sent there, and what comes back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from typing import Any

from .._executors import NotRun, is_remote, unpicklable, uses_pickle
from .._log import name_of
from ..errors import TaskRouterError
from ..reservation import Reservation
from .schema import Resource

__all__ = ["failure", "portable", "result", "submit"]

_numbers = itertools.count()


def portable(value: Any) -> Any:
    """Return what a callback in another process gets in the place of an argument.

    Args:
        value: The argument.

    Returns:
        For a reservation its handle, for another object of TaskRouter its ``to_dict()``, for all else the value.
    """
    if isinstance(value, Reservation):
        return value.handle()
    return value.to_dict() if isinstance(value, Resource) else value


def submit(
    executor: Executor, event: str, callback: Callable[..., Any], args: tuple[Any, ...], here: Callable[[], Any]
) -> Future[Any]:
    """Hand a callback to an executor; does not wait for it.

    Args:
        executor: The executor.
        event: Name of the event.
        callback: The callback; in another process it is called with what stands for the arguments there.
        args: Its arguments in this process.
        here: What an executor calls that uses threads of this process.

    Returns:
        The executor's Future.

    Raises:
        NotRun: The executor did not accept it: it was shut down, is broken, or cannot send the callback.
    """
    try:
        if not is_remote(executor):
            return executor.submit(here)
        reason = unpicklable(callback) if uses_pickle(executor) else None
        if reason is not None:
            # A process pool reports this in the Future, where it looks like an exception of the callback.
            raise TypeError(f"it cannot be pickled: {reason}")
        return executor.submit(_run, next(_numbers), callback, *map(portable, args))
    except BaseException as error:
        raise _not_run(executor, event, callback, error) from error


def result(future: Future[Any], executor: Executor, event: str, callback: Callable[..., Any]) -> Any:
    """Return the value of a callback that has ended.

    Args:
        future: The executor's Future, done.
        executor: The executor.
        event: Name of the event.
        callback: The callback.

    Returns:
        The callback's value.

    Raises:
        NotRun: The executor broke, or canceled the callback.
        BaseException: Any exception of the callback.
    """
    try:
        # It is done; with a limit of 0 this can never block a thread of the executor.
        return future.result(0)
    except (BrokenExecutor, CancelledError) as error:
        raise _not_run(executor, event, callback, error) from error


def failure(event: str, error: BaseException) -> TaskRouterError:
    """Return the argument of ``error`` for a callback that failed.

    Args:
        event: Name of the event.
        error: Exception of the callback, or NotRun.

    Returns:
        The error, whose cause is that exception, or the executor's.
    """
    if isinstance(error, NotRun):
        failed = TaskRouterError(str(error))
        failed.__cause__ = error.__cause__
    else:
        failed = TaskRouterError(f"A callback of {event!r} raised {type(error).__name__}")
        failed.__cause__ = error
    return failed


def _run(number: int, callback: Callable[..., Any], *args: Any) -> Any:
    """Run a callback in the other process.

    The number makes each call a different one: Dask takes equal calls for the same task, and would run it once.
    """
    return callback(*args)


def _not_run(executor: Executor, event: str, callback: Callable[..., Any], error: BaseException) -> NotRun:
    reason = f"{type(error).__name__}: {error}".removesuffix(": ")
    return NotRun(f"{type(executor).__name__} did not run the callback {name_of(callback)} of {event!r}: {reason}")
