"""The assignment callback: its parameters, and the command of its answer. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ...._json import loads
from ...engine import commands
from ...engine.events import ReservationEvent

# Twilio's own maximum for the timeout of a dequeue.
_LONGEST_CALL_SECONDS = 999


class Unusable(Exception):
    """An answer is invalid; the text names the fault and a valid value."""


def params(event: ReservationEvent) -> dict[str, str]:
    """Return the parameters of the assignment callback; absent values are empty.

    Args:
        event: A ``reservation.created``.
    """
    task, worker, reservation = event.task, event.worker, event.reservation
    return {
        "Timestamp": str(int(event.at)),
        "AccountSid": reservation.account_sid,
        "WorkspaceSid": event.workspace_sid,
        "WorkflowSid": task.workflow_sid or "",
        "TaskQueueSid": task.task_queue_sid or "",
        "WorkerSid": worker.sid,
        "WorkerAttributes": worker.attributes,
        "TaskSid": task.sid,
        "TaskAttributes": task.attributes,
        "TaskAge": str(task.age(event.at)),
        "TaskPriority": str(task.priority),
        "ReservationSid": reservation.sid,
    }


# -- values of an answer ---------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unusable("a string")
    return value


def _switch(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise Unusable("true or false")
    return value


def _number(value: Any) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    # In Python True is an int; in JSON it is none.
    if isinstance(number, bool) or not isinstance(number, int):
        raise Unusable("an integer")
    return number


def _call_seconds(value: Any) -> int:
    seconds = _number(value)
    if not 1 <= seconds <= _LONGEST_CALL_SECONDS:
        raise Unusable(f"1 to {_LONGEST_CALL_SECONDS} seconds")
    return seconds


def _words(value: Any) -> str:
    """Convert several words: one text with commas or blanks between them, or a list."""
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return ",".join(value)
    if isinstance(value, str):
        return ",".join(value.replace(",", " ").split())
    raise Unusable("a string, or a list of strings")


def _switch_or_text(value: Any) -> bool | str:
    return value if isinstance(value, (bool, str)) else _text(value)


@attrs.frozen
class _Key:
    """One key of an answer: the instruction's parameter, and the converter of its value."""

    param: str
    read: Callable[[Any], Any] = _text
    required: bool = False


_CONFERENCE = {
    "to": _Key("To"),
    "from": _Key("From"),
    "post_work_activity_sid": _Key("PostWorkActivitySid"),
    "timeout": _Key("Timeout", _call_seconds),
    "status_callback": _Key("StatusCallback"),
    "status_callback_method": _Key("StatusCallbackMethod"),
    # Both spellings are read: REST's parameter is singular, and the instruction dequeue has the plural.
    "status_callback_event": _Key("StatusCallbackEvent", _words),
    "status_callback_events": _Key("StatusCallbackEvent", _words),
    "record": _Key("Record", _switch_or_text),
    "muted": _Key("Muted", _switch),
    "beep": _Key("Beep", _switch_or_text),
    "start_conference_on_enter": _Key("StartConferenceOnEnter", _switch),
    "end_conference_on_exit": _Key("EndConferenceOnExit", _switch),
    "end_conference_on_customer_exit": _Key("EndConferenceOnCustomerExit", _switch),
    "beep_on_customer_entrance": _Key("BeepOnCustomerEntrance", _switch),
    "wait_url": _Key("WaitUrl"),
    "wait_method": _Key("WaitMethod"),
    "early_media": _Key("EarlyMedia", _switch),
    "max_participants": _Key("MaxParticipants", _number),
    "jitter_buffer_size": _Key("JitterBufferSize"),
    "conference_status_callback": _Key("ConferenceStatusCallback"),
    "conference_status_callback_method": _Key("ConferenceStatusCallbackMethod"),
    "conference_status_callback_event": _Key("ConferenceStatusCallbackEvent", _words),
    "conference_status_callback_events": _Key("ConferenceStatusCallbackEvent", _words),
    "conference_record": _Key("ConferenceRecord", _switch_or_text),
    "conference_trim": _Key("ConferenceTrim"),
    "recording_channels": _Key("RecordingChannels"),
    "recording_status_callback": _Key("RecordingStatusCallback"),
    "recording_status_callback_method": _Key("RecordingStatusCallbackMethod"),
    "conference_recording_status_callback": _Key("ConferenceRecordingStatusCallback"),
    "conference_recording_status_callback_method": _Key("ConferenceRecordingStatusCallbackMethod"),
    "region": _Key("Region"),
    "sip_auth_username": _Key("SipAuthUsername"),
    "sip_auth_password": _Key("SipAuthPassword"),
    "transcribe": _Key("Transcribe", _switch),
    "transcription_configuration": _Key("TranscriptionConfiguration"),
}

INSTRUCTIONS: dict[str, dict[str, _Key]] = {
    "accept": {},
    "reject": {"activity_sid": _Key("WorkerActivitySid")},
    "dequeue": {
        "to": _Key("DequeueTo"),
        "from": _Key("DequeueFrom"),
        "post_work_activity_sid": _Key("DequeuePostWorkActivitySid"),
        "record": _Key("DequeueRecord"),
        "timeout": _Key("DequeueTimeout", _call_seconds),
        "status_callback_url": _Key("DequeueStatusCallbackUrl"),
        "status_callback_events": _Key("DequeueStatusCallbackEvent", _words),
    },
    "call": {
        "from": _Key("CallFrom", required=True),
        "url": _Key("CallUrl", required=True),
        "to": _Key("CallTo"),
        "accept": _Key("CallAccept", _switch),
        "record": _Key("CallRecord"),
        "timeout": _Key("CallTimeout", _call_seconds),
        "status_callback_url": _Key("CallStatusCallbackUrl"),
    },
    "redirect": {
        "call_sid": _Key("RedirectCallSid", required=True),
        "url": _Key("RedirectUrl", required=True),
        "accept": _Key("RedirectAccept", _switch),
    },
    "conference": _CONFERENCE,
}
"""The keys of each instruction; the one table of the parameters that instructions have."""


@attrs.frozen
class Instruction:
    """The instruction of an answer, as a command."""

    command: commands.InstructReservation = attrs.field(repr=False)
    ignored: tuple[str, ...] = ()
    """Unknown keys, which are ignored."""


def instruction(body: bytes, event: ReservationEvent) -> Instruction | None:
    """Return the instruction of an answer; None if it has none.

    Args:
        body: The body of the answer.
        event: The ``reservation.created``.

    Raises:
        Unusable: The answer is invalid.
    """
    document = _document(body)
    if document is None or document.get("instruction") is None:
        return None
    name = document["instruction"]
    keys = INSTRUCTIONS.get(name.lower()) if isinstance(name, str) else None
    if keys is None:
        raise Unusable(f"its instruction is {name!r:.40}, not one of {', '.join(INSTRUCTIONS)}")
    found = _read(name.lower(), keys, document)
    # The same command as that of REST, so that the engine checks and executes both alike.
    command = commands.InstructReservation(
        workspace_sid=event.workspace_sid,
        sid=event.reservation.sid,
        instruction=name.lower(),
        # A field of the command, unlike the parameters of voice instructions.
        worker_activity_sid=found.pop("WorkerActivitySid", None),
        params=found,
    )
    return Instruction(command, tuple(sorted(key for key in document if key not in keys and key != "instruction")))


def _document(body: bytes) -> Mapping[str, Any] | None:
    # An empty answer decides nothing yet: the reservation stays pending.
    if not body.strip():
        return None
    try:
        document = loads(body)
    except ValueError:
        raise Unusable("it is not JSON") from None
    if not isinstance(document, dict):
        raise Unusable(f"it must be a JSON object, not {type(document).__name__}")
    return document


def _read(name: str, keys: Mapping[str, _Key], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an instruction; a key whose value is null counts as absent."""
    found: dict[str, Any] = {}
    for key, how in keys.items():
        value = document.get(key)
        if value is not None:
            try:
                found[how.param] = how.read(value)
            except Unusable as right:
                raise Unusable(f"{key} of its instruction {name} must be {right}") from None
        # An empty text is missing too: a call needs a number and a URL.
        if how.required and not found.get(how.param):
            raise Unusable(f"its instruction {name} needs the key {key}")
    return found
