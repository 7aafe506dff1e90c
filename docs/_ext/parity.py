"""The page on parity, from the catalogue of statements that the tests execute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from coverage import table

from tests.parity.catalogue import PAGES, STATEMENTS
from tests.parity.errors import REFUSALS
from tests.parity.limits import LIMITS
from tests.parity.statement import DIFFERS, SAME, UNKNOWN, Statement
from twilio_taskrouter_worker.local.engine import events
from twilio_taskrouter_worker.local.server.rest.operations import OPERATIONS

_OWN_EVENTS = {"task-queue.updated": "not documented; beside ``task-queue.expression.updated``"}


def sections() -> Iterator[str]:
    """Yield the page below its introduction."""
    for part in (_figures, _open_questions, _statements, _operations, _events, _refusals, _limits):
        yield from part()


def _figures() -> Iterator[str]:
    statements = Counter(each.verdict for each in STATEMENTS)
    rows = (
        ("operations of REST", len(OPERATIONS), sum(each.handle is None for each in OPERATIONS), 0),
        ("events", len(events.LOG_EVENTS) - len(_OWN_EVENTS), len(_OWN_EVENTS), 0),
        ("statements of the documentation", statements[SAME], statements[DIFFERS], statements[UNKNOWN]),
        ("limits", sum(not each.differs for each in LIMITS), sum(bool(each.differs) for each in LIMITS), 0),
    )
    yield from table(
        ("What", "same", "differs", "unknown"), ([str(cell) for cell in row] for row in rows), "40 20 20 20"
    )


def _section(title: str) -> tuple[str, str, str]:
    return title, "-" * len(title), ""


def _open_questions() -> Iterator[str]:
    yield from _section("Open questions")
    yield "Only a live account can settle these. Each has an answer here, and some a switch."
    yield ""
    rows = (
        (each.text, each.why, f"``{each.switch}``" if each.switch else "")
        for each in STATEMENTS
        if each.verdict == UNKNOWN
    )
    yield from table(("Question", "Chosen", "Switch"), rows, "40 40 20")


def _statements() -> Iterator[str]:
    yield from _section("Statements of the documentation")
    for page in PAGES:
        title = f"docs/{page.path}"
        yield from (title, "~" * len(title), "")
        yield from table(("Statement", "Here"), ((each.text, _verdict(each)) for each in page.statements), "64 36")


def _verdict(statement: Statement) -> str:
    if statement.verdict == SAME:
        return SAME
    switch = f" (``{statement.switch}``)" if statement.switch else ""
    return f"{statement.verdict}: {statement.why}{switch}"


def _operations() -> Iterator[str]:
    yield from _section("Operations")
    yield "Asked by the official helper libraries for Python and Node; answers are held to the OpenAPI description."
    yield ""
    rows = ((f"``{each.name}``", SAME if each.handle else f"{DIFFERS}: answered with 501") for each in OPERATIONS)
    yield from table(("Operation", "Here"), rows, "60 40")


def _events() -> Iterator[str]:
    yield from _section("Events")
    yield "Those of the websocket are shown by the official JavaScript SDK, the others by the documentation."
    yield ""
    rows = (
        (
            f"``{kind}``",
            "JavaScript SDK" if kind in events.BRIDGE_EVENTS else "documentation",
            f"{DIFFERS}: {_OWN_EVENTS[kind]}" if kind in _OWN_EVENTS else SAME,
        )
        for kind in sorted(events.LOG_EVENTS)
    )
    yield from table(("Event", "Shown by", "Here"), rows, "40 25 35")


def _refusals() -> Iterator[str]:
    yield from _section("Errors")
    yield "What is known of an error to be the service's own is the same here; the rest is a guess in its style."
    yield ""
    rows = ((each.when, str(each.status), str(each.code), each.known) for each in REFUSALS)
    yield from table(("When", "Status", "Code", "Known"), rows, "50 12 14 24")


def _limits() -> Iterator[str]:
    yield from _section("Limits")
    rows = (
        (
            each.what,
            each.twilio,
            f"{each.here:g}" if each.here < 1e6 else f"{each.here:.0f}",
            f"{DIFFERS}: {each.differs}" if each.differs else SAME,
            f"``{each.switch}``" if each.switch else "",
        )
        for each in LIMITS
    )
    yield from table(("What", "Twilio", "Here", "", "Switch"), rows, "34 14 14 18 20")
