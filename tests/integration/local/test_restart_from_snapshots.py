"""A kept service that starts from a snapshot is the same as one that applies its whole journal."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.local.bridge_client import TIMEOUT
from tests.tools.seams import service_of
from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local import LocalTaskRouter, pacing, snapshots
from twilio_taskrouter_worker.local.engine import Rejected, commands
from twilio_taskrouter_worker.local.server.service import Service

KEPT = 60
"""Events that a start makes again at least."""


@pytest.fixture(autouse=True)
def short_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots often, so that a short history has some."""
    monkeypatch.setattr(pacing, "DISTANCE", 25)
    monkeypatch.setattr(snapshots, "KEPT_EVENTS", KEPT)
    monkeypatch.setattr(pacing, "SHARE", 0)


def live(router: LocalTaskRouter, seed: int, steps: int) -> None:
    """Let workers, sessions and tasks do this and that."""
    chance = random.Random(seed)
    workers = [router.add_worker(f"W{seed}-{number}", activity="Available") for number in range(4)]
    where: dict[str, Any] = {"workspace_sid": router.workspace_sid}

    def step(service: Service) -> None:
        worker = chance.choice(workers)
        open_now = [each for each in service.engine.reservations(**where) if each.open]
        kind = chance.choice(["task", "task", "answer", "answer", "complete", "session", "attributes"])
        if kind == "task":
            service.execute(commands.CreateTask(**where, attributes=json.dumps({"n": chance.randrange(9)})))
        elif kind == "session":
            make = chance.choice([commands.SessionOpened, commands.SessionClosed])
            service.execute(make(**where, worker_sid=worker, set_offline=False))
        elif kind == "attributes":
            service.execute(
                commands.UpdateWorker(**where, sid=worker, attributes=json.dumps({"n": chance.randrange(9)}))
            )
        elif open_now:
            reservation = chance.choice(open_now)
            status = chance.choice(["accepted", "rejected"]) if kind == "answer" else "completed"
            service.execute(commands.UpdateReservation(**where, sid=reservation.sid, reservation_status=status))

    def some(service: Service) -> None:
        for _ in range(5):
            try:
                step(service)
            except Rejected:
                pass

    for _ in range(steps // 5):
        router._ask_service(some)
        router.clock.advance(chance.choice([0, 1, 50, 400]))


def known(path: Path) -> tuple[Any, ...]:
    """Start, and return everything that a restart must not change, and how many entries were applied for it."""
    applied = []
    replay = Service.replay

    def counted(self: Service, *entry: Any) -> None:
        applied.append(entry)
        replay(self, *entry)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Service, "replay", counted)
        with LocalTaskRouter(db=path, clock="virtual") as router:
            auth = (router.account_sid, router.auth_token)
            home = f"{router.url}/v1/Workspaces/{router.workspace_sid}"
            query = {"Minutes": 43200, "PageSize": KEPT}
            log = requests.get(f"{home}/Events", params=query, auth=auth, timeout=TIMEOUT).json()["events"]
            counts = requests.get(f"{home}/CumulativeStatistics", params=query, auth=auth, timeout=TIMEOUT).json()
            events = [{name: value for name, value in each.items() if "url" not in name} for each in log]
            del counts["url"]
            sessions = [router.open_sessions(worker.sid) for worker in router.workers()]
            state = router._ask(lambda engine: engine.state_digest())
            return len(applied), state, events, counts, sessions, router.clock.now()


def change(path: Path, statement: str) -> None:
    """Change the file behind the service's back."""
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_snapshot_and_the_rest_is_the_whole_journal(tmp_path: Path, seed: int) -> None:
    """State, event log, statistics and sessions are equal, although only the end of the journal was applied."""
    path, copy = tmp_path / "state.db", tmp_path / "copy.db"
    for part in range(2):
        with LocalTaskRouter(db=path, clock="virtual", seed=seed) as router:
            live(router, 10 * seed + part, 200)
    copy.write_bytes(path.read_bytes())
    change(copy, "DELETE FROM snapshot")
    few, *from_snapshot = known(path)
    all_of_them, *from_the_beginning = known(copy)
    assert from_snapshot == from_the_beginning
    assert few < all_of_them - 25
    # The full replay has made snapshots anew.
    fewer, *again = known(copy)
    assert fewer < all_of_them - 25
    assert again[1:] == from_the_beginning[1:]


def test_a_killed_service_goes_on_from_a_snapshot(tmp_path: Path) -> None:
    """Sessions that were open at the snapshot and are not closed since count as closed at the start."""
    path = tmp_path / "state.db"
    router = LocalTaskRouter(db=path, clock="virtual").start()
    alice = router.add_worker("Alice", activity="Available")
    where = {"workspace_sid": router.workspace_sid, "worker_sid": alice}
    router._ask_service(lambda service: service.execute(commands.SessionOpened(**where, set_offline=True)))
    for _ in range(120):
        router.create_task({})
    router._host.call(service_of(router).committer.abandon)
    router.stop()
    with LocalTaskRouter(db=path, clock="virtual") as router:
        assert router.open_sessions(alice) == 0
        assert router.worker(alice).activity_name == "Offline"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshot SET state = x'00'",
        "UPDATE snapshot SET version = '0.0'",
        "UPDATE snapshot SET facts = x'00'",
        "UPDATE snapshot SET sessions = '[]x'",
        "DROP TABLE snapshot",
        "DELETE FROM snapshot WHERE number = (SELECT MIN(number) FROM snapshot)",
    ],
)
def test_snapshots_that_cannot_be_used(tmp_path: Path, statement: str) -> None:
    """Damaged ones, and those of other versions, only cost time: the journal has everything."""
    path = tmp_path / "state.db"
    with LocalTaskRouter(db=path, clock="virtual") as router:
        live(router, 7, 150)
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    change(copy, statement)
    assert known(copy)[1:] == known(path)[1:]


def test_an_entry_changed_beside_the_snapshot(tmp_path: Path) -> None:
    """The entry after which a snapshot was made has to be the one in the journal."""
    path = tmp_path / "state.db"
    with LocalTaskRouter(db=path, clock="virtual") as router:
        live(router, 3, 200)
    change(path, "UPDATE journal SET sum = sum + 1 WHERE number IN (SELECT number FROM snapshot)")
    with pytest.raises(StoreError, match="does not match its checksum"):
        LocalTaskRouter(db=path).start()


def test_slow_snapshots_are_made_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that takes long to write does not hold the service up again and again."""
    now = [1000.0]
    monkeypatch.setattr(pacing, "SHARE", 10)
    monkeypatch.setattr(time, "thread_time", lambda: now[0])
    with LocalTaskRouter(db=tmp_path / "state.db", clock="virtual") as router:
        service = service_of(router)
        due = service.committer.committing
        assert due is not None
        made = due.__self__  # type: ignore[attr-defined]
        assert made._pace._distance == 25
        snapshot = service.engine.snapshot

        def slow() -> str:
            now[0] += 5
            return snapshot()

        monkeypatch.setattr(service.engine, "snapshot", slow)
        now[0] += 1
        for number in range(30):
            router.add_worker(f"W{number}")
        assert made._pace._distance > 1000


def test_no_snapshot_of_a_very_large_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While there are very many tasks none is made; afterwards one is, and a start has everything either way."""
    monkeypatch.setattr(pacing, "MOST_TASKS", 20)
    path = tmp_path / "state.db"
    with LocalTaskRouter(db=path, clock="virtual") as router:
        for _ in range(60):
            router.create_task({}, timeout=50)
        assert made(path) == []
        router.clock.advance(1000)
        assert router.tasks() == []
        for number in range(60):
            router.add_worker(f"W{number}")
    assert made(path)
    assert len(known(path)[4]) == 60


def made(path: Path) -> list[Any]:
    """The snapshots that were committed to a file, or to a copy of that of a running service."""
    copy = path.with_name("copied.db")
    for ending in ("", "-wal"):
        source = path.with_name(path.name + ending)
        if source.exists():
            copy.with_name(copy.name + ending).write_bytes(source.read_bytes())
    with sqlite3.connect(copy) as connection:
        found = connection.execute("SELECT number FROM snapshot").fetchall()
    connection.close()
    return found
