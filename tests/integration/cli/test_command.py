"""What all commands share: versions, help, wrong usage, missing libraries, and what an import costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.integration.cli.commands import BOUND_SECONDS, environment, taskrouter
from twilio_taskrouter_worker._version import __version__


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    """Run a few lines in a process of their own."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=BOUND_SECONDS,
        check=False,
    )


def test_version() -> None:
    """``--version`` prints the version and nothing else."""
    ended = taskrouter("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"taskrouter {__version__}\n", "")


def test_version_needs_none_of_the_extras() -> None:
    """The quick answers stay quick: neither the command's libraries nor the service's are imported for them."""
    ended = run_python(
        "import sys\n"
        "from twilio_taskrouter_worker.cli import main\n"
        "assert main(['--version']) == 0\n"
        "loaded = {'click', 'rich', 'aiohttp', 'twilio_taskrouter_worker.local'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    assert ended.returncode == 0, ended.stderr


def test_help_loads_neither_rich_nor_the_service() -> None:
    """Help comes without rich and without the service."""
    ended = run_python(
        "import sys\n"
        "from twilio_taskrouter_worker.cli import main\n"
        "assert main(['demo', '--help']) == 0\n"
        "loaded = {'rich', 'aiohttp', 'twilio_taskrouter_worker.local'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    assert ended.returncode == 0, ended.stderr
    assert "--workers" in ended.stdout


@pytest.mark.parametrize("command", [[], ["demo"], ["local"]])
def test_every_command_has_help(command: list[str]) -> None:
    """Each command says what it is for, on standard output."""
    ended = taskrouter(*command, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Usage: taskrouter")


@pytest.mark.parametrize("library", ["click", "rich", "aiohttp"])
def test_missing_library_is_one_clear_line(library: str) -> None:
    """Without the extra there is no traceback but the line to type, and exit code 2."""
    ended = run_python(
        f"import sys\nsys.modules[{library!r}] = None\n"
        "from twilio_taskrouter_worker.cli import main\nsys.exit(main(['demo']))\n"
    )
    assert ended.returncode == 2
    assert ended.stderr == (
        f'taskrouter needs {library}, which is not installed: pip install "twilio_taskrouter_worker[local]"\n'
    )


def test_other_missing_modules_are_not_blamed_on_the_extra() -> None:
    """A broken installation of something else shows itself as what it is."""
    ended = run_python(
        "import sys\nsys.modules['twilio_taskrouter_worker.cli.app'] = None\n"
        "from twilio_taskrouter_worker.cli import main\nsys.exit(main(['demo']))\n"
    )
    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr


def test_unknown_command_is_wrong_usage() -> None:
    """A slip of the finger gets a line that names it, and exit code 2."""
    ended = taskrouter("dmeo")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "dmeo" in ended.stderr
    assert "Traceback" not in ended.stderr
