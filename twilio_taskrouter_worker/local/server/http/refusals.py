"""Refusals that the server makes itself, before or instead of the engine, and the body that carries any refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ....errors import StoreError
from ...engine import Rejected
from ..rules import ServiceRules

_MORE_INFO = "https://www.twilio.com/docs/errors/{code}"
NOT_HERE_CODE = 20501
"""The code for operations of Twilio that the local TaskRouter does not have; Twilio itself never uses it."""


def body(refusal: Rejected) -> dict[str, Any]:
    """Return a refusal as the JSON object of an answer.

    Args:
        refusal: The refusal.
    """
    return {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": _MORE_INFO.format(code=refusal.code),
        "status": refusal.status,
    }


def invalid(message: str) -> Rejected:
    """Return a refusal: a value of the request is invalid (400).

    Args:
        message: The value, and a valid one.
    """
    return Rejected(400, 20001, message)


def bad_credentials() -> Rejected:
    """Return a refusal: Basic credentials are missing or wrong (401)."""
    return Rejected(401, 20003, "Authenticate")


def no_token() -> Rejected:
    """Return a refusal: a bridge request without an access token (401)."""
    return Rejected(401, 20101, "The access token is missing")


def token_expired() -> Rejected:
    """Return a refusal: the access token has expired (401)."""
    return Rejected(401, 20104, "The access token has expired")


def too_many_sessions(limit: int) -> Rejected:
    """Return a refusal: the worker's number of websockets is at its limit (429).

    Args:
        limit: The limit.
    """
    return Rejected(429, 20429, f"The worker has {limit} websockets already; at most {limit} may be open")


def bad_token(reason: str) -> Rejected:
    """Return a refusal: the access token is invalid (403).

    Args:
        reason: The reason, after "The access token is invalid:".
    """
    return Rejected(403, 20101, f"The access token is invalid: {reason}")


def bad_signature() -> Rejected:
    """Return a refusal: the access token was signed with another key (403)."""
    return Rejected(403, 20107, "The access token's signature does not belong to the signing key of this account")


def bad_grant(reason: str) -> Rejected:
    """Return a refusal: the access token is valid, but its TaskRouter grant is not (403).

    Args:
        reason: The reason.
    """
    return Rejected(403, 20106, f"The access token's TaskRouter grant is invalid: {reason}")


def foreign_host(host: str) -> Rejected:
    """Return a refusal: the host is not one of this service; possibly a web page whose name resolves to it (403).

    Args:
        host: The Host header.
    """
    return Rejected(
        403,
        20403,
        f"The host {host[:100]!r} is not a name of this local TaskRouter. If it should be one, add it:"
        " LocalTaskRouter(allowed_hosts=[...]) or taskrouter local --allowed-host NAME",
    )


def foreign_origin(origin: str) -> Rejected:
    """Return a refusal: the request comes from a web page of another origin (403).

    Args:
        origin: The Origin header.
    """
    return Rejected(
        403,
        20403,
        f"Pages of {origin[:100]!r} may not use this local TaskRouter. If they should, add their host:"
        " LocalTaskRouter(allowed_hosts=[...]) or taskrouter local --allowed-host NAME",
    )


def foreign_page() -> Rejected:
    """Return a refusal: the request comes from a web page of another site, which the browser does not name (403)."""
    return Rejected(403, 20403, "Pages of other sites may not use this local TaskRouter (Sec-Fetch-Site: cross-site)")


def own_webhook() -> Rejected:
    """Return a refusal: the request is a webhook, and its events would cause further webhooks without end (508)."""
    return Rejected(508, 20508, "A TaskRouter does not take webhooks: a callback URL leads to this service itself")


def forbidden(reason: str, rules: ServiceRules) -> Rejected:
    """Return a refusal: the token's role or workspace does not allow the request (403).

    Args:
        reason: The reason.
        rules: Have the code of the answer.
    """
    return Rejected(403, rules.forbidden_code, reason)


def not_found(path: str) -> Rejected:
    """Return a refusal: nothing is at this path (404).

    Args:
        path: The path.
    """
    # Without the version, as Twilio's own messages are assumed to be.
    shown = re.sub(r"^/v1(?=/)", "", path)
    return Rejected(404, 20404, f"The requested resource {shown[:500]} was not found")


class MethodRefused(Rejected):
    """A refusal: the path exists, but not with this method (405); ``allowed`` has the methods it has."""

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        super().__init__(405, 20004, f"Method {method[:20]} is not allowed for {path[:500]}")
        self.allowed: tuple[str, ...] = tuple(allowed)


def old_token() -> Rejected:
    """Return a refusal: a capability token, which was signed with the auth token (403)."""
    return Rejected(
        403,
        20101,
        "The access token is invalid: it is a capability token of TaskRouter.js v1, which is not served here;"
        " use twilio-taskrouter 2.x with an access token",
    )


def old_sdk() -> Rejected:
    """Return a refusal: a request of TaskRouter.js v1 (404)."""
    return Rejected(
        404,
        20404,
        "TaskRouter.js v1 (capability tokens, /v1/wschannels/{AccountSid}/{WorkerSid}) is not served here;"
        " use twilio-taskrouter 2.x with an access token",
    )


def too_large(limit: int) -> Rejected:
    """Return a refusal: the request's body is too long (413).

    Args:
        limit: The limit in bytes.
    """
    return Rejected(413, 20001, f"The request body is longer than {limit} bytes")


def encoded(encoding: str) -> Rejected:
    """Return a refusal: the request's body is compressed, so its size cannot be limited (415).

    Args:
        encoding: The Content-Encoding header.
    """
    return Rejected(415, 20001, f"The request body must not be encoded; its Content-Encoding is {encoding[:60]!r}")


def too_slow() -> Rejected:
    """Return a refusal: the request's body did not arrive in time (408)."""
    return Rejected(408, 20001, "The request body did not arrive in time")


def not_implemented(operation: str) -> Rejected:
    """Return a refusal: an operation of Twilio that the local TaskRouter does not have (501).

    Args:
        operation: Its name in Twilio's API description.
    """
    return Rejected(
        501,
        NOT_HERE_CODE,
        f"{operation} is part of Twilio's API, but the local TaskRouter does not have it;"
        ' its documentation lists what it has, under "Coverage of the local TaskRouter"',
    )


def internal_error() -> Rejected:
    """Return a refusal: an internal error, which is in the log (500)."""
    return Rejected(500, 20500, "The local TaskRouter failed on this request; its log has the error")


def not_stored(failure: StoreError) -> Rejected:
    """Return a refusal: the file can no longer be written; the request may or may not have been kept (503).

    Args:
        failure: The error.
    """
    return Rejected(503, 20503, f"The local TaskRouter cannot write its file: {failure}")
