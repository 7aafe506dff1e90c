"""Every exception this package raises.

The tree is split by what the caller can do about it::

    TaskRouterError
    ├── TokenError                      get another token
    │   └── TokenExpiredError
    ├── GatewayError                    the websocket: wait, or look at the network
    │   ├── GatewayConnectionError
    │   │   └── ConnectTimeoutError     (also a TimeoutError)
    │   └── GatewayDisconnectedError
    ├── InvalidMessageError             TaskRouter sent something unusable; nothing to do but report it
    ├── InitializationError             connected, but the worker's state could not be read
    ├── RequestError                    one call failed
    │   ├── RequestRejectedError        TaskRouter refused it: change the request
    │   │   ├── AuthorizationError      401, 403: other credentials or another role
    │   │   ├── NotFoundError           404
    │   │   ├── VersionConflictError    412: fetch the latest version, decide again
    │   │   └── RateLimitedError        429: slow down
    │   ├── ServerError                 5xx: try later
    │   ├── RequestTimeoutError         no complete answer in time (also a TimeoutError)
    │   ├── NetworkError                no answer at all
    │   └── InvalidAnswerError          an answer that is not TaskRouter's
    ├── StateError                      the object cannot do that now
    │   ├── NotReadyError               not connected yet
    │   ├── ClosedError                 disconnected for good
    │   ├── DispatchThreadError         would wait for itself
    │   ├── ForkedProcessError          made in another process
    │   └── AlreadyConnectedError       another process of this machine is connected (``single``)
    ├── GaveUpError                     stopped while work was under way; the message names it
    ├── StoreError                      the file of a local TaskRouter: the message says what would help
    └── SeedError                       the seed file of a local TaskRouter: correct it (also a ValueError)

Wrong arguments raise :class:`TypeError` or :class:`ValueError` at the call, before any request.
Exceptions of ``requests``, ``websocket`` and ``jwt`` never leave the package; they are kept as ``__cause__``.
"""

from __future__ import annotations

__all__ = [
    "AlreadyConnectedError",
    "AuthorizationError",
    "ClosedError",
    "ConnectTimeoutError",
    "DispatchThreadError",
    "ForkedProcessError",
    "GaveUpError",
    "GatewayConnectionError",
    "GatewayDisconnectedError",
    "GatewayError",
    "InitializationError",
    "InvalidAnswerError",
    "InvalidMessageError",
    "NetworkError",
    "NotFoundError",
    "NotReadyError",
    "RateLimitedError",
    "RequestError",
    "RequestRejectedError",
    "RequestTimeoutError",
    "SeedError",
    "ServerError",
    "StateError",
    "StoreError",
    "TaskRouterError",
    "TokenError",
    "TokenExpiredError",
    "VersionConflictError",
]


class TaskRouterError(Exception):
    """Root of the tree; catch it to catch everything of this package."""

    name: str = "TASKROUTER_ERROR"
    """The name under which the official JS SDK reports the same condition."""

    status: int | None
    """HTTP status of the answer; None where there was no answer."""

    code: int | None
    """Twilio's error code (https://www.twilio.com/docs/api/errors); None where the answer had none."""

    message: str
    """The whole sentence, as :class:`str` shows it."""

    more_info: str | None
    """Address of Twilio's page about the code; None where the answer had none."""

    retry_after: float | None
    """Seconds to wait before the next attempt, as the service asked; None if it did not."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        more_info: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.more_info = more_info
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all data: handlers may run in another process."""
        return (_rebuild, (type(self), self.message, self.status, self.code, self.more_info, self.retry_after))


# Pickle passes positional arguments only.
def _rebuild(
    kind: type[TaskRouterError],
    message: str,
    status: int | None,
    code: int | None,
    more_info: str | None,
    retry_after: float | None,
) -> TaskRouterError:
    return kind(message, status=status, code=code, more_info=more_info, retry_after=retry_after)


def explained(error: TaskRouterError, why: str) -> TaskRouterError:
    """Return a copy of an error with one more sentence.

    Args:
        error: The error.
        why: The sentence.

    Returns:
        An error of the same class, status and code.
    """
    # TaskRouter's own texts often end without a full stop.
    stop = "" if error.message.endswith((".", "?", "!")) else "."
    return _rebuild(
        type(error), f"{error.message}{stop} {why}", error.status, error.code, error.more_info, error.retry_after
    )


class TokenError(TaskRouterError):
    """The token is malformed, forged, for another workspace or worker, or its role forbids the connection."""

    name = "INVALID_TOKEN"


class TokenExpiredError(TokenError):
    """The token has expired."""

    name = "TOKEN_EXPIRED"


class GatewayError(TaskRouterError):
    """The websocket failed, not a single request."""


class GatewayConnectionError(GatewayError):
    """A connection to the event bridge could not be made."""

    name = "GATEWAY_CONNECTION_FAILED"


class ConnectTimeoutError(GatewayConnectionError, TimeoutError):
    """``connect()`` did not become ready within its timeout; the message names the state it reached."""


class GatewayDisconnectedError(GatewayError):
    """The connection to the event bridge was lost."""

    name = "GATEWAY_DISCONNECTED"


class InvalidMessageError(TaskRouterError):
    """A frame, or a record in an answer, does not have the documented form."""

    name = "INVALID_GATEWAY_MESSAGE"


class InitializationError(TaskRouterError):
    """The connection is open, but the worker or its lists could not be read; ``__cause__`` has the reason."""


class RequestError(TaskRouterError):
    """One call to TaskRouter failed."""

    name = "UNKNOWN_ERROR"


class RequestRejectedError(RequestError):
    """TaskRouter refused the request (status 300 to 499)."""

    name = "REQUEST_INVALID"


class AuthorizationError(RequestRejectedError):
    """Status 401 or 403: the token is expired or invalid, or its role does not allow the call."""


class NotFoundError(RequestRejectedError):
    """Status 404: the resource does not exist, or no longer exists."""


class VersionConflictError(RequestRejectedError):
    """Status 412: the object changed since it was read (only with ``enable_version_check``)."""


class RateLimitedError(RequestRejectedError):
    """Status 429, after the retries that the time allowed; see ``retry_after``."""


class ServerError(RequestError):
    """Status 500 or above."""

    name = "SERVER_ERROR"


class RequestTimeoutError(RequestError, TimeoutError):
    """No complete answer within ``request_timeout``; TaskRouter may or may not have acted."""

    name = "REQUEST_TIMEOUT_ERROR"


class NetworkError(RequestError):
    """No answer: refused, reset, unresolved, a TLS or proxy failure."""

    name = "NETWORK_ERROR"


class InvalidAnswerError(RequestError):
    """The status is a success, but the body does not have the documented form."""


class StateError(TaskRouterError):
    """The object cannot do this in its present state."""

    name = "INVALID_STATE"


class NotReadyError(StateError):
    """The worker has not been connected yet."""


class ClosedError(StateError):
    """The worker was disconnected."""


class DispatchThreadError(StateError):
    """The call would wait for a callback, on the thread that runs the callbacks."""


class ForkedProcessError(StateError):
    """The object belongs to a parent process; its threads and sockets do not exist here."""


class GaveUpError(TaskRouterError):
    """``run_forever()`` received a signal, and callbacks or handlers had not finished within the grace period."""

    name = "WORK_GIVEN_UP"


class AlreadyConnectedError(StateError):
    """Another process of this machine has connected the worker; only where ``single`` does not wait."""


class StoreError(TaskRouterError):
    """The database file of a local TaskRouter cannot be opened, read or written."""

    name = "STORE_ERROR"


class SeedError(TaskRouterError, ValueError):
    """A seed file is invalid; the message names the place, the value and the valid values."""

    name = "SEED_INVALID"


def rejected(
    status: int, message: str, *, code: int | None, more_info: str | None, retry_after: float | None
) -> RequestError:
    """Create the error for an answer whose status is not 2xx, with the sentence of the JS SDK.

    Args:
        status: HTTP status.
        message: The service's message; may be empty.
        code: Twilio's error code; None if the answer has none.
        more_info: Address of Twilio's page about the code; None if the answer has none.
        retry_after: Seconds to wait before the next attempt; None if the answer does not ask for it.

    Returns:
        An error of the class for this status.
    """
    kind: type[RequestError]
    if status >= 500:
        kind, lead = ServerError, f"Server responded with status code {status}."
    else:
        # 3xx as well: redirects are not followed.
        kind = {
            401: AuthorizationError,
            403: AuthorizationError,
            404: NotFoundError,
            412: VersionConflictError,
            429: RateLimitedError,
        }.get(status, RequestRejectedError)
        lead = f"Request failed with status code {status}."
    return kind(f"{lead} {message}".rstrip(), status=status, code=code, more_info=more_info, retry_after=retry_after)


def unusable_answer(error: InvalidMessageError) -> InvalidAnswerError:
    """Create the error for a successful answer whose record does not have the documented form.

    Args:
        error: The error of the record; it becomes the cause, without its traceback.

    Returns:
        The error of the call.
    """
    invalid = InvalidAnswerError(f"TaskRouter's answer is unusable. {error.message}", status=200)
    invalid.__cause__ = error.with_traceback(None)
    return invalid
