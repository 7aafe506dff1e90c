"""The control address: everything that Python can do with a running service, for other languages and commands."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.tools.ports import lasting_port
from tests.tools.receiver import Receiver
from tests.tools.wait import eventually
from twilio_taskrouter_worker import StateError, Worker
from twilio_taskrouter_worker._version import __version__
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.server.hosting import Host


class Control:
    """A client of the control address."""

    def __init__(self, router: LocalTaskRouter) -> None:
        self.router = router
        self.account = (router.account_sid, router.auth_token)

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Make a request, and return the JSON of its answer; a refusal is its status and message."""
        url = f"{self.router.url}/control/v1/{path}"
        answer = requests.request(method, url, auth=self.account, json=body, params=query, timeout=30)
        if answer.status_code >= 400:
            return answer.status_code, answer.json()["message"]
        return answer.json() if answer.content else None


@pytest.fixture
def control(router: LocalTaskRouter) -> Control:
    """The control address of the router."""
    return Control(router)


def test_health_and_the_first_page(router: LocalTaskRouter) -> None:
    """Both need no credentials; the page says what this is, and loads nothing."""
    assert requests.get(f"{router.url}/health", timeout=30).json() == {"status": "ok", "version": __version__}
    page = requests.get(router.url, timeout=30)
    assert "Local TaskRouter" in page.text and router.connection["eb_server"] in page.text
    assert page.headers["Content-Security-Policy"] == "default-src 'none'"
    assert router.auth_token not in page.text


@pytest.mark.parametrize("account", [None, ("AC0", "wrong")])
def test_credentials_are_needed(router: LocalTaskRouter, account: tuple[str, str] | None) -> None:
    """Without those of REST nothing is read or done."""
    answer = requests.post(f"{router.url}/control/v1/reset", auth=account, timeout=30)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_the_overview(control: Control) -> None:
    """An overview without secrets."""
    control.router.add_worker("Alice")
    info = control("GET", "info")
    assert (info["url"], info["workers"], info["open_tasks"]) == (control.router.url, 1, 0)
    assert control.router.auth_token not in str(info)


def test_explain(control: Control) -> None:
    """Why a task is where it is, as data and as text."""
    task = control.router.create_task()
    assert control("GET", f"explain/{task}") == control.router.explain(task).to_dict()
    assert control("GET", f"explain/{task}/text") == {"text": str(control.router.explain(task))}
    assert control("GET", "explain/WT0")[0] == 404


def test_the_clock() -> None:
    """Time stands still, is moved, and runs again."""
    with LocalTaskRouter(clock="virtual") as router:
        control = Control(router)
        before = control("GET", "clock")
        assert before["running"] is False
        assert control("POST", "clock/advance", {"seconds": 60})["now"] == before["now"] + 60
        assert control("POST", "clock/resume")["running"] is True
        assert control("POST", "clock/pause")["running"] is False
        assert control("POST", "clock/advance", {"seconds": -1})[0] == 400
        assert control("POST", "clock/advance") == (400, 'The body must be {"seconds": NUMBER} or {"to": "next"}')


def test_faults(control: Control) -> None:
    """A fault is begun, listed, ends by itself or with all others; one that happens once says what it met."""
    control.router.add_worker("Alice")
    assert control("POST", "faults", {"name": "delay", "arguments": {"seconds": 0.1}})["text"] == "delay(0.1)"
    assert [each["text"] for each in control("GET", "faults")] == ["delay(0.1)"]
    assert control("POST", "faults/clear") is None
    assert control("GET", "faults") == []
    control("POST", "faults", {"name": "duplicate", "for": 0.05})
    eventually(lambda: control("GET", "faults") == [])
    with Worker(control.router.token("Alice"), **control.router.connection):
        assert control("POST", "faults", {"name": "drop"}) == {"name": "drop", "hits": 1}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"name": "dealy"}, "There is no fault 'dealy'; there are delay, drop"),
        ({"name": "delay", "arguments": {"foo": 1}}, "The fault delay has no argument 'foo'; it takes seconds, "),
        ({"name": "http_status"}, "The fault http_status needs the argument status"),
        ({"name": "delay", "arguments": {"secs": 1}}, "secs"),
        ({"name": "delay", "arguments": [1]}, "arguments must be a JSON object"),
        ({"name": "duplicate", "for": "long"}, "for must be a number of seconds"),
        ([1], "must be a JSON object"),
    ],
)
def test_a_fault_that_is_none(control: Control, body: Any, message: str) -> None:
    """The answer says what would be right, and nothing is begun."""
    status, text = control("POST", "faults", body)
    assert status == 400 and message in text
    assert control("GET", "faults") == []


def test_sessions(control: Control) -> None:
    """Who is connected, by name."""
    sid = control.router.add_worker("Alice")
    assert control("GET", "sessions") == []
    with Worker(control.router.token("Alice"), **control.router.connection):
        assert control("GET", "sessions") == [{"worker_sid": sid, "worker_name": "Alice", "sessions": 1}]


def test_events_are_followed(control: Control) -> None:
    """The latest events, those of a kind, and those after one."""
    task = control.router.create_task({"n": 1})
    events = control("GET", "events", task=task)
    assert "task.created" in [event["type"] for event in events]
    assert control("GET", "events", after=events[-1]["sid"]) == []
    control.router.cancel_task(task)
    assert [event["type"] for event in control("GET", "events", type="task.canceled", after=events[-1]["sid"])] == [
        "task.canceled"
    ]


def test_an_event_is_sent_again(control: Control) -> None:
    """The event callback gets it a second time, with the same sid."""
    with Receiver() as receiver:
        control.router.set_callbacks(event_url=f"{receiver.url}/events", events=["task.created"])
        control.router.create_task()
        eventually(lambda: len(receiver.posts) == 1)
        sid = receiver.posts[0].form["Sid"]
        assert control("POST", f"events/{sid}/resend") is None
        eventually(lambda: len(receiver.posts) == 2)
        assert receiver.posts[1].form["Sid"] == sid
        assert control("POST", "events/EV0/resend")[0] == 404


@pytest.mark.parametrize("kept", [False, True], ids=["memory", "file"])
def test_reset(tmp_path: Path, kept: bool) -> None:
    """Everything is as at the start: same port, credentials and sids; clients come back by themselves."""
    with LocalTaskRouter(lasting_port(), seed=5, db=tmp_path / "x.db" if kept else None) as router:
        control, home = Control(router), router.workspace_sid
        alice = router.add_worker("Alice", activity="Available")
        router.create_task()
        with Worker(router.token(alice), **router.connection) as worker:
            assert control("POST", "reset") is None
            eventually(lambda: not worker.ready)

        def anew() -> bool:
            try:
                return requests.get(f"{router.url}/health", timeout=30).ok and router.tasks() == []
            except (StateError, requests.ConnectionError):
                return False  # between the end and the new start

        eventually(anew)
        assert (router.workspace_sid, router.workers()) == (home, [])
        eventually(lambda: control("GET", "info")["resets"] == 1)
        assert control("GET", "info")["workers"] == 0


def test_a_stop_after_a_reset_was_requested() -> None:
    """A router that is stopped stays so, however far the reset is by then; no thread ends with an exception."""
    with LocalTaskRouter(lasting_port()) as router:
        url = router.url
        assert Control(router)("POST", "reset") is None
    eventually(lambda: not any(isinstance(each, threading.Timer) for each in threading.enumerate()))
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/health", timeout=30)


def test_a_stop_in_the_middle_of_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new host that the reset has begun to make is stopped, too."""
    router = LocalTaskRouter(lasting_port()).start()
    url, make = router.url, router._make_host

    def make_late(port: int) -> Host:
        router.stop()
        return make(port)

    monkeypatch.setattr(router, "_make_host", make_late)
    router.reset()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/health", timeout=30)
    with pytest.raises(StateError):
        router.add_worker("Alice")


def test_what_is_not_there(control: Control) -> None:
    """An unknown path, a method that does not fit, and a body that is no JSON."""
    assert control("GET", "nothing")[0] == 404
    assert control("POST", "info")[0] == 405
    answer = requests.post(f"{control.router.url}/control/v1/faults", data="{", auth=control.account, timeout=30)
    assert answer.status_code == 400
    assert requests.get(f"{control.router.url}/elsewhere", timeout=30).status_code == 404
