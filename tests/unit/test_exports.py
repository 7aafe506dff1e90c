"""The public names: complete, importable, documented, and light to import."""

from __future__ import annotations

import importlib.resources
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_origin

import pytest

import twilio_taskrouter_worker as package
from twilio_taskrouter_worker._bridge.schema import Resource, Wire

MODULES = [
    name
    for name in ("", *(f".{info.name}" for info in pkgutil.iter_modules(package.__path__)))
    if not name.startswith("._") and name not in (".cli", ".local")
]
"""The public modules of the client."""

INTERNAL = [f"._bridge.{info.name}" for info in pkgutil.iter_modules([f"{package.__path__[0]}/_bridge"])]


def load(name: str) -> ModuleType:
    return importlib.import_module(package.__name__ + name)


@pytest.mark.parametrize("name", MODULES + INTERNAL)
def test_all_is_importable(name: str) -> None:
    """Every name a module lists is there, once."""
    module = load(name)
    assert len(set(module.__all__)) == len(module.__all__)
    for each in module.__all__:
        assert hasattr(module, each), each


def test_all_lists_the_public_names() -> None:
    """The package lists every public class, function and type of events that it imports, and no helper."""
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value) or get_origin(value))
    }
    assert set(package.__all__) == public | {"__version__", "tokens"}


def test_star_import() -> None:
    """A star import gives exactly the listed names."""
    scope: dict[str, Any] = {}
    exec(f"from {package.__name__} import *", scope)
    assert set(scope) - {"__builtins__"} == set(package.__all__)


def public_classes() -> list[type]:
    return [value for name in package.__all__ if inspect.isclass(value := getattr(package, name))]


def described(owner: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that a class of ours defines, its bases of ours included."""
    for base in owner.__mro__:
        if base.__module__.startswith(package.__name__):
            for name, value in vars(base).items():
                if not name.startswith("_"):
                    yield f"{base.__name__}.{name}", value


@pytest.mark.parametrize("kind", public_classes())
def test_every_class_and_method_has_a_docstring(kind: type) -> None:
    """Each public class, method and property says what it is, in words that begin like a sentence."""
    assert kind.__doc__ and begins_like_a_sentence(kind.__doc__), kind
    for name, value in described(kind):
        if inspect.isfunction(value) or isinstance(value, (property, classmethod, staticmethod)):
            doc = inspect.getdoc(value)
            assert doc, name
            assert begins_like_a_sentence(doc), (name, doc)


def begins_like_a_sentence(doc: str) -> bool:
    return doc.strip()[0].isupper() or doc.strip()[0] == "`"


@pytest.mark.parametrize("name", MODULES + INTERNAL)
def test_every_module_and_function_has_a_docstring(name: str) -> None:
    """Each module says what it is for, and so does each public function and class that it defines and lists."""
    module = load(name)
    assert module.__doc__
    for each in module.__all__:
        value = getattr(module, each)
        if inspect.isfunction(value) or inspect.isclass(value):
            if value.__module__ == module.__name__ and name in MODULES:
                assert value.__doc__, each


@pytest.mark.parametrize("kind", [kind for kind in public_classes() if issubclass(kind, Resource)])
def test_every_attribute_is_documented(kind: type[Resource]) -> None:
    """In the source each attribute of a resource has its own sentence below it."""
    for base in kind.__mro__:
        wires = [name for name, value in vars(base).items() if isinstance(value, Wire)]
        if not wires:
            continue
        lines = inspect.getsource(base).splitlines()
        for name in wires:
            at = next(i for i, line in enumerate(lines) if line.startswith(f"    {name}: Wire["))
            # The call may take several lines.
            end = next(i for i in range(at, len(lines)) if lines[i].endswith(")"))
            assert lines[end + 1].strip().startswith('"""'), f"{base.__name__}.{name}"


@pytest.mark.parametrize("kind", public_classes())
def test_public_signatures_are_annotated(kind: type) -> None:
    """Every parameter and result of a public method has a type."""
    for name, value in described(kind):
        if inspect.isfunction(value):
            signature = inspect.signature(value)
            assert signature.return_annotation is not inspect.Signature.empty, name
            for parameter in list(signature.parameters.values())[1:]:
                assert parameter.annotation is not inspect.Parameter.empty, (name, parameter.name)


def test_the_client_imports_no_extra() -> None:
    """Importing the package needs none of the extras, nor the local TaskRouter."""
    script = (
        f"import sys; import {package.__name__} as p; [getattr(p, name) for name in p.__all__];"
        "bad = {'aiohttp', 'click', 'rich', 'hypothesis', 'pytest', 'asyncio'} & set(sys.modules);"
        f"bad |= {{each for each in sys.modules if each.startswith('{package.__name__}.local')}};"
        "sys.exit(', '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_starts_no_thread() -> None:
    """Nothing runs because of an import."""
    script = f"import threading, {package.__name__}; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_it_is_typed() -> None:
    """The package says that it has types."""
    assert importlib.resources.files(package).joinpath("py.typed").is_file()


def test_the_version_is_one() -> None:
    """The version is text of the usual form."""
    assert package.__version__.split(".")[0].isdigit()
