"""The garbage collector is paused for a block, and as it was afterwards."""

from __future__ import annotations

import gc

import pytest

from twilio_taskrouter_worker.local.collector import paused, seldom


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


def test_seldom_ends_with_the_block() -> None:
    """In the block the collector runs rarely and leaves alone what was there before; afterwards all is as it was."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    with pytest.raises(ZeroDivisionError), seldom():
        assert gc.get_threshold()[0] > before[0]
        assert gc.get_freeze_count() > frozen
        raise ZeroDivisionError
    assert gc.get_threshold() == before
    # Fewer on Python 3.12, which starts with some frozen objects of its own.
    assert gc.get_freeze_count() <= frozen
