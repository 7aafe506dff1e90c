"""The end of one call: answers that cannot be used, that come too late, and failures before the request."""

from __future__ import annotations

import logging
import time
from typing import Any, NoReturn

import pytest

from twilio_taskrouter_worker import ClosedError, TokenError
from twilio_taskrouter_worker._bridge import routes
from twilio_taskrouter_worker._bridge.calls import Calls, _Call
from twilio_taskrouter_worker._bridge.request import Request


def begun(then: Any) -> Any:
    """A call whose answer is processed so."""
    sids = {"ws": "WS1", "wk": "WK1", "reservation": "WR1"}
    calls = Calls("http://bridge.example", lambda: "token", "1.0", 20.0)
    call: Any = _Call(calls, Request(routes.ACCEPT, sids, {}, then, ("WT1",)), time.monotonic() + 20.0)
    calls._open[call] = None
    return call


def odd(*args: object) -> NoReturn:
    """A step that fails as none should."""
    raise KeyError("sid")


def test_an_answer_that_cannot_be_processed() -> None:
    """The Future fails with the error, and the next call in line may go."""
    call = begun(odd)
    call._succeed({})
    assert type(call.future.exception(0)) is KeyError
    assert call._calls.in_flight == 0


def test_a_late_answer() -> None:
    """Too late for the caller, it is applied: it describes the state of the service. One that is damaged is ignored."""
    seen: list[object] = []
    for then, payload in ((seen.append, {"sid": "WR1"}), (odd, {})):
        call = begun(then)
        call.close("the worker was disconnected")
        call._succeed(payload)
        assert type(call.future.exception(0)) is ClosedError
    assert seen == [{"sid": "WR1"}]


def test_a_provider_without_a_token() -> None:
    """Its failure is that of the call, and nothing is sent."""
    call, failure = begun(odd), TokenError("The token_provider raised KeyError")

    def provider() -> str:
        raise failure

    call._conclude(provider, odd)
    assert call.future.exception(0) is failure


def test_a_defect_in_the_exchange(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged as a defect of the library, and the caller does not wait in vain."""
    call = begun(odd)
    call._conclude(lambda: "token", odd)
    assert type(call.future.exception(0)) is KeyError
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "this is a defect of the library" in record.getMessage()
