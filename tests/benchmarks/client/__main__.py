"""The client against the SDK in JavaScript and against a bare stand-in: all scenarios, one table.

    python -m tests.benchmarks.client                  plain sockets, then TLS; five repetitions, a quarter of an hour
    python -m tests.benchmarks.client --only S2,S4 --reps 3 --transports plain
    python -m tests.benchmarks.client --orjson         with orjson for both clients in Python
    python -m tests.benchmarks.client --out FILE --docs    also write the tables and plots of docs/performance.rst

``--out`` adds to what the file holds already, so that the scenarios may be run one by one, when the machine is quiet.

It needs ``node`` and ``npm``, and ``openssl`` for TLS; what it installs goes into a temporary directory. Clients take
turns within each repetition, and the median of the repetitions counts: figures of two runs cannot be compared, ratios
of one run can.
"""

from __future__ import annotations

import argparse
import base64
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import certifi

from tests.benchmarks.client.plots import draw
from tests.benchmarks.client.scenarios import ROWS, Row, Scenario, scenarios
from tests.tools.certificates import make_certificates

ROOT = Path(__file__).resolve().parents[3]
HERE = Path(__file__).resolve().parent
SDK = "twilio-taskrouter@2.1.1"
CLIENTS = ("js", "ours", "bare")
ATTEMPTS = 3

Figures = dict[str, dict[str, dict[str, float]]]
"""By scenario, client and figure."""


def _token() -> str:
    """A token that no one verifies."""
    grant = {"workspace_sid": "WS1", "worker_sid": "WK1", "role": "worker"}
    claims = {"iss": "SK1", "sub": "AC1", "exp": 4102444800, "grants": {"identity": "x", "task_router": grant}}
    header = {"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"}
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (header, claims)]
    return ".".join([*parts, "c2ln"])


class Bench:
    """What all runs of the drivers share."""

    def __init__(self, directory: Path, node_modules: str, orjson: bool) -> None:
        self._directory = directory
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(directory / "cache")}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment["NODE_PATH"] = node_modules
        if orjson:
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "-q", "--target", directory / "orjson", "orjson"], check=True
            )
            self.environment["PYTHONPATH"] += os.pathsep + str(directory / "orjson")
        certificates = make_certificates(directory)
        self._served_with = ["--certificate", str(certificates.certificate), "--key", str(certificates.key)]
        # As large as the one that a user has: reading it is part of what TLS costs.
        bundle = directory / "bundle.pem"
        bundle.write_text(Path(certifi.where()).read_text() + certificates.ca_file.read_text())
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            self.environment[name] = str(bundle)
        self.environment["NODE_EXTRA_CA_CERTS"] = str(certificates.ca_file)

    @contextmanager
    def bridge(self) -> Iterator[dict[str, Any]]:
        """The mock bridge in a process of its own; gives what drivers have to know of it."""
        command = [sys.executable, "-m", "tests.benchmarks.client.bridge", *self._served_with]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
            assert process.stdin is not None and process.stdout is not None
            port, tls_port = map(int, process.stdout.readline().split())
            try:
                yield {"port": port, "tls_port": tls_port, "token": _token()}
            finally:
                process.stdin.close()

    def run(self, client: str, scenario: Scenario, bridge: dict[str, Any]) -> dict[str, float]:
        """One scenario with one client; repeated if it fails, as a busy machine can cost a client its connection."""
        for attempt in range(1, ATTEMPTS + 1):
            found, complaint = self._run(client, scenario, bridge)
            if not complaint:
                return found
            print(f"# {client}, {scenario.name}, attempt {attempt}: {complaint}", file=sys.stderr, flush=True)
        raise SystemExit(f"{client}, {scenario.name}: failed {ATTEMPTS} times")

    def _run(self, client: str, scenario: Scenario, bridge: dict[str, Any]) -> tuple[dict[str, float], str]:
        """The figures, and the reason where the driver failed."""
        given = json.dumps({**bridge, **scenario.given})
        if client == "js":
            command = ["node", "--expose-gc", str(HERE / "driver.js"), scenario.driver, given]
        else:
            command = [sys.executable, "-m", "tests.benchmarks.client.driver", client, scenario.driver, given]
        begun = time.perf_counter()
        with subprocess.Popen(
            command, env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            found: dict[str, float] = {}
            for line in process.stdout:
                if line == "READY\n":
                    found["spawn_ms"] = 1e3 * (time.perf_counter() - begun)
                else:
                    found.update(json.loads(line))
            complaint = process.stderr.read()
        return found, f"ended with {process.returncode}\n{complaint[-2000:]}" if process.returncode else ""


def measure(
    bench: Bench, chosen: list[Scenario], clients: list[str], reps: int, keep: Callable[[Figures], None], *, tls: bool
) -> Figures:
    """Run what is measured over this transport; return the medians, and pass those of each scenario to ``keep``."""
    figures: Figures = {}
    for scenario in chosen:
        if tls and not scenario.tls:
            continue
        # A bridge for each scenario: one client's leftovers must not slow another scenario down.
        with bench.bridge() as bridge:
            bridge = bridge if tls else {**bridge, "tls_port": 0}
            rounds: dict[str, list[dict[str, float]]] = {client: [] for client in clients}
            for rep in range(min(reps, scenario.most)):
                turn = rep % len(clients)
                for client in (*clients[turn:], *clients[:turn]):
                    rounds[client].append(bench.run(client, scenario, bridge))
        figures[scenario.name] = {
            client: {name: statistics.median(each[name] for each in found) for name in found[0]}
            for client, found in rounds.items()
        }
        keep({scenario.name: figures[scenario.name]})
        print(f"# {scenario.name}: {_short(figures[scenario.name])}", file=sys.stderr, flush=True)
    return figures


def _short(found: dict[str, dict[str, float]]) -> str:
    return "; ".join(f"{client} {', '.join(f'{v:,.4g}' for v in values.values())}" for client, values in found.items())


# -- the table -----------------------------------------------------------------------------------------------------


def table(figures: Figures, *, orjson: bool = False) -> list[list[str]]:
    """One line for each figure: JavaScript, ours, bare, the two ratios with their goals, met or missed."""
    return [line(row, figures[row.scenario], orjson=orjson) for row in ROWS if row.scenario in figures]


def line(row: Row, found: dict[str, dict[str, float]], *, orjson: bool) -> list[str]:
    ours = found["ours"][row.figure]
    goals = {"js": row.js_with_orjson if orjson and row.js_with_orjson else row.against_js, "bare": row.against_bare}
    cells, verdicts = [row.label], []
    for client in ("js", "ours", "bare"):
        cells.append(f"{found[client][row.figure]:,.4g}" if client in found else "")
    for client, goal in goals.items():
        if client not in found:
            cells.append("")
            continue
        theirs = found[client][row.figure]
        ratio = ours / theirs if theirs else 1.0 if not ours else float("inf")
        sign = ">=" if row.more_is_better else "<="
        cells.append(f"{ratio:.2f}" + (f" ({sign} {goal:g})" if goal else ""))
        if goal:
            verdicts.append(ratio >= goal if row.more_is_better else ratio <= goal)
    return [*cells, "" if not verdicts else "met" if all(verdicts) else "missed"]


HEADINGS = ["figure", "JS", "ours", "bare", "ours / JS (goal)", "ours / bare (goal)", ""]


def text_of(rows: list[list[str]]) -> str:
    widths = [max(len(row[index]) for row in [HEADINGS, *rows]) for index in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [HEADINGS, *rows]
    )


# -- the command ---------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--reps", type=int, default=5, help="repetitions of each scenario (5)")
    parser.add_argument("--only", default="", help="e.g. S2,S4: scenarios whose names begin so")
    parser.add_argument("--clients", default=",".join(CLIENTS), help="of js, ours and bare")
    parser.add_argument("--transports", default="plain,tls", help="plain, tls or both")
    parser.add_argument("--scale", type=float, default=1.0, help="a fraction, for smaller numbers (1.0)")
    parser.add_argument("--orjson", action="store_true", help="install orjson, for both clients in Python")
    parser.add_argument("--node-modules", default="", help="where the SDK is installed already")
    parser.add_argument("--out", type=Path, help="a JSON file for all figures; what it holds already stays")
    parser.add_argument("--docs", action="store_true", help="write docs/performance-*: tables, and plots (matplotlib)")
    chosen = parser.parse_args(arguments)
    # Where it is installed, both clients in Python use it, whether or not they are asked to.
    chosen.orjson = chosen.orjson or importlib.util.find_spec("orjson") is not None
    clients = chosen.clients.split(",")
    wanted = [
        each
        for each in scenarios(chosen.scale)
        if not chosen.only or any(each.name.startswith(part) for part in chosen.only.split(","))
    ]
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        bench = Bench(directory, chosen.node_modules or _install(directory, clients), chosen.orjson)
        results: dict[str, Figures] = {}
        if chosen.out is not None and chosen.out.exists():
            results = json.loads(chosen.out.read_text())
        for transport in chosen.transports.split(","):
            kept = results.setdefault(transport, {})

            def keep(figures: Figures, kept: Figures = kept) -> None:
                kept.update(figures)
                if chosen.out is not None:
                    chosen.out.write_text(json.dumps(results, indent=1) + "\n")

            measured = measure(bench, wanted, clients, chosen.reps, keep, tls=transport == "tls")
            heading = f"{transport}, with orjson" if chosen.orjson else transport
            print(f"\n{heading}\n{text_of(table(measured, orjson=chosen.orjson))}", flush=True)
    if chosen.docs:
        for transport, figures in results.items():
            lines = ["|".join(row) for row in [HEADINGS, *table(figures, orjson=chosen.orjson)]]
            name = f"performance-{'orjson-' if chosen.orjson else ''}{transport}.csv"
            (ROOT / "docs" / name).write_text("\n".join(lines) + "\n")
    if chosen.docs and not chosen.orjson:
        plots = draw(results["plain"], ROOT / "docs")
        included = [f".. image:: {path.name}\n   :alt: {title}\n" for title, path in plots]
        (ROOT / "docs" / "performance-plots.inc").write_text("\n".join(included))
    return 0


def _install(directory: Path, clients: list[str]) -> str:
    if "js" not in clients:
        return ""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is needed for the SDK in JavaScript; without it, use --clients ours,bare")
    subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund", SDK], cwd=directory, check=True)
    return str(directory / "node_modules")


if __name__ == "__main__":
    raise SystemExit(main())
