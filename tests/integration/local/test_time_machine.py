"""Earlier moments of a router, and forks that begin at one."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.tools.seams import digest_of, service_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.errors import NotFoundError, StateError
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter, journal, pacing, time_machine
from twilio_taskrouter_worker.local.engine import Engine, Rejected, commands
from twilio_taskrouter_worker.local.server.service import Service

START = 1_800_000_000.0
LANGUAGES = {
    "task_routing": {"filters": [{"expression": "language == 'de'", "targets": [{"queue": "Deutsch", "timeout": 30}]}]}
}


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], LocalTaskRouter]]:
    """Makes a router whose clock stands still, in memory or with a file."""
    db = None if request.param == "memory" else tmp_path / "state.db"
    yield lambda: LocalTaskRouter(seed=5, db=db, clock=Clock.virtual(START))


@pytest.fixture
def short_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots often, so that a short history has some."""
    monkeypatch.setattr(pacing, "DISTANCE", 12)
    monkeypatch.setattr(pacing, "SHARE", 0)


def live(router: LocalTaskRouter, seed: int, steps: int) -> list[str]:
    """Let workers, sessions and tasks do this and that, and return the digests after each entry of the journal."""
    chance = random.Random(seed)
    where: dict[str, Any] = {"workspace_sid": router.workspace_sid}
    workers = [worker.sid for worker in router.workers()] or [
        router.add_worker(f"W{number}", activity="Available") for number in range(3)
    ]
    digests = {}

    def step(service: Service) -> None:
        open_now = [each for each in service.engine.reservations(**where) if each.open]
        kind = chance.choice(["task", "task", "answer", "answer", "complete", "session", "activity"])
        if kind == "task":
            service.execute(commands.CreateTask(**where, timeout=chance.choice([40, 4000])))
        elif kind == "session":
            make = chance.choice([commands.SessionOpened, commands.SessionClosed])
            service.execute(make(**where, worker_sid=chance.choice(workers), set_offline=True))
        elif kind == "activity":
            activity = chance.choice(service.engine.activities(where["workspace_sid"]))
            service.execute(commands.UpdateWorker(**where, sid=chance.choice(workers), activity_sid=activity.sid))
        elif open_now:
            status = chance.choice(["accepted", "rejected"]) if kind == "answer" else "completed"
            sid = chance.choice(open_now).sid
            service.execute(commands.UpdateReservation(**where, sid=sid, reservation_status=status))

    def noted(service: Service) -> None:
        try:
            step(service)
        except Rejected:
            pass
        digests[service.committer.journal().count] = service.engine.state_digest()

    for _ in range(steps):
        router._ask_service(noted)
        router.clock.advance(chance.choice([0, 0, 1, 50, 400]))
        digests[router.history().last] = digest_of(router)
    return [digests.get(number, "") for number in range(max(digests) + 1)]


@pytest.mark.usefixtures("short_distances")
@pytest.mark.parametrize("seed", range(3))
def test_a_moment_is_what_a_replay_of_the_entries_up_to_it_gives(
    make: Callable[[], LocalTaskRouter], seed: int
) -> None:
    """For a random history, each moment has the state that was there, and that the first entries alone lead to."""
    with make() as router:
        known = live(router, seed, 60)
        service = service_of(router)
        rows = router._read_journal(lambda kept: kept.rows(0, kept.count))
        replayed = Engine(account_sid=router.account_sid, seed=service.engine.seed, rules=service.engine.rules)
        assert router.at(0).engine.state_digest() == replayed.state_digest()
        for number, row in enumerate(rows, 1):
            journal.apply(replayed, number, row)
            expected = replayed.state_digest()
            assert known[number] in ("", expected)
            assert router.at(number).engine.state_digest() == expected
        assert router.at(len(rows)).engine.state_digest() == digest_of(router)


@pytest.mark.usefixtures("short_distances")
@pytest.mark.parametrize("seed", range(3))
def test_a_fork_without_a_change_has_the_future_of_the_original(make: Callable[[], LocalTaskRouter], seed: int) -> None:
    """The same commands lead to the same sids, events and state; also for the fork of an earlier moment."""
    with make() as router:
        live(router, seed, 40)
        middle, when = router.history().last, datetime.fromtimestamp(router.clock.now(), timezone.utc)
        router.clock.advance(1)
        with router.fork() as fork:
            assert digest_of(fork) == digest_of(router)
            assert fork.events() == router.events()
            assert live(router, seed + 100, 40)[-1] == live(fork, seed + 100, 40)[-1]
            assert fork.events() == router.events()
            ahead = [moment for moment in router.history() if moment.number > middle]
            assert [each.what for each in fork.history()] == [each.what for each in ahead][-len(fork.history()) :]
        with router.fork(when) as earlier:
            assert digest_of(earlier) == router.at(middle).engine.state_digest()
            earlier.clock.advance(1)
            live(earlier, seed + 100, 40)
            assert digest_of(earlier) == digest_of(router)
            assert earlier.events() == router.events()


def test_a_view_answers_as_the_router_did(make: Callable[[], LocalTaskRouter]) -> None:
    """Tasks, workers, queues, reservations and explain are those of the moment, and stay so."""
    with make() as router:
        router.add_worker("Alice", activity="Available")
        first = router.create_task({"n": 1})
        second = router.create_task({"n": 2})
        number, when = router.history().last, datetime.fromtimestamp(START, timezone.utc)
        expected = (
            router.tasks(),
            router.workers(),
            router.queues(),
            router.workflows(),
            router.reservations(),
            dict(router.activities),
            str(router.explain(second)),
        )
        router.clock.advance(500)
        router.set_activity("Alice", "Unavailable")
        router.add_queue("Later")
        router.cancel_task(first)
        router.clock.advance(5000)
        for moment in (number, when, router.history()[number - 1]):
            view = router.at(moment)
            assert view.number == number
            assert view.time == when
            assert (
                view.tasks(),
                view.workers(),
                view.queues(),
                view.workflows(),
                view.reservations(),
                dict(view.activities),
                str(view.explain(second)),
            ) == expected
            assert view.worker("Alice").activity_name == "Available"
            assert (view.workflow_sid, view.task_queue_sid) == (router.workflow_sid, router.task_queue_sid)
        with pytest.raises(NotFoundError):
            router.task(first)
        assert view.task(first).assignment_status == "reserved"
        with pytest.raises(NotFoundError):
            view.task("WT" + "0" * 32)


def test_a_moment_between_two_entries(make: Callable[[], LocalTaskRouter]) -> None:
    """A time between two entries has the state of the first, and waiting times of its own."""
    with make() as router:
        task = router.create_task({})
        router.clock.advance(1000)
        router.create_task({})
        view = router.at(datetime.fromtimestamp(START + 90, timezone.utc))
        assert [each.sid for each in view.tasks()] == [task]
        assert "90 s old" in str(view.explain(task))
        with router.fork(view.time) as fork:
            assert fork.clock.now() == START + 90
            assert fork.at(0).time == view.time
            assert fork.at(view.time).number == 0
            with pytest.raises(ValueError, match="The journal goes from 2027-01-15T08:01:30"):
                fork.at(view.time - timedelta(seconds=1))


def test_the_time_of_a_moment_finds_it() -> None:
    """Times have microseconds, and those of a running clock more digits: the moment's own time leads back to it."""
    with LocalTaskRouter() as router:
        for number in range(30):
            router.add_worker(f"W{number}")
        history = router.history()
        assert [router.at(moment.time).number for moment in history] == list(range(1, len(history) + 1))


def test_history_says_what_happened_when_and_by_whom(make: Callable[[], LocalTaskRouter]) -> None:
    """Each entry has its number, time, actor, events and sids; single ones, slices and iterations agree."""
    with make() as router:
        sid = router.add_worker("Alice", activity="Available")
        with Worker(router.token(sid), **router.connection) as worker:
            task = router.create_task({})
            (reservation,) = eventually(lambda: list(worker.reservations.values()))
            reservation.accept().result(30)
            router.clock.advance(86400)
        history = router.history()
        moments = list(history)
        assert [moment.number for moment in moments] == list(range(1, len(history) + 1))
        assert [history[index] for index in range(-len(history), 0)] == moments
        assert (history[1:3], history[::-2], history[5:5]) == (moments[1:3], moments[::-2], [])
        created = next(moment for moment in moments if moment.command == "CreateTask")
        assert created.actor == "program"
        assert created.time == datetime.fromtimestamp(START, timezone.utc)
        assert "task.created" in created.events
        assert {task, sid, reservation.sid} <= set(created.sids)
        assert f"Reservation {reservation.sid} created for Alice" in created.what
        accepted = next(moment for moment in moments if "reservation.accepted" in moment.events)
        assert accepted.actor == "Alice"
        assert {moment.actor for moment in moments} == {"program", "Alice", "timer"}
        assert [moment for moment in history.about(task) if moment.number <= created.number] == [created]
        with pytest.raises(IndexError):
            history[len(history)]


def test_invalid_moments_are_refused(make: Callable[[], LocalTaskRouter]) -> None:
    """The message has the range, or what a moment is."""
    with make() as router, LocalTaskRouter() as other:
        last = router.history().last
        wrong: Any
        for wrong, error, match in (
            (-1, ValueError, f"the moments 0 to {last}, but not -1"),
            (last + 1, ValueError, f"0 to {last}"),
            (True, TypeError, "not bool"),
            ("14:03", TypeError, "not str"),
            (datetime.fromtimestamp(START, timezone.utc).replace(tzinfo=None), ValueError, "aware"),
            (datetime.fromtimestamp(START, timezone.utc) + timedelta(1), ValueError, "2027-01-15T08:00:00"),
            (other.history()[0], ValueError, "another router"),
        ):
            for method in (router.at, router.fork):
                with pytest.raises(error, match=match):
                    method(wrong)
        with pytest.raises(ValueError, match="clock must be"):
            router.fork(clock="fast")  # type: ignore[arg-type]
        with pytest.raises(StateError, match="no workspace yet"):
            router.at(0).tasks()
        before = router.history()[0]
        router.reset()
        with pytest.raises(ValueError, match="before a reset"):
            router.at(before)
    with pytest.raises(StateError):
        router.at(1)


def test_a_fork_is_independent(make: Callable[[], LocalTaskRouter]) -> None:
    """It has the credentials of the original, and neither notices what happens to the other."""
    with make() as router:
        sid = router.add_worker("Alice")
        token = router.token(sid)
        before = digest_of(router)
        fork = router.fork()
        with fork:
            assert fork.url != router.url
            assert (fork.account_sid, fork.auth_token) == (router.account_sid, router.auth_token)
            assert fork.workspace_sid == router.workspace_sid
            assert not fork.clock.running
            fork.add_queue("Deutsch", target_workers="language == 'de'")
            with Worker(token, **fork.connection) as worker:
                worker.set_activity("Available").result(30)
            # The end of a session is part of the state.
            eventually(lambda: fork.open_sessions("Alice") == 0)
            assert digest_of(router) == before
            assert router.worker("Alice").activity_name == "Offline"
            changed = digest_of(fork)
            router.add_worker("Bob")
            assert digest_of(fork) == changed
            fork.reset()
            assert digest_of(fork) == before
            with pytest.raises(StateError, match="started once"):
                fork.start()
        with pytest.raises(StateError):
            fork.tasks()


def test_a_fork_runs_on_if_its_clock_does(make: Callable[[], LocalTaskRouter]) -> None:
    """The clock starts at the moment of the fork, standing still, running, or as the caller has it."""
    with make() as router:
        router.clock.advance(50)
        with router.fork(1, clock="real") as fork:
            assert fork.clock.running
            assert START <= fork.clock.now() < START + 49
        own = Clock.virtual(START + 7)
        with router.fork(1, clock=own) as fork:
            assert fork.clock is own
            assert own.now() == START + 7
        with router.fork() as fork:
            assert fork.clock.now() == START + 50


def test_another_workflow_changes_the_future(make: Callable[[], LocalTaskRouter]) -> None:
    """What the time machine is for: the same tasks, routed by another workflow."""
    with make() as router:
        german = router.add_queue("Deutsch", target_workers="1==1")
        task = router.create_task({"language": "de"})
        before = router.history().last - 1
        with router.fork(before) as fork:
            routing = {"default_filter": {"queue": german}}
            fork.update_workflow("Default Fifo Workflow", {"task_routing": routing})
            again = fork.create_task({"language": "de"})
            assert again == task
            assert fork.task(task).task_queue_friendly_name == "Deutsch"
            assert router.task(task).task_queue_friendly_name == "Sample Queue"


@pytest.mark.usefixtures("short_distances")
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service in memory forgets its oldest moments, and says so."""
    with LocalTaskRouter(clock=Clock.virtual(START)) as router:
        memory = service_of(router).committer._memory
        assert memory is not None
        memory._kept = 30
        for number in range(100):
            router.clock.advance(1)
            router.add_worker(f"W{number}")
        history = router.history()
        assert 60 <= history.first <= 80
        assert len(memory._times) == len(history) == len(list(history))
        assert len(router.at(history.first).workers()) == history.first - 1
        for gone in (history.first - 1, datetime.fromtimestamp(START + 5, timezone.utc)):
            with pytest.raises(ValueError, match="The journal"):
                router.at(gone)
        with router.fork(history[0]) as fork:
            assert len(fork.workers()) == history.first
        memory._kept_bytes = 1
        for number in range(20):
            router.add_worker(f"X{number}")
        assert router.history().first > history.first
        with pytest.raises(StateError, match="not kept any more"):
            list(history)


def test_the_collector_is_paused_throughout(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the call to the end of a view's or a fork's making the collector does not run, and afterwards it does."""
    seen = []

    def watched(owner: object, name: str) -> None:
        function = getattr(owner, name)

        def watching(*arguments: Any, **keywords: Any) -> Any:
            before = gc.isenabled()
            result = function(*arguments, **keywords)
            seen.append((name, before, gc.isenabled()))
            return result

        monkeypatch.setattr(owner, name, watching)

    watched(time_machine, "checked")
    watched(time_machine, "view_of")
    watched(LocalTaskRouter, "_begin")
    with LocalTaskRouter(clock=Clock.virtual(START)) as router:
        router.create_task({})
        router.at(1)
        assert gc.isenabled()
        with router.fork(), router.fork(1):
            assert gc.isenabled()
        with pytest.raises(ValueError, match="The journal has the moments"):
            router.at(1000)
    assert [name for name, *_ in seen] == ["checked", "view_of", "_begin", "checked", "_begin", "checked"]
    assert not any(before or after for _, before, after in seen)
    assert gc.isenabled()
