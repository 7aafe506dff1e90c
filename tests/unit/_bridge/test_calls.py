"""When a call is tried again, and what an answer says."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.tools import payloads
from twilio_taskrouter_worker._bridge.http import Answer, HttpFailure, HttpTimeout, NotSent, Unusable
from twilio_taskrouter_worker._bridge.outcomes import LONGEST_PAUSE, RETRY_RULES, read_answer, retry_delay
from twilio_taskrouter_worker.errors import (
    AuthorizationError,
    InvalidAnswerError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    RequestRejectedError,
    ServerError,
    VersionConflictError,
    rejected,
)

SECRET = "customer's secret"


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    return Answer(
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        body if isinstance(body, bytes) else json.dumps(body).encode(),
    )


def refused(status: int, retry_after: float | None = None) -> RequestError:
    return rejected(status, "no", code=None, more_info=None, retry_after=retry_after)


def raised(each: Answer, token: str = "") -> RequestError:
    with pytest.raises(RequestError) as caught:
        read_answer(each, token)
    return caught.value


# -- retrying --------------------------------------------------------------------------------------------------------

RETRIED = [
    # failure, for GET, for POST
    (NotSent("refused"), True, True),
    (HttpFailure("reset"), True, False),
    (HttpTimeout("late"), True, False),
    (Unusable("certificate verify failed"), False, False),
    (refused(429), True, True),
    (refused(503), True, False),
    (refused(503, 1.0), True, True),
    (refused(502), True, False),
    (refused(504), True, False),
    (refused(502, 1.0), True, False),
    (refused(500), False, False),
    (refused(500, 1.0), False, False),
    (refused(501), False, False),
    (refused(400), False, False),
    (refused(401), False, False),
    (refused(403), False, False),
    (refused(404), False, False),
    (refused(412), False, False),
    (InvalidAnswerError("what?", status=200), False, False),
]


@pytest.mark.parametrize(("failure", "get", "post"), RETRIED)
def test_failures_that_are_retried(failure: HttpFailure | RequestError, get: bool, post: bool) -> None:
    """A GET after anything that may pass; a POST only where the service cannot have acted."""
    assert (retry_delay("GET", failure, 1, lambda: 0.5) is not None) == get
    assert (retry_delay("POST", failure, 1, lambda: 0.5) is not None) == post


def test_delays_grow_and_have_jitter() -> None:
    """Each delay is between half of and the whole of 0.25, 0.5, 1, 2, 4, 4 s ..., however often it is tried."""
    for tries, whole in enumerate([0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0], 1):
        shortest, longest = (retry_delay("GET", NotSent("x"), tries, lambda jitter=jitter: jitter) for jitter in (0, 1))  # type: ignore[misc]
        assert (shortest, longest) == (whole / 2, whole)
    assert retry_delay("GET", NotSent("x"), 10_000, lambda: 1.0) == RETRY_RULES.retry_max


@pytest.mark.parametrize("said", [7.0, 3600.0])
def test_retry_after_is_obeyed(said: float) -> None:
    """The pause is at least what the service asks for, and at random longer: clients must not return together."""
    assert retry_delay("GET", refused(429, said), 1, lambda: 0.0) == said
    assert retry_delay("POST", refused(503, said), 1, lambda: 1.0) == said * 1.25
    assert retry_delay("POST", refused(503, said), 1, lambda: 1.0, room=said * 1.1) == said * 1.1
    assert retry_delay("POST", refused(503, said), 1, lambda: 1.0, room=said / 2) == said


@pytest.mark.parametrize("said", [0.0, 0.01])
def test_retry_after_does_not_switch_the_pauses_off(said: float) -> None:
    """A service that asks to come back at once gets the pauses it would get without the header."""
    for tries in range(1, 6):
        assert retry_delay("GET", refused(429, said), tries, lambda: 0.5) == retry_delay(
            "GET", refused(429), tries, lambda: 0.5
        )


def test_a_read_that_met_silence_is_made_again_at_once() -> None:
    """A dead connection is no overload: a pause would only take from what is left."""
    assert retry_delay("GET", HttpTimeout("late"), 1, lambda: 0.5) == 0.0


# -- good answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 299])
@pytest.mark.parametrize("payload", [{"sid": "x"}, [], None, 0, "text"])
def test_the_payload(status: int, payload: Any) -> None:
    """Any 2xx with a payload gives the payload, whatever it is."""
    assert read_answer(answer(status, {"payload": payload, "more": 1})) == payload


def test_the_documented_answer() -> None:
    """The example of an answer is read."""
    example = payloads.load("http.response.ok")
    assert read_answer(answer(200, example["body"])) == example["body"]["payload"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"<html>" + SECRET.encode(), "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"null", "not an object with a 'payload'"),
        (b"[]", "not an object with a 'payload'"),
        (b"{}", "not an object with a 'payload'"),
        (b'{"message": "' + SECRET.encode() + b'"}', "not an object with a 'payload'"),
    ],
)
def test_an_answer_that_is_not_taskrouters(body: bytes, says: str) -> None:
    """A good status with another body is an InvalidAnswerError, which does not quote it."""
    error = raised(answer(200, body))
    assert type(error) is InvalidAnswerError
    assert says in error.message
    assert error.status == 200
    assert SECRET not in error.message


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, RequestRejectedError),
        (400, RequestRejectedError),
        (401, AuthorizationError),
        (403, AuthorizationError),
        (404, NotFoundError),
        (412, VersionConflictError),
        (429, RateLimitedError),
        (500, ServerError),
        (502, ServerError),
    ],
)
def test_kinds(status: int, kind: type[RequestError]) -> None:
    """The status tells the class, also where the body is a proxy's page."""
    for body in (b"<html>Bad gateway</html>", {"message": "No."}):
        error = raised(answer(status, body))
        assert type(error) is kind
        assert error.status == status


def test_all_that_a_refusal_says() -> None:
    """Message, code and more_info of the body and Retry-After of the headers are kept."""
    error = raised(
        answer(429, {"message": "Slow down", "code": 20429, "more_info": "https://example.test"}, retry_after="3")
    )
    assert error.message == "Request failed with status code 429. Slow down"
    assert (error.code, error.more_info, error.retry_after) == (20429, "https://example.test", 3.0)


def test_the_documented_refusal() -> None:
    """The example of a refusal is read."""
    example = payloads.load("http.response.error")
    error = raised(answer(example["status"], example["body"]))
    assert example["body"]["message"] in error.message
    assert error.status == example["status"]


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[1]", b"null", b'"text"', b"[" * 100_000, {"message": 1, "code": "x", "more_info": []}]
)
def test_refusals_of_other_shapes(body: Any) -> None:
    """Where the body says nothing usable, the status still counts, and the kind of content is named."""
    error = raised(answer(500, body, content_type="text/html"))
    assert error.message == "Server responded with status code 500. The answer has no message (text/html)."
    assert (error.code, error.more_info, error.retry_after) == (None, None, None)
    assert raised(answer(500, body)).message.endswith("(no content type).")


def test_a_boolean_is_not_an_error_code() -> None:
    """True is not an error code, though Python counts it as a number."""
    assert raised(answer(400, {"message": "m", "code": True})).code is None


def test_redirects() -> None:
    """A redirection is not followed, and says so: the request carries a token."""
    assert "redirects, which is not followed" in raised(answer(307, location="https://elsewhere.test")).message


def test_a_token_that_is_quoted() -> None:
    """A service that repeats the token in its message is not repeated in turn."""
    token = "eyJhbGciOiJIUzI1NiJ9.e30.abcdefgh"
    error = raised(answer(401, {"message": f"Bad token {token}", "more_info": f"https://x.test/?t={token}"}), token)
    assert token not in error.message
    assert token not in str(error.more_info)
    assert "Bad token" in error.message


# -- Retry-After -----------------------------------------------------------------------------------------------------


def after(text: str) -> float | None:
    return raised(answer(429, retry_after=text)).retry_after


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("9" * 400, LONGEST_PAUSE),
        ("0", 0.0),
        ("5", 5.0),
        (" 7 ", 7.0),
        ("", None),
        ("-1", None),
        ("soon", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    """A whole number of seconds is read, and anything that is none is as good as nothing."""
    assert after(text) == seconds


def test_retry_after_as_a_date() -> None:
    """A date becomes seconds from now; one that has passed, none."""
    now = datetime.now(timezone.utc)
    assert after(format_datetime(now + timedelta(seconds=100), usegmt=True)) == pytest.approx(100, abs=30)
    assert after(format_datetime(now - timedelta(seconds=100), usegmt=True)) == 0.0


@given(st.text(max_size=40) | st.sampled_from(["Mon, 01 Jan 99999 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +2359"]))
@example("0\x1f")  # a control character that strip() takes for white space, and float() does not
def test_any_retry_after(text: str) -> None:
    """No header makes anything but a number of seconds or None."""
    seconds = after(text)
    assert seconds is None or seconds >= 0
