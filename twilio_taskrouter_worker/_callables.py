"""Functions that users give: whether a call runs them, and whether one is another definition of an earlier one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

__all__ = ["check_callback", "is_same_function", "lazy_kind"]

_LAZY = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
"""Flags of the code of functions whose call only creates an object."""


def lazy_kind(function: Callable[..., Any]) -> str:
    """Find out whether a call only creates an object, and runs nothing of the function.

    Args:
        function: The function, method, class or object with ``__call__``.

    Returns:
        ``coroutine`` or ``generator``; empty for all others.
    """
    # Without inspect for plain functions and methods, as programs register several for each reservation. Those marked
    # by inspect.markcoroutinefunction() have an attribute.
    if isinstance(function, (FunctionType, MethodType)) and not getattr(function, "__dict__", True):
        code = getattr(function, "__code__", None)
        if code is not None and not code.co_flags & _LAZY:
            return ""
    # An object is called by the method of its class, whereas a call of a class makes an object.
    called = (function,) if isinstance(function, type) else (function, type(function).__call__)
    if any(map(inspect.iscoroutinefunction, called)):
        return "coroutine"
    if any(inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in called):
        return "generator"
    return ""


def check_callback(what: str, callback: object, argument: str | None = None) -> None:
    """Check that an object can be called with an event.

    Args:
        what: Subject of the error text, e.g. ``The callback of 'ready'``.
        callback: The object.
        argument: What it is called with, e.g. ``worker: Worker``; empty for nothing, None to leave that unchecked.

    Raises:
        TypeError: It is not callable; calling it would run nothing, as it is a coroutine function or a generator
            function; or it is a function that does not take the argument.
    """
    if not callable(callback):
        raise TypeError(f"{what} must be callable, not {type(callback).__name__}")
    kind = lazy_kind(callback)
    if kind == "coroutine":
        raise TypeError(
            f"{what} is a coroutine function, which nothing would await; "
            "pass a plain function, e.g. one that calls asyncio.run_coroutine_threadsafe()"
        )
    if kind:
        raise TypeError(
            f"{what} is a {kind} function, which nothing would iterate over; pass a plain function, "
            "or for around() decorate it with @contextmanager"
        )
    if argument is not None and not _takes(callback, 1 if argument else 0):
        called = f"called with one argument, {argument.partition(':')[0]}" if argument else "called without arguments"
        shown = f"{getattr(callback, '__qualname__', '')}{inspect.signature(callback)}"
        raise TypeError(f"{what} is {called}, which {shown} does not fit")


def _takes(function: Any, count: int) -> bool:
    """Whether a function takes a number of positional arguments; True for what is not a plain function or method."""
    # By its code, not by its signature: that takes microseconds, and would be the one of the function it wraps.
    plain = function.__func__ if isinstance(function, MethodType) else function
    if not isinstance(plain, FunctionType):
        return True
    code, given = plain.__code__, count + isinstance(function, MethodType)
    by_keyword = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return (
        given >= code.co_argcount - len(plain.__defaults__ or ())
        and (given <= code.co_argcount or bool(code.co_flags & inspect.CO_VARARGS))
        and all(name in (plain.__kwdefaults__ or {}) for name in by_keyword)
    )


def is_same_function(new: Callable[..., object] | None, old: Callable[..., object] | None) -> bool:
    """Whether ``new`` is ``old`` again: the same object, or another definition with the same module and qualified name.

    Two functions made by one ``def``, in a loop or a factory, differ if they hold different values.

    Args:
        new: The function to register.
        old: The registered function.

    Returns:
        Whether ``new`` should replace ``old``.
    """
    if new is None or old is None or new is old:
        return new is not None and new is old
    if isinstance(new, MethodType) and isinstance(old, MethodType):
        return new.__self__ is old.__self__ and is_same_function(new.__func__, old.__func__)
    if not isinstance(new, FunctionType) or not isinstance(old, FunctionType):
        return False
    if (new.__module__, new.__qualname__) != (old.__module__, old.__qualname__) or new.__name__ == "<lambda>":
        return False
    # A definition that is run again makes a new code object. With the same one these are two closures of one ``def``,
    # which are different functions if they hold different values.
    return new.__code__ is not old.__code__ or _values_of(new) == _values_of(old)


def _values_of(function: FunctionType) -> list[int]:
    """The identity of all that a function holds."""
    by_keyword = function.__kwdefaults__ or {}
    values = (*(function.__closure__ or ()), *(function.__defaults__ or ()), *by_keyword.values())
    return [id(value) for value in values]
