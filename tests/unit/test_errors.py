"""The tree of errors."""

from __future__ import annotations

import copy
import pickle
import re

import pytest

import twilio_taskrouter_worker
from twilio_taskrouter_worker import errors
from twilio_taskrouter_worker.errors import (
    AuthorizationError,
    NotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    TaskRouterError,
    VersionConflictError,
    rejected,
)

KINDS = [getattr(errors, name) for name in errors.__all__]


def drawn_tree() -> dict[str, str]:
    """Child to parent, as the module's docstring draws it."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in str(errors.__doc__).splitlines():
        found = re.fullmatch(r"    ([│ ]*(?:[├└]── )?)(\w+Error)\b.*", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            if depth:
                parents[found[2]] = path[depth - 1]
    return parents


def test_the_drawing_is_the_tree() -> None:
    """The docstring draws every class under its parent, and no other."""
    actual = {
        kind.__name__: next(base for base in kind.__bases__ if issubclass(base, TaskRouterError)).__name__
        for kind in KINDS
        if kind is not TaskRouterError
    }
    assert drawn_tree() == actual


def test_the_tree_draws_each_timeout_error() -> None:
    """The classes that the drawing calls a TimeoutError too are, and no others."""
    drawn = set(re.findall(r"(\w+Error) .*also a TimeoutError", str(errors.__doc__)))
    assert (
        {kind.__name__ for kind in KINDS if issubclass(kind, TimeoutError)}
        == drawn
        == {
            "ConnectTimeoutError",
            "RequestTimeoutError",
        }
    )


def test_all_is_complete() -> None:
    """Every class of the module is listed, and is a name of the package."""
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert classes == set(errors.__all__)
    assert classes <= set(twilio_taskrouter_worker.__all__)


@pytest.mark.parametrize("kind", KINDS)
def test_data(kind: type[TaskRouterError]) -> None:
    """Each error shows its message, has a name in capitals, and None for what it was not told."""
    bare = kind("what went wrong")
    assert (str(bare), bare.message) == ("what went wrong", "what went wrong")
    assert (bare.status, bare.code, bare.more_info, bare.retry_after) == (None, None, None, None)
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)+", bare.name)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("take", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_pickle_keeps_everything(kind: type[TaskRouterError], take: object) -> None:
    """An error survives the way to another process with class and data."""
    error = kind("m", status=429, code=20429, more_info="https://example.test", retry_after=1.5)
    again = take(error)  # type: ignore[operator]
    assert type(again) is kind
    assert vars(again) == vars(error)
    assert (str(again), again.args) == ("m", error.args)


def test_names_that_a_caller_of_the_js_sdk_knows() -> None:
    """The names are those of the JS SDK for the same condition, and subclasses keep the name of theirs."""
    names = {
        "TokenError": "INVALID_TOKEN",
        "TokenExpiredError": "TOKEN_EXPIRED",
        "GatewayConnectionError": "GATEWAY_CONNECTION_FAILED",
        "GatewayDisconnectedError": "GATEWAY_DISCONNECTED",
        "InvalidMessageError": "INVALID_GATEWAY_MESSAGE",
        "RequestRejectedError": "REQUEST_INVALID",
        "ServerError": "SERVER_ERROR",
        "RequestTimeoutError": "REQUEST_TIMEOUT_ERROR",
        "NetworkError": "NETWORK_ERROR",
        "RequestError": "UNKNOWN_ERROR",
        "StateError": "INVALID_STATE",
    }
    assert {name: getattr(errors, name).name for name in names} == names
    assert errors.AuthorizationError.name == errors.NotFoundError.name == "REQUEST_INVALID"
    assert errors.ConnectTimeoutError.name == "GATEWAY_CONNECTION_FAILED"
    assert errors.InvalidAnswerError.name == "UNKNOWN_ERROR"
    assert errors.ClosedError.name == "INVALID_STATE"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (300, RequestRejectedError),
        (400, RequestRejectedError),
        (401, AuthorizationError),
        (403, AuthorizationError),
        (404, NotFoundError),
        (412, VersionConflictError),
        (418, RequestRejectedError),
        (429, RateLimitedError),
        (499, RequestRejectedError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
    ],
)
def test_rejected(status: int, kind: type[TaskRouterError]) -> None:
    """The status chooses the class and begins the sentence; the rest is kept as it came."""
    error = rejected(status, "Because.", code=20001, more_info="https://example.test", retry_after=2.0)
    assert type(error) is kind
    lead = "Server responded with status code" if status >= 500 else "Request failed with status code"
    assert error.message == f"{lead} {status}. Because."
    assert (error.status, error.code, error.more_info, error.retry_after) == (
        status,
        20001,
        "https://example.test",
        2.0,
    )


def test_rejected_without_a_message() -> None:
    """Without a message the sentence ends after the status."""
    assert rejected(404, "", code=None, more_info=None, retry_after=None).message == (
        "Request failed with status code 404."
    )
