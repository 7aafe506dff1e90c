"""Authentication of REST: HTTP Basic, as the account or as its API key."""

from __future__ import annotations

import base64
import binascii
import hmac

from ..http import refusals
from ..service import Service


def check(service: Service, authorization: str | None) -> None:
    """Check that an Authorization header has the credentials of the account or of its API key.

    Args:
        service: The service.
        authorization: The header; None: it is missing.

    Raises:
        Rejected: It does not (401).
    """
    kind, _, value = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        raise refusals.bad_credentials()
    try:
        # At the first colon only: a password may contain others, a user may not (RFC 7617).
        user, divided, password = base64.b64decode(value.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        raise refusals.bad_credentials() from None
    key = service.signing_key
    # Twilio takes both pairs: the account with its auth token, and an API key with its secret.
    known = {key.account_sid.encode(): service.auth_token.encode(), key.sid.encode(): key.secret.encode()}
    expected = known.get(user)
    # Compared also for an unknown user, so that the time taken does not reveal which user exists.
    same = hmac.compare_digest(expected if expected is not None else b"\0", password)
    if not (divided and expected is not None and same):
        raise refusals.bad_credentials()
