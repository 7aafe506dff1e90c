"""The journal: each applied command with its time, as lines of JSON from which the same state can be made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from .commands import UNSET, Command

# By the names of the classes: a command that is renamed makes every journal unreadable that has it.
_BY_NAME: dict[str, type[Command]] = {cls.__name__: cls for cls in Command.__subclasses__()}
# Made once, because every command of a service is written: fields and defaults, and the encoder.
_FIELDS = {cls: [(field.name, field.default) for field in attrs.fields(cls)] for cls in Command.__subclasses__()}
_encode = json.JSONEncoder(separators=(",", ":")).encode


def to_json(command: Command) -> dict[str, Any]:
    """Return a command as a JSON object: its ``type`` and the fields that differ from their defaults.

    Args:
        command: The command to write.
    """
    document: dict[str, Any] = {"type": type(command).__name__}
    for name, default in _FIELDS[type(command)]:
        value = getattr(command, name)
        # Defaults are left out, so that a command that gains a field still reads the journals of older versions.
        if value is UNSET or value == default:
            continue
        document[name] = dict(value) if isinstance(value, Mapping) else value
    return document


def from_json(document: Mapping[str, Any]) -> Command:
    """Return the command that :func:`to_json` wrote.

    Args:
        document: Its ``type`` and fields; a missing field gets its default.

    Raises:
        ValueError: The type is unknown, or a field does not belong to it.
    """
    fields = dict(document)
    cls = _BY_NAME.get(fields.pop("type", None) or "")
    if cls is None:
        raise ValueError(f"Unknown command type {document.get('type')!r}; known are {', '.join(sorted(_BY_NAME))}")
    try:
        return cls(**fields)
    # attrs reports unknown and missing fields as a TypeError.
    except TypeError as error:
        raise ValueError(f"The fields {sorted(fields)} do not make a {cls.__name__}: {error}") from error


@attrs.frozen
class JournalEntry:
    """One applied command and the time it was applied at."""

    now: float
    command: Command

    def to_json(self) -> str:
        """Return the entry as one line of JSON text."""
        return _encode({"now": self.now, "command": to_json(self.command)})

    @classmethod
    def from_json(cls, text: str) -> JournalEntry:
        """Return the entry that :meth:`to_json` wrote.

        Args:
            text: One line of the journal.

        Raises:
            ValueError: The text is not a journal entry.
        """
        try:
            document = json.loads(text)
            return cls(float(document["now"]), from_json(document["command"]))
        # The errors of the decoder and of from_json are ValueErrors already.
        except (TypeError, KeyError) as error:
            raise ValueError(f"Not a journal entry: {error!r}") from error
