"""The command ``taskrouter``. Importing it is cheap: click, rich and the rest are loaded on first use."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from twilio_taskrouter_worker._version import __version__

__all__ = ["main"]

EXIT_MISSING_EXTRA = 2
# Only these are explained: any other missing module is a fault of the installation, or of this package.
_EXTRA = {"click", "rich", "aiohttp"}
_INSTALL_HINT = 'pip install "twilio_taskrouter_worker[local]"'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The arguments after the command's name; None: those of the process.

    Returns:
        The exit code: 0 success, 1 a reported failure, 2 wrong usage or a library that is not installed.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments == ["--version"]:
        print(f"taskrouter {__version__}")  # noqa: T201
        return 0
    try:
        from twilio_taskrouter_worker.cli.app import run

        return run(arguments)
    except ModuleNotFoundError as missing:
        library = (missing.name or "").partition(".")[0]
        if library not in _EXTRA:
            raise
        print(f"taskrouter needs {library}, which is not installed: {_INSTALL_HINT}", file=sys.stderr)  # noqa: T201
        return EXIT_MISSING_EXTRA
