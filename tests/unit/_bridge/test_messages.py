"""What frames say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tools import payloads
from twilio_taskrouter_worker._bridge.messages import EVENT_TYPES, INIT, Message, parse, read_init
from twilio_taskrouter_worker.errors import InvalidMessageError

SECRET = "customer's secret"


def refusal(frame: str | bytes) -> str:
    with pytest.raises(InvalidMessageError) as refused:
        parse(frame)
    assert refused.value.__cause__ is None
    return refused.value.message


@pytest.mark.parametrize("frame", ["", " ", "\n\t ", b"", b" \n"])
def test_heartbeats(frame: str | bytes) -> None:
    """Nothing but white space is a heartbeat."""
    assert parse(frame) is None


def test_events() -> None:
    """Text and UTF-8 bytes alike give the event's type and payload; keys that are not known do not matter."""
    text = json.dumps({"event_type": "task.updated", "payload": {"a": "é"}, "more": 1}, ensure_ascii=False)
    assert parse(text) == parse(text.encode()) == Message("task.updated", {"a": "é"})


def test_a_missing_payload_is_null() -> None:
    """An event without a payload has None."""
    assert parse('{"event_type": "x"}') == parse('{"event_type": "x", "payload": null}') == Message("x", None)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("{" + SECRET, "malformed"),
        ('{"event_type": NaN}', "malformed"),
        (b"\xff\xfe{}", "malformed|not UTF-8"),
        (b'{"event_type": "\xff"}', "malformed|not UTF-8"),
        ("[" * 200_000, "malformed"),
        ("null", "this one is a NoneType"),
        (f'"{SECRET}"', "this one is a str"),
        ("[]", "this one is a list"),
        ("{}", "without an 'event_type' string"),
        ('{"event_type": 1}', "without an 'event_type' string"),
        ('{"event_type": null, "payload": {}}', "without an 'event_type' string"),
    ],
)
def test_frames_that_are_not_events(frame: str | bytes, says: str) -> None:
    """Anything else is refused in words that never quote it."""
    message = refusal(frame)
    assert any(each in message for each in says.split("|"))
    assert SECRET not in message


@given(st.one_of(st.text(), st.binary(), st.just("{}").map(lambda text: text + SECRET)))
def test_any_frame(frame: str | bytes) -> None:
    """Whatever comes, it is a heartbeat, an event, or refused; nothing else is raised."""
    try:
        parse(frame)
    except InvalidMessageError as error:
        assert SECRET not in str(error)


def test_every_example_is_an_event() -> None:
    """The documented frames are understood, and their types are the known ones: 22 and init."""
    names = [path.stem for path in payloads.DIRECTORY.glob("event.*.json")]
    types = {parse(json.dumps(payloads.load(name))).event_type for name in names}  # type: ignore[union-attr]
    assert types - {INIT} == EVENT_TYPES
    assert len(EVENT_TYPES) == 22


def test_init() -> None:
    """The example init says who we are; the lifetime is in seconds."""
    init = read_init(payloads.event("init"))
    assert (init.worker_sid[:2], init.account_sid[:2], init.workspace_sid[:2]) == ("WK", "AC", "WS")
    assert init.token_lifetime == 3600.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(0, 0.0), (1500, 1.5), (1500.5, 1.5005), (None, None), (-1, None), (True, None), ("60000", None), (1e300, None)],
)
def test_token_lifetime(value: Any, seconds: float | None) -> None:
    """Milliseconds become seconds; what cannot be a lifetime is not known."""
    assert read_init({**payloads.event("init"), "token_lifetime": value}).token_lifetime == seconds


def test_init_without_a_lifetime() -> None:
    """The lifetime may be missing."""
    payload = payloads.event("init")
    del payload["token_lifetime"]
    assert read_init(payload).token_lifetime is None


@pytest.mark.parametrize("payload", [None, [], "x", 1])
def test_init_without_a_payload(payload: Any) -> None:
    """An init that says nothing is refused."""
    with pytest.raises(InvalidMessageError, match="without a payload object"):
        read_init(payload)


@pytest.mark.parametrize("key", ["channel_id", "account_sid", "workspace_sid"])
@pytest.mark.parametrize("value", [None, "", 1, []])
def test_init_without_a_sid(key: str, value: Any) -> None:
    """Each of the three sids is needed, and named when it is missing or empty."""
    with pytest.raises(InvalidMessageError, match=f"'{key}'"):
        read_init({**payloads.event("init"), key: value})
