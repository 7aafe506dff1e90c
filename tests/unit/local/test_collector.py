"""The garbage collector is paused for a block, and as it was afterwards."""

from __future__ import annotations

import gc

import pytest

from twilio_taskrouter_worker.local.collector import paused


def test_blocks_may_overlap() -> None:
    """The collector runs again after the last block, also one that raised."""
    outer, inner = paused(), paused()
    outer.__enter__()
    with pytest.raises(ZeroDivisionError), inner:
        outer.__exit__(None, None, None)
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    """An application that has switched it off finds it so."""
    gc.disable()
    try:
        with paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
