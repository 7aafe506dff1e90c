"""Instructions, voice connections without telephony, and participants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.desk import Desk
from twilio_taskrouter_worker.local.engine import Outcome, Rules

CALL = {"CallFrom": "+1", "CallUrl": "http://x"}
REDIRECT = {"RedirectCallSid": "CA1", "RedirectUrl": "http://x"}


def offered(rules: Rules | None = None) -> tuple[Desk, str, str]:
    """Return a desk, its worker Ann, and her pending reservation."""
    desk = Desk(rules=rules)
    ann = desk.worker("Ann", contact_uri="client:ann")
    desk.task()
    return desk, ann, desk.pending(ann)[0]


def instruct(desk: Desk, sid: str, instruction: str, params: dict[str, Any] | None = None, **fields: Any) -> Any:
    """Post an instruction."""
    return desk.do("InstructReservation", sid=sid, instruction=instruction, params=params or {}, **fields)


@pytest.mark.parametrize(
    ("instruction", "params"),
    [
        ("conference", {}),
        ("Dequeue", {}),
        ("call", {**CALL, "CallAccept": "true"}),
        ("redirect", {**REDIRECT, "RedirectAccept": True}),
    ],
)
def test_a_voice_instruction_is_answered_pending_and_then_accepts(instruction: str, params: dict[str, Any]) -> None:
    """The answer shows the reservation pending; without a delay it is accepted at once, with no other command."""
    desk, ann, sid = offered()
    answer = instruct(desk, sid, instruction, params)
    assert answer.reservation_status == "pending" and answer.on_hold
    assert desk.types(ann) == ["reservation.accepted"]
    assert desk.reservation(sid).on_hold is False


@pytest.mark.parametrize(("instruction", "params"), [("call", CALL), ("redirect", REDIRECT)])
def test_call_and_redirect_accept_only_when_told(instruction: str, params: dict[str, Any]) -> None:
    """Without the switch the reservation goes on waiting, and times out."""
    desk, _, sid = offered()
    instruct(desk, sid, instruction, params)
    desk.advance(119)
    assert desk.reservation(sid).reservation_status == "pending"
    desk.advance(1)
    assert desk.reservation(sid).reservation_status == "timeout"


def test_while_media_is_set_up_nothing_else_happens() -> None:
    """The timer stands still, and a second answer is refused, until somebody settles it."""
    desk, ann, sid = offered(Rules(voice_answer_delay=None))
    instruct(desk, sid, "conference")
    desk.advance(1000)
    assert desk.reservation(sid).reservation_status == "pending"
    assert desk.refused("UpdateReservation", sid=sid, reservation_status="accepted").status == 400
    assert desk.refused("UpdateReservation", sid=sid, reservation_status="rejected").status == 400
    assert desk.refused("InstructReservation", sid=sid, instruction="conference").status == 400
    desk.set_activity(ann, "Offline", reject_pending_reservations=True)
    assert desk.types(ann) == ["worker.activity.update"]
    answer = desk.do("ResolveInstruction", reservation_sid=sid)
    assert answer.reservation_status == "accepted"
    assert desk.refused("ResolveInstruction", reservation_sid=sid).status == 400


def test_media_that_fails_cancels_with_a_code() -> None:
    """The reservation is canceled, not timed out, and the task is offered anew."""
    desk, ann, sid = offered(Rules(voice_answer_delay=3.0))
    desk.do("ResolveInstruction", canceled_reason_code=13223)
    instruct(desk, sid, "conference")
    desk.advance(2)
    assert desk.types() == []
    desk.advance(1)
    assert desk.types(ann) == ["reservation.canceled", "reservation.created"]
    canceled = desk.event("reservation.canceled")
    assert canceled.reservation and canceled.reservation.canceled_reason_code == 13223
    assert canceled.task and canceled.task.assignment_status == "pending"


def test_a_task_that_ends_ends_the_set_up_too() -> None:
    """Cancelling the task while media is set up leaves nothing behind."""
    desk, ann, sid = offered(Rules(voice_answer_delay=5.0))
    instruct(desk, sid, "conference")
    desk.do("DeleteTask", sid=desk.reservation(sid).task_sid)
    canceled = desk.event("reservation.canceled", ann).reservation
    assert canceled and canceled.on_hold is False and canceled.canceled_reason_code is None
    assert desk.engine.next_deadline() is None


@pytest.mark.parametrize(
    ("instruction", "code"), [("conference", 20001), ("dequeue", 20001), ("call", 40114), ("redirect", 40123)]
)
def test_voice_instructions_need_a_pending_reservation(instruction: str, code: int) -> None:
    """The refusal has the instruction's own code and words."""
    desk, _, sid = offered()
    desk.to(sid, "accepted")
    params = {**CALL, **REDIRECT}
    refusal = desk.refused("InstructReservation", sid=sid, instruction=instruction, params=params)
    assert (refusal.status, refusal.code) == (400, code)
    assert refusal.message == (
        f"Unable to execute {instruction.capitalize()} instruction."
        f" Reservation {sid} is not currently in a Pending state."
    )


@pytest.mark.parametrize(
    ("instruction", "params", "words"),
    [
        ("call", {"CallFrom": "+1"}, "CallUrl is required"),
        ("redirect", {"RedirectUrl": "x"}, "RedirectCallSid is required"),
        ("supervise", {}, "Supervisor is required"),
        ("supervise", {"Supervisor": "WKxx"}, "Supervisor 'WKxx'"),
        ("whistle", {}, "Unknown instruction 'whistle'"),
        ("conference", {"PostWorkActivitySid": "WAxx"}, "WAxx"),
        ("reject", {}, "WAyy"),
    ],
)
def test_bad_instructions_are_refused(instruction: str, params: dict[str, Any], words: str) -> None:
    """What is missing or unknown is named."""
    desk, _, sid = offered()
    fields = {"worker_activity_sid": "WAyy"} if instruction == "reject" else {}
    refusal = desk.refused("InstructReservation", sid=sid, instruction=instruction, params=params, **fields)
    assert refusal.status == 400 and words in refusal.message


def test_accept_and_reject_as_instructions() -> None:
    """They do what the statuses do, with the same checks."""
    desk, ann, sid = offered()
    instruct(desk, sid, "reject", worker_activity_sid=desk.activity("Offline"))
    assert desk.types(ann) == ["reservation.rejected", "worker.activity.update"]
    assert desk.refused("InstructReservation", sid=sid, instruction="reject").status == 400
    desk.set_activity(ann, "Available")
    again = desk.pending(ann)[0]
    assert instruct(desk, again, "ACCEPT", if_match=0).reservation_status == "accepted"
    assert desk.refused("InstructReservation", sid=again, instruction="accept").status == 400
    assert desk.refused("InstructReservation", sid=again, instruction="accept", if_match=0).status == 412


def test_the_worker_goes_where_the_instruction_said_after_work() -> None:
    """The activity for after the work is taken when the reservation completes, however it completes."""
    desk, ann, sid = offered()
    instruct(desk, sid, "conference", {"PostWorkActivitySid": desk.activity("Unavailable")})
    desk.advance(0)
    desk.to(sid, "completed")
    assert desk.types(ann) == ["task.completed", "reservation.completed", "worker.activity.update"]
    desk.set_activity(ann, "Available")
    task = desk.task()
    instruct(desk, desk.pending(ann)[0], "dequeue", {"DequeuePostWorkActivitySid": desk.activity("Offline")})
    desk.advance(0)
    desk.do("UpdateTask", sid=task, assignment_status="completed")
    assert desk.worker_record(ann).activity_name == "Offline"


def test_a_transferred_task_takes_fewer_instructions() -> None:
    """Call, dequeue and redirect are refused on what a transfer brought; conference works."""
    desk, _, sid = offered()
    desk.to(sid, "accepted")
    bob = desk.worker("Bob")
    desk.transfer(sid, bob)
    incoming = desk.pending(bob)[0]
    for instruction in ("call", "dequeue", "redirect"):
        fields = {"sid": incoming, "instruction": instruction, "params": {**CALL, **REDIRECT}}
        assert desk.refused("InstructReservation", **fields).code == 40151
    instruct(desk, incoming, "conference")
    desk.advance(0)
    assert desk.reservation(incoming).reservation_status == "accepted"


def test_supervision_is_noted() -> None:
    """A supervisor listens in on an accepted reservation of the task, in one mode at a time."""
    desk, ann, sid = offered()
    boss = desk.worker("Boss")
    task = desk.reservation(sid).task_sid
    params = {"Supervisor": boss, "SupervisorMode": "whisper"}
    refusal = desk.refused("InstructReservation", sid=sid, task_sid=task, instruction="supervise", params=params)
    assert "is not currently in a Accepted state" in refusal.message
    desk.to(sid, "accepted")
    for mode in ("whisper", "barge"):
        instruct(desk, sid, "supervise", {**params, "SupervisorMode": mode}, task_sid=task)
    _, (leg,) = desk.engine.participants(desk.ws, task)
    assert leg.supervisors == ((boss, "barge"),)
    bad = {"Supervisor": boss, "SupervisorMode": "shout"}
    fields = {"sid": sid, "task_sid": task, "instruction": "supervise"}
    assert desk.refused("InstructReservation", params=bad, **fields).status == 400
    form = {"sid": sid, "worker_sid": ann, "instruction": "supervise", "params": params}
    assert desk.refused("InstructReservation", **form).status == 400


# -- participants ----------------------------------------------------------------------------------------------


def conference() -> tuple[Desk, str, str, str]:
    """Return a desk, Ann, her accepted reservation and its task."""
    desk, ann, sid = offered()
    desk.to(sid, "accepted")
    return desk, ann, sid, desk.reservation(sid).task_sid


def test_hold_and_resume_the_customer() -> None:
    """What was last said is noted; the answer is the task, unchanged."""
    desk, ann, _, task = conference()
    assert desk.engine.participants(desk.ws, task)[0].hold is False
    fields = {"worker_sid": ann, "task_sid": task}
    answer = desk.do("UpdateCustomerParticipant", hold=True, hold_url="http://music", **fields)
    assert answer == desk.get(task)
    customer, legs = desk.engine.participants(desk.ws, task)
    assert (customer.hold, customer.hold_url, legs) == (True, "http://music", [])
    desk.do("UpdateCustomerParticipant", hold=False, hold_method="GET", **fields)
    assert desk.engine.participants(desk.ws, task)[0].hold_url == "http://music"
    assert desk.refused("UpdateCustomerParticipant", worker_sid=ann, task_sid="WTxx").status == 400


def test_ones_own_leg() -> None:
    """Mute, beep and end of conference are noted on an accepted reservation of one's own."""
    desk, ann, sid, task = conference()
    fields = {"worker_sid": ann, "reservation_sid": sid}
    assert desk.do("UpdateWorkerParticipant", mute=True, beep_on_exit=True, **fields).sid == sid
    desk.do("UpdateWorkerParticipant", end_conference_on_exit=True, **fields)
    (leg,) = desk.engine.participants(desk.ws, task)[1]
    assert (leg.mute, leg.beep_on_exit, leg.end_conference_on_exit) == (True, True, True)
    desk.to(sid, "wrapping")
    assert desk.refused("UpdateWorkerParticipant", mute=True, **fields).status == 400
    fields["reservation_sid"] = "WRxx"
    assert desk.refused("UpdateWorkerParticipant", mute=True, **fields).status == 400


def test_hold_and_kick_another_worker() -> None:
    """Possible while that worker has an accepted reservation on the task."""
    desk, ann, sid, task = conference()
    bob = desk.worker("Bob")
    fields = {"worker_sid": ann, "task_sid": task, "target_worker_sid": bob}
    assert desk.refused("HoldWorkerParticipant", **fields).status == 400
    desk.transfer(sid, bob)
    assert desk.refused("KickWorkerParticipant", **fields).status == 400
    desk.to(desk.pending(bob)[0], "accepted")
    assert desk.do("HoldWorkerParticipant", hold=True, hold_method="POST", **fields).sid == task
    assert desk.do("KickWorkerParticipant", **fields).sid == task
    (leg,) = desk.engine.participants(desk.ws, task)[1]
    assert (leg.worker_sid, leg.hold, leg.hold_method, leg.kicked) == (bob, True, "POST", True)


def test_outcomes_are_frozen() -> None:
    """What a command has done cannot be changed afterwards."""
    with pytest.raises(AttributeError):
        Outcome(None, ()).result = 1  # type: ignore[misc]


# -- offers that nobody could be asked about -------------------------------------------------------------------------


def test_an_offer_is_withdrawn_and_the_task_goes_on() -> None:
    """The reservation is canceled, and the task is offered to the next worker at once."""
    desk, ann, sid = offered()
    bob = desk.worker("Bob")
    desk.do("CancelReservation", sid=sid)
    assert desk.types(ann) == ["reservation.canceled"]
    assert desk.types(bob) == ["reservation.created"]
    assert desk.worker_record(ann).activity_name == "Available"


@pytest.mark.parametrize("status", ["accepted", "rejected"])
def test_an_offer_that_was_answered_stays(status: str) -> None:
    """Whoever was quicker than the failing callbacks is right."""
    desk, _, sid = offered()
    desk.to(sid, status)
    assert desk.do("CancelReservation", sid=sid).reservation_status == status
    assert desk.types() == []


def test_a_call_that_is_being_made_stays() -> None:
    """A worker who is being connected has been asked in another way."""
    desk, _, sid = offered(Rules(voice_answer_delay=None))
    instruct(desk, sid, "conference")
    assert desk.do("CancelReservation", sid=sid).on_hold


def test_legs_of_a_call_are_part_of_the_acceptance() -> None:
    """One change of the task's version brings the new status and the new attributes, and the event has both."""
    desk, ann, sid = offered()
    task = desk.reservation(sid).task_sid
    version = desk.get(task).version
    instruct(desk, sid, "dequeue")
    accepted = desk.event("reservation.accepted", ann).task
    assert accepted is not None and "worker_call_sid" in accepted.attributes
    assert accepted.version == version + 1


def test_a_call_without_acceptance_changes_the_task() -> None:
    """The task is updated; the reservation is not."""
    desk, ann, sid = offered()
    instruct(desk, sid, "call", CALL)
    assert desk.types(ann) == ["task.updated"]
    assert desk.reservation(sid).reservation_status == "pending"
