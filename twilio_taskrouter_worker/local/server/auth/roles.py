"""Authorization on the event bridge: the table of roles, as checks that routes name.

A check gets the verified grant, the variables of the path, the request's parameters and the service. It returns None,
or raises Rejected (403).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...engine import Rejected
from ..http import refusals
from ..service import Service
from .tokens import Grant

Check = Callable[[Grant, Mapping[str, str], Mapping[str, Any], Service], None]


def _refuse(grant: Grant, what: str, service: Service) -> Rejected:
    return refusals.forbidden(f"A token with role {grant.role} may not {what}", service.rules)


def _reads_like_staff(grant: Grant, service: Service) -> bool:
    return grant.role != "worker" or service.rules.workers_may_read


def anybody(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Allow every role: the activities of the workspace.

    Args:
        grant: The verified grant.
        path: The variables of the path.
        params: The request's parameters.
        service: The service.
    """


def own_worker_or_staff(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Allow the worker itself, and supervisors and admins for any worker.

    Args:
        grant: The verified grant.
        path: The variables of the path.
        params: The request's parameters.
        service: The service.

    Raises:
        Rejected: It is another worker (403).
    """
    # Supervisors read and change other workers by the path that a worker has for itself.
    if grant.role == "worker" and path["WorkerSid"] != grant.worker_sid:
        raise _refuse(grant, "read or change another worker", service)


def own_worker(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Allow only the worker or supervisor itself: its reservations, transfers and participants.

    Args:
        grant: The verified grant.
        path: The variables of the path.
        params: The request's parameters.
        service: The service.

    Raises:
        Rejected: It is another worker, or an admin (403).
    """
    if path["WorkerSid"] != grant.worker_sid:
        raise _refuse(grant, "act for another worker", service)
    # An admin's token may name a worker, but reservations are worked on with that worker's own token.
    if grant.role == "admin":
        raise _refuse(grant, "work on reservations", service)


def supervision(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Allow supervisors an instruction on another worker's reservation, in their own name.

    Args:
        grant: The verified grant.
        path: The variables of the path.
        params: The request's parameters.
        service: The service.

    Raises:
        Rejected: Another role, another instruction, or another supervisor's name (403).
    """
    if grant.role != "supervisor":
        raise _refuse(grant, "supervise reservations", service)
    if str(params.get("Instruction", "")).lower() != "supervise":
        raise _refuse(grant, "do anything but supervise on another worker's reservation", service)
    # The parameter is the worker who listens in; without this check, one supervisor could put another one into a call.
    if params.get("Supervisor") != grant.worker_sid:
        raise _refuse(grant, "supervise in the name of another worker", service)


def staff(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Allow supervisors and admins: lists of workers and queues.

    Args:
        grant: The verified grant.
        path: The variables of the path.
        params: The request's parameters.
        service: The service.

    Raises:
        Rejected: It is a worker, and ``workers_may_read`` is off (403).
    """
    if not _reads_like_staff(grant, service):
        raise _refuse(grant, "list or fetch what belongs to the workspace", service)


def task_creation(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Allow tasks for the worker itself, and any task for admins.

    Args:
        grant: The verified grant.
        path: The variables of the path.
        params: The request's parameters.
        service: The service.

    Raises:
        Rejected: The routing target is another worker, or missing (403).
    """
    if grant.role != "admin" and params.get("RoutingTarget") != grant.worker_sid:
        raise _refuse(grant, "create a task for anybody but itself", service)


def task_reading(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Allow a task on which the worker has, or had, a reservation, and any task for supervisors and admins.

    Args:
        grant: The verified grant.
        path: The variables of the path.
        params: The request's parameters.
        service: The service.

    Raises:
        Rejected: The worker never had one (403), or there is no such task (404).
    """
    if _reads_like_staff(grant, service):
        return
    if not _reservations(grant, path["TaskSid"], service, only_open=False):
        raise _refuse(grant, "read a task on which it has no reservation", service)


def task_change(grant: Grant, path: Mapping[str, str], params: Mapping[str, Any], service: Service) -> None:
    """Allow a task on which the worker has an open reservation, and any task for supervisors and admins.

    An ended task is allowed too, if the worker has had a reservation on it: the engine's refusal of the change explains
    more than a missing permission.

    Args:
        grant: The verified grant.
        path: The variables of the path.
        params: The request's parameters.
        service: The service.

    Raises:
        Rejected: The worker has none (403), or there is no such task (404).
    """
    if grant.role != "worker":
        return
    over = service.engine.task(grant.workspace_sid, path["TaskSid"]).final
    if not _reservations(grant, path["TaskSid"], service, only_open=not over):
        raise _refuse(grant, "change a task on which it has no open reservation", service)


def _reservations(grant: Grant, task_sid: str, service: Service, *, only_open: bool) -> bool:
    service.engine.task(grant.workspace_sid, task_sid)  # raises for an unknown task: 404 for every role, not 403
    reservations = service.engine.reservations(grant.workspace_sid, task_sid=task_sid, worker_sid=grant.worker_sid)
    return any(reservation.open or not only_open for reservation in reservations)
