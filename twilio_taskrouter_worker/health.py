"""The state of a Worker: ``worker.health()``, and the HTTP server for health probes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import attrs

from . import _checks
from ._log import CONNECTION, about

__all__ = ["Health", "HealthServer"]


@attrs.frozen(kw_only=True)
class Health:
    """A Worker at one moment."""

    worker_sid: str | None
    """Sid of the worker; None before the first connection."""
    running: bool
    """Whether it is connected, or will connect by itself."""
    connected: bool
    """As ``worker.connected``."""
    ready: bool
    """As ``worker.ready``."""
    stopping: bool
    """Whether it is being stopped, and accepts no new reservations."""
    last_frame: float | None
    """Seconds since the service last sent anything, heartbeats included; None without a connection. A heartbeat comes
    about every 15 seconds."""
    lag: float
    """As ``worker.lag``: seconds since the event being handled arrived."""
    backlog: int
    """As ``worker.backlog``: events that wait for earlier callbacks to end."""
    calls_in_flight: int
    """Calls that are on the wire, wait for earlier ones, or pause before their next attempt."""
    open_reservations: int
    """Reservations that are pending, accepted or wrapping."""
    token_expires_in: float | None
    """Seconds until the token in use expires, below 0 if it has expired; None if that is not known."""
    connections: int
    """Number of connections so far: 1 if none was lost."""
    token_failures: int
    """Calls of ``token_provider`` in a row that failed; 0 after one that returned a token."""
    foreign_accepts: int
    """Reservations that were accepted, but not by this process: a sign of another session of the same worker."""
    failure: str | None
    """The error that ended the connection for good; None if there is none."""

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return attrs.asdict(self)


class HealthServer:
    """Answers probes over HTTP, e.g. Kubernetes'; ``run_forever(health_port=...)`` runs one.

    ``/live`` is 200 while the worker is running, which includes trying to reconnect, and 503 after it has given up.
    ``/ready`` is 200 while it is ready and not stopping, else 503. The body of both is ``Health`` as JSON, without the
    text of ``failure``. Everything else is 404.

    Its threads are daemons. It listens on the loopback interface by default; its answers contain no secret, but it has
    neither TLS nor access control.

    Args:
        health: Returns the health, e.g. ``worker.health``; called on the thread of the probe.
        port: Port to listen on; 0 takes a free one, see ``port``.
        host: Interface to listen on; ``0.0.0.0`` is all of them, as a probe from outside of a container needs.

    Raises:
        TypeError: An argument is not of its type.
        ValueError: The port is not between 0 and 65535.
        OSError: The port is in use, or the host is not an address of this machine.
    """

    def __init__(self, health: Callable[[], Health], port: int, host: str = "127.0.0.1") -> None:
        _checks.function("health", health)
        _checks.between(0, 65535)("health_port", port)
        _checks.string("host", host)
        # Here, as most Workers are not probed: the modules of a server take a megabyte and a sixth of the import.
        from ._probes import ProbeServer

        def live() -> tuple[bool, dict[str, Any]]:
            now = health()
            return now.running, _details(now)

        def ready() -> tuple[bool, dict[str, Any]]:
            now = health()
            return now.ready and not now.stopping, _details(now)

        self._server = ProbeServer((host, port), {"/live": live, "/ready": ready})
        self._thread = threading.Thread(
            # Polls every 0.05 s, for which ``close`` waits at most.
            target=self._server.serve_forever,
            args=(0.05,),
            name=f"taskrouter-health-{self.port}",
            daemon=True,
        )
        self._thread.start()
        CONNECTION.info("Health is answered at http://%s:%d/live and /ready", host, self.port, extra=about())

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering; blocks until the server's thread has ended, at most a moment. Idempotent."""
        if self._thread.is_alive():
            # To be called while ``serve_forever`` runs only: it waits for the end of that.
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> HealthServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _details(now: Health) -> dict[str, Any]:
    # What failed can quote addresses; it is in the log.
    return {**now.to_dict(), "failure": now.failure is not None}
