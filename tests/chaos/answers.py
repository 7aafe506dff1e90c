"""Calls whose answers are garbage."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.chaos import cases, oracle
from tests.chaos.oracle import Fate
from tests.chaos.raw_http import RawAnswer, answered
from tests.data.attributes import LONG_FORM
from tests.tools import payloads
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.reservation import Reservation

if TYPE_CHECKING:
    from tests.chaos.client import ChaosClient
    from tests.chaos.garbage import Case


@dataclass(frozen=True)
class Call:
    """One call, and what a good answer to it is."""

    name: str
    make: Callable[[Worker, Reservation], Future[Any]]
    owner: str
    example: str

    @property
    def good(self) -> dict[str, Any]:
        """The document of a good answer."""
        payload = payloads.load(self.example)
        if "attributes" in payload:
            payload["attributes"] = json.dumps({"customer": cases.SECRET})
        return {"payload": payload}

    def placed(self, data: bytes, sids: tuple[str, str], worker_sid: str) -> bytes:
        """The answer about the reservation and the task that there are; all sids are of one length."""
        payload = payloads.load(self.example)
        places = {"Reservation": [("sid", sids[0]), ("task_sid", sids[1])], "Task": [("sid", sids[1])]}
        for key, sid in places.get(self.owner, []):
            old = payload.get(key) or payload.get("task", {}).get("sid", "")
            data = data.replace(old.encode(), sid.encode()) if old else data
        return data

    def fate(self, body: bytes, sids: tuple[str, str], known: dict[str, Any]) -> Fate:
        """What must become of an answer with this body."""
        try:
            document = oracle.parsed(body)
        except ValueError:
            return Fate.REPORT
        payload = document.get("payload") if isinstance(document, dict) else None
        if self.owner == "sid":
            good = isinstance(payload, dict) and isinstance(payload.get("sid"), str)
            return Fate.USE if good else Fate.REPORT
        if not isinstance(payload, dict):
            return Fate.REPORT
        short = LONG_FORM if self.owner == "Reservation" else ()
        # In the short form, null is as good as absent.
        verdict = oracle.fits(
            self.owner, {key: value for key, value in payload.items() if value is not None or key not in short}, short
        )
        if verdict is None:
            return Fate.ANY
        return Fate.USE if verdict and self._about(payload, sids, known) else Fate.REPORT

    def _about(self, payload: dict[str, Any], sids: tuple[str, str], known: dict[str, Any]) -> bool:
        """Whether a good payload is about the right thing."""
        if self.owner == "Worker":
            return payload["sid"] == known["worker"] and payload["activity_sid"] in known["activities"]
        if self.owner == "Reservation":
            task = payload.get("task") or {"sid": sids[1]}
            return bool(payload["sid"] == sids[0] and task["sid"] == sids[1])
        return self.owner != "Task" or bool(payload["sid"] == sids[1])

    def wrong_changes(
        self, sids: tuple[str, str], before: dict[Any, Any], after: dict[Any, Any], body: bytes
    ) -> list[str]:
        """What has changed to something the answer does not say."""
        payload = oracle.parsed(body)["payload"]
        wrong = [f"{kind} {sid}" for kind, sid in before.keys() ^ after.keys()]
        for key in before.keys() & after.keys():
            was, now = before[key], after[key]
            if was == now:
                continue
            if key == ("Reservation", sids[0]) and self.owner == "Transfer":
                first, then = (each["task"]["transfers"]["outgoing"] or {} for each in (was, now))
                wrong += oracle.wrong_changes("Transfer", first, then, payload)
            elif key == ("Reservation", sids[0]) and self.owner == "Task":
                wrong += oracle.wrong_changes("Task", was["task"], now["task"], payload)
            elif key == ("Reservation", sids[0]) or key[0] == "Worker":
                wrong += oracle.wrong_changes(key[0], was, now, payload)
            else:
                wrong.append(f"{key[0]} {key[1]}")
        return wrong


ACCEPT = Call("accept", lambda worker, reservation: reservation.accept(), "Reservation", "rest.reservation.instance")
CALLS = (
    ACCEPT,
    Call("reservation", lambda _, reservation: reservation.fetch_latest_version(), "Reservation", "rest.reservation"),
    Call("complete", lambda worker, reservation: reservation.task.complete("done"), "Task", "rest.task"),
    Call("task", lambda worker, reservation: reservation.task.fetch_latest_version(), "Task", "rest.task"),
    Call("attributes", lambda worker, reservation: worker.set_attributes({}), "Worker", "rest.worker"),
    Call("worker", lambda worker, reservation: worker.fetch_latest_version(), "Worker", "rest.worker"),
    Call("transfer", lambda _, reservation: reservation.task.transfer("WK" + "0" * 32), "Transfer", "rest.transfer"),
    Call("create", lambda worker, reservation: worker.create_task("a", "b", "WW1", "WQ1"), "sid", "rest.task.created"),
)


def payload_cases() -> Iterator[tuple[str, Case]]:
    """Each call, answered with one thing wrong."""
    for call in CALLS:
        for name, body in cases.changes(call.good, 0):
            yield f"{call.name}: {name}", _answer_case(call, body)


def body_cases(rng: random.Random) -> Iterator[tuple[str, Case]]:
    """Each call, answered with a text that is nearly JSON."""
    for call in CALLS:
        for name, body in cases.spoiled(json.dumps(call.good).encode(), rng):
            yield f"{call.name}: {name}", _answer_case(call, body)


def raw_cases(rng: random.Random) -> Iterator[tuple[str, Case]]:
    """A call, answered with HTTP that is none. It is one that changes something, and so is not made again."""
    for name, raw, may_succeed in cases.raw_answers(json.dumps(ACCEPT.good).encode(), rng):
        yield name, _raw_case(raw, may_succeed)


def list_cases() -> Iterator[tuple[str, Case]]:
    """Each list that is read when connecting, with one record wrong."""
    for which, page, owner in (
        ("Activities", "rest.page.activities", "Activity"),
        ("WorkerChannels", "rest.page.channels", "Channel"),
        ("Reservations", "rest.page.reservations", "Reservation"),
    ):
        good = payloads.load(page)
        record = json.loads(json.dumps(good["contents"][0]).replace(good["contents"][0]["sid"], "XX" + "1" * 32))
        for name, text in cases.changes(record, 0):
            yield f"{which}: {name}", _list_case(which, good, owner, text)


def _answer_case(call: Call, body: bytes) -> Case:
    return lambda client: client.answer(call, RawAnswer(answered(body), "keep"))


def _raw_case(raw: list[RawAnswer], may_succeed: bool) -> Case:
    return lambda client: client.answer(ACCEPT, *raw, may_succeed=may_succeed)


def _list_case(which: str, page: dict[str, Any], owner: str, text: bytes) -> Case:
    def case(client: ChaosClient) -> str:
        place = "@@RECORD@@"
        contents = [*page["contents"], place]
        body = json.dumps({"payload": {**page, "contents": contents, "after_sid": None}}).encode()
        body = body.replace(json.dumps(place).encode(), text)
        try:
            record = oracle.parsed(text)
        except ValueError:
            # The whole page cannot be read; the client tries again, and the bridge answers well then.
            return client.listed(which, body, set(), 1)
        good = oracle.fits(owner, record)
        sids = {each["sid"] for each in page["contents"]}
        spoiled = None if good is None else int(not good)
        return client.listed(which, body, sids | ({record["sid"]} if good else set()), spoiled)

    return case
