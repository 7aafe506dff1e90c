"""The benchmark of the client runs, with tiny numbers: nothing here is about speed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.benchmarks.client import __main__ as client
from tests.benchmarks.client.scenarios import ROWS, Row, scenarios

TINY = ["--scale", "0.002", "--reps", "1"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("transport", "only"),
    [("plain", "S1 warm,S2 churn,S3 updated 2000/s,S5,S6 sequential,S8"), ("tls", "S2 churn,S7 500 Workers")],
)
def test_scenarios_in_python(transport: str, only: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ours and the stand-in give a figure for each row of each scenario, and each goal is met or missed."""
    out = tmp_path / "out.json"
    arguments = [*TINY, "--clients", "ours,bare", "--transports", transport, "--only", only, "--out", str(out)]
    assert client.main(arguments) == 0
    figures = json.loads(out.read_text())[transport]
    assert len(figures) == len(only.split(","))
    shown = capsys.readouterr().out
    for row in ROWS:
        if row.scenario in figures:
            assert row.label in shown
            assert figures[row.scenario]["ours"][row.figure] >= 0
    assert "met" in shown or "missed" in shown


@pytest.mark.timeout(300)
@pytest.mark.parametrize("transport", ["plain", "tls"])
def test_scenarios_in_javascript(transport: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The SDK in JavaScript takes part, where it is installed."""
    node_modules = os.environ.get("TASKROUTER_TEST_NODE_MODULES")
    if not node_modules:
        pytest.skip("needs TASKROUTER_TEST_NODE_MODULES, a folder with the npm package twilio-taskrouter")
    only = ["--only", "S2 churn,S6 sequential", "--transports", transport]
    assert client.main([*TINY, *only, "--node-modules", node_modules]) == 0
    assert len(capsys.readouterr().out.strip().splitlines()) == 4


def test_every_row_has_its_scenario() -> None:
    """No figure of the table is without a scenario, whatever the scale."""
    for scale in (1.0, 0.002):
        assert {row.scenario for row in ROWS} <= {each.name for each in scenarios(scale)}


@pytest.mark.parametrize(
    ("ours", "js", "bare", "verdict"),
    [(5.0, 10.0, 4.0, "met"), (6.0, 10.0, 4.0, "missed"), (5.0, 10.0, 2.0, "missed")],
)
def test_a_goal_is_met_or_missed(ours: float, js: float, bare: float, verdict: str) -> None:
    """Both ratios have to keep their goals; where more is better, they have to be at least as large."""
    less = Row("S", "f", "a label", 0.5, 1.5)
    found = {"ours": {"f": ours}, "js": {"f": js}, "bare": {"f": bare}}
    assert client.line(less, found, orjson=False)[-1] == verdict
    more = Row("S", "f", "a label", 2.0, 1 / 1.5, more_is_better=True)
    inverse = {name: {"f": 1 / values["f"]} for name, values in found.items()}
    assert client.line(more, inverse, orjson=False)[-1] == verdict
