"""The benchmarks run, with tiny numbers: nothing here is about speed."""

from __future__ import annotations

import re

import pytest

from tests.benchmarks import engine, executors, growth, keeping, many, moments, service


def test_engine(capsys: pytest.CaptureFixture[str]) -> None:
    """The engine's benchmark keeps as many tasks waiting as it says, and every worker busy."""
    assert engine.main(["--workers", "20", "--queues", "4", "--pending", "5", "30", "--lives", "40"]) == 0
    rows = re.findall(r"^ *(\d+) pending +(\d+) busy +(\d+) lives/s", capsys.readouterr().out, re.MULTILINE)
    assert [int(pending) for pending, _, _ in rows] == [5, 30]
    assert all(0 < int(busy) <= 20 and int(rate) > 0 for _, busy, rate in rows)


def test_engine_profile(capsys: pytest.CaptureFixture[str]) -> None:
    """The profile is printed when it is asked for."""
    shape = ["--workers", "5", "--queues", "2", "--pending", "3", "--lives", "10"]
    assert engine.main([*shape, "--profile"]) == 0
    assert "cumtime" in capsys.readouterr().out


def test_engine_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """The size of the process is printed after each tenth of the lives."""
    assert engine.main(["--workers", "5", "--queues", "2", "--pending", "3", "--lives", "50", "--memory"]) == 0
    found = re.findall(r"^ *(\d+) lives +([\d.]+) MB$", capsys.readouterr().out, re.MULTILINE)
    assert [int(lives) for lives, _ in found] == list(range(0, 51, 5))
    assert all(float(size) > 5 for _, size in found)


def test_a_life_is_a_whole_life() -> None:
    """What is counted as a life completes one task, accepts one and creates one."""
    shop = engine.Shop(workers=10, queues=3)
    shop.fill(15)
    for _ in range(30):
        before = {task.sid: task.assignment_status for task in shop.engine.tasks(shop.workspace)}
        shop.life()
        after = {task.sid: task.assignment_status for task in shop.engine.tasks(shop.workspace)}
        changes = sorted((before.get(sid, "new"), status) for sid, status in after.items() if before.get(sid) != status)
        assert changes == [("assigned", "completed"), ("new", "pending"), ("pending", "assigned")]


def test_service(capsys: pytest.CaptureFixture[str]) -> None:
    """The service's benchmark measures lives and creation, in memory and with a file, and idle sessions."""
    shape = ["--workers", "2", "--tasks", "10", "--seconds", "0.3", "--sessions", "3", "--kept", "20"]
    assert service.main(shape) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10].strip() for line in lines] == ["in memory", "in memory", "with db=", "with db=", "", ""]
    found = [re.search(r"(lives/s|created/s|idle sessions|and 20 tasks)", line) for line in lines]
    wanted = ["lives/s", "created/s", "lives/s", "created/s", "idle sessions", "and 20 tasks"]
    assert [each[0] for each in found if each is not None] == wanted


def test_keeping(capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark of the file measures requests with one and without, and restarts."""
    keeping.main(["--commands", "30", "--seconds", "0.1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["1", "10", "50"]
    assert "with 30 commands" in lines[4]


def test_many(capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark of many Workers serves every task of its bursts, and compares the two crowds."""
    assert many.main(["--workers", "2", "4", "--bursts", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["2", "Workers"], ["4", "Workers"]]
    assert "a task with 4 Workers costs" in lines[2]


def test_growth(capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark of growth measures each part, and ends with a row for each goal."""
    shape = ["--pending", "20", "30", "--lives", "10", "--journal", "30", "60", "--entries", "300", "--views", "2"]
    growth.main([*shape, "--forks", "2", "--workers", "2", "--tasks", "10", "--turns", "1"])
    *lines, engine_rate, engine_cost, rate, file, view, fork, restart = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if "pending" in line or "commands" in line] == 2 * ["pending"] + 2 * [
        "commands"
    ]
    rows = [row.split("|") for row in (engine_rate, engine_cost, rate, file, view, fork, restart)]
    assert all(len(row) == 4 and row[3] in ("met", "missed") for row in rows)
    assert rows[0][0].endswith("with 30 tasks waiting")
    assert rows[6][0] == "restart from a file with 60 commands, s"


@pytest.mark.parametrize("file", [[], ["--file"]], ids=["memory", "file"])
def test_moments(file: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark of the time machine makes views and forks, in memory and with a file."""
    shape = ["--entries", "300", "--workers", "3", "--tasks", "20", "--views", "3", "--forks", "2"]
    assert moments.main([*shape, *file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert int(lines[0].split()[0]) >= 300
    assert [line.split("  ")[0] for line in lines[1:6]] == [
        "view of a random moment",
        "fork of the present",
        "longest wait for the service",
        "fork of a random moment",
        "all moments of the journal",
    ]


def test_executors(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark of executors completes all tasks on each kind; Dask has a test of its own."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert executors.main(["--tasks", "4", "--heavy", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:24].strip() for line in lines] == [
        "threads of the Worker",
        "ThreadPoolExecutor",
        "ProcessPoolExecutor",
    ]
