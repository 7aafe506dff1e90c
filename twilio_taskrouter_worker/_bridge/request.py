"""One call as data: made by a public method, handed unchanged through the caller to the HTTP exchange. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import attrs

from .routes import Route

__all__ = ["NOTHING", "Caller", "Request", "as_it_is"]

T = TypeVar("T")

NOTHING: Mapping[str, Any] = MappingProxyType({})


# Compared by identity: two calls with the same content are two calls.
@attrs.frozen(eq=False)
class Request(Generic[T]):
    """One call.

    Args:
        route: Method, path and API version.
        sids: Values for the placeholders of the path.
        params: Parameters under their wire names, checked.
        then: Makes the result from the payload of the answer. Runs on a pool thread.
        subjects: Sids of what the call changes: the worker, the task, or both. Calls that share a subject reach the
            service in the order in which they were made; a call without one, such as a read, waits for none.
        version: Returns the version to send as ``If-Match``; None sends none. It is asked when the call is made, and
            again when it is sent if it had to wait for an earlier one about the same object, whose answer has a newer
            version. Behind one about another object none is sent.
        explain: Returns a sentence about why TaskRouter may have refused the request; empty for none. Runs on a pool
            thread.
        after_callbacks: Called once when all callbacks of the Future have run, or a second after the first one started.
    """

    route: Route
    sids: Mapping[str, str] = attrs.field(repr=False)
    params: dict[str, Any] = attrs.field(repr=False)
    then: Callable[[Any], T] = attrs.field(repr=False)
    subjects: tuple[str, ...] = ()
    version: Callable[[], str | None] | None = attrs.field(default=None, repr=False)
    explain: Callable[[], str] | None = attrs.field(default=None, repr=False, kw_only=True)
    after_callbacks: Callable[[], None] | None = attrs.field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The path with its sids inserted.

        Raises:
            TypeError, ValueError: A sid is not a string, or is invalid.
        """
        return self.route.url(**self.sids)

    @property
    def task_sid(self) -> str | None:
        """Sid of the task it is about; None where it is about none."""
        # A subject that is not the worker is a task.
        return self.sids.get("task") or next((sid for sid in self.subjects if sid != self.sids.get("wk")), None)

    def __str__(self) -> str:
        return f"{self.route.method} {self.url}"


class Caller(Protocol):
    """Sends requests: ``Calls.call``, or something that checks first and passes them on."""

    def __call__(self, request: Request[T], /) -> Future[T]:
        """Send a request; does not block.

        Args:
            request: The request.

        Returns:
            A Future that resolves to the result of ``then``; its callbacks run on a pool thread.
        """
        ...


def as_it_is(payload: Any) -> Any:
    """Return the payload unchanged, as the ``then`` of a request.

    Args:
        payload: The payload.

    Returns:
        The payload.
    """
    return payload
