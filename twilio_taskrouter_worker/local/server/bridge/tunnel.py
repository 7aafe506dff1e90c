"""The requests of the event bridge: the route, the permission and the answer of each path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ...._json import loads
from ...engine import commands
from .. import call as common
from ..auth import roles
from ..events import payloads
from ..http import filters, parameters, refusals
from ..http.forms import Param, boolean, convert, if_match, read
from ..http.parameters import reservation_command
from ..http.paths import MethodNotAllowed, PathTable
from ..service import Context, Service
from .paging import page


@attrs.frozen
class Envelope:
    """A tunnelled request as it arrived."""

    url: str
    method: str
    params: Mapping[str, Any]
    token: str | None = attrs.field(repr=False)


def open_envelope(body: bytes) -> Envelope:
    """Parse the body of a tunnel request.

    Args:
        body: The body.

    Raises:
        Rejected: It is not a valid envelope (400).
    """
    try:
        document = loads(body)
    except ValueError:
        raise refusals.invalid("The request body is not JSON") from None
    if not isinstance(document, dict):
        raise refusals.invalid("The request body is not a JSON object")
    # The JS SDK sends no content type, so the body alone decides. A token of another type counts as missing (401).
    url, method, token = (document.get(key) for key in ("url", "method", "token"))
    given = document.get("params", {})
    if not isinstance(url, str) or not isinstance(method, str):
        raise refusals.invalid("The request body needs url and method, both strings")
    if given is not None and not isinstance(given, dict):
        raise refusals.invalid("The params of the request must be a JSON object")
    return Envelope(url, method, given or {}, token if isinstance(token, str) else None)


@attrs.frozen(kw_only=True)
class Call(common.Call):
    """A tunnelled request; its path and its token have the same workspace."""

    params: Mapping[str, Any]

    def page(
        self, records: Sequence[Any], shape: Callable[[Any], payloads.Shape], orders: filters.Orders | None = None
    ) -> payloads.Shape:
        """Return the page that the parameters request.

        Args:
            records: All records, filtered and ordered.
            shape: Makes the payload of a record.
            orders: The orders of the list; None: it has none.

        Raises:
            Rejected: A parameter of the page is invalid (400).
        """
        return page(records, shape, self.params, self.service.positions, orders)

    def read(self, table: tuple[Param, ...]) -> dict[str, Any]:
        """Return the command's fields from the parameters.

        Args:
            table: The parameters of the request.

        Raises:
            Rejected: A parameter is missing or invalid (400).
        """
        return read(table, self.params)


def answer(service: Service, envelope: Envelope, header: str | None, context: Context) -> dict[str, Any]:
    """Execute a request, and return the payload of its answer.

    Args:
        service: The service.
        envelope: The request.
        header: Its If-Match header; None: it is missing.
        context: The context of its commands; the token's worker becomes the actor.

    Raises:
        Rejected: It is refused.
        StoreError: The file could not be written, so nothing is accepted any more.
    """
    grant = service.signing_key.verify(envelope.token)
    service.check_grant(grant)
    if grant.worker_sid is not None:
        # Before routing: also a refused request proves that the client has the new token.
        service.sessions.token_seen(grant.worker_sid, grant.expires_at)
        context = Context(context.batch, context.address, grant.worker_sid)
    try:
        found = ROUTES.find(envelope.method, envelope.url)
    except MethodNotAllowed as known:
        raise refusals.MethodRefused(envelope.method, f"/{envelope.url}", known.allowed) from None
    if found is None:
        # After the token: without a valid one, nothing is revealed about paths.
        raise refusals.not_found(f"/{envelope.url}")
    (check, handle), path = found
    # Before the check of the role, which looks sids up in the grant's workspace.
    if path["WorkspaceSid"] != grant.workspace_sid:
        raise refusals.forbidden("The token is for another workspace", service.rules)
    check(grant, path, envelope.params, service)
    return handle(Call(service=service, context=context, path=path, params=envelope.params, if_match=if_match(header)))


# -- workers ---------------------------------------------------------------------------------------------------------


def _fetch_worker(call: Call) -> payloads.Shape:
    return payloads.worker(call.engine.worker(call.workspace_sid, call.path["WorkerSid"]))


def _update_worker(call: Call) -> payloads.Shape:
    command = commands.UpdateWorker(
        workspace_sid=call.workspace_sid,
        sid=call.path["WorkerSid"],
        if_match=call.if_match,
        **call.read(parameters.UPDATE_WORKER),
    )
    return payloads.worker(call.execute(command))


def _list_workers(call: Call) -> payloads.Shape:
    found = filters.select(
        call.engine.workers(call.workspace_sid), call.scope(), call.params, filters.WORKERS, filters.WORKER_ORDERS
    )
    return call.page(found, payloads.worker, filters.WORKER_ORDERS)


def _list_activities(call: Call) -> payloads.Shape:
    found = filters.select(call.engine.activities(call.workspace_sid), call.scope(), call.params, filters.ACTIVITIES)
    return call.page(found, payloads.activity)


def _list_channels(call: Call) -> payloads.Shape:
    return call.page(call.engine.channels(call.workspace_sid, call.path["WorkerSid"]), payloads.channel)


# -- queues ----------------------------------------------------------------------------------------------------------


def _fetch_queue(call: Call) -> payloads.Shape:
    return payloads.task_queue(call.engine.queue(call.workspace_sid, call.path["TaskQueueSid"]))


def _list_queues(call: Call) -> payloads.Shape:
    orders = filters.TASK_QUEUE_ORDERS
    queues = call.engine.queues(call.workspace_sid)
    found = filters.select(queues, call.scope(), call.params, filters.TASK_QUEUES, orders)
    return call.page(found, payloads.task_queue, orders)


# -- tasks -----------------------------------------------------------------------------------------------------------


def _fetch_task(call: Call) -> payloads.Shape:
    return payloads.task(call.engine.task(call.workspace_sid, call.path["TaskSid"]), call.now)


def _create_task(call: Call) -> payloads.Shape:
    command = commands.CreateTask(workspace_sid=call.workspace_sid, **call.read(parameters.CREATE_TASK))
    return payloads.task(call.execute(command), call.now)


def _update_task(call: Call) -> payloads.Shape:
    command = commands.UpdateTask(
        workspace_sid=call.workspace_sid,
        sid=call.path["TaskSid"],
        if_match=call.if_match,
        **call.read(parameters.UPDATE_TASK),
    )
    return payloads.task(call.execute(command), call.now)


# -- reservations ----------------------------------------------------------------------------------------------------


def _fetch_reservation(call: Call) -> payloads.Shape:
    sid = call.path["Sid"]
    call.engine.reservation(call.workspace_sid, sid, worker_sid=call.path["WorkerSid"])
    view = call.engine.reservation_view(call.workspace_sid, sid)
    # Both forms at once: one official call reads the answer as the long one, others as the short one.
    return {**payloads.short_reservation(view.reservation), **payloads.reservation_view(view, call.now)}


def _list_reservations(call: Call) -> payloads.Shape:
    # The SDK sends Active=true when it loads a session's state: pending, accepted and wrapping ones.
    active = convert("Active", call.params.get("Active", False), boolean)
    views = call.engine.reservation_views(call.workspace_sid, call.path["WorkerSid"], active=active)
    by_sid = {view.reservation.sid: view for view in views}
    # Filters and pages work on plain records; the view of each adds its task and transfers.
    records = [view.reservation for view in views]
    found = filters.select(records, call.scope(), call.params, filters.RESERVATIONS_OF_WORKER)
    now = call.now
    return call.page(found, lambda record: payloads.reservation_view(by_sid[record.sid], now))


def _update_reservation(call: Call) -> payloads.Shape:
    command = reservation_command(
        call.params,
        workspace_sid=call.workspace_sid,
        sid=call.path["Sid"],
        worker_sid=call.path["WorkerSid"],
        if_match=call.if_match,
    )
    return payloads.short_reservation(call.execute(command))


def _supervise(call: Call) -> payloads.Shape:
    command = reservation_command(
        call.params,
        workspace_sid=call.workspace_sid,
        sid=call.path["Sid"],
        task_sid=call.path["TaskSid"],
        if_match=call.if_match,
    )
    return payloads.short_reservation(call.execute(command))


# -- transfers and participants --------------------------------------------------------------------------------------


def _own(command: type[commands.Command], table: tuple[Param, ...]) -> Callable[[Call], Any]:
    def execute(call: Call) -> Any:
        fields = call.read(table)
        return call.execute(
            command(workspace_sid=call.workspace_sid, worker_sid=call.path["WorkerSid"], **fields)  # type: ignore[call-arg]
        )

    return execute


def _create_transfer(call: Call) -> payloads.Shape:
    return payloads.transfer(_own(commands.CreateTransfer, parameters.CREATE_TRANSFER)(call))


def _cancel_transfer(call: Call) -> payloads.Shape:
    command = commands.CancelTransfer(
        workspace_sid=call.workspace_sid,
        worker_sid=call.path["WorkerSid"],
        sid=call.path["Sid"],
        **call.read(parameters.CANCEL_TRANSFER),
    )
    return payloads.transfer(call.execute(command))


def _task_of(execute: Callable[[Call], Any]) -> Callable[[Call], payloads.Shape]:
    return lambda call: payloads.task(execute(call), call.now)


_hold_customer = _own(commands.UpdateCustomerParticipant, parameters.CUSTOMER_PARTICIPANT)
_update_own_leg = _own(commands.UpdateWorkerParticipant, parameters.WORKER_PARTICIPANT)
_hold_worker = _own(commands.HoldWorkerParticipant, parameters.HOLD_WORKER_PARTICIPANT)
_kick_worker = _own(commands.KickWorkerParticipant, parameters.KICK_WORKER_PARTICIPANT)


# -- the table -------------------------------------------------------------------------------------------------------

Target = tuple[roles.Check, Callable[[Call], payloads.Shape]]
_W = "Workspaces/{WorkspaceSid}"
_K = "Workspaces/{WorkspaceSid}/Workers/{WorkerSid}"

REQUESTS: tuple[tuple[str, str, roles.Check, Callable[[Call], payloads.Shape]], ...] = (
    ("GET", f"{_W}/Activities", roles.anybody, _list_activities),
    ("GET", f"{_W}/Workers", roles.staff, _list_workers),
    ("GET", _K, roles.own_worker_or_staff, _fetch_worker),
    ("POST", _K, roles.own_worker_or_staff, _update_worker),
    ("GET", f"{_K}/WorkerChannels", roles.own_worker_or_staff, _list_channels),
    ("GET", f"{_K}/Reservations", roles.own_worker, _list_reservations),
    ("GET", f"{_K}/Reservations/{{Sid}}", roles.own_worker, _fetch_reservation),
    ("POST", f"{_K}/Reservations/{{Sid}}", roles.own_worker, _update_reservation),
    ("POST", f"{_K}/Transfers", roles.own_worker, _create_transfer),
    ("POST", f"{_K}/Transfers/{{Sid}}", roles.own_worker, _cancel_transfer),
    ("POST", f"{_K}/CustomerParticipant", roles.own_worker, _task_of(_hold_customer)),
    (
        "POST",
        f"{_K}/WorkerParticipant",
        roles.own_worker,
        lambda call: payloads.short_reservation(_update_own_leg(call)),
    ),
    ("POST", f"{_K}/HoldWorkerParticipant", roles.own_worker, _task_of(_hold_worker)),
    ("POST", f"{_K}/KickWorkerParticipant", roles.own_worker, _task_of(_kick_worker)),
    ("GET", f"{_W}/TaskQueues", roles.staff, _list_queues),
    ("GET", f"{_W}/TaskQueues/{{TaskQueueSid}}", roles.staff, _fetch_queue),
    ("POST", f"{_W}/Tasks", roles.task_creation, _create_task),
    ("GET", f"{_W}/Tasks/{{TaskSid}}", roles.task_reading, _fetch_task),
    ("POST", f"{_W}/Tasks/{{TaskSid}}", roles.task_change, _update_task),
    ("POST", f"{_W}/Tasks/{{TaskSid}}/Reservations/{{Sid}}", roles.supervision, _supervise),
)
"""Method, path, permission and handler of each request."""

ROUTES: PathTable[Target] = PathTable()
for _method, _template, _check, _handle in REQUESTS:
    ROUTES.add(_method, _template, (_check, _handle))
