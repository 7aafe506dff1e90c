"""Running a Worker as a program: find it by name, log, and restart it when its code changes.

The machinery behind ``taskrouter run``, ``flask taskrouter-worker`` and ``manage.py taskrouter_worker``; it prints
nothing itself and needs none of their libraries.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import TaskRouterError

if TYPE_CHECKING:
    from ._bridge.watching import Around
    from .worker import Worker

__all__ = ["ProgramError", "RunError", "load_worker", "run_program"]

RELOAD_SECONDS = 0.5
"""Time between two checks of a program's files for changes."""

_LIFELINE = "TASKROUTER_RELOAD_LIFELINE"
"""Set in a process that is restarted on changes: the descriptor of a pipe that ends when the parent process ends."""


class RunError(Exception):
    """The program's connection ended for good, or work was given up, or an option is wrong."""


class ProgramError(RunError):
    """The argument is not a valid program; the text names the valid forms."""


def run_program(
    program: object,
    *,
    reload: bool,
    note: Callable[[str], None],
    around: Around | None = None,
    **options: Any,
) -> int:
    """Run a Worker until a signal; blocks until then. Main thread only.

    Args:
        program: See ``load_worker``.
        reload: Whether to run it in a child process that is restarted when a Python file changes.
        note: Called with a line for the user at each restart.
        around: Context for each callback and handler, see ``Worker.around``; None adds none.
        **options: The arguments of ``run_forever``.

    Returns:
        The exit code.

    Raises:
        ProgramError: The program is not a Worker.
        RunError: It did not end in good order.
    """
    if not _is_child() and reload:
        return _start_again_on_change(note)
    worker = load_worker(program)
    _log_by_default()
    if around is not None:
        worker.around(around)
    try:
        worker.run_forever(**options)
    except (TaskRouterError, ValueError, OSError) as error:
        raise RunError(str(error)) from error
    return 0


# -- finding it ------------------------------------------------------------------------------------------------------


def load_worker(program: object) -> Worker:
    """Return the Worker of a program.

    Args:
        program: ``MODULE:WORKER``, a Worker, or a function without arguments that makes one. A module is searched for
            in the working directory first.

    Returns:
        The Worker.

    Raises:
        ProgramError: There is no such module, or no Worker of that name in it.
    """
    if not isinstance(program, str):
        worker = _made(program)
        if worker is None:
            raise ProgramError(f"The program must be a Worker, or a function that returns one, not {program!r}")
        return worker
    module_name, divided, name = program.partition(":")
    if not divided or not module_name or not name:
        raise ProgramError(f"The program is MODULE:WORKER, for example shop:worker, not {program!r}")
    if os.getcwd() not in sys.path:
        # As ``python -m`` does; a console script has its own folder there.
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that the program imports is missing, not the program: the traceback shows where.
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ProgramError(f"There is no module {module_name!r} in {os.getcwd()} or among those installed") from None
    worker = _made(getattr(module, name, None))
    if worker is None:
        from .worker import Worker

        there_are = [key for key, value in vars(module).items() if isinstance(value, Worker)]
        hint = f"; it has {', '.join(there_are)}" if there_are else ""
        raise ProgramError(f"{module_name} has no Worker called {name}{hint}")
    return worker


def _made(found: object) -> Worker | None:
    from .worker import Worker

    made = found() if callable(found) and not isinstance(found, Worker) else found
    return made if isinstance(made, Worker) else None


def _log_by_default() -> None:
    """Write the package's log to stderr, from INFO on, if the application has configured no handler for it."""
    package = logging.getLogger(__package__)
    # Those of the root logger count as well.
    if package.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    package.addHandler(handler)
    if package.level == logging.NOTSET:
        package.setLevel(logging.INFO)


# -- restarting it -----------------------------------------------------------------------------------------------------


def _is_child() -> bool:
    """Whether this process is the child of ``_start_again_on_change()``, and so has to run the program itself.

    The first call in such a child makes it end, as by SIGTERM, when its parent ends without having stopped it: an
    orphaned worker would continue to take offers.
    """
    # Taken out: a program that the worker starts is not run by the reloader.
    descriptor = os.environ.pop(_LIFELINE, None)
    if descriptor is not None:
        threading.Thread(
            target=_end_with_parent, args=(int(descriptor),), name="taskrouter-reload", daemon=True
        ).start()
    return descriptor is not None


def _end_with_parent(descriptor: int) -> None:
    os.read(descriptor, 1)
    # A signal, so that ``run_forever`` stops as it does for any other.
    os.kill(os.getpid(), signal.SIGTERM)


def _start_again_on_change(note: Callable[[str], None]) -> int:
    """Run the command line of this process in a child process, and again after each change of a Python file.

    Blocks until the child ends in good order, or until SIGINT or SIGTERM, which are passed on to the child. Main thread
    only.

    Args:
        note: Called with a line for the user at each restart.

    Returns:
        The exit code of the last child.
    """
    # SIGTERM raises KeyboardInterrupt too, so that the child is ended with this process.
    # SIGINT too: a shell starts what is in the background with that signal ignored, and then Python leaves it so.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    while True:
        before = _changes()
        child, lifeline = _start()
        try:
            code = _wait_for_change(child, before)
            if code is None:
                note("A file has changed: starting again")
                # By SIGTERM, so that the handlers under way may finish before the new program starts.
                child.terminate()
                child.wait()
            elif code == 0:
                return 0
            else:
                note("It ended with an error; waiting for a change of its files")
                # Started again at once, it would only fail again.
                while _changes() == before:
                    time.sleep(RELOAD_SECONDS)
        except KeyboardInterrupt:
            return _stop(child)
        finally:
            # However the loop is left, the child must not outlive it.
            os.close(lifeline)


def _start() -> tuple[subprocess.Popen[bytes], int]:
    """Start the child; return it with the end of the pipe that must stay open for as long as it is to run."""
    its_end, ours = os.pipe()
    try:
        child = subprocess.Popen(
            # With the interpreter's own options, such as ``-m``, which ``sys.argv`` does not have.
            [sys.executable, *sys.orig_argv[1:]],
            env={**os.environ, _LIFELINE: str(its_end)},
            pass_fds=[its_end],
            # Ctrl-C then reaches only this process, which forwards it once.
            start_new_session=True,
        )
    finally:
        os.close(its_end)
    return child, ours


def _wait_for_change(child: subprocess.Popen[bytes], before: dict[str, float]) -> int | None:
    """Block until the child ends, and return its exit code, or until a file changes, and return None."""
    while (code := child.poll()) is None and _changes() == before:
        time.sleep(RELOAD_SECONDS)
    return code


def _stop(child: subprocess.Popen[bytes]) -> int:
    """End the child; each further signal is forwarded, and the second one ends it at once."""
    while True:
        try:
            child.terminate()
            return child.wait()
        except KeyboardInterrupt:
            continue


def _changes() -> dict[str, float]:
    """Return the modification time of each Python file below the working directory.

    Virtual environments, hidden folders and ``node_modules`` are left out: they are large and not the program.
    """
    found = {}
    for folder, folders, files in os.walk(Path.cwd()):
        folders[:] = [
            each
            for each in folders
            if not each.startswith(".")
            and each not in ("node_modules", "__pycache__")
            and not os.path.exists(os.path.join(folder, each, "pyvenv.cfg"))
        ]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                try:
                    found[path] = os.stat(path).st_mtime
                except OSError:
                    continue  # it has just been deleted
    return found
