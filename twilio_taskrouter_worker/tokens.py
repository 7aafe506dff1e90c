"""Access tokens: creating them, for backends and tests, and reading their claims."""

from __future__ import annotations

import re
import time
from base64 import urlsafe_b64decode
from typing import Any

from . import _checks
from ._json import loads
from .errors import TokenError, TokenExpiredError

__all__ = ["create_worker_token", "decode_unverified"]

_SID = re.compile("[A-Z]{2}[0-9a-f]{32}", re.ASCII)

ROLES = ("worker", "supervisor", "admin")
MAX_TTL = 86400
"""Seconds; no token of Twilio's is valid for longer."""

CLOCK_SKEW = 60.0
"""Seconds by which the clocks of the token's maker and of this machine may differ without any harm."""


def create_worker_token(
    account_sid: str,
    signing_key_sid: str,
    signing_key_secret: str,
    workspace_sid: str,
    worker_sid: str,
    *,
    role: str = "worker",
    ttl: int = 3600,
    identity: str | None = None,
) -> str:
    """Make an access token for a Worker, Supervisor or Workspace: the JWT that Twilio's helper libraries make.

    Call it on a backend, never where users could read the secret.

    Args:
        account_sid: Sid of the account (AC...).
        signing_key_sid: Sid of the signing key (SK...); it is readable in the token.
        signing_key_secret: The key's secret, which signs the token.
        workspace_sid: Sid of the workspace (WS...).
        worker_sid: Sid of the worker (WK...); it may be empty for the role ``admin``.
        role: ``worker``, ``supervisor`` or ``admin``.
        ttl: Seconds until the token expires, at most a day.
        identity: A name for Twilio's logs; None takes the worker sid.

    Returns:
        The token.

    Raises:
        TypeError: An argument is not of its type.
        ValueError: A sid does not have its prefix (secret and key sid swapped, for example), or another argument is
            invalid. The message quotes neither the sids nor the secret.
    """
    import jwt

    sids = {
        "account_sid": (account_sid, "AC"),
        "signing_key_sid": (signing_key_sid, "SK"),
        "workspace_sid": (workspace_sid, "WS"),
        "worker_sid": (worker_sid, "WK"),
    }
    _checks.non_empty("signing_key_secret", signing_key_secret)
    _checks.one_of(*ROLES)("role", role)
    for name, (value, prefix) in sids.items():
        if name == "worker_sid" and role == "admin" and value == "":
            continue
        if not _checks.non_empty(name, value).startswith(prefix):
            raise ValueError(f"{name} must start with {prefix}{_misplaced(name, signing_key_secret)}")
    if _SID.fullmatch(signing_key_secret):
        raise ValueError("signing_key_secret must be the secret of the signing key, not a sid")
    _checks.between(1, MAX_TTL, "seconds")("ttl", ttl)
    _checks.optional(_checks.string)("identity", identity)
    now = int(time.time())
    task_router = {"workspace_sid": workspace_sid, "role": role}
    if worker_sid:
        task_router["worker_sid"] = worker_sid
    claims = {
        # Claims and headers as Twilio's helper libraries make them.
        "jti": f"{signing_key_sid}-{now}",
        "iss": signing_key_sid,
        "sub": account_sid,
        "iat": now,
        "exp": now + ttl,
        "grants": {"identity": identity or worker_sid or "admin", "task_router": task_router},
    }
    return jwt.encode(claims, signing_key_secret, algorithm="HS256", headers={"typ": "JWT", "cty": "twilio-fpa;v=1"})


def _misplaced(name: str, secret: str) -> str:
    swapped = name == "signing_key_sid" and secret.startswith("SK")
    return "; signing_key_secret does: they are swapped" if swapped else ""


def decode_unverified(token: str) -> dict[str, Any]:
    """Read the claims of a token without checking its signature, which takes the secret.

    Args:
        token: The token.

    Returns:
        Its claims.

    Raises:
        TokenError: It is not a readable JWT, for example because it is encrypted (JWE).
    """
    try:
        # Without pyjwt, whose import (of cryptography, where that is installed) takes as long as all others together.
        _, payload, _ = token.split(".")
        claims = loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if not isinstance(claims, dict):
            raise ValueError("its claims are not a JSON object")
    except ValueError as error:
        raise TokenError(
            "The token cannot be read: either it is not a JWT (header.payload.signature), or it is encrypted"
        ) from error
    return claims


def expiry(token: str) -> float | None:
    """Read the expiry time of a token without checking its signature.

    Args:
        token: The token.

    Returns:
        Unix time in seconds; None if the token has none, or is not readable.
    """
    try:
        exp = decode_unverified(token).get("exp")
    except TokenError:
        return None
    # The bound excludes NaN and infinity, and times beyond any date.
    if isinstance(exp, bool) or not isinstance(exp, (int, float)) or not 0 <= exp < 1e12:
        return None
    return float(exp)


def signing_key(token: str) -> str:
    """Read the sid of the key that signed a token, without checking the signature.

    Args:
        token: The token.

    Returns:
        The sid; empty if the token names none, or is not readable.
    """
    try:
        issuer = decode_unverified(token).get("iss")
    except TokenError:
        return ""
    return issuer if isinstance(issuer, str) else ""


def check_token(token: object) -> str:
    """Check the form of a token; error texts never quote it.

    Args:
        token: The token.

    Returns:
        The token.

    Raises:
        TypeError: It is not a string.
        ValueError: It is empty, or not ASCII text without white space.
    """
    if not isinstance(token, str):
        raise TypeError(f"A token is a string, not {type(token).__name__}")
    if not token.isascii() or token.split() != [token]:
        raise ValueError(
            "A token is a JWT: ASCII text without white space. This one is "
            + ("empty" if not token else "something else")
        )
    return token


def check_first_token(token: object, provider: object) -> None:
    """Check the token that a client is made with, which it may lack if it has a provider.

    Args:
        token: The token, or None.
        provider: The token provider, or None.

    Raises:
        TypeError: It is not a string, or both are None.
        ValueError: It is empty, or not ASCII text without white space.
    """
    if token is not None:
        check_token(token)
    elif provider is None:
        raise TypeError("A client needs a token or a token_provider")


def check_successor(token: object, current: str, workspace_sid: str, worker_sid: str) -> str:
    """Check a token that is to take the place of another one, as far as it can be read here.

    Args:
        token: The new token.
        current: The token in use.
        workspace_sid: Sid of the workspace that the client belongs to; empty where it is not known yet.
        worker_sid: Sid of the worker that the client belongs to; empty where it is not known yet.

    Returns:
        The new token.

    Raises:
        TypeError: It is not a string.
        ValueError: It does not have the form of a token.
        TokenError: It is for another workspace or worker.
        TokenExpiredError: It expired without doubt: longer ago than any token is valid, or before the token in use
            does. Less is left to the service, since the clock of this machine may be wrong.
    """
    text = check_token(token)
    # A signed JWT has three parts (RFC 7515), an encrypted one five (RFC 7516).
    if text.count(".") not in (2, 4):
        raise ValueError("A token must be a JWT: three or five parts separated by dots; this is something else")
    try:
        claims = decode_unverified(text)
    except TokenError:
        # Encrypted, perhaps; the service will know.
        return text
    grant = task_router_grant(claims)
    for name, known, of in (("workspace_sid", workspace_sid, "workspace"), ("worker_sid", worker_sid, "worker")):
        named = grant.get(name)
        if known and isinstance(named, str) and named and named != known:
            raise TokenError(f"The new token is for the {of} {named}, not for {known}; the token in use is kept")
    ends = expiry(text)
    if ends is not None:
        ago, known_end = time.time() - ends, expiry(current)
        if ago > MAX_TTL or (ago > CLOCK_SKEW and known_end is not None and ends < known_end):
            raise TokenExpiredError(f"The new token expired {ago:.0f} s ago; the token in use is kept")
    return text


def task_router_grant(claims: dict[str, Any]) -> dict[str, Any]:
    """Return the TaskRouter grant of a token's claims.

    Args:
        claims: The claims.

    Returns:
        The grant; empty if there is none.
    """
    grants = claims.get("grants")
    grant = grants.get("task_router") if isinstance(grants, dict) else None
    return grant if isinstance(grant, dict) else {}
