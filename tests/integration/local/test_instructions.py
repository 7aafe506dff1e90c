"""Voice instructions without a telephone: the next one can be made to fail, or each be decided by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.client.event_recorder import EventRecorder
from tests.integration.local.bridge_client import TIMEOUT
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.errors import NotFoundError, RequestRejectedError
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules


def offered(router: LocalTaskRouter, worker: Worker, recorder: EventRecorder, number: int) -> Any:
    """The worker's next reservation."""
    router.create_task({"n": number})
    reservation = recorder.wait_for("reservation_created", number)
    recorder.listen(reservation, "accepted", "canceled")
    return reservation


@pytest.mark.parametrize("instruction", ["conference", "dequeue", "call", "redirect"])
def test_next_instruction_fails(router: LocalTaskRouter, instruction: str) -> None:
    """The reservation is canceled with the reason code, its task goes on; the instruction after it works again."""
    alice = router.add_worker("Alice", attributes={"contact_uri": "client:alice"}, activity="Available")
    with Worker(router.token(alice), **router.connection) as worker:
        recorder = EventRecorder(worker, "reservation_created")
        router.fail_next_instruction(13223)

        def instruct(reservation: Any) -> None:
            arguments: dict[str, tuple[Any, ...]] = {"call": ("+1", "http://x/"), "redirect": ("CA1", "http://x/")}
            options = {"accept": True} if instruction in arguments else {}
            method = getattr(reservation, instruction)
            method(*arguments.get(instruction, ()), **options).result(TIMEOUT)

        first = offered(router, worker, recorder, 1)
        instruct(first)
        assert recorder.wait_for("canceled") is first
        assert (first.status, first.canceled_reason_code) == ("canceled", 13223)
        [record] = router.reservations(task_sid=first.task.sid)[:1]
        assert (record.reservation_status, record.canceled_reason_code) == ("canceled", 13223)
        second = recorder.wait_for("reservation_created", 2)
        recorder.listen(second, "accepted")
        instruct(second)
        assert recorder.wait_for("accepted") is second
        assert second.canceled_reason_code is None


def test_several_in_order(router: LocalTaskRouter) -> None:
    """Each call is for one more instruction, in the order of the calls."""
    alice = router.add_worker("Alice", activity="Available")
    for code in (13223, 21215):
        router.fail_next_instruction(code)
    with Worker(router.token(alice), **router.connection) as worker:
        recorder = EventRecorder(worker, "reservation_created")
        router.create_task()
        codes = []
        for number in (1, 2):
            reservation = recorder.wait_for("reservation_created", number)
            recorder.listen(reservation, "canceled")
            reservation.conference().result(TIMEOUT)
            codes.append(recorder.wait_for("canceled", number).canceled_reason_code)
    assert codes == [13223, 21215]


def test_decided_by_hand() -> None:
    """With calls that take their time, the test says what became of each."""
    with LocalTaskRouter(rules=Rules(voice_answer_delay=None)) as router:
        alice = router.add_worker("Alice", activity="Available")
        with Worker(router.token(alice), **router.connection) as worker:
            recorder = EventRecorder(worker, "reservation_created")
            first = offered(router, worker, recorder, 1)
            with pytest.raises(RequestRejectedError, match="not waiting for a voice instruction"):
                router.resolve_instruction(first.sid)
            first.conference().result(TIMEOUT)
            router.clock.advance(3600)
            assert router.reservations(worker_sid=alice)[0].reservation_status == "pending"
            router.resolve_instruction(first.sid, canceled_reason_code=-1)
            assert recorder.wait_for("canceled").canceled_reason_code == -1
            second = recorder.wait_for("reservation_created", 2)
            recorder.listen(second, "accepted")
            second.dequeue(to="client:alice").result(TIMEOUT)
            router.resolve_instruction(second.sid)
            recorder.wait_for("accepted")


@pytest.mark.parametrize("code", [0, True, "13223", 1.5, None])
def test_wrong_codes(router: LocalTaskRouter, code: Any) -> None:
    """A reason code is a whole number, and not 0."""
    with pytest.raises(ValueError if code == 0 else TypeError, match="canceled_reason_code must be a whole number"):
        router.fail_next_instruction(code)


def test_unknown_reservation(router: LocalTaskRouter) -> None:
    """There must be such a reservation."""
    with pytest.raises(NotFoundError):
        router.resolve_instruction("WR" + "0" * 32)
