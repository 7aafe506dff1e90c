"""The workspace that the recording bridge answers from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.oracle.state import State
from tests.tools import payloads
from tests.tools.answers import Call, Reply

WORKSPACE = "Workspaces/WS0eff317b7980fdf60561d4668aa02c69"
WORKER = f"{WORKSPACE}/Workers/WK96933bd91c5998568933ac2ad49705b8"


@pytest.fixture
def state() -> State:
    """Give a fresh workspace."""
    return State()


def ask(state: State, method: str, url: str, params: Any = None, **headers: str) -> Reply:
    """Return the answer to a tunnelled call."""
    document = {"url": url, "method": method, "params": params if params is not None else {}, "token": "t"}
    return state.answer(Call("POST", "/v1/wschannels", [], headers, [], b"", ("", 0), document))


def payload(state: State, method: str, url: str, params: Any = None, **headers: str) -> Any:
    """Return the payload of the answer to a call that must succeed."""
    reply = ask(state, method, url, params, **headers)
    assert reply.status == 200 and isinstance(reply.body, dict)
    return reply.body["payload"]


def test_the_examples_are_what_it_answers(state: State) -> None:
    """Untouched, the workspace answers with the example payloads."""
    assert payload(state, "GET", WORKER) == payloads.load("rest.worker")
    assert payload(state, "GET", f"{WORKSPACE}/Activities")["contents"] == [
        *payloads.load("rest.page.activities")["contents"]
    ]
    assert payload(state, "GET", f"{WORKER}/WorkerChannels")["contents"] == [payloads.load("rest.channel")]
    assert payload(state, "GET", f"{WORKER}/Reservations")["contents"] == []
    queue = payloads.load("rest.taskqueue")
    assert payload(state, "GET", f"{WORKSPACE}/TaskQueues/{queue['sid']}") == queue


def test_the_first_reservation_is_the_examples(state: State) -> None:
    """A reservation added plainly is the one of the example event, also in the list."""
    expected = payloads.event("reservation.created")
    expected["task"]["version"] = 1
    assert state.add_reservation() == expected
    assert payload(state, "GET", f"{WORKER}/Reservations", {"Active": "true"})["contents"] == [expected]


def test_transfers_are_there_only_if_asked_for(state: State) -> None:
    """Without transfers their keys are absent, with them they hold the examples and the task's sid."""
    plain = state.add_reservation()
    assert "task_transfer" not in plain and "active_outgoing_task_transfer" not in plain
    with_both = state.add_reservation("accepted", transfer={}, outgoing={"transfer_mode": "COLD"})
    assert with_both["task_transfer"]["transfer_status"] == "complete"
    assert with_both["active_outgoing_task_transfer"]["transfer_mode"] == "COLD"
    assert with_both["task_transfer"]["task_sid"] == with_both["task"]["sid"] != plain["task"]["sid"]


def test_two_reservations_can_share_a_task(state: State) -> None:
    """Naming an existing task's sid makes a second reservation of that task."""
    first = state.add_reservation(task={"attributes": {"a": 1}, "priority": 9})
    second = state.add_reservation(task={"sid": first["task"]["sid"]}, sid="WRown")
    assert second["sid"] == "WRown" and second["task"] == first["task"]
    assert (first["task"]["attributes"], first["task"]["priority"]) == ('{"a": 1}', 9)


@pytest.mark.parametrize("path", ["Activities", "Workers", "TaskQueues", "WorkerChannels", "Reservations"])
def test_every_list_has_pages(state: State, path: str) -> None:
    """Asked page by page with AfterSid, each list is complete, in order, and ends with a null."""
    for n in range(5):
        state.add_activity(f"A{n}")
        state.add_worker(f"W{n}")
        state.add_task_queue(f"Q{n}")
        state.add_channel(f"c{n}")
        state.add_reservation()
    url = f"{WORKER if path in ('WorkerChannels', 'Reservations') else WORKSPACE}/{path}"
    whole = payload(state, "GET", url, {"PageSize": 1000})
    assert whole["after_sid"] is None and len(whole["contents"]) >= 5
    state.page_limit = 2
    found, after = [], None
    for _ in range(len(whole["contents"])):
        page = payload(state, "GET", url, {"PageSize": 1000, **({"AfterSid": after} if after else {})})
        assert len(page["contents"]) <= 2 and "next_token" not in page["meta"]
        found += page["contents"]
        after = page["after_sid"]
        if after is None:
            break
    assert found == whole["contents"]
    assert ask(state, "GET", url, {"AfterSid": "XX"}).status == 400


def test_ordered_lists_go_on_by_token(state: State) -> None:
    """With Ordering the next page is asked with ``meta.next_token``, absent on the last one."""
    second = state.add_task_queue("Second")
    params = {"PageSize": 1, "Ordering": "DateUpdated:asc"}
    first_page = payload(state, "GET", f"{WORKSPACE}/TaskQueues", params)
    params["NextToken"] = first_page["meta"]["next_token"]
    last_page = payload(state, "GET", f"{WORKSPACE}/TaskQueues", params)
    assert last_page["contents"] == [second] and "next_token" not in last_page["meta"]


def test_the_worker_changes(state: State) -> None:
    """A worker takes an activity and attributes, each change counting its version up; an unknown activity is 400."""
    offline = next(iter(state.activities))
    changed = payload(state, "POST", WORKER, {"ActivitySid": offline})
    assert (changed["activity_sid"], changed["activity_name"], changed["available"]) == (offline, "Offline", False)
    assert changed["version"] == 42
    assert payload(state, "POST", WORKER, {"Attributes": {"b": 2}})["attributes"] == '{"b": 2}'
    refused = ask(state, "POST", WORKER, {"ActivitySid": "WAbad"})
    assert refused.status == 400 and "WAbad" in json.dumps(refused.body)


def test_reservations_answer_bare(state: State) -> None:
    """A reservation's POST answers in the bare form with the new status; its GET is bare in v1 and nested in v2."""
    sid = state.add_reservation()["sid"]
    url = f"{WORKER}/Reservations/{sid}"
    accepted = payload(state, "POST", url, {"ReservationStatus": "accepted"})
    assert accepted == {**payloads.load("rest.reservation.instance"), "date_updated": accepted["date_updated"]}
    assert payload(state, "POST", url, {"Instruction": "conference"})["version"] == 1
    assert "task" not in payload(state, "GET", url)
    assert "task" in payload(state, "GET", url, apiversion="v2")
    task = f"{WORKSPACE}/Tasks/{payloads.load('rest.task')['sid']}"
    assert payload(state, "POST", f"{task}/Reservations/{sid}", {"Instruction": "supervise"})["sid"] == sid
    assert payload(state, "POST", f"{WORKER}/WorkerParticipant", {"ReservationSid": sid})["sid"] == sid


def test_tasks_are_made_and_changed(state: State) -> None:
    """A task is created with what was asked for, and its status, reason, attributes and start can be set."""
    asked = {"WorkflowSid": "WWx", "TaskQueueSid": "WQx", "RoutingTarget": "WKx", "Attributes": {"c": 3}}
    created = payload(state, "POST", f"{WORKSPACE}/Tasks", asked)
    assert created["sid"].startswith("WT") and created["routing_target"] == "WKx"
    url = f"{WORKSPACE}/Tasks/{created['sid']}"
    assert json.loads(payload(state, "GET", url)["attributes"]) == {"c": 3}
    done = payload(state, "POST", url, {"AssignmentStatus": "completed", "Reason": "r", "Attributes": {}})
    assert (done["assignment_status"], done["reason"], done["attributes"], done["version"]) == (
        "completed",
        "r",
        "{}",
        1,
    )
    moved = payload(state, "POST", url, {"VirtualStartTime": "2026-01-01T00:00:00Z"})
    assert moved["virtual_start_time"] > created["virtual_start_time"]
    for name in ("CustomerParticipant", "HoldWorkerParticipant", "KickWorkerParticipant"):
        assert payload(state, "POST", f"{WORKER}/{name}", {"TaskSid": created["sid"]})["sid"] == created["sid"]


def test_transfers_are_made_and_canceled_once(state: State) -> None:
    """A transfer names its task, reservation and target; canceling it twice is the service's 400."""
    reservation = state.add_reservation("accepted")
    asked = {"TaskSid": reservation["task"]["sid"], "ReservationSid": reservation["sid"], "To": "WQ1", "Mode": "COLD"}
    made = payload(state, "POST", f"{WORKER}/Transfers", asked)
    assert (made["transfer_type"], made["transfer_mode"], made["transfer_to"]) == ("QUEUE", "COLD", "WQ1")
    assert (made["task_sid"], made["initiating_reservation_sid"]) == (asked["TaskSid"], asked["ReservationSid"])
    url = f"{WORKER}/Transfers/{made['sid']}"
    assert payload(state, "POST", url, {"TransferStatus": "canceled"})["transfer_status"] == "canceled"
    assert ask(state, "POST", url, {"TransferStatus": "canceled"}).body == payloads.load("http.response.error")["body"]


def test_a_stale_version_is_refused(state: State) -> None:
    """If-Match is compared with the version of what is changed, and a mismatch is 412 and changes nothing."""
    sid = state.add_reservation()["sid"]
    task = state.reservations[sid]["task_sid"]
    for url, version in (
        (WORKER, "41"), (f"{WORKER}/Reservations/{sid}", "0"), (f"{WORKSPACE}/Tasks/{task}", "1"),
    ):  # fmt: skip
        before = payload(state, "GET", url)
        assert ask(state, "POST", url, {"ReservationStatus": "x"}, **{"if-match": "99"}).status == 412
        assert payload(state, "GET", url) == before
        assert ask(state, "POST", url, **{"if-match": version}).status == 200


@pytest.mark.parametrize(
    "url",
    [
        f"{WORKSPACE}/Workers/WKnone", f"{WORKER}/Reservations/WRnone", f"{WORKSPACE}/Tasks/WTnone",
        f"{WORKSPACE}/TaskQueues/WQnone", f"{WORKER}/Transfers/TTnone", f"{WORKSPACE}/Nothing", "Workspaces/WSother",
    ],
)  # fmt: skip
def test_unknown_sids_and_paths_are_404(state: State, url: str) -> None:
    """An unknown sid or path is 404 for reading and for writing."""
    assert ask(state, "GET", url).status == ask(state, "POST", url).status == 404


def test_sids_are_opaque(state: State) -> None:
    """A sid with characters that a path escapes is found."""
    sid = state.add_reservation(sid="WR/a b%")["sid"]
    assert payload(state, "GET", f"{WORKER}/Reservations/WR%2Fa%20b%25")["sid"] == sid


def test_invalid_calls_are_400(state: State) -> None:
    """A method other than GET and POST, or parameters that are no object, are refused."""
    assert ask(state, "DELETE", WORKER).status == 400
    assert ask(state, "GET", WORKER, [1]).status == 400
    assert ask(state, "GET", f"{WORKSPACE}/Activities", {"PageSize": "many"}).status == 400


def test_the_event_after_a_post_has_the_posts_version(state: State) -> None:
    """A status set by POST and then announced counts up once; the task follows with the event."""
    sid = state.add_reservation()["sid"]
    payload(state, "POST", f"{WORKER}/Reservations/{sid}", {"ReservationStatus": "accepted"})
    assert state.nested(sid)["task"]["assignment_status"] == "reserved"
    announced = state.change_reservation(sid, "accepted")
    assert (announced["version"], announced["task"]["assignment_status"], announced["task"]["version"]) == (
        1, "assigned", 2,
    )  # fmt: skip
    assert state.change_reservation(sid, "canceled", canceled_reason_code=13223)["canceled_reason_code"] == 13223
    state.remove_reservation(sid)
    assert state.reservations == {}


def test_a_task_changes_by_hand(state: State) -> None:
    """Fields set on a task count its version up and show in its reservation."""
    sid = state.add_reservation()["sid"]
    changed = state.change_task(state.reservations[sid]["task_sid"], attributes={"d": 4})
    assert (changed["attributes"], changed["version"]) == ('{"d": 4}', 2)
    assert state.nested(sid)["task"]["attributes"] == '{"d": 4}'
