"""``taskrouter replay``: a kept file at any moment, read only."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.cli.commands import Running, command_line, environment, taskrouter
from tests.tools.seams import digest_of, service_of
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.cli.app import run
from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter, kept_file, pacing
from twilio_taskrouter_worker.local.kept_file import open_kept_file, serve_kept_file

START = datetime(2027, 1, 15, 14, 0, tzinfo=timezone.utc).timestamp()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The name of a file, in a folder of its own."""
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept" / "state.db"


@pytest.fixture
def router(path: Path) -> Iterator[LocalTaskRouter]:
    """A running service with that file, whose clock stands still at 14:00 UTC."""
    with LocalTaskRouter(db=path, clock=Clock.virtual(START)) as router:
        yield router


def to_bob(router: LocalTaskRouter) -> str:
    """Have a task that Alice does not answer go to Bob at 14:03, and return its sid."""
    router.add_worker("Alice", activity="Available")
    router.add_worker("Bob")
    task = router.create_task({"customer": "+15551234"})
    router.clock.advance(180)
    router.set_activity("Bob", "Available")
    router.clock.advance(3600)
    return task


def files(path: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of everything in the folder of a file."""
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in path.parent.iterdir()}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What the command prints as JSON."""
    assert run(["replay", *arguments, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_why_did_this_task_go_to_bob(router: LocalTaskRouter, path: Path) -> None:
    """The life of the task, and the verdicts of the moment when it was offered, while the service has the file open."""
    task = to_bob(router)
    before = files(path)
    ended = taskrouter("replay", str(path), "--task", task, "--at", "14:03")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert files(path) == before
    lines = ended.stdout.splitlines()
    assert lines[0].startswith(f"{path} at 2027-01-15T14:03:00+00:00, after entry ")
    assert any("timer" in line and "timeout for Alice" in line for line in lines)
    assert "2027-01-15 14:03:00.000  program" in lines[lines.index("") - 1]
    assert "created for Bob" in lines[lines.index("") - 1]
    assert "before tasks were offered" in lines[lines.index("") + 1]
    assert "  Bob (Available): could take it" in lines
    assert any(line.startswith("  Alice (Offline)") for line in lines)


def test_as_data(router: LocalTaskRouter, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, programs get the same."""
    task = to_bob(router)
    document = printed(capsys, str(path), "--task", task)
    assert document["entries"] == router.history().last
    assert [step["who"] for step in document["life"] if step["type"] == "reservation.timeout"][0] == "timer"
    offered = [step for step in document["life"] if step["type"] == "reservation.created"]
    assert offered[-1]["number"] == document["explained_entry"]
    verdicts = document["explanation"]["workers"]
    assert {each["friendly_name"]: all(check["passed"] for check in each["checks"]) for each in verdicts} == {
        "Alice": False,
        "Bob": True,
    }
    workspace = printed(capsys, str(path), "--at", "2027-01-15T15:02:30+01:00")
    assert workspace["at"] == "2027-01-15T14:02:30+00:00"
    assert [(each["name"], each["activity"]) for each in workspace["workers"]] == [
        ("Alice", "Offline"),
        ("Bob", "Offline"),
    ]
    assert [(each["status"], each["worker"], each["age"]) for each in workspace["tasks"]] == [("pending", None, 150.0)]
    assert workspace["queues"][0]["waiting"] == 1
    assert workspace["latest"][-1]["actor"] == "timer"
    assert printed(capsys, str(path), "--at", "0")["workers"] == []


def test_only_the_entries_around_a_task_are_applied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshots of a long journal tell where a task can be; its life is that of the whole journal."""
    monkeypatch.setattr(pacing, "DISTANCE", 20)
    monkeypatch.setattr(pacing, "SHARE", 0)
    tasks = []
    with LocalTaskRouter(db=path, clock=Clock.virtual(START)) as router:
        for number in range(6):
            for more in range(10):
                router.add_worker(f"W{number}-{more}")
            tasks.append(router.create_task({}))
            for _ in range(number):
                router.clock.advance(100)
                router.add_queue(f"{number} {router.clock.now()}")
            router.cancel_task(tasks[-1])
            router.clock.advance(1000)
        whole = {task: [moment.number for moment in router.history().about(task)] for task in tasks}
    with open_kept_file(path) as kept:
        for task, numbers in whole.items():
            first, last = kept.span(task)
            assert first < numbers[0] <= numbers[-1] <= last
        assert kept.span(tasks[5])[0] > 20
        assert kept.span(tasks[0])[1] < kept.count
        assert kept.span("WT" + "0" * 32) == (0, kept.count)


@pytest.mark.parametrize("how", ["running", "stopped", "killed"])
def test_every_moment_is_that_of_the_service(path: Path, tmp_path: Path, how: str) -> None:
    """Whatever became of the service, the file has each of its moments, and stays as it is."""
    router = LocalTaskRouter(db=path, clock=Clock.virtual(START)).start()
    to_bob(router)
    states = [router.at(number).engine.state_digest() for number in range(router.history().last + 1)]
    folder = path.parent
    if how == "killed":
        # A kill leaves the files as they are at that moment.
        folder = tmp_path / "killed"
        shutil.copytree(path.parent, folder)
    if how != "running":
        router.stop()
    kept_path = folder / path.name
    before = files(kept_path)
    with open_kept_file(kept_path) as kept:
        assert [kept.at(number).engine.state_digest() for number in range(kept.count + 1)] == states
        assert kept.now == START + 3780
    assert files(kept_path) == before
    router.stop()


def test_a_service_that_writes_all_the_time(router: LocalTaskRouter, path: Path) -> None:
    """A copy made meanwhile is consistent, also while SQLite moves commits from one file to the other."""
    store = service_of(router).committer._store
    assert store is not None
    router._ask_service(lambda _: store._connection.execute("PRAGMA wal_autocheckpoint = 20"))
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            router.create_task({"text": "x" * 500})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        counts = []
        for _ in range(5):
            try:
                with open_kept_file(path) as kept:
                    assert len(kept.at(kept.count).tasks()) == kept.count - 1
                    counts.append(kept.count)
            except StoreError as error:
                assert "too busy for a copy" in str(error)
        assert counts == sorted(counts)
    finally:
        ended.set()
        thread.join()
    with open_kept_file(path) as kept:
        assert kept.at(kept.count).engine.state_digest() == digest_of(router)


def test_a_file_that_changes_all_the_time(router: LocalTaskRouter, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some tries the command gives up, and says why."""
    to_bob(router)
    monkeypatch.setattr(kept_file, "_PAUSE_SECONDS", 0.0)
    copy, times = shutil.copyfile, itertools.count(1)

    def changed(source: str, target: str) -> None:
        copy(source, target)
        # The time of two changes within a tick of the system's clock is the same.
        os.utime(path, (0, next(times)))

    monkeypatch.setattr(shutil, "copyfile", changed)
    with pytest.raises(StoreError, match="too busy for a copy"), open_kept_file(path):
        pass


def altered(path: Path, statement: str) -> None:
    """Change a file that no service has open."""
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def test_files_that_cannot_be_read(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and the reason, for each kind; nothing is made."""
    router = LocalTaskRouter(db=path, clock=Clock.virtual(START)).start()
    to_bob(router)
    without_wal = tmp_path / "without-wal.db"
    shutil.copyfile(path, without_wal)
    router.stop()
    damaged = tmp_path / "damaged.db"
    shutil.copyfile(path, damaged)
    altered(damaged, "UPDATE journal SET actor = 'WK1' WHERE number = 3")
    shortened = tmp_path / "shortened.db"
    shutil.copyfile(path, shortened)
    altered(shortened, "DELETE FROM journal WHERE number = (SELECT MAX(number) FROM journal)")
    other = tmp_path / "other.db"
    altered(other, "CREATE TABLE x (y)")
    text = tmp_path / "text.db"
    text.write_text("not a database, but long enough to be one " * 50)
    empty = tmp_path / "empty.db"
    empty.touch()
    foreign = tmp_path / "foreign.db"
    shutil.copyfile(path, foreign)
    altered(foreign, "UPDATE snapshot SET version = '0'")
    names = sorted(each.name for each in tmp_path.iterdir())
    for name, reason in (
        ("missing.db", "No such file"),
        ("kept", "is not a file"),
        ("without-wal.db", "which is missing"),
        ("damaged.db", "entry 3 of its journal does not match"),
        ("shortened.db", "entries were committed"),
        ("other.db", "not one of a local TaskRouter"),
        ("text.db", "not an SQLite file"),
        ("empty.db", "is empty"),
    ):
        assert run(["replay", str(tmp_path / name)]) == 1
        assert reason in capsys.readouterr().err
    assert sorted(each.name for each in tmp_path.iterdir()) == names
    assert run(["replay", str(foreign)]) == 0


def test_moments_and_tasks_that_do_not_exist(
    router: LocalTaskRouter, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and a valid value."""
    to_bob(router)
    last = router.history().last
    for arguments, reason in (
        (("--at", str(last + 1)), f"the moments 0 to {last}"),
        (("--at", "noon"), "a time such as 14:03"),
        (("--at", "24:61"), "a time such as 14:03"),
        (("--at", "2099-01-01T00:00Z"), "The journal goes to 2027-01-15T15:03:00"),
        (("--task", "WT1"), "There is no task 'WT1'"),
    ):
        assert run(["replay", str(path), *arguments]) == 2
        assert reason in capsys.readouterr().err


def test_a_time_of_day_is_the_latest_one(
    router: LocalTaskRouter, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """14:30 is that of today, and 23:00 that of yesterday, by the service's clock."""
    to_bob(router)
    router.clock.advance(24 * 3600)
    assert printed(capsys, str(path), "--at", "14:30")["at"] == "2027-01-16T14:30:00+00:00"
    assert printed(capsys, str(path), "--at", "23:00:01.5")["at"] == "2027-01-15T23:00:01.500000+00:00"


def test_a_router_that_shows_the_file(router: LocalTaskRouter, path: Path) -> None:
    """It has the state, the clock and the history of a moment, and ends no session and runs no timer of its own."""
    task = to_bob(router)
    alice = router.worker("Alice").sid
    with Worker(router.token(alice), **router.connection):
        before, last = files(path), router.history().last
        with serve_kept_file(path, None) as shown:
            assert digest_of(shown) == digest_of(router)
            assert shown.open_sessions("Alice") == 1
            assert (shown.clock.now(), shown.clock.running) == (START + 3780, False)
            assert list(shown.history()) == list(router.history())
            assert shown.events() == router.events()
            assert shown._console is not None and shown._console.read_only
        offered = next(each.number for each in router.history().about(task) if "Bob" in each.what)
        with serve_kept_file(path, offered) as shown:
            assert shown.history().last == offered < last
            assert digest_of(shown) == router.at(offered).engine.state_digest()
            assert shown.at(2).engine.state_digest() == router.at(2).engine.state_digest()
            assert shown.clock.now() == START + 180
        assert files(path) == before


def test_the_console_of_a_file(router: LocalTaskRouter, path: Path) -> None:
    """The command prints the link, serves the page, and ends with Ctrl-C; the folder for its copy is gone then."""
    to_bob(router)
    folder = path.parent.parent / "temporary"
    folder.mkdir()
    arguments = command_line("replay", str(path), "--at", "14:03", "--console", "--json")
    with Running(arguments, env=environment(PYTHONUNBUFFERED="1", TMPDIR=str(folder))) as running:
        facts = json.loads(running.line())
        answer = requests.get(facts["console_url"], timeout=30)
        assert answer.status_code == 200
        assert "text/html" in answer.headers["Content-Type"]
        assert running.stop(signal.SIGINT) == (0, "")
    assert list(folder.iterdir()) == []


def test_the_console_shows_every_task(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--task and --console together are an error of usage."""
    assert run(["replay", str(path), "--console", "--task", "WT1"]) == 2
    assert "leave --task out" in capsys.readouterr().err
