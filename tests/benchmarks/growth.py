"""The local TaskRouter against its goals, and how its costs grow with waiting tasks and with the journal.

python -m tests.benchmarks.growth                      (some 4 minutes, half of them for the longest journal)
python -m tests.benchmarks.growth --journal 1000 10000 --only engine,restart
python -m tests.benchmarks.growth --docs               also write table and plots of docs/performance.rst (matplotlib)
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks import engine, keeping, moments, service
from tests.benchmarks.client.plots import draw_lines

DOCS = Path(__file__).resolve().parents[2] / "docs"


class Row(NamedTuple):
    """A figure and its goal."""

    what: str
    goal: str
    measured: str
    met: bool

    def __str__(self) -> str:
        return "|".join([*self[:3], "met" if self.met else "missed"])


def decisions(given: argparse.Namespace) -> Iterator[Row]:
    """Measure the life of a task, by the number of tasks that wait."""
    micros = {}
    for size in given.pending:
        figure = engine.measure(size, workers=1000, queues=20, lives=given.lives)
        print(figure, flush=True)
        micros[size] = 1e6 * figure.seconds / figure.lives
    if given.docs:
        draw_lines(
            DOCS / "performance-decision.svg",
            {"local TaskRouter": micros},
            title="Cost of a task's life against waiting tasks",
            x="waiting tasks",
            y="processor time, microseconds",
        )
    few, many = min(micros), 10_000 if 10_000 in micros else max(micros)
    rate, ratio = 1e6 / micros[many], micros[many] / micros[few]
    yield Row(f"engine alone: lives/s with {many:,} tasks waiting", "≥ 10,000", f"{rate:,.0f}", rate >= 10_000)
    yield Row(f"engine alone: a life's cost, with {few:,} waiting = 1", "≤ 1.2", f"{ratio:.2f}", ratio <= 1.2)


def restarts(given: argparse.Namespace) -> Iterator[Row]:
    """Measure the time until a service is up again, by the number of commands in its file."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        db = os.path.join(folder, "state.db")
        for length in sorted(given.journal):
            keeping.grow(db, length)
            found[length] = statistics.median(keeping.start_seconds(db) for _ in range(3))
            size = os.path.getsize(db) / 1e6
            print(f"{length:>9} commands  {size:>7.1f} MB  restart in {found[length]:.2f} s", flush=True)
    if given.docs:
        draw_lines(
            DOCS / "performance-restart.svg",
            {"local TaskRouter": found},
            title="Restart against the length of the journal",
            x="commands in the file",
            y="seconds",
        )
    length, taken = max(found.items())
    yield Row(f"restart from a file with {length:,} commands, s", "< 5", f"{taken:.2f}", taken < 5)


def journeys(given: argparse.Namespace) -> Iterator[Row]:
    """Measure views of earlier moments and forks of the present one."""
    shape = ["--entries", str(given.entries), "--views", str(given.views), "--forks", str(given.forks)]
    times = dict(moments.measure(moments.options(shape)))
    for name, found in times.items():
        print(moments.figures(name, found), flush=True)
    where = f"a journal of {given.entries:,} entries"
    for name, what, goal in (
        ("view of a random moment", f"view of any moment of {where}", 0.5),
        ("fork of the present", "fork of a running service", 0.2),
    ):
        clock = [taken for taken, _ in times[name]]
        measured = f"{statistics.median(clock):.3f} · {max(clock):.3f}"
        yield Row(f"{what}, s: median · worst of {len(clock)}", f"< {goal} · < {goal}", measured, max(clock) < goal)


def services(given: argparse.Namespace) -> Iterator[Row]:
    """Measure lives through sockets, in memory and with a file in turns."""
    memory: list[float] = []
    file: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(given.turns):
            for name, found, arguments in (
                ("in memory", memory, []),
                ("with db=", file, ["--db", os.path.join(folder, f"{turn}.db")]),
            ):
                lived = service.lives(arguments, given.workers, given.tasks)
                print(f"{name:<10}{lived}", flush=True)
                found.append(lived.rate)
    rate, ratio = statistics.median(memory), statistics.median(file) / statistics.median(memory)
    where = f"{given.workers} Workers in a second process"
    yield Row(f"lives/s through sockets, {where}", "≥ 1,000", f"{rate:,.0f}", rate >= 1000)
    yield Row("the same with db=, in memory = 1", "≥ 0.7", f"{ratio:.2f}", ratio >= 0.7)


PARTS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "engine": decisions,
    "service": services,
    "moments": journeys,
    "restart": restarts,
}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; write the table and the plots if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--pending", type=int, nargs="+", default=[100, 1_000, 10_000, 30_000])
    parser.add_argument("--lives", type=int, default=20_000, help="lives of tasks for each number of waiting tasks")
    parser.add_argument("--journal", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--entries", type=int, default=100_000, help="length of the journal for views and forks")
    parser.add_argument("--views", type=int, default=40)
    parser.add_argument("--forks", type=int, default=10)
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--tasks", type=int, default=3_000, help="lives through sockets, each turn")
    parser.add_argument("--turns", type=int, default=3, help="in memory and with a file")
    parser.add_argument(
        "--docs", action="store_true", help="write docs/performance-{local.csv,decision.svg,restart.svg}"
    )
    given = parser.parse_args(arguments)
    rows = [row for part in given.only.split(",") for row in PARTS[part](given)]
    print("\n".join(["", *map(str, rows)]))
    if given.docs:
        _write(DOCS / "performance-local.csv", rows)


def _write(path: Path, rows: list[Row]) -> None:
    """Replace the rows of a table; those of parts that were not measured stay."""
    kept = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    found = {line.partition("|")[0]: line for line in kept} | {row.what: str(row) for row in rows}
    path.write_text("\n".join(["figure|goal|measured|", *found.values()]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
