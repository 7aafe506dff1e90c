"""Access tokens, compared with those of the official helper library."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import TaskRouterGrant

from twilio_taskrouter_worker.errors import TokenError, TokenExpiredError
from twilio_taskrouter_worker.tokens import check_successor, create_worker_token, decode_unverified, expiry

SECRET = "s" * 32
NAMED: dict[str, Any] = {
    "account_sid": "AC1",
    "signing_key_sid": "SK1",
    "signing_key_secret": SECRET,
    "workspace_sid": "WS1",
    "worker_sid": "WK1",
}


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in token.split(".")[:2]
    )
    return header, payload


@pytest.mark.parametrize("role", ["worker", "supervisor", "admin"])
@pytest.mark.parametrize("ttl", [1, 3600, 86400])
def test_the_same_as_the_official_library(role: str, ttl: int) -> None:
    """Header and claims are those of AccessToken with a TaskRouterGrant, but for the second it was made in."""
    official = AccessToken("AC1", "SK1", SECRET, identity="dana", ttl=ttl)
    official.add_grant(TaskRouterGrant(workspace_sid="WS1", worker_sid="WK1", role=role))
    header, claims = parts(official.to_jwt())
    our_header, ours = parts(create_worker_token(**NAMED, role=role, ttl=ttl, identity="dana"))
    assert our_header == header
    shift = ours["exp"] - claims["exp"]
    assert 0 <= shift <= 5
    assert ours.pop("jti") == f"SK1-{ours['iat']}"
    claims.pop("jti")
    claims.pop("nbf", None)
    made = claims.pop("iat", None)
    assert made is None or ours["iat"] - made == shift
    assert ours.pop("iat") == ours["exp"] - ttl
    claims["exp"] += shift
    assert ours == claims


def test_the_signature_is_good() -> None:
    """Whoever knows the secret can verify it, by HS256."""
    claims = jwt.decode(create_worker_token(**NAMED), SECRET, algorithms=["HS256"])
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["iat"] == pytest.approx(time.time(), abs=30)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(create_worker_token(**NAMED), "t" * 32, algorithms=["HS256"])


def test_defaults() -> None:
    """The identity is the worker's sid; an admin needs no worker, and then none is named."""
    assert decode_unverified(create_worker_token(**NAMED))["grants"] == {
        "identity": "WK1",
        "task_router": {"workspace_sid": "WS1", "worker_sid": "WK1", "role": "worker"},
    }
    admin = decode_unverified(create_worker_token(**{**NAMED, "worker_sid": ""}, role="admin"))
    assert admin["grants"] == {"identity": "admin", "task_router": {"workspace_sid": "WS1", "role": "admin"}}


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        *[({name: None}, TypeError, f"{name} must be a string, not NoneType") for name in NAMED],
        *[({name: ""}, ValueError, f"{name} must not be empty") for name in NAMED],
        ({"role": 1}, TypeError, "role must be a string"),
        ({"role": ""}, ValueError, "role must be one of worker, supervisor, admin, not ''"),
        *[
            ({name: "x" + good}, ValueError, f"{name} must start with")
            for name, good in NAMED.items()
            if good != SECRET
        ],
        ({"role": "admin", "worker_sid": "AC1"}, ValueError, "worker_sid must start with WK"),
        ({"signing_key_secret": "SK" + "0" * 32}, ValueError, "signing_key_secret must be the secret"),
        ({"role": "boss"}, ValueError, "role must be one of worker, supervisor, admin, not 'boss'"),
        ({"role": "supervisor", "worker_sid": ""}, ValueError, "worker_sid must not be empty"),
        ({"ttl": "60"}, TypeError, "ttl must be a whole number of seconds, not str"),
        ({"ttl": 1.0}, TypeError, "ttl must be a whole number of seconds, not float"),
        ({"ttl": True}, TypeError, "ttl must be a whole number of seconds, not bool"),
        ({"ttl": 0}, ValueError, "ttl must be between 1 and 86400 seconds, not 0"),
        ({"ttl": 86401}, ValueError, "ttl must be between 1 and 86400 seconds, not 86401"),
        ({"identity": 1}, TypeError, "identity must be a string, not int"),
    ],
)
def test_bad_arguments(changes: dict[str, Any], error: type[Exception], says: str) -> None:
    """Each wrong argument is refused by name, and the secret never shows."""
    with pytest.raises(error) as refused:
        create_worker_token(**{**NAMED, **changes})
    assert str(refused.value).startswith(says)
    assert SECRET not in str(refused.value)


def test_swapped_key_and_secret() -> None:
    """The secret does not become readable in a token, nor in the error, which names the mistake."""
    with pytest.raises(ValueError, match="signing_key_sid must start with SK; signing_key_secret does") as refused:
        create_worker_token("AC1", SECRET, "SK" + "0" * 32, "WS1", "WK1")
    assert SECRET not in str(refused.value)


def claimed(**claims: Any) -> str:
    """A token with these claims."""
    return jwt.encode(claims, SECRET, algorithm="HS256")


def granted(**grant: Any) -> str:
    """A token with this grant, which does not end."""
    return claimed(grants={"task_router": grant})


@pytest.mark.parametrize(
    "token",
    [
        granted(workspace_sid="WS1", worker_sid="WK1"),
        granted(workspace_sid="WS1"),
        granted(worker_sid=None),
        claimed(grants="none"),
        "an.opaque.token",
        "an.encrypted.token.in.five",
    ],
)
def test_a_good_successor(token: str) -> None:
    """A token for the same worker passes, and so does what cannot be read here: the service decides."""
    assert check_successor(token, "old", "WS1", "WK1") == token


@pytest.mark.parametrize(
    ("token", "error", "says"),
    [
        (None, TypeError, "string"),
        ("", ValueError, "JWT"),
        ("garbage", ValueError, "three or five parts"),
        ("two.parts", ValueError, "three or five parts"),
        (granted(workspace_sid="WS1", worker_sid="WK2"), TokenError, "the worker WK2, not for WK1"),
        (granted(workspace_sid="WS2", worker_sid="WK1"), TokenError, "the workspace WS2, not for WS1"),
    ],
)
def test_a_successor_that_is_visibly_wrong(token: Any, error: type[Exception], says: str) -> None:
    """What is not a token, or one for somebody else, is refused with the reason and without the token."""
    with pytest.raises(error, match=says) as refused:
        check_successor(token, "old", "WS1", "WK1")
    assert not token or token not in str(refused.value)


def test_a_successor_for_a_client_that_is_nobody_yet() -> None:
    """Before the first connection nothing is known that could differ."""
    token = granted(workspace_sid="WS2", worker_sid="WK2")
    assert check_successor(token, "old", "", "") == token


@pytest.mark.parametrize(
    ("ended_ago", "current_ends_in", "refused"),
    [
        (61, 3600, True),
        (61, None, False),
        (7200, -7300, False),
        (7200, -7100, True),
        (90000, None, True),
        (5, 3600, False),
        (-5, 3600, False),
    ],
)
def test_an_expired_successor(ended_ago: float, current_ends_in: float | None, refused: bool) -> None:
    """It is refused where no clock could be so wrong; a clock that is hours off keeps nobody from renewing."""
    token = claimed(exp=time.time() - ended_ago)
    current = "opaque" if current_ends_in is None else claimed(exp=time.time() + current_ends_in)
    if refused:
        with pytest.raises(TokenExpiredError, match="expired .* s ago"):
            check_successor(token, current, "WS1", "WK1")
    else:
        assert check_successor(token, current, "WS1", "WK1") == token


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJkaXIifQ....", "\ud800"])
def test_unreadable_tokens(token: str) -> None:
    """Anything else, an encrypted token too, is a TokenError that says why; its end is not known."""
    with pytest.raises(TokenError, match="not a JWT.*, or it is encrypted") as refused:
        decode_unverified(token)
    assert refused.value.__cause__ is not None
    assert expiry(token) is None


def part(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


PARTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from([{"alg": "HS256"}, {"alg": "none"}, {"alg": 1}, {"kid": 1}, {"exp": 5}, [], None, 1, "x"]).map(
        lambda value: part(json.dumps(value).encode())
    ),
    st.binary(max_size=8).map(part),
    st.just(part(b"[" * 100_000)),
)


@given(st.text() | st.lists(PARTS, min_size=3, max_size=3).map(".".join))
def test_any_text(token: str) -> None:
    """No text makes anything but a TokenError."""
    try:
        decode_unverified(token)
    except TokenError as error:
        assert not token.strip() or len(token) < 4 or token not in str(error)


def test_an_expired_or_forged_token_is_read_all_the_same() -> None:
    """Only the service can say whether a token is good."""
    token = jwt.encode({"exp": 5, "iat": 9e12, "nbf": 9e12, "sub": 5}, "other" * 10, algorithm="HS256")
    assert decode_unverified(token)["exp"] == 5


@pytest.mark.parametrize(
    ("claims", "at"),
    [
        ({"exp": 5}, 5.0),
        ({"exp": 1767261600.5}, 1767261600.5),
        ({"exp": 0}, 0.0),
        ({}, None),
        ({"exp": None}, None),
        ({"exp": True}, None),
        ({"exp": "soon"}, None),
        ({"exp": -1}, None),
        ({"exp": 1e12}, None),
        ({"exp": 10**400}, None),
    ],
)
def test_expiry(claims: dict[str, Any], at: float | None) -> None:
    """The end of a token is its exp where that is a plausible time, and not known otherwise."""
    header, payload = ({"alg": "HS256", "typ": "JWT"}, claims)
    text = ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for part in (json.dumps(header).encode(), json.dumps(payload).encode(), b"x")
    )
    assert expiry(text) == at
