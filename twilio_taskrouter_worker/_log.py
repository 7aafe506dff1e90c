"""The library's loggers, one per topic, and what all its log lines have in common.

The library sets no level unless asked to (``log_level=``) and installs no handler: both are the application's. Where
nothing is configured, Python itself prints warnings and errors to stderr, so that a script's failures are seen.

Every record carries ``worker_sid``, ``task_sid``, ``reservation_sid`` and ``event``, each None where it does not apply,
so that a formatter may name them without a filter. No record carries a token, a secret or attributes.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "CALLBACKS",
    "CALLS",
    "CONNECTION",
    "EVENTS",
    "LOCAL",
    "LOCAL_EVENTS",
    "LOCAL_REQUESTS",
    "LOCAL_SESSIONS",
    "LOCAL_WEBHOOKS",
    "NAMES",
    "THREADS",
    "TOKENS",
    "Repeats",
    "about",
    "name_of",
    "own_frames",
    "summed_up",
    "where",
    "write",
]

_ROOT = "twilio_taskrouter_worker"


class _Logger(logging.Logger):
    """A logger whose handlers, which are the application's code, may raise: the line is lost, but our thread
    continues."""

    def callHandlers(self, record: logging.LogRecord) -> None:
        try:
            super().callHandlers(record)
        except Exception:
            # As logging treats what a handler of its own raises.
            if logging.raiseExceptions:
                traceback.print_exc()


def _logger(topic: str) -> logging.Logger:
    logger = logging.getLogger(f"{_ROOT}.{topic}")
    if type(logger) is logging.Logger:
        # Also where the application has made it already, with logging.config before the import.
        logger.__class__ = _Logger
    return logger


CONNECTION = _logger("connection")
"""The life of a connection: connecting, ready, disconnected, reconnecting."""

TOKENS = _logger("tokens")
"""Tokens: renewed, about to end, ended, refused; failures of a token_provider."""

EVENTS = _logger("events")
"""Messages: offered, ended, activity changed; records that cannot be used; events that were ignored."""

CALLBACKS = _logger("callbacks")
"""The user's functions: those that raised, and those that are too slow."""

CALLS = _logger("calls")
"""Requests: retries, and failures whose Future was never checked."""

THREADS = _logger("threads")
"""The shared threads: jobs and timers that failed, threads that cannot be started."""

LOCAL = _logger("local")
"""The local TaskRouter. What it does is in the four below, at INFO."""

LOCAL_REQUESTS = _logger("local.requests")
LOCAL_SESSIONS = _logger("local.sessions")
LOCAL_EVENTS = _logger("local.events")
LOCAL_WEBHOOKS = _logger("local.webhooks")

NAMES = tuple(logger.name for logger in (CALLBACKS, CALLS, CONNECTION, EVENTS, THREADS, TOKENS))
"""All loggers of the clients; the local service's is ``twilio_taskrouter_worker.local``."""

_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
# ``Future.result`` raises the exception of another thread: its frames tell nothing about the user's code.
_FUTURES = os.path.join("concurrent", "futures") + os.sep


def about(
    *, worker: str | None = None, task: str | None = None, reservation: str | None = None, event: str | None = None
) -> Mapping[str, str | None]:
    """Create the ``extra`` of a log record.

    Args:
        worker: Sid of the worker; None and empty mean none.
        task: Sid of the task; None for none.
        reservation: Sid of the reservation; None for none.
        event: Name of the event; None for none.

    Returns:
        The attributes of the record.
    """
    return {"worker_sid": worker or None, "task_sid": task, "reservation_sid": reservation, "event": event}


def name_of(function: Callable[..., object]) -> str:
    """Return the name of a user's function in log lines: module and qualified name.

    Args:
        function: The function or callable object.

    Returns:
        The name, without any argument that a partial or callable object holds.
    """
    name = getattr(function, "__qualname__", None)
    if name is None:
        # functools.partial and other callable objects: their repr may hold arguments, which are customers' data.
        wrapped = getattr(function, "func", None)
        return name_of(wrapped) if callable(wrapped) else type(function).__qualname__
    return f"{getattr(function, '__module__', None) or '?'}.{name}"


def own_frames(error: BaseException) -> tuple[type[BaseException], BaseException, types.TracebackType | None]:
    """Create the ``exc_info`` of a user's exception, without the frames of this library that led to it.

    Args:
        error: The exception.

    Returns:
        Type, exception and traceback.
    """
    trace = error.__traceback__
    # Only at the beginning: frames of ours further in belong to calls that the user's code made.
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    return type(error), error, trace


def where(error: BaseException) -> str:
    """Return the file and line at which the user's own code raised, or made the call that raised.

    Args:
        error: The exception.

    Returns:
        File and line; empty if the traceback has no frame of the user's.
    """
    found, trace = "", error.__traceback__
    while trace is not None:
        if not _is_ours(trace):
            # The last one wins: the user's line that is nearest to the error.
            found = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def _is_ours(trace: types.TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return file.startswith(_FOLDER) or _FUTURES in file


class Repeats:
    """Sums up the same line from many workers, so that a lost network is some lines and not thousands.

    Two texts are the same line if they differ by sids alone. The first is written at once; of those that follow within
    *period* seconds of the last one written, every 10th, then every 100th, and so on.
    """

    def __init__(self, period: float = 10.0, clock: Callable[[], float] = time.monotonic, size: int = 256) -> None:
        self._period = period
        self._clock = clock
        self._size = size
        self.reset()

    def reset(self) -> None:
        """Forget all lines."""
        self._lock = threading.Lock()
        # By line: when one was written last, how many were held back since, and at how many the next one is written.
        self._lines: dict[str, tuple[float, int, int]] = {}

    def count(self, text: str) -> int:
        """Count an occurrence of a line.

        Args:
            text: The line.

        Returns:
            The number of occurrences that the line stands for if it is written now; 0 if it must not be written.
        """
        key, now = _SID.sub("*", text), self._clock()
        with self._lock:
            # Taken out and put back, so that the line that has been quiet for longest is the first, and dropped first.
            written_at, held, limit = self._lines.pop(key, (now, 0, 1))
            held += 1
            if now - written_at >= self._period:
                limit = 1
            due = held >= limit
            self._lines[key] = (now, 0, 10 * limit) if due else (written_at, held, limit)
            if len(self._lines) > self._size:
                del self._lines[next(iter(self._lines))]
            return held if due else 0


# Loose, since sids are opaque: a word that only looks like one makes two lines count as the same, no more.
_SID = re.compile(r"\b[A-Z]{2}[0-9A-Za-z]{4,}\b")
_REPEATS = Repeats()

if hasattr(os, "register_at_fork"):
    # A child must not inherit its lock held by a thread that it does not have.
    os.register_at_fork(after_in_child=_REPEATS.reset)


def write(
    logger: logging.Logger,
    level: int,
    text: str,
    *args: object,
    extra: Mapping[str, str | None],
    exc_info: Any = None,
) -> None:
    """Log a line. Handlers are the application's code: an exception of one must not end a thread of the library.

    Args:
        logger: The logger.
        level: The level.
        text: The format.
        *args: Arguments of the format.
        extra: Attributes of the record.
        exc_info: A traceback, as for ``Logger.log``.
    """
    try:
        # Guarded here too: a filter may raise, and the application may have made the logger with a class of its own.
        logger.log(level, text, *args, extra=extra, exc_info=exc_info)
    except Exception:
        # As logging itself does with what its own handlers raise.
        if logging.raiseExceptions:
            traceback.print_exc()


def summed_up(
    logger: logging.Logger,
    level: int,
    text: str,
    extra: Mapping[str, str | None],
    *,
    exc_info: Any = None,
    below: str = "",
) -> None:
    """Log a failure that many workers of the process may report at the same moment; see Repeats.

    Args:
        logger: The logger.
        level: The level.
        text: The line.
        extra: Attributes of the record.
        exc_info: A traceback, as for ``Logger.log``.
        below: Further lines, which do not count for the comparison.
    """
    # Lines that are switched off do not count: the first one that is seen must be written at once.
    if not logger.isEnabledFor(level):
        return
    count = _REPEATS.count(f"{logger.name} {text}")
    if count:
        more = f" ({count} of these, from all workers of this process)" if count > 1 else ""
        below = below and f"\n{below}"
        write(logger, level, "%s%s%s", text, more, below, extra=extra, exc_info=exc_info)
