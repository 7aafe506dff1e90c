"""The receiver of TaskRouter's webhooks; their signatures are checked before these functions are called."""

from __future__ import annotations

import os
from typing import Any

from twilio_taskrouter_worker.webhooks import AssignmentCallback, EventCallback, Receiver, dequeue

from .models import Event


def receiver() -> Receiver:
    """Make the receiver."""
    return Receiver(
        os.environ["TWILIO_AUTH_TOKEN"],
        on_assignment=decide,
        on_event=note,
        # Behind a proxy, the address that TaskRouter calls, e.g. https://desk.example.com.
        public_url=os.environ.get("DESK_PUBLIC_URL"),
    )


def decide(assignment: AssignmentCallback) -> dict[str, Any] | None:
    """Decide for the worker, or return None to leave it to the process with the websocket."""
    if "call_sid" in assignment.task_attributes:
        return dequeue()  # calls the worker's phone, and accepts when it is answered
    return None


def note(event: EventCallback) -> None:
    """Keep what happens, for the page; an event that TaskRouter repeats is kept once."""
    Event.objects.get_or_create(sid=event.sid, defaults={"type": event.event_type, "description": event.description})
