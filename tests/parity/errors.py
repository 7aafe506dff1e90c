"""Refusals: when they come, and which of their parts are known to be the service's."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import requests

from .statement import World

TEXT = "text and code"
CODE = "code"
STATUS = "status"


@attrs.frozen
class Refusal:
    """One refusal."""

    when: str
    status: int
    code: int
    known: str
    """How much of it is known from the service or its documentation; the rest is ours."""
    provoke: Callable[[World], requests.Response]
    text: str = ""
    """A part of the message, where it is known."""


def _unknown(w: World) -> requests.Response:
    return w.ask("GET", "/Workers/WK" + "0" * 32)


def _stranger(w: World) -> requests.Response:
    return requests.get(f"{w.router.url}/v1/Workspaces", auth=("AC" + "0" * 32, "x"), timeout=30)


def _another_version(w: World) -> requests.Response:
    return w.ask("POST", w.task(), None, **{"If-Match": '"9"'})


def _rescinded(w: World) -> requests.Response:
    w.post(f"/TaskQueues/{w.queue}", MaxReservedWorkers=2)
    w.worker("Alice")
    w.worker("Bob")
    task = w.task()
    w.post(w.offers(task)[0], ReservationStatus="accepted")
    return w.ask("POST", w.offers(task, "rescinded")[0], {"ReservationStatus": "accepted"})


REFUSALS = (
    Refusal("wrong credentials", 401, 20003, CODE, _stranger, "Authenticate"),
    Refusal("nothing is at the path", 404, 20404, TEXT, _unknown, "The requested resource /Workspaces/"),
    Refusal("another method", 405, 20004, CODE, lambda w: w.ask("DELETE", "/Workers")),
    Refusal("another version in If-Match", 412, 20412, STATUS, _another_version),
    Refusal("a parameter is missing", 400, 20001, CODE, lambda w: w.ask("POST", "/Workers", {})),
    Refusal(
        "a worker's name is taken", 400, 20001, TEXT,
        lambda w: (w.worker(), w.ask("POST", "/Workers", {"FriendlyName": "Alice"}))[1],
        "Worker with the same friendly name already exists",
    ),
    Refusal(
        "a queue's name is taken", 400, 20001, TEXT,
        lambda w: w.ask("POST", "/TaskQueues", {"FriendlyName": "Sample Queue"}),
        "Queue named Sample Queue already exists for workspace WS",
    ),
    Refusal(
        "a task that is assigned is canceled", 400, 20001, TEXT,
        lambda w: w.ask("POST", w.accepted()[1], {"AssignmentStatus": "canceled"}),
        "because it is not pending or reserved.",
    ),
    Refusal(
        "a task that is pending is completed", 400, 20001, TEXT,
        lambda w: w.ask("POST", w.task(), {"AssignmentStatus": "completed"}),
        "because it is not currently assigned.",
    ),
    Refusal(
        "a task that is pending is wrapped up", 400, 20001, TEXT,
        lambda w: w.ask("POST", w.task(), {"AssignmentStatus": "wrapping"}),
        "because it's not currently assigned",
    ),
    Refusal(
        "a reservation is in another state", 400, 20001, TEXT,
        lambda w: w.ask("POST", w.accepted()[2], {"ReservationStatus": "accepted"}),
        "not in expected state [pending] and cannot be updated to [accepted]",
    ),
    Refusal("a rescinded reservation is accepted", 410, 20410, STATUS, _rescinded),
    Refusal(
        "the instruction call on what is not pending", 400, 40114, TEXT,
        lambda w: w.ask("POST", w.accepted()[2], {"Instruction": "call", "CallFrom": "+1", "CallUrl": "http://x/"}),
        "Unable to execute Call instruction.",
    ),
    Refusal(
        "the instruction redirect on what is not pending", 400, 40123, CODE,
        lambda w: w.ask(
            "POST", w.accepted()[2], {"Instruction": "redirect", "RedirectCallSid": "CA1", "RedirectUrl": "http://x/"}
        ),
    ),
    Refusal("an unknown instruction", 400, 55555, CODE, lambda w: w.ask("POST", w.offered()[2], {"Instruction": "x"})),
    Refusal(
        "an address without scheme", 400, 20001, TEXT,
        lambda w: w.ask("POST", w.offered()[2], {"Instruction": "call", "CallFrom": "+1", "CallUrl": "x"}),
        "'x' is not a valid CallUrl",
    ),
)  # fmt: skip
"""Those of REST; what access tokens are refused with is on the page about them."""
