"""The token of a client without a connection: given, taken from a connected worker, or fetched from a provider."""

from __future__ import annotations

import os
import threading
import time
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
        self._pid = os.getpid()
        # Held while the provider runs: other requests meanwhile need its token too.
        self._lock = threading.Lock()

    def current(self) -> str:
        """Return the token for the next request; any thread, blocks while the provider runs.

        Raises:
            TokenError: The provider raised, or returned something that is not a token for this worker.
        """
        if self._live is not None:
            self._token = self._live()
        if self._pid != os.getpid():
            # Forked, perhaps while the lock was held; nobody renews the worker's token here.
            self._own_process()
            self._live = None
        token = self._token
        if token is not None and not self._ends_soon(token):
            return token
        with self._lock:
            token = self._token
            if self._provider is not None and (token is None or self._ends_soon(token)):
                try:
                    token = check_successor(self._provider(), token or "", *self._sids)
                except Exception as error:
                    raise renewal_failure(error) from error
                self._token, self._live = token, None
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
        self._token, self._live = self.checked(token), None

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
        return check_successor(token, self._token or "", *self._sids)

    def _ends_soon(self, token: str) -> bool:
        ends = expiry(token)
        # A connected worker is about to renew its own.
        early = RENEW_BEFORE if self._live is None else 0.0
        # Without a provider there is no better token, and the service is the one to refuse it.
        return self._provider is not None and ends is not None and ends - time.time() < early

    def __getstate__(self) -> dict[str, Any]:
        token = self._live() if self._live is not None else self._token
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
