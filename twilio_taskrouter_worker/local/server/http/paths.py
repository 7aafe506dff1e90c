"""Tables of paths: from a template such as ``Workspaces/{WorkspaceSid}/Tasks/{Sid}`` and a method to a target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

# The longest template has 6; the limit bounds the work for hostile paths.
_MOST_SEGMENTS = 12


class _Node(Generic[T]):
    __slots__ = ("methods", "named", "variable")

    def __init__(self) -> None:
        self.named: dict[str, _Node[T]] = {}
        self.variable: _Node[T] | None = None
        self.methods: dict[str, tuple[tuple[str, ...], T]] = {}


class MethodNotAllowed(Exception):
    """The path is known, the method is not; ``allowed`` has the known methods."""

    def __init__(self, allowed: list[str]) -> None:
        super().__init__(allowed)
        self.allowed = allowed


class PathTable(Generic[T]):
    """Targets by method and path. A fixed segment has precedence over a variable one."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._templates: list[tuple[str, str]] = []

    def add(self, method: str, template: str, target: T) -> None:
        """Add a target.

        Args:
            method: The method.
            template: The path, with variable segments in braces.
            target: The target.

        Raises:
            AssertionError: The method has a target at this path already.
        """
        node, names = self._root, []
        for segment in template.split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.named.setdefault(segment, _Node())
        assert method not in node.methods, f"{method} {template} is there twice"
        node.methods[method] = (tuple(names), target)
        self._templates.append((method, template))

    def templates(self) -> Iterator[tuple[str, str]]:
        """Iterate over methods and templates, in the order in which they were added."""
        return iter(self._templates)

    def find(self, method: str, path: str) -> tuple[T, dict[str, str]] | None:
        """Return the target of a path and its variables; None for an unknown path.

        Segments are taken literally: an empty one, ``.`` or ``..`` matches nothing, and a percent-encoded slash does
        not separate segments.

        Args:
            method: The method.
            path: The path, without a leading slash.

        Raises:
            MethodNotAllowed: The path is known, but not with this method.
        """
        segments = path.split("/")
        if len(segments) > _MOST_SEGMENTS:
            return None
        node, values = self._root, []
        for raw in segments:
            try:
                segment = unquote(raw, errors="strict") if "%" in raw else raw
            except UnicodeDecodeError:
                return None
            # Compared after decoding: a client may encode more than it must.
            following = node.named.get(segment)
            if following is None:
                following = node.variable
                if following is None or segment in ("", ".", ".."):
                    return None
                values.append(segment)
            node = following
        # A mere prefix of known paths, such as "Workspaces" on the bridge.
        if not node.methods:
            return None
        try:
            names, target = node.methods[method]
        except KeyError:
            raise MethodNotAllowed(sorted(node.methods)) from None
        return target, dict(zip(names, values, strict=True))
