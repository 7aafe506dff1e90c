"""The files of one SQLite database: their place, their permissions, and the protection of the ``-wal`` against loss."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress

from .._log import LOCAL as log
from ..errors import StoreError

_ENDINGS = ("", "-wal", "-shm", "-journal")


def damaged(path: str, how: str) -> StoreError:
    """Return the error for a damaged database.

    Args:
        path: The database.
        how: The damage.
    """
    return StoreError(f"{path} is damaged: {how}. Restore it from a copy, or start with another file")


class DatabaseFiles:
    """The database, SQLite's files beside it, and the lock file.

    Args:
        path: The name as the user gave it. SQLite resolves symbolic links before it names its own files.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.main: str = os.path.realpath(path)
        self.wal: str = f"{self.main}-wal"
        self.lock: str = f"{self.main}-lock"
        self._wal_copy = f"{self.wal}-spare"
        self._identities: dict[str, tuple[int, int] | None] = {}

    # -- before the database is opened ---------------------------------------------------------------------------

    def check_place(self) -> None:
        """Check that a database can be at this place, and that this user may use it.

        Raises:
            StoreError: It cannot, or this user may not.
        """
        path, folder = self.path, os.path.dirname(self.main)
        if _is_folder(path):
            raise StoreError(f"{path} is a folder; db= takes the name of a file in it")
        if os.path.islink(path) and not os.path.exists(path):
            raise StoreError(
                f"{path} is a link to {self.main}, which does not exist; remove the link or restore the file"
            )
        if not _is_folder(folder):
            raise StoreError(f"The folder {folder} does not exist; create it first, or choose another place for {path}")
        exists = os.path.exists(path)
        if exists and not os.access(path, os.R_OK | os.W_OK):
            raise StoreError(f"Cannot use the file {path}: this user may not read and write it")
        if exists and not os.access(folder, os.W_OK):
            raise StoreError(
                f"Cannot use the file {path}: this user may not write to its folder, where a lock file and SQLite's"
                " second file are kept beside it"
            )
        if not os.access(folder, os.W_OK):
            raise StoreError(f"Cannot create the file {path}: permission denied. Choose a folder you may write to")

    def create_if_missing(self) -> bool:
        """Create an empty file that only its owner may use, as it will hold secrets.

        Returns:
            Whether it was missing.

        Raises:
            StoreError: It cannot be created.
        """
        try:
            # O_EXCL: of two processes, one creates it, and no link that was planted there is followed.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(
                f"Cannot create the file {self.path}: {error.strerror}. Choose a folder you may write to"
            ) from error
        return True

    def close_to_others(self) -> None:
        """Take all permissions from others: the files hold the auth token and the signing key.

        Raises:
            StoreError: They have some, and this user may not change that.
        """
        # The -wal and the others too: rows are in them before they are in the database.
        for name in (f"{self.main}{ending}" for ending in _ENDINGS):
            with suppress(FileNotFoundError):
                mode = stat.S_IMODE(os.stat(name).st_mode)
                if not mode & 0o077:
                    continue
                try:
                    os.chmod(name, mode & 0o700)
                except OSError as error:
                    raise StoreError(
                        f"{name} holds secrets, but others may use it (mode {mode:03o}), and this user may not change"
                        " that: its owner can, with chmod 600"
                    ) from error
                log.info("%s holds secrets and was open to others (mode %03o): closed to them", name, mode)

    def remove(self) -> None:
        """Delete the database.

        Raises:
            OSError: A file cannot be deleted; one that does not exist is skipped.
        """
        # Not the lock file: it is held, and the store removes it.
        for ending in _ENDINGS:
            _discard(f"{self.main}{ending}")

    # -- SQLite deletes the -wal of a killed service when it closes the database ------------------------------------

    def copy_wal(self) -> bool:
        """Keep a copy of the ``-wal`` until its rows were checked.

        Otherwise a refused start would leave less than it found, and the next one could not detect the loss.

        Returns:
            Whether there is a ``-wal``.

        Raises:
            StoreError: The copy cannot be created.
        """
        _discard(self._wal_copy)
        if not os.path.exists(self.wal):
            return False
        try:
            # Created first, because copyfile would create it open to others.
            os.close(os.open(self._wal_copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            shutil.copyfile(self.wal, self._wal_copy)
        except OSError as error:
            _discard(self._wal_copy)
            raise StoreError(f"Cannot create the file {self._wal_copy}: {error.strerror}") from error
        return True

    def restore_wal(self) -> None:
        """Put the copy back, if there is one.

        Raises:
            OSError: It cannot be renamed.
        """
        # By rename, so that no crash leaves a part of the -wal.
        with suppress(FileNotFoundError):
            os.rename(self._wal_copy, self.wal)

    def discard_wal_copy(self) -> None:
        """Delete the copy: its rows are in the database.

        Raises:
            OSError: It cannot be deleted; if it does not exist, nothing happens.
        """
        _discard(self._wal_copy)

    # -- while it is open ------------------------------------------------------------------------------------------

    def remember(self) -> None:
        """Note the identity of the files."""
        self._identities = {name: _identity(name) for name in (self.main, self.wal)}

    @property
    def remembered(self) -> bool:
        """Whether the identity of the files was noted."""
        return bool(self._identities)

    def check_in_place(self) -> None:
        """Check that no file was moved, deleted or replaced: a restart would not find further commits.

        Raises:
            StoreError: One was.
        """
        # By device and inode, which a moved file keeps and a replaced one does not.
        for name, identity in self._identities.items():
            if _identity(name) != identity:
                raise StoreError(
                    f"{name} was moved, deleted or replaced while the service was running: further changes would be"
                    " lost. Stop the service before you touch its files"
                )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except PermissionError as error:
        # os.path.isdir would say that it does not exist.
        raise StoreError(
            f"Cannot reach {path}: this user may not enter a folder above it. Choose a folder you may write to"
        ) from error
    except OSError:
        return False


def _discard(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
