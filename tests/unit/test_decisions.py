"""What a handler may return, and other values that users make: their arguments are checked where they are made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from twilio_taskrouter_worker import Complete, HealthServer, Reject, Single, Transfer, Worker, WrapUp


def call(kind: Any, *args: Any, **kwargs: Any) -> Callable[[], Any]:
    """A call that a type checker would refuse."""
    return partial(kind, *args, **kwargs)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (call(Complete, 5), TypeError, "reason must be a string, not int"),
        (call(WrapUp, b"x"), TypeError, "reason must be a string, not bytes"),
        (call(Reject, 5), TypeError, "activity must be an activity's name or sid, or an Activity, not int"),
        (call(Reject, ""), ValueError, "activity must be an activity's name or sid, not empty"),
        (call(Transfer, None), TypeError, "to must be a string, not NoneType"),
        (call(Transfer, ""), ValueError, "to must not be empty"),
        (call(Transfer, "WQ1", mode="warm"), ValueError, "mode must be 'WARM' or 'COLD', not 'warm'"),
        (call(Transfer, "WQ1", priority=-1), ValueError, "priority must be 0 or more, not -1"),
        (call(Transfer, "WQ1", priority="1"), TypeError, "priority must be a whole number, not str"),
        (call(Transfer, "WQ1", attributes=[1]), TypeError, "attributes must be a mapping, not list"),
        (call(Transfer, "WQ1", attributes={1: 2}), TypeError, "attributes must have strings as keys, not int"),
        (call(Single, 5), TypeError, "single must be the path of a lock file, or a Single, not int"),
        (call(Single, ""), ValueError, "single must be the path of a lock file, or a Single, not empty"),
        (call(Worker, "a.b.c", single=""), ValueError, "single must be the path .*, not empty"),
        (call(Single, "x", wait="yes"), TypeError, "wait must be True or False, not str"),
        (call(HealthServer, None, 0), TypeError, "health must be a function, not NoneType"),
        (call(HealthServer, print, True), TypeError, "health_port must be a whole number, not bool"),
    ],
)
def test_wrong_arguments(make: Callable[[], Any], error: type[Exception], says: str) -> None:
    """They are refused there, with the caller's line in the traceback, and not later on a thread of the library."""
    with pytest.raises(error, match=says):
        make()


def test_right_arguments() -> None:
    """All that is documented passes."""
    assert (Complete().reason, Complete("").reason, WrapUp("x").reason) == (None, "", "x")
    assert (Reject().activity, Reject("Offline").activity) == (None, "Offline")
    assert Transfer("WQ1", priority=0, attributes={}) == Transfer("WQ1", mode="COLD", priority=0, attributes={})
