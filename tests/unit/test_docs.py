"""The documentation says what is true: names exist, tables are complete, numbers are the code's, programs run."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest

import twilio_taskrouter_worker as package
from tests.data import attributes, calls, events
from tests.tools.command_lines import check
from tests.tools.rst import DOCS, Block, Table, blocks, literals, tables
from tests.tools.seams import events_of
from tests.tools.snippets import RUN, needs_peer, program, run
from twilio_taskrouter_worker import errors, local
from twilio_taskrouter_worker._bridge.timings import Timings
from twilio_taskrouter_worker.events import Emitter
from twilio_taskrouter_worker.options import Options

ROOT = DOCS.parent
PAGES = sorted(DOCS.glob("*.rst"))
WITH_EVENTS: dict[str, type[Emitter]] = {
    "Worker and Supervisor": package.Worker,
    "Reservation": package.Reservation,
    "Task": package.Task,
    "OutgoingTransfer": package.OutgoingTransfer,
    "Channel": package.Channel,
}


def first_column(table: Table) -> list[str]:
    """The first literal of each row."""
    return [literals(row[0])[0] for row in table.rows]


# -- reference -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [package, local], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module: Any) -> None:
    """Whoever looks for an exported name finds it on the reference's first page."""
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    marked = re.findall(r"``(\w+)``|`~[\w.]*?(\w+)`", text)
    assert set(module.__all__) <= {name for pair in marked for name in pair}


@pytest.mark.parametrize("section", WITH_EVENTS)
def test_every_event_has_a_row(section: str) -> None:
    """The table of each class has exactly the events of that class."""
    (table,) = [each for each in tables(DOCS / "api-events.rst") if each.section == section]
    names = first_column(table)
    assert set(names) == set(events_of(WITH_EVENTS[section]))
    assert len(names) == len(set(names))


def test_the_arguments_of_events_are_right() -> None:
    """Where a table of events names a class as the argument, it is the one that callbacks get."""
    expected = {
        (owner, event): argument
        for each in events.EVENTS
        for owner, event, argument in each.fires
        if argument != "payload"
    }
    shown = {}
    for table in tables(DOCS / "api-events.rst"):
        owner = table.section.removesuffix(" and Supervisor")
        for event, row in zip(first_column(table), table.rows, strict=True):
            given = re.search(r":class:`(\w+)`|the (worker)", row[1]) if len(row) == 3 else None
            if given:
                shown[owner, event] = (given.group(1) or given.group(2)).title().replace("goingt", "goingT")
            elif len(row) == 2:
                shown[owner, event] = owner
    assert {key: shown.get(key) for key in expected} == expected


def test_every_error_has_a_row() -> None:
    """The table of errors has each class once, with the name under which the JavaScript SDK knows it."""
    (table,) = tables(DOCS / "api-errors.rst")
    shown = {re.findall(r"`(\w+)`", row[0])[0]: literals(row[1])[0] for row in table.rows}
    assert shown == {name: getattr(errors, name).name for name in errors.__all__}
    assert len(table.rows) == len(errors.__all__)


def test_the_tree_of_errors_is_the_tree() -> None:
    """The drawing at the top of the reference's page of errors has every class below its base class."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in str(errors.__doc__).splitlines():
        if found := re.match(r"    ([ │├└─]*)(\w+(?:Error))\b", line):
            depth = len(found.group(1)) // 4
            path[depth:] = [found.group(2)]
            drawn[found.group(2)] = path[depth - 1] if depth else "Exception"
    assert drawn == {name: getattr(errors, name).__bases__[0].__name__ for name in errors.__all__}


def test_every_option_has_a_row_with_its_default() -> None:
    """The table of options has each option once, and the default that holds."""
    (table,) = [each for each in tables(DOCS / "api-clients.rst") if each.section == "Options"]
    shown = {literals(row[0])[0]: literals(row[1])[0].replace('"', "'") for row in table.rows}
    assert shown == {field.name: repr(field.default) for field in attrs.fields(Options)}
    defaults = {name: p.default for name, p in inspect.signature(package.Worker).parameters.items() if name != "token"}
    assert {name: repr(default) for name, default in defaults.items()} == shown


# -- limits --------------------------------------------------------------------------------------------------------

UNITS = {"s": 1, "characters": 1, "%": 0.01, "KiB": 2**10, "MiB": 2**20, "times": 1, "threads": 1, "records": 1}


def limit_rows() -> list[list[str]]:
    """The table of time limits."""
    (table,) = [each for each in tables(DOCS / "threads-and-promises.rst") if each.name == "limits"]
    return table.rows


@pytest.mark.parametrize("row", limit_rows(), ids=lambda row: literals(row[2])[0])
def test_limits_are_those_of_the_code(row: list[str]) -> None:
    """Each number of the table is the constant, or the default, that it names."""
    number, unit = row[1].split()
    path = literals(row[2])[0]
    argument = re.fullmatch(r"(.+)\((\w+)=\)", path)
    module, _, name = (argument.group(1) if argument else path).partition(".")
    while name and not hasattr(importlib.import_module(f"{package.__name__}.{module}"), name.split(".")[0]):
        part, _, name = name.partition(".")
        module += f".{part}"
    value: Any = importlib.import_module(f"{package.__name__}.{module}")
    for part in name.split("."):
        value = getattr(value, part)
    if argument:
        value = inspect.signature(value).parameters[argument.group(2)].default
    assert float(number) * UNITS[unit] == pytest.approx(value)


NO_LIMITS = {
    "REMEMBERED": "a bound for a table",
    "CLOSED_CHECK": "a check for the end of the worker, which nobody waits for",
    "TURNS": "what is best for the interpreter lock",
    "EAGER": "when the pool grows",
    "GROWTH_SECONDS": "when the pool grows",
    "STUCK_SECONDS": "when the pool grows",
    "ERROR_BODY_LIMIT": "a guard against what is no message",
    "UNACKNOWLEDGED_MS": "a setting of the socket",
    "HEAD_LIMIT": "a guard against what is no answer",
    "HOSTS": "a bound for a table",
    "MOMENT": "a thread of the pool that is about to be free",
    "ODD_RESERVATIONS": "in the text on versions",
    "CLOSE_SESSION_REPLACED": "a close code",
    "TOKEN_EXPIRED": "an error code",
    "READ_SIZE": "a buffer",
}
"""Numbers of the client's modules that users need not know, and what they are."""


def test_every_limit_of_the_code_is_in_the_table() -> None:
    """A new constant of the client gets its row, or a reason here why it needs none."""
    folder = ROOT / package.__name__
    modules = [*(folder / name for name in ("worker.py", "_lifecycle.py", "serving.py")), *folder.glob("_bridge/*.py")]
    found = {
        name
        for module in modules
        for name in re.findall(r"^([A-Z][A-Z_]+)(?:: \w+)? = [\d.]", module.read_text(encoding="utf-8"), re.MULTILINE)
    }
    shown = {literals(row[2])[0].rpartition(".")[2] for row in limit_rows()}
    found |= {f"Timings({field.name}=)" for field in attrs.fields(Timings) if field.name != "random"}
    assert len(found) > 20
    assert found - set(NO_LIMITS) - shown == set()
    assert set(NO_LIMITS) - found == set()


# -- programs ------------------------------------------------------------------------------------------------------

BLOCKS = [block for page in PAGES for block in blocks(page)]
PYTHON = [block for block in BLOCKS if block.language == "python"]


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.id)
def test_snippets_are_python(block: Block) -> None:
    """What looks like Python can be pasted without a SyntaxError."""
    compile(block.text, block.id, "exec")


@pytest.mark.parametrize("block", [each for each in RUN if not needs_peer(each)], ids=lambda block: block.name)
def test_programs_run(block: Block, tmp_path: Path) -> None:
    """A program of the documentation does its job, without a warning."""
    run(program(block), tmp_path)


def test_there_are_programs() -> None:
    """The tests above have something to try."""
    assert len(PYTHON) > 10
    assert len(RUN) >= 3


# -- coming from the JavaScript SDK --------------------------------------------------------------------------------

JS = DOCS / "coming-from-js.rst"
NAMES = [each for each in tables(JS) if each.header[:2] == ["JavaScript", "Python"] and each.section != "In general"]
OURS = {("TaskQueue", "lifo_queue"), ("Channel", "name")}
"""Attributes that the SDK does not have."""


def resolve(name: str) -> None:
    """Find what a literal of the Python column names: a class, a member, an event or arguments; or raise."""
    found = re.fullmatch(r'(\w+)(?:\.(\w+))?(?:\(("\w+"|[\w=, ]+)\))?', name)
    assert found, f"{name} is not written as names are"
    owner, member, inside = found.groups()
    thing: Any = getattr(package, owner, None) or vars(__import__("builtins"))[owner]
    if member:
        thing = getattr(thing, member)
    if inside and inside.startswith('"'):
        assert inside.strip('"') in events_of(getattr(package, owner))
    elif inside:
        names = [argument.strip().removesuffix("=") for argument in inside.split(",")]
        assert set(names) <= set(inspect.signature(thing).parameters), name


@pytest.mark.parametrize("name", sorted({name for t in NAMES for row in t.rows for name in literals(row[1])}))
def test_python_names_exist(name: str) -> None:
    """What the page tells people to write is there."""
    resolve(name)


@pytest.mark.parametrize("name", ["Walker", "Worker.onn", 'Worker.on("redy")', "Worker(regio=)", "Worker.on()x"])
def test_python_names_that_do_not_exist_are_found(name: str) -> None:
    """The test above would notice."""
    with pytest.raises((AssertionError, AttributeError, KeyError)):
        resolve(name)


def said(section: str) -> set[str]:
    """The words of the JavaScript column of all tables of the sections whose title begins so."""
    return {
        word
        for table in NAMES
        if table.section.startswith(section)
        for row in table.rows
        for literal in literals(row[0])
        for word in re.findall(r"\w+", literal)
    }


@pytest.mark.parametrize("owner", ["Worker", "Supervisor", "Workspace", "Activity", "Reservation", "Task"])
def test_every_method_of_the_sdk_is_there(owner: str) -> None:
    """Each method and each of its options has its row."""
    rows = [row for row in calls.ROWS if row.owner == owner and not row.ours]
    wanted = {calls.camel_case(row.method) for row in rows} | {calls.camel_case(r.alias) for r in rows if r.alias}
    for option in calls.OPTIONS:
        ours = {f"{row.owner}.{row.method}" for row in calls.ROWS if row.ours}
        for method in set(option.methods) - ours:
            if method.startswith(f"{owner}."):
                upper = option.section == "4.7 filters"
                wanted.add(calls.camel_case(option.argument, upper=upper))
    assert wanted - said(owner) == set()


def test_every_constructor_option_of_the_sdk_is_there() -> None:
    """Options that have no counterpart are named too."""
    assert {argument.js_name for argument in calls.CONSTRUCTOR} - said("Worker: constructor") == set()


@pytest.mark.parametrize("owner", ["Worker", "Task", "Reservation", "Activity", "Channel", "TaskQueue", "Transfer"])
def test_every_property_of_the_sdk_is_there(owner: str) -> None:
    """Each property of the SDK's classes, duplicates and local ones included, has its row."""
    names = [name for row in attributes.TABLES[owner] for name in row.names if "." not in name]
    names += attributes.LOCAL.get(owner, ())
    wanted = {calls.camel_case(name) for name in names if (owner, name) not in OURS}
    assert wanted - said("Worker: properties" if owner == "Worker" else owner) == set()


@pytest.mark.parametrize("event", events.PUBLIC, ids=lambda event: f"{event.owner}.{event.js_name}")
def test_every_event_of_the_sdk_is_there(event: events.Public) -> None:
    """Each event stands beside the Python name that listens to it."""
    rows = [row for table in NAMES for row in table.rows if f'``{event.owner}.on("{event.name}")``' in row[1]]
    assert len(rows) == 1
    assert event.js_name in literals(rows[0][0]) or (event.ours and not rows[0][0])


@pytest.mark.parametrize("name", sorted({getattr(errors, name).name for name in errors.__all__}))
def test_every_error_name_of_the_sdk_is_there(name: str) -> None:
    """Each name that is the SDK's stands beside the classes that carry it."""
    (table,) = [each for each in NAMES if each.section == "Errors"]
    rows = {literals(row[0])[0]: literals(row[1]) for row in table.rows}
    if name not in ("INVALID_STATE", "WORK_GIVEN_UP", "STORE_ERROR", "SEED_INVALID"):
        assert all(getattr(errors, each).name == name for each in rows[name])


# -- troubleshooting -----------------------------------------------------------------------------------------------


@cache
def texts() -> set[str]:
    """All texts of the package's code, with a mark for each part that is computed."""
    found = set()
    for module in (ROOT / package.__name__).rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                found.add("".join(str(v.value) if isinstance(v, ast.Constant) else "\0" for v in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(re.sub(r"%[srd]", "\0", node.value))
    return found


def quotes(message: str, text: str) -> bool:
    """Whether a text has a message in which dots stand for what differs."""
    end = 0
    for part in message.split("..."):
        begin = text.find(part, end)
        if begin < 0:
            return False
        end = begin + len(part)
    return True


TROUBLES = [
    line.strip("`")
    for line in (DOCS / "troubleshooting.rst").read_text(encoding="utf-8").splitlines()
    if re.fullmatch(r"``.+``", line)
]


def test_messages_are_those_of_the_code() -> None:
    """Each message of the page is one that the package has, word for word."""
    known = texts()
    missing = [each for each in TROUBLES if not any(quotes(each, text) for text in known)]
    assert missing == []
    assert len(TROUBLES) > 20


def test_messages_that_do_not_exist_are_found() -> None:
    """The test above would notice."""
    assert not any(quotes("The worker was not reddy within ... s", text) for text in texts())


# -- command lines -------------------------------------------------------------------------------------------------


def command_lines() -> list[tuple[str, str]]:
    """The command lines of README, pages and examples that begin with ``taskrouter``."""
    pages = [*DOCS.glob("*.rst"), *ROOT.glob("*.rst"), *ROOT.glob("examples/**/*.rst"), DOCS / "llms.txt"]
    found = []
    for page in pages:
        for line in page.read_text(encoding="utf-8").splitlines():
            inside = re.fullmatch(r"\s+(?:\$ )?(taskrouter [a-z].*)", line)
            if inside and not re.match(r"taskrouter \w+\.", inside[1]):
                found.append((page.name, inside[1]))
    return found


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_command_lines_can_be_typed(page: str, line: str) -> None:
    """Each command exists, and has the options it is shown with."""
    check(line)


# -- llms.txt ------------------------------------------------------------------------------------------------------

LLMS = (DOCS / "llms.txt").read_text(encoding="utf-8")


def named() -> set[str]:
    """The Python names in backquotes: dotted ones, and what is called."""
    spans = re.findall(r"`([^`]+)`", LLMS)
    return {name for span in spans for name in re.findall(r"(?<![\w.\"])((?:\w+\.)*\w+)(?=\(|$|[,`])", span)}


def test_the_facts_for_language_models_name_what_exists() -> None:
    """Each method of a worker, client, reservation, task or router exists, and so does each module and error."""
    owners: dict[str, Any] = {"worker": package.Worker, "router": local.LocalTaskRouter}
    checked = 0
    for name in named():
        owner, _, member = name.partition(".")
        if owner in owners and member:
            for part in member.split(".")[:1]:
                assert hasattr(owners[owner], part) or part in owners[owner].__annotations__, name
            checked += 1
        elif owner == package.__name__ and member and not member.startswith("contrib"):
            module, _, attribute = member.partition(".")
            assert hasattr(importlib.import_module(f"{package.__name__}.{module}"), attribute or "__name__"), name
            checked += 1
        elif owner[0].isupper() and hasattr(package, owner):
            checked += 1
    assert checked > 15
    for kind, names in (
        (package.Reservation, "accept reject complete wrap conference"),
        (package.Task, "complete wrap_up set_attributes transfer"),
        (package.WorkerClient, "set_activity set_attributes accept complete fetch"),
    ):
        for each in names.split():
            assert f"`{each}`" in LLMS and hasattr(kind, each), each
    assert set(re.findall(r"`(taskrouter\w*)`", LLMS)) == {"taskrouter", "taskrouter_worker", "taskrouter_clock"}


def test_the_links_for_language_models_lead_somewhere() -> None:
    """Each page that it names is one of the documentation, which takes the file along."""
    pages = re.findall(r"\]\((\S+)\.html\)", LLMS)
    assert len(pages) > 5 and all((DOCS / f"{page}.rst").exists() for page in pages)
    assert 'html_extra_path = ["llms.txt"]' in (DOCS / "conf.py").read_text(encoding="utf-8")
