"""A short run of the chaos, with a client that notices silence sooner; the long one is started by hand."""

from __future__ import annotations

import logging

import pytest

from tests.chaos import chaos
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker._bridge.timings import Timings
from twilio_taskrouter_worker.local.server.events import sessions


@pytest.mark.slow
def test_nothing_is_missed_and_nothing_is_told_twice(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Through cuts, resets, stalls and silences every reservation is announced once and ends once; nothing is left."""
    # The limit of 30 s is tested with a clock that is moved; here its consequences are, in bearable time.
    monkeypatch.setattr(Worker, "_timings", Timings(silence=4.0))
    monkeypatch.setattr(sessions, "HEARTBEAT_SECONDS", 1.0)
    # An answer that is cut inside its headers makes urllib3 warn, with a traceback. The test runner keeps that record,
    # and by its frames the call and all the worker knows: objects that would count as left over.
    caplog.set_level(logging.ERROR, logger="urllib3.connection")
    report = chaos.run(chaos.Options(seed=20, disconnections=40, workers=8, seconds=50, silent=2))
    assert report.good, str(report)
