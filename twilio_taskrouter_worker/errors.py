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
    │   ├── RequestRejectedError        TaskRouter said no: change the request
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
    ├── GaveUpError                     stopped while work was under way: see to what it names
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
    """Seconds the service asked to wait before the next try; None where it did not say."""

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
    """The same error with one more sentence."""
    return _rebuild(type(error), f"{error.message} {why}", error.status, error.code, error.more_info, error.retry_after)


class TokenError(TaskRouterError):
    """The token is malformed, forged, for another workspace or worker, or its role forbids the connection."""

    name = "INVALID_TOKEN"


class TokenExpiredError(TokenError):
    """The token's time is over."""

    name = "TOKEN_EXPIRED"


class GatewayError(TaskRouterError):
    """Trouble with the websocket, not with one request."""


class GatewayConnectionError(GatewayError):
    """A connection to the event bridge could not be made."""

    name = "GATEWAY_CONNECTION_FAILED"


class ConnectTimeoutError(GatewayConnectionError, TimeoutError):
    """``connect()`` did not become ready within its timeout; the message says how far it came."""


class GatewayDisconnectedError(GatewayError):
    """The connection to the event bridge was lost."""

    name = "GATEWAY_DISCONNECTED"


class InvalidMessageError(TaskRouterError):
    """A frame, or a record in an answer, that does not have the documented shape."""

    name = "INVALID_GATEWAY_MESSAGE"


class InitializationError(TaskRouterError):
    """The connection stands, but the worker or its lists could not be read; ``__cause__`` says why."""


class RequestError(TaskRouterError):
    """One call to TaskRouter failed."""

    name = "UNKNOWN_ERROR"


class RequestRejectedError(RequestError):
    """TaskRouter refused the request (status 300 to 499)."""

    name = "REQUEST_INVALID"


class AuthorizationError(RequestRejectedError):
    """Status 401 or 403: the token is expired or invalid, or its role does not allow the call."""


class NotFoundError(RequestRejectedError):
    """Status 404: there is no such resource, or it is gone."""


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
    """The status says success, but the body is not what TaskRouter documents."""


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
    """``run_forever()`` was told to stop, and callbacks or handlers had not ended when the grace was over."""

    name = "WORK_GIVEN_UP"


class AlreadyConnectedError(StateError):
    """Another process of this machine has connected the worker; only where ``single`` does not wait."""


class StoreError(TaskRouterError):
    """The file that a local TaskRouter is kept in cannot be opened, read or written."""

    name = "STORE_ERROR"


class SeedError(TaskRouterError, ValueError):
    """A seed file is not what it should be; the message names the place, the value and what would be right."""

    name = "SEED_INVALID"


def rejected(
    status: int, message: str, *, code: int | None, more_info: str | None, retry_after: float | None
) -> RequestError:
    """The error for an answer whose status is not 2xx, with the sentence the JS SDK would show."""
    kind: type[RequestError]
    if status >= 500:
        kind, lead = ServerError, f"Server responded with status code {status}."
    else:
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
    """The error for an answer with a record that does not have the documented shape."""
    invalid = InvalidAnswerError(f"TaskRouter's answer is unusable. {error.message}", status=200)
    invalid.__cause__ = error.with_traceback(None)
    return invalid
