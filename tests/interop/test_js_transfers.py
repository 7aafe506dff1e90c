"""Every outcome of a transfer, between two workers that are the official JS SDK."""

from __future__ import annotations

from typing import Any

import pytest
from twilio.rest.taskrouter.v1.workspace import WorkspaceContext

from tests.interop.js_sdk import JsSdk, needs_js_sdk
from twilio_taskrouter_worker.local import LocalTaskRouter

pytestmark = needs_js_sdk

REJECTED = "Transfer failed because the reservation was rejected"
TIMED_OUT = "Transfer failed because the reservation timed out"
ATTEMPT = "Transfer attempt failed on reservation reject because there are no more pending reservations"


class Story:
    """Alice has accepted a task; Bob is available."""

    def __init__(self, router: LocalTaskRouter, sdk: JsSdk) -> None:
        self.router, self.sdk = router, sdk
        self.alice = router.add_worker("Alice", activity="Available")
        sdk.connect("alice", self.alice)
        self.task = router.create_task({"topic": "bill"})
        self.mine = sdk.wait("alice", "reservationCreated")["reservation"]["sid"]
        sdk.call("alice", "accept", on="reservation", sid=self.mine)
        sdk.wait("alice", "reservation.accepted")
        self.bob = router.add_worker("Bob", activity="Available")
        sdk.connect("bob", self.bob)

    def transfer(self, to: str | None = None, **options: Any) -> dict[str, Any]:
        """Alice hands the task over; returns what Bob is offered."""
        to = self.bob if to is None else to
        task = self.sdk.call("alice", "transfer", to, options, on="task", sid=self.mine)
        assert (task["outgoing"]["to"], task["outgoing"]["status"]) == (to, "initiated")
        assert self.sdk.wait("alice", "task.transferInitiated")["transfer"]["sid"] == task["outgoing"]["sid"]
        offered: dict[str, Any] = self.sdk.wait("bob", "reservationCreated")["reservation"]
        assert offered["task"]["status"] == "reserved"
        assert offered["transfer"]["sid"] == task["outgoing"]["sid"]
        return offered

    def task_updated(self, status: str) -> None:
        """Alice hears that the task has a status (again)."""
        self.sdk.wait("alice", "task.updated", lambda report: bool(report["task"]["status"] == status))


@pytest.fixture
def story(router: LocalTaskRouter, sdk: JsSdk) -> Story:
    return Story(router, sdk)


def test_accepted(story: Story) -> None:
    """A warm transfer that is accepted leaves the task with both; it completes with the last of them."""
    offered = story.transfer(attributes={"topic": "transferred"}, priority=7)
    transfer = offered["transfer"]
    assert (transfer["mode"], transfer["type"], transfer["status"]) == ("WARM", "WORKER", "initiated")
    assert (transfer["workerSid"], transfer["reservationSid"]) == (story.alice, story.mine)
    assert (offered["task"]["attributes"], offered["task"]["priority"]) == ({"topic": "transferred"}, 7)
    story.sdk.call("bob", "accept", on="reservation", sid=offered["sid"])
    accepted = story.sdk.wait("bob", "reservation.accepted")["reservation"]
    assert (accepted["task"]["status"], accepted["transfer"]["status"]) == ("assigned", "complete")
    assert story.sdk.wait("alice", "transfer.completed")["transfer"]["status"] == "complete"
    story.task_updated("assigned")
    story.sdk.call("alice", "complete", on="reservation", sid=story.mine)
    done = story.sdk.wait("alice", "reservation.completed")["reservation"]
    assert done["task"]["status"] == "assigned"
    story.sdk.call("bob", "complete", on="reservation", sid=offered["sid"])
    assert story.sdk.wait("bob", "reservation.completed")["reservation"]["task"]["status"] == "completed"


def test_rejected(story: Story) -> None:
    """A worker who rejects ends the transfer; the task is the transferor's again, who may try once more."""
    offered = story.transfer()
    story.sdk.call("bob", "reject", on="reservation", sid=offered["sid"])
    rejected = story.sdk.wait("bob", "reservation.rejected")["reservation"]
    assert (rejected["transfer"]["status"], rejected["task"]["status"]) == ("failed", "assigned")
    failed = story.sdk.wait("alice", "transfer.failed")["transfer"]
    assert (failed["status"], failed["reason"]) == ("failed", REJECTED)
    story.task_updated("assigned")
    story.transfer()


def test_timed_out(story: Story) -> None:
    """A worker who does not answer ends the transfer, and is moved to the timeout activity."""
    story.transfer()
    story.router.clock.advance(121)
    timeout = story.sdk.wait("bob", "reservation.timeout")["reservation"]
    assert timeout["transfer"]["status"] == "failed"
    assert story.sdk.wait("alice", "transfer.failed")["transfer"]["reason"] == TIMED_OUT
    assert story.sdk.wait("bob", "activityUpdated")["worker"]["activity"] == "Offline"


def test_canceled(story: Story) -> None:
    """The transferor takes the transfer back, once."""
    story.transfer()
    canceled = story.sdk.call("alice", "cancel", on="transfer", sid=story.mine)
    assert canceled["status"] == "canceled"
    gone = story.sdk.wait("bob", "reservation.canceled")["reservation"]
    assert (gone["transfer"]["status"], gone["task"]["status"]) == ("canceled", "assigned")
    assert story.sdk.wait("alice", "transfer.canceled")["transfer"]["status"] == "canceled"
    story.task_updated("assigned")
    with pytest.raises(RuntimeError, match=r"400\. Transfer TT\w{32} is already canceled \. Cannot cancel transfer\."):
        story.sdk.call("alice", "cancel", on="transfer", sid=story.mine)


def test_to_a_queue(story: Story) -> None:
    """In a queue a rejection is an attempt that failed: the transfer stays open, and the next offer follows."""
    offered = story.transfer(story.router.task_queue_sid)
    assert offered["transfer"]["type"] == "QUEUE"
    story.sdk.call("bob", "setAsCurrent", {}, on="activity", called="Unavailable")
    story.sdk.call("bob", "reject", on="reservation", sid=offered["sid"])
    rejected = story.sdk.wait("bob", "reservation.rejected")["reservation"]
    assert rejected["transfer"]["status"] == "initiated"
    attempt = story.sdk.wait("alice", "transfer.attemptFailed")["transfer"]
    assert (attempt["status"], attempt["reason"]) == ("initiated", ATTEMPT)
    story.task_updated("pending")
    story.sdk.call("bob", "setAsCurrent", {}, on="activity", called="Available")
    again = story.sdk.wait("bob", "reservationCreated")["reservation"]
    story.sdk.call("bob", "accept", on="reservation", sid=again["sid"])
    assert story.sdk.wait("alice", "transfer.completed")["transfer"]["status"] == "complete"


def test_cold(story: Story) -> None:
    """A cold transfer sends the transferor to wrap-up at once; its completion leaves the task alone."""
    offered = story.transfer(mode="COLD")
    assert offered["transfer"]["mode"] == "COLD"
    wrapup = story.sdk.wait("alice", "reservation.wrapup")["reservation"]
    assert (wrapup["status"], wrapup["task"]["status"]) == ("wrapping", "reserved")
    story.sdk.call("alice", "complete", on="reservation", sid=story.mine)
    assert story.sdk.wait("alice", "reservation.completed")["reservation"]["task"]["status"] == "reserved"
    story.sdk.call("bob", "accept", on="reservation", sid=offered["sid"])
    assert story.sdk.wait("bob", "reservation.accepted")["reservation"]["task"]["status"] == "assigned"


def test_task_ends_meanwhile(story: Story, rest: WorkspaceContext) -> None:
    """A task deleted during its transfer takes the offer with it."""
    story.transfer()
    rest.tasks(story.task).delete()
    assert story.sdk.wait("bob", "reservation.canceled")["reservation"]["status"] == "canceled"
    story.sdk.wait("alice", "reservation.completed")


def test_refused(story: Story) -> None:
    """A worker who is not available, oneself, nobody, and a second transfer at once are refused: nothing happens."""
    unavailable = story.router.add_worker("Carol")
    for to in (unavailable, story.alice, "WK" + "0" * 32, "nonsense", ""):
        with pytest.raises(RuntimeError, match="status code 400"):
            story.sdk.call("alice", "transfer", to, {}, on="task", sid=story.mine)
    story.transfer()
    with pytest.raises(RuntimeError, match="status code 400"):
        story.sdk.call("alice", "transfer", story.bob, {}, on="task", sid=story.mine)
    with pytest.raises(RuntimeError, match="not currently assigned"):
        story.sdk.call("alice", "complete", "x", on="task", sid=story.mine)


def test_open_transfer_is_in_the_lists(story: Story) -> None:
    """A client that connects while a transfer is open finds it on both sides' reservations."""
    offered = story.transfer()
    again = story.sdk.connect("alice again", story.alice)["worker"]["reservations"]
    assert again[0]["task"]["outgoing"]["sid"] == offered["transfer"]["sid"]
    other = story.sdk.connect("bob again", story.bob)["worker"]["reservations"]
    assert other[0]["transfer"]["sid"] == offered["transfer"]["sid"]


def test_participants(story: Story) -> None:
    """With both on the task each can be held and removed by the other; a stranger cannot."""
    offered = story.transfer()
    with pytest.raises(RuntimeError, match="status code 400"):
        story.sdk.call("alice", "hold", story.bob, True, on="task", sid=story.mine)
    story.sdk.call("bob", "accept", on="reservation", sid=offered["sid"])
    story.sdk.wait("bob", "reservation.accepted")
    for args in ((story.bob, True), (story.bob, False)):
        assert story.sdk.call("alice", "hold", *args, on="task", sid=story.mine)["status"] == "assigned"
    assert story.sdk.call("alice", "kick", story.bob, on="task", sid=story.mine)["status"] == "assigned"
