"""What is fuzzed: each target takes any bytes, and raises where the product does something it must not.

A refusal with the product's own error is right; any other exception, an answer with a status of 500 or more, or a
single input that takes longer than ``SLOWEST`` seconds of processor time, is a finding.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.unit._bridge.service import Client, Service
from twilio_taskrouter_worker._bridge.frames import Frames
from twilio_taskrouter_worker._bridge.messages import parse
from twilio_taskrouter_worker._bridge.updates import apply
from twilio_taskrouter_worker.errors import InvalidMessageError
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.engine.expressions import (
    ExpressionContext,
    ExpressionSyntaxError,
    TargetScope,
    TaskScope,
    WorkerScope,
    WorkersScope,
    compile_expression,
    compile_order_by,
)

SLOWEST = 5.0
"""Seconds of processor time for one input."""

Target = Callable[[bytes], None]

_ATTRIBUTES = {"language": "de", "skills": ["a", "b", 3], "nested": {"deep": {"x": None}}, "level": 5.5, "flag": True}


def _scopes() -> dict[ExpressionContext, Any]:
    worker = WorkerScope(_ATTRIBUTES, {"sid": "WK1", "friendly_name": "Alice"}, {"voice": {"assigned_tasks": 1}})
    task = TaskScope(_ATTRIBUTES)
    return {
        ExpressionContext.WORKER: worker,
        ExpressionContext.TASK: task,
        ExpressionContext.TARGET: TargetScope(task, worker),
        ExpressionContext.SKIP_IF: WorkersScope(1, 2, {"WA1": 1}),
    }


@contextmanager
def expressions() -> Iterator[Target]:
    """Parse, evaluate and explain a text as an expression of each kind, and as an ordering."""
    scopes = _scopes()

    def target(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for context, scope in scopes.items():
            try:
                expression = compile_expression(text, context)
            except ExpressionSyntaxError:
                continue
            matches = expression.matches(scope)
            assert expression.explain(scope).result is matches or not text.strip(), "explain contradicts matches"
        try:
            compile_order_by(text)
        except ExpressionSyntaxError:
            pass

    yield target


@contextmanager
def frames() -> Iterator[Target]:
    """Feed a worker's objects with the bytes of a websocket, in pieces as the first byte says."""
    service = Service()
    service.create()
    client = Client(service)
    client.take_over()

    def target(data: bytes) -> None:
        if not data:
            return
        reader, step = Frames(), data[0] + 1
        for start in range(1, len(data), step):
            for text in reader.feed(data[start : start + step]):
                _use(client, text)
            if reader.failure is not None or reader.closing is not None:
                return
        # Also as one whole message: random bytes seldom are a frame.
        _use(client, data[1:])

    yield target


def _use(client: Client, text: bytes) -> None:
    try:
        message = parse(text)
        if message is not None:
            for notice in apply(client.state, message, client.now):
                repr(notice.emitter)
    except InvalidMessageError:
        pass


class _Service:
    """A running service and one connection to it."""

    def __init__(self, router: LocalTaskRouter) -> None:
        self.router = router
        self.home = f"/v1/Workspaces/{router.workspace_sid}"
        self.worker = router.add_worker("Alice", activity="Available")
        self.token = router.token(self.worker, role="supervisor")
        self._basic = base64.b64encode(f"{router.account_sid}:{router.auth_token}".encode()).decode()
        self._http = http.client.HTTPConnection("127.0.0.1", int(router.url.rpartition(":")[2]), timeout=30)

    def post(self, path: str, body: bytes, **headers: str) -> None:
        """Send one request; a status of 500 or more is a finding."""
        authorization = {"Authorization": f"Basic {self._basic}"} if path.startswith(self.home) else {}
        try:
            self._http.request("POST", path, body, {**authorization, **headers})
            response = self._http.getresponse()
            response.read()
        except (http.client.HTTPException, ConnectionError):
            self._http.close()
            self._http.request("GET", self.home, headers=authorization)
            response = self._http.getresponse()
            response.read()
        assert response.status < 500, f"status {response.status}"

    def close(self) -> None:
        self._http.close()


@contextmanager
def _running() -> Iterator[_Service]:
    with LocalTaskRouter() as router:
        service = _Service(router)
        try:
            yield service
        finally:
            service.close()


_FORMS = ["Tasks", "Workers", "Activities", "Workflows", "TaskQueues", "TaskChannels", ""]


@contextmanager
def forms() -> Iterator[Target]:
    """Post bytes as the form of a REST operation; the first byte chooses which."""
    with _running() as service:
        urlencoded = {"Content-Type": "application/x-www-form-urlencoded"}

        def target(data: bytes) -> None:
            if data:
                place = _FORMS[data[0] % len(_FORMS)]
                service.post(f"{service.home}/{place}".rstrip("/"), data[1:], **urlencoded)

        yield target


@contextmanager
def tunnel() -> Iterator[Target]:
    """Post bytes as a tunnelled request: as they are, and as the parameters of an authorized one."""
    with _running() as service:
        workspace = f"Workspaces/{service.router.workspace_sid}"
        urls = [f"{workspace}/Workers/{service.worker}", f"{workspace}/Tasks", f"{workspace}/Workers"]

        def target(data: bytes) -> None:
            if not data:
                return
            if data[0] % 4 == 0:
                service.post("/v1/wschannels", data[1:])
                return
            text = data[1:].decode("utf-8", "replace")
            try:
                params = json.loads(text)
            except (ValueError, RecursionError):
                name, _, value = text.partition("=")
                params = {name: value}
            method = "GET" if data[0] % 4 == 1 else "POST"
            envelope = {"url": urls[data[0] // 4 % len(urls)], "method": method, "params": params}
            service.post("/v1/wschannels", json.dumps({**envelope, "token": service.token}).encode())

        yield target


TARGETS = {"expressions": expressions, "frames": frames, "forms": forms, "tunnel": tunnel}


@contextmanager
def checked(name: str) -> Iterator[Target]:
    """The target of this name, which also raises for what takes too long and for an error in the service's log."""
    errors: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = errors.append  # type: ignore[assignment]
    logger = logging.getLogger("twilio_taskrouter_worker")
    logger.addHandler(handler)
    try:
        with TARGETS[name]() as target:

            def run(data: bytes) -> None:
                begun = time.process_time()
                target(data)
                took = time.process_time() - begun
                assert took < SLOWEST, f"{took:.1f} s for one input"
                assert not errors, errors.pop().getMessage()

            yield run
    finally:
        logger.removeHandler(handler)
