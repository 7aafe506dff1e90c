"""REST as HTTP: types of bodies, methods, and the headers of answers."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import jwt
import pytest
import requests

from twilio_taskrouter_worker.local import LocalTaskRouter

TIMEOUT = 20.0


def ask(router: LocalTaskRouter, method: str, path: str = "", *, known: bool = True, **more: Any) -> requests.Response:
    """A request to REST, or to whatever the path names."""
    url = (
        f"{router.url}/v1/Workspaces/{router.workspace_sid}{path}"
        if not path.startswith("//")
        else router.url + path[1:]
    )
    auth = (router.account_sid, router.auth_token) if known else None
    return requests.request(method, url, auth=auth, timeout=TIMEOUT, **more)


# -- bodies ----------------------------------------------------------------------------------------------------------


def test_multipart_bodies(router: LocalTaskRouter) -> None:
    """What ``curl -F`` sends does the same as a plain form."""
    fields = {"FriendlyName": (None, "Zoë"), "Attributes": (None, '{"a": 1}')}
    answer = ask(router, "POST", "/Workers", files=fields)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["friendly_name"], answer.json()["attributes"]) == ("Zoë", '{"a":1}')
    assert ask(router, "POST", "/Workers", files={"FriendlyName": ("x.txt", "Zoë")}).status_code == 400


def test_limits_count_the_text_as_sent(router: LocalTaskRouter) -> None:
    """White space is not kept, but counts."""
    long = '{"a":' + " " * 4090 + "1}"
    assert len(long) == 4097
    answer = ask(router, "POST", "/Workers", data={"FriendlyName": "x", "Attributes": long})
    assert (answer.status_code, "4096 characters" in answer.text) == (400, True)
    answer = ask(router, "POST", "/Workers", data={"FriendlyName": "x", "Attributes": long.replace(" ", "", 1)})
    assert (answer.status_code, answer.json()["attributes"]) == (201, '{"a":1}')


@pytest.mark.parametrize("text", ['{"n":1.5,"t":"é\\n"}', '{"half":"\\ud800"}', "{}", '{"a":[1,{"b":null}],"c":true}'])
def test_compact_attributes_stay_as_they_are(router: LocalTaskRouter, text: str) -> None:
    """Compact JSON comes back letter by letter; half a surrogate pair stays an escape."""
    answer = ask(router, "POST", "/Tasks", data={"WorkflowSid": router.workflow_sid, "Attributes": text})
    assert answer.json()["attributes"] == text


# -- methods ---------------------------------------------------------------------------------------------------------


def test_head_is_get_without_a_body(router: LocalTaskRouter) -> None:
    """Status and headers are those of GET."""
    get, head = ask(router, "GET"), ask(router, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]
    assert ask(router, "HEAD", "/Workers/WK0").status_code == 404


def test_options_need_no_credentials(router: LocalTaskRouter) -> None:
    """A browser asks before it sends any."""
    answer = ask(router, "OPTIONS", "/Workers", known=False)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert ask(router, "OPTIONS", "/Nothing", known=False).status_code == 404


def test_another_method_is_told_the_right_ones(router: LocalTaskRouter) -> None:
    """405 names what is allowed, on the bridge as well."""
    answer = ask(router, "DELETE", "/Workers")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")
    bridge = ask(router, "PUT", "//v1/wschannels")
    assert (bridge.status_code, bridge.headers["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")


# -- headers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/Nothing"),
        ("POST", "/Workers"),
        ("DELETE", "/Workers"),
        ("GET", "//"),
        ("PUT", "//v1/wschannels"),
    ],
)
def test_every_answer_has_an_id(router: LocalTaskRouter, method: str, path: str) -> None:
    """Each its own, whatever the answer is."""
    ids = {ask(router, method, path).headers["Twilio-Request-Id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch(r"RQ[0-9a-f]{32}", each) for each in ids)


@pytest.mark.parametrize(("path", "known"), [("", True), ("/Workers/WK0", True), ("", False)])
def test_cross_origin_headers_of_rest(router: LocalTaskRouter, path: str, known: bool) -> None:
    """Answers and refusals have those of the live service."""
    headers = ask(router, "GET", path, known=known).headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"] == "ETag"


def test_an_unreadable_version_is_judged_last(router: LocalTaskRouter) -> None:
    """Where nothing is found that is said; only then that the version is not one."""
    headers = {"If-Match": '"abc"'}
    assert ask(router, "POST", "/Tasks/WT" + "0" * 32, headers=headers).status_code == 404
    task = router.create_task()
    answer = ask(router, "POST", f"/Tasks/{task}", headers=headers, data={"Priority": "1"})
    assert (answer.status_code, answer.json()["code"]) == (412, 20412)
    assert "is not a version" in answer.json()["message"]


def test_the_old_sdk_is_told_why(router: LocalTaskRouter) -> None:
    """TaskRouter.js v1 asks at addresses of its own; the answer says what to use instead."""
    answer = ask(router, "GET", f"//v1/wschannels/{router.account_sid}/WK0?token=x", known=False)
    assert answer.status_code == 404
    assert "TaskRouter.js v1" in answer.json()["message"]


def test_a_capability_token_is_told_why(router: LocalTaskRouter) -> None:
    """The SDK of old has another kind of token, signed with the auth token."""
    claims = {"version": "v1", "policies": [], "iss": router.account_sid, "exp": int(time.time()) + 60}
    token = jwt.encode(claims, router.auth_token, algorithm="HS256")
    answer = requests.get(f"{router.connection['eb_server']}?token={token}", timeout=TIMEOUT)
    assert answer.status_code == 403
    assert "capability token of TaskRouter.js v1" in answer.json()["message"]


def test_pages_elsewhere_get_nothing_of_our_own(router: LocalTaskRouter) -> None:
    """Cross-origin headers are for Twilio's addresses only."""
    for path in ("//", "//control/v1/nothing", "//console"):
        assert "Access-Control-Allow-Origin" not in ask(router, "GET", path).headers


def test_page_is_the_clients_own(router: LocalTaskRouter) -> None:
    """Only a token leads to another page; a number alone comes back as it is."""
    page = ask(router, "GET", "/Activities?PageSize=1&Page=2").json()
    first = ask(router, "GET", "/Activities?PageSize=1").json()
    assert page["activities"] == first["activities"]
    assert (page["meta"]["page"], first["meta"]["page"]) == (2, 0)


# -- what the service has where nothing is set -----------------------------------------------------------------------


def test_values_that_are_not_set(router: LocalTaskRouter) -> None:
    """No address is an empty text, no content type is null, and operating units are named."""
    unit = f"OU{router.account_sid[2:]}"
    workspace = ask(router, "GET").json()
    assert (workspace["event_callback_url"], workspace["default_operating_unit_sid"]) == ("", unit)
    workflow = ask(router, "GET", f"/Workflows/{router.workflow_sid}").json()
    assert workflow["document_content_type"] is None
    worker = router.add_worker("Alice")
    assert ask(router, "GET", f"/Workers/{worker}").json()["operating_unit_sid"] == unit
    assert ask(router, "GET", f"/TaskQueues/{router.task_queue_sid}").json()["operating_unit_sid"] == unit


def test_an_empty_workspace(router: LocalTaskRouter) -> None:
    """It has nothing to work with; what needs an activity says so, and works once there is one."""
    root = f"{router.url}/v1/Workspaces"
    auth = (router.account_sid, router.auth_token)

    def post(path: str, **form: str) -> requests.Response:
        return requests.post(f"{root}{path}", data=form, auth=auth, timeout=TIMEOUT)

    made = post("", FriendlyName="Empty", Template="EMPTY")
    assert made.status_code == 201
    home = f"/{made.json()['sid']}"
    for kind, key in (("Activities", "activities"), ("TaskQueues", "task_queues"), ("Workflows", "workflows")):
        assert requests.get(f"{root}{home}/{kind}", auth=auth, timeout=TIMEOUT).json()[key] == []
    refused = post(f"{home}/Workers", FriendlyName="Alice")
    assert refused.status_code == 400
    assert "ActivitySid is required" in refused.json()["message"]
    offline = post(f"{home}/Activities", FriendlyName="Offline").json()["sid"]
    assert post(f"{home}/Workers", FriendlyName="Alice", ActivitySid=offline).status_code == 201
    assert post(home, DefaultActivitySid=offline).json()["default_activity_name"] == "Offline"
    assert post(f"{home}/Workers", FriendlyName="Bob").json()["activity_name"] == "Offline"


def test_limits_of_a_workspace(router: LocalTaskRouter) -> None:
    """Fifteen task channels with the built-in ones, and a capacity of fifty."""
    for number in range(10):
        made = ask(router, "POST", "/TaskChannels", data={"FriendlyName": f"C{number}", "UniqueName": f"c{number}"})
        assert made.status_code == 201
    refused = ask(router, "POST", "/TaskChannels", data={"FriendlyName": "x", "UniqueName": "x"})
    assert (refused.status_code, "at most 15 task channels" in refused.text) == (400, True)
    channel = f"/Workers/{router.add_worker('Alice')}/Channels/default"
    assert ask(router, "POST", channel, data={"Capacity": "50"}).status_code == 200
    assert ask(router, "POST", channel, data={"Capacity": "51"}).status_code == 400


def test_a_taken_queue_name(router: LocalTaskRouter) -> None:
    """The text is the service's."""
    refused = ask(router, "POST", "/TaskQueues", data={"FriendlyName": "Sample Queue"})
    assert refused.json()["message"] == (
        f"Queue named Sample Queue already exists for workspace {router.workspace_sid} for account {router.account_sid}"
    )


def test_two_orders_that_exclude_each_other(router: LocalTaskRouter) -> None:
    """DateCreated and VirtualStartTime cannot be combined; each can with Priority."""
    for ordering in ("DateCreated:asc,VirtualStartTime:asc", "VirtualStartTime:desc,Priority:asc,DateCreated:desc"):
        assert ask(router, "GET", "/Tasks", params={"Ordering": ordering}).status_code == 400
    assert ask(router, "GET", "/Tasks", params={"Ordering": "Priority:asc,DateCreated:desc"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "parameter", "more"),
    [
        ("", "EventCallbackUrl", {}),
        ("/Workflows/{workflow}", "AssignmentCallbackUrl", {}),
        ("/Workflows/{workflow}", "FallbackAssignmentCallbackUrl", {}),
        ("{reservation}", "CallUrl", {"Instruction": "call", "CallFrom": "+1"}),
        ("{reservation}", "CallStatusCallbackUrl", {"Instruction": "call", "CallFrom": "+1", "CallUrl": "http://x"}),
        ("{reservation}", "DequeueStatusCallbackUrl", {"Instruction": "dequeue", "DequeueTo": "+1"}),
        ("{reservation}", "RedirectUrl", {"Instruction": "redirect", "RedirectCallSid": "CA1"}),
        ("{reservation}", "StatusCallback", {"Instruction": "conference"}),
        ("{reservation}", "WaitUrl", {"Instruction": "conference"}),
        ("{reservation}", "ConferenceStatusCallback", {"Instruction": "conference"}),
        ("{reservation}", "RecordingStatusCallback", {"Instruction": "conference"}),
        ("{reservation}", "ConferenceRecordingStatusCallback", {"Instruction": "conference"}),
    ],
)
@pytest.mark.parametrize(
    "address",
    [
        "example.com/x",
        "ftp://example.com/x",
        "http://",
        "http://[x",
        "http://example.com:99999/x",
        " http://example.com/x",
        "http://example.com/x\n",
    ],
)
def test_addresses_are_checked(
    router: LocalTaskRouter, path: str, parameter: str, more: dict[str, str], address: str
) -> None:
    """An address that cannot be called is refused, by the name of its parameter."""
    router.add_worker("Alice", activity="Available")
    task = router.create_task()
    [reservation] = router.reservations(task_sid=task)
    where = path.format(workflow=router.workflow_sid, reservation=f"/Tasks/{task}/Reservations/{reservation.sid}")
    refused = ask(router, "POST", where, data={**more, parameter: address})
    assert (refused.status_code, refused.json()["message"]) == (400, f"'{address}' is not a valid {parameter}")


@pytest.mark.parametrize(
    ("path", "parameter", "more"),
    [
        ("", "DefaultActivitySid", {}),
        ("", "TimeoutActivitySid", {}),
        ("/Workers", "ActivitySid", {"FriendlyName": "Bob"}),
        ("/Workers/{worker}", "ActivitySid", {}),
        ("/TaskQueues", "ReservationActivitySid", {"FriendlyName": "Second"}),
        ("/TaskQueues/{queue}", "AssignmentActivitySid", {}),
        ("{reservation}", "WorkerActivitySid", {"ReservationStatus": "rejected"}),
        ("{reservation}", "WorkerActivitySid", {"Instruction": "reject"}),
        ("{reservation}", "PostWorkActivitySid", {"Instruction": "conference"}),
        ("{reservation}", "DequeuePostWorkActivitySid", {"Instruction": "dequeue", "DequeueTo": "+1"}),
    ],
)
def test_an_unknown_activity_is_named_with_its_parameter(
    router: LocalTaskRouter, path: str, parameter: str, more: dict[str, str]
) -> None:
    """The refusal has the name of the parameter that was given, and its value."""
    worker = router.add_worker("Alice", activity="Available")
    task = router.create_task()
    [reservation] = router.reservations(task_sid=task)
    where = path.format(
        worker=worker, queue=router.task_queue_sid, reservation=f"/Tasks/{task}/Reservations/{reservation.sid}"
    )
    refused = ask(router, "POST", where, data={**more, parameter: "WAxx"})
    message = f"{parameter} 'WAxx' does not name an activity of this workspace"
    assert (refused.status_code, refused.json()["message"]) == (400, message)


# -- calls -----------------------------------------------------------------------------------------------------------


def offered(router: LocalTaskRouter, **attributes: Any) -> str:
    """The path of a pending reservation."""
    router.add_worker("Alice", attributes={"contact_uri": "client:alice"}, activity="Available")
    task = router.create_task(attributes)
    [reservation] = router.reservations(task_sid=task)
    return f"/Tasks/{task}/Reservations/{reservation.sid}"


@pytest.mark.parametrize(
    "form",
    [
        {"Instruction": "dequeue"},
        {"Instruction": "call", "CallFrom": "+1", "CallUrl": "http://x/", "CallAccept": "true"},
        {"Instruction": "call", "CallFrom": "+1", "CallUrl": "http://x/"},
    ],
)
def test_a_call_leaves_its_sid(router: LocalTaskRouter, form: dict[str, str]) -> None:
    """The worker's leg is in the task's attributes, beside what was there."""
    path = offered(router, order=7)
    assert ask(router, "POST", path, data=form).status_code == 200
    router.clock.advance(0)
    [task] = router.tasks()
    attributes = json.loads(task.attributes)
    assert attributes["order"] == 7
    assert re.fullmatch(r"CA[0-9a-f]{32}", attributes["worker_call_sid"])


def test_a_conference_leaves_its_legs(router: LocalTaskRouter) -> None:
    """Its sid and those of both calls; the customer's is the one that the task knows already."""
    path = offered(router, call_sid="CA" + "1" * 32)
    assert ask(router, "POST", path, data={"Instruction": "conference"}).json()["reservation_status"] == "pending"
    router.clock.advance(0)
    [task] = router.tasks()
    attributes = json.loads(task.attributes)
    assert attributes["call_sid"] == "CA" + "1" * 32
    conference = attributes["conference"]
    assert re.fullmatch(r"CF[0-9a-f]{32}", conference["sid"])
    assert re.fullmatch(r"CA[0-9a-f]{32}", conference["participants"]["worker"])
    assert conference["participants"]["customer"] == "CA" + "1" * 32


def test_a_present_status_beside_an_instruction(router: LocalTaskRouter) -> None:
    """Old clients send it along; another status than the present one is a contradiction."""
    path = offered(router)
    wrong = ask(router, "POST", path, data={"Instruction": "accept", "ReservationStatus": "accepted"})
    assert wrong.status_code == 400
    right = ask(router, "POST", path, data={"Instruction": "accept", "ReservationStatus": "pending"})
    assert right.json()["reservation_status"] == "accepted"
