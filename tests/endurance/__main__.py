"""Workers for an hour, over TLS, while connections break, tokens are renewed and the service is restarted.

    python -m tests.endurance --minutes 60                               (exit code 1 on any loss, or if anything grows)
    python -m tests.endurance --minutes 60 --csv run.csv --plot run.svg

50 Workers are connected through a relay each, with TLS; a connection is broken every three seconds, in the ways of
``tests.chaos``; tasks come, are accepted, transferred, completed, left alone and canceled. The local TaskRouter has a
process and a file of its own, and is stopped and started again every ten minutes. Once a minute a line has what
happened, how long events and calls took, and what both processes take. The ledger of ``tests.chaos`` says what each
Worker must have announced, and judges each reservation two minutes after its end.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path

from tests.endurance import plots, run


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=(__doc__ or "").split("\n\n")[0])
    for name, value in vars(run.Options()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help=f"default: {value}")
    parser.add_argument("--csv", type=Path, help="write the figures of each minute to this file")
    parser.add_argument("--plot", type=Path, help="draw them into this file, e.g. run.svg; needs matplotlib")
    chosen = vars(parser.parse_args(arguments))
    table, picture = chosen.pop("csv"), chosen.pop("plot")
    if picture is not None and importlib.util.find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install matplotlib")
    report = run.run(run.Options(**chosen), lambda line: print(line, flush=True))
    print(report)
    if table is not None:
        run.write_csv(report, table)
    if picture is not None:
        plots.draw([minute.row() for minute in report.minutes], picture)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
