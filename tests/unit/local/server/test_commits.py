"""The committer without a file, while the disk is slow, and with a disk that fails."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from tests.tools.shortage import refuse_threads
from tests.tools.stores import commit
from twilio_taskrouter_worker.errors import StateError, StoreError
from twilio_taskrouter_worker.local.clock import ClockState
from twilio_taskrouter_worker.local.credentials import credentials
from twilio_taskrouter_worker.local.engine import Rules
from twilio_taskrouter_worker.local.server.commits import Committer
from twilio_taskrouter_worker.local.server.flushing import THREAD_NAME
from twilio_taskrouter_worker.local.store import Store
from twilio_taskrouter_worker.local.tables import Header

TIMEOUT = 20.0


def test_a_service_without_a_journal() -> None:
    """There is nothing to read, nothing to wait for, and nothing to close."""
    called: list[str] = []

    async def run() -> None:
        committer = Committer(asyncio.get_running_loop(), None)
        with pytest.raises(StateError, match="keeps no journal"):
            committer.journal()
        committer.when_kept(lambda: called.append("later"))
        assert called == [], "it is called in a later turn of the loop"
        await committer.kept()
        await asyncio.sleep(0)
        committer.close()
        committer.close()

    asyncio.run(run())
    assert called == ["later"]


class Disk:
    """A store whose flushes wait for a gate, or fail."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = Store.open(path)
        own = credentials(1, account_sid=None, auth_token=None, signing_key_sid=None, signing_key_secret=None)
        self.store.begin(Header(credentials=own, seed=1, rules=Rules(), version="0.1"))
        commit(self.store)
        self.gate = threading.Event()
        self.reached = threading.Event()
        self.threads: list[str] = []
        self.failure: Exception | None = None
        flush = self.store.flush

        def slow() -> None:
            self.threads.append(threading.current_thread().name)
            self.reached.set()
            assert self.gate.wait(TIMEOUT)
            if self.failure is not None:
                raise self.failure
            flush()

        monkeypatch.setattr(self.store, "flush", slow)

    def changed(self, committer: Committer) -> asyncio.Task[None]:
        """Change something; the task ends when that is on the disk."""

        async def change() -> None:
            committer.note_clock(ClockState(shown=1.0, since=1.0, running=True))
            await committer.kept()

        return asyncio.create_task(change())

    async def busy(self) -> None:
        """Wait until a flush has begun."""
        assert await asyncio.to_thread(self.reached.wait, TIMEOUT)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A new file on a disk that is stopped; the committer closes it."""
    return Disk(tmp_path / "state.db", monkeypatch)


def test_the_loop_goes_on_while_the_disk_is_busy(disk: Disk) -> None:
    """A read waits for the changes that it may have seen, and a later change for a commit of its own."""

    async def run() -> None:
        committer = Committer(asyncio.get_running_loop(), disk.store)
        order: list[str] = []
        first = [disk.changed(committer), disk.changed(committer)]
        await disk.busy()
        read = asyncio.create_task(committer.kept())
        committer.when_kept(lambda: order.append("first"))
        later = disk.changed(committer)
        await asyncio.sleep(0)
        committer.when_kept(lambda: order.append("later"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not any(task.done() for task in (*first, read, later)) and order == []
        disk.gate.set()
        await asyncio.gather(*first, read)
        assert order[0] == "first"
        await later
        assert order == ["first", "later"] and not disk.store.pending
        assert disk.threads[0] == THREAD_NAME and len(disk.threads) == 2
        committer.close()

    asyncio.run(run())


def test_a_commit_at_once_waits_for_the_one_in_progress(disk: Disk) -> None:
    """What Python asks for is on the disk when the call returns, and so is all that came before."""

    async def run() -> None:
        committer = Committer(asyncio.get_running_loop(), disk.store)
        tasks = [disk.changed(committer), disk.changed(committer)]
        await disk.busy()
        tasks.append(disk.changed(committer))
        await asyncio.sleep(0)
        threading.Timer(0.05, disk.gate.set).start()
        committer.commit()
        assert not disk.store.pending and len(disk.threads) == 2
        await asyncio.gather(*tasks)
        committer.close()

    asyncio.run(run())


@pytest.mark.parametrize("failure", [StoreError("the disk is full"), MemoryError()], ids=["store", "memory"])
def test_a_commit_that_fails_on_its_thread(disk: Disk, failure: Exception) -> None:
    """Everybody who waits is told, for that commit and the next one; events of neither are sent."""

    async def run() -> None:
        committer = Committer(asyncio.get_running_loop(), disk.store)
        order: list[str] = []
        tasks = [disk.changed(committer), disk.changed(committer)]
        await disk.busy()
        committer.when_kept(lambda: order.append("first"))
        tasks.append(disk.changed(committer))
        await asyncio.sleep(0)
        committer.when_kept(lambda: order.append("later"))
        disk.failure = failure
        disk.gate.set()
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in told] == [StoreError] * 3
        with pytest.raises(StoreError, match=r"disk is full|commit failed: MemoryError"):
            await committer.kept()
        assert order == [] and len(disk.threads) == 1
        committer.close()

    asyncio.run(run())


def test_without_threads_the_loop_waits_for_the_disk(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shortage of threads makes commits slower, and no worse."""
    refuse_threads(monkeypatch, lambda name: name == THREAD_NAME)
    disk.gate.set()

    async def run() -> None:
        committer = Committer(asyncio.get_running_loop(), disk.store)
        await asyncio.gather(disk.changed(committer), disk.changed(committer))
        assert disk.threads == [threading.current_thread().name] and not disk.store.pending
        committer.close()

    asyncio.run(run())
