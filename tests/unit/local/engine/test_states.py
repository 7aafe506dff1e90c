"""The tables of states: complete, and what the engine does."""

from __future__ import annotations

import pytest

from tests.unit.local.engine.driver import EngineDriver
from twilio_taskrouter_worker.local.engine import model, states


@pytest.mark.parametrize(
    ("table", "statuses"), [(states.RESERVATION, model.RESERVATION_STATUSES), (states.TASK, model.TASK_STATUSES)]
)
def test_every_status_has_a_row(table: states.Table, statuses: tuple[str, ...]) -> None:
    """No status is missing, and none leads to one that there is not."""
    assert set(table) == set(statuses)
    assert {after for following in table.values() for after in following} <= set(statuses)


def test_final_statuses_are_those_without_a_follower() -> None:
    """What the records call final or not open is where nothing follows."""
    assert {status for status, following in states.TASK.items() if not following} == model.TASK_FINAL
    assert {status for status, following in states.RESERVATION.items() if following} == model.RESERVATION_OPEN


@pytest.mark.parametrize("wanted", ["accepted", "rejected", "wrapping", "completed"])
@pytest.mark.parametrize("before", ["pending", "accepted", "wrapping", "completed", "rejected"])
def test_a_request_is_refused_where_its_status_does_not_follow(before: str, wanted: str) -> None:
    """Each status of a reservation takes exactly the requests that the table has for it."""
    driver = EngineDriver()
    ann = driver.worker("Ann")
    driver.task()
    reservation = driver.pending(ann)[0]
    for step in {"pending": (), "rejected": ("rejected",)}.get(before, ("accepted", "wrapping", "completed")):
        driver.to(reservation, step)
        if step == before:
            break
    if wanted in states.RESERVATION[before]:
        assert driver.to(reservation, wanted).reservation_status == wanted
    else:
        refusal = driver.refused("UpdateReservation", sid=reservation, reservation_status=wanted)
        assert refusal.status == 400


@pytest.mark.parametrize("wanted", ["canceled", "wrapping", "completed"])
@pytest.mark.parametrize("before", ["pending", "reserved", "assigned", "wrapping", "completed", "canceled"])
def test_a_task_is_asked_only_from_the_statuses_of_the_table(before: str, wanted: str) -> None:
    """What the table allows is done, the rest is refused."""
    driver = EngineDriver()
    ann = driver.worker("Ann", "Offline" if before in ("pending", "canceled") else "Available")
    task = driver.task()
    if before == "canceled":
        driver.do("UpdateTask", sid=task, assignment_status="canceled")
    elif before in ("assigned", "wrapping", "completed"):
        driver.to(driver.pending(ann)[0], "accepted")
        if before != "assigned":
            driver.do("UpdateTask", sid=task, assignment_status=before)
    assert driver.status(task) == before
    if before in states.TASK_REQUESTS[wanted]:
        driver.do("UpdateTask", sid=task, assignment_status=wanted)
        assert driver.status(task) == wanted
    else:
        driver.refused("UpdateTask", sid=task, assignment_status=wanted)
