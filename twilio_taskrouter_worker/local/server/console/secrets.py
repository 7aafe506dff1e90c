"""Hides secrets in the inspector's entries."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "(hidden)"
_HEADERS = re.compile(r"authorization|cookie|signature|token|secret|api-?key", re.IGNORECASE)
_NAMES = re.compile(r"token|secret|password", re.IGNORECASE)
# "eyJ" is '{"' in base64url, with which header and payload of each token begin.
_JWT = re.compile(r"eyJ[\w-]{5,}\.eyJ[\w-]{5,}\.[\w-]*", re.ASCII)
"""An access token, wherever it stands."""
_PARAMETER = re.compile(r"(?i)((?:^|[?&])[^=&]*(?:token|secret|password)[^=&]*=)[^&#]+")
_MEMBER = re.compile(r'(?i)("[^"]*(?:token|secret|password)[^"]*"\s*:\s*)"(?:[^"\\]|\\.)*"')


class Secrets:
    """The secrets of one service.

    Args:
        values: Texts that must not be shown.
    """

    def __init__(self, values: Iterable[str]) -> None:
        # The longest first: one secret may be the beginning of another, whose end would stay visible.
        known = sorted((re.escape(value) for value in values if value), key=len, reverse=True)
        self._known = re.compile("|".join(known)) if known else None

    def headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return headers without secrets.

        Args:
            headers: Names and values.
        """
        return [(name, HIDDEN if _HEADERS.search(name) else self.text(value)) for name, value in headers]

    def text(self, text: str) -> str:
        """Return a text without tokens and the secrets of the service.

        Args:
            text: Any text.
        """
        # Tokens first, by their form: they may be any worker's, and are not among the known secrets.
        text = _JWT.sub(HIDDEN, text)
        return text if self._known is None else self._known.sub(HIDDEN, text)

    def value(self, name: str, value: str) -> str:
        """Return the value of a parameter, hidden if its name is that of a secret.

        Args:
            name: The parameter.
            value: Its value.
        """
        return HIDDEN if _NAMES.search(name) else self.text(value)

    def body(self, text: str) -> str:
        """Return a body without secrets: a form or JSON, or any other text.

        Args:
            text: The body.
        """
        return _MEMBER.sub(rf'\1"{HIDDEN}"', self.query(text))

    def query(self, text: str) -> str:
        """Return a path with its query, or a form, without secrets.

        Args:
            text: The path or form.
        """
        return _PARAMETER.sub(rf"\1{HIDDEN}", self.text(text))
