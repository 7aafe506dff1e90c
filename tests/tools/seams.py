"""The private parts of the package that tests read, each under one name.

A test that needs another private name adds it here, with the reason why the public interface is not enough. So a change
of the package's inside changes this file, and not many tests.
"""

from __future__ import annotations

from typing import Any

from twilio_taskrouter_worker._bridge.schema import Schema
from twilio_taskrouter_worker.events import Emitter
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.console import ConsoleFacade
from twilio_taskrouter_worker.local.engine import Engine
from twilio_taskrouter_worker.local.engine.core.kernel import Kernel
from twilio_taskrouter_worker.local.server.service import Service


def listeners_of(emitter: Emitter, event: str) -> tuple[Any, ...]:
    """The registrations for an event, those of waits and streams included, which ``listeners()`` leaves out."""
    return emitter._listening(event)


def events_of(kind: Any) -> frozenset[str]:
    """The names of the events of a class or an object; in public they exist only as types."""
    return frozenset(kind._events)


def schema_of(kind: Any) -> Schema:
    """The schema of a resource, to make records from payloads without a service."""
    schema: Schema = kind._schema
    return schema


def connection_of(worker: Any) -> Any:
    """The connection of a worker, to wait for a step of it that fires no event; None before and after."""
    return worker._connection


def calls_of(worker: Any) -> Any:
    """The calls of a worker, to change how long they take; the option is one time for all calls of a worker."""
    return worker._calls


def console_of(router: LocalTaskRouter) -> ConsoleFacade:
    """The console's side of a router, to make it read-only, as ``taskrouter replay`` does with a file of the past."""
    assert router._console is not None
    return router._console


def service_of(router: LocalTaskRouter) -> Service:
    """The service of a running router, to fail or look at a part of it that no request reaches."""
    return router._running()


def digest_of(router: LocalTaskRouter) -> str:
    """The whole state of a running router in one text, to compare two of them."""
    return router._ask(Engine.state_digest)


def kernel_of(engine: Engine) -> Kernel:
    """The state of an engine, to hold its indices and timers against its records, which are all that queries return."""
    return engine._kernel
