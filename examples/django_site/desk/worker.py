"""The process that owns the websocket: ``manage.py taskrouter_worker``.

Callbacks run on threads of the worker. The command closes their outdated database connections before and after each of
them, as Django does for requests.
"""

from __future__ import annotations

import logging

from twilio_taskrouter_worker import Reservation, Worker

from .models import Job
from .taskrouter import fetch_token

log = logging.getLogger("django.desk")
worker = Worker(token_provider=fetch_token)


@worker.on("reservation_created", existing=True)
def take(reservation: Reservation) -> None:
    """Accept what is offered, and put it on the desk. After a restart, what is open comes here again."""
    reservation.on("completed", close)
    if reservation.status == "pending" and "call_sid" not in reservation.task.attributes:
        reservation.accept().result()
    Job.objects.get_or_create(task_sid=reservation.task.sid, defaults={"attributes": dict(reservation.task.attributes)})
    log.info("on the desk: %s", reservation.task.sid)


def close(reservation: Reservation) -> None:
    """Take it off the desk: a view, or somebody else, has completed it."""
    Job.objects.filter(task_sid=reservation.task.sid).update(open=False)


@worker.on("ready")
def tidy(worker: Worker) -> None:
    """Take off the desk what ended while this process was not connected."""
    still_open = [reservation.task.sid for reservation in worker.reservations.values()]
    Job.objects.filter(open=True).exclude(task_sid__in=still_open).update(open=False)
