"""Garbage that Hypothesis thinks of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.chaos import cases

if TYPE_CHECKING:
    from tests.chaos.garbage import Case

_ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_ANY_TEXT, inner, max_size=3),
    max_leaves=8,
)
_EXAMPLES = {name: cases.example(name) for name in cases.EVENT_EXAMPLES}
_PLACES = [(name, path) for name, document in _EXAMPLES.items() for path in cases.paths(document)]


def _event(place: tuple[str, tuple[str, ...]], value: Any) -> tuple[str, bytes]:
    name, path = place
    return name, cases.with_text(_EXAMPLES[name], path, json.dumps(value))


_EVENTS = st.builds(_event, st.sampled_from(_PLACES), _VALUES)
_FRAMES = st.one_of(
    st.binary(max_size=60),
    _VALUES.map(lambda value: json.dumps(value).encode()),
    st.builds(
        lambda name, value: json.dumps({"event_type": name, "payload": value}).encode(),
        st.sampled_from([document["event_type"] for document in _EXAMPLES.values()]) | _ANY_TEXT,
        _VALUES,
    ),
)


def guess(do: Callable[[str, Case], None], number: int, start: int) -> None:
    """Let Hypothesis make so many cases."""

    @seed(start)
    @settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))  # pyright: ignore[reportArgumentType]
    @given(st.one_of(_EVENTS, _FRAMES.map(lambda data: ("", data))))
    def one(found: tuple[str, bytes]) -> None:
        name, data = found
        do(
            f"{name} {data[:80]!r}",
            lambda client: client.event(name, data) if name else client.frame(data),
        )

    one()
