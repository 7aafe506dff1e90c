"""The files of a kept local TaskRouter, moved, copied, cut, opened to others: nothing is lost without an error."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local import LocalTaskRouter

ROOT = Path(__file__).resolve().parents[3]
TASKS = 20
_KILLED = f"""
import os, signal, sys
from twilio_taskrouter_worker.local import LocalTaskRouter
router = LocalTaskRouter(db=sys.argv[1], seed=1).start()
for number in range({TASKS}):
    router.create_task({{"number": number}})
os.kill(os.getpid(), signal.SIGKILL)
"""
_OPENED = """
import sys
from twilio_taskrouter_worker.local.store import Store
try:
    Store.open(sys.argv[1]).close()
except Exception as error:
    print(type(error).__name__, error)
"""


def run(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Run a program on the file in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)


def beside(path: Path, ending: str) -> Path:
    """The file beside the database with this ending."""
    return path.with_name(path.name + ending)


def tasks(path: Path) -> int:
    """Start on the file and return how many tasks there are."""
    with LocalTaskRouter(db=path) as router:
        return len(router.tasks())


def refusal(path: Path) -> str:
    """Return the error of a start on the file."""
    with pytest.raises(StoreError) as refused:
        LocalTaskRouter(db=path).start()
    return str(refused.value)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The name of a file that is not there yet."""
    return tmp_path / "state.db"


@pytest.fixture
def killed(db: Path) -> Path:
    """A file whose service was killed with 20 tasks."""
    assert run(_KILLED, db).returncode == -signal.SIGKILL
    return db


def test_a_copy_in_the_process_does_not_drop_the_lock(db: Path) -> None:
    """A backup made in Python closes a descriptor of the file, which ends SQLite's lock but not the one beside it."""
    with LocalTaskRouter(db=db):
        shutil.copy(db, db.with_name("backup.db"))
        assert "in use by another LocalTaskRouter" in run(_OPENED, db).stdout
    assert run(_OPENED, db).stdout == ""
    assert not beside(db, "-lock").exists()


def test_a_forked_child_does_not_keep_the_lock(db: Path) -> None:
    """The lock ends with the service, also where a child of its process lives on."""
    router = LocalTaskRouter(db=db).start()
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.write(ready[1], b".")
        os.read(done[0], 1)
        os._exit(0)
    try:
        os.read(ready[0], 1)
        assert "in use" in run(_OPENED, db).stdout
        router.stop()
        assert run(_OPENED, db).stdout == ""
    finally:
        os.write(done[1], b".")
        os.waitpid(child, 0)
        for descriptor in (*ready, *done):
            os.close(descriptor)


def test_files_open_to_others_are_closed_to_them(db: Path) -> None:
    """A file that was there before, with more permissions than secrets bear, loses them, and so do those beside it."""
    db.touch()
    db.chmod(0o644)
    with LocalTaskRouter(db=db) as router:
        router.create_task({})
        assert {each.stat().st_mode & 0o777 for each in db.parent.iterdir()} == {0o600}
        assert {each.name for each in db.parent.iterdir()} == {"state.db", "state.db-wal", "state.db-lock"}
    db.chmod(0o664)
    assert tasks(db) == 1
    assert db.stat().st_mode & 0o777 == 0o600


def test_a_killed_service_is_recovered(killed: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Everything that was answered is there, and the log names what was recovered."""
    with caplog.at_level(logging.WARNING):
        assert tasks(killed) == TASKS
    assert "was not closed by its last service; 21 entries recovered" in caplog.text
    caplog.clear()
    assert tasks(killed) == TASKS
    assert "recovered" not in caplog.text


def test_a_refused_start_leaves_a_killed_service_as_it_was(killed: Path) -> None:
    """With another seed it does not start, and the next start still finds, and can check, everything."""
    before = beside(killed, "-wal").read_bytes()
    with pytest.raises(StoreError, match="another seed"):
        LocalTaskRouter(db=killed, seed=2).start()
    assert beside(killed, "-wal").read_bytes() == before
    assert {each.name for each in killed.parent.iterdir()} == {"state.db", "state.db-wal", "state.db-lock"}
    beside(killed, "-wal").write_bytes(before[:-4096])
    assert "20 are left" in refusal(killed)
    beside(killed, "-wal").write_bytes(before)
    assert tasks(killed) == TASKS


def test_a_database_without_its_latest_commits_is_refused(killed: Path) -> None:
    """Without the second file, or with it emptied, there is an error and neither a new service nor fewer tasks."""
    wal = beside(killed, "-wal")
    whole = wal.read_bytes()
    wal.unlink()
    assert "state.db-wal, which is missing" in refusal(killed)
    wal.touch()
    assert "21 entries were committed" in refusal(killed)
    wal.write_bytes(whole)
    assert tasks(killed) == TASKS


def test_damage_to_the_latest_commits_is_found(killed: Path) -> None:
    """A bit that flips in the second file, or its missing end, is an error, or changes nothing."""
    wal = beside(killed, "-wal")
    database, whole, lock = killed.read_bytes(), wal.read_bytes(), beside(killed, "-lock").read_bytes()
    damages = [whole[: size * len(whole) // 8] for size in range(8)]
    for place in range(5, len(whole), len(whole) // 12):
        damages.append(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
    for damage in damages:
        for path, content in ((killed, database), (wal, damage), (beside(killed, "-lock"), lock)):
            path.write_bytes(content)
        try:
            assert tasks(killed) == TASKS
        except StoreError as error:
            assert "is damaged" in str(error)


def test_a_copy_of_a_running_service(db: Path) -> None:
    """Without the second file it is refused; with it, it has everything."""
    copy = db.with_name("backup.db")
    with LocalTaskRouter(db=db) as router:
        for _ in range(TASKS):
            router.create_task({})
        shutil.copy(db, copy)
        assert "backup.db-wal, which is missing (a copy takes both files" in refusal(copy)
        shutil.copy(beside(db, "-wal"), beside(copy, "-wal"))
        assert tasks(copy) == TASKS
    shutil.copy(db, copy)
    assert tasks(copy) == TASKS


def test_a_file_that_is_moved_while_the_service_runs(db: Path) -> None:
    """The next change is refused with the reason; where the file went, everything is that was answered."""
    elsewhere = db.with_name("moved.db")
    router = LocalTaskRouter(db=db).start()
    router.create_task({})
    db.rename(elsewhere)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"state\.db was moved, deleted or replaced while the service was running"):
            router.create_task({})
    router.stop()
    assert tasks(elsewhere) == 1


@pytest.mark.parametrize("endings", [("", "-wal"), ("-wal",), ("",)])
def test_files_that_are_deleted_while_the_service_runs(db: Path, endings: tuple[str, ...]) -> None:
    """Nothing is acknowledged any more; a new service at the place is not harmed by the end of the old one."""
    router = LocalTaskRouter(db=db).start()
    router.create_task({})
    for ending in endings:
        beside(db, ending).unlink()
    with pytest.raises(StoreError, match="was moved, deleted or replaced"):
        router.create_task({})
    if "" in endings:
        beside(db, "-lock").unlink()
        with LocalTaskRouter(db=db) as other:
            other.create_task({})
            router.stop()
            other.create_task({})
        assert tasks(db) == 2
    else:
        router.stop()
        assert tasks(db) == 1


def test_an_emptied_database_is_not_a_new_one(killed: Path) -> None:
    """The lock file knows that something was committed, and how to start again."""
    killed.write_bytes(b"")
    assert f"delete {killed}-lock to start with a new file" in refusal(killed)
    beside(killed, "-lock").unlink()
    assert tasks(killed) == 0


def test_a_link_to_nothing(db: Path) -> None:
    """The message names the file that the link leads to; one that leads somewhere works as the file itself."""
    target = db.with_name("target.db")
    db.symlink_to(target)
    assert f"is a link to {target}, which does not exist" in refusal(db)
    target.touch()
    with LocalTaskRouter(db=db) as router:
        router.create_task({})
        assert "in use" in refusal(target)
    assert tasks(target) == 1
