"""Messages of a page that come at another moment, or for something that is not there any more."""

from __future__ import annotations

import json

from tests.integration.local.console.console_client import Browser, Live
from tests.tools.seams import service_of
from twilio_taskrouter_worker.local import LocalTaskRouter


def refusal(live: Live, kind: str) -> str:
    """Receive until a message of this kind was refused, and return the reason."""
    found = live.until(lambda: next((each for each in live.other if each.get("in_reply_to") == kind), None))
    live.other.remove(found)
    return str(found["message"])


def test_refused_messages_are_answered(browser: Browser, live: Live) -> None:
    """Each with its reason, and the page goes on."""
    live.until(lambda: live.state["whole"])
    live.send("select", workspace="WS" + "0" * 32)
    assert "WS" + "0" * 32 in refusal(live, "select")
    live.send("watch", task=5)
    assert refusal(live, "watch") == "task must be the sid of a task, or null"
    live.send("stream_stop", id=99)
    assert refusal(live, "stream_stop")
    live.send("view", moment="yesterday")
    assert refusal(live, "view")


def test_a_task_is_watched_no_more(browser: Browser, live: Live) -> None:
    """Null ends it, also while the next explanation is on its way."""
    task = browser.router.create_task()
    live.send("watch", task=task)
    live.until(lambda: any(each["type"] == "task" for each in live.other))
    browser.rest(f"Tasks/{task}", Priority=7)
    live.until(lambda: live.tables["tasks"].get(task, {}).get("priority") == 7)
    live.send("watch", task=None)
    # Answered after the message before, so that nothing of the task can follow.
    live.send("nothing")
    live.until(lambda: any(each["type"] == "error" for each in live.other))
    live.other.clear()
    browser.rest(f"Tasks/{task}", Priority=8)
    live.until(lambda: live.tables["tasks"][task]["priority"] == 8)
    assert not [each for each in live.other if each["type"] == "task"]


def test_no_tasks_are_created_in_the_past(browser: Browser, live: Live) -> None:
    """A stream begins in the present only; a selection leads back there."""
    browser.router.create_task()
    live.send("view", moment=browser.router.history().last)
    live.until(lambda: live.state["moment"] is not None)
    live.send("stream", per_minute=60, task={})
    assert refusal(live, "stream") == "Tasks can be created in a workspace of the present only"
    live.send("select", workspace=browser.router.workspace_sid)
    live.until(lambda: live.state["moment"] is None)


def test_a_page_that_asks_for_a_workspace_that_has_gone(router: LocalTaskRouter, browser: Browser) -> None:
    """It is shown the first one."""
    with Live(browser, query="?workspace=WS" + "0" * 32) as live:
        live.until(lambda: live.state["info"]["workspace_sid"] == router.workspace_sid)
        assert live.until(lambda: live.tables["activities"])


def test_without_any_workspace(router: LocalTaskRouter, browser: Browser, live: Live) -> None:
    """The console opens, and shows that nothing is there."""
    live.until(lambda: live.state["whole"])
    sid = router.workspace_sid
    live.send("watch", task="WT" + "0" * 32)
    browser.request("DELETE", f"rest/v1/Workspaces/{sid}").raise_for_status()
    live.until(lambda: live.snapshots > 1 and not live.tables["activities"])
    live.send("stream", per_minute=60, task={})
    assert "present only" in refusal(live, "stream")
    with browser.live() as second:
        second.until(lambda: second.state["whole"] and not second.tables["activities"])


def test_the_first_workspace_is_deleted(router: LocalTaskRouter, browser: Browser, live: Live) -> None:
    """Its pages show the one that is left, as new ones do."""
    other = browser.request("POST", "rest/v1/Workspaces", data={"FriendlyName": "Other"}).json()["sid"]
    live.until(lambda: any(each["sid"] == other for each in live.state["info"]["workspaces"]))
    browser.request("DELETE", f"rest/v1/Workspaces/{router.workspace_sid}").raise_for_status()
    live.until(lambda: live.snapshots > 1 and live.state["info"]["workspace_sid"] == other)
    with browser.live() as second:
        second.until(lambda: second.state["info"]["workspace_sid"] == other)


def test_no_handshake(browser: Browser) -> None:
    """The address of the websocket answers an ordinary request with what it takes."""
    answer = browser.request("GET", "live")
    assert answer.status_code == 400 and "websocket handshake" in answer.text


def test_a_moment_right_after_a_selection(browser: Browser, live: Live) -> None:
    """It is shown, although the way to an earlier one is just being given up."""
    router = browser.router
    router.create_task()
    live.until(lambda: live.state["whole"])
    [conversation] = service_of(router).changed.__self__._open  # type: ignore[union-attr]
    last = router.history().last

    def messages() -> None:
        # In one turn of the loop, as messages that arrive together.
        for message in (
            {"type": "view", "moment": last - 1},
            {"type": "select", "workspace": router.workspace_sid},
            {"type": "view", "moment": last},
        ):
            conversation.received(json.dumps(message))

    router._host.call(messages)
    live.until(lambda: live.state["moment"] == last)
