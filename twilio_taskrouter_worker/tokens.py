"""Access tokens: making them, for backends and tests, and reading what they say about themselves."""

from __future__ import annotations

import time
from typing import Any

from .errors import TokenError

__all__ = ["create_worker_token", "decode_unverified"]

ROLES = ("worker", "supervisor", "admin")
MAX_TTL = 86400


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

    Call it on a backend, never where users could read the secret. ``role`` is ``worker``, ``supervisor`` or
    ``admin`` (then ``worker_sid`` may be empty); ``ttl`` is the life time in seconds, at most a day; ``identity`` is
    a name for logs of Twilio's, by default the worker sid. Raises TypeError or ValueError for anything else.
    """
    import jwt

    named = {
        "account_sid": account_sid,
        "signing_key_sid": signing_key_sid,
        "signing_key_secret": signing_key_secret,
        "workspace_sid": workspace_sid,
        "worker_sid": worker_sid,
        "role": role,
    }
    for name, value in named.items():
        if not isinstance(value, str):
            raise TypeError(f"{name} should be a string, not {type(value).__name__}")
        if not value and not (name == "worker_sid" and role == "admin"):
            raise ValueError(f"{name} should not be empty")
    if role not in ROLES:
        raise ValueError(f"role should be one of {', '.join(ROLES)}, not {role!r}")
    if isinstance(ttl, bool) or not isinstance(ttl, int):
        raise TypeError(f"ttl should be a whole number of seconds, not {type(ttl).__name__}")
    if not 1 <= ttl <= MAX_TTL:
        raise ValueError(f"ttl should be between 1 and {MAX_TTL} seconds, not {ttl}")
    if identity is not None and not isinstance(identity, str):
        raise TypeError(f"identity should be a string, not {type(identity).__name__}")
    now = int(time.time())
    task_router = {"workspace_sid": workspace_sid, "role": role}
    if worker_sid:
        task_router["worker_sid"] = worker_sid
    claims = {
        "jti": f"{signing_key_sid}-{now}",
        "iss": signing_key_sid,
        "sub": account_sid,
        "iat": now,
        "exp": now + ttl,
        "grants": {"identity": identity or worker_sid or "admin", "task_router": task_router},
    }
    return jwt.encode(claims, signing_key_secret, algorithm="HS256", headers={"typ": "JWT", "cty": "twilio-fpa;v=1"})


def decode_unverified(token: str) -> dict[str, Any]:
    """The claims of a token, its signature not checked: only the service can, since only it knows the secret.

    Raises TokenError for what is not a readable JWT, e.g. an encrypted (JWE) token.
    """
    import jwt

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        # The last two come from inside the library: text that is no UTF-8, JSON nested too deeply.
        raise TokenError(
            "The token is not a readable JWT; if it is encrypted, pass the workspace sid explicitly"
        ) from error
    return dict(claims)


def expiry(token: str) -> float | None:
    """Unix time at which a token ends; None where it does not say, or cannot be read."""
    try:
        exp = decode_unverified(token).get("exp")
    except TokenError:
        return None
    if isinstance(exp, bool) or not isinstance(exp, (int, float)) or not 0 <= exp < 1e12:
        return None
    return float(exp)


def check_token(token: object) -> str:
    """The token; TypeError or ValueError for what cannot be one, without quoting it."""
    if not isinstance(token, str):
        raise TypeError(f"A token is a string, not {type(token).__name__}")
    if not token or not token.isascii() or any(character.isspace() for character in token):
        raise ValueError(
            "A token is a JWT: ASCII text without white space. This one is "
            + ("empty" if not token else "something else")
        )
    return token
