"""Entries of the inspector for people: programs to paste, and bodies that are cut off or not text."""

from __future__ import annotations

import json

import pytest

from twilio_taskrouter_worker.local.server.console import copying, shown
from twilio_taskrouter_worker.local.server.console.secrets import Secrets
from twilio_taskrouter_worker.local.server.console.wire import Exchange

BASE = "http://127.0.0.1:4100"
NOTHING = Secrets(())


def bridge(url: str, method: str = "POST", **params: str) -> Exchange:
    """A tunnelled request."""
    document = {"url": url, "method": method, "params": params, "token": "secret"}
    return Exchange(at=0.0, kind="bridge", method="POST", path="/api", sent=json.dumps(document).encode())


@pytest.mark.parametrize(
    ("method", "sent", "words"),
    [
        ("DELETE", b"", "-X DELETE"),
        ("POST", b"", "-X POST"),
        ("POST", b'{"seconds": 5}', "'Content-Type: application/json' --data '{\"seconds\": 5}'"),
    ],
)
def test_control_requests_as_curl(method: str, sent: bytes, words: str) -> None:
    """Methods that curl would not choose of its own accord are named, and a body is JSON."""
    entry = Exchange(at=0.0, kind="control", method=method, path="/control/v1/clock", sent=sent)
    command = copying.as_curl(entry, NOTHING, BASE)
    assert command is not None
    assert words in command and command.endswith(f"{BASE}/control/v1/clock")


def test_a_frame_is_not_a_request() -> None:
    """No program makes it again."""
    entry = Exchange(at=0.0, kind="frame", method="", path="", received=b"{}")
    assert copying.as_curl(entry, NOTHING, BASE) is None
    assert copying.as_python(entry, NOTHING, BASE) is None
    assert copying.as_client(entry, NOTHING, BASE) is None


def test_a_tunnelled_request_that_the_client_does_not_have() -> None:
    """It has a curl command, which takes the token from the environment, but no program of the client."""
    entry = bridge("Workspaces/WS1/Statistics", "GET")
    assert copying.as_client(entry, NOTHING, BASE) is None
    command = copying.as_curl(entry, NOTHING, BASE)
    assert command is not None and '"$TASKROUTER_TOKEN"' in command and "secret" not in command


def test_a_tunnelled_change_of_a_task() -> None:
    """The program finds the task among those of the worker's reservations."""
    program = copying.as_client(bridge("Workspaces/WS1/Tasks/WT1", Attributes='{"a": 1}'), NOTHING, BASE)
    assert program is not None and program.startswith("import json\n")
    assert "task = {each.task.sid" in program and "task('WT1').set_attributes(json.loads('{\"a\": 1}'))" in program
    compile(program, "program", "exec")


@pytest.mark.parametrize(
    ("method", "path", "call"),
    [
        ("GET", "/v1/Workspaces/WS1/Workers/Statistics", None),
        ("PUT", "/v1/Workspaces/WS1", None),
        ("GET", "/v1/Workspaces/WS1/Statistics?Minutes=5", "(\"WS1\").statistics().fetch(minutes='5')"),
        ("GET", "/v1/Workspaces/WS1/Workers/WK1/Channels?PageSize=2", '.workers("WK1").worker_channels.list()'),
    ],
)
def test_calls_of_the_official_helper(method: str, path: str, call: str | None) -> None:
    """None for what the helper has not, or spells in its own way; paging is left to it."""
    program = copying.as_python(Exchange(at=0.0, kind="rest", method=method, path=path), NOTHING, BASE)
    if call is None:
        assert program is None
    else:
        assert program is not None and call in program
        compile(program, "program", "exec")


def test_a_body_that_was_cut_off_within_a_character() -> None:
    """The rest of the character is left out; a whole body that is not text is shown in base64."""
    cut = Exchange(at=0.0, kind="rest", method="POST", path="/v1/x", sent="a=é".encode()[:-1], truncated=True)
    request = shown.detail(cut, NOTHING, BASE)["request"]
    assert (request["body"], request["encoding"], request["truncated"]) == ("a=", "text", True)
    whole = Exchange(at=0.0, kind="rest", method="POST", path="/v1/x", sent=b"\xff")
    request = shown.detail(whole, NOTHING, BASE)["request"]
    assert (request["body"], request["encoding"]) == ("/w==", "base64")


def test_a_tunnelled_request_that_was_cut_off() -> None:
    """Without its end it cannot be made again."""
    entry = Exchange(at=0.0, kind="bridge", method="POST", path="/api", sent=b'{"url": "Worksp', truncated=True)
    assert entry.envelope is None and copying.as_curl(entry, NOTHING, BASE) is None
