"""Sessions that open and close."""

from __future__ import annotations

import pytest

from tests.unit.local.engine.desk import Desk
from twilio_taskrouter_worker.local.engine import Rules


def activity(desk: Desk, worker: str) -> str:
    """Return the name of a worker's activity."""
    return desk.worker_record(worker).activity_name


@pytest.mark.parametrize(
    ("flag", "workspace", "expected"),
    [
        (True, "Desk", "Offline"),
        (False, "Flex Task Assignment", "Available"),
        (None, "Desk", "Available"),
        (None, "Flex Task Assignment", "Offline"),
    ],
)
def test_the_flag_says_whether_the_worker_goes_offline(flag: bool | None, workspace: str, expected: str) -> None:
    """True does, false does not, and a missing flag does only in a Flex workspace."""
    desk = Desk()
    desk.do("UpdateWorkspace", friendly_name=workspace)
    ann = desk.worker("Ann")
    desk.do("SessionOpened", worker_sid=ann)
    desk.do("SessionClosed", worker_sid=ann, set_offline=flag)
    assert activity(desk, ann) == expected


def test_only_the_last_session_counts() -> None:
    """While another session is open nothing happens; the flag is that of the one that closes last."""
    desk = Desk()
    ann = desk.worker("Ann")
    desk.task()
    desk.do("SessionOpened", worker_sid=ann)
    assert desk.do("SessionOpened", worker_sid=ann).sid == ann
    assert desk.engine.open_sessions(desk.ws, ann) == 2
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert activity(desk, ann) == "Available"
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert desk.types(ann) == ["worker.activity.update"]
    assert (activity(desk, ann), len(desk.pending(ann))) == ("Offline", 1)
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert desk.types() == [] and desk.engine.open_sessions(desk.ws, ann) == 0


def test_the_delay_can_be_used_to_come_back() -> None:
    """With a delay a worker who is back in time stays; who is not goes offline then."""
    desk = Desk(rules=Rules(session_offline_delay=30.0))
    ann = desk.worker("Ann")
    desk.do("SessionOpened", worker_sid=ann)
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    desk.advance(20)
    desk.do("SessionOpened", worker_sid=ann)
    desk.advance(20)
    assert activity(desk, ann) == "Available"
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    desk.advance(30)
    assert desk.types(ann) == ["worker.activity.update"]
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    desk.do("DeleteWorker", sid=ann)
    assert desk.engine.next_deadline() is None


def test_where_offline_is() -> None:
    """The default activity if it is an unavailable one, else the first that is; else the worker stays."""
    desk = Desk()
    ann = desk.worker("Ann")
    desk.do("UpdateWorkspace", default_activity_sid=desk.activity("Unavailable"))
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert activity(desk, ann) == "Unavailable"
    desk.set_activity(ann, "Available")
    desk.do("UpdateWorkspace", default_activity_sid=desk.activity("Available"))
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert activity(desk, ann) == "Offline"
    desk.set_activity(ann, "Available")
    desk.do("UpdateWorkspace", timeout_activity_sid=desk.activity("Available"))
    for name in ("Offline", "Unavailable"):
        desk.do("DeleteActivity", sid=desk.activity(name))
    desk.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert activity(desk, ann) == "Available"


def test_a_worker_who_is_gone() -> None:
    """The last session of a deleted worker may close; none may open."""
    desk = Desk()
    ann = desk.worker("Ann")
    desk.do("DeleteWorker", sid=ann)
    assert desk.do("SessionClosed", worker_sid=ann) is None
    assert desk.refused("SessionOpened", worker_sid=ann).status == 404
