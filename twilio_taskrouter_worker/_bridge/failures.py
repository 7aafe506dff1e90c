"""The public errors of a connection, made from its failures. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._nearest import choice
from ..errors import (
    AuthorizationError,
    ConnectTimeoutError,
    InitializationError,
    RequestRejectedError,
    TaskRouterError,
    TokenError,
    TokenExpiredError,
)
from .session import Session
from .states import State

__all__ = [
    "activity_failure",
    "activity_sid",
    "connect_timeout",
    "is_final",
    "load_failure",
    "renewal_failure",
    "with_age",
]


def connect_timeout(session: Session, timeout: float, url: str) -> ConnectTimeoutError:
    """Create the error of a connect() that ran out of time, with the state it reached and advice.

    Args:
        session: The session.
        timeout: Seconds that connect() waited.
        url: Address of the websocket.

    Returns:
        The error, with the last failure as its cause.
    """
    state = session.state
    if state is State.CONNECTING and session.last_error is not None:
        # The attempt before this one has failed: what is known is its failure, not the silence of a moment.
        state = State.BACKING_OFF
    remedy = {
        State.CONNECTING: "the host does not answer; check eb_server, ws_server, region and the network",
        State.BACKING_OFF: "is the service running, and are eb_server, ws_server and region right?",
        State.GREETING: "the connection was accepted, but no init message came; is this an event bridge?",
        State.LOADING: "the worker and its lists could not be read in time; is eb_server right?",
        State.PAUSED: "a new token is needed; call update_token() or check the token_provider",
    }.get(state, "the connection was given up")
    cause = f" Last failure: {session.last_error.message}" if session.last_error else ""
    error = ConnectTimeoutError(
        f"The worker was not ready within {timeout:g} s; it was {session.state.value}, attempt {session.attempts}, "
        f"at {url}: {remedy}{'' if remedy.endswith('?') else '.'}{cause}"
    )
    error.__cause__ = session.last_error
    return error


def with_age(error: TaskRouterError, expires_at: float | None, now: float) -> TaskRouterError:
    """Add the token's age to an error if an expired token was refused.

    Args:
        error: The error.
        expires_at: Expiry time of the token in monotonic seconds; None if it is not known.
        now: The current time.

    Returns:
        A TokenExpiredError, or the unchanged error.
    """
    if not isinstance(error, TokenError) or expires_at is None or expires_at > now:
        return error
    age = f"The token expired {_ago(now - expires_at)} ago"
    if not isinstance(error, TokenExpiredError):
        # If the service reports the expiry itself, its error names the remedy already.
        age += "; get a new one and pass it to update_token(), or give a token_provider"
    expired = TokenExpiredError(f"{age}. {error.message}", status=error.status, code=error.code)
    expired.__cause__ = error
    return expired


def load_failure(worker_sid: str, error: TaskRouterError) -> TaskRouterError:
    """Create the error for a worker or lists that could not be read.

    Args:
        worker_sid: Sid of the worker.
        error: The failure.

    Returns:
        A TokenError if the token was refused, else an InitializationError.
    """
    failure: TaskRouterError
    if isinstance(error, AuthorizationError):
        failure = TokenError(f"TaskRouter refused the token: {error.message}", status=error.status, code=error.code)
    else:
        failure = InitializationError(
            f"Failed to initialize Worker {worker_sid}. {error.message}",
            status=error.status,
            code=error.code,
            retry_after=error.retry_after,
        )
    failure.__cause__ = error
    return failure


def activity_sid(wanted: str, activities: Iterable[Any]) -> str:
    """Find the activity to connect with, by sid or name, among the payloads of all.

    Args:
        wanted: Sid or name.
        activities: The payloads of all activities.

    Returns:
        Its sid.

    Raises:
        InitializationError: No activity has this name or sid; the message lists the existing names.
    """
    for payload in activities:
        if isinstance(payload, dict) and wanted in (payload.get("sid"), payload.get("friendly_name")):
            return str(payload["sid"])
    raise InitializationError(
        f"connect_activity: there is no activity {wanted!r}; {choice(wanted, _names(activities))}"
    )


def activity_failure(error: TaskRouterError, activities: Iterable[Any], *, insists: bool) -> TaskRouterError:
    """Create the error for an activity to connect with that could not be set.

    Args:
        error: The failure.
        activities: The payloads of all activities.
        insists: Whether it was chosen by ``connect_activity``, not by ``connect_activity_sid``.

    Returns:
        A TokenError if the token was refused, else an InitializationError.
    """
    if isinstance(error, InitializationError):
        return error
    if isinstance(error, AuthorizationError):
        # Without the sid, which the error of a refused token does not name.
        return load_failure("", error)
    failure = InitializationError(
        f"connect_activity: {error.message}; {choice(None, _names(activities))}"
        if insists
        else f"The worker could not be moved to connect_activity_sid. {error.message}",
        status=error.status,
        code=error.code,
    )
    failure.__cause__ = error
    return failure


def is_final(error: TaskRouterError) -> bool:
    """Whether a retry is useless, since the request itself is wrong, not the moment or the token.

    Args:
        error: The failure.

    Returns:
        Whether to give up.
    """
    return isinstance(error, InitializationError) or (
        # 401, 403 and 429 depend on the token or the moment.
        isinstance(error, RequestRejectedError) and error.status not in (401, 403, 429)
    )


def _names(activities: Iterable[Any]) -> list[str]:
    names = (payload.get("friendly_name") for payload in activities if isinstance(payload, dict))
    return [name for name in names if isinstance(name, str)]


def renewal_failure(error: BaseException) -> TokenError:
    """Create the error for a token provider that raised, or did not return a valid token.

    Args:
        error: The exception.

    Returns:
        The error, with the exception as its cause.
    """
    failure = TokenError(f"The token_provider raised {type(error).__name__}; it will be called again")
    failure.__cause__ = error
    return failure


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
