"""How the documentation is built: ``sphinx-build -W -b html docs docs/_build``."""

import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs" / "_ext")]

from twilio_taskrouter_worker import Transfers, Worker  # noqa: E402
from twilio_taskrouter_worker._bridge import schema  # noqa: E402
from twilio_taskrouter_worker._version import __version__  # noqa: E402
from twilio_taskrouter_worker.local.engine.model import Record  # noqa: E402

project = "twilio_taskrouter_worker"
author = "The twilio_taskrouter_worker authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["generated", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "twilio_taskrouter_worker"
html_extra_path = ["llms.txt"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "no-value": True}
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

PACKAGES = ("twilio_taskrouter_worker", "twilio_taskrouter_worker.local")
LISTENING = {"on", "once", "off", "wait_for", "stream"}
"""The same on every object that has events, and so described in one place."""


def annotate_attributes() -> None:
    """Give the attributes that come from payloads the annotations that a reader wants to see.

    They are descriptors; what they read as is the parameter of their ``Kind``, which stands in the annotations of the
    module that defines them.
    """
    kinds = {
        id(getattr(schema, name)): kind.removeprefix("Kind[").removesuffix("]")
        for name, kind in schema.__annotations__.items()
        if isinstance(kind, str) and kind.startswith("Kind[")
    }
    todo = [schema.Resource]
    while todo:
        owner = todo.pop()
        todo += owner.__subclasses__()
        # Inherited ones too: where annotations cannot be evaluated, autodoc looks at the class itself only.
        fields = {name: value for base in reversed(owner.__mro__) for name, value in vars(base).items()}
        wires = {name: kinds[id(value.kind)] for name, value in fields.items() if isinstance(value, schema.Wire)}
        owner.__annotations__ = {**owner.__dict__.get("__annotations__", {}), **wires}


def undescribed(described: set[str]) -> Iterator[str]:
    """The public members of public classes that the reference lacks; a base class's description is enough."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for exported in module.__all__:
            owner = getattr(module, exported)
            # Exceptions have a page of their own; records have the fields of Twilio's resources.
            if not inspect.isclass(owner) or issubclass(owner, (BaseException, Record)):
                continue
            bases = [base for base in owner.__mro__ if base.__module__.startswith(PACKAGES[0])]
            for name in sorted({name for base in bases for name in vars(base) if not name.startswith("_")}):
                listens = name in LISTENING and exported != "Worker"
                if not listens and not any(f"{package}.{base.__name__}.{name}" in described for base in bases):
                    yield f"{package}.{exported}.{name}"


def check_reference(app: Any, env: Any) -> None:
    """Warn of what no page describes; warnings are errors."""
    from sphinx.util import logging

    for name in undescribed({name for name, *_ in env.get_domain("py").get_objects()}):
        logging.getLogger(__name__).warning("%s is public, but described nowhere", name)


def show_signature(app: Any, what: str, name: str, obj: Any, options: Any, signature: Any, returns: Any) -> Any:
    """Hide the constructors of resources, which clients make, and name the class for which a type variable stands."""
    made_here = inspect.isclass(obj) and issubclass(obj, (schema.Resource, Transfers)) and not issubclass(obj, Worker)
    if made_here:
        return "", None
    return (signature, "LocalTaskRouter") if str(returns).endswith(".R_co") else None


_sentences: dict[str, list[str]] = {}


def keep_sentence(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Before napoleon, which takes what stands before the first colon of an attribute's sentence for its type."""
    if what in ("attribute", "property"):
        _sentences[name] = list(lines)


def give_back_sentence(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """After napoleon."""
    if name in _sentences:
        lines[:] = _sentences.pop(name)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    for package in PACKAGES:
        importlib.import_module(package)
    annotate_attributes()
    app.connect("env-check-consistency", check_reference)
    app.connect("autodoc-process-signature", show_signature)
    app.connect("autodoc-process-docstring", keep_sentence, priority=400)
    app.connect("autodoc-process-docstring", give_back_sentence, priority=600)
