"""The token of a client without a connection: given, taken from a connected worker, or fetched from a provider."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from ._bridge.failures import renewal_failure
from ._executors import unpicklable
from .tokens import check_successor, expiry

__all__ = ["TokenSource"]

RENEW_BEFORE = 60.0
"""Seconds before the end of its token at which the provider is asked for the next one."""


class TokenSource:
    """Returns a valid token for each request; may block on the provider, so it is used on pool threads.

    Args:
        token: The first token; None asks the provider at the first request.
        provider: Returns a new token; None never renews it.
        workspace_sid: Sid of the workspace for which tokens must be; empty accepts any.
        worker_sid: Sid of the worker for which tokens must be; empty accepts any.
    """

    def __init__(
        self,
        token: str | None,
        provider: Callable[[], str] | None,
        workspace_sid: str = "",
        worker_sid: str = "",
    ) -> None:
        self._token = token
        self._provider = provider
        self._sids = workspace_sid, worker_sid
        # Returns the token of a connected worker, which renews it: in its own process alone.
        self._live: Callable[[], str | None] | None = None
        self._own_process()

    def _own_process(self) -> None:
        # Nobody renews a worker's token in a forked child; the locks may have been held in the parent.
        self._token, self._live = self._latest(), None
        # Held while the provider runs: other requests meanwhile need its token too.
        self._lock = threading.Lock()
        # Guards the change of the two above.
        self._change = threading.Lock()
        _sources.add(self)

    def _latest(self) -> str | None:
        live = self._live
        return self._token if live is None else live()

    def current(self) -> str:
        """Return the token for the next request; any thread, blocks while the provider runs.

        Raises:
            TokenError: The provider raised, or returned something that is not a token for this worker.
        """
        token = self._latest()
        if token is not None and not self._ends_soon(token):
            return token
        with self._lock:
            token = self._latest()
            if self._provider is not None and (token is None or self._ends_soon(token)):
                try:
                    renewed = check_successor(self._provider(), token or "", *self._sids)
                except Exception as error:
                    raise renewal_failure(error) from error
                with self._change:
                    # Another one that was given while the provider ran is kept.
                    if self._latest() == token:
                        self._token, self._live = renewed, None
                token = self._latest()
            assert token is not None
            return token

    def follow(self, live: Callable[[], str | None]) -> None:
        """Use the token of a connected worker, as long as this is its process.

        Args:
            live: Returns the worker's current token.
        """
        self._live = live

    def replace(self, token: str) -> None:
        """Use another token from now on.

        Args:
            token: The token.

        Raises:
            TypeError, ValueError: It does not have the form of a token.
            TokenError: It belongs to another workspace or worker, or has certainly expired.
        """
        new = self.checked(token)
        with self._change:
            self._token, self._live = new, None

    def checked(self, token: object) -> str:
        """Check a token that is to take the place of the one in use; nothing changes.

        Args:
            token: The token.

        Returns:
            The token.

        Raises:
            TypeError, ValueError: It does not have the form of a token.
            TokenError: It belongs to another workspace or worker, or has certainly expired.
        """
        return check_successor(token, self._latest() or "", *self._sids)

    def _ends_soon(self, token: str) -> bool:
        ends = expiry(token)
        # A connected worker is about to renew its own.
        early = RENEW_BEFORE if self._live is None else 0.0
        # Without a provider there is no better token, and the service is the one to refuse it.
        return self._provider is not None and ends is not None and ends - time.time() < early

    def __getstate__(self) -> dict[str, Any]:
        token = self._latest()
        # The provider in place of the token, which is a secret and expires.
        if self._provider is not None and unpicklable(self._provider) is None:
            return {"_token": None, "_provider": self._provider, "_sids": self._sids, "_live": None}
        if token is None:
            raise TypeError(
                "This WorkerClient cannot be pickled: it has no token yet, and its token_provider cannot be pickled; "
                "use a function of a module as token_provider, or give a token"
            )
        return {"_token": token, "_provider": None, "_sids": self._sids, "_live": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._own_process()


_sources: weakref.WeakSet[TokenSource] = weakref.WeakSet()


def _forget() -> None:
    """In a forked child, where no other thread exists."""
    for source in list(_sources):
        source._own_process()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
