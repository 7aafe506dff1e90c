"""The key that tokens are signed with: a token is verified once, and remembered no longer than it lives."""

from __future__ import annotations

import time

import jwt
import pytest

from twilio_taskrouter_worker.local.engine import Rejected
from twilio_taskrouter_worker.local.server.auth import tokens
from twilio_taskrouter_worker.local.server.auth.tokens import SigningKey

WORKSPACE, WORKER = "WS" + "0" * 32, "WK" + "0" * 32


@pytest.fixture
def key() -> SigningKey:
    """A key."""
    return SigningKey("AC" + "0" * 32, "SK" + "0" * 32, "secret" * 8)


def test_a_token_is_verified_once(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that was good is not computed again; another one is."""
    token = key.sign(WORKSPACE, WORKER, role="worker", ttl=60, identity=None)
    grant = key.verify(token)
    assert (grant.workspace_sid, grant.worker_sid, grant.role) == (WORKSPACE, WORKER, "worker")
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("computed again"))
    assert key.verify(token) is grant
    with pytest.raises(pytest.fail.Exception):
        key.verify(token + "x")


def test_a_known_token_ends(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """Having been good does not outlive the token."""
    token = key.sign(WORKSPACE, WORKER, role="worker", ttl=60, identity=None)
    ends = key.verify(token).expires_at
    monkeypatch.setattr(time, "time", lambda: ends)
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: (_ for _ in ()).throw(jwt.ExpiredSignatureError()))
    with pytest.raises(Rejected) as refused:
        key.verify(token)
    assert refused.value.status == 401


def test_a_bad_token_is_not_remembered(key: SigningKey) -> None:
    """What is refused is refused each time."""
    other = SigningKey(key.account_sid, key.sid, "another" * 8)
    token = other.sign(WORKSPACE, WORKER, role="worker", ttl=60, identity=None)
    for _ in range(2):
        with pytest.raises(Rejected, match="signature"):
            key.verify(token)


def test_not_more_than_some_are_remembered(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tokens come, a few of them are kept."""
    monkeypatch.setattr(tokens, "KNOWN_TOKENS", 3)
    for number in range(10):
        key.verify(key.sign(WORKSPACE, WORKER, role="worker", ttl=60 + number, identity=None))
        assert len(key._known) <= 3


def test_an_end_in_a_text(key: SigningKey) -> None:
    """An ``exp`` that is the text of a number is that number, as for the library that decodes tokens."""
    token = key.sign(WORKSPACE, WORKER, role="worker", ttl=60, identity=None)
    claims = jwt.decode(token, options={"verify_signature": False})
    as_text = jwt.encode({**claims, "exp": str(claims["exp"])}, "secret" * 8, "HS256", jwt.get_unverified_header(token))
    assert key.verify(as_text).expires_at == claims["exp"]
