"""The single steps of serve(), at a bridge that refuses them: what is logged, given up, and taken as done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.client.connected_client import ConnectedClient, connected_client
from tests.tools.answers import Reply
from twilio_taskrouter_worker import Complete, Reject, Reservation, TaskRouterError
from twilio_taskrouter_worker._bridge.steps import Steps
from twilio_taskrouter_worker._bridge.work import Work

NO = Reply(400, {"message": "no"})
GONE = Reply(404, {"message": "gone"})


@pytest.fixture(scope="module")
def client() -> Iterator[ConnectedClient]:
    """A client with a bridge of its own; each test makes a reservation of its own."""
    with connected_client() as client:
        yield client


@pytest.fixture
def steps(client: ConnectedClient) -> Steps:
    """The steps of its worker."""
    return Steps(client.worker._state, client.worker._work)


def refuse(client: ConnectedClient, reservation: Reservation, method: str = "POST", answer: Reply = NO) -> None:
    """Answer each request about a reservation, or its task, with an error."""
    client.bridge.on_call(f"{reservation.sid}$|{reservation.task.sid}$", answer, method=method)


def test_an_acceptance_that_is_refused(client: ConnectedClient, steps: Steps, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is logged, and the reservation is not served."""
    offered = client.new_reservation("pending")
    refuse(client, offered)
    assert steps.accept(offered) is False
    assert f"{offered.sid}: could not be accepted: " in caplog.text


def test_an_acceptance_whose_reservation_is_gone(client: ConnectedClient, steps: Steps) -> None:
    """Refused, and not to be read either: there is nothing to serve."""
    offered = client.new_reservation("pending")
    refuse(client, offered)
    refuse(client, offered, "GET", GONE)
    assert steps.accept(offered) is False


def test_an_acceptance_that_was_carried_out_before(client: ConnectedClient, steps: Steps) -> None:
    """Where an earlier request may have been carried out, a refusal of the next one is no failure."""
    offered = client.new_reservation("pending")
    refuse(client, offered)
    client.record["reservation_status"] = "accepted"
    client.record["version"] += 1
    assert steps.accept(offered, uncertain=True) is True


def test_nothing_is_accepted_while_the_worker_stops(client: ConnectedClient, steps: Steps) -> None:
    """It is noted for the stop, which rejects it."""
    offered = client.new_reservation("pending")
    client.worker.stopping.set()
    try:
        assert steps.accept(offered) is False
    finally:
        client.worker.stopping.clear()
    assert steps.declined == [offered]


def test_nothing_is_sent_after_the_end(client: ConnectedClient) -> None:
    """Once the worker is disconnected no step makes a request."""
    work = Work()
    work.closed.set()
    steps, offered = Steps(client.worker._state, work), client.new_reservation("pending")
    with client.calls() as made:
        assert steps.accept(offered) is False
        steps.carry_out(offered, Complete())
    assert made == []


@pytest.mark.parametrize("reason", [None, "done"])
def test_a_decision_that_is_refused(
    client: ConnectedClient, steps: Steps, caplog: pytest.LogCaptureFixture, reason: str | None
) -> None:
    """It is logged, and not repeated."""
    held = client.new_reservation()
    refuse(client, held)
    steps.carry_out(held, Complete(reason))
    assert "the handler's decision was refused: " in caplog.text
    sids = (held.sid, held.task.sid)
    assert len([call for call in client.bridge.calls if call.method == "POST" and call.url.endswith(sids)]) == 1


def test_a_decision_about_an_unreadable_reservation(
    client: ConnectedClient, steps: Steps, caplog: pytest.LogCaptureFixture
) -> None:
    """A read that fails does not hide the refusal."""
    held = client.new_reservation()
    refuse(client, held)
    refuse(client, held, "GET")
    steps.carry_out(held, Complete())
    assert "the handler's decision was refused: " in caplog.text


@pytest.mark.parametrize("status", ["pending", "accepted"])
def test_an_activity_that_does_not_exist(
    client: ConnectedClient, steps: Steps, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    """It is logged; the task is rejected, or transferred back to its queue, all the same."""
    reservation = client.new_reservation(status)
    with client.calls() as made:
        if status == "pending":
            steps.reject(reservation, "Nowhere")
        else:
            refuse(client, reservation)
            client.bridge.on_call("Transfers", NO, method="POST", times=1)
            steps.carry_out(reservation, Reject("Nowhere"))
    assert "the activity 'Nowhere' could not be set: " in caplog.text
    assert [call for call in made if call.method == "POST"]


def test_a_rejection_without_an_activity(client: ConnectedClient, steps: Steps) -> None:
    """The worker stays where it is."""
    reservation = client.new_reservation("pending")
    before = client.worker.activity_sid
    steps.reject(reservation, None)
    assert reservation.status == "rejected" and client.worker.activity_sid == before


def test_refusals_are_errors_of_the_library(client: ConnectedClient) -> None:
    """The scripted refusal above is what a call of the user's own gets as an exception."""
    held = client.new_reservation()
    refuse(client, held)
    with pytest.raises(TaskRouterError):
        held.complete().result(30)
