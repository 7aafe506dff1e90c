"""Sessions that open and close."""

from __future__ import annotations

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine import Rules


def activity(driver: EngineDriver, worker: str) -> str:
    """Return the name of a worker's activity."""
    return driver.worker_record(worker).activity_name


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
    driver = EngineDriver()
    driver.do("UpdateWorkspace", friendly_name=workspace)
    ann = driver.worker("Ann")
    driver.do("SessionOpened", worker_sid=ann)
    driver.do("SessionClosed", worker_sid=ann, set_offline=flag)
    assert activity(driver, ann) == expected


def test_only_the_last_session_counts() -> None:
    """While another session is open nothing happens; the flag is that of the one that closes last."""
    driver = EngineDriver()
    ann = driver.worker("Ann")
    driver.task()
    driver.do("SessionOpened", worker_sid=ann)
    assert driver.do("SessionOpened", worker_sid=ann).sid == ann
    assert driver.engine.open_sessions(driver.ws, ann) == 2
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert activity(driver, ann) == "Available"
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert driver.types(ann) == ["worker.activity.update"]
    assert (activity(driver, ann), len(driver.pending(ann))) == ("Offline", 1)
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert driver.types() == [] and driver.engine.open_sessions(driver.ws, ann) == 0


def test_the_delay_can_be_used_to_come_back() -> None:
    """With a delay a worker who is back in time stays; who is not goes offline then."""
    driver = EngineDriver(rules=Rules(session_offline_delay=30.0))
    ann = driver.worker("Ann")
    driver.do("SessionOpened", worker_sid=ann)
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    driver.advance(20)
    driver.do("SessionOpened", worker_sid=ann)
    driver.advance(20)
    assert activity(driver, ann) == "Available"
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    driver.advance(30)
    assert driver.types(ann) == ["worker.activity.update"]
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    driver.do("DeleteWorker", sid=ann)
    assert driver.engine.next_deadline() is None


def test_where_offline_is() -> None:
    """The default activity if it is an unavailable one, else the first that is; else the worker stays."""
    driver = EngineDriver()
    ann = driver.worker("Ann")
    driver.do("UpdateWorkspace", default_activity_sid=driver.activity("Unavailable"))
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert activity(driver, ann) == "Unavailable"
    driver.set_activity(ann, "Available")
    driver.do("UpdateWorkspace", default_activity_sid=driver.activity("Available"))
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert activity(driver, ann) == "Offline"
    driver.set_activity(ann, "Available")
    driver.do("UpdateWorkspace", timeout_activity_sid=driver.activity("Available"))
    for name in ("Offline", "Unavailable"):
        driver.do("DeleteActivity", sid=driver.activity(name))
    driver.do("SessionClosed", worker_sid=ann, set_offline=True)
    assert activity(driver, ann) == "Available"


def test_a_worker_who_is_gone() -> None:
    """The last session of a deleted worker may close; none may open."""
    driver = EngineDriver()
    ann = driver.worker("Ann")
    driver.do("DeleteWorker", sid=ann)
    assert driver.do("SessionClosed", worker_sid=ann) is None
    assert driver.refused("SessionOpened", worker_sid=ann).status == 404
