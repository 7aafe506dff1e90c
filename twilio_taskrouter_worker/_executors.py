"""Executors that run callbacks: on threads of this process, or in other processes, where only pickled values arrive."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from types import FunctionType
from typing import Any

from ._log import name_of

__all__ = ["PICKLING", "NotRun", "check_executor", "check_portable", "is_remote", "unpicklable", "uses_pickle"]


class NotRun(Exception):
    """An executor did not run a callback to its end; the cause is the executor's exception."""


PICKLING = frozenset({"dask", "distributed", "ipyparallel", "joblib", "loky", "mpi4py", "parsl", "ray"})
"""Packages whose executors send their work to other processes."""


def check_executor(executor: object) -> None:
    """Check that an object is an executor.

    Args:
        executor: The object; None is valid.

    Raises:
        TypeError: It is not an executor.
    """
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise TypeError(f"executor must be a concurrent.futures.Executor, not {type(executor).__name__}")


def is_remote(executor: Executor) -> bool:
    """Whether an executor sends its work to other processes or interpreters."""
    return any(
        # By ``Interpreter`` InterpreterPoolExecutor is found, which came with Python 3.14.
        re.search("Process|Interpreter", kind.__name__) or kind.__module__.partition(".")[0] in PICKLING
        # By the names of its classes: to compare the classes themselves, those packages would have to be imported.
        for kind in type(executor).__mro__
    )


def check_portable(what: str, callback: Callable[..., object], executor: Executor | None) -> None:
    """Check that a callback can be sent to the executor's processes, as far as can be known before it is sent.

    Args:
        what: Subject of the error text, e.g. ``The callback of 'ready'``.
        callback: The callback.
        executor: The executor; None is valid.

    Raises:
        TypeError: The callback cannot be pickled.
    """
    if executor is None or not uses_pickle(executor):
        return
    reason = _obstacle(callback)
    if reason is not None:
        raise TypeError(
            f"{what}, {name_of(callback)}, cannot be sent to the processes of {type(executor).__name__}: {reason}"
        )


def uses_pickle(executor: Executor) -> bool:
    """Whether an executor sends functions with ``pickle``, i.e. by name only.

    That is how those of the standard library do it; the packages of PICKLING can send any function.
    """
    return any(
        kind.__module__.startswith("concurrent.futures.") and kind is not Executor and is_remote(executor)
        for kind in type(executor).__mro__
    )


def _obstacle(callback: Any) -> str | None:
    """Return why a callback cannot be pickled; None if nothing is known to prevent it."""
    if isinstance(callback, partial):
        return _obstacle(callback.func) or unpicklable((callback.args, callback.keywords))
    if isinstance(callback, FunctionType):
        # Not by pickling it: a function that is being decorated is not in its module yet.
        if "<" in callback.__qualname__:
            return "it is defined inside a function or is a lambda; define it at the top level of a module"
        return None
    return unpicklable(callback)


def unpicklable(value: object) -> str | None:
    """Return why a value cannot be pickled; None if it can."""
    # Here, as few programs have an executor in another process.
    import pickle

    try:
        pickle.dumps(value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
