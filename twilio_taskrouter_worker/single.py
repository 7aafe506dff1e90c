"""One process of a machine connects a worker: ``Worker(single=...)``."""

from __future__ import annotations

import os
import weakref
from contextlib import suppress
from typing import Any

import attrs

from . import _checks

__all__ = ["ProcessLock", "Single"]


def _path(instance: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, (str, os.PathLike)):
        raise _checks.wrong_type("single", "the path of a lock file, or a Single", value)
    if not os.fspath(value):
        raise ValueError("single must be the path of a lock file, or a Single, not empty")


@attrs.frozen
class Single:
    """Lets one process of this machine connect a worker, and others wait or fail.

    The lock is an advisory one (``flock``) on a file, which is created where it is missing and never removed. The
    kernel releases it when the process ends, however that happens; a process that waits then takes over within half a
    second. All processes must name the same file, one for each worker, on a local file system.

    ``Worker(single="/run/myapp/alice.lock")`` is short for ``Worker(single=Single("/run/myapp/alice.lock"))``.
    """

    path: str | os.PathLike[str] = attrs.field(validator=_path)
    """The lock file; its folder must exist."""

    wait: bool = attrs.field(default=True, validator=_checks.validator(_checks.boolean))
    """Behaviour while another process holds the lock: True waits for as long as ``connect(timeout)``, ``start()`` or
    ``run_forever()`` do, False raises AlreadyConnectedError at once."""


class ProcessLock:
    """The lock of a Single. Not thread-safe.

    Args:
        path: The lock file.

    Raises:
        OSError: The file cannot be opened, or there is no ``flock`` on this system or file system.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path: str = os.fspath(path)
        self._descriptor = -1

    def acquire(self) -> bool:
        """Take the lock if no other process holds it; does not block.

        Returns:
            Whether this object holds the lock now.

        Raises:
            OSError: The file cannot be opened, or ``flock`` fails.
        """
        # Here, since Windows does not have it: only the option fails there.
        import fcntl

        if self._descriptor >= 0:
            return True
        # Without O_CLOEXEC a program started by this process would inherit the lock, and keep it.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Not a POSIX lock (``lockf``): that ends as soon as the process closes any descriptor of the file, as
            # ``holder`` does.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._descriptor = descriptor
        _held.add(self)
        # For the message of a process that finds it taken; the lock itself does not depend on it.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return True

    def holder(self) -> str:
        """Describe the process that holds the lock, for messages."""
        with suppress(OSError, ValueError), open(self.path, encoding="ascii") as file:
            return f"process {int(file.read(20))}"
        return "another process"

    def release(self) -> None:
        """Release the lock; idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        _held.discard(self)
        if descriptor >= 0:
            os.close(descriptor)


_held: weakref.WeakSet[ProcessLock] = weakref.WeakSet()


def _release_in_child() -> None:
    """Release the locks in a forked child: it shares the open file, and would keep the lock after its parent's end."""
    for lock in list(_held):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
