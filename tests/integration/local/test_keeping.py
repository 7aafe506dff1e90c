"""A local TaskRouter with a file: what is there after it ended, one way or the other."""

from __future__ import annotations

import base64
import select
import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import websocket

from tests.integration.local.bridge_client import BridgeClient
from tests.tools.seams import service_of
from tests.tools.stores import commit
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker.errors import StateError, StoreError
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter, Rules
from twilio_taskrouter_worker.local.engine import commands
from twilio_taskrouter_worker.local.store import Store

TIMEOUT = 30.0


@pytest.fixture
def db(tmp_path: Path) -> str:
    """The name of a file that is not there yet."""
    return str(tmp_path / "state.db")


def digest(router: LocalTaskRouter) -> str:
    """Everything later behaviour depends on, in one text."""
    return router._ask(lambda engine: engine.state_digest())


def rest(router: LocalTaskRouter, method: str, path: str, **fields: Any) -> requests.Response:
    """Send a REST request to the router's workspace."""
    query, form = (fields, None) if method == "GET" else (None, fields)
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}{path}"
    auth = (router.account_sid, router.auth_token)
    return requests.request(method, url, params=query, data=form, auth=auth, timeout=TIMEOUT)


def events(router: LocalTaskRouter) -> list[dict[str, Any]]:
    """The event log, but for the addresses in it, which begin with the port."""
    found = rest(router, "GET", "/Events", PageSize=1000, Minutes=100).json()["events"]
    return [{key: value for key, value in each.items() if not key.endswith("url")} for each in found]


def abandon(router: LocalTaskRouter) -> None:
    """End a service as ``kill -9`` would as far as its file can tell: nothing is said to anybody."""
    router._host.call(service_of(router).committer.abandon)
    router.stop()


def test_it_goes_on_where_it_was(db: str) -> None:
    """Credentials, workspace, state, event log and statistics are the same after a restart."""
    with LocalTaskRouter(db=db, clock="virtual") as router:
        before = (router.account_sid, router.auth_token, router.signing_key_sid, router.signing_key_secret)
        alice = router.add_worker("Alice", attributes={"languages": ["en"]}, activity="Available")
        router.create_task({"order": 1})
        with BridgeClient(router, alice) as client:
            client.post(client.own, Attributes='{"languages": ["es"]}')
        router.clock.advance(130)
        counted = rest(router, "GET", "/CumulativeStatistics").json()
        known = (digest(router), events(router), counted, router.clock.now())
        sid = router.workspace_sid
    with LocalTaskRouter(db=db, clock="virtual") as router:
        assert (router.account_sid, router.auth_token, router.signing_key_sid, router.signing_key_secret) == before
        assert router.workspace_sid == sid
        log = events(router)
        assert [each["actor_type"] for each in log if each["event_type"] == "worker.attributes.update"] == ["worker"]
        again = (digest(router), log, rest(router, "GET", "/CumulativeStatistics").json(), router.clock.now())
        for one, other in zip(known[2].items(), again[2].items(), strict=True):
            assert one == other or "url" in one[0]
        assert (known[0], known[1], known[3]) == (again[0], again[1], again[3])
        router.create_task({"order": 2})
        newest = [int(each["sid"][2:], 16) for each in events(router)]
        assert newest == list(range(len(newest), 0, -1))


def test_credentials_are_known_once_it_is_started(db: str) -> None:
    """Before that they are in the file, or nowhere; secrets that are given anew replace those in the file."""
    router = LocalTaskRouter(db=db)
    with pytest.raises(StateError, match="in its file"):
        _ = router.auth_token
    with router:
        account = router.account_sid
    with LocalTaskRouter(db=db, auth_token="n" * 32) as router:
        assert (router.account_sid, router.auth_token) == (account, "n" * 32)
    with LocalTaskRouter(db=db) as router:
        assert router.auth_token == "n" * 32


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seed": 8}, "with another seed than 8"),
        ({"account_sid": "AC" + "9" * 32}, "belongs to the account AC"),
        ({"rules": Rules(max_queues=1)}, r"with other rules \(max_queues\)"),
    ],
)
def test_seed_account_and_rules_cannot_change(db: str, given: dict[str, Any], said: str) -> None:
    """Another seed, account or rules would make another history of the same journal."""
    with LocalTaskRouter(db=db, seed=7, rules=Rules(max_queues=2)):
        pass
    with no_leftover_threads(), pytest.raises(StoreError, match=said):
        LocalTaskRouter(db=db, **given).start()
    with LocalTaskRouter(db=db, seed=7) as router:
        assert router.rules == Rules(max_queues=2)


@pytest.mark.parametrize("db", ["", ":memory:", "file:x?mode=memory", 5, b"x", "a\0b"])
def test_impossible_names(db: Any) -> None:
    """What is no name of a file is refused at once."""
    with pytest.raises(ValueError if isinstance(db, str) else TypeError, match="db must be the name of a file"):
        LocalTaskRouter(db=db)


def test_a_port_that_is_taken_leaves_no_file(db: str, router: LocalTaskRouter) -> None:
    """A start that fails has not made anything."""
    with pytest.raises(OSError, match="something else listens"):
        LocalTaskRouter(int(router.url.rpartition(":")[2]), db=db).start()
    assert list(Path(db).parent.iterdir()) == []


def test_timers_that_were_due_while_it_was_away(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They happen at the start, each at its own time and in order; later ones are still to come."""
    real = [1_000_000.0]
    for name in ("time.time", "_steady"):
        monkeypatch.setattr(f"twilio_taskrouter_worker.local.clock.{name}", lambda: real[0])
    router = LocalTaskRouter(db=db).start()
    for name in ("Ann", "Bob"):
        router.add_worker(name, activity="Available")
    first = router.create_task({"order": 1})
    real[0] += 30
    second = router.create_task({"order": 2}, timeout=150)
    third = router.create_task({"order": 3}, timeout=10_000)
    abandon(router)
    real[0] += 1000
    with LocalTaskRouter(db=db) as router:
        # Reservations stand for 120 s; the second task lives 150 s; who times out goes offline, so the third waits.
        kinds = ("reservation.timeout", "task.canceled")
        log = [each for each in reversed(events(router)) if each["event_type"] in kinds]
        assert [(each["event_type"], each["event_date_ms"] / 1000 - 1_000_000.0) for each in log] == [
            ("reservation.timeout", 120.0),
            ("reservation.timeout", 150.0),
            ("task.canceled", 180.0),
        ]
        assert router.clock.now() == 1_001_030.0
        # Two of the tasks are gone from sight: they were over for more than five minutes.
        assert [task.sid for task in router.tasks()] == [first, third] and second not in {t.sid for t in router.tasks()}


def test_a_clock_that_stands_still_has_not_moved(db: str) -> None:
    """A virtual clock shows after a restart what it showed before, whatever the computer's says."""
    with LocalTaskRouter(db=db, clock="virtual") as router:
        router.clock.advance(5000)
        before = router.clock.now()
    with LocalTaskRouter(db=db, clock="virtual") as router:
        assert router.clock.now() == before
    with LocalTaskRouter(db=db) as router:
        assert before <= router.clock.now() < before + 60


def test_a_clock_of_ones_own_never_begins_before_the_journal(db: str) -> None:
    """A given clock keeps its time, unless the file knows of a later moment."""
    with LocalTaskRouter(db=db, clock=Clock.virtual(5000.0)) as router:
        router.add_worker("Alice")
    with LocalTaskRouter(db=db, clock=Clock.virtual(100.0)) as router:
        assert router.clock.now() == 5000.0
    with LocalTaskRouter(db=db, clock=Clock.virtual(6000.0)) as router:
        assert router.clock.now() == 6000.0


def test_sessions_do_not_outlive_the_service(db: str) -> None:
    """Sessions open at the end count as closed at the start, each with the flag it was opened with."""
    router = LocalTaskRouter(db=db).start()
    gone, stays = (router.add_worker(name, activity="Available") for name in ("Gone", "Stays"))
    with BridgeClient(router, gone) as one, BridgeClient(router, stays) as other:
        one.open(setWorkerOfflineIfDisconnected="true").event()
        other.open(setWorkerOfflineIfDisconnected="false").event()
        abandon(router)
    with LocalTaskRouter(db=db) as router:
        assert [router.open_sessions(sid) for sid in (gone, stays)] == [0, 0]
        assert [router.worker(sid).activity_name for sid in (gone, stays)] == ["Offline", "Available"]


def test_answers_wait_for_the_disk(db: str) -> None:
    """At the moment a client has its answer, over REST, the bridge or Python, a copy of the file has what it did."""
    with LocalTaskRouter(db=db) as router:
        alice = router.add_worker("Alice")
        assert names(db) == ["Alice"]
        assert rest(router, "POST", "/Workers", FriendlyName="Bob").status_code == 201
        assert names(db) == ["Alice", "Bob"]
        with BridgeClient(router, alice) as client:
            client.post(client.own, Attributes='{"seen": true}')
        assert '{\\"seen\\": true}' in entries(db)[-1]


def entries(db: str) -> list[str]:
    """The journal that is on the disk while the service runs; its lock is for programs that keep to it."""
    copy = f"{db}.copy"
    for end in ("", "-wal"):
        Path(copy + end).write_bytes(Path(db + end).read_bytes())
    connection = sqlite3.connect(copy)
    found = [row[0] for row in connection.execute("SELECT entry FROM journal ORDER BY number")]
    connection.close()
    return found


def names(db: str) -> list[str]:
    """The workers that the journal on the disk makes."""
    return [line.split('"friendly_name":"')[1].split('"')[0] for line in entries(db) if '"CreateWorker"' in line]


def test_requests_in_flight_share_a_commit(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk is busy requests pile up, and go out together with the next write."""
    sizes: list[int] = []
    gate = threading.Event()
    write, flush = Store.write, Store.flush

    def counted(self: Store) -> None:
        sizes.append(len(self._entries))
        write(self)

    def slow(self: Store) -> None:
        if len(sizes) == 2:  # the first task; the very first commit is that of the start
            gate.wait(60)
        flush(self)

    monkeypatch.setattr(Store, "write", counted)
    monkeypatch.setattr(Store, "flush", slow)
    with LocalTaskRouter(db=db) as router, ExitStack() as stack:
        sent = [stack.enter_context(creating(router))]
        eventually(lambda: len(sizes) == 2)
        # Each is in the buffers of the service's system as a whole when it is sent, before the disk goes on.
        sent += [stack.enter_context(creating(router)) for _ in range(9)]
        assert select.select(sent, [], [], 0)[0] == []
        gate.set()
        assert [each.recv(12) for each in sent] == [b"HTTP/1.1 201"] * 10
        assert max(sizes[2:]) > 1


def creating(router: LocalTaskRouter) -> socket.socket:
    """A connection on which a task was requested."""
    address = urlsplit(router.url)
    connection = socket.create_connection((str(address.hostname), address.port or 0), TIMEOUT)
    known = base64.b64encode(f"{router.account_sid}:{router.auth_token}".encode()).decode()
    lines = (
        f"POST /v1/Workspaces/{router.workspace_sid}/Tasks HTTP/1.1",
        "Host: localhost",
        f"Authorization: Basic {known}",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 13",
        "",
        "Attributes={}",
    )
    connection.sendall("\r\n".join(lines).encode())
    return connection


def fill_disk(router: LocalTaskRouter) -> None:
    """Let the file not grow any more."""

    def limit() -> None:
        store = service_of(router).committer._store
        assert store is not None
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")

    router._host.call(limit)


def until_full(act: Callable[[], bool]) -> None:
    """Act until it says that it did not work."""
    for _ in range(500):
        if not act():
            return
    raise AssertionError("the disk was never full")


def test_a_disk_that_is_full(db: str, caplog: pytest.LogCaptureFixture) -> None:
    """From then on every request says why it is not answered; a restart has exactly what was answered."""
    router = LocalTaskRouter(db=db).start()
    alice = router.add_worker("Alice", activity="Available")
    with BridgeClient(router, alice) as client:
        client.open().event()
        answered: list[str] = []
        fill_disk(router)

        def create() -> bool:
            answer = rest(router, "POST", "/Tasks", Attributes='{"padding": "%s"}' % ("x" * 4000))
            if answer.status_code == 201:
                answered.append(answer.json()["sid"])
                return True
            assert (answer.status_code, answer.json()["code"]) == (503, 20503)
            assert "the disk is full" in answer.json()["message"]
            return False

        until_full(create)
        assert rest(router, "GET", "/Workers").status_code == 503
        assert client.get(client.own).status == 503
        with pytest.raises(StoreError, match="the disk is full"):
            router.add_worker("Bob")
        with pytest.raises(StoreError, match="the disk is full"):
            router.clock.advance(500)
    router.stop()
    assert "stopped answering" in caplog.text
    with LocalTaskRouter(db=db) as router:
        assert [task.sid for task in router.tasks()] == answered


def test_events_are_sent_after_their_commit(db: str) -> None:
    """A worker does not hear of a reservation that the file has not got, but that the service cannot go on."""
    with LocalTaskRouter(db=db) as router:
        alice = router.add_worker("Alice", activity="Available")
        with BridgeClient(router, alice) as client:
            client.open().event()
            eventually(lambda: router.open_sessions(alice) == 1)
            service = service_of(router)
            service.committer._loop.call_soon_threadsafe(fail_next_commit, router)
            rest(router, "POST", "/Tasks", Attributes="{}")
            assert client.socket is not None
            opcode, data = client.socket.recv_data(control_frame=True)
            while not data.strip():
                opcode, data = client.socket.recv_data(control_frame=True)  # after a heartbeat
            assert (opcode, data) == (8, b"\x03\xf3The local TaskRouter cannot write its file")
            with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
                client.open()


def fail_next_commit(router: LocalTaskRouter) -> None:
    """Close the file under the service; runs on its thread."""
    store = service_of(router).committer._store
    assert store is not None
    store._connection.close()


def test_a_journal_that_means_something_else_now(db: str) -> None:
    """An entry that this version refuses, or that causes other events, is told from damage, with what to do."""
    for change, said in (("refuse", "refuses entry 2"), ("count", "entry 2 of the journal causes other events")):
        file = f"{db}.{change}"
        with LocalTaskRouter(db=file):
            pass
        store = Store.open(file)
        kept = list(store.entries())
        if change == "refuse":
            command: commands.Command = commands.DeleteWorkspace(workspace_sid="WS" + "0" * 32)
        else:
            command = commands.CreateWorkspace(friendly_name="Other")
        store.append(type(kept[0].entry)(kept[-1].entry.now, command), 1)
        commit(store)
        store.close()
        with pytest.raises(StoreError, match=f"behaves differently.*{said}.*export its content"):
            LocalTaskRouter(db=file).start()


def test_a_service_without_any_workspace(db: str) -> None:
    """The last workspace can be deleted, and the file opened again; what needs one says so."""
    with LocalTaskRouter(db=db) as router:
        assert rest(router, "DELETE", "").status_code == 204
    with LocalTaskRouter(db=db) as router:
        with pytest.raises(StateError, match="no workspace"):
            router.workers()
        assert router.export() == {"format": 1, "workspaces": []}
