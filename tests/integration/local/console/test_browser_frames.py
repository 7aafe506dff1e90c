"""The benchmark of the console's frames works: a run with tiny numbers, whose figures say nothing."""

from __future__ import annotations

import sys

import pytest

from tests.benchmarks import console


@pytest.mark.timeout(600)
def test_frames_are_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each view is measured, and has a line."""
    monkeypatch.setattr(sys, "argv", ["console", "--seconds", "1", "--workers", "4", "--tasks", "40", "--rate", "20"])
    console.main()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(console.VIEWS)
    for line, view in zip(lines, console.VIEWS, strict=True):
        assert line.startswith(view) and "over 16 ms" in line
