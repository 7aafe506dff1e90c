"""The page on switches and the switches themselves say the same, and no switch is without effect."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from twilio_taskrouter_worker.local import Rules as PublicRules
from twilio_taskrouter_worker.local.engine import DEFAULT_RULES, Rules
from twilio_taskrouter_worker.local.engine.expressions import DEFAULT_SEMANTICS, Semantics
from twilio_taskrouter_worker.local.server.rules import DEFAULT_SERVICE_RULES, ServiceRules

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "twilio_taskrouter_worker" / "local"
DEFINED = {
    Rules: PACKAGE / "engine" / "rules.py",
    ServiceRules: PACKAGE / "server" / "rules.py",
    Semantics: PACKAGE / "engine" / "expressions" / "semantics.py",
}

_ROW = re.compile(r"^     - ``(\w+)``\n     - ``(.+)``$", re.MULTILINE)


def switches(rules: Any) -> dict[str, str]:
    """Every switch of an object and its value, as text."""
    names = [field.name for field in attrs.fields(type(rules)) if field.name != "semantics"]
    return {name: repr(getattr(rules, name)) for name in names}


def test_every_switch_is_on_the_page() -> None:
    """Each once, with its default, in the order of the code."""
    page = (ROOT / "docs" / "switches.rst").read_text(encoding="utf-8")
    rows = _ROW.findall(page)
    defaults = (DEFAULT_RULES, DEFAULT_SERVICE_RULES, DEFAULT_SEMANTICS)
    expected = [item for rules in defaults for item in switches(rules).items()]
    assert rows == expected


@pytest.mark.parametrize("cls", [Rules, ServiceRules, Semantics])
def test_every_switch_is_described(cls: type) -> None:
    """The code says of each what it does; limits that are only numbers say it by their names."""
    source = DEFINED[cls].read_text(encoding="utf-8")
    for field in attrs.fields(cls):
        definition = rf'^    {field.name}: [^\n]*(\n        [^\n]*)*(\n    \))?\n    """'
        described = re.search(definition, source, re.MULTILINE)
        assert described or field.name.startswith("max_"), field.name


def test_every_switch_is_asked_for() -> None:
    """No switch is a promise that nothing keeps."""
    defined = (DEFINED[Rules], DEFINED[ServiceRules])
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path not in defined]
    for name in (*switches(DEFAULT_RULES), *switches(DEFAULT_SERVICE_RULES)):
        assert any(re.search(rf"rules\.{name}\b", text) for text in texts), name
    for name in switches(DEFAULT_SEMANTICS):
        assert any(re.search(rf"(self|semantics)\.{name}\b", text) for text in texts), name


def test_there_and_back() -> None:
    """Rules survive being written as JSON; switches that are missing there have their defaults."""
    rules = Rules(max_workers=3, offline_default_workspaces=(), semantics=Semantics(numeric_strings=False))
    assert Rules.from_dict(json.loads(json.dumps(rules.to_dict()))) == rules
    assert Rules.from_dict({}) == DEFAULT_RULES
    with pytest.raises(TypeError):
        Rules.from_dict({"no_such_switch": 1})


def test_both_halves_are_one_record_for_users() -> None:
    """The public rules have every switch of the engine and of the service, and give each half its own."""
    rules = PublicRules(max_workers=3, etag_quoted=False)
    assert switches(rules).keys() == {*switches(DEFAULT_RULES), *switches(DEFAULT_SERVICE_RULES)}
    assert rules.engine_rules() == Rules(max_workers=3)
    assert rules.service_rules() == ServiceRules(etag_quoted=False)
    assert PublicRules.join(rules.engine_rules(), rules.service_rules()) == rules


@pytest.mark.parametrize("code", [999, 1001, 2999, 5000])
def test_impossible_close_codes(code: int) -> None:
    """A code that no server may send is refused when the rules are made."""
    with pytest.raises(ValueError, match="must be 1000 or from 3000 to 4999"):
        PublicRules(replaced_session_close_code=code)
