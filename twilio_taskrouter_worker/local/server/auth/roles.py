"""Who may do what on the event bridge: the table of roles, as checks that routes name.

A check sees the verified grant and the call's path and parameters, and returns nothing or raises Rejected (403).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...engine import Rejected
from ..http import refusals
from .tokens import Grant

if TYPE_CHECKING:
    from ..service import Service

Check = Callable[[Grant, Mapping[str, str], Mapping[str, Any], "Service"], None]


def _refuse(grant: Grant, what: str, service: Service) -> Rejected:
    return refusals.forbidden(f"A token with role {grant.role} may not {what}", service.rules)


def _reads_like_staff(grant: Grant, service: Service) -> bool:
    return grant.role != "worker" or service.rules.workers_may_read


def anybody(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Every role may: the activities of the workspace."""


def own_worker_or_staff(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """The worker itself; a supervisor or an admin for any worker."""
    if grant.role == "worker" and path["WorkerSid"] != grant.worker_sid:
        raise _refuse(grant, "read or change another worker", service)


def own_worker(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """The worker or supervisor itself, and nobody else: its reservations, transfers and participants."""
    if path["WorkerSid"] != grant.worker_sid:
        raise _refuse(grant, "act for another worker", service)
    if grant.role == "admin":
        raise _refuse(grant, "work on reservations", service)


def supervision(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Instructions on another worker's reservation are a supervisor's, who can only name itself."""
    if grant.role != "supervisor":
        raise _refuse(grant, "supervise reservations", service)
    if str(params.get("Instruction", "")).lower() != "supervise":
        raise _refuse(grant, "do anything but supervise on another worker's reservation", service)
    if params.get("Supervisor") != grant.worker_sid:
        raise _refuse(grant, "supervise in the name of another worker", service)


def staff(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Supervisors and admins: lists of workers and queues."""
    if not _reads_like_staff(grant, service):
        raise _refuse(grant, "list or fetch what belongs to the workspace", service)


def task_creation(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """For oneself, or as an admin for anybody."""
    if grant.role != "admin" and params.get("RoutingTarget") != grant.worker_sid:
        raise _refuse(grant, "create a task for anybody but itself", service)


def task_reading(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """A task on which the worker has, or had, a reservation; any task for supervisors and admins."""
    if _reads_like_staff(grant, service):
        return
    if not _reservations(grant, path["TaskSid"], service, only_open=False):
        raise _refuse(grant, "read a task on which it has no reservation", service)


def task_change(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """A task on which the worker has an open reservation; any task for supervisors and admins.

    One that is over passes as well, if the worker has had a reservation on it: why it cannot be changed is a better
    answer than that it may not be.
    """
    if grant.role != "worker":
        return
    over = service.engine.task(grant.workspace_sid, path["TaskSid"]).final
    if not _reservations(grant, path["TaskSid"], service, only_open=not over):
        raise _refuse(grant, "change a task on which it has no open reservation", service)


def _reservations(grant: Grant, task_sid: str, service: Service, *, only_open: bool) -> bool:
    service.engine.task(grant.workspace_sid, task_sid)  # an unknown one is not found, for every role
    reservations = service.engine.reservations(grant.workspace_sid, task_sid=task_sid, worker_sid=grant.worker_sid)
    return any(reservation.open or not only_open for reservation in reservations)
