"""The modules that call themselves pure reach for no socket, thread, clock or chance of their own."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import twilio_taskrouter_worker._bridge as bridge

FOLDER = Path(bridge.__file__).parent
PURE = [
    "actions",
    "reload",
    "timings",
    "token_life",
    "failures",
    "frames",
    "messages",
    "owner",
    "mirror",
    "reporting",
    "request",
    "resync",
    "routes",
    "schema",
    "session",
    "states",
    "tracking",
    "turns",
    "updates",
]
IMPURE = {
    "asyncio",
    "http",
    "os",
    "queue",
    "random",
    "requests",
    "secrets",
    "select",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "threading",
    "time",
    "urllib3",
    "websocket",
}
MAY = {"mirror": {"threading"}, "timings": {"random"}}
"""The lock that guards records; mirror starts no thread. The default of the jitter, which is handed in."""

IMPURE_SIBLINGS = {
    "calls",
    "connection",
    "connections",
    "deadline",
    "dialing",
    "dispatch",
    "forking",
    "futures",
    "http",
    "inbox",
    "loading",
    "outcomes",
    "proxies",
    "receiving",
    "reloading",
    "remote",
    "resolver",
    "returning",
    "settings",
    "signaling",
    "steps",
    "stopping",
    "stream",
    "threads",
    "tls",
    "waiting",
    "watching",
    "work",
}


def tree(name: str) -> ast.Module:
    return ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))


def for_types_only(name: str) -> set[ast.AST]:
    """Everything under ``if TYPE_CHECKING``, which never runs."""
    return {
        inner
        for node in ast.walk(tree_of[name])
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


tree_of = {name: tree(name) for name in PURE}


def imported(name: str) -> set[str]:
    """What a module imports when it runs: top names of others, and names of siblings with a dot before them."""
    skip = for_types_only(name)
    found: set[str] = set()
    for node in ast.walk(tree_of[name]):
        if node in skip:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {f".{node.module}"} if node.module else {f".{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("name", PURE)
def test_no_impure_import(name: str) -> None:
    """Neither a module of the standard library that acts on the world, nor a sibling that does."""
    assert imported(name) & IMPURE <= MAY.get(name, set())
    assert not imported(name) & {f".{sibling}" for sibling in IMPURE_SIBLINGS}


@pytest.mark.parametrize("name", PURE)
def test_no_clock(name: str) -> None:
    """datetime is for values; nobody asks it what time it is."""
    asked = {
        node.attr
        for node in ast.walk(tree_of[name])
        if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today", "monotonic")
    }
    assert not asked


def test_mirror_uses_threading_for_its_lock_only() -> None:
    """The one exception: a Lock, and nothing that starts or waits for a thread."""
    used = {
        node.attr
        for node in ast.walk(tree_of["mirror"])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "threading"
    }
    assert used == {"Lock"}


def test_the_list_is_complete() -> None:
    """Every module of the folder is either pure or known not to be."""
    names = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert names - set(PURE) <= IMPURE_SIBLINGS
