"""The places of values in a JSON text, so that an error can be shown where it is."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs

Path = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t\n\r]*")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
"""One character of a string, written as an escape, or as two that are a pair of surrogates."""
# Its raw_decode() gives the end of a value, which loads() does not; only containers are walked through by hand.
_decoder = json.JSONDecoder()


@attrs.frozen
class Place:
    """A span of a text."""

    start: int
    """Offset of its first character."""
    end: int
    """Offset behind its last one."""

    def to_dict(self, text: str) -> dict[str, int]:
        """Return it with line and column, from 1.

        Args:
            text: The whole text.
        """
        line_start = text.rfind("\n", 0, self.start) + 1
        return {
            "offset": self.start,
            "length": max(self.end - self.start, 1),
            "line": text.count("\n", 0, self.start) + 1,
            "column": self.start - line_start + 1,
        }


def places(text: str) -> dict[Path, Place]:
    """Return the place of every value, by the keys and indices that lead to it.

    Args:
        text: Valid JSON.
    """
    found: dict[Path, Place] = {}
    _value(text, _after_space(text, 0), (), found)
    return found


def within(text: str, place: Place, offset: int) -> int:
    """Return the offset in the text of a character of a string in it.

    Args:
        text: The JSON text.
        place: Of the string, with its quotes.
        offset: The number of characters of the string before it.
    """
    at = place.start + 1
    while offset > 0 and at < place.end - 1:
        if text[at] == "\\":
            length = 6 if text[at + 1] == "u" else 2
            # Two escapes may be one character.
            pair = (
                length == 6
                and text[at + 2 : at + 4].lower() in ("d8", "d9", "da", "db")
                and text[at + 6 : at + 8] == "\\u"
            )
            at += 12 if pair else length
        else:
            at += 1
        offset -= 1
    return at


def _value(text: str, at: int, path: Path, found: dict[Path, Place]) -> int:
    """Note the value at an offset and everything in it, and return the offset behind it."""
    if text[at] == "{":
        end = _members(text, at, path, found)
    elif text[at] == "[":
        end = _elements(text, at, path, found)
    else:
        _, end = _decoder.raw_decode(text, at)
    # The last one of several equal keys stays, as with json.loads().
    found[path] = Place(at, end)
    return end


def _members(text: str, at: int, path: Path, found: dict[Path, Place]) -> int:
    at = _after_space(text, at + 1)
    while text[at] != "}":
        key: Any
        key, at = _decoder.raw_decode(text, at)
        at = _after_space(text, _after_space(text, at) + 1)  # behind the colon
        at = _after_space(text, _value(text, at, (*path, key), found))
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return at + 1


def _elements(text: str, at: int, path: Path, found: dict[Path, Place]) -> int:
    at, index = _after_space(text, at + 1), 0
    while text[at] != "]":
        at = _after_space(text, _value(text, at, (*path, index), found))
        index += 1
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return at + 1


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()
