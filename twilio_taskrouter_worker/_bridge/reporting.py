"""Log lines about a Worker: the steps of its connection, its reservations, and failures. Pure except for the log.

Steps are INFO, unusual conditions are WARNING, conditions that need an intervention are ERROR. Failures go through
``summed_up``: if a thousand workers lose the same network, a few lines report it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from .._executors import NotRun
from .._log import CALLBACKS, CONNECTION, EVENTS, TOKENS, about, name_of, own_frames, summed_up, where, write
from ..errors import (
    GatewayConnectionError,
    GatewayDisconnectedError,
    InitializationError,
    TaskRouterError,
    TokenError,
)
from ..events import Emitter, Listener
from ..reservation import Reservation
from ..task import Task
from ..transfer import OutgoingTransfer
from .mirror import Mirror

__all__ = [
    "activity_changed",
    "callback_failed",
    "connecting",
    "ended",
    "failed",
    "offered",
    "ready",
    "sids_of",
    "step",
    "subject",
    "token_step",
]


def step(worker_sid: str, event: str, text: str, *args: object) -> None:
    """Log a step in the life of a connection.

    Args:
        worker_sid: Sid of the worker; empty before the first connection.
        event: Name of the event.
        text: Format of the line.
        *args: Arguments of the format.
    """
    write(
        CONNECTION,
        logging.INFO,
        "Worker %s: " + text,
        worker_sid or "(unknown yet)",
        *args,
        extra=about(worker=worker_sid, event=event),
    )


def connecting(worker_sid: str, url: str) -> None:
    """Log that a websocket is being opened.

    Args:
        worker_sid: Sid of the worker; empty before the first connection.
        url: Address of the websocket.
    """
    step(worker_sid, "connecting", "connecting to %s", url)


def provider_failed(worker_sid: str, error: BaseException, traceback: str) -> None:
    """Log that the token provider raised.

    Args:
        worker_sid: Sid of the worker; empty before the first connection.
        error: Its exception.
        traceback: Its traceback as text, without secrets.
    """
    name = worker_sid or "(unknown yet)"
    text = f"Worker {name}: the token_provider raised {type(error).__name__}"
    summed_up(TOKENS, logging.ERROR, text, about(worker=worker_sid, event="error"), below=traceback)


def ready(state: Mirror) -> None:
    """Log that the worker's lists are applied.

    Args:
        state: The worker's state.
    """
    activity = None if state.worker_activity_sid is None else state.activities.get(state.worker_activity_sid)
    step(
        state.worker_sid, "ready", "ready, with activity %r and %d open reservations",
        activity and activity.name, len(state.reservations),
    )  # fmt: skip


def token_step(worker_sid: str, event: str, seconds: float, *, renews: bool, has_listener: bool) -> None:
    """Log that the token was renewed, will expire or has expired.

    Args:
        worker_sid: Sid of the worker.
        event: Name of the event.
        seconds: Seconds until the expiry.
        renews: Whether there is a token provider.
        has_listener: Whether the event has a listener.
    """
    extra = about(worker=worker_sid, event=event)
    if event == "token_updated":
        write(TOKENS, logging.INFO, "Worker %s: the token was renewed", worker_sid, extra=extra)
    elif event == "token_will_expire":
        if renews or has_listener:
            write(TOKENS, logging.INFO, "Worker %s: the token expires in %.0f s", worker_sid, seconds, extra=extra)
        else:
            text = (
                f"Worker {worker_sid}: the token expires in {seconds:.0f} s, and nothing renews it; give a "
                "token_provider, or call update_token() on token_will_expire"
            )
            summed_up(TOKENS, logging.WARNING, text, extra)
    elif renews:
        summed_up(
            TOKENS, logging.WARNING, f"Worker {worker_sid}: the token expires now, and has not been renewed yet", extra
        )
    else:
        text = (
            f"Worker {worker_sid}: the token expires now. Calls will be refused, and a lost connection cannot be made "
            "again; give a token_provider, or call update_token()"
        )
        summed_up(TOKENS, logging.ERROR, text, extra)


def offered(worker_sid: str, reservation: Reservation) -> None:
    """Log that a reservation was announced.

    Args:
        worker_sid: Sid of the worker.
        reservation: The reservation.
    """
    if EVENTS.isEnabledFor(logging.INFO):
        extra = about(
            worker=worker_sid, task=reservation.task.sid, reservation=reservation.sid, event="reservation_created"
        )
        write(
            EVENTS, logging.INFO, "Worker %s: reservation %s of task %s was offered",
            worker_sid, reservation.sid, reservation.task.sid, extra=extra,
        )  # fmt: skip


def ended(worker_sid: str, reservation: Reservation, status: str) -> None:
    """Log that a reservation ended; a timeout is a WARNING, since the worker loses its activity.

    Args:
        worker_sid: Sid of the worker.
        reservation: The reservation.
        status: The status with which it ended.
    """
    level = logging.WARNING if status == "timeout" else logging.INFO
    if not EVENTS.isEnabledFor(level):
        return
    extra = about(worker=worker_sid, task=reservation.task.sid, reservation=reservation.sid, event=status)
    if status == "timeout":
        text = (
            f"Worker {worker_sid}: reservation {reservation.sid} of task {reservation.task.sid} timed out; the service "
            "moves the worker to the workspace's timeout activity, usually Offline, in which it receives no offers"
        )
        summed_up(EVENTS, level, text, extra)
        return
    write(
        EVENTS, logging.INFO, "Worker %s: reservation %s of task %s ended: %s",
        worker_sid, reservation.sid, reservation.task.sid, status, extra=extra,
    )  # fmt: skip


def activity_changed(worker_sid: str, name: str, available: bool) -> None:
    """Log the worker's new activity.

    Args:
        worker_sid: Sid of the worker.
        name: Name of the activity.
        available: Whether it is an available one.
    """
    write(
        EVENTS, logging.INFO, "Worker %s: the activity is %r now (%s)",
        worker_sid, name, "available" if available else "not available",
        extra=about(worker=worker_sid, event="activity_updated"),
    )  # fmt: skip


def failed(worker_sid: str, error: TaskRouterError) -> None:
    """Log an ``error`` event without listeners.

    Args:
        worker_sid: Sid of the worker; empty before the first connection.
        error: The error.
    """
    # The client recovers from these by itself, by retrying.
    passing = isinstance(error, GatewayConnectionError) or (
        isinstance(error, InitializationError) and (error.status is None or error.status == 429 or error.status >= 500)
    )
    level = logging.WARNING if passing else logging.ERROR
    logger = EVENTS
    if isinstance(error, TokenError):
        logger = TOKENS
    elif isinstance(error, (GatewayConnectionError, GatewayDisconnectedError, InitializationError)):
        logger = CONNECTION
    text = f"Worker {worker_sid or '(unknown yet)'}: {type(error).__name__}: {error}"
    summed_up(logger, level, text, about(worker=worker_sid, event="error"))


def callback_failed(
    worker_sid: str, emitter: Emitter, event: str, args: tuple[Any, ...], listener: Listener, error: BaseException
) -> None:
    """Log an exception of a user's function, with the traceback from the user's code on.

    Args:
        worker_sid: Sid of the worker.
        emitter: The object that fired the event.
        event: Name of the event.
        args: Arguments of the function.
        listener: The listener.
        error: The exception.
    """
    text = f"The callback {name_of(listener.callback)} of {event!r} raised {type(error).__name__}"
    extra = subject(worker_sid, emitter, event, args)
    if isinstance(error, NotRun):
        summed_up(CALLBACKS, logging.ERROR, str(error), extra)
    elif isinstance(error, TaskRouterError):
        # A call that failed: its message is complete, and its causes are frames of HTTP libraries.
        summed_up(CALLBACKS, logging.ERROR, f"{text} at {where(error) or 'an unknown place'}: {error}", extra)
    else:
        summed_up(CALLBACKS, logging.ERROR, text, extra, exc_info=own_frames(error))


def subject(worker_sid: str, emitter: object, event: str, args: tuple[Any, ...]) -> Mapping[str, str | None]:
    """Create the ``extra`` of a line about an event.

    Args:
        worker_sid: Sid of the worker.
        emitter: The object that fired the event.
        event: Name of the event.
        args: Its arguments.

    Returns:
        The attributes of the record.
    """
    task, reservation = sids_of(emitter, args)
    return about(worker=worker_sid, task=task, reservation=reservation, event=event)


_RESERVATION_SID = Reservation._schema.index["sid"]
_TASK_SID = Task._schema.index["sid"]


def sids_of(emitter: object, args: tuple[Any, ...]) -> tuple[str | None, str | None]:
    """Return the sids of the task and of the reservation that an event concerns.

    Args:
        emitter: The object that fired the event.
        args: Its arguments.

    Returns:
        The task's and the reservation's sid; each None if there is none.
    """
    # For each event, so without descriptors and isinstance.
    what: Any = args[0] if args else emitter
    kind = type(what)
    if kind is Reservation:
        return what._task._record[_TASK_SID], what._record[_RESERVATION_SID]
    if kind is Task:
        return what._record[_TASK_SID], what._reservation_sid
    if kind is OutgoingTransfer:
        return what.task_sid, what.reservation_sid
    return None, None
