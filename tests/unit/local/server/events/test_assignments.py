"""Answers of assignment callbacks: what each asks of the engine, and what is wrong with those that mean nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twilio_taskrouter_worker.local.engine import Engine, commands
from twilio_taskrouter_worker.local.engine.events import ReservationEvent
from twilio_taskrouter_worker.local.server.events import assignments
from twilio_taskrouter_worker.local.server.http.parameters import INSTRUCT_RESERVATION


@pytest.fixture(scope="module")
def created() -> ReservationEvent:
    """A ``reservation.created``."""
    engine = Engine(account_sid="AC" + "1" * 32)
    workspace = engine.apply(commands.CreateWorkspace(friendly_name="W", template="FIFO"), 100.0).result
    [available] = [each.sid for each in engine.activities(workspace.sid) if each.available]
    engine.apply(
        commands.CreateWorker(
            workspace_sid=workspace.sid, friendly_name="Alice", activity_sid=available, attributes='{"contact_uri":"x"}'
        ),
        100.0,
    )
    task = commands.CreateTask(workspace_sid=workspace.sid, attributes='{"order":1}', priority=7)
    events = engine.apply(task, 102.5).events
    return next(event for event in events if isinstance(event, ReservationEvent))


def asked(created: ReservationEvent, document: Any) -> assignments.Instruction:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    found = assignments.instruction(body, created)
    assert found is not None
    assert found.command.sid == created.reservation.sid
    assert found.command.workspace_sid == created.workspace_sid
    return found


def test_parameters(created: ReservationEvent) -> None:
    """The callback has all twelve parameters, as text."""
    assert assignments.params(created) == {
        "Timestamp": "102",
        "AccountSid": "AC" + "1" * 32,
        "WorkspaceSid": created.workspace_sid,
        "WorkflowSid": created.task.workflow_sid,
        "TaskQueueSid": created.task.task_queue_sid,
        "WorkerSid": created.worker.sid,
        "WorkerAttributes": '{"contact_uri":"x"}',
        "TaskSid": created.task.sid,
        "TaskAttributes": '{"order":1}',
        "TaskAge": "0",
        "TaskPriority": "7",
        "ReservationSid": created.reservation.sid,
    }


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b"null", b'{"instruction": null}', b'{"other": 1}'])
def test_decided_later(created: ReservationEvent, body: bytes) -> None:
    """An answer without an instruction leaves the reservation to others."""
    if body == b"null":
        with pytest.raises(assignments.Unusable, match="NoneType"):
            assignments.instruction(body, created)
    else:
        assert assignments.instruction(body, created) is None


@pytest.mark.parametrize(
    ("answer", "params"),
    [
        ({"instruction": "accept"}, {}),
        ({"instruction": "Accept"}, {}),
        ({"instruction": "reject"}, {}),
        (
            {
                "instruction": "dequeue", "to": "+1", "from": "+2", "post_work_activity_sid": "WA1", "record": "r",
                "timeout": 30, "status_callback_url": "http://x", "status_callback_events": ["initiated", "ringing"],
            },
            {
                "DequeueTo": "+1", "DequeueFrom": "+2", "DequeuePostWorkActivitySid": "WA1", "DequeueRecord": "r",
                "DequeueTimeout": 30, "DequeueStatusCallbackUrl": "http://x",
                "DequeueStatusCallbackEvent": "initiated,ringing",
            },
        ),
        (
            {
                "instruction": "call", "from": "+2", "url": "http://u", "to": "+1", "accept": True, "record": "r",
                "timeout": "999", "status_callback_url": "http://x",
            },
            {
                "CallFrom": "+2", "CallUrl": "http://u", "CallTo": "+1", "CallAccept": True, "CallRecord": "r",
                "CallTimeout": 999, "CallStatusCallbackUrl": "http://x",
            },
        ),
        (
            {"instruction": "redirect", "call_sid": "CA1", "url": "http://u", "accept": "false"},
            {"RedirectCallSid": "CA1", "RedirectUrl": "http://u", "RedirectAccept": False},
        ),
        (
            {
                "instruction": "conference", "beep": "onEnter", "muted": False, "max_participants": 3, "to": None,
                "conference_record": True, "status_callback_event": "initiated ringing",
            },
            {
                "Beep": "onEnter", "Muted": False, "MaxParticipants": 3, "ConferenceRecord": True,
                "StatusCallbackEvent": "initiated,ringing",
            },
        ),
    ],
    ids=lambda value: value.get("instruction") if isinstance(value, dict) else None,
)  # fmt: skip
def test_instructions(created: ReservationEvent, answer: dict[str, Any], params: dict[str, Any]) -> None:
    """Each instruction becomes the one of REST, its keys become REST's parameters."""
    found = asked(created, answer)
    assert found.command.instruction == answer["instruction"].lower()
    assert found.command.params == params
    assert found.ignored == ()


def test_rejecting_into_an_activity(created: ReservationEvent) -> None:
    """The activity of a rejection is a field of its own, as in REST's form."""
    found = asked(created, {"instruction": "reject", "activity_sid": "WA1"})
    assert (found.command.worker_activity_sid, found.command.params) == ("WA1", {})
    assert "WorkerActivitySid" in {param.name for param in INSTRUCT_RESERVATION}


def test_every_option_of_a_conference(created: ReservationEvent) -> None:
    """Each option of the REST instruction has its key in snake case."""
    from tests.data import calls

    options = [option for option in calls.OPTIONS if "Reservation.conference" in option.methods]
    assert len(options) > 30
    known = set(assignments.INSTRUCTIONS["conference"])
    assert {option.argument.rstrip("_") for option in options} <= known
    params = {key.param for key in assignments.INSTRUCTIONS["conference"].values()}
    assert {option.param for option in options} <= params


def test_keys_that_mean_nothing_are_named(created: ReservationEvent) -> None:
    """What an instruction does not have is not passed on, but not passed over in silence either."""
    found = asked(created, {"instruction": "accept", "url": "x", "activity": "y"})
    assert (found.command.params, found.ignored) == ({}, ("activity", "url"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<Response/>", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[1]", "must be a JSON object, not list"),
        ({"instruction": "hangup"}, "'hangup', not one of accept, reject, dequeue, call, redirect, conference"),
        ({"instruction": "supervise"}, "'supervise', not one of"),
        ({"instruction": 7}, "instruction is 7, not one of"),
        ({"instruction": "call", "from": "+1"}, "call needs the key url"),
        ({"instruction": "call", "url": "u"}, "call needs the key from"),
        ({"instruction": "call", "from": "", "url": "u"}, "call needs the key from"),
        ({"instruction": "redirect", "url": "u"}, "redirect needs the key call_sid"),
        ({"instruction": "redirect", "call_sid": "CA"}, "redirect needs the key url"),
        ({"instruction": "dequeue", "timeout": 1000}, "timeout of its instruction dequeue must be 1 to 999 seconds"),
        ({"instruction": "dequeue", "timeout": "soon"}, "must be an integer"),
        ({"instruction": "dequeue", "timeout": True}, "must be an integer"),
        ({"instruction": "dequeue", "to": 4711}, "to of its instruction dequeue must be a string"),
        ({"instruction": "dequeue", "status_callback_events": [1]}, "must be a string, or a list of strings"),
        ({"instruction": "conference", "muted": "perhaps"}, "muted of its instruction conference must be true"),
        ({"instruction": "conference", "beep": 1}, "beep of its instruction conference must be a string"),
    ],
)
def test_answers_that_mean_nothing(created: ReservationEvent, answer: Any, said: str) -> None:
    """What cannot be done says what is wrong, and what would be right."""
    with pytest.raises(assignments.Unusable, match=said):
        asked(created, answer)
