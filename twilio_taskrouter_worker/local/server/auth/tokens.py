"""Access tokens of the event bridge: who a client says to be, and whether that is true."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any, Final

import attrs
import jwt

from ....tokens import MAX_TTL, ROLES, create_worker_token, decode_unverified
from ..http import refusals

_CLOCK_SLACK_SECONDS: Final = 60
_ALGORITHM: Final = "HS256"
_LONGEST_TOKEN = 16384  # characters; real ones have about 600
_KNOWN_TOKENS = 1024


@attrs.frozen
class Grant:
    """What a verified token says."""

    workspace_sid: str
    worker_sid: str | None
    """None: a token without a worker of its own, which only an admin may have."""
    role: str
    expires_at: float
    """Unix seconds."""


@attrs.frozen
class SigningKey:
    """The key that tokens of an account are signed with."""

    account_sid: str
    sid: str
    secret: str = attrs.field(repr=False)
    _count: Iterator[int] = attrs.field(init=False, repr=False, eq=False, factory=itertools.count)
    _good: dict[str, Grant] = attrs.field(init=False, repr=False, eq=False, factory=dict)
    """What tokens grant that were good before; they stay so until they end."""

    def verify(self, token: str | None) -> Grant:
        """Return what the token grants; whether its workspace and worker exist is for others to ask.

        Raises:
            Rejected: there is none, it is expired (401), or it is not good (403).
        """
        if not token:
            raise refusals.no_token()
        if len(token) > _LONGEST_TOKEN:
            raise refusals.bad_token("it is far too long")
        known = self._good.get(token)
        if known is not None and known.expires_at > time.time():
            return known
        grant = self._verified(token)
        if len(self._good) >= _KNOWN_TOKENS:
            self._good.clear()
        self._good[token] = grant
        return grant

    def _verified(self, token: str) -> Grant:
        claims = self._claims(token)
        if claims["iss"] != self.sid:
            raise refusals.bad_token("its issuer is not the signing key of this account")
        if claims["sub"] != self.account_sid:
            raise refusals.bad_token("its subject is not this account")
        expires_at = float(claims["exp"])
        if expires_at - time.time() > MAX_TTL + _CLOCK_SLACK_SECONDS:
            raise refusals.bad_token("it would live for more than 24 hours")
        return _grant(claims.get("grants"), expires_at)

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.secret,
                algorithms=[_ALGORITHM],
                options={"require": ["exp", "iss", "sub"], "verify_aud": False, "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise refusals.token_expired() from None
        except jwt.InvalidAlgorithmError:
            raise refusals.bad_token(f"its algorithm must be {_ALGORITHM}") from None
        except jwt.InvalidSignatureError:
            raise refusals.bad_signature() from None
        except jwt.ImmatureSignatureError:
            raise refusals.bad_token("its time has not come yet (nbf)") from None
        except jwt.MissingRequiredClaimError as error:
            raise refusals.bad_token(f"it has no claim {error.claim}") from None
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError):
            raise refusals.bad_token("it cannot be read") from None
        return claims

    def sign(self, workspace_sid: str, worker_sid: str, *, role: str, ttl: int, identity: str | None) -> str:
        """Return a token that :meth:`verify` accepts for ``ttl`` seconds of real time; one that is over for 0 or less.

        No two are the same, so that one can be made to expire without the next.

        Raises:
            TypeError, ValueError: an argument cannot be.
        """
        where = (self.account_sid, self.sid, self.secret, workspace_sid, worker_sid)
        over = isinstance(ttl, int) and not isinstance(ttl, bool) and ttl <= 0
        made = create_worker_token(*where, role=role, ttl=1 if over else ttl, identity=identity)
        claims = decode_unverified(made)
        claims["exp"] = claims["iat"] + ttl
        claims["jti"] += f"-{next(self._count)}"
        return jwt.encode(claims, self.secret, algorithm=_ALGORITHM, headers=jwt.get_unverified_header(made))


def _grant(grants: Any, expires_at: float) -> Grant:
    grant = grants.get("task_router") if isinstance(grants, dict) else None
    if not isinstance(grant, dict):
        raise refusals.bad_grant("there is none")
    workspace_sid, worker_sid, role = (grant.get(key) for key in ("workspace_sid", "worker_sid", "role"))
    if role not in ROLES:
        raise refusals.bad_grant(f"its role must be one of {', '.join(ROLES)}")
    if not isinstance(workspace_sid, str):
        raise refusals.bad_grant("it names no workspace")
    if worker_sid is None:
        if role != "admin":
            raise refusals.bad_grant(f"a token with role {role} must name its worker")
    elif not isinstance(worker_sid, str):
        raise refusals.bad_grant("its worker is not a sid")
    return Grant(workspace_sid, worker_sid, role, expires_at)
