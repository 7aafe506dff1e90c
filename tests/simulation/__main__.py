"""The command line: ``python -m tests.simulation --seeds 1000-2000``."""

from __future__ import annotations

import argparse
import sys
import time

from . import mutations, report
from .plan import plan_of
from .shrinking import shrunk
from .world import run


def main(arguments: list[str] | None = None) -> int:
    """Run simulations; returns the exit code, 1 if one failed.

    Args:
        arguments: Those of the command line; None: the process's.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=_range, default=range(1, 101), metavar="FIRST-LAST", help="which to run")
    parser.add_argument("--processes", type=int, default=1, help="how many at once")
    parser.add_argument("--minutes", type=float, help="go on from the first seed for this long, whatever the last one")
    parser.add_argument("--mutations", action="store_true", help="check that deliberate bugs are found")
    parser.add_argument("--only", help="with --mutations: the one of this name")
    parser.add_argument("--most", type=int, default=10_000, help="with --mutations: seeds tried for each")
    parser.add_argument("--trace", action="store_true", help="print the events of a single seed")
    given = parser.parse_args(arguments)
    if given.mutations:
        return mutations.check(given.only, given.most, given.processes)
    totals = report.Totals()
    began = time.monotonic()
    seconds = None if given.minutes is None else given.minutes * 60
    for outcome in report.outcomes(given.seeds, given.processes, seconds):
        totals.add(outcome)
        if outcome.violation is not None:
            print(f"seed {outcome.plan.seed}: {outcome.violation}", flush=True)
            # Run again in this process: only the plan travels between processes, and a trace is worth the time.
            print(report.failure(shrunk(plan_of(outcome.plan.seed))), flush=True)
        elif len(given.seeds) == 1 and given.trace:
            print("\n".join(run(outcome.plan).trace))
        if totals.runs % 200 == 0:
            print(totals.line(time.monotonic() - began), flush=True)
    print(totals.text(time.monotonic() - began))
    return 1 if totals.failed else 0


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
