"""Seed files on disk: JSON, or YAML where PyYAML is installed."""

from __future__ import annotations

import json
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from ..._json import finite
from ...errors import SeedError
from .form import check

_YAML = (".yaml", ".yml")
_JSON = (".json",)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the document in a file, checked for its form.

    Args:
        path: JSON or YAML, by the suffix of its name.

    Raises:
        SeedError: The file cannot be read, or is not a seed file; the message begins with the path.
    """
    file = Path(path)
    try:
        # Editors on Windows begin UTF-8 files with a byte order mark.
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SeedError(f"Cannot read the seed file {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SeedError(f"{file} is not UTF-8 text (byte {error.start + 1})") from error
    try:
        document = _parse_yaml(file, text) if _kind(file) == "yaml" else _parse_json(text)
        return check(document)
    except SeedError as error:
        raise SeedError(f"{file}: {error}") from error


def write(document: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write a document to a file, which is replaced if it exists.

    Args:
        document: A document in the form of :func:`~.exporting.export`.
        path: Its suffix decides between JSON and YAML.

    Raises:
        SeedError: The suffix is unknown, PyYAML is missing, or the file cannot be written.
    """
    file = Path(path)
    text = _yaml_text(file, document) if _kind(file) == "yaml" else _json_text(document)
    try:
        file.write_bytes(text)
    except OSError as error:
        raise SeedError(f"Cannot write the seed file {file}: {error.strerror}") from error


def _kind(file: Path) -> str:
    if file.suffix.lower() in _YAML:
        return "yaml"
    if file.suffix.lower() in _JSON:
        return "json"
    raise SeedError(f"The name of a seed file must end in .json, .yaml or .yml: {file}")


# -- JSON ------------------------------------------------------------------------------------------------------------


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant, parse_float=finite)
    except json.JSONDecodeError as error:
        raise SeedError(f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise SeedError("it is nested too deeply") from None
    # SeedError is a ValueError, and one from the hooks has its message already.
    except SeedError:
        raise
    except ValueError as error:  # a number that Python cannot hold
        raise SeedError(f"not valid JSON: {error}") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise SeedError(f"the key {key!r} is there twice in one object")
        found[key] = value
    return found


def _no_constant(text: str) -> Any:
    raise SeedError(f"{text} is not JSON")


def _json_text(document: dict[str, Any]) -> bytes:
    try:
        return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:  # half of a surrogate pair in an attribute needs an escape
        return f"{json.dumps(document, indent=2)}\n".encode()


# -- YAML ------------------------------------------------------------------------------------------------------------


def _yaml(file: Path) -> Any:
    try:
        # An optional dependency, imported only for YAML files.
        import yaml
    except ImportError:
        raise SeedError(
            f"{file} is YAML, which takes PyYAML: install it (pip install pyyaml), or use a .json file"
        ) from None
    return yaml


def _parse_yaml(file: Path, text: str) -> Any:
    yaml = _yaml(file)

    class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        """YAML's safe types; refuses duplicate keys, of which YAML silently takes the last."""

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
            self.flatten_mapping(node)
            seen: set[Any] = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, Hashable) and key in seen:
                    mark = key_node.start_mark
                    raise SeedError(f"the key {key!r} is there twice in one mapping (line {mark.line + 1})")
                seen.add(key if isinstance(key, Hashable) else id(key))
            return dict(super().construct_mapping(node, deep=deep))

    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable"
        raise SeedError(f"not valid YAML: {problem}{where}") from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, SeedError):
            raise
        raise SeedError(f"not valid YAML: {error}") from None


def _yaml_text(file: Path, document: dict[str, Any]) -> bytes:
    yaml = _yaml(file)

    class Dumper(yaml.SafeDumper):  # type: ignore[misc, name-defined]
        """Writes everything in full: no anchors for parts that happen to be the same object."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    options = {"Dumper": Dumper, "sort_keys": False, "width": 110}
    try:
        return str(yaml.dump(document, allow_unicode=True, **options)).encode()
    except UnicodeEncodeError:
        return str(yaml.dump(document, **options)).encode()
