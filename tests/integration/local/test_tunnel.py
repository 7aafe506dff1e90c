"""Tunnelled requests: lists, pages, versions, and answers that have their documented form."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.integration.local.bridge_client import TIMEOUT, BridgeClient
from twilio_taskrouter_worker.local import LocalTaskRouter


def test_list_form(router: LocalTaskRouter) -> None:
    """A list has all of its paging fields, and no token where nothing follows."""
    with BridgeClient(router, router.add_worker("Alice")) as client:
        page = client.get(f"{client.home}/Activities", PageSize=1000).payload
        contents = page.pop("contents")
        assert [each["friendly_name"] for each in contents] == ["Offline", "Available", "Unavailable"]
        assert page == {
            "page": 0,
            "total": 3,
            "start": 0,
            "end": 3,
            "nextPage": 0,
            "lastPage": 0,
            "after_sid": None,
            "before_sid": None,
            "meta": {"list_key": "contents"},
        }


def test_pages_by_after_sid(router: LocalTaskRouter) -> None:
    """after_sid leads from page to page; a sid that is not in the list is refused."""
    with BridgeClient(router, router.add_worker("Alice")) as client:
        names: list[str] = []
        after: dict[str, str] = {}
        while True:
            page = client.get(f"{client.own}/WorkerChannels", PageSize=2, **after).payload
            names += [each["task_channel_unique_name"] for each in page["contents"]]
            if not page["after_sid"]:
                break
            assert page["after_sid"] == page["contents"][-1]["sid"]
            after = {"AfterSid": page["after_sid"]}
        assert names == ["default", "voice", "sms", "chat", "video"]
        for wrong in ("WCxxx", router.workspace_sid, 7, ["x"]):
            assert client.get(f"{client.own}/WorkerChannels", AfterSid=wrong).refusal == (400, 20001)


def test_pages_by_next_token(router: LocalTaskRouter) -> None:
    """With an order, next_token leads from page to page; the last page has none."""
    sids = [router.add_worker(name) for name in ("A", "B", "C")]
    with BridgeClient(router, sids[0], "admin") as client:
        found: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = client.get(f"{client.home}/Workers", PageSize=1, Ordering="DateStatusChanged:desc", **more).payload
            found += [each["sid"] for each in page["contents"]]
            if "next_token" not in page["meta"]:
                break
            more = {"NextToken": page["meta"]["next_token"]}
        assert found == sids[::-1]
        refused = client.get(f"{client.home}/Workers", Ordering="DateStatusChanged:asc", NextToken="nonsense")
        assert refused.refusal == (400, 20001)


@pytest.mark.parametrize("size", [0, 1001, -1, "many", True])
def test_page_sizes(router: LocalTaskRouter, size: object) -> None:
    """A page has from 1 to 1000 items."""
    with BridgeClient(router, router.add_worker("Alice")) as client:
        assert client.get(f"{client.home}/Activities", PageSize=size).refusal == (400, 20001)


def test_active_reservations(router: LocalTaskRouter) -> None:
    """Active leaves out what is over; without it all are there, the finished ones of existing tasks included."""
    alice = router.add_worker("Alice", activity="Available")
    router.create_task()
    [first] = router.reservations(worker_sid=alice)
    with BridgeClient(router, alice) as client:
        url = f"{client.own}/Reservations"
        client.post(f"{url}/{first.sid}", ReservationStatus="rejected")
        for active in ("true", True):
            [again] = client.get(url, Active=active).payload["contents"]
            assert (again["reservation_status"], again["task"]["assignment_status"]) == ("pending", "reserved")
        assert [each["sid"] for each in client.get(url).payload["contents"]] == [first.sid, again["sid"]]
        pending = client.get(url, ReservationStatus="rejected").payload["contents"]
        assert [each["sid"] for each in pending] == [first.sid]


def test_versions(router: LocalTaskRouter) -> None:
    """If-Match with the current version passes, with another it is a 412 and changes nothing; without it all passes."""
    alice = router.add_worker("Alice", activity="Available")
    with BridgeClient(router, alice) as client:
        version = client.get(client.own).payload["version"]
        changed = client.post(client.own, if_match=str(version), Attributes={"n": 1}).payload
        assert changed["version"] == version + 1
        for stale in (str(version), "99", "nonsense", f'W/"{version}"'):
            assert client.post(client.own, if_match=stale, Attributes={"n": 2}).refusal == (412, 20412)
        assert client.get(client.own).payload["attributes"] == '{"n":1}'
        for good in (f'"{version + 1}"', "*"):
            client.post(client.own, if_match=good, ActivitySid=router.activities["Available"])
        task = router.create_task()
        [reservation] = router.reservations(task_sid=task)
        url = f"{client.own}/Reservations/{reservation.sid}"
        assert client.post(url, if_match="5", ReservationStatus="accepted").refusal == (412, 20412)
        assert client.post(url, if_match="0", ReservationStatus="accepted").payload["version"] == 1
        task_url = f"{client.home}/Tasks/{task}"
        current = client.get(task_url).payload["version"]
        assert client.post(task_url, if_match="0", Attributes={}).refusal == (412, 20412)
        assert client.post(task_url, if_match=str(current), Attributes={"a": 1}).payload["version"] == current + 1


def test_reservation_updates(router: LocalTaskRouter) -> None:
    """An update asks for a status or an instruction: neither, both, or an unknown one is refused."""
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task()
    [reservation] = router.reservations(task_sid=task)
    with BridgeClient(router, alice) as client:
        url = f"{client.own}/Reservations/{reservation.sid}"
        assert client.post(url).refusal == (400, 20001)
        assert client.post(url, ReservationStatus="accepted", Instruction="accept").refusal == (400, 20001)
        assert client.post(url, ReservationStatus="lost").status == 400
        assert client.post(url, Instruction="call").status == 400  # without CallFrom and CallUrl
        short = client.post(url, Instruction="accept").payload
        assert (short["reservation_status"], short["task_sid"]) == ("accepted", task)
        assert "task" not in short
        both = client.get(url).payload
        assert (both["task_sid"], both["task"]["sid"]) == (task, task)
        assert client.post(url, ReservationStatus="accepted").body["message"] == (
            f"Reservation {reservation.sid} not in expected state [pending] and cannot be updated to [accepted]"
        )


def test_finished_task_says_why(router: LocalTaskRouter) -> None:
    """A worker that changes a task it has completed is told that it is over, not that it may not."""
    alice = router.add_worker("Alice", activity="Available")
    task = router.create_task()
    [reservation] = router.reservations(task_sid=task)
    with BridgeClient(router, alice) as client:
        client.post(f"{client.own}/Reservations/{reservation.sid}", ReservationStatus="accepted")
        client.post(f"{client.home}/Tasks/{task}", AssignmentStatus="completed", Reason="done")
        again = client.post(f"{client.home}/Tasks/{task}", AssignmentStatus="completed", Reason="done")
        assert again.refusal == (400, 20001)
        assert "not currently assigned" in again.body["message"]
        assert client.get(f"{client.home}/Tasks/{task}").payload["reason"] == "done"


def test_a_list_goes_on_although_its_place_is_gone(router: LocalTaskRouter) -> None:
    """The record after which a page should begin may be deleted meanwhile: no record is left out, none comes twice."""
    sids = [router.add_worker(f"W{number}") for number in range(7)]
    auth = (router.account_sid, router.auth_token)
    with BridgeClient(router, sids[0], "supervisor") as client:
        seen: list[str] = []
        after: dict[str, Any] = {}
        while True:
            page = client.get(f"{client.home}/Workers", PageSize=2, **after).payload
            seen += [each["sid"] for each in page["contents"]]
            if page["after_sid"] is None:
                break
            after = {"AfterSid": page["after_sid"]}
            gone = f"{router.url}/v1/{client.home}/Workers/{page['after_sid']}"
            assert requests.delete(gone, auth=auth, timeout=TIMEOUT).status_code == 204
        assert seen == sids
        other = client.get(f"{client.home}/Workers", PageSize=3, Available="false", **after)
        assert other.refusal == (400, 20001)  # of another list
