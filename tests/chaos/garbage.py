"""Garbage as frames and as answers: never a dead thread, never a wrong object, always a report.

    python -m tests.chaos.garbage --seed 1 --cases 10000

Each case sends a client something wrong, through a bridge that sends what it is told, and compares with ``oracle``:
what must be reported is reported by one ``error`` event or a failed Future, of the library's own classes and without a
customer's data, and changes nothing; what may be used changes nothing but what it says. Before and after each case a
good event must arrive, and calls go on working. With ``--cases 0`` all of the systematic cases run. The exit code is 1
if anything went wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos import answers, cases
from tests.chaos.client import ChaosClient, Wrong
from tests.chaos.guesses import guess
from tests.tools.wait import eventually, open_sockets

CALL_EVERY = 50
"""Cases between two calls that must work."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    seed: int = 1
    cases: int = 10_000
    """How many in all; 0 for every systematic one, and as many random ones."""


@dataclass
class Report:
    """What came of it."""

    options: Options
    counts: Counter[str] = field(default_factory=Counter)
    fates: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        """How many were run."""
        return sum(self.counts.values())

    @property
    def good(self) -> bool:
        """Whether nothing went wrong, and there were as many cases as wanted."""
        return not self.wrong and self.cases >= self.options.cases

    def __str__(self) -> str:
        lines = [
            f"seed {self.options.seed}, {self.cases} cases in {self.seconds:.0f} s",
            *(f"{name:<28}{number}" for name, number in sorted(self.counts.items())),
            f"fates: {', '.join(f'{name} {number}' for name, number in self.fates.most_common())}",
            f"errors: {', '.join(f'{name} {number}' for name, number in self.errors.most_common())}",
            f"wrong: {len(self.wrong)}",
            *(f"WRONG {text}" for text in self.wrong[:40]),
        ]
        return "\n".join([*lines, "GOOD" if self.good else "BAD"])


Case = Callable[[ChaosClient], str]
"""Runs at a client; gives the fate in a word, raises Wrong."""


class Run:
    """All cases of one run, at a client that is made anew where a case has spoiled it."""

    def __init__(self, options: Options) -> None:
        self.report = Report(options)
        self.random = random.Random(options.seed)
        self.log = _Log()

    def everything(self) -> Report:
        """Run the cases, a share of each sort, and look for what is left over."""
        began = time.monotonic()
        sockets, threads = open_sockets(), set(threading.enumerate())
        package = logging.getLogger("twilio_taskrouter_worker")
        dying: list[str] = []
        hook, threading.excepthook = threading.excepthook, lambda args: dying.append(repr(args.exc_value))
        package.addHandler(self.log)
        try:
            with ChaosClient() as client:
                self._frames(client)
                self._answers(client)
                self._connections(client)
                self._guess(client)
        finally:
            package.removeHandler(self.log)
            threading.excepthook = hook
        self.report.wrong += [f"a thread died: {text}" for text in dying]
        self.report.wrong += [f"the log has: {text}" for text in self.log.defects]
        self._leftovers(sockets, threads)
        self.report.seconds = time.monotonic() - began
        return self.report

    def _leftovers(self, sockets: Counter[str], threads: set[threading.Thread]) -> None:
        def left() -> list[str]:
            alive = [each.name for each in threading.enumerate() if each not in threads]
            return alive + list(open_sockets() - sockets)

        try:
            eventually(lambda: not left(), 6)
        except AssertionError:
            self.report.wrong.append(f"left over: {', '.join(left())}")

    def _share(self, part: float, found: Sequence[tuple[str, Case]]) -> list[tuple[str, Case]]:
        """A random choice of cases: this part of those wanted, all of them if all are wanted."""
        wanted = int(self.report.options.cases * part)
        if not self.report.options.cases or wanted >= len(found):
            return list(found)
        return self.random.sample(found, wanted)

    def _do(self, sort: str, client: ChaosClient, chosen: Sequence[tuple[str, Case]]) -> None:
        for name, case in chosen:
            self.do(sort, client, name, case)

    def do(self, sort: str, client: ChaosClient, name: str, case: Case) -> None:
        """Run one case, and count how it went."""
        try:
            fate = case(client)
            client.tidy()
            if self.report.cases % CALL_EVERY == 0:
                client.call_works()
        except (Wrong, AssertionError) as error:
            self.report.wrong.append(f"{sort}: {name[:120]}: {error}"[:600])
            fate = "wrong"
            client.renew()
        self.report.counts[sort] += 1
        self.report.fates[fate] += 1
        self.report.errors.update(client.take_errors())

    # -- the sorts -------------------------------------------------------------------------------------------------

    def _frames(self, client: ChaosClient) -> None:
        systematic = list(_event_cases())
        self._do("event, one thing wrong", client, self._share(0.45, systematic))
        loose = [(name, _frame_case(data)) for name, data in cases.loose_frames(self.random)]
        self._do("frame, no good event", client, self._share(0.08, loose))
        spoiled = [
            (f"{each}: {name}", _event_case(each, data))
            for each in cases.EVENT_EXAMPLES
            for name, data in cases.spoiled(json.dumps(cases.example(each)).encode(), self.random)
        ]
        self._do("event, spoiled text", client, self._share(0.1, spoiled))
        odd = [
            ("a binary frame", _frame_case(b'{"event_type": "init"}', binary=True)),
            ("a message in pieces", _pieces_case),
            ("half a MB of attributes", _big_case),
            ("half a MB of nothing", _frame_case(b"x" * 500_000)),
        ]
        self._do("frame, odd form", client, odd)

    def _answers(self, client: ChaosClient) -> None:
        self._do("answer, one thing wrong", client, self._share(0.17, list(answers.payload_cases())))
        self._do("answer, spoiled body", client, self._share(0.03, list(answers.body_cases(self.random))))
        self._do("answer, spoiled HTTP", client, self._share(0.015, list(answers.raw_cases(self.random))))

    def _connections(self, client: ChaosClient) -> None:
        self._do("list, one record wrong", client, self._share(0.01, list(answers.list_cases())))
        wires = [(name, _wire_case(data)) for name, data in cases.broken_wires()]
        self._do("websocket, broken protocol", client, self._share(0.005, wires))

    def _guess(self, client: ChaosClient) -> None:
        """What is missing of the number, by Hypothesis."""
        left = self.report.options.cases - self.report.cases if self.report.options.cases else self.report.cases
        guess(lambda name, case: self.do("guess", client, name, case), max(left, 10), self.report.options.seed)


def _event_cases() -> Iterator[tuple[str, Case]]:
    for each in cases.EVENT_EXAMPLES:
        for name, data in cases.changes(cases.example(each), 1):
            yield f"{each}: {name}", _event_case(each, data)


def _event_case(example: str, data: bytes) -> Case:
    return lambda client: client.event(example, data)


def _frame_case(data: bytes, *, binary: bool = False) -> Case:
    return lambda client: client.frame(data, binary=binary)


def _wire_case(data: bytes) -> Case:
    return lambda client: client.broken(data)


def _pieces_case(client: ChaosClient) -> str:
    return client.in_pieces("task.updated")


def _big_case(client: ChaosClient) -> str:
    example = cases.example("task.updated")
    example["payload"]["attributes"] = json.dumps({"big": "\u00e4" * 60_000})
    return client.event("task.updated", json.dumps(example, ensure_ascii=False).encode())


class _Log(logging.Handler):
    """Keeps what the library logs about itself being wrong, or with a customer's data."""

    def __init__(self) -> None:
        super().__init__()
        self.defects: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "defect of the library" in text or cases.SECRET in text:
            self.defects.append(f"{text[:200]} {record.exc_info and record.exc_info[1]!r}"[:400])


def run(options: Options) -> Report:
    """Do one run and report."""
    return Run(options).everything()


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.garbage", description=(__doc__ or "").split("\n\n")[0])
    for name, value in vars(Options()).items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default: {value}")
    report = run(Options(**vars(parser.parse_args(arguments))))
    print(report)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
