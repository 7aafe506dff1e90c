"""Seed files on disk: what can be read, what cannot, and why."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from twilio_taskrouter_worker.errors import SeedError
from twilio_taskrouter_worker.local.seeds import configuration, read, write
from twilio_taskrouter_worker.local.seeds.remote import Record

DOCUMENT: dict[str, Any] = {
    "format": 1,
    "workspaces": [
        {
            "friendly_name": "Zürich \U0001f600",
            "workers": [
                {
                    "friendly_name": "yes",
                    "attributes": {"no": "off", "n": "1", "f": 1.0, "t": "12:30", "e": "", "~": None},
                }
            ],
            "tasks": [{"virtual_start_time": "2030-01-31T12:00:00+00:00"}],
        }
    ],
}


@pytest.mark.parametrize("name", ["seed.json", "seed.yaml", "SEED.YML"])
def test_written_and_read(tmp_path: Path, name: str) -> None:
    """Each form gives back the very document, words that YAML has other ideas about included."""
    write(DOCUMENT, tmp_path / name)
    assert read(tmp_path / name) == DOCUMENT
    assert "Zürich \U0001f600" in (tmp_path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["seed.json", "seed.yaml"])
def test_half_a_surrogate_pair(tmp_path: Path, name: str) -> None:
    """What UTF-8 cannot hold is written as an escape."""
    document = {"workspaces": [{"friendly_name": "x\udc00"}]}
    write(document, tmp_path / name)
    assert read(tmp_path / name) == document


def test_the_same_part_twice_is_written_twice(tmp_path: Path) -> None:
    """YAML's anchors would be a riddle for a reader."""
    attributes = {"languages": ["en"]}
    workers = [{"friendly_name": name, "attributes": attributes} for name in "AB"]
    write({"workspaces": [{"friendly_name": "W", "workers": workers}]}, tmp_path / "seed.yaml")
    assert "&" not in (tmp_path / "seed.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("seed.json", '{"workspaces": [}', "not valid JSON: Expecting value at line 1, column 17"),
        ("seed.json", '{"workspaces": [], "workspaces": []}', "the key 'workspaces' is there twice in one object"),
        ("seed.json", '{"workspaces": [NaN]}', "NaN is not JSON"),
        ("seed.json", '{"workspaces": [1e999]}', "a number is too large"),
        ("seed.json", "[" * 100_000, "it is nested too deeply"),
        ("seed.json", b"\xff\xfe", "is not UTF-8 text (byte 1)"),
        ("seed.yaml", "workspaces: [", "not valid YAML: "),
        ("seed.yaml", "workspaces:\n  - a: 1\n   b: 2", " at line 3, column "),
        (
            "seed.yaml",
            "workspaces: []\nworkspaces: []",
            "the key 'workspaces' is there twice in one mapping (line 2)",
        ),
        ("seed.yaml", "workspaces: !!python/object:os.system x", "could not determine a constructor for the tag"),
        ("seed.yaml", "? [a]\n: b", "found unhashable key"),
        ("seed.yaml", "workspaces: 2030-99-99", "not valid YAML: month must be in 1..12"),
        ("seed.yaml", "\x00", "not valid YAML: "),
        ("seed.yaml", "workspace: []", "unknown key 'workspace'; did you mean 'workspaces'?"),
        ("seed.txt", "{}", "must end in .json, .yaml or .yml"),
    ],
)
def test_faults(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    """Each is told with the file's name."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SeedError) as refused:
        read(path)
    assert said in str(refused.value), str(refused.value)
    assert str(path) in str(refused.value)


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    """A file that is not there, and a folder that is not there."""
    with pytest.raises(SeedError, match="Cannot read the seed file .*: No such file or directory"):
        read(tmp_path / "seed.json")
    with pytest.raises(SeedError, match="Cannot write the seed file .*: No such file or directory"):
        write(DOCUMENT, tmp_path / "gone" / "seed.json")
    with pytest.raises(SeedError, match="must end in"):
        write(DOCUMENT, tmp_path / "seed")


def test_yaml_without_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML is missing, JSON works, and YAML says what to install."""
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *rest, **more)

    (tmp_path / "seed.yaml").write_text("workspaces: []")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SeedError, match=r"takes PyYAML: install it \(pip install pyyaml\), or use a .json file"):
        read(tmp_path / "seed.yaml")
    with pytest.raises(SeedError, match="takes PyYAML"):
        write(DOCUMENT, tmp_path / "seed.yml")
    write(DOCUMENT, tmp_path / "seed.json")
    assert json.loads((tmp_path / "seed.json").read_text(encoding="utf-8")) == DOCUMENT


def test_half_a_character_in_yaml(tmp_path: Path) -> None:
    """A text that has no encoding is written as an escape."""
    file = tmp_path / "seed.yaml"
    write({"format": 1, "workspaces": [{"friendly_name": "\ud800 Zürich"}]}, file)
    assert "\\uD800 Z" in file.read_text(encoding="utf-8")


def test_a_configuration_that_is_the_text_of_something_else() -> None:
    """The place is named, and what is there."""
    with pytest.raises(SeedError, match="workflow: must be the text of a JSON object, not of"):
        configuration.parsed("[1]", "workflow")


def test_records_of_a_remote_account_are_like_those_of_the_engine() -> None:
    """A field that the service does not send is a missing attribute."""
    record = Record({"sid": "WK1"})
    assert record.sid == "WK1" and getattr(record, "worker_sid", None) is None
