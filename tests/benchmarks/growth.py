"""How the service's costs grow: a decision against the waiting tasks, a restart against the length of the journal.

python -m tests.benchmarks.growth                      (some 10 minutes, most of them for the longest journal)
python -m tests.benchmarks.growth --journal 1000 10000
python -m tests.benchmarks.growth --docs               also write the plots of docs/performance.rst (matplotlib)
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.benchmarks import engine, keeping
from tests.benchmarks.client.plots import draw_lines

DOCS = Path(__file__).resolve().parents[2] / "docs"


def decisions(sizes: list[int], lives: int) -> dict[int, float]:
    """Return the microseconds of processor time for the life of a task, by the number of tasks that wait."""
    found = {}
    for size in sizes:
        figure = engine.measure(size, workers=1000, queues=20, lives=lives)
        print(figure, flush=True)
        found[size] = 1e6 * figure.seconds / figure.lives
    return found


def restarts(lengths: list[int]) -> dict[int, float]:
    """Return the seconds until a service is up again, by the number of commands in its file."""
    found = {}
    for length in lengths:
        with tempfile.TemporaryDirectory() as folder:
            _, seconds, size = keeping.restart(folder, length)
        print(f"{length:>9} commands  {size / 1e6:>7.1f} MB  restart in {seconds:.2f} s", flush=True)
        found[length] = seconds
    return found


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; draw if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pending", type=int, nargs="+", default=[100, 1_000, 10_000, 30_000])
    parser.add_argument("--journal", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--lives", type=int, default=5_000, help="lives of tasks for each number of waiting tasks")
    parser.add_argument("--docs", action="store_true", help="write docs/performance-decision.svg and -restart.svg")
    options = parser.parse_args(arguments)
    decided, restarted = decisions(options.pending, options.lives), restarts(options.journal)
    if options.docs:
        draw_lines(
            DOCS / "performance-decision.svg",
            {"local TaskRouter": decided},
            title="Cost of a task's life against waiting tasks",
            x="waiting tasks",
            y="processor time, microseconds",
        )
        draw_lines(
            DOCS / "performance-restart.svg",
            {"local TaskRouter": restarted},
            title="Restart against the length of the journal",
            x="commands in the file",
            y="seconds",
        )


if __name__ == "__main__":
    main()
