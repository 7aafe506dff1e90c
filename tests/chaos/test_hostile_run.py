"""The hostile run, short: what it is made of is in ``hostile``."""

from __future__ import annotations

from tests.chaos.attacks import Outcome
from tests.chaos.hostile import Options, Report, Stage, run

SHORT = Options(sockets=300, seconds=2.0, rounds=120, workers=20, slowest=10.0, files=256)
"""The machines of CI are slow, so the bound on the latency of others only tells serving from hanging."""


def test_hostile_peers_are_refused_and_others_served() -> None:
    """Every attack ends as documented and leaves nothing, and others are served, with fewer files than peers."""
    report = run(SHORT)
    assert report.good, str(report)
    assert len(report.stages) == 12
    assert all(report.latencies(stage) for stage in report.stages)


def test_violations_are_seen() -> None:
    """The report complains of what it should complain of."""
    outcome = Outcome()
    outcome.answered("half a refusal", b"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\n\r\n{}", {400})
    outcome.answered("a success", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", {400})
    outcome.answered("no answer", b"", {400})
    assert [each.partition(":")[0] for each in outcome.wrong] == ["half a refusal", "a success", "no answer"]
    report = Report(SHORT, wrong=outcome.wrong, stages=[Stage("x", outcome, 1.0, 2.0)], samples=[(1.5, "life", 0.25)])
    assert not report.good
    assert report.latencies(report.stages[0]) == [250.0]
    assert "3 violations" in str(report)
