"""Earlier moments, forks, and streams of tasks in the console."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.integration.local.console.console_client import TIMEOUT, Browser, Live
from tests.tools.seams import console_of, service_of
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A router whose clock stands still."""
    with LocalTaskRouter(clock="virtual") as router:
        yield router


def test_an_earlier_moment(browser: Browser, live: Live) -> None:
    """Every table shows it; live changes do not disturb it; and then the present again."""
    router = browser.router
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task()
    live.until(lambda: live.tables["tasks"].get(task, {}).get("assignment_status") == "reserved")
    # The slider's range grows with what happens.
    history = live.until(lambda: live.state["history"] if live.state["history"]["last"] >= 3 else None)
    now = router.clock.now()
    router.clock.advance(200)
    live.until(lambda: live.state["history"]["last"] > history["last"])

    live.send("watch", task=task)
    live.send("view", moment=history["last"] - 1)
    live.until(lambda: live.state["moment"] == history["last"] - 1)
    assert live.state["info"]["read_only"] and not live.state["running"] and live.state["now"] == pytest.approx(now)
    assert alice in live.tables["workers"] and task not in live.tables["tasks"]
    live.send("view", moment=history["last"])
    live.until(lambda: live.tables["tasks"].get(task, {}).get("assignment_status") == "reserved")
    live.until(
        lambda: live.other and live.other[-1]["life"] and live.other[-1]["life"][-1]["type"] == "reservation.created"
    )
    bob = router.add_worker("Bob")
    live.send("view", moment=None)
    live.until(lambda: live.state["moment"] is None and bob in live.tables["workers"])
    live.until(lambda: live.tables["tasks"][task]["assignment_status"] != "reserved")


def test_moments_that_do_not_exist(live: Live) -> None:
    """They are refused with the range, and the present stays."""
    live.until(lambda: live.state["whole"])
    moments: tuple[Any, ...] = (999, -1, "yesterday", True, [], 1.5)
    for moment in moments:
        live.send("view", moment=moment)
        live.until(lambda: live.other and live.other[-1]["type"] == "error")
        assert live.other.pop()["in_reply_to"] == "view"
    assert live.state["moment"] is None


def test_the_moments_around_one(browser: Browser) -> None:
    """What happened, when, and who did it."""
    for name in ("Alice", "Bob", "Carol"):
        browser.router.add_worker(name)
    last = browser.router.history().last
    moments = browser.api("GET", f"api/history?around={last}&limit=2")["moments"]
    assert [each["moment"] for each in moments] == [last - 1, last]
    assert moments[-1]["text"] and moments[-1]["who"] == "program"
    first = browser.api("GET", "api/history?around=0&limit=2")["moments"]
    assert first[0]["moment"] == 1
    answer = browser.api("GET", f"api/task/{browser.router.create_task()}?moment={last}")
    assert answer["explain"] is None and not answer["life"]


def test_a_fork_has_a_console_of_its_own(router: LocalTaskRouter) -> None:
    """It begins at the moment, goes its own way, and ends with the first router at the latest."""
    with no_leftover_threads(), Browser(router) as browser, browser.live() as live:
        task = router.create_task()
        row = browser.api("POST", "api/fork", {"moment": router.history().last - 1})
        live.until(lambda: live.state["forks"] == [row])
        page = browser.session.get(row["console_url"], headers={"Origin": None}, timeout=TIMEOUT)
        # Both consoles are open in one browser, whose cookies go to every port.
        assert page.ok and browser.request("GET", "").ok
        other = browser.api("POST", "api/fork", {})
        assert requests.get(f"{other['url']}/health", timeout=TIMEOUT).ok
        auth = (router.account_sid, router.auth_token)
        tasks = f"/v1/Workspaces/{router.workspace_sid}/Tasks"
        found = [
            [each["sid"] for each in requests.get(f"{url}{tasks}", auth=auth, timeout=TIMEOUT).json()["tasks"]]
            for url in (row["url"], other["url"])
        ]
        assert found == [[], [task]]
        browser.api("DELETE", f"api/forks/{other['id']}")
        live.until(lambda: live.state["forks"] == [row])
        assert browser.request("DELETE", f"api/forks/{other['id']}").status_code == 404
        assert browser.request("POST", "api/fork", json={"moment": 999}).status_code == 400
        router.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(row["url"], timeout=TIMEOUT)


def test_a_console_that_only_reads(browser: Browser) -> None:
    """Nothing is changed through it; what changes nothing, and forks, which are routers of their own, go on."""
    router = browser.router
    console_of(router).read_only = True
    for method, path in (
        ("POST", f"rest/v1/Workspaces/{router.workspace_sid}/Tasks"),
        ("DELETE", f"rest/v1/Workspaces/{router.workspace_sid}"),
        ("POST", "control/v1/clock/resume"),
        ("POST", "control/v1/reset"),
    ):
        answer = browser.request(method, path)
        assert answer.status_code == 403 and "read-only" in answer.json()["message"]
    with browser.live() as live:
        live.until(lambda: live.state["info"]["read_only"])
        live.send("stream", per_minute=60, task={})
        live.until(lambda: live.other and live.other[-1]["in_reply_to"] == "stream")
    configuration = service_of(router).engine.workflow(router.workspace_sid, router.workflow_sid).configuration
    assert browser.api("POST", "api/workflow", {"sid": router.workflow_sid, "configuration": configuration})["ok"]
    fork = browser.api("POST", "api/fork", {})
    assert requests.get(fork["url"], timeout=TIMEOUT).ok and not router.clock.running


def test_a_stream_of_tasks(browser: Browser) -> None:
    """A number of tasks a minute, until it is ended or the page has gone."""
    router = browser.router
    task = {"WorkflowSid": router.workflow_sid, "Attributes": '{"kind": "call"}'}
    with browser.live() as live:
        live.until(lambda: live.state["whole"])
        live.send("stream", per_minute=6000, task=task)
        (stream,) = live.until(lambda: live.state.get("streams"))
        live.until(lambda: len(live.tables["tasks"]) >= 5 and live.state["streams"][0]["created"] >= 5)
        live.send("stream_stop", id=stream["id"])
        live.until(lambda: live.state["streams"] == [])
        # One a minute: the first one comes at once.
        before = len(router.tasks())
        live.send("stream", per_minute=1, task=task)
        live.until(lambda: live.state["streams"] and live.state["streams"][0]["created"] == 1)
        assert len(router.tasks()) == before + 1
        live.send("stream", per_minute=6000, task=task)
        live.until(lambda: len(live.tables["tasks"]) > before + 3)

    def idle() -> bool:
        """Two equal counts with more than a period between them."""
        count = len(router.tasks())
        with browser.live() as second:
            second.until(lambda: second.state["whole"] and second.state.get("totals"), 60)
        return len(router.tasks()) == count

    eventually(idle, 120)


def test_a_stream_that_cannot_go_on(browser: Browser, live: Live) -> None:
    """The refusal of its task is shown; arguments that make no sense are refused at once."""
    live.until(lambda: live.state["whole"])
    live.send("stream", per_minute=60, task={"WorkflowSid": "WW0"})
    (stream,) = live.until(lambda: [each for each in live.state.get("streams", ()) if each["error"]])
    assert stream["created"] == 0
    for per_minute, task in ((0, {}), (-1, {}), ("many", {}), (6001, {}), (True, {}), (1, []), (1, {"Priority": 1})):
        live.send("stream", per_minute=per_minute, task=task)
        live.until(lambda: live.other)
        assert live.other.pop()["in_reply_to"] == "stream"
    live.send("stream_stop", id=99)
    live.until(lambda: live.other)


def test_totals(browser: Browser, live: Live) -> None:
    """They have the figures of the statistics resources, and the service level."""
    router = browser.router
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task()
    (reservation,) = router.reservations(task_sid=task)
    browser.rest(f"Workers/{alice}/Reservations/{reservation.sid}", ReservationStatus="accepted")
    router.create_task()
    totals = live.until(
        lambda: (found := live.state.get("totals")) and found["cumulative"]["tasks_created"] == 2 and found, 60
    )
    assert totals["service_level"] == {"threshold": 20, "value": 1.0}
    statistics = browser.request(
        "GET", f"rest/v1/Workspaces/{router.workspace_sid}/Statistics?SplitByWaitTime=10,20,30,60,120"
    ).json()
    assert {**totals["realtime"]} == {name: statistics["realtime"][name] for name in totals["realtime"]}
    both = set(totals["cumulative"]) & set(statistics["cumulative"]) - {"start_time", "end_time"}
    assert len(both) > 10
    assert all(totals["cumulative"][name] == statistics["cumulative"][name] for name in both)
