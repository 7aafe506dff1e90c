"""Fuzz one target, guided by coverage: ``pip install atheris``, ``python -m tests.fuzz expressions --seconds 1800``.

The interesting inputs are kept in a folder for the next run (``--keep``). A finding ends the run and is written to
``tests/fuzz/corpus``, where ``test_corpus.py`` repeats it for ever.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Run until the time is over, or something is found."""
    import atheris

    with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue]
        include=["twilio_taskrouter_worker"]
    ):
        from tests.fuzz.targets import TARGETS, checked

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path(".hypothesis") / "fuzz")
    options = parser.parse_args()
    kept = options.keep / options.target
    kept.mkdir(parents=True, exist_ok=True)
    seeds = CORPUS / options.target
    seeds.mkdir(parents=True, exist_ok=True)
    arguments = [
        sys.argv[0],
        f"-max_total_time={options.seconds}",
        f"-seed={options.seed}",
        f"-artifact_prefix={seeds}/found-",
        "-max_len=2000",
        "-timeout=60",
        "-print_final_stats=1",
        str(kept),
        str(seeds),
    ]
    with checked(options.target) as target:
        atheris.Setup(arguments, target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
