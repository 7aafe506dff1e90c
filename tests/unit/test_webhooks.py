"""Webhook receivers: signatures as Twilio's own validator computes them, typed payloads, answers, statuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from twilio_taskrouter_worker import webhooks
from twilio_taskrouter_worker.webhooks import (
    AssignmentCallback,
    EventCallback,
    InvalidCallbackError,
    Receiver,
    is_signed,
    signature,
)

TOKEN = "0123456789abcdef0123456789abcdef"
URL = "https://desk.example.com/taskrouter?line=1"
ASSIGNMENT = {
    "Timestamp": "1700000000",
    "AccountSid": "AC1",
    "WorkspaceSid": "WS1",
    "WorkflowSid": "WW1",
    "TaskQueueSid": "WQ1",
    "WorkerSid": "WK1",
    "WorkerAttributes": '{"languages":["de"]}',
    "TaskSid": "WT1",
    "TaskAttributes": '{"order":4711}',
    "TaskAge": "12",
    "TaskPriority": "-3",
    "ReservationSid": "WR1",
}
EVENT = {
    "EventType": "task.canceled",
    "Sid": "EV1",
    "AccountSid": "AC1",
    "WorkspaceSid": "WS1",
    "WorkspaceName": "Desk",
    "EventDescription": "Task canceled",
    "ResourceType": "task",
    "ResourceSid": "WT1",
    "Timestamp": "1700000000",
    "TaskAttributes": '{"order":4711}',
}

words = st.text(max_size=8)


@given(st.dictionaries(words, words, max_size=5))
def test_the_signature_is_that_of_twilio(form: dict[str, str]) -> None:
    """For any form, the signature is the one that the official library computes, and both accept each other's."""
    official = RequestValidator(TOKEN)
    assert signature(TOKEN, URL, form) == official.compute_signature(URL, form)
    assert is_signed(TOKEN, URL, form, official.compute_signature(URL, form))


def test_a_name_that_comes_twice() -> None:
    """Values of one name are sorted, and each counts once, as in the official library."""

    class Fields(dict[str, Any]):
        def getall(self, name: str) -> list[str]:
            return ["b", "a", "b"]

    official = RequestValidator(TOKEN).compute_signature(URL, Fields({"x": "b"}))
    assert signature(TOKEN, URL, [("x", "b"), ("x", "a"), ("x", "b")]) == official


@pytest.mark.parametrize(
    ("signed", "called"),
    [("https://a.example/x", "https://a.example:443/x"), ("http://a.example:80/x", "http://a.example/x")],
)
def test_the_standard_port_may_be_written_or_not(signed: str, called: str) -> None:
    """A proxy may add or drop the standard port."""
    assert is_signed(TOKEN, called, ASSIGNMENT, signature(TOKEN, signed, ASSIGNMENT))


@pytest.mark.parametrize("header", [None, "", "AAAA", "\udc80ü", signature("another", URL, ASSIGNMENT)])
def test_an_invalid_signature_is_refused(header: str | None) -> None:
    """Without the auth token there is no way in, and no function is called."""
    called: list[object] = []
    receiver = Receiver(TOKEN, on_assignment=lambda callback: called.append(callback))
    status, answer = receiver.receive(URL, ASSIGNMENT, header)
    assert status == 403
    assert answer is not None and "signature is invalid" in answer["message"]
    assert not called


def test_an_other_port_counts() -> None:
    """Only the standard port of the scheme may be left out."""
    assert not is_signed(TOKEN, "https://a.example:8443/x", {}, signature(TOKEN, "https://a.example/x", {}))


def test_an_assignment_is_typed() -> None:
    """Attributes are objects, numbers are numbers, the time is aware."""
    callback = AssignmentCallback.from_form(ASSIGNMENT)
    assert (callback.task_attributes, callback.worker_attributes) == ({"order": 4711}, {"languages": ["de"]})
    assert (callback.task_age, callback.task_priority) == (12, -3)
    assert callback.timestamp == datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
    assert callback.fields["TaskSid"] == callback.task_sid == "WT1"
    assert "4711" not in repr(callback)


def test_an_event_is_typed() -> None:
    """The common facts are attributes; those of some events are fields."""
    event = EventCallback.from_form({**EVENT, "WorkerAttributes": ""})
    assert (event.event_type, event.sid, event.resource_sid) == ("task.canceled", "EV1", "WT1")
    assert (event.task_attributes, event.worker_attributes) == ({"order": 4711}, {})
    assert EventCallback.from_form({**EVENT, "TaskAttributes": "{}"}).worker_attributes == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TaskAge": "soon"}, "TaskAge must be an integer, not 'soon'"),
        ({"Timestamp": "9" * 19}, "Timestamp must be a time in unix seconds"),
        ({"TaskAttributes": "{"}, "TaskAttributes is not JSON"),
        ({"TaskAttributes": "[]"}, "TaskAttributes must be a JSON object, not a list"),
        ({"ReservationSid": None}, "no field ReservationSid"),
    ],
)
def test_a_form_without_a_callback_is_a_400(change: dict[str, str | None], message: str) -> None:
    """The answer names the field."""
    form = {name: value for name, value in {**ASSIGNMENT, **change}.items() if value is not None}
    with pytest.raises(InvalidCallbackError, match=message):
        AssignmentCallback.from_form(form)
    status, answer = Receiver(None).receive(URL, form, None)
    assert status == 400
    assert answer is not None and message in answer["message"]


def test_answers() -> None:
    """An instruction has the keys that were given, under their names on the wire."""
    assert webhooks.accept() == {"instruction": "accept"}
    assert webhooks.reject(activity_sid="WA1") == {"instruction": "reject", "activity_sid": "WA1"}
    assert webhooks.reject() == {"instruction": "reject"}
    assert webhooks.dequeue(from_="+1", timeout=9) == {"instruction": "dequeue", "from": "+1", "timeout": 9}
    assert webhooks.call("+1", "https://x", accept=True) == {
        "instruction": "call",
        "from": "+1",
        "url": "https://x",
        "accept": True,
    }
    assert webhooks.redirect("CA1", "https://x") == {"instruction": "redirect", "call_sid": "CA1", "url": "https://x"}
    assert webhooks.conference(from_="+1", beep=False) == {"instruction": "conference", "from": "+1", "beep": False}


def test_options_of_answers() -> None:
    """They are those of the calls that do the same, in all their number."""
    assert (
        webhooks.dequeue(post_work_activity_sid="WA1", status_callback_events="end")["status_callback_events"] == "end"
    )
    assert webhooks.conference(post_work_activity_sid="WA1", conference_trim="x")["post_work_activity_sid"] == "WA1"
    wrong: list[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any], str]] = [
        (webhooks.dequeue, (), {"time_out": 5}, "dequeue\\(\\) has no option 'time_out'; did you mean 'timeout'"),
        (webhooks.conference, (), {"instruction": "x"}, "conference\\(\\) has no option 'instruction'"),
        (webhooks.dequeue, (), {"timeout": "5"}, "timeout must be a whole number, not str"),
        (webhooks.conference, (), {"beep": 1}, "beep must be True, False or a string, not int"),
        (webhooks.reject, (), {"activity_sid": 5}, "activity_sid must be a string, not int"),
        (webhooks.call, (None, "https://x"), {}, "from_ must be a string, not NoneType"),
        (webhooks.redirect, ("CA1", None), {}, "url must be a string, not NoneType"),
    ]
    for make, args, options, says in wrong:
        with pytest.raises(TypeError, match=says):
            make(*args, **options)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"on_assignment": 5}, TypeError, "on_assignment must be a function, not int"),
        ({"on_event": "x"}, TypeError, "on_event must be a function, not str"),
        ({"public_url": 5}, TypeError, "public_url must be a string, not int"),
        # Every request would be refused, whatever its signature.
        ({"public_url": "desk.example.com"}, ValueError, "public_url must be like 'https://desk.example.com', not"),
        ({"public_url": ""}, ValueError, "public_url must be like"),
        ({"public_url": "ftp://desk.example.com"}, ValueError, "public_url must be like"),
    ],
)
def test_options_of_a_receiver(options: dict[str, Any], error: type[Exception], says: str) -> None:
    """They are checked before the first request comes."""
    with pytest.raises(error, match=says):
        Receiver(TOKEN, **options)


def test_a_coroutine_function_cannot_answer() -> None:
    """Nothing would await it; it is refused when the receiver is made."""

    async def assign(callback: AssignmentCallback) -> None: ...

    with pytest.raises(TypeError, match="on_assignment must be a function, not a coroutine function"):
        Receiver(TOKEN, on_assignment=assign)  # type: ignore[arg-type]


@pytest.mark.parametrize("url", ["http://[x/taskrouter", "http://desk:port/taskrouter", "http://desk:99999/", ""])
@pytest.mark.parametrize("public_url", [None, "https://desk.example.com"])
def test_a_url_that_is_none(url: str, public_url: str | None) -> None:
    """The header Host, which is in it, comes from anyone: the answer is 403, not an exception."""
    receiver = Receiver(TOKEN, public_url=public_url)
    assert receiver.receive(url, ASSIGNMENT, "a signature")[0] == 403


def test_the_right_function_is_called() -> None:
    """An event is acknowledged with 204; an assignment is answered with its instruction, or left open."""
    seen: list[object] = []
    receiver = Receiver(TOKEN, on_assignment=lambda callback: webhooks.accept(), on_event=seen.append)
    assert receiver.receive(URL, ASSIGNMENT, signature(TOKEN, URL, ASSIGNMENT)) == (200, webhooks.accept())
    assert receiver.receive(URL, EVENT, signature(TOKEN, URL, EVENT)) == (204, None)
    assert [type(each) for each in seen] == [EventCallback]
    assert Receiver(None).receive(URL, ASSIGNMENT, None) == (200, {})
    assert Receiver(None).receive(URL, EVENT, None) == (204, None)


def test_behind_a_proxy() -> None:
    """The signature is checked for the address that TaskRouter calls, not for the one behind the proxy."""
    receiver = Receiver(TOKEN, public_url="https://desk.example.com")
    inside = "http://10.0.0.7:8000/taskrouter?line=1"
    assert receiver.receive(inside, ASSIGNMENT, signature(TOKEN, URL, ASSIGNMENT))[0] == 200
    assert receiver.receive(inside, ASSIGNMENT, signature(TOKEN, inside, ASSIGNMENT))[0] == 403


@pytest.mark.parametrize("token", ["", 5])
def test_an_empty_auth_token_is_refused(token: Any) -> None:
    """An unset variable must not switch the check off."""
    with pytest.raises(ValueError, match="None to skip"):
        Receiver(token)
