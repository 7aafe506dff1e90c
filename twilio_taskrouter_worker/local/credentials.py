"""The credentials of a local TaskRouter: given ones, or generated ones in Twilio's format."""

from __future__ import annotations

import random
import re
import secrets
import string

import attrs

from .. import _checks
from .._local_url import LOCAL_KEY

_SECRET_LETTERS = string.ascii_letters + string.digits
_SHORTEST_SECRET = 32  # characters: the length of Twilio's own secrets, and the minimum for HMAC-SHA256


@attrs.frozen
class Credentials:
    """An account and its API key."""

    account_sid: str
    auth_token: str = attrs.field(repr=False)
    signing_key_sid: str
    signing_key_secret: str = attrs.field(repr=False)


def credentials(
    seed: int | None,
    *,
    account_sid: str | None = None,
    auth_token: str | None = None,
    signing_key_sid: str | None = None,
    signing_key_secret: str | None = None,
) -> Credentials:
    """Return the given credentials, with generated values for missing ones.

    Args:
        seed: The seed of generated values, the same for the same seed; None makes them random.
        account_sid: The account; None generates one, like the three below.
        auth_token: Its auth token.
        signing_key_sid: The API key.
        signing_key_secret: The API key's secret.

    Raises:
        TypeError: One is not a string.
        ValueError: One does not have Twilio's format. The message does not quote secrets.
    """
    # A seeded source is predictable, and meant to be: it is for tests that compare whole runs.
    source: random.Random = secrets.SystemRandom() if seed is None else random.Random(f"credentials {seed}")
    # All four are drawn, in this order: a given value must not change the generated others.
    made_account = _digits(source)
    made_token = _digits(source)
    made_key = _digits(source)
    made_secret = "".join(source.choices(_SECRET_LETTERS, k=_SHORTEST_SECRET))
    return Credentials(
        _sid("account_sid", "AC", account_sid) or f"AC{made_account}",
        _secret("auth_token", auth_token) or made_token,
        # A generated key can be recognized by its first digits.
        _sid("signing_key_sid", "SK", signing_key_sid) or LOCAL_KEY + made_key[len(LOCAL_KEY) - 2 :],
        _secret("signing_key_secret", signing_key_secret) or made_secret,
    )


def _digits(source: random.Random) -> str:
    return f"{source.getrandbits(128):032x}"


def _sid(name: str, prefix: str, given: str | None) -> str | None:
    # Sids are no secrets, so the message may quote one.
    if given is not None and not re.fullmatch(f"{prefix}[0-9a-fA-F]{{32}}", _checks.string(name, given)):
        raise ValueError(f"{name} must be {prefix} and 32 hexadecimal digits, not {given!r}")
    return given


def _secret(name: str, given: str | None) -> str | None:
    if given is None:
        return None
    # ASCII only, since Basic credentials have no defined encoding (RFC 7617, section 2).
    if len(_checks.string(name, given)) < _SHORTEST_SECRET or not given.isascii() or not given.isprintable():
        raise ValueError(f"{name} must be a string of at least {_SHORTEST_SECRET} printable ASCII characters")
    return given
