"""The attributes of a reservation, and reservations as data (the results of a WorkerClient)."""

from __future__ import annotations

from datetime import datetime

from ._bridge import schema
from ._bridge.schema import Resource, Wire

__all__ = ["ReservationFields", "ReservationInfo"]


class ReservationFields(Resource):
    """The attributes of a reservation, for a worker's own and for those that are only read."""

    __slots__ = ()

    account_sid: Wire[str] = Wire("account_sid", schema.TEXT)
    """Sid of the account."""
    date_created: Wire[datetime | None] = Wire("date_created", schema.SECONDS)
    """When it was created, in UTC."""
    date_updated: Wire[datetime | None] = Wire("date_updated", schema.SECONDS)
    """When it last changed, in UTC."""
    status: Wire[str] = Wire("reservation_status", schema.TEXT)
    """``pending``, ``accepted``, ``rejected``, ``timeout``, ``canceled``, ``rescinded``, ``wrapping`` or
    ``completed``."""
    sid: Wire[str] = Wire("sid", schema.TEXT)
    """Its sid."""
    worker_sid: Wire[str] = Wire("worker_sid", schema.TEXT)
    """Sid of the worker it is for."""
    workspace_sid: Wire[str] = Wire("workspace_sid", schema.TEXT)
    """Sid of the workspace."""
    version: Wire[str] = Wire("version", schema.VERSION)
    """Version, a decimal number as text."""
    timeout: Wire[int] = Wire("reservation_timeout", schema.INTEGER, required=False)
    """Seconds it stays pending before it times out."""
    canceled_reason_code: Wire[int | None] = Wire("canceled_reason_code", schema.OPTIONAL_INTEGER, required=False)
    """Twilio's error code where setting up its call failed; None otherwise."""


class ReservationInfo(ReservationFields):
    """One reservation, as it was in an answer. It has no events and does not change."""

    __slots__ = ()
