"""LocalTaskRouter as Python programs use it: start and stop, credentials, workers, tasks, errors."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import requests

from tests.tools.children import in_child
from tests.tools.ports import lasting_port
from tests.tools.wait import eventually, no_leftover_sockets, no_leftover_threads
from twilio_taskrouter_worker import local
from twilio_taskrouter_worker.errors import ForkedProcessError, NotFoundError, RequestRejectedError, StateError
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter, opening
from twilio_taskrouter_worker.local.server import hosting
from twilio_taskrouter_worker.local.server.service import Service


def test_starts_and_stops_without_a_trace() -> None:
    """One named daemon thread while it runs; afterwards neither thread nor socket, and a second stop does nothing."""
    with no_leftover_threads(), no_leftover_sockets():
        router = LocalTaskRouter()
        assert router.start() is router
        [thread] = [each for each in threading.enumerate() if each.name.startswith("taskrouter-local-")]
        assert thread.daemon
        assert thread.name.endswith(router.url.rpartition(":")[2])
        assert repr(router) == f"<LocalTaskRouter {router.url}>"
        router.stop()
        router.stop()
        assert repr(router) == "<LocalTaskRouter stopped>"


def test_is_ready_to_work(router: LocalTaskRouter) -> None:
    """Workspace, workflow, queue and activities are there, and the connection options lead to the bridge."""
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", router.url)
    assert router.connection == {
        "eb_server": f"{router.url}/v1/wschannels",
        "ws_server": f"ws{router.url[4:]}/v1/wschannels",
    }
    assert list(router.activities) == ["Offline", "Available", "Unavailable"]
    for sid, prefix in ((router.workspace_sid, "WS"), (router.workflow_sid, "WW"), (router.task_queue_sid, "WQ")):
        assert re.fullmatch(f"{prefix}[0-9a-f]{{32}}", sid)


def test_worker_and_task(router: LocalTaskRouter) -> None:
    """A task goes to the worker who is available; both can be looked at as they are."""
    alice = router.add_worker("Alice", attributes={"languages": ["en"]}, activity="Available")
    bob = router.add_worker("Bob", activity=router.activities["Offline"])
    start = datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    task = router.create_task({"order": 1}, priority=3, timeout=60, task_channel="chat", virtual_start_time=start)
    assert [worker.sid for worker in router.workers()] == [alice, bob]
    assert router.worker(bob).activity_name == "Offline"
    seen = router.task(task)
    assert (seen.assignment_status, seen.priority, seen.timeout) == ("reserved", 3, 60)
    assert (seen.task_channel_unique_name, seen.virtual_start_time) == ("chat", start.timestamp())
    assert [each.sid for each in router.tasks()] == [task]
    [reservation] = router.reservations(task_sid=task)
    assert reservation.worker_sid == alice
    assert router.reservations(worker_sid=bob) == []
    assert task in str(router.explain(task)) or "reserved" in str(router.explain(task))


def test_refusals_are_exceptions(router: LocalTaskRouter) -> None:
    """What TaskRouter refuses is raised with its status, code and text; wrong arguments say what would be right."""
    router.add_worker("Alice")
    with pytest.raises(RequestRejectedError, match="same friendly name") as refused:
        router.add_worker("alice")
    assert (refused.value.status, refused.value.code) == (400, 20001)
    with pytest.raises(NotFoundError):
        router.task("WT" + "0" * 32)
    with pytest.raises(NotFoundError):
        router.explain("WT" + "0" * 32)
    with pytest.raises(ValueError, match="'Offline', 'Available', 'Unavailable'"):
        router.add_worker("Bob", activity="Asleep")
    with pytest.raises(TypeError, match="attributes must be JSON-serializable, which datetime is not"):
        router.create_task({"when": datetime.now(timezone.utc)})
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"in": deep}
    with pytest.raises(ValueError, match="attributes must be JSON-serializable"):
        router.create_task(deep)
    with pytest.raises(TypeError, match="attributes must be a mapping, not list"):
        router.create_task(["no"])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="aware"):
        router.create_task(virtual_start_time=datetime(2024, 1, 1))  # noqa: DTZ001
    with pytest.raises(ValueError, match="role"):
        router.token("WK1", role="king")


def test_calls_from_many_threads(router: LocalTaskRouter) -> None:
    """Calls from many threads at once all happen, one after the other."""
    with ThreadPoolExecutor(8) as pool:
        sids = list(pool.map(lambda number: router.create_task({"n": number}), range(200)))
    assert len(set(sids)) == 200
    assert {task.sid for task in router.tasks()} == set(sids)


def test_seed_makes_everything_the_same() -> None:
    """Two routers with the same seed have the same credentials and sids; others do not."""

    def facts(seed: int | None) -> list[str]:
        with LocalTaskRouter(seed=seed) as router:
            return [
                router.account_sid,
                router.auth_token,
                router.signing_key_sid,
                router.signing_key_secret,
                router.workspace_sid,
                router.add_worker("Alice"),
            ]

    assert facts(7) == facts(7)
    assert not set(facts(7)) & set(facts(8))
    assert not set(facts(None)) & set(facts(None))


def test_given_credentials_are_used() -> None:
    """Given credentials are the ones that REST and tokens go by."""
    given: dict[str, Any] = {
        "account_sid": "AC" + "1" * 32,
        "auth_token": "2" * 32,
        "signing_key_sid": "SK" + "3" * 32,
        "signing_key_secret": "4" * 32,
    }
    with LocalTaskRouter(**given) as router:
        assert {name: getattr(router, name) for name in given} == given
        answer = requests.get(f"{router.url}/v1/Workspaces", auth=("AC" + "1" * 32, "2" * 32), timeout=30)
        assert answer.json()["workspaces"][0]["account_sid"] == given["account_sid"]
        assert not any(given[name] in repr(vars(router)) for name in ("auth_token", "signing_key_secret"))


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("port", -1, "between 0 and 65535"),
        ("port", 70000, "between 0 and 65535"),
        ("account_sid", "AC1", "32 hexadecimal"),
        ("account_sid", "SK" + "0" * 32, "AC and"),
        ("signing_key_sid", "AC" + "0" * 32, "SK and"),
        ("auth_token", "short", "at least 32"),
        ("signing_key_secret", "short", "at least 32"),
        ("signing_key_secret", "é" * 40, "ASCII"),
        ("clock", "sundial", "virtual"),
    ],
)
def test_wrong_arguments(argument: str, value: Any, said: str) -> None:
    """A wrong argument is refused at once; the message says what would be right, and quotes no secret."""
    with pytest.raises(ValueError, match=said) as refused:
        LocalTaskRouter(**{argument: value})
    assert argument in str(refused.value)
    assert "secret" not in argument or str(value) not in str(refused.value)


@pytest.mark.parametrize(
    ("argument", "value", "right"),
    [
        ("port", "80", "a whole number"),
        ("seed", "abc", "a whole number"),
        ("account_sid", 7, "a string"),
        ("auth_token", b"0" * 32, "a string"),
        ("clock", 5, "'real', 'virtual' or a Clock"),
        ("event_delay", "1", "a number of seconds from 0 to 1"),
        ("allowed_hosts", "taskrouter", "a list of host names"),
        ("db", 7, "the name of a file"),
        ("rules", {}, "Rules or None"),
    ],
)
def test_arguments_of_a_wrong_type(argument: str, value: Any, right: str) -> None:
    """A type that is never right is a TypeError, as in the client; the message names the type, never the value."""
    with pytest.raises(TypeError, match=f"{argument} must be {right}.*, not {type(value).__name__}"):
        LocalTaskRouter(**{argument: value})


def test_port_in_use(router: LocalTaskRouter) -> None:
    """A port that somebody listens on is named, with what to do; nothing is left behind."""
    port = int(router.url.rpartition(":")[2])
    with no_leftover_threads(), no_leftover_sockets():
        with pytest.raises(OSError, match=f"127.0.0.1:{port}: something else listens there.*port=0"):
            LocalTaskRouter(port=port).start()


def test_hosts_that_cannot_be() -> None:
    """A host without an address, and an address of another machine, each say what is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        with pytest.raises(OSError, match="no address"):
            LocalTaskRouter(host="no.such.host.invalid").start()
        with pytest.raises(OSError, match="no such address"):
            LocalTaskRouter(host="192.0.2.1").start()


def test_other_than_loopback_is_warned_about() -> None:
    """Listening for other machines is possible, with a warning; the url still leads here."""
    with pytest.warns(RuntimeWarning, match="every machine"):
        router = LocalTaskRouter(host="0.0.0.0").start()
    try:
        assert router.url.startswith("http://127.0.0.1:")
        assert requests.get(router.url, timeout=30).ok
    finally:
        router.stop()


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6_loopback() -> None:
    """It listens on ::1 without a warning, and its url has the brackets."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    with LocalTaskRouter(host="::1") as router:
        assert router.url.startswith("http://[::1]:")
        assert requests.get(router.url, timeout=30).ok


def test_before_start_and_after_stop() -> None:
    """Before it was started, and after it was stopped, every use says so instead of hanging."""
    router = LocalTaskRouter()
    assert repr(router) == "<LocalTaskRouter not started>"
    for _ in range(2):
        with pytest.raises(StateError):
            _ = router.url
        with pytest.raises(StateError):
            router.create_task()
        with pytest.raises(StateError):
            router.token("WK1")
        if not router._stopped:
            router.clock.advance(5)  # a clock may be set before
            router.start()
            router.stop()
    with pytest.raises(StateError):
        router.start()
    with pytest.raises(StateError):
        router.clock.advance(1)


def test_stop_without_start() -> None:
    """A router that was never started can be stopped."""
    LocalTaskRouter().stop()


def test_one_clock_one_router() -> None:
    """A clock cannot serve two routers."""
    clock = Clock.virtual(1000.0)
    with LocalTaskRouter(clock=clock) as router:
        assert router.clock.now() == 1000.0
        with pytest.raises(ValueError, match="another"):
            LocalTaskRouter(clock=clock)


def test_own_thread_cannot_stop_it(router: LocalTaskRouter) -> None:
    """The service's own thread may ask it things, but not stop it, which would wait for itself."""

    def inside() -> str:
        with pytest.raises(StateError):
            router.stop()
        return router._host.call(lambda: "answered")

    assert router._host.call(inside) == "answered"
    assert router.create_task()


def test_is_started_once() -> None:
    """One that was started, or stopped before it ever was, is not started again, and says so."""
    router = LocalTaskRouter()
    with no_leftover_threads(), no_leftover_sockets():
        router.stop()
        with pytest.raises(StateError, match="make a new one"):
            router.start()
    with LocalTaskRouter() as running, pytest.raises(StateError, match="make a new one"):
        running.start()


def test_interrupted_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a long journal is read ends the start, and the service does not come up behind one's back."""
    reading, go_on = threading.Event(), threading.Event()
    make_service = LocalTaskRouter._make_service

    def slow(self: LocalTaskRouter, loop: asyncio.AbstractEventLoop) -> Service:
        reading.set()
        go_on.wait(60)
        return make_service(self, loop)

    def interrupt(number: int, frame: FrameType | None) -> None:
        go_on.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalTaskRouter, "_make_service", slow)
    before = signal.signal(signal.SIGUSR1, interrupt)
    main = threading.main_thread().ident
    assert main is not None
    sender = threading.Thread(target=lambda: reading.wait(60) and signal.pthread_kill(main, signal.SIGUSR1))
    try:
        with no_leftover_threads(), no_leftover_sockets():
            sender.start()
            with pytest.raises(KeyboardInterrupt):
                LocalTaskRouter().start()
            sender.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_interrupt_while_the_thread_starts_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C that comes out of ``Thread.start``, before or after the thread exists, ends it and gives the port back."""
    start = threading.Thread.start

    def interrupted(begin: bool) -> Callable[[threading.Thread], None]:
        def run(self: threading.Thread) -> None:
            if begin or not self.name.startswith("taskrouter-local"):
                start(self)
            if self.name.startswith("taskrouter-local"):
                raise KeyboardInterrupt

        return run

    for begin in (True, False):
        with monkeypatch.context() as patch, no_leftover_threads(), no_leftover_sockets():
            patch.setattr(hosting, "_BEGIN_SECONDS", 0.5)
            patch.setattr(threading.Thread, "start", interrupted(begin))
            with pytest.raises(KeyboardInterrupt):
                LocalTaskRouter().start()


def test_a_system_without_a_free_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The start says what is missing, and leaves no socket; with a thread to be had the same port works."""

    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch, no_leftover_sockets():
        patch.setattr(threading.Thread, "start", refused)
        patch.setattr(hosting, "_BEGIN_SECONDS", 0.1)
        port = lasting_port()
        with pytest.raises(OSError, match="no more threads"):
            LocalTaskRouter(port).start()
    with LocalTaskRouter(port):
        pass


def test_stop_while_a_journal_is_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that takes long can be stopped by another thread; the file is as it was."""
    path = tmp_path / "state.db"
    with LocalTaskRouter(db=path) as router:
        for number in range(20):
            router.add_worker(f"W{number}")
    applied, go_on = threading.Event(), threading.Event()
    replay = Service.replay

    def slow(self: Service, *entry: Any) -> None:
        applied.set()
        go_on.wait(60)
        replay(self, *entry)

    monkeypatch.setattr(Service, "replay", slow)
    monkeypatch.setattr(opening, "_ENTRIES_AT_ONCE", 2)
    router = LocalTaskRouter(db=path)
    errors: list[BaseException] = []

    def start() -> None:
        try:
            router.start()
        except StateError as error:
            errors.append(error)

    starter = threading.Thread(target=start)
    starter.start()
    assert applied.wait(60)
    stopper = threading.Thread(target=router.stop)
    stopper.start()
    eventually(lambda: router._host.stopping)
    go_on.set()
    for thread in (starter, stopper):
        thread.join(60)
    assert "was stopped while it applied the journal" in str(errors[0])
    monkeypatch.undo()
    with LocalTaskRouter(db=path) as router:
        assert len(router.workers()) == 20


def test_first_workspace_may_come_later(tmp_path: Path) -> None:
    """A service that begins without a workspace works in the first one that it gets."""
    empty = tmp_path / "empty.json"
    empty.write_text('{"workspaces": []}')
    with LocalTaskRouter(seed_file=empty) as router:
        with pytest.raises(StateError, match="no workspace"):
            router.add_worker("Alice")
        [sid] = router.load({"workspaces": [{"friendly_name": "Support"}]})
        assert router.workspace_sid == sid
        assert router.add_worker("Alice")


def test_a_stop_before_the_thread_has_gone_on_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is neither closing nor closed when the stop ends it."""
    router, close = LocalTaskRouter(), hosting._close
    first, turned, closing = [True], threading.Event(), threading.Event()

    class Started(Future[Any]):
        def set_result(self, result: Any) -> None:
            super().set_result(result)
            if first:
                first.clear()
                eventually(lambda: not router._host._open)

    def loop() -> asyncio.AbstractEventLoop:
        loop = asyncio.SelectorEventLoop()
        post = loop.call_soon_threadsafe

        def late(callback: Any, *args: Any) -> Any:
            if callback == loop.stop:
                post(turned.set)
                assert turned.wait(60)
                assert not closing.is_set()
            return post(callback, *args)

        monkeypatch.setattr(loop, "call_soon_threadsafe", late)
        return loop

    def closed(*parts: Any) -> Any:
        closing.set()
        return close(*parts)

    monkeypatch.setattr(hosting, "Future", Started)
    monkeypatch.setattr(hosting, "_close", closed)
    monkeypatch.setattr(asyncio, "new_event_loop", loop)
    with no_leftover_threads(), no_leftover_sockets():
        router.start()
        router.stop()
    assert closing.is_set()


def test_failing_start_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong on the service's thread while it starts is raised where start() was called."""

    def broken(self: LocalTaskRouter, loop: object) -> None:
        raise LookupError("no service today")

    monkeypatch.setattr(LocalTaskRouter, "_make_service", broken)
    with no_leftover_threads(), no_leftover_sockets(), pytest.raises(LookupError, match="no service today"):
        LocalTaskRouter().start()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_fork(router: LocalTaskRouter) -> None:
    """A child process that uses its parent's router is told so."""

    def use() -> str:
        try:
            router.create_task()
        except ForkedProcessError:
            return "told"
        return "not told"

    assert in_child(use) == "told"


def test_forgotten_router_does_not_keep_the_program_alive() -> None:
    """A program that never stops its router ends all the same, silently."""
    program = (
        "import logging\n"
        "from twilio_taskrouter_worker.local import LocalTaskRouter\n"
        # With -X dev it warns of each step that takes a tenth of a second.
        "logging.getLogger('asyncio').setLevel('ERROR')\n"
        "LocalTaskRouter().start().create_task()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", program], capture_output=True, timeout=100, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=100, text=True)


def test_libraries_come_with_the_class_not_with_the_start() -> None:
    """Starting imports nothing any more, so it is quick also for the first one of a process."""
    ended = _run(
        "import sys\n"
        "from twilio_taskrouter_worker.local import LocalTaskRouter\n"
        "before = set(sys.modules)\n"
        "with LocalTaskRouter() as router:\n"
        "    router.create_task()\n"
        "late = {name for name in set(sys.modules) - before if name.startswith(('aiohttp', 'twilio'))}\n"
        "sys.exit(str(late) if late else 0)\n"
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_engine_alone_needs_no_library_of_the_service() -> None:
    """Whoever uses the pure engine does not need the extra."""
    ended = _run(
        "import sys\n"
        "import twilio_taskrouter_worker.local.engine\n"
        "store = 'twilio_taskrouter_worker.local.store'\n"  # not sqlite3: measuring coverage brings that along
        "sys.exit(str({'aiohttp', 'asyncio', store} & set(sys.modules) or ''))\n"
    )
    assert ended.stderr.strip() == ""


def test_missing_library_names_the_extra() -> None:
    """Without the extra, the import says what to install; another module that is missing is named as it is."""
    program = "import sys\nsys.modules[{!r}] = None\nfrom twilio_taskrouter_worker.local import LocalTaskRouter\n"
    ended = _run(program.format("aiohttp"))
    assert ended.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: The local TaskRouter needs aiohttp, which is not installed:"
        ' pip install "twilio_taskrouter_worker[local]"'
    )
    assert "needs aiohttp" not in _run(program.format("twilio_taskrouter_worker.local.server.bridge.websocket")).stderr


def test_names_that_are_not_there() -> None:
    """A misspelt name is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'LocalTaskRuter'"):
        local.LocalTaskRuter  # noqa: B018
