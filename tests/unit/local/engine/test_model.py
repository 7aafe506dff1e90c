"""Records: replaced, never changed."""

from __future__ import annotations

import pytest

from twilio_taskrouter_worker.local.engine.model import Activity

ACTIVITY = Activity(
    account_sid="AC1",
    sid="WA1",
    date_created=0.0,
    date_updated=0.0,
    workspace_sid="WS1",
    friendly_name="Available",
    available=True,
)


def test_a_replaced_record_is_another_one() -> None:
    """The copy has the change, the original does not, and nothing else differs."""
    renamed = ACTIVITY.replaced(friendly_name="Ready")
    assert (renamed.friendly_name, ACTIVITY.friendly_name) == ("Ready", "Available")
    assert renamed.replaced(friendly_name="Available") == ACTIVITY


def test_a_misspelt_field_is_refused() -> None:
    """A name that is not a field of the record raises instead of adding an attribute that nobody reads."""
    with pytest.raises(TypeError, match="Activity has no field friendly_nam"):
        ACTIVITY.replaced(friendly_nam="Ready")


def test_changes_that_change_nothing_are_left_out() -> None:
    """Of several values only those that differ from the record's are returned."""
    assert ACTIVITY.differing({"friendly_name": "Available", "available": False}) == {"available": False}
