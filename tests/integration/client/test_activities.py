"""Activities by name, sid or object; returning after a timeout; and a worker that begins without a token."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from tests.tools.workers import new_worker
from twilio_taskrouter_worker import (
    ConnectTimeoutError,
    InitializationError,
    TaskRouterError,
    TokenExpiredError,
    Worker,
)
from twilio_taskrouter_worker._bridge import returning as returning_module
from twilio_taskrouter_worker.local import LocalTaskRouter

SOON = 30.0


@pytest.fixture
def alice(router: LocalTaskRouter) -> str:
    """Give the sid of a worker who is Offline."""
    return router.add_worker("Alice", activity="Offline")


# -- connect_activity and set_activity -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["name", "sid", "Activity"])
def test_an_activity_in_each_form(router: LocalTaskRouter, alice: str, form: str) -> None:
    """A name, a sid, or an Activity, also of another client, in each place that takes an activity."""
    with new_worker(router, alice) as other:
        activity = other.activities.by_name("Available")
        wanted: Any = {"name": "Available", "sid": activity.sid, "Activity": activity}[form]
        worker = Worker(router.token(alice), connect_activity=wanted, **router.connection)
        with worker:
            assert worker.activity_name == "Available"
            worker.set_activity("Unavailable").result(SOON)
            assert worker.set_activity(wanted).result(SOON) is worker.activities[activity.sid]


@pytest.mark.parametrize("wanted", ["available", "WA00000000000000000000000000000000"])
def test_an_activity_that_is_not_there(router: LocalTaskRouter, alice: str, wanted: str) -> None:
    """connect() and set_activity() raise, with the names there are."""
    names = f"there is no activity {wanted!r}; .*'Offline', 'Available', 'Unavailable'"
    with no_leftover_threads(), pytest.raises(InitializationError, match=f"^connect_activity: {names}"):
        Worker(router.token(alice), connect_activity=wanted, **router.connection).connect(SOON)
    with new_worker(router, alice) as worker, pytest.raises(ValueError, match=f"activity: {names}"):
        worker.set_activity(wanted)


def test_an_activity_that_is_refused(router: LocalTaskRouter, alice: str) -> None:
    """connect() raises with the service's reason."""
    router.faults.http_status(400, body={"message": "Not today"}, route="POST Workers/*")
    worker = Worker(router.token(alice), connect_activity="Available", **router.connection)
    with (
        no_leftover_threads(),
        pytest.raises(InitializationError, match="connect_activity: .*Not today; there are"),
    ):
        worker.connect(SOON)


def test_an_activity_that_cannot_be_taken_now(router: LocalTaskRouter, alice: str) -> None:
    """What may pass is tried again; the worker is not ready before."""
    router.faults.http_status(503, times=5, route="POST Workers/*")
    worker = Worker(router.token(alice), connect_activity="Available", **router.connection)
    errors: list[TaskRouterError] = []
    worker.on("error", errors.append)
    worker.connect(60)
    assert worker.activity_name == "Available" and errors and not any(each.status != 503 for each in errors)
    worker.disconnect()


@pytest.mark.parametrize("name", ["connect_activity", "return_to_activity"])
def test_the_options_are_checked(name: str) -> None:
    """When the client is made."""
    with pytest.raises(TypeError, match=f"{name} must be an activity's name or sid, or an Activity, not int"):
        Worker("token", **{name: 1})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"{name} must be an activity's name or sid, not empty"):
        Worker("token", **{name: ""})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="two forms of one option"):
        Worker("token", connect_activity="Available", connect_activity_sid="WA1")


# -- return_to_activity ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connected", [True, False])
def test_a_timeout_is_made_good(router: LocalTaskRouter, alice: str, connected: bool) -> None:
    """The worker goes back to work when a reservation has timed out, also where that was while it was away."""
    worker = Worker(
        router.token(alice), connect_activity="Available", return_to_activity="Available", **router.connection
    )
    with worker:
        task = router.create_task()
        eventually(lambda: worker.reservations)
        if connected:
            router.clock.advance(121)
        else:
            with router.faults.refuse_connects(worker=alice):
                router.faults.drop(alice)
                router.clock.advance(121)
        eventually(lambda: len(router.reservations(task_sid=task)) == 2, SOON)
        eventually(lambda: worker.activity_name == "Available", SOON)


def test_an_activity_of_ones_own_choice_stays(
    router: LocalTaskRouter, alice: str, timings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a timeout nothing is changed back."""
    timings(activity_lead=0.05)
    with Worker(router.token(alice), return_to_activity="Available", **router.connection) as worker:
        worker.set_activity("Available").result(SOON)
        looked_again: list[bool] = []
        look = returning_module.Return._back
        monkeypatch.setattr(
            returning_module.Return, "_back", lambda *args: looked_again.append(look(*args)) or looked_again[-1]
        )
        worker.set_activity("Unavailable").result(SOON)
        # At least: the event of the first activity may come after its answer.
        eventually(lambda: len(looked_again) >= 2)
        assert not any(looked_again) and worker.activity_name == "Unavailable"


def test_no_activity_to_return_to(router: LocalTaskRouter, alice: str, caplog: pytest.LogCaptureFixture) -> None:
    """A name that is none is an error in the log as soon as the worker is ready."""
    with Worker(router.token(alice), return_to_activity="Avail", **router.connection):
        eventually(lambda: "return_to_activity: there is no activity 'Avail'" in caplog.text)


# -- without a first token -------------------------------------------------------------------------------------------


def test_a_provider_alone(router: LocalTaskRouter, alice: str) -> None:
    """The first token comes from the provider; it is no renewal."""
    asked: list[str] = []

    def fetch() -> str:
        asked.append("token")
        return router.token(alice)

    worker = Worker(token_provider=fetch, **router.connection)
    updated: list[str] = []
    worker.on("token_updated", lambda: updated.append("updated"))
    assert asked == []
    with no_leftover_threads(), worker:
        assert worker.ready
    assert (asked, updated) == (["token"], [])


def test_a_provider_that_fails_at_first(router: LocalTaskRouter, alice: str, timings: Callable[..., None]) -> None:
    """It is asked again; until then connect() waits, and says what it waits for."""
    failures = itertools.repeat(OSError("backend down"))

    def fetch() -> str:
        for failure in failures:
            raise failure
        return router.token(alice)

    timings(backoff_min=60.0)
    with no_leftover_threads(), pytest.raises(ConnectTimeoutError, match="waiting for a new token.*token_provider"):
        Worker(token_provider=fetch, **router.connection).connect(0.5)
    timings(backoff_min=0.05)
    failures = iter([OSError("backend down")])  # type: ignore[assignment]
    with Worker(token_provider=fetch, **router.connection) as worker:
        assert worker.ready


@pytest.mark.parametrize("token", [None, ""])
def test_neither_token_nor_provider(token: Any) -> None:
    """That cannot work, and is refused at once."""
    with pytest.raises((TypeError, ValueError), match="token"):
        Worker(token)


def test_a_program_whose_token_ends(
    router: LocalTaskRouter, alice: str, timings: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Without a provider, run_forever() ends when the connection is lost and cannot be made again."""
    timings(token_patience=0.1)
    # Long enough for a busy machine to connect.
    worker = Worker(router.token(alice, ttl=3), **router.connection)
    worker.on("token_expired", lambda: router.faults.drop(alice))
    with no_leftover_threads(), pytest.raises(TokenExpiredError, match="cannot be made again"):
        worker.run_forever()
    assert not worker.connected
    assert [each for each in caplog.records if each.levelno >= logging.WARNING]
