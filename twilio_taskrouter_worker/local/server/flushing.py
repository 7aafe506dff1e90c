"""The thread that waits for the disk, so that the service's loop does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue

THREAD_NAME = "taskrouter-local-commits"


def run(flush: Callable[[], None], future: Future[None]) -> None:
    """Call a function, and resolve a future with its end.

    Args:
        flush: The function; may block.
        future: Resolved with None or the exception.
    """
    try:
        flush()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(None)


class Flusher:
    """Calls functions one after the other on a daemon thread of its own.

    Raises:
        RuntimeError: The system gives this process no more threads.
    """

    def __init__(self) -> None:
        self._turns: SimpleQueue[tuple[Callable[[], None], Future[None]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def submit(self, flush: Callable[[], None]) -> Future[None]:
        """Call a function on the thread. Does not block.

        Args:
            flush: The function; may block.

        Returns:
            A future that is resolved on the thread, with None or the exception.
        """
        future: Future[None] = Future()
        self._turns.put((flush, future))
        return future

    def stop(self) -> None:
        """End the thread. Blocks until the functions submitted before have returned."""
        self._turns.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (turn := self._turns.get()) is not None:
            run(*turn)
