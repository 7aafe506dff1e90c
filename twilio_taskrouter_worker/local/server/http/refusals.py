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
"""Code of answers for what Twilio has and the local TaskRouter has not; Twilio itself never uses it."""


def body(refusal: Rejected) -> dict[str, Any]:
    """Return the JSON object that tells a client about a refusal."""
    return {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": _MORE_INFO.format(code=refusal.code),
        "status": refusal.status,
    }


def invalid(message: str) -> Rejected:
    """The request has a value that cannot be."""
    return Rejected(400, 20001, message)


def bad_credentials() -> Rejected:
    """No Basic credentials, or wrong ones."""
    return Rejected(401, 20003, "Authenticate")


def no_token() -> Rejected:
    """A bridge request without any access token."""
    return Rejected(401, 20101, "The access token is missing")


def token_expired() -> Rejected:
    """The access token was good once."""
    return Rejected(401, 20104, "The access token has expired")


def too_many_sessions(limit: int) -> Rejected:
    """The worker has as many websockets as it may."""
    return Rejected(429, 20429, f"The worker has {limit} websockets already; at most {limit} may be open")


def bad_token(reason: str) -> Rejected:
    """The access token is not one."""
    return Rejected(403, 20101, f"The access token is invalid: {reason}")


def bad_signature() -> Rejected:
    """The access token was signed with another key."""
    return Rejected(403, 20107, "The access token's signature does not belong to the signing key of this account")


def bad_grant(reason: str) -> Rejected:
    """The access token is good, but it grants nothing here."""
    return Rejected(403, 20106, f"The access token's TaskRouter grant is invalid: {reason}")


def foreign_host(host: str) -> Rejected:
    """The request is for a host that this service does not have; maybe the name of a web page that resolves to it."""
    return Rejected(
        403,
        20403,
        f"The host {host[:100]!r} is not a name of this local TaskRouter. If it should be one, add it:"
        " LocalTaskRouter(allowed_hosts=[...]) or taskrouter local --allowed-host NAME",
    )


def foreign_origin(origin: str) -> Rejected:
    """The request comes from a web page of another origin."""
    return Rejected(
        403,
        20403,
        f"Pages of {origin[:100]!r} may not use this local TaskRouter. If they should, add their host:"
        " LocalTaskRouter(allowed_hosts=[...]) or taskrouter local --allowed-host NAME",
    )


def foreign_page() -> Rejected:
    """The request comes from a web page of another site, which the browser does not name."""
    return Rejected(403, 20403, "Pages of other sites may not use this local TaskRouter (Sec-Fetch-Site: cross-site)")


def own_webhook() -> Rejected:
    """The request is a webhook: its events would cause events without end."""
    return Rejected(508, 20508, "A TaskRouter does not take webhooks: a callback URL leads to this service itself")


def forbidden(reason: str, rules: ServiceRules) -> Rejected:
    """The token's role or workspace does not allow this."""
    return Rejected(403, rules.forbidden_code, reason)


def not_found(path: str) -> Rejected:
    """Nothing is at this path."""
    shown = re.sub(r"^/v1(?=/)", "", path)
    return Rejected(404, 20404, f"The requested resource {shown[:500]} was not found")


class MethodRefused(Rejected):
    """The path exists, the method on it does not; ``allowed`` has those that do."""

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        super().__init__(405, 20004, f"Method {method[:20]} is not allowed for {path[:500]}")
        self.allowed = tuple(allowed)


def old_token() -> Rejected:
    """A capability token, which was signed with the auth token."""
    return Rejected(
        403,
        20101,
        "The access token is invalid: it is a capability token of TaskRouter.js v1, which is not served here;"
        " use twilio-taskrouter 2.x with an access token",
    )


def old_sdk() -> Rejected:
    """A request of TaskRouter.js v1."""
    return Rejected(
        404,
        20404,
        "TaskRouter.js v1 (capability tokens, /v1/wschannels/{AccountSid}/{WorkerSid}) is not served here;"
        " use twilio-taskrouter 2.x with an access token",
    )


def too_large(limit: int) -> Rejected:
    """The request's body is longer than anybody needs."""
    return Rejected(413, 20001, f"The request body is longer than {limit} bytes")


def encoded(encoding: str) -> Rejected:
    """The request's body is compressed, which could make anything of a few bytes."""
    return Rejected(415, 20001, f"The request body must not be encoded; its Content-Encoding is {encoding[:60]!r}")


def too_slow() -> Rejected:
    """The request's body did not arrive in time."""
    return Rejected(408, 20001, "The request body did not arrive in time")


def not_here(operation: str) -> Rejected:
    """Twilio does this, the local TaskRouter does not."""
    return Rejected(
        501,
        NOT_HERE_CODE,
        f"{operation} is part of Twilio's API, but the local TaskRouter does not have it;"
        ' its documentation lists what it has, under "Coverage of the local TaskRouter"',
    )


def trouble() -> Rejected:
    """Something broke here; the log has the rest."""
    return Rejected(500, 20500, "The local TaskRouter failed on this request; its log says why")


def not_kept(failure: StoreError) -> Rejected:
    """The file of the service cannot be written any more; whether the request was done is not known."""
    return Rejected(503, 20503, f"The local TaskRouter cannot keep what it is asked to do: {failure}")
