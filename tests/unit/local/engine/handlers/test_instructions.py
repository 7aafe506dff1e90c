"""Instructions, voice connections without telephony, and participants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine import Outcome, Rules

CALL = {"CallFrom": "+1", "CallUrl": "http://x"}
REDIRECT = {"RedirectCallSid": "CA1", "RedirectUrl": "http://x"}


def offered(rules: Rules | None = None) -> tuple[EngineDriver, str, str]:
    """Return a driver, its worker Ann, and her pending reservation."""
    driver = EngineDriver(rules=rules)
    ann = driver.worker("Ann", contact_uri="client:ann")
    driver.task()
    return driver, ann, driver.pending(ann)[0]


def instruct(
    driver: EngineDriver, sid: str, instruction: str, params: dict[str, Any] | None = None, **fields: Any
) -> Any:
    """Post an instruction."""
    return driver.do("InstructReservation", sid=sid, instruction=instruction, params=params or {}, **fields)


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
    driver, ann, sid = offered()
    answer = instruct(driver, sid, instruction, params)
    assert answer.reservation_status == "pending" and answer.on_hold
    assert driver.types(ann) == ["reservation.accepted"]
    assert driver.reservation(sid).on_hold is False


@pytest.mark.parametrize(("instruction", "params"), [("call", CALL), ("redirect", REDIRECT)])
def test_call_and_redirect_accept_only_when_told(instruction: str, params: dict[str, Any]) -> None:
    """Without the switch the reservation goes on waiting, and times out."""
    driver, _, sid = offered()
    instruct(driver, sid, instruction, params)
    driver.advance(119)
    assert driver.reservation(sid).reservation_status == "pending"
    driver.advance(1)
    assert driver.reservation(sid).reservation_status == "timeout"


def test_while_media_is_set_up_nothing_else_happens() -> None:
    """The timer stands still, and a second answer is refused, until somebody settles it."""
    driver, ann, sid = offered(Rules(voice_answer_delay=None))
    instruct(driver, sid, "conference")
    driver.advance(1000)
    assert driver.reservation(sid).reservation_status == "pending"
    assert driver.refused("UpdateReservation", sid=sid, reservation_status="accepted").status == 400
    assert driver.refused("UpdateReservation", sid=sid, reservation_status="rejected").status == 400
    assert driver.refused("InstructReservation", sid=sid, instruction="conference").status == 400
    driver.set_activity(ann, "Offline", reject_pending_reservations=True)
    assert driver.types(ann) == ["worker.activity.update"]
    answer = driver.do("ResolveInstruction", reservation_sid=sid)
    assert answer.reservation_status == "accepted"
    assert driver.refused("ResolveInstruction", reservation_sid=sid).status == 400


def test_media_that_fails_cancels_with_a_code() -> None:
    """The reservation is canceled, not timed out, and the task is offered anew."""
    driver, ann, sid = offered(Rules(voice_answer_delay=3.0))
    driver.do("ResolveInstruction", canceled_reason_code=13223)
    instruct(driver, sid, "conference")
    driver.advance(2)
    assert driver.types() == []
    driver.advance(1)
    assert driver.types(ann) == ["reservation.canceled", "reservation.created"]
    canceled = driver.reservation_event("reservation.canceled")
    assert canceled.reservation.canceled_reason_code == 13223
    assert canceled.task.assignment_status == "pending"


def test_a_task_that_ends_ends_the_set_up_too() -> None:
    """Cancelling the task while media is set up leaves nothing behind."""
    driver, ann, sid = offered(Rules(voice_answer_delay=5.0))
    instruct(driver, sid, "conference")
    driver.do("DeleteTask", sid=driver.reservation(sid).task_sid)
    canceled = driver.reservation_event("reservation.canceled", ann).reservation
    assert canceled.on_hold is False and canceled.canceled_reason_code is None
    assert driver.engine.next_deadline() is None


@pytest.mark.parametrize(
    ("instruction", "code"), [("conference", 20001), ("dequeue", 20001), ("call", 40114), ("redirect", 40123)]
)
def test_voice_instructions_need_a_pending_reservation(instruction: str, code: int) -> None:
    """The refusal has the instruction's own code and words."""
    driver, _, sid = offered()
    driver.to(sid, "accepted")
    params = {**CALL, **REDIRECT}
    refusal = driver.refused("InstructReservation", sid=sid, instruction=instruction, params=params)
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
    driver, _, sid = offered()
    fields = {"worker_activity_sid": "WAyy"} if instruction == "reject" else {}
    refusal = driver.refused("InstructReservation", sid=sid, instruction=instruction, params=params, **fields)
    assert refusal.status == 400 and words in refusal.message


def test_accept_and_reject_as_instructions() -> None:
    """They do what the statuses do, with the same checks."""
    driver, ann, sid = offered()
    instruct(driver, sid, "reject", worker_activity_sid=driver.activity("Offline"))
    assert driver.types(ann) == ["reservation.rejected", "worker.activity.update"]
    assert driver.refused("InstructReservation", sid=sid, instruction="reject").status == 400
    driver.set_activity(ann, "Available")
    again = driver.pending(ann)[0]
    assert instruct(driver, again, "ACCEPT", if_match=0).reservation_status == "accepted"
    assert driver.refused("InstructReservation", sid=again, instruction="accept").status == 400
    assert driver.refused("InstructReservation", sid=again, instruction="accept", if_match=0).status == 412


def test_the_worker_goes_where_the_instruction_said_after_work() -> None:
    """The activity for after the work is taken when the reservation completes, however it completes."""
    driver, ann, sid = offered()
    instruct(driver, sid, "conference", {"PostWorkActivitySid": driver.activity("Unavailable")})
    driver.advance(0)
    driver.to(sid, "completed")
    assert driver.types(ann) == ["task.completed", "reservation.completed", "worker.activity.update"]
    driver.set_activity(ann, "Available")
    task = driver.task()
    instruct(driver, driver.pending(ann)[0], "dequeue", {"DequeuePostWorkActivitySid": driver.activity("Offline")})
    driver.advance(0)
    driver.do("UpdateTask", sid=task, assignment_status="completed")
    assert driver.worker_record(ann).activity_name == "Offline"


def test_a_transferred_task_takes_fewer_instructions() -> None:
    """Call, dequeue and redirect are refused on what a transfer brought; conference works."""
    driver, _, sid = offered()
    driver.to(sid, "accepted")
    bob = driver.worker("Bob")
    driver.transfer(sid, bob)
    incoming = driver.pending(bob)[0]
    for instruction in ("call", "dequeue", "redirect"):
        fields = {"sid": incoming, "instruction": instruction, "params": {**CALL, **REDIRECT}}
        assert driver.refused("InstructReservation", **fields).code == 40151
    instruct(driver, incoming, "conference")
    driver.advance(0)
    assert driver.reservation(incoming).reservation_status == "accepted"


def test_supervision_is_noted() -> None:
    """A supervisor listens in on an accepted reservation of the task, in one mode at a time."""
    driver, ann, sid = offered()
    boss = driver.worker("Boss")
    task = driver.reservation(sid).task_sid
    params = {"Supervisor": boss, "SupervisorMode": "whisper"}
    refusal = driver.refused("InstructReservation", sid=sid, task_sid=task, instruction="supervise", params=params)
    assert "is not currently in a Accepted state" in refusal.message
    driver.to(sid, "accepted")
    for mode in ("whisper", "barge"):
        instruct(driver, sid, "supervise", {**params, "SupervisorMode": mode}, task_sid=task)
    _, (leg,) = driver.engine.participants(driver.ws, task)
    assert leg.supervisors == ((boss, "barge"),)
    bad = {"Supervisor": boss, "SupervisorMode": "shout"}
    fields = {"sid": sid, "task_sid": task, "instruction": "supervise"}
    assert driver.refused("InstructReservation", params=bad, **fields).status == 400
    form = {"sid": sid, "worker_sid": ann, "instruction": "supervise", "params": params}
    assert driver.refused("InstructReservation", **form).status == 400


# -- participants ----------------------------------------------------------------------------------------------


def conference() -> tuple[EngineDriver, str, str, str]:
    """Return a driver, Ann, her accepted reservation and its task."""
    driver, ann, sid = offered()
    driver.to(sid, "accepted")
    return driver, ann, sid, driver.reservation(sid).task_sid


def test_hold_and_resume_the_customer() -> None:
    """What was last said is noted; the answer is the task, unchanged."""
    driver, ann, _, task = conference()
    assert driver.engine.participants(driver.ws, task)[0].hold is False
    fields = {"worker_sid": ann, "task_sid": task}
    answer = driver.do("UpdateCustomerParticipant", hold=True, hold_url="http://music", **fields)
    assert answer == driver.get(task)
    customer, legs = driver.engine.participants(driver.ws, task)
    assert (customer.hold, customer.hold_url, legs) == (True, "http://music", [])
    driver.do("UpdateCustomerParticipant", hold=False, hold_method="GET", **fields)
    assert driver.engine.participants(driver.ws, task)[0].hold_url == "http://music"
    assert driver.refused("UpdateCustomerParticipant", worker_sid=ann, task_sid="WTxx").status == 400


def test_ones_own_leg() -> None:
    """Mute, beep and end of conference are noted on an accepted reservation of one's own."""
    driver, ann, sid, task = conference()
    fields = {"worker_sid": ann, "reservation_sid": sid}
    assert driver.do("UpdateWorkerParticipant", mute=True, beep_on_exit=True, **fields).sid == sid
    driver.do("UpdateWorkerParticipant", end_conference_on_exit=True, **fields)
    (leg,) = driver.engine.participants(driver.ws, task)[1]
    assert (leg.mute, leg.beep_on_exit, leg.end_conference_on_exit) == (True, True, True)
    driver.to(sid, "wrapping")
    assert driver.refused("UpdateWorkerParticipant", mute=True, **fields).status == 400
    fields["reservation_sid"] = "WRxx"
    assert driver.refused("UpdateWorkerParticipant", mute=True, **fields).status == 400


def test_hold_and_kick_another_worker() -> None:
    """Possible while that worker has an accepted reservation on the task."""
    driver, ann, sid, task = conference()
    bob = driver.worker("Bob")
    fields = {"worker_sid": ann, "task_sid": task, "target_worker_sid": bob}
    assert driver.refused("HoldWorkerParticipant", **fields).status == 400
    driver.transfer(sid, bob)
    assert driver.refused("KickWorkerParticipant", **fields).status == 400
    driver.to(driver.pending(bob)[0], "accepted")
    assert driver.do("HoldWorkerParticipant", hold=True, hold_method="POST", **fields).sid == task
    assert driver.do("KickWorkerParticipant", **fields).sid == task
    (leg,) = driver.engine.participants(driver.ws, task)[1]
    assert (leg.worker_sid, leg.hold, leg.hold_method, leg.kicked) == (bob, True, "POST", True)


def test_outcomes_are_frozen() -> None:
    """What a command has done cannot be changed afterwards."""
    with pytest.raises(AttributeError):
        Outcome(None, ()).result = 1  # type: ignore[misc]


# -- offers that nobody could be asked about -------------------------------------------------------------------------


def test_an_offer_is_withdrawn_and_the_task_goes_on() -> None:
    """The reservation is canceled, and the task is offered to the next worker at once."""
    driver, ann, sid = offered()
    bob = driver.worker("Bob")
    driver.do("CancelReservation", sid=sid)
    assert driver.types(ann) == ["reservation.canceled"]
    assert driver.types(bob) == ["reservation.created"]
    assert driver.worker_record(ann).activity_name == "Available"


@pytest.mark.parametrize("status", ["accepted", "rejected"])
def test_an_offer_that_was_answered_stays(status: str) -> None:
    """Whoever was quicker than the failing callbacks is right."""
    driver, _, sid = offered()
    driver.to(sid, status)
    assert driver.do("CancelReservation", sid=sid).reservation_status == status
    assert driver.types() == []


def test_a_call_that_is_being_made_stays() -> None:
    """A worker who is being connected has been asked in another way."""
    driver, _, sid = offered(Rules(voice_answer_delay=None))
    instruct(driver, sid, "conference")
    assert driver.do("CancelReservation", sid=sid).on_hold


def test_legs_of_a_call_are_part_of_the_acceptance() -> None:
    """One change of the task's version brings the new status and the new attributes, and the event has both."""
    driver, ann, sid = offered()
    task = driver.reservation(sid).task_sid
    version = driver.get(task).version
    instruct(driver, sid, "dequeue")
    accepted = driver.reservation_event("reservation.accepted", ann).task
    assert accepted is not None and "worker_call_sid" in accepted.attributes
    assert accepted.version == version + 1


def test_a_call_without_acceptance_changes_the_task() -> None:
    """The task is updated; the reservation is not."""
    driver, ann, sid = offered()
    instruct(driver, sid, "call", CALL)
    assert driver.types(ann) == ["task.updated"]
    assert driver.reservation(sid).reservation_status == "pending"
