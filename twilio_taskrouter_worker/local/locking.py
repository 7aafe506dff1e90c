"""The lock on a database, in a file beside it, which also notes how much of the database was committed.

SQLite's own lock is a POSIX lock: the kernel drops it as soon as anything in the process closes any descriptor of the
database, a backup made in Python for example. A lock by ``flock`` belongs to the open file, and outlives that.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from contextlib import suppress

from ..errors import StoreError

# A restart may begin while the service before it still writes its last commit.
_WAIT_SECONDS = 0.5
"""How long a start waits for another process that is about to release the lock."""
_STEP_SECONDS = 0.02
_NOTE_BYTES = 128

_HELD: weakref.WeakSet[DatabaseLock] = weakref.WeakSet()


class DatabaseLock:
    """An exclusive lock, held from the constructor until :meth:`release`.

    The constructor blocks for up to half a second, for a process that is about to release the lock.

    Args:
        path: The lock file, which is created if it is missing.
        database: The name of the database, for messages.

    Raises:
        StoreError: Another process or router holds it, or the file cannot be used.
    """

    def __init__(self, path: str, database: str) -> None:
        self.path = path
        self._descriptor = _acquire(path, database)
        _HELD.add(self)

    def note(self) -> str:
        """Return the text of the latest :meth:`write`, by this process or one that was killed; empty if none."""
        return os.pread(self._descriptor, _NOTE_BYTES, 0).rstrip(b" \n\0").decode("ascii", "replace")

    def write(self, note: str) -> None:
        """Replace the text. It is not flushed to the disk: it outlives the process, but not a loss of power.

        Args:
            note: ASCII text.

        Raises:
            OSError: The file cannot be written.
        """
        # Of fixed length, so that a shorter note leaves nothing of a longer one behind.
        os.pwrite(self._descriptor, note.ljust(_NOTE_BYTES - 1).encode("ascii") + b"\n", 0)

    def release(self, *, remove: bool) -> None:
        """Release the lock; a second time does nothing.

        Args:
            remove: Delete the file as well. Not after a failure, because the next start needs the text in it.
        """
        if self._descriptor < 0:
            return
        if remove:
            # While the lock is held: a process that waits for it finds its open file deleted, and opens the new one.
            with suppress(OSError):
                # Not the file of somebody else, who has replaced it.
                if os.path.samestat(os.fstat(self._descriptor), os.stat(self.path)):
                    os.unlink(self.path)
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        _HELD.discard(self)
        os.close(descriptor)


def _acquire(path: str, database: str) -> int:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            # O_NOFOLLOW: in a shared folder, a link could make another file of this user the lock.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreError(
                f"Cannot use {database}: its lock file {path} cannot be opened ({error.strerror})"
            ) from error
        try:
            # Without waiting in the system, which could not be limited in time.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    return descriptor
            # The holder has removed the file meanwhile: there may be a new one, which others lock.
            os.close(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            if time.monotonic() >= deadline:
                raise StoreError(
                    f"{database} is in use by another LocalTaskRouter, in this process or another; stop that one first"
                ) from None
            time.sleep(_STEP_SECONDS)
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):
                raise StoreError(f"Cannot lock {database} ({error.strerror}); choose a file on a local disk") from error
            raise


def _close_in_child() -> None:
    """Close a forked child's copies, which would keep the lock after the parent's end. The parent keeps the lock."""
    for lock in list(_HELD):
        # Closing a copy of the descriptor does not release the lock, as it belongs to the open file that both share.
        lock._close()


os.register_at_fork(after_in_child=_close_in_child)
