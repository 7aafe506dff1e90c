"""The Workspace client: its lists with all their pages, its single resources, and its tokens."""

from __future__ import annotations

import copy
import inspect
import logging
import pickle
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.data.calls import KINDS
from tests.integration.client.connected_client import TOKEN, done, same_json
from tests.oracle.bridge import RecordingBridge
from tests.tools.answers import Call, Hang
from twilio_taskrouter_worker import (
    AuthorizationError,
    InvalidAnswerError,
    NotFoundError,
    Observer,
    RequestRejectedError,
    ServerError,
    TaskInfo,
    TaskQueue,
    TokenError,
    Worker,
    WorkerInfo,
    Workspace,
    tokens,
)

JWE = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aXYtdGV4dA.Y2lwaGVydGV4dA.dGFn"
"""An encrypted token: five parts, of which nobody but the service can read one."""

ACCOUNT, KEY, SECRET = "AC1", "SK1", "a secret of at least thirty-two bytes, for tests"


def make_token(
    workspace_sid: str = "WS1", worker_sid: str = "WK1", *, role: str = "supervisor", ttl: int = 3600
) -> str:
    return tokens.create_worker_token(ACCOUNT, KEY, SECRET, workspace_sid, worker_sid, role=role, ttl=ttl)


@pytest.fixture
def bridge() -> Iterator[RecordingBridge]:
    """A bridge with five workers and three queues."""
    with RecordingBridge() as bridge:
        for name in ("Ravi", "Ida", "Tom", "Ana"):
            bridge.state.add_worker(name)
        for name in ("Sales", "Returns"):
            bridge.state.add_task_queue(name)
        yield bridge


@pytest.fixture
def workspace(bridge: RecordingBridge) -> Workspace:
    """A client of it."""
    return make(bridge)


def make(bridge: RecordingBridge, **options: Any) -> Workspace:
    return Workspace(TOKEN, bridge.init["workspace_sid"], eb_server=bridge.eb_server, **options)


def params(bridge: RecordingBridge) -> list[Any]:
    return [call.params for call in bridge.calls]


# -- lists -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, method", [(WorkerInfo, "fetch_workers_info"), (TaskQueue, "fetch_task_queues")])
def test_a_list_in_pages(bridge: RecordingBridge, workspace: Workspace, kind: type, method: str) -> None:
    """All pages are followed by AfterSid, with the other params repeated; the result is in server order."""
    bridge.state.page_limit = 2
    table = bridge.state.workers if kind is WorkerInfo else bridge.state.task_queues
    sids = list(table)
    found = done(getattr(workspace, method)(friendly_name="x"))
    assert list(found) == sids
    assert [type(each) for each in found.values()] == [kind] * len(sids)
    assert [each.sid for each in found.values()] == sids
    assert [each.name for each in found.values()] == [record["friendly_name"] for record in table.values()]
    first = {"PageSize": 1000, "FriendlyName": "x"}
    after = [{**first, "AfterSid": sid} for sid in sids[1:-1:2]]
    assert same_json(params(bridge), [first, *after])


@pytest.mark.parametrize(
    "method, ordering", [("fetch_workers_info", "DateStatusChanged:desc"), ("fetch_task_queues", "DateUpdated:asc")]
)
def test_an_ordered_list_in_pages(bridge: RecordingBridge, workspace: Workspace, method: str, ordering: str) -> None:
    """With an ordering, the next page is asked for by NextToken, and the caller's own AfterSid is repeated."""
    bridge.state.page_limit = 2
    table = bridge.state.workers if method == "fetch_workers_info" else bridge.state.task_queues
    assert list(done(getattr(workspace, method)(ordering=ordering, after_sid="XX1"))) == list(table)
    first = {"PageSize": 1000, "AfterSid": "XX1", "Ordering": ordering}
    asked = params(bridge)
    assert same_json(asked[0], first)
    assert [list(each) for each in asked[1:]] == [[*first, "NextToken"]] * ((len(table) - 1) // 2)
    for each, sid in zip(asked[1:], list(table)[1::2], strict=False):
        assert each["NextToken"].startswith(f"{sid}/")
        assert {**each, "NextToken": None} == {**first, "NextToken": None}


def test_many_workers(bridge: RecordingBridge, workspace: Workspace) -> None:
    """More than one page of a thousand comes without asking for it: there is no silent limit."""
    state = bridge.state
    with state.lock:
        example = dict(state.worker)
        for number in range(2500 - len(state.workers)):
            sid = f"WK{number:032d}"
            state.workers[sid] = {**example, "sid": sid}
    found = done(workspace.fetch_workers_info())
    assert len(found) == 2500
    assert list(found) == list(state.workers)
    assert len(bridge.calls) == 3


@pytest.mark.parametrize("most, calls", [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (None, 3)])
def test_max_workers_caps_the_list(bridge: RecordingBridge, workspace: Workspace, most: int | None, calls: int) -> None:
    """``max_workers`` caps the result and ends the paging; the service never hears of it."""
    bridge.state.page_limit = 2
    found = done(workspace.fetch_workers_info(max_workers=most))
    assert list(found) == list(bridge.state.workers)[:most]
    assert len(bridge.calls) == calls
    assert all(set(each) <= {"PageSize", "AfterSid"} for each in params(bridge))


def test_the_page_size(bridge: RecordingBridge) -> None:
    """``page_size`` is asked for, and its limits are checked."""
    assert len(done(make(bridge, page_size=3).fetch_workers_info())) == 5
    assert [each["PageSize"] for each in params(bridge)] == [3, 3]
    for value in (0, -1, 1001):
        with pytest.raises(ValueError, match="page_size must be between 1 and 1000"):
            make(bridge, page_size=value)
    for other in (True, 1.5, "10", None):
        with pytest.raises(TypeError, match="page_size"):
            make(bridge, page_size=other)


def test_empty_filters_are_not_sent(bridge: RecordingBridge, workspace: Workspace) -> None:
    """An empty text is no filter."""
    done(workspace.fetch_workers_info(friendly_name="", activity_sid="", ordering="", after_sid=""))
    done(workspace.fetch_task_queues(friendly_name="", worker_sid="", ordering="", after_sid=""))
    assert params(bridge) == [{"PageSize": 1000}, {"PageSize": 1000}]


def test_a_list_without_records(bridge: RecordingBridge, workspace: Workspace) -> None:
    """It is an empty mapping."""
    bridge.on_call("/Workers$", {"contents": [], "after_sid": None, "meta": {}})
    assert done(workspace.fetch_workers_info()) == {}
    bridge.on_call("/TaskQueues$", {"contents": []})
    assert done(workspace.fetch_task_queues()) == {}


def test_parallel_calls_have_results_of_their_own(bridge: RecordingBridge, workspace: Workspace) -> None:
    """Calls that are under way together, page by page, do not mix what they find."""
    names = [f"name {number}" for number in range(8)]
    together = threading.Barrier(len(names))

    def answer(call: Call) -> dict[str, Any]:
        together.wait(30)
        page = 1 if "AfterSid" not in call.params else 2
        name = call.params["FriendlyName"]
        sid = f"WK {name} {page}"
        record = {**bridge.state.worker, "sid": sid, "friendly_name": name}
        return {"contents": [record], "after_sid": sid if page == 1 else None}

    bridge.on_call("/Workers$", answer)
    futures = [workspace.fetch_workers_info(friendly_name=name) for name in names]
    for name, future in zip(names, futures, strict=True):
        found = done(future)
        assert list(found) == [f"WK {name} 1", f"WK {name} 2"]
        assert {each.name for each in found.values()} == {name}


@pytest.mark.parametrize(
    "page",
    [
        None, [], "text", {}, {"contents": None}, {"contents": {}}, {"contents": [], "after_sid": 5},
        {"contents": [], "after_sid": ["WK"]}, {"contents": [None]}, {"contents": ["text"]}, {"contents": [{}]},
        {"contents": [[]]},
    ],
    ids=str,
)  # fmt: skip
def test_a_list_that_is_none(bridge: RecordingBridge, workspace: Workspace, page: Any) -> None:
    """A page of another shape, or with one record that cannot be read, fails the whole call."""
    bridge.on_call("/Workers$", (200, {"payload": page}))
    with pytest.raises(InvalidAnswerError):
        done(workspace.fetch_workers_info())


def test_an_ordered_list_that_names_its_next_page_by_a_number(bridge: RecordingBridge, workspace: Workspace) -> None:
    """So does a NextToken that is no text; a ``meta`` of another type has none."""
    bridge.on_call("/Workers$", {"contents": [], "meta": {"next_token": 5}}, times=1)
    with pytest.raises(InvalidAnswerError):
        done(workspace.fetch_workers_info(ordering="DateStatusChanged:asc"))
    bridge.on_call("/Workers$", {"contents": [], "meta": [5], "after_sid": "WK1"}, times=1)
    assert done(workspace.fetch_workers_info(ordering="DateStatusChanged:asc")) == {}


def test_a_list_that_goes_round_in_circles(bridge: RecordingBridge, workspace: Workspace) -> None:
    """A service that names the same page again and again does not keep the call busy for ever."""
    bridge.on_call("/Workers$", {"contents": [bridge.state.worker], "after_sid": "WK1"})
    with pytest.raises(InvalidAnswerError, match="repeats"):
        done(workspace.fetch_workers_info())
    assert len(bridge.calls) <= 3


def test_a_later_page_that_fails(bridge: RecordingBridge, workspace: Workspace) -> None:
    """The call fails with that page's error: a part of a list is no list."""
    bridge.state.page_limit = 2
    bridge.on_call(lambda call: "AfterSid" in call.params, 400)
    with pytest.raises(RequestRejectedError) as raised:
        done(workspace.fetch_workers_info())
    assert raised.value.status == 400
    assert len(bridge.calls) == 2


# -- single resources, and failures ----------------------------------------------------------------------------------


def test_fetched_objects_do_not_change(bridge: RecordingBridge, workspace: Workspace) -> None:
    """Objects of a Workspace are data: each fetch gives new ones."""
    sid = bridge.state.worker["sid"]
    first = done(workspace.fetch_worker_info(sid))
    with bridge.state.lock:
        bridge.state.worker["friendly_name"] = "Renamed"
    second = done(workspace.fetch_worker_info(sid))
    assert (first.name, second.name) == ("Dana", "Renamed")
    assert first == second and first is not second


def test_a_task_as_data(bridge: RecordingBridge, workspace: Workspace) -> None:
    """It has the attributes of a task, and none of its methods and events."""
    record = bridge.state.add_task(attributes={"a": 1})
    task = done(workspace.fetch_task(record["sid"]))
    assert type(task) is TaskInfo
    assert (task.sid, task.status, task.attributes) == (record["sid"], "assigned", {"a": 1})
    for name in ("complete", "on", "transfers", "reservation_sid"):
        assert not hasattr(task, name)


@pytest.mark.parametrize("method", ["fetch_worker_info", "fetch_task_queue", "fetch_task"])
def test_what_is_not_there(workspace: Workspace, method: str) -> None:
    """404 is a NotFoundError with the service's words."""
    with pytest.raises(NotFoundError, match="was not found") as raised:
        done(getattr(workspace, method)("XX1"))
    assert (raised.value.status, raised.value.code, raised.value.name) == (404, 20404, "REQUEST_INVALID")


@pytest.mark.parametrize("status, kind", [(401, AuthorizationError), (403, AuthorizationError), (500, ServerError)])
def test_refusals_of_the_service(
    bridge: RecordingBridge, workspace: Workspace, status: int, kind: type[Exception]
) -> None:
    """Each failure comes out of the Future, from single resources and lists alike."""
    bridge.on_call("Workspaces", status)
    for future in (workspace.fetch_worker_info("WK1"), workspace.fetch_workers_info(), workspace.fetch_task_queues()):
        assert type(future.exception(30)) is kind


def test_the_deprecated_names(bridge: RecordingBridge, workspace: Workspace) -> None:
    """They warn where they are called, and do the same with the same arguments."""
    sid = bridge.state.worker["sid"]
    with pytest.warns(DeprecationWarning, match="use fetch_worker_info") as warned:
        one = workspace.fetch_worker(sid)
    assert warned[0].filename == __file__
    assert done(one) == done(workspace.fetch_worker_info(sid))
    with pytest.warns(DeprecationWarning, match="use fetch_workers_info") as warned:
        many = workspace.fetch_workers(friendly_name="x", max_workers=2)
    assert warned[0].filename == __file__
    assert list(done(many)) == list(bridge.state.workers)[:2]
    assert bridge.calls[-1].params == {"PageSize": 1000, "FriendlyName": "x"}
    with pytest.warns(DeprecationWarning), pytest.raises(TypeError, match="unexpected keyword argument"):
        workspace.fetch_workers(no_such_filter=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done(workspace.fetch_workers_info())


def test_it_has_no_connection(bridge: RecordingBridge, workspace: Workspace) -> None:
    """No websocket is opened, nor tried, and nothing is asked before the first call."""
    assert bridge.calls == []
    done(workspace.fetch_workers_info())
    assert bridge.connections == [] == bridge.refused


def test_a_call_without_an_answer_has_a_deadline(bridge: RecordingBridge) -> None:
    """``request_timeout`` holds for each request."""
    workspace = make(bridge, request_timeout=0.2)
    bridge.on_call("/Workers", Hang())
    for future in (workspace.fetch_worker_info("WK1"), workspace.fetch_workers_info()):
        error = future.exception(30)
        assert isinstance(error, TimeoutError) and "within 0.2 s" in str(error)


# -- tokens and options ----------------------------------------------------------------------------------------------


def test_the_workspace_of_the_token() -> None:
    """Without ``workspace_sid`` the token says which workspace, account, worker and role it is for."""
    workspace = Workspace(make_token("WS9", "WK9"), eb_server="http://127.0.0.1:9/x")
    assert (workspace.workspace_sid, workspace.account_sid) == ("WS9", ACCOUNT)
    assert (workspace.worker_sid, workspace.role) == ("WK9", "supervisor")
    assert repr(workspace) == "<Workspace WS9>"
    admin = Workspace(make_token("WS9", "", role="admin"), eb_server="http://127.0.0.1:9/x")
    assert (admin.workspace_sid, admin.worker_sid, admin.role) == ("WS9", None, "admin")


def test_the_given_workspace_goes_first(bridge: RecordingBridge) -> None:
    """``workspace_sid`` is what is used, whatever the token says; the rest is still read from the token."""
    workspace = Workspace(make_token("WS9"), "WS5", eb_server=bridge.eb_server)
    assert (workspace.workspace_sid, workspace.role) == ("WS5", "supervisor")
    workspace.fetch_task("WT1").exception(30)
    assert bridge.calls[0].url == "Workspaces/WS5/Tasks/WT1"


@pytest.mark.parametrize(
    "token", [JWE, "no.json.token", "text", None], ids=["encrypted", "not JSON", "text", "cut off"]
)
def test_a_token_that_cannot_be_read(bridge: RecordingBridge, token: str | None) -> None:
    """An encrypted token, or one that is none, needs the workspace sid and then does; the service is the judge."""
    token = token or make_token("WS1")[:-60]
    with pytest.raises(TokenError, match="pass the workspace sid") as raised:
        Workspace(token, eb_server=bridge.eb_server)
    assert token not in str(raised.value)
    workspace = Workspace(token, bridge.init["workspace_sid"], eb_server=bridge.eb_server)
    assert (workspace.account_sid, workspace.worker_sid, workspace.role) == (None, None, None)
    assert len(done(workspace.fetch_workers_info())) == 5
    assert bridge.calls[0].token == token


def signed(claims: dict[str, Any]) -> str:
    import jwt

    return jwt.encode(claims, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    "claims",
    [
        {}, {"grants": None}, {"grants": []}, {"grants": {}}, {"grants": {"task_router": None}},
        {"grants": {"task_router": {}}}, {"grants": {"task_router": {"workspace_sid": ""}}},
        {"grants": {"task_router": {"workspace_sid": 5}}},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_without_a_workspace(claims: dict[str, Any]) -> None:
    """It is refused at once, with what to do."""
    with pytest.raises(TokenError, match="pass workspace_sid"):
        Workspace(signed(claims), eb_server="http://127.0.0.1:9/x")
    assert Workspace(signed(claims), "WS1", eb_server="http://127.0.0.1:9/x").workspace_sid == "WS1"


def test_a_new_token(bridge: RecordingBridge) -> None:
    """What came from the old token comes from the new one now: workspace, account, worker, role, and the paths."""
    workspace = Workspace(make_token("WS1", "WK1"), eb_server=bridge.eb_server)
    token = make_token("WS2", "WK2", role="worker")
    workspace.update_token(token)
    assert (workspace.workspace_sid, workspace.worker_sid, workspace.role) == ("WS2", "WK2", "worker")
    workspace.fetch_task("WT1").exception(30)
    assert (bridge.calls[0].url, bridge.calls[0].token) == ("Workspaces/WS2/Tasks/WT1", token)


def test_a_new_token_for_a_given_workspace(bridge: RecordingBridge) -> None:
    """A workspace that was given stays, and an encrypted token will do."""
    workspace = Workspace(make_token("WS1"), "WS5", eb_server=bridge.eb_server)
    workspace.update_token(JWE)
    assert (workspace.workspace_sid, workspace.role) == ("WS5", None)
    workspace.fetch_task("WT1").exception(30)
    assert (bridge.calls[0].url, bridge.calls[0].token) == ("Workspaces/WS5/Tasks/WT1", JWE)


@pytest.mark.parametrize(
    "token, error",
    [(JWE, TokenError), (signed({}), TokenError), (signed({"sub": "AC2", "grants": {}}), TokenError)]
    + list(KINDS["token"].bad),
)
def test_a_new_token_that_will_not_do(bridge: RecordingBridge, token: Any, error: type[Exception]) -> None:
    """It raises, and the old one stays in use, with all that it said."""
    first = make_token("WS1", "WK1")
    workspace = Workspace(first, eb_server=bridge.eb_server)
    with pytest.raises(error):
        workspace.update_token(token)
    assert (workspace.workspace_sid, workspace.account_sid) == ("WS1", ACCOUNT)
    assert (workspace.worker_sid, workspace.role) == ("WK1", "supervisor")
    workspace.fetch_task("WT1").exception(30)
    assert bridge.calls[0].token == first


def test_a_token_given_while_pages_are_read(bridge: RecordingBridge, workspace: Workspace) -> None:
    """The next request has it, although the call began with the old one."""
    bridge.state.page_limit = 2

    def first_page(call: Call) -> None:
        workspace.update_token("a.new.token")

    bridge.on_call("/Workers$", first_page, times=1)
    assert len(done(workspace.fetch_workers_info())) == 5
    assert [call.token for call in bridge.calls] == [TOKEN, "a.new.token", "a.new.token"]


@pytest.mark.parametrize("value, error", [*KINDS["token"].bad, (None, TypeError)])
def test_wrong_tokens(value: Any, error: type[Exception]) -> None:
    """They are refused at once."""
    with pytest.raises(error) as raised:
        Workspace(value, "WS1")
    assert raised.type is error


@pytest.mark.parametrize("value", [1, True, ["WS1"], b"WS1"])
def test_wrong_workspace_sids(value: Any) -> None:
    """So is a sid that is no text."""
    with pytest.raises(TypeError, match="workspace_sid must be a string"):
        Workspace(TOKEN, value)


def test_a_token_provider(bridge: RecordingBridge) -> None:
    """It gives the first token, and the next one when a token is about to expire; the given workspace stays."""
    soon, later, given = make_token("WS9", ttl=30), make_token("WS9"), make_token("WS9", "WK2")
    provided = iter([soon, later])
    workspace = Workspace(token_provider=lambda: next(provided), workspace_sid="WS5", eb_server=bridge.eb_server)
    assert (workspace.workspace_sid, workspace.account_sid, workspace.role) == ("WS5", None, None)
    for _ in range(3):
        workspace.fetch_task("WT1").exception(30)
    assert [call.token for call in bridge.calls] == [soon, later, later]
    workspace.update_token(given)
    workspace.fetch_task("WT1").exception(30)
    assert bridge.calls[-1].token == given


def test_a_token_provider_without_a_workspace() -> None:
    """Nothing could name it before the first request."""
    with pytest.raises(TokenError, match="Without a token the workspace is not known; pass workspace_sid"):
        Workspace(token_provider=lambda: TOKEN)
    with pytest.raises(TypeError, match="needs a token or a token_provider"):
        Workspace(workspace_sid="WS1")


def test_it_is_not_pickled_or_copied(workspace: Workspace) -> None:
    """The error says what to do instead."""
    for use in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="make another one there"):
            use(workspace)


def test_it_takes_every_option_of_a_worker() -> None:
    """So that one set of options does for all clients."""
    of_worker = set(inspect.signature(Worker).parameters)
    assert of_worker <= set(inspect.signature(Workspace).parameters)


def test_the_options_of_a_worker_are_checked_and_accepted(
    bridge: RecordingBridge, caplog: pytest.LogCaptureFixture
) -> None:
    """Those about the websocket are of no use here, but of the right type; unknown ones are refused."""
    # Put back at the end: log_level is for the whole process, and later tests read the log.
    for name in ("twilio_taskrouter_worker", "twilio_taskrouter_worker.local"):
        caplog.set_level(logging.NOTSET, name)
    workspace = make(
        bridge, ws_server=bridge.ws_server, connect_activity_sid="WA1", close_existing_sessions=True,
        set_worker_offline_if_disconnected=False, enable_version_check=True, log_level="warn", region="ie1",
        request_timeout=5, token_provider=lambda: TOKEN, return_to_activity="Available", report_unawaited=True,
        single="/no/such/folder/lock", observer=Observer(),
    )  # fmt: skip
    done(workspace.fetch_workers_info())
    assert bridge.calls[0].if_match is None
    assert bridge.connections == []
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        make(bridge, no_such_option=1)
    with pytest.raises(TypeError):
        make(bridge, close_existing_sessions=1)
    with pytest.raises(ValueError, match="log_level"):
        make(bridge, log_level="loud")
