"""Neither the token nor an attribute is ever in a log, a repr, an exception, a warning or a thread's name."""

from __future__ import annotations

import gc
import itertools
import json
import logging
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.data.calls import ROWS, Row, fill
from tests.integration.client import connected_client as client_module
from tests.integration.client.connected_client import ConnectedClient
from tests.integration.client.event_recorder import SECRET, make_token
from tests.oracle.bridge import RecordingBridge
from tests.oracle.relay import Relay
from tests.tools import payloads
from tests.tools.answers import Hang, Reply, Reset
from tests.tools.wait import eventually
from twilio_taskrouter_worker import TaskRouterError, TokenError, Worker, Workspace, tokens
from twilio_taskrouter_worker._frozen import FrozenDict, FrozenList

TOKEN = "Tokenmark7391.Tokenmark7391.Tokenmark7391"
VALUE = "Attributemark4826"
MARKS = ("Tokenmark7391", VALUE)
MARKED = {VALUE: VALUE, "list": [VALUE]}
CALLS = [row for row in ROWS if row.sent is not None]
LOGGERS = ("", "twilio_taskrouter_worker", "requests", "urllib3", "urllib3.connectionpool", "websocket", "asyncio")
NOT_OURS = ("aiohttp", "tests")
"""Loggers of the bridge that the tests run in this very process."""

SHOWN = {
    "sid", "friendly_name", "activity_name", "activity_sid", "reservation_status", "assignment_status",
    "transfer_status", "task_channel_unique_name", "workspace_sid",
}  # fmt: skip
"""Keys whose values are no attributes, and are meant to be seen in a repr."""

EVENTS = [
    "worker.activity.update", "worker.attributes.update", "worker.capacity.update", "reservation.created",
    "reservation.accepted", "reservation.canceled", "task.updated", "task.transfer-failed", "unknown.event",
]  # fmt: skip


class Everything(logging.Handler):
    """Collects whatever could show a mark."""

    def __init__(self) -> None:
        super().__init__(1)
        self.texts: list[tuple[str, str]] = []
        """Where it was, and what it said."""
        self.records = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(NOT_OURS):
            return
        self.records += 1
        self.add(f"log of {record.name}", record.getMessage(), repr(record.args), record.threadName or "")
        if record.exc_info and record.exc_info[1] is not None:
            self.add_error(f"logged exception of {record.name}", record.exc_info[1])

    def add(self, where: str, *texts: str) -> None:
        self.texts += [(where, text) for text in texts]

    def add_error(self, where: str, error: BaseException | None) -> None:
        """An exception with all its causes: text, arguments, attributes, and the traceback as it is printed."""
        seen: set[int] = set()
        todo = [error]
        while todo:
            each = todo.pop()
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            what = f"{where}: {type(each).__name__}"
            self.add(what, str(each), repr(each), repr(each.args), repr(vars(each)))
            self.add(what, "".join(traceback.format_exception_only(type(each), each)))
            todo += [each.__cause__, each.__context__]

    def add_world(self) -> None:
        """The names of all threads, and the repr of every object of ours, but for the attributes themselves."""
        self.add("thread name", *(thread.name for thread in threading.enumerate()))
        ours: dict[type, bool] = {}
        for each in gc.get_objects():
            kind = type(each)
            if kind not in ours:
                module = str(getattr(kind, "__module__", ""))
                ours[kind] = (
                    module.startswith("twilio_taskrouter_worker")
                    and ".local" not in module
                    and not issubclass(kind, (FrozenDict, FrozenList))
                )
            if ours[kind]:
                # Another thread may be about to make it.
                with suppress(AttributeError):
                    self.add(f"repr of {kind.__name__}", repr(each))

    def shown(self) -> list[tuple[str, str]]:
        """Where a mark is to be seen."""
        return [(where, text[:300]) for where, text in self.texts if any(mark in text for mark in MARKS)]


@pytest.fixture
def everything() -> Iterator[Everything]:
    """Give a collector of all logs, at the lowest level, and of all warnings."""
    collector = Everything()
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    root = logging.getLogger()
    root.addHandler(collector)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(1)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield collector
        collector.add("warning", *(str(each.message) for each in caught))
    finally:
        root.removeHandler(collector)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    assert collector.shown() == []


@pytest.fixture
def request_timeout(request: pytest.FixtureRequest) -> float:
    """Seconds for each call: few where it fails, many where a test asks for them."""
    return float(getattr(request, "param", 0.5))


@pytest.fixture
def client(
    monkeypatch: pytest.MonkeyPatch, everything: Everything, request_timeout: float
) -> Iterator[ConnectedClient]:
    """Give a Supervisor whose token is marked, and so is every attribute of worker and task."""
    monkeypatch.setattr(client_module, "TOKEN", TOKEN)
    with RecordingBridge() as bridge:
        bridge.state.worker["attributes"] = json.dumps(MARKED)
        client = ConnectedClient(bridge, request_timeout=request_timeout)
        mark_tasks(bridge)
        try:
            yield client
        finally:
            for error in client.errors():
                everything.add_error("error event", error)
            everything.add_world()
            client.worker.disconnect()


def mark_tasks(bridge: RecordingBridge) -> None:
    with bridge.state.lock:
        for task in bridge.state.tasks.values():
            task.update(attributes=json.dumps(MARKED), addons=json.dumps(MARKED))


def arguments(row: Row, client: ConnectedClient) -> dict[str, Any]:
    """The row's arguments, with what becomes an attribute marked."""
    found = {name: fill(value, client.sids()) for name, value in row.arguments.items()}
    if "attributes" in found or row.method in ("create_task", "transfer"):
        found["attributes"] = MARKED
    if row.method == "create_task":
        found.update(to=VALUE, from_=VALUE)
    return found


def call_all(client: ConnectedClient, everything: Everything, timeout: float = 0.5) -> int:
    """Make every call, look at each Future and its error, and say how many failed."""
    failed = 0
    futures = []
    workspace = Workspace(
        TOKEN, client.worker.workspace_sid, eb_server=client.bridge.eb_server, request_timeout=timeout
    )
    for row in CALLS:
        target = workspace if row.owner == "Workspace" else client.target(row.owner)
        future = getattr(target, row.method)(**arguments(row, client))
        everything.add("repr of a Future", repr(future))
        futures.append(future)
    for future in futures:
        error = future.exception(100)
        failed += error is not None
        everything.add_error("call", error)
        everything.add("result", repr(None if error else future.result()))
    return failed


@contextmanager
def expected(everything: Everything, *kinds: type[BaseException]) -> Iterator[None]:
    """Expect an exception, and look at it."""
    with pytest.raises(kinds or TaskRouterError) as caught:
        yield
    everything.add_error("raised", caught.value)


# -- the collector itself --------------------------------------------------------------------------------------------


def test_the_collector_sees_what_it_should() -> None:
    """A mark in a log's text, arguments or exception, in a cause's attribute, or in a thread's name is found."""
    for number in range(5):
        collector = Everything()
        logger = logging.getLogger(f"urllib3.test{number}")
        logger.setLevel(1)
        logger.addHandler(collector)
        cause = ValueError("harmless")
        if number == 0:
            logger.debug("with %s in it", TOKEN)
        elif number == 1:
            logger.debug("%.0s", VALUE)
        elif number == 2:
            cause.request = TOKEN  # type: ignore[attr-defined]
            error = RuntimeError("outer")
            error.__cause__ = cause
            logger.error("failed", exc_info=error)
        elif number == 3:
            collector.add_error("raised", KeyError(VALUE))
        else:
            thread = threading.Thread(target=collector.add_world, name=TOKEN)
            thread.start()
            thread.join()
        assert collector.shown(), number


# -- calls -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_timeout", [60.0], indirect=True)
def test_calls_that_succeed(client: ConnectedClient, everything: Everything, request_timeout: float) -> None:
    """Every call with marked arguments, over the wire and back, at the lowest level of every logger."""
    for _ in range(2):
        mark_tasks(client.bridge)
        assert call_all(client, everything, request_timeout) <= 1  # a transfer that was canceled before
    assert MARKED in (client.worker.attributes, client.reservation.task.attributes)
    assert everything.records > 10


FAILURES = {
    "quoting": Reply(400, {"message": f"The token {TOKEN} is bad", "more_info": f"https://x/?{TOKEN}"}),
    "unauthorized": Reply(401, {"message": f"{TOKEN} has expired", "code": 20003}),
    "conflict": 412,
    "limited": Reply(429, {"message": "slow"}, {"Retry-After": "60"}),
    "server": Reply(500, f"<html>{TOKEN} {VALUE}</html>"),
    "not JSON": Reply(200, f"{VALUE} {TOKEN}"),
    "no payload": Reply(200, {"message": VALUE}),
    "wrong payload": {"attributes": VALUE, "version": VALUE, "reason": VALUE, "task": {"attributes": VALUE}},
    "redirect": Reply(302, b"", {"Location": f"http://127.0.0.1:9/?token={TOKEN}"}),
    "reset": Reset(),
    "cut": Reset(b"HTTP/1.1 200 OK\r\n" + VALUE.encode()),
    "no HTTP": Reset(VALUE.encode() + b"\r\n\r\n"),
    "silence": Hang(),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_calls_that_fail(client: ConnectedClient, everything: Everything, failure: str) -> None:
    """Every call against every kind of failure, also where the service itself quotes the token."""
    client.bridge.on_call("", FAILURES[failure])
    assert call_all(client, everything) >= len(CALLS) - 6
    client.bridge.release()


def test_answers_with_one_wrong_field(client: ConnectedClient, everything: Everything) -> None:
    """A payload is refused for what it is, and what it holds is not shown: each field once with a marked value."""
    worker = client.wire("Worker")
    for key in set(worker) - SHOWN:
        for value in (VALUE, [VALUE], {"a": VALUE}, json.dumps(VALUE), f'{{"a": {VALUE}'):
            client.bridge.on_call(r"Workers/\w+$", {**worker, "version": 10**6, key: value}, method="POST", times=1)
            everything.add_error("call", client.worker.set_attributes(MARKED).exception(30))
    client.bridge.on_call("", {"contents": VALUE})
    workspace = client.target("Workspace")
    everything.add_error("call", workspace.fetch_workers_info().exception(30))
    everything.add("repr", repr(workspace))


def test_arguments_that_are_refused(client: ConnectedClient, everything: Everything) -> None:
    """TypeError and ValueError for attributes tell the type, not the value."""
    worker, task = client.worker, client.reservation.task
    bad: list[Any] = [
        VALUE,
        [VALUE], {VALUE: object()}, {VALUE: {VALUE}}, {(VALUE,): 1}, {VALUE: float("nan")}, {VALUE.encode(): VALUE},
    ]  # fmt: skip
    recursive: dict[str, Any] = {VALUE: VALUE}
    recursive[VALUE + "2"] = recursive
    for attributes in [*bad, recursive]:
        for use in (
            worker.set_attributes, task.set_attributes, lambda value: task.transfer("WK1", attributes=value),
            lambda value: worker.create_task("a", "b", "WW1", "WQ1", attributes=value),
            lambda value: worker.set_worker_attributes("WK1", value),
        ):  # fmt: skip
            with expected(everything, TypeError, ValueError):
                use(attributes)
    for token in (f"{TOKEN} x", f"{TOKEN}é", [TOKEN], TOKEN.encode()):
        with expected(everything, TypeError, ValueError):
            worker.update_token(token)  # type: ignore[arg-type]
        with expected(everything, TypeError, ValueError):
            Workspace(token, "WS1")  # type: ignore[arg-type]
    with expected(everything):
        Workspace(TOKEN)
    with expected(everything):
        tokens.decode_unverified(TOKEN)


# -- events ----------------------------------------------------------------------------------------------------------


def test_events_good_and_bad(client: ConnectedClient, everything: Everything) -> None:
    """Marked payloads of every type, whole, cut, and with each field of a wrong type."""
    bridge = client.bridge
    for event_type in EVENTS:
        try:
            payload = payloads.event(event_type)
        except FileNotFoundError:
            payload = {"a": VALUE}
        for key in {*payload, "attributes"} - SHOWN:
            for value in (VALUE, [VALUE], {"a": VALUE}, f'{{"{VALUE}'):
                bridge.send(event_type, {**payload, key: value})
        text = json.dumps({"event_type": event_type, "payload": {**payload, "attributes": VALUE}})
        for cut in range(0, len(text), max(1, len(text) // 20)):
            bridge.send_raw(text[:cut] + VALUE)
        bridge.send_raw(f'{{"event_type": "{event_type}", "payload": "{VALUE}"}}')
        bridge.send_raw(f'{{"event_type": ["{VALUE}"], "payload": {{}}}}')
        bridge.send_raw(text.encode() + b"\xff")
        bridge.send_raw(text.encode(), binary=True)
    client.sync()
    assert len(client.errors()) > 100 and client.worker.ready
    everything.add("repr of errors", *(repr(each) for each in client.errors()))


def test_objects_show_no_attributes(client: ConnectedClient, everything: Everything) -> None:
    """The repr of each object, its mappings and its transfers, and the refusal to pickle it."""
    import pickle

    reservation = client.new_reservation(outgoing={}, transfer={}, task={"attributes": MARKED})
    worker = client.worker
    objects = [
        worker, worker.activity, worker.activities, worker.channels, *worker.channels.values(), worker.reservations,
        reservation, reservation.task, reservation.task.transfers, reservation.transfer,
        worker.stream("ready", timeout=0.01), client.target("Workspace"), worker.start(),
    ]  # fmt: skip
    everything.add("repr", *(repr(each) for each in objects), *(str(each) for each in objects))
    for each in (worker, reservation, reservation.task):
        with expected(everything, TypeError):
            pickle.dumps(each)


# -- connections -----------------------------------------------------------------------------------------------------


def test_connections_that_fail(everything: Everything) -> None:
    """Refusals that quote the token, redirects that carry it, pages, resets, TLS, silence."""
    with RecordingBridge() as bridge:

        def fail(worker: Worker, timeout: float = 0.15) -> None:
            worker.on("error", lambda error: everything.add_error("error event", error))
            worker.on("disconnected", lambda reason: everything.add("reason", str(reason), repr(reason)))
            with expected(everything):
                worker.connect(timeout)
            everything.add_world()
            everything.add("repr", repr(worker))

        for status, body in itertools.product(
            (200, 401, 403, 404, 500), (f"<html>{TOKEN}</html>", {"message": f"Bad token {TOKEN}"})
        ):
            bridge.refuse_handshake(status, body, {"X-Token": TOKEN})
            fail(Worker(TOKEN, eb_server=bridge.eb_server))
        bridge.refuse_handshake(302, b"", {"Location": f"{bridge.ws_server}?token={TOKEN}"})
        fail(Worker(TOKEN, eb_server=bridge.eb_server))
        bridge.hang_handshake()
        fail(Worker(TOKEN, eb_server=bridge.eb_server))
        bridge.accept_handshake()
        bridge.release()
        bridge.hold_init()
        fail(Worker(TOKEN, eb_server=bridge.eb_server))
        bridge.release_init()
        bridge.on_call("", Reply(403, {"message": f"Bad token {TOKEN}"}))
        fail(Worker(TOKEN, eb_server=bridge.eb_server))
        fail(Worker(TOKEN, eb_server=bridge.eb_server.replace("http", "https")))
        with Relay("127.0.0.1", bridge.port, tls=True) as relay:
            fail(Worker(TOKEN, eb_server=relay.url("https")))
            relay.refuse()
            fail(Worker(TOKEN, eb_server=relay.url("https")))
        fail(Worker(TOKEN, ws_server="ws://no-such-host.invalid/"), 0.5)


def test_connections_that_are_lost(client: ConnectedClient, everything: Everything) -> None:
    """A close frame that quotes the token, a reset, a protocol error, a refused reconnection, a new marked token."""
    bridge, worker = client.bridge, client.worker
    worker.on("disconnected", lambda reason: everything.add("reason", str(reason), repr(reason)))
    endings: tuple[Callable[[], None], ...] = (
        lambda: bridge.close(1008, f"Bad {TOKEN}"),
        bridge.abort,
        lambda: bridge.send_wire(b"\xf1\x11" + VALUE.encode()),
        lambda: worker.update_token(TOKEN + "2") or bridge.abort(),
    )
    for number, end in enumerate(endings):
        end()
        bridge.wait_for_connection(number + 2)
        worker_ready = threading.Event()
        worker.once("ready", lambda worker, done=worker_ready: done.set())  # type: ignore[call-overload]
        if worker.ready:
            worker_ready.set()
        assert worker_ready.wait(30)
    everything.add_world()
    bridge.refuse_handshake(401, {"message": f"Bad token {TOKEN}2"})
    bridge.abort()
    eventually(lambda: any(isinstance(error, TokenError) for error in client.errors()))


def test_tokens_and_their_secrets(everything: Everything) -> None:
    """Making tokens, reading them, providers that fail: neither token nor key is shown."""
    with RecordingBridge() as bridge:
        token = make_token(5.3, grants={"task_router": {"workspace_sid": "WS1"}, "note": VALUE})
        worker = Worker(
            token, eb_server=bridge.eb_server, token_provider=lambda: [TOKEN]  # type: ignore[arg-type,return-value]
        )  # fmt: skip
        failed = threading.Event()

        @worker.on("error")
        def note(error: TaskRouterError) -> None:
            everything.add_error("error event", error)
            failed.set()

        with worker:
            assert failed.wait(30)
            everything.add_world()
        everything.add("repr", repr(Workspace(token, eb_server=bridge.eb_server)))
    with expected(everything, TypeError):
        tokens.create_worker_token("AC1", "SK1", [SECRET], "WS1", "WK1")  # type: ignore[arg-type]
    with expected(everything, ValueError):
        tokens.create_worker_token("AC1", "SK1", SECRET, "WS1", "WK1", ttl=-1)
    assert not [where for where, text in everything.texts if SECRET in text or token in text]
