"""Errors of a connection: their class, their cause, and the advice they give."""

from __future__ import annotations

import pytest

from tests.unit._bridge.driver import Driver
from twilio_taskrouter_worker._bridge import failures
from twilio_taskrouter_worker.errors import (
    AuthorizationError,
    GatewayConnectionError,
    InitializationError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RequestRejectedError,
    TaskRouterError,
    TokenError,
    TokenExpiredError,
)

ACTIVITIES = [{"sid": "WA1", "friendly_name": "Available"}, "damaged", {"sid": "WA2", "friendly_name": "Busy"}]


def test_a_time_limit_without_a_failure() -> None:
    """The error has the state, the address and advice, and no cause where nothing failed."""
    driver = Driver()
    driver.start()
    error = failures.connect_timeout(driver.session, 5.0, "wss://example")
    assert "within 5 s; it was connecting, attempt 1, at wss://example" in error.message
    assert error.message.endswith("region and the network.")
    assert error.__cause__ is None


def test_a_time_limit_after_a_failure() -> None:
    """An attempt that failed before counts more than the one under way, and is the cause."""
    driver = Driver()
    driver.start()
    refused = GatewayConnectionError("Connection refused")
    driver.connect_failed(refused)
    driver.tick_at_deadline()
    error = failures.connect_timeout(driver.session, 0.5, "wss://example")
    assert "it was connecting, attempt 2" in error.message
    assert error.message.endswith("are eb_server, ws_server and region right? Last failure: Connection refused")
    assert error.__cause__ is refused


def test_the_age_of_a_token_that_expired() -> None:
    """A refused token that had expired is reported as such, with its age; the refusal is the cause."""
    refused = TokenError("Refused.", status=401, code=20104)
    error = failures.with_age(refused, 100.0, 130.0)
    assert isinstance(error, TokenExpiredError)
    assert error.message.startswith("The token expired 30 s ago; get a new one and pass it to update_token()")
    assert (error.status, error.code, error.__cause__) == (401, 20104, refused)


def test_the_age_is_added_to_the_service_s_own_words() -> None:
    """If the service reports the expiry, its sentence has the advice; long ages are in minutes."""
    error = failures.with_age(TokenExpiredError("Get a new one."), 0.0, 600.0)
    assert error.message == "The token expired 10 min ago. Get a new one."


@pytest.mark.parametrize(
    ("error", "expires_at"),
    [(NetworkError("no answer"), 1.0), (TokenError("refused"), None), (TokenError("refused"), 20.0)],
    ids=["another failure", "unknown end", "still valid"],
)
def test_an_age_that_explains_nothing(error: TaskRouterError, expires_at: float | None) -> None:
    """Other failures, and tokens that had not expired, stay as they are."""
    assert failures.with_age(error, expires_at, 10.0) is error


def test_a_load_with_a_refused_token() -> None:
    """It is a TokenError, which the session answers by asking for another token."""
    refused = AuthorizationError("Access denied", status=401, code=20003)
    error = failures.load_failure("WK1", refused)
    assert type(error) is TokenError and error.__cause__ is refused
    assert (error.message, error.status, error.code) == ("TaskRouter refused the token: Access denied", 401, 20003)


def test_a_load_that_failed() -> None:
    """The error names the worker, and keeps the time after which the service wants the next attempt."""
    busy = RateLimitedError("Too many requests", status=429, retry_after=3.0)
    error = failures.load_failure("WK1", busy)
    assert type(error) is InitializationError and error.__cause__ is busy
    assert error.message == "Failed to initialize Worker WK1. Too many requests"
    assert (error.status, error.retry_after) == (429, 3.0)


def test_the_activity_to_connect_with() -> None:
    """It is found by sid or name; an unknown one is refused with the names that exist."""
    assert failures.activity_sid("Busy", ACTIVITIES) == failures.activity_sid("WA2", ACTIVITIES) == "WA2"
    with pytest.raises(InitializationError, match="no activity 'Lunch'; there are 'Available', 'Busy'"):
        failures.activity_sid("Lunch", ACTIVITIES)
    with pytest.raises(InitializationError, match="no activity 'Lunch'; there are none"):
        failures.activity_sid("Lunch", [])
    with pytest.raises(InitializationError, match="no activity 'available'; did you mean 'Available'"):
        failures.activity_sid("available", ACTIVITIES)


def test_an_activity_that_could_not_be_set() -> None:
    """Each option has an error that names it; a refused token is a TokenError, and a finished error is kept."""
    missing = NotFoundError("No such activity", status=404, code=20404)
    by_name = failures.activity_failure(missing, ACTIVITIES, insists=True)
    by_sid = failures.activity_failure(missing, ACTIVITIES, insists=False)
    assert by_name.message == "connect_activity: No such activity; there are 'Available', 'Busy'"
    assert by_sid.message == "The worker could not be moved to connect_activity_sid. No such activity"
    for error in (by_name, by_sid):
        assert (type(error), error.status, error.code) == (InitializationError, 404, 20404)
        assert error.__cause__ is missing
    assert type(failures.activity_failure(AuthorizationError("denied", status=403), [], insists=True)) is TokenError
    assert failures.activity_failure(by_name, [], insists=True) is by_name


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (InitializationError("no such activity"), True),
        (RequestRejectedError("invalid", status=400), True),
        (NotFoundError("no such worker", status=404), True),
        (AuthorizationError("denied", status=401), False),
        (RateLimitedError("busy", status=429), False),
        (NetworkError("no answer"), False),
    ],
    ids=lambda each: getattr(each, "message", None),
)
def test_failures_that_a_retry_does_not_help(error: TaskRouterError, final: bool) -> None:
    """What depends on the token, the moment or the network is tried again; a wrong request is not."""
    assert failures.is_final(error) is final


def test_a_provider_that_raises() -> None:
    """Only the class of its exception is in the message: the text may have the token in it."""
    cause = KeyError("secret")
    error = failures.renewal_failure(cause)
    assert error.message == "The token_provider raised KeyError; it will be called again"
    assert error.__cause__ is cause
