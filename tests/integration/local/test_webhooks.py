"""Assignment and event callbacks over real sockets: what is posted, when, and what comes of the answers."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from twilio.request_validator import RequestValidator

from tests.integration.local.bridge_client import BridgeClient
from tests.tools.receiver import Post, Receiver
from tests.tools.wait import eventually, no_leftover_sockets, no_leftover_threads
from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules
from twilio_taskrouter_worker.local.server.events import posting, webhooks
from twilio_taskrouter_worker.local.store import Store

TIMEOUT = 20.0
ROOT = Path(__file__).resolve().parents[3]
LOG = "twilio_taskrouter_worker.local"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where webhooks are posted to."""
    with Receiver() as receiver:
        yield receiver


def rest(router: LocalTaskRouter, path: str, **form: str) -> Any:
    """A POST to REST."""
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}{path}"
    response = requests.post(url, data=form, auth=(router.account_sid, router.auth_token), timeout=TIMEOUT)
    assert response.status_code < 300, response.text
    return response.json()


def call_assignments(router: LocalTaskRouter, url: str, fallback: str = "") -> None:
    rest(
        router,
        f"/Workflows/{router.workflow_sid}",
        AssignmentCallbackUrl=url,
        FallbackAssignmentCallbackUrl=fallback,
    )


def call_events(router: LocalTaskRouter, url: str, events_filter: str = "") -> None:
    rest(router, "", EventCallbackUrl=url, EventsFilter=events_filter)


def status(router: LocalTaskRouter, task_sid: str) -> str:
    return router.reservations(task_sid=task_sid)[-1].reservation_status


def signed(router: LocalTaskRouter, receiver: Receiver, post: Post) -> bool:
    validator = RequestValidator(router.auth_token)
    return bool(validator.validate(f"{receiver.url}{post.path}", post.form, post.headers["x-twilio-signature"]))


def said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.name == LOG)


# -- assignment callbacks --------------------------------------------------------------------------------------------


def test_assignment_is_posted(router: LocalTaskRouter, receiver: Receiver) -> None:
    """The form has all parameters and a signature that the official validator takes, and no answer decides nothing."""
    call_assignments(router, f"{receiver.url}/assign?shop=1")
    alice = router.add_worker("Alice", attributes={"contact_uri": "client:alice"}, activity="Available")
    task = router.create_task({"order": 4711, "text": "Grüße & =%"}, priority=3)
    [post] = receiver.wait_for("/assign")
    [reservation] = router.reservations(task_sid=task)
    form = post.form
    assert time.time() - float(form.pop("Timestamp")) < 60
    assert int(form.pop("TaskAge")) < 60
    assert json.loads(form.pop("TaskAttributes")) == {"order": 4711, "text": "Grüße & =%"}
    assert form == {
        "AccountSid": router.account_sid,
        "WorkspaceSid": router.workspace_sid,
        "WorkflowSid": router.workflow_sid,
        "TaskQueueSid": router.task_queue_sid,
        "WorkerSid": alice,
        "WorkerAttributes": '{"contact_uri":"client:alice"}',
        "TaskSid": task,
        "TaskPriority": "3",
        "ReservationSid": reservation.sid,
    }
    assert post.path == "/assign?shop=1"
    assert post.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert signed(router, receiver, post)
    assert not RequestValidator("f" * 32).validate(
        f"{receiver.url}{post.path}", post.form, post.headers["x-twilio-signature"]
    )
    assert status(router, task) == "pending"


def test_answer_comes_before_the_callback(router: LocalTaskRouter, receiver: Receiver) -> None:
    """Whoever makes a task has its sid before anybody is told of the reservation; the worker hears of it as well."""
    receiver.answer("/assign", {"instruction": "accept"})
    call_assignments(router, f"{receiver.url}/assign")
    alice = router.add_worker("Alice", activity="Available")
    with BridgeClient(router, alice).open() as client:
        assert client.event()[0] == "init"
        task = rest(router, "/Tasks", WorkflowSid=router.workflow_sid)
        answered = time.monotonic()
        [post] = receiver.wait_for("/assign")
        assert post.at > answered or task["assignment_status"] == "pending"
        assert client.events(2) == ["reservation.created", "reservation.accepted"]


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        ({"instruction": "accept"}, "accepted"),
        ({"instruction": "reject"}, "rejected"),
        (
            {"instruction": "dequeue", "to": "+2", "from": "+1", "timeout": 20, "record": "record-from-answer"},
            "accepted",
        ),
        ({"instruction": "call", "from": "+1", "url": "http://x/", "accept": True}, "accepted"),
        ({"instruction": "redirect", "call_sid": "CA1", "url": "http://x/", "accept": True}, "accepted"),
        ({"instruction": "conference", "from": "+1", "muted": True, "max_participants": 3}, "accepted"),
    ],
    ids=lambda value: value["instruction"] if isinstance(value, dict) else value,
)
def test_instructions_are_done(router: LocalTaskRouter, receiver: Receiver, answer: dict[str, Any], ends: str) -> None:
    """Each instruction does to the reservation what the same one does over REST."""
    receiver.answer("/assign", answer)
    receiver.answer("/assign", None)
    call_assignments(router, f"{receiver.url}/assign")
    router.add_worker("Alice", activity="Available")
    task = router.create_task()
    eventually(lambda: router.reservations(task_sid=task)[0].reservation_status == ends, TIMEOUT)


@pytest.mark.parametrize("instruction", ["call", "redirect"])
def test_calls_without_accept_leave_it_pending(
    router: LocalTaskRouter, receiver: Receiver, caplog: pytest.LogCaptureFixture, instruction: str
) -> None:
    """A call or a redirect accepts only if it is told to; there is nothing to complain about."""
    receiver.answer("/assign", {"instruction": instruction, "from": "+1", "url": "http://x/", "call_sid": "CA1"})
    call_assignments(router, f"{receiver.url}/assign")
    router.add_worker("Alice", activity="Available")
    with caplog.at_level(logging.WARNING, LOG):
        task = router.create_task()
        receiver.wait_for("/assign")
        other = {"call": "call_sid", "redirect": "from"}[instruction]
        eventually(lambda: f"has no {other}; ignored" in said(caplog), TIMEOUT)
    assert status(router, task) == "pending"
    assert len(said(caplog).splitlines()) == 1


def test_rejecting_with_an_activity(router: LocalTaskRouter, receiver: Receiver) -> None:
    """The worker goes to the activity that the rejection names."""
    receiver.answer("/assign", {"instruction": "reject", "activity_sid": router.activities["Offline"]})
    call_assignments(router, f"{receiver.url}/assign")
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task()
    eventually(lambda: router.worker(alice).activity_name == "Offline", TIMEOUT)
    assert status(router, task) == "rejected"
    assert router.task(task).assignment_status == "pending"


def test_post_work_activity(router: LocalTaskRouter, receiver: Receiver) -> None:
    """A conference's activity for after the work counts when the work is over."""
    receiver.answer(
        "/assign", {"instruction": "conference", "post_work_activity_sid": router.activities["Unavailable"]}
    )
    call_assignments(router, f"{receiver.url}/assign")
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task()
    eventually(lambda: status(router, task) == "accepted", TIMEOUT)
    assert router.worker(alice).activity_name == "Available"
    rest(router, f"/Tasks/{task}", AssignmentStatus="completed")
    assert router.worker(alice).activity_name == "Unavailable"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ({"body": {"instruction": "reject"}, "status": 500}, "answered 500, not 200"),
        ({"status": 204}, "answered 204"),
        ({"body": {"instruction": "reject"}, "content_type": "text/html"}, "text/html, not application/json"),
        ({"body": b"x" * 70_000}, "longer than 65536 bytes"),
        ({"status": 302, "headers": {"Location": "/fallback"}}, "answered 302"),
    ],
    ids=["status", "no-content", "type", "long", "redirect"],
)
def test_fallback(
    router: LocalTaskRouter,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    reply: dict[str, Any],
    why: str,
) -> None:
    """Anything but 200 with JSON leads to the fallback URL, with the same form and a signature of its own."""
    receiver.answer("/assign", **reply)
    receiver.answer("/fallback", {"instruction": "accept"})
    call_assignments(router, f"{receiver.url}/assign", f"{receiver.url}/fallback")
    router.add_worker("Alice", activity="Available")
    with caplog.at_level(logging.WARNING, LOG):
        task = router.create_task()
        eventually(lambda: status(router, task) == "accepted", TIMEOUT)
    [first], [second] = receiver.of("/assign"), receiver.of("/fallback")
    assert first.form == second.form
    assert signed(router, receiver, second)
    assert why in said(caplog)
    assert "trying the fallback URL" in said(caplog)


def test_slow_answers_lead_to_the_fallback(
    router: LocalTaskRouter, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that does not come within the limit counts as none; meanwhile the service works on."""
    assert posting.ANSWER_SECONDS == 15
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 0.2)
    receiver.answer("/assign", {"instruction": "reject"}, gate=threading.Event())
    receiver.answer("/fallback", {"instruction": "accept"})
    call_assignments(router, f"{receiver.url}/assign", f"{receiver.url}/fallback")
    router.add_worker("Alice", activity="Available")
    task = router.create_task()
    receiver.wait_for("/assign")
    eventually(lambda: status(router, task) == "accepted")
    created, *_, accepted = router.events("reservation.created", "reservation.accepted", task=task)
    assert accepted.at - created.at >= timedelta(seconds=0.2)


def test_nobody_there(
    router: LocalTaskRouter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If neither URL can be reached the reservation is canceled and offered again, as often as a task may be offered.

    The log says why, once for the whole loop, and without the secrets of a URL.
    """
    # A slow machine has not done all the offers after a minute, when another warning would be due.
    monkeypatch.setattr(webhooks, "WARNED_EVERY_SECONDS", 3600.0)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        call_assignments(router, f"http://me:secret@127.0.0.1:{port}/a?key=secret", f"http://127.0.0.1:{port}/b")
        router.add_worker("Alice", activity="Available")
        with caplog.at_level(logging.WARNING, LOG):
            task = router.create_task()
            eventually(lambda: router.task(task).assignment_status == "canceled", 200)
    assert router.task(task).reason == "Task TTL Exceeded or Max assignment count exceeded"
    reservations = router.reservations(task_sid=task)
    assert len(reservations) == router.rules.max_assignments
    assert {each.reservation_status for each in reservations} == {"canceled"}
    assert said(caplog).count("trying the fallback URL") == 1
    assert said(caplog).count("the reservation is canceled") == 1
    assert f"http://127.0.0.1:{port}/a?..." in said(caplog)
    assert "secret" not in said(caplog)


def test_another_worker_is_offered_it(router: LocalTaskRouter, receiver: Receiver) -> None:
    """A task whose callbacks failed goes on at once, to who has waited longest; there the callback works."""
    receiver.answer("/assign", None, 500)
    receiver.answer("/assign", {"instruction": "accept"})
    call_assignments(router, f"{receiver.url}/assign")
    workers = {router.add_worker(name, activity="Available") for name in ("Alice", "Bob")}
    task = router.create_task()
    eventually(lambda: status(router, task) == "accepted", TIMEOUT)
    first, second = router.reservations(task_sid=task)
    assert (first.reservation_status, second.reservation_status) == ("canceled", "accepted")
    assert {first.worker_sid, second.worker_sid} == workers


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it closed the connection without an answer"),
        (b"hello\r\n\r\n", "its answer is incomplete, or not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "its answer is incomplete, or not HTTP"),
    ],
)
def test_answers_that_are_not_http(
    router: LocalTaskRouter, caplog: pytest.LogCaptureFixture, answer: bytes, why: str
) -> None:
    """Whatever a receiver sends is an answer or none, and the log says what was wrong with it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        call_assignments(router, f"http://127.0.0.1:{listening.getsockname()[1]}")
        router.add_worker("Alice", activity="Available")
        with caplog.at_level(logging.WARNING, LOG):
            router.create_task()
            listening.settimeout(TIMEOUT)
            peer, _ = listening.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(answer)
                peer.shutdown(socket.SHUT_WR)
                eventually(lambda: why in said(caplog), TIMEOUT, lambda: said(caplog))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"{instruction: accept}", "is ignored: it is not JSON"),
        ({"instruction": "hangup"}, "is ignored: its instruction is 'hangup'"),
        ({"instruction": "call", "from": "+1"}, "is ignored: its instruction call needs the key url"),
        ({"instruction": "conference", "post_work_activity_sid": "WA1"}, "the instruction conference is refused: "),
        ({"instruction": "dequeue"}, "the instruction dequeue is refused: DequeueTo is required"),
        (
            {"instruction": "call", "from": "+1", "url": "x"},
            "the instruction call is refused: 'x' is not a valid CallUrl",
        ),
    ],
)
def test_unusable_answers(
    router: LocalTaskRouter, receiver: Receiver, caplog: pytest.LogCaptureFixture, answer: Any, why: str
) -> None:
    """What means nothing, or is refused, is said in the log and changes nothing; the fallback is not asked."""
    receiver.answer("/assign", answer)
    call_assignments(router, f"{receiver.url}/assign", f"{receiver.url}/fallback")
    router.add_worker("Alice", activity="Available")
    with caplog.at_level(logging.WARNING, LOG):
        task = router.create_task({"secret": "attributes"})
        eventually(lambda: why in said(caplog), TIMEOUT, lambda: said(caplog))
    assert status(router, task) == "pending"
    assert receiver.of("/fallback") == []
    assert "attributes" not in said(caplog)


def test_every_reservation_is_posted(router: LocalTaskRouter, receiver: Receiver) -> None:
    """A task that is offered again is posted again; many at once are all posted, though not all at once."""
    call_assignments(router, f"{receiver.url}/assign")
    alice = router.add_worker("Alice", activity="Available")
    rest(router, f"/Workers/{alice}/Channels/default", Capacity="50")
    count = 40
    tasks = {router.create_task() for _ in range(count)}
    posts = receiver.wait_for("/assign", count)
    assert {post.form["TaskSid"] for post in posts} == tasks
    first = posts[0].form
    rest(router, f"/Tasks/{first['TaskSid']}/Reservations/{first['ReservationSid']}", ReservationStatus="rejected")
    again = receiver.wait_for("/assign", count + 1)[-1].form
    assert again["TaskSid"] == first["TaskSid"]
    assert again["ReservationSid"] != first["ReservationSid"]


def test_task_without_a_workflow(router: LocalTaskRouter, receiver: Receiver) -> None:
    """A task that was made for a worker, in no workflow, is nobody's to call about."""
    call_assignments(router, f"{receiver.url}/assign")
    call_events(router, f"{receiver.url}/events", "reservation.created")
    # Where there are two, a task for a worker gets none of them.
    configuration = json.dumps({"task_routing": {"default_filter": {"queue": router.task_queue_sid}}})
    rest(router, "/Workflows", FriendlyName="Second", Configuration=configuration)
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task(routing_target=alice, task_queue_sid=router.task_queue_sid)
    [post] = receiver.wait_for("/events")
    assert (post.form["TaskSid"], router.task(task).workflow_sid) == (task, None)
    assert receiver.of("/assign") == []


def test_file_that_cannot_be_written(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that comes when nothing can be kept any more is not obeyed."""
    gate = threading.Event()
    receiver.answer("/assign", {"instruction": "accept"}, gate=gate)
    with LocalTaskRouter(db=tmp_path / "router.db") as router, caplog.at_level(logging.WARNING, LOG):
        call_assignments(router, f"{receiver.url}/assign")
        router.add_worker("Alice", activity="Available")
        router.create_task()
        receiver.wait_for("/assign")

        def full(store: Store) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(Store, "write", full)
        with pytest.raises(StoreError):
            router.add_worker("Bob")
        gate.set()
        eventually(lambda: "failed: the disk is full" in said(caplog), TIMEOUT, lambda: said(caplog))


# -- event callbacks -------------------------------------------------------------------------------------------------


def test_events_are_posted_in_order(router: LocalTaskRouter, receiver: Receiver) -> None:
    """A task's life arrives as the event log has it, signed, each event with its own fields."""
    call_events(router, f"{receiver.url}/events")
    receiver.wait_for("/events")
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task({"order": 1})
    [reservation] = router.reservations(task_sid=task)
    rest(router, f"/Tasks/{task}/Reservations/{reservation.sid}", ReservationStatus="accepted")
    rest(router, f"/Tasks/{task}", AssignmentStatus="completed", Reason="done")
    expected = [
        "workspace.updated", "worker.created", "workflow.entered", "task-queue.entered", "task.created",
        "workflow.target-matched", "reservation.created", "reservation.accepted", "task.completed",
        "reservation.completed", "task.updated",
    ]  # fmt: skip
    posts = receiver.wait_for("/events", len(expected))
    assert sorted(post.form["EventType"] for post in posts) == sorted(expected)
    auth = (router.account_sid, router.auth_token)
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Events?PageSize=100"
    logged = requests.get(url, auth=auth, timeout=TIMEOUT).json()["events"]
    order = [event["sid"] for event in reversed(logged)]
    assert [post.form["Sid"] for post in posts] == order[-len(expected) :]
    assert all(signed(router, receiver, post) for post in posts)
    by_type = {post.form["EventType"]: post.form for post in posts}
    completed = by_type["task.completed"]
    assert completed["TaskCompletedReason"] == "done"
    created = by_type["reservation.created"]
    assert created["AccountSid"] == router.account_sid
    assert (created["WorkspaceSid"], created["WorkspaceName"]) == (router.workspace_sid, "Local Workspace")
    assert (created["ResourceType"], created["ResourceSid"]) == ("reservation", reservation.sid)
    assert (created["WorkerSid"], created["WorkerName"], created["TaskSid"]) == (alice, "Alice", task)
    assert created["TaskAttributes"] == '{"order":1}'
    assert abs(int(created["TimestampMs"]) / 1000 - int(created["Timestamp"])) < 1
    assert "TaskCompletedReason" not in created


def test_one_order_whatever_caused_it(receiver: Receiver) -> None:
    """REST, Python and timers cause events at the same time: callbacks come in the order of their sids all the same.

    The receiver fails now and then, and is slow at first.
    """
    gate = threading.Event()
    receiver.answer("/events", None, gate=gate)
    for code in (500, 200, 503, 204):
        receiver.answer("/events", None, code)
    with LocalTaskRouter(event_delay=0.05) as router:
        call_events(router, f"{receiver.url}/events", "task.created,task.canceled")
        for _ in range(20):
            rest(router, "/Tasks", WorkflowSid=router.workflow_sid, Timeout="60")
            router.create_task(timeout=60)
        router.clock.advance(61)
        gate.set()
        posts = receiver.wait_for("/events", 80)
    sids = [int(post.form["Sid"][2:], 16) for post in posts]
    assert sids == sorted(sids)
    assert [post.form["EventType"] for post in posts] == ["task.created"] * 40 + ["task.canceled"] * 40


def test_fields_of_workers_and_channels(router: LocalTaskRouter, receiver: Receiver) -> None:
    """An activity change says what was before and for how long; switches are the words true and false."""
    call_events(router, f"{receiver.url}/events", "worker.activity.update, worker.channel.availability.update")
    alice = router.add_worker("Alice", activity="Offline")
    router.clock.advance(30)
    rest(router, f"/Workers/{alice}", ActivitySid=router.activities["Available"])
    rest(router, f"/Workers/{alice}/Channels/default", Available="false")
    activity, channel = (post.form for post in receiver.wait_for("/events", 2))
    assert activity["EventType"] == "worker.activity.update"
    assert activity["WorkerPreviousActivitySid"] == router.activities["Offline"]
    assert 30 <= int(activity["WorkerTimeInPreviousActivity"]) < 60
    assert 30_000 <= int(activity["WorkerTimeInPreviousActivityMs"]) < 60_000
    assert activity["EventDescription"] == "Worker Alice updated to Available Activity"
    assert channel["WorkerChannelAvailable"] == "false"
    assert channel["TaskChannelUniqueName"] == "default"


def test_events_filter(router: LocalTaskRouter, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """Only events of the filter are posted; unknown events are named in the log."""
    with caplog.at_level(logging.WARNING, LOG):
        call_events(router, f"{receiver.url}/events", "task.created,task.cancelled")
    assert "unknown events: task.cancelled" in said(caplog)
    router.add_worker("Alice", activity="Available")
    tasks = [router.create_task() for _ in range(2)]
    posts = receiver.wait_for("/events", 2)
    assert [(post.form["EventType"], post.form["TaskSid"]) for post in posts] == [
        ("task.created", task) for task in tasks
    ]


def test_failing_event_callbacks(router: LocalTaskRouter, receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    """A failure loses that event and nothing else; it is said once, and again when it works."""
    for code in (500, 503, 200):
        receiver.answer("/events", None, code)
    with caplog.at_level(logging.INFO, LOG):
        call_events(router, f"{receiver.url}/events", "task.created")
        for _ in range(3):
            router.create_task()
        assert len(receiver.wait_for("/events", 3)) == 3
        eventually(lambda: "works again" in said(caplog), TIMEOUT)
    assert said(caplog).count("failed for task.created") == 1
    assert "answered 500, not 200 or 204" in said(caplog)


def test_a_url_that_hangs_does_not_hold_up_others(
    router: LocalTaskRouter, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All slots of one URL are taken by requests that are never answered; one to another URL leaves at once."""
    monkeypatch.setattr(posting, "AT_ONCE", 3)
    monkeypatch.setattr(posting, "ANSWER_SECONDS", 60.0)
    go_on = threading.Event()
    receiver.answer("/assign", gate=go_on)
    call_assignments(router, f"{receiver.url}/assign")
    alice = router.add_worker("Alice", activity="Available")
    rest(router, f"/Workers/{alice}/Channels/default", Capacity="20")
    try:
        for _ in range(20):
            router.create_task({})
        receiver.wait_for("/assign", 3)
        call_events(router, f"{receiver.url}/events", "worker.created")
        router.add_worker("Bob")
        receiver.wait_for("/events")
        assert len(receiver.of("/assign")) == 3
    finally:
        go_on.set()


def test_a_slow_name_does_not_keep_the_interpreter(tmp_path: Path) -> None:
    """A program ends at once although the look-up of a webhook's name hangs."""
    program = tmp_path / "program.py"
    program.write_text(
        "import socket, threading, time\n"
        "from twilio_taskrouter_worker.local import LocalTaskRouter\n"
        "asked = threading.Event()\n"
        "real = socket.getaddrinfo\n"
        "def slow(host, *rest, **options):\n"
        "    if host == 'slow.example':\n"
        "        asked.set(), time.sleep(200)\n"
        "    return real(host, *rest, **options)\n"
        "socket.getaddrinfo = slow\n"
        "with LocalTaskRouter(seed_file='seed.json') as router:\n"
        "    router.add_worker('Alice')\n"
        "    assert asked.wait(60)\n"
        "print('done')\n"
    )
    seed = {"workspaces": [{"friendly_name": "A", "event_callback_url": "http://slow.example/"}]}
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    run = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "done\n"), run.stderr


def test_slow_event_callbacks(
    router: LocalTaskRouter,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A receiver that does not keep up costs the events that do not fit, says the log; those that fit stay in order."""
    monkeypatch.setattr(webhooks, "WAITING_EVENTS", 5)
    gate = threading.Event()
    receiver.answer("/events", None, gate=gate)
    receiver.answer("/events", None)
    call_events(router, f"{receiver.url}/events", "task.created")
    with caplog.at_level(logging.WARNING, LOG):
        tasks = [router.create_task()]
        receiver.wait_for("/events")
        tasks += [router.create_task() for _ in range(8)]
        assert "too slow: 5 events" in said(caplog)
        gate.set()
        posts = receiver.wait_for("/events", 6)
        eventually(lambda: "3 event callbacks" in said(caplog), TIMEOUT)
    assert [post.form["TaskSid"] for post in posts] == tasks[:6]
    router.create_task()
    assert len(receiver.wait_for("/events", 7)) == 7


def test_text_that_no_form_can_hold(
    router: LocalTaskRouter, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Text that is no Unicode costs its own event."""
    call_events(router, f"{receiver.url}/events", "worker.created")
    with caplog.at_level(logging.WARNING, LOG):
        router.add_worker("Al\ud800ice")
        bob = router.add_worker("Bob")
        [post] = receiver.wait_for("/events")
    assert post.form["WorkerSid"] == bob
    assert "not valid Unicode text" in said(caplog)


def test_deletion_of_a_workspace_is_posted(router: LocalTaskRouter, receiver: Receiver) -> None:
    """A workspace that goes still says so, at the URL that it had."""
    call_events(router, f"{receiver.url}/events", "workspace.deleted")
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}"
    requests.delete(url, auth=(router.account_sid, router.auth_token), timeout=TIMEOUT).raise_for_status()
    [post] = receiver.wait_for("/events")
    assert (post.form["EventType"], post.form["WorkspaceName"]) == ("workspace.deleted", "Local Workspace")


# -- life ------------------------------------------------------------------------------------------------------------


def test_stops_in_the_middle(receiver: Receiver) -> None:
    """A router that stops while webhooks are under way gives them up at once, without a trace or a word."""
    receiver.answer("/assign", {"instruction": "accept"}, gate=threading.Event())
    receiver.answer("/events", None, gate=threading.Event())
    ignore = ("tool-", "Thread-")  # the receiver's
    with no_leftover_threads(ignore=ignore):
        with LocalTaskRouter() as router:
            call_events(router, f"{receiver.url}/events")
            call_assignments(router, f"{receiver.url}/assign")
            router.add_worker("Alice", activity="Available")
            router.create_task()
            receiver.wait_for("/assign")
            receiver.wait_for("/events")
            began = time.monotonic()
        # An answer is waited for longer.
        assert time.monotonic() - began < 10 < posting.ANSWER_SECONDS


def test_leaves_no_sockets() -> None:
    """Every connection to a receiver is closed again."""
    with no_leftover_sockets(), Receiver() as receiver, LocalTaskRouter() as router:
        call_assignments(router, f"{receiver.url}/assign")
        router.add_worker("Alice", activity="Available")
        router.create_task()
        receiver.wait_for("/assign")


def test_restart_calls_nobody_again(receiver: Receiver, tmp_path: Path) -> None:
    """What was posted before a restart, or would have been, is not posted after it; what is new is."""
    receiver.answer("/assign", {"instruction": "accept"})
    file = tmp_path / "router.db"
    with LocalTaskRouter(db=file) as router:
        call_events(router, f"{receiver.url}/events")
        call_assignments(router, f"{receiver.url}/assign")
        router.add_worker("Alice", activity="Available")
        task = router.create_task()
        eventually(lambda: status(router, task) == "accepted", TIMEOUT)
        receiver.wait_for("/events", 9)
    before = len(receiver.posts)
    with LocalTaskRouter(db=file) as router:
        assert status(router, task) == "accepted"
        rest(router, f"/Tasks/{task}", AssignmentStatus="completed")
        eventually(lambda: len(receiver.posts) > before, TIMEOUT)
    news = [post.form["EventType"] for post in receiver.posts[before:]]
    assert news[0] == "task.completed"


def test_signed_with_a_given_token(receiver: Receiver) -> None:
    """A program that has its token from elsewhere can use the same one here."""
    token = "my-own-auth-token-0123456789abcdef"
    with LocalTaskRouter(auth_token=token, rules=Rules(voice_answer_delay=None)) as router:
        call_assignments(router, f"{receiver.url}/assign")
        router.add_worker("Alice", activity="Available")
        router.create_task()
        [post] = receiver.wait_for("/assign")
    assert RequestValidator(token).validate(f"{receiver.url}/assign", post.form, post.headers["x-twilio-signature"])
