"""A forked child of the process of the tests."""

from __future__ import annotations

import os
import select
import signal
import warnings
from collections.abc import Callable


def in_child(work: Callable[[], str], timeout: float = 20.0) -> str:
    """Run a function in a forked child, and return its result, or the text of its exception.

    Raises AssertionError if it has not ended after ``timeout`` seconds; the child is killed.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns about a fork of a process with threads, which is the very thing to test.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(writing, work().encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as result:
        ended = bool(select.select([result], [], [], timeout)[0])
        if not ended:
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert ended, f"the child has not ended within {timeout} s"
        return result.read().decode()
