"""Authentication on the event bridge: verification of access tokens."""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict
from hashlib import sha256
from typing import Any

import attrs
import jwt

from ....tokens import MAX_TTL, ROLES, create_worker_token, decode_unverified
from ..http import refusals

# Seconds that a signer's clock may be ahead of this one, when it signs for the longest allowed time.
_CLOCK_SLACK_SECONDS = 60
_ALGORITHM = "HS256"
LONGEST_TOKEN = 16384
"""The longest token in characters; real ones have about 600."""
KNOWN_TOKENS = 4096
"""How many valid tokens are remembered, by hashes of 32 bytes: they are not verified again, and can be expired."""


@attrs.frozen
class Grant:
    """The claims of a verified token."""

    workspace_sid: str
    worker_sid: str | None
    """None: a token without a worker of its own, which only an admin may have."""
    role: str
    expires_at: float
    """Unix seconds."""


class SigningKey:
    """The key that signs an account's tokens, and the tokens it has verified.

    Only valid tokens are remembered, by hash: anybody can send any text as a token.

    Args:
        account_sid: The account.
        sid: The sid of the API key.
        secret: Its secret.
    """

    def __init__(self, account_sid: str, sid: str, secret: str) -> None:
        self.account_sid = account_sid
        self.sid = sid
        self.secret = secret
        self._count = itertools.count()
        self._known: OrderedDict[bytes, Grant] = OrderedDict()
        self._expired: dict[bytes, float] = {}
        """Tokens that :meth:`expire` has expired, with their original expiry in unix seconds."""

    def verify(self, token: str | None) -> Grant:
        """Verify a token, and return its grant. Does not check that its workspace and worker exist.

        Args:
            token: The token as it was sent; None: it is missing.

        Raises:
            Rejected: There is no token, it has expired (401), or it is invalid (403).
        """
        if not token:
            raise refusals.no_token()
        if len(token) > LONGEST_TOKEN:
            raise refusals.bad_token("it is far too long")
        # JSON's escapes can hold lone surrogates, which plain UTF-8 refuses.
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        # Before the known ones, and not only removed from them: the token itself is still valid, and would be verified
        # again.
        if digest in self._expired:
            raise refusals.token_expired()
        grant = self._known.get(digest)
        if grant is None or grant.expires_at <= time.time():
            # An expired one too: verifying it again gives the refusal with the right code.
            grant = self._verified(token)
            self._known[digest] = grant
            if len(self._known) > KNOWN_TOKENS:
                self._known.popitem(last=False)
        # The oldest by use is evicted: tokens in use stay.
        self._known.move_to_end(digest)
        return grant

    def expire(self, worker_sid: str | None) -> None:
        """Expire every token that was used so far, or those of one worker.

        Args:
            worker_sid: The worker; None: all workers.
        """
        now = time.time()
        # By now these are refused by their own expiry.
        self._expired = {digest: end for digest, end in self._expired.items() if end > now}
        for digest, grant in list(self._known.items()):
            if worker_sid in (None, grant.worker_sid):
                self._expired[digest] = grant.expires_at
                del self._known[digest]

    def _verified(self, token: str) -> Grant:
        claims = self._claims(token)
        if claims["iss"] != self.sid:
            raise refusals.bad_token("its issuer is not the signing key of this account")
        if claims["sub"] != self.account_sid:
            raise refusals.bad_token("its subject is not this account")
        latest = time.time() + MAX_TTL + _CLOCK_SLACK_SECONDS
        if claims["exp"] > latest:  # compared before the conversion: an integer may be too large for a float
            raise refusals.bad_token("it is valid for more than 24 hours")
        return _grant(claims.get("grants"), float(claims["exp"]))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.secret,
                # Fixed here and never taken from the token, whose header the sender has written ("none", for example).
                algorithms=[_ALGORITHM],
                options={"require": ["exp", "iss", "sub"], "verify_aud": False, "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise refusals.token_expired() from None
        except jwt.InvalidAlgorithmError:
            raise refusals.bad_token(f"its algorithm must be {_ALGORITHM}") from None
        except jwt.InvalidSignatureError:
            # TaskRouter.js v1 signs with the auth token: of all checks, its tokens fail this one first.
            raise (refusals.old_token() if _is_capability(token) else refusals.bad_signature()) from None
        except jwt.ImmatureSignatureError:
            raise refusals.bad_token("it is not valid yet (nbf)") from None
        except jwt.MissingRequiredClaimError as error:
            raise refusals.bad_token(f"it has no claim {error.claim}") from None
        except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError, OverflowError):
            raise refusals.bad_token("it is not a JSON Web Token") from None
        if isinstance(claims["exp"], str):  # which jwt takes if it is the text of a number
            claims["exp"] = int(claims["exp"])
        return claims

    def sign(self, workspace_sid: str, worker_sid: str, *, role: str, ttl: int, identity: str | None) -> str:
        """Return a token that :meth:`verify` accepts for ``ttl`` seconds of real time.

        No two tokens are the same, so that one can be expired without the next.

        Args:
            workspace_sid: The workspace.
            worker_sid: The worker; empty for an admin.
            role: The role.
            ttl: Seconds of real time; 0 or less makes an expired token.
            identity: The token's identity; None: the worker's sid.

        Raises:
            TypeError, ValueError: An argument is invalid.
        """
        where = (self.account_sid, self.sid, self.secret, workspace_sid, worker_sid)
        over = isinstance(ttl, int) and not isinstance(ttl, bool) and ttl <= 0
        # create_worker_token() refuses a ttl of 0 or less: such a token is made valid first, and changed below.
        made = create_worker_token(*where, role=role, ttl=1 if over else ttl, identity=identity)
        claims = decode_unverified(made)
        claims["exp"] = claims["iat"] + ttl
        # Tokens of the same second would otherwise be equal.
        claims["jti"] += f"-{next(self._count)}"
        return jwt.encode(claims, self.secret, algorithm=_ALGORITHM, headers=jwt.get_unverified_header(made))


def _is_capability(token: str) -> bool:
    """Return whether this is a token of TaskRouter.js v1, whose claims are policies."""
    try:
        return "policies" in jwt.decode(token, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError, OverflowError):
        return False


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
