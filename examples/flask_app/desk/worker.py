"""The process that owns the websocket: ``flask --app desk taskrouter-worker``.

Each callback runs in an application context of its own, as each request does.
"""

from __future__ import annotations

from flask import current_app

from twilio_taskrouter_worker import Reservation, Worker

from . import jobs
from .taskrouter import fetch_token

worker = Worker(token_provider=fetch_token)


@worker.on("reservation_created", existing=True)
def take(reservation: Reservation) -> None:
    """Accept what is offered, and put it on the desk. After a restart, what is open comes here again."""
    reservation.on("completed", close)
    if reservation.status == "pending" and "call_sid" not in reservation.task.attributes:
        reservation.accept().result()
    jobs.put(reservation.task.sid, dict(reservation.task.attributes))
    current_app.logger.info("on the desk: %s", reservation.task.sid)


def close(reservation: Reservation) -> None:
    """Take it off the desk: a view, or somebody else, has completed it."""
    jobs.close(reservation.task.sid)


@worker.on("ready")
def tidy(worker: Worker) -> None:
    """Take off the desk what ended while this process was not connected."""
    jobs.close_others({reservation.task.sid for reservation in worker.reservations.values()})
