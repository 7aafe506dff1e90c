"""A short run of the garbage; the long one is started by hand."""

from __future__ import annotations

import pytest

from tests.chaos import garbage


@pytest.mark.slow
def test_garbage_is_reported_and_changes_nothing() -> None:
    """Of every sort of garbage a share: each is reported or passed over as it must be, and everything works after."""
    report = garbage.run(garbage.Options(seed=20, cases=1200))
    assert report.good, str(report)
    assert len(report.counts) == 10
