"""Every call, against a bridge that records what arrives."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from tests.data import attributes, calls
from tests.data.calls import ARGUMENTS, CONSTRUCTOR, KINDS, OPTIONS, ROWS, Option, Row, fill
from tests.integration.client.connected_client import TOKEN, ConnectedClient, connected_client, done, same_json
from tests.oracle.bridge import RecordingBridge
from tests.tools.answers import Call
from twilio_taskrouter_worker import (
    Activity,
    Channel,
    ClosedError,
    IncomingTransfer,
    InvalidAnswerError,
    NotReadyError,
    OutgoingTransfer,
    Reservation,
    Supervisor,
    Task,
    TaskQueue,
    Worker,
    WorkerInfo,
    Workspace,
    __version__,
)
from twilio_taskrouter_worker._bridge import routes
from twilio_taskrouter_worker._lifecycle import Lifecycle

CLASSES = {
    each.__name__: each
    for each in (
        Worker, Supervisor, Workspace, Activity, Channel, Reservation, Task, OutgoingTransfer, IncomingTransfer,
        TaskQueue, WorkerInfo,
    )
}  # fmt: skip
SILENT = {"update_token", "disconnect"}
"""Methods that belong to the tables although they send nothing."""
OWN_ARGUMENTS = {
    "connect_activity",
    "return_to_activity",
    "token_provider",
    "request_timeout",
    "single",
    "observer",
    "report_unawaited",
}
CONNECTING = {"Worker.start"}
"""Methods that return a Future and are no call."""

SENT = [row for row in ROWS if row.sent is not None]
BY_ID = {row.id: row for row in ROWS}


@pytest.fixture(scope="module")
def clients() -> Iterator[dict[bool, ConnectedClient]]:
    """Two clients, by whether ``enable_version_check`` is on."""
    with connected_client() as plain, connected_client(enable_version_check=True) as checking:
        yield {False: plain, True: checking}


@pytest.fixture
def client(clients: dict[bool, ConnectedClient]) -> ConnectedClient:
    """A client with a fresh reservation."""
    clients[False].new_reservation(outgoing={})
    return clients[False]


# -- the tables are complete -----------------------------------------------------------------------------------------


def call_methods() -> set[str]:
    """Every public method of the package that makes a call, as ``Class.method``; for a subclass its own only."""
    found = set()
    for name, kind in CLASSES.items():
        own = {**vars(Lifecycle), **vars(kind)} if kind is Worker else vars(kind)
        for attribute, value in own.items():
            if not attribute.startswith("_") and inspect.isfunction(value):
                returns = str(inspect.signature(value).return_annotation)
                if returns.startswith("Future[") or attribute in SILENT:
                    found.add(f"{name}.{attribute}")
    return found - CONNECTING


def test_every_method_that_makes_a_call_has_a_row() -> None:
    """A method without a row, and a row without a method, are found."""
    rows = [row.id for row in ROWS] + [f"{row.owner}.{row.alias}" for row in ROWS if row.alias]
    assert sorted(rows) == sorted(call_methods())


def test_the_rows_are_as_many_as_described() -> None:
    """No row of the description is left out."""
    counted = Counter(row.section for row in ROWS if not row.ours)
    # One row of the description can name methods of several classes.
    counted.update(Counter(option.section for option in OPTIONS))
    counted["4.1 constructor"] = len(CONSTRUCTOR)
    counted["4.8"] = len(calls.LIST_KEYS)
    assert dict(counted) == calls.COUNTS


def test_every_argument_has_a_row() -> None:
    """Each parameter of each method is in the tables, as an argument or as an option, and nothing else is."""
    for row in ROWS:
        parameters = set(inspect.signature(getattr(CLASSES[row.owner], row.method)).parameters) - {"self"}
        options = {option.argument for option in OPTIONS if row.id in option.methods}
        assert parameters == options | set(ARGUMENTS.get(row.id, ())), row.id
        assert not options & set(ARGUMENTS.get(row.id, ())), row.id
        assert set(row.arguments) <= parameters, row.id


def test_options_are_keywords_only() -> None:
    """What stood in an option object cannot be given by position."""
    for option in OPTIONS:
        for method in option.methods:
            owner, name = method.split(".")
            parameter = inspect.signature(getattr(CLASSES[owner], name)).parameters[option.argument]
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, option.id
            assert parameter.default is None, option.id


def test_every_route_is_reached_by_a_row() -> None:
    """A route of the client that no row and no step of connecting uses is found."""
    known = {(row.sent[0], row.sent[1].rsplit("/{", 1)[0], row.sent[2]) for row in SENT if row.sent}
    for name, route in vars(routes).items():
        if isinstance(route, routes.Route) and name not in calls.LOADING:
            assert (route.method, route.path.rsplit("/{", 1)[0], route.api_version) in known, name


def test_every_parameter_of_the_client_has_a_row() -> None:
    """An optional parameter that the client can send and that no option names is found."""
    known = {(option.argument, option.param) for option in OPTIONS} | {("reason", "Reason")}
    for name, route in vars(routes).items():
        if isinstance(route, routes.Route):
            for argument, parameter in route.parameters.items():
                assert parameter.required or (argument, parameter.wire) in known, f"{name}: {argument}"


def test_the_constructor_has_the_described_arguments() -> None:
    """Names and defaults of Worker's arguments; the others are ours."""
    parameters = inspect.signature(Worker).parameters
    names = {each.name for each in CONSTRUCTOR if each.name}
    assert set(parameters) == names | OWN_ARGUMENTS
    for each in CONSTRUCTOR:
        if each.name and each.name != "token":
            assert parameters[each.name].default == each.default, each.name
            assert parameters[each.name].kind is inspect.Parameter.KEYWORD_ONLY, each.name


# -- what goes out, and what comes back ------------------------------------------------------------------------------


def answer_to(row: Row, client: ConnectedClient) -> Any:
    """A payload that differs from what is known in everything that can differ."""
    state = client.bridge.state
    if row.answer == "worker":
        answer = client.changed("Worker")
        state.worker.update(answer)
        return answer
    if row.answer == "reservation":
        changed = client.changed("Reservation")
        return {key: changed[key] for key in state.bare(client.reservation_sid) if key in changed}
    if row.answer == "task":
        return client.changed("Task")
    if row.answer == "transfer":
        return client.changed("Transfer")
    if row.answer == "new transfer":
        return {**client.changed("Transfer"), "sid": state.new_sid("TT"), "transfer_status": "initiated"}
    # The bridge's own answer will do.
    return None


def arguments_of(row: Row, client: ConnectedClient) -> dict[str, Any]:
    return {name: fill(value, client.sids()) for name, value in row.arguments.items()}


def invoke(row: Row, client: ConnectedClient, target: Any = None, **more: Any) -> Any:
    """Make the row's call and give its Future."""
    method = getattr(client.target(row.owner) if target is None else target, row.method)
    return method(**{**arguments_of(row, client), **more})


def versions(client: ConnectedClient) -> dict[str, str]:
    state = client.bridge.state
    return {
        "worker": str(state.worker["version"]),
        "reservation": str(client.record["version"]),
        "task": str(state.tasks[client.record["task_sid"]]["version"]),
    }


@pytest.mark.parametrize("checking", [False, True], ids=["", "with enable_version_check"])
@pytest.mark.parametrize("row", SENT, ids=lambda row: row.id)
def test_the_request_of_each_call(clients: dict[bool, ConnectedClient], row: Row, checking: bool) -> None:
    """Url, method, params, headers and body are exactly those of the row."""
    client = clients[checking]
    client.new_reservation(outgoing={})
    assert row.sent is not None
    method, url, api_version = row.sent
    sids, known = client.sids(), versions(client)
    with client.calls() as made:
        done(invoke(row, client))
    assert len(made) == 1
    call = made[0]
    assert (call.method, call.url, call.api_version) == (method, fill(url, sids), api_version)
    assert same_json(call.params, fill(dict(row.params), sids))
    assert call.keys == ["url", "method", "params", "token"]
    assert call.token == TOKEN
    assert call.http_method == "POST"
    assert call.query == []
    assert call.if_match == (known[row.if_match] if checking and row.if_match else None)
    headers = dict(call.raw_headers)
    assert headers["clientVersion"] == __version__
    assert headers["apiVersion"] == api_version
    assert headers["Content-Type"] == "text/plain;charset=UTF-8"
    assert "authorization" not in call.headers


@pytest.mark.parametrize("row", [row for row in SENT if row.owner != "Workspace"], ids=lambda row: row.id)
def test_the_result_of_each_call(client: ConnectedClient, row: Row) -> None:
    """The Future resolves to what the row says, and the object shows all that the answer brought, or nothing of it."""
    assert row.sent is not None
    answer = answer_to(row, client)
    target, url = client.target(row.owner), fill(row.sent[1], client.sids())
    subject: Any = client.worker if row.answer == "worker" else target
    before, task_before = subject.to_dict(), client.reservation.task.to_dict()
    rule = client.bridge.on_call(lambda call: call.url == url, answer, times=1)
    result = done(invoke(row, client, target))
    assert len(rule.calls) == 1
    if row.result == "itself":
        assert result is target
    elif row.result == "sid":
        assert result in client.bridge.state.tasks
    elif row.result == "nothing":
        assert result is None
    elif row.result == "activity":
        assert result is client.worker.activity
    else:
        assert type(result).__name__ == row.result
        assert result.sid == client.other["sid"]
    if not row.uses:
        assert subject.to_dict() == before
        return
    owner = {"new transfer": "Transfer"}.get(row.answer, row.answer.title())
    shown = client.target("Transfer") if row.answer == "new transfer" else subject
    for attribute in attributes.TABLES[owner]:
        if attribute.key in answer:
            for name in attribute.names:
                expected = attributes.shown(attribute.kind, answer[attribute.key])
                assert getattr(shown, name) == expected, f"{attribute.id}: {name}"
    if row.answer == "reservation":
        # The short form has no timeout and no task: both stay, and the task follows with the event.
        assert subject.timeout == before["timeout"]
        assert subject.task.to_dict() == task_before


def test_changing_the_activity_fires_no_event_of_its_own(client: ConnectedClient) -> None:
    """The answer changes the current activity; ``activity_updated`` comes with the service's event only."""
    activity = client.target("Activity")
    before = client.worker.activity
    assert done(activity.set_as_current()) is activity
    assert client.worker.activity is activity
    assert (activity.is_current, before.is_current) == (True, False)
    client.sync()
    assert client.heard == []
    assert client.send("worker.activity.update", client.wire("Worker")) == [
        ("Worker", "activity_updated", (client.worker,))
    ]


def test_a_transfer_always_gives_a_new_object(client: ConnectedClient) -> None:
    """``transfers.outgoing`` is the transfer of the latest ``transfer()``, and the Future resolves to the task."""
    task = client.reservation.task
    first = task.transfers.outgoing
    assert done(task.transfer(client.other["sid"])) is task
    second = task.transfers.outgoing
    assert second is not first
    assert first is not None and second is not None
    assert second.task_sid == task.sid
    assert second.sid != first.sid


def test_a_full_reservation_is_taken_with_its_task(client: ConnectedClient) -> None:
    """``fetch_latest_version`` takes the nested form as well as the bare one."""
    answer = client.changed("Reservation")
    answer["task"] = attributes.changed_payload("Task", answer["task"])
    client.bridge.on_call(f"Reservations/{client.reservation_sid}$", answer, method="GET", times=1)
    reservation = client.reservation
    assert done(reservation.fetch_latest_version()) is reservation
    assert reservation.status == "wrapping"
    assert reservation.timeout == answer["reservation_timeout"]
    assert reservation.task.priority == answer["task"]["priority"]


@pytest.mark.parametrize(
    "row", [row for row in SENT if row.answer in ("worker", "task", "reservation", "transfer", "other worker")],
    ids=lambda row: row.id,
)  # fmt: skip
def test_an_answer_that_is_not_the_object(client: ConnectedClient, row: Row) -> None:
    """Where the answer is used, one without the required keys fails the call and changes nothing."""
    assert row.sent is not None
    url, before = fill(row.sent[1], client.sids()), client.snapshot()
    client.bridge.on_call(lambda call: call.url == url, {"sid": "of something else"}, times=1)
    future = invoke(row, client)
    if row.uses or row.result == "WorkerInfo":
        with pytest.raises(InvalidAnswerError, match="lacks"):
            done(future)
    else:
        done(future)
    assert client.snapshot() == before


def test_an_answer_without_the_new_sid(client: ConnectedClient) -> None:
    """Of a created task only the sid is used, but that has to be there."""
    client.bridge.on_call("/Tasks$", [{}, {"sid": "WT1"}], method="POST")
    row = BY_ID["Worker.create_task"]
    with pytest.raises(InvalidAnswerError, match="lacks sid"):
        done(invoke(row, client))
    assert done(invoke(row, client)) == "WT1"


def test_an_activity_that_is_not_in_the_list(client: ConnectedClient) -> None:
    """An answer that puts the worker into an unknown activity fails the call and changes nothing."""
    before = client.snapshot()
    client.bridge.on_call(f"{client.worker.sid}$", {**client.changed("Worker"), "activity_sid": "WAnowhere"}, times=1)
    with pytest.raises(InvalidAnswerError, match="activity_sid"):
        done(client.target("Activity").set_as_current())
    assert client.snapshot() == before


# -- arguments -------------------------------------------------------------------------------------------------------

ALL_ARGUMENTS = [
    *((method, name, kind) for method, table in ARGUMENTS.items() for name, kind in table.items()),
    *((method, option.argument, option.kind) for option in OPTIONS for method in option.methods),
]
CHECKED = [each for each in ALL_ARGUMENTS if each[2] != "client side"]


@pytest.mark.parametrize("method, name, kind", CHECKED, ids=[f"{m}({n})" for m, n, _ in CHECKED])
def test_invalid_arguments(client: ConnectedClient, method: str, name: str, kind: str) -> None:
    """Each wrong type is a TypeError and each wrong value a ValueError, at the call and before any request."""
    row = BY_ID[method]
    optional = kind.startswith("optional ") or any(name == o.argument and method in o.methods for o in OPTIONS)
    bad = list(KINDS[kind.removeprefix("optional ")].bad)
    if not optional:
        bad.append((None, TypeError))
    before = client.snapshot()
    with client.calls() as made:
        for value, expected in bad:
            with pytest.raises(expected) as raised:
                invoke(row, client, **{name: value})
            assert raised.type is expected, f"{name}={value!r}"
            assert str(raised.value), f"{name}={value!r}"
    assert made == []
    assert client.snapshot() == before
    # A call that waits for its thread would be here by now.
    with client.calls() as made:
        done(client.worker.fetch_latest_version())
    assert len(made) == 1


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_unknown_and_missing_arguments(client: ConnectedClient, row: Row) -> None:
    """A keyword that does not exist, or the lack of a required one, is a TypeError of Python's own."""
    with client.calls() as made:
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            invoke(row, client, no_such_option=1)
        for name in row.arguments:
            arguments = arguments_of(row, client)
            del arguments[name]
            with pytest.raises(TypeError, match="missing 1 required positional argument"):
                getattr(client.target(row.owner), row.method)(**arguments)
    assert made == []


@pytest.mark.parametrize("option", [each for each in OPTIONS if each.param], ids=lambda option: option.id)
def test_options_on_the_wire(client: ConnectedClient, option: Option) -> None:
    """Each good value goes out under the option's name on the wire, with its JSON type, and None is left out."""
    for method in option.methods:
        row = BY_ID[method]
        for given, wire in ((None, None), *KINDS[option.kind].good):
            plain = fill(dict(row.params), client.sids())
            with client.calls() as made:
                # Not every text is one that the service accepts.
                invoke(row, client, **{option.argument: given}).exception(30)
            expected = plain if given is None else {**plain, option.param: wire}
            assert same_json(made[0].params, expected), f"{method}: {given!r}"
            assert type(made[0].params.get(option.param)) is type(wire), f"{method}: {given!r}"


PLACES = {
    ("create_task", "to"): "Attributes.outbound_to",
    ("create_task", "from_"): "Attributes.from",
    ("create_task", "workflow_sid"): "WorkflowSid",
    ("create_task", "task_queue_sid"): "TaskQueueSid",
    ("set_attributes", "attributes"): "Attributes",
    ("complete", "reason"): "Reason",
    ("set_virtual_start_time", "virtual_start_time"): "VirtualStartTime",
    ("transfer", "to"): "To",
    ("hold", "target_worker_sid"): "TargetWorkerSid",
    ("hold", "on_hold"): "Hold",
    ("kick", "worker_sid"): "TargetWorkerSid",
    ("call", "from_"): "CallFrom",
    ("call", "url"): "CallUrl",
    ("redirect", "call_sid"): "RedirectCallSid",
    ("redirect", "url"): "RedirectUrl",
    ("set_worker_attributes", "attributes"): "Attributes",
    ("set_worker_activity", "activity_sid"): "ActivitySid",
}
"""Where a required argument stands among the params; those that are not here stand in the url."""

REQUIRED = [
    (method, name, kind)
    for method, name, kind in ALL_ARGUMENTS
    if name in BY_ID[method].arguments and kind in ("string", "object", "boolean", "date")
]


@pytest.mark.parametrize("method, name, kind", REQUIRED, ids=[f"{m}({n})" for m, n, _ in REQUIRED])
def test_required_arguments_on_the_wire(client: ConnectedClient, method: str, name: str, kind: str) -> None:
    """Each good value goes out in its place, with its JSON type; an empty text is the service's to judge."""
    row = BY_ID[method]
    place, _, key = PLACES[row.method, name].partition(".")
    for given, wire in KINDS[kind].good:
        plain = fill(dict(row.params), client.sids())
        with client.calls() as made:
            invoke(row, client, **{name: given}).exception(30)
        expected = {**plain, place: {**plain[place], key: wire} if key else wire}
        assert same_json(made[0].params, expected), repr(given)


@pytest.mark.parametrize("option", CONSTRUCTOR, ids=lambda option: option.js_name)
def test_arguments_of_the_constructor(option: calls.ConstructorArgument) -> None:
    """Wrong types and values are refused before anything is connected; what does not exist here is no keyword."""
    with RecordingBridge() as bridge:
        arguments: dict[str, Any] = {"token": TOKEN, "eb_server": bridge.eb_server}
        if option.name is None:
            with pytest.raises(TypeError, match="unexpected keyword argument"):
                Worker(**arguments, **{option.js_name: True})  # type: ignore[arg-type]
            return
        bad = list(KINDS[option.kind].bad)
        if option.default is not None or option.name == "token":
            bad.append((None, TypeError))
        for kind in (Worker, Supervisor):
            for value, expected in bad:
                with pytest.raises(expected) as raised:
                    kind(**{**arguments, option.name: value})
                assert raised.type is expected, f"{option.name}={value!r}"
        assert not bridge.calls and not bridge.connections


def test_the_keywords_of_the_js_sdk_are_refused(client: ConnectedClient) -> None:
    """A camelCase keyword does not reach the wire: it is a TypeError."""
    for option in OPTIONS:
        spelled = calls.camel_case(option.argument)
        if spelled != option.argument:
            for method in option.methods:
                with client.calls() as made, pytest.raises(TypeError, match="unexpected keyword argument"):
                    invoke(BY_ID[method], client, **{spelled: "x"})
                assert made == []


# -- rules of single methods -----------------------------------------------------------------------------------------


def test_the_arguments_of_a_new_task_win_over_its_attributes(client: ConnectedClient) -> None:
    """``to`` and ``from_`` replace the caller's keys, which stay as they were in the caller's own mapping."""
    mine = {"outbound_to": "mine", "from": "mine", "other": [1, True]}
    with client.calls() as made:
        done(invoke(BY_ID["Worker.create_task"], client, to="them", from_="us", attributes=mine))
    assert same_json(made[0].params["Attributes"], {"outbound_to": "them", "from": "us", "other": [1, True]})
    assert mine == {"outbound_to": "mine", "from": "mine", "other": [1, True]}


def test_attributes_are_taken_at_the_call(client: ConnectedClient) -> None:
    """A change of the mapping after the call, before the request went out, does not reach the service."""
    attributes = {"a": 1}
    worker = client.worker
    with client.calls() as made:
        future = worker.set_attributes(attributes)
        attributes["a"] = 2
        done(future)
    assert same_json(made[0].params, {"Attributes": {"a": 1}})


def test_rejecting_pending_reservations_needs_an_unavailable_activity(client: ConnectedClient) -> None:
    """True for an available activity is refused before any request; False is sent."""
    available = next(each for each in client.worker.activities.values() if each.available)
    with client.calls() as made, pytest.raises(ValueError, match="unavailable"):
        available.set_as_current(reject_pending_reservations=True)
    assert made == []
    with client.calls() as made:
        done(available.set_as_current(reject_pending_reservations=False))
    assert made[0].params["RejectPendingReservations"] is False


def test_activities_are_set_by_name_or_sid(client: ConnectedClient) -> None:
    """``set_activity`` takes both."""
    activity = client.target("Activity")
    for name in (activity.name, activity.sid):
        with client.calls() as made:
            assert done(client.worker.set_activity(name)) is activity
        assert made[0].params == {"ActivitySid": activity.sid}


def test_extra_parameters_of_a_supervisor_cannot_change_the_instruction(client: ConnectedClient) -> None:
    """They go out under their own names, beside the instruction."""
    extra = {"Instruction": "other", "Supervisor": "other", "SupervisorMode": "other", "Timeout": 5, "Muted": False}
    for mode in ("monitor", "whisper", "barge"):
        with client.calls() as made:
            done(invoke(BY_ID[f"Supervisor.{mode}"], client, extra_params=extra))
        own = {"Instruction": "supervise", "Supervisor": client.worker.sid, "SupervisorMode": mode}
        assert same_json(made[0].params, {**own, "Timeout": 5, "Muted": False})


@pytest.mark.parametrize("sid", ["a/b", "../x", "a?b=c#d", "%2e%2e", "sid with ü", "..."])
def test_sids_are_opaque_and_escaped(client: ConnectedClient, sid: str) -> None:
    """Whatever a sid holds, it stays one segment of the path."""
    workspace = client.target("Workspace")
    worker = client.worker
    for call in (
        lambda: workspace.fetch_worker_info(sid),
        lambda: workspace.fetch_task(sid),
        lambda: workspace.fetch_task_queue(sid),
        lambda: worker.monitor(sid, sid),
        lambda: worker.set_worker_attributes(sid, {}),
        lambda: worker.set_worker_activity(sid, sid),
    ):
        with client.calls() as made:
            call().exception(30)
        parts = made[0].url.split("/")
        assert parts[0] == "Workspaces" and len(parts) in (4, 6)
        assert unquote(parts[-1]) == sid
        assert not set(parts[-1]) & set("/?# ü")


def test_version_0_is_a_version() -> None:
    """``If-Match: 0`` is sent like any other."""
    with connected_client(enable_version_check=True) as client:
        reservation = client.new_reservation(version=0, task={"version": 0})
        with client.calls() as made:
            done(reservation.accept())
            done(reservation.task.complete("done"))
        assert [call.if_match for call in made] == ["0", "0"]


def test_the_version_sent_is_the_latest_known() -> None:
    """If-Match follows events and answers, and the worker's counts up with each new reservation (5.2)."""
    with connected_client(enable_version_check=True) as client:
        reservation, worker = client.new_reservation(), client.worker
        with client.calls() as made:
            done(reservation.accept())
            done(reservation.wrap())
            done(worker.set_attributes({"a": 1}))
            done(worker.set_attributes({"a": 2}))
            client.send("task.updated", client.bridge.state.change_task(reservation.task.sid, priority=9))
            done(reservation.task.set_attributes({}))
        assert [call.if_match for call in made] == ["17", "18", "42", "43", "24"]


# -- the rows that send nothing --------------------------------------------------------------------------------------


def test_a_new_token_is_used_at_once() -> None:
    """``update_token`` sends nothing, fires ``token_updated``, and the next call carries the new token."""
    with connected_client() as client:
        with client.calls() as made:
            assert client.worker.update_token("another.token.text") is None
        client.sync()
        assert made == []
        assert client.heard == [("Worker", "token_updated", ())]
        with client.calls() as made:
            done(client.worker.fetch_latest_version())
        assert made[0].token == "another.token.text"
        workspace = client.target("Workspace")
        with client.calls() as made:
            workspace.update_token("a.third.token")
        assert made == []
        with client.calls() as made:
            done(workspace.fetch_task(client.sids()["task"]))
        assert made[0].token == "a.third.token"


def test_disconnecting_closes_the_socket_and_makes_no_call() -> None:
    """``disconnect`` sends a close frame without status or reason; afterwards calls fail with ClosedError."""
    with connected_client() as client:
        with client.calls() as made:
            client.worker.disconnect()
        closed = client.bridge.wait_for_close()
        assert (closed.close_code, closed.close_reason, closed.closed_by) == (1005, "", "client")
        assert closed.messages == []
        assert made == []
        for row in SENT:
            if row.owner == "Worker":
                with pytest.raises(ClosedError):
                    invoke(row, client)
        assert [(event, str(args[0])) for _, event, args in client.heard] == [("disconnected", "SDK Disconnect")]


def test_calls_before_the_first_connection() -> None:
    """Before ``connect`` every call is refused at once, for want of the sids."""
    with RecordingBridge() as bridge:
        worker = Supervisor(TOKEN, eb_server=bridge.eb_server)
        for row in ROWS:
            if row.owner in ("Worker", "Supervisor") and row.sent is not None:
                with pytest.raises(NotReadyError):
                    getattr(worker, row.method)(**row.arguments)
        assert bridge.calls == []


def test_connecting_asks_for_the_described_lists() -> None:
    """After ``init``: the worker and its three lists, with exactly the described parameters; then the activity."""
    with RecordingBridge() as bridge:
        activity = next(iter(bridge.state.activities))
        Worker(TOKEN, eb_server=bridge.eb_server, connect_activity_sid=activity).connect(30).disconnect()
        sids = {"ws": bridge.init["workspace_sid"], "wk": bridge.init["channel_id"]}
        own = "Workspaces/{ws}/Workers/{wk}"
        expected = [
            ("GET", own, {}, "v1"),
            ("GET", "Workspaces/{ws}/Activities", {"PageSize": 1000}, "v1"),
            ("GET", f"{own}/WorkerChannels", {"PageSize": 1000}, "v1"),
            ("GET", f"{own}/Reservations", {"Active": "true", "PageSize": 1000}, "v2"),
            ("POST", own, {"ActivitySid": activity}, "v1"),
        ]

        def told(call: Call) -> Any:
            return [call.method, call.url, call.params, call.api_version, call.if_match]

        asked = sorted(map(told, bridge.calls[:4]), key=str)
        assert same_json(asked, sorted([[m, fill(u, sids), p, v, None] for m, u, p, v in expected[:4]], key=str))
        assert same_json([told(call) for call in bridge.calls[4:]], [[*fill(list(expected[4]), sids), None]])
