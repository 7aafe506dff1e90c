"""A router's way to its service: addresses, credentials, and operations that run on the service's thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypedDict, TypeVar

from ..errors import StateError
from ..options import BRIDGE_PATH
from . import seeds
from .arguments import reason_code_of
from .credentials import Credentials
from .engine import Rejected, commands
from .faults import Faults
from .moments import oldest_workspace
from .opening import OpenedService, OpeningOptions, load_document
from .origin import Origin
from .reading import refused
from .rules import Rules
from .server.hosting import Host
from .server.service import Service
from .time_machine import R_co, TimeMachine
from .watching import WatchedWorkspace

__all__ = ["ServiceAccess"]

T = TypeVar("T")


class ConnectionOptions(TypedDict):
    """The addresses of a local TaskRouter, as keyword arguments of ``Worker``, ``Supervisor`` and ``Workspace``."""

    eb_server: str
    ws_server: str


class ServiceAccess(TimeMachine[R_co], WatchedWorkspace, Generic[R_co]):
    """The part of a LocalTaskRouter that uses the running service, which the router starts and stops."""

    # -- provided by the router --------------------------------------------------------------------------------------

    faults: Faults
    _credentials: Credentials | None
    _fork_of: str | None
    """The address of the router that this one is a fork of; None: it is none."""
    _host: Host
    _opened: OpenedService | None
    """The service; None: the router is not started, or is just restarting."""
    _options: OpeningOptions
    _started: bool
    _stopped: bool
    _workspace_sid: str | None

    @property
    def rules(self) -> Rules:
        """The switches in force, for choices where TaskRouter's documentation is silent. Does not block.

        Raises:
            StateError: It is not running.
        """
        service = self._running()
        return Rules.join(service.engine.rules, service.rules)

    # -- addresses and credentials for clients -----------------------------------------------------------------

    @property
    def url(self) -> str:
        """The root of the service, such as ``http://127.0.0.1:4100``; REST is below its ``/v1``. Does not block.

        Raises:
            StateError: It is not running.
        """
        # The host comes first: a reset makes a new one, which has no address yet, only after it has taken the service
        # away.
        host = self._host
        self._running()
        return host.url

    @property
    def connection(self) -> ConnectionOptions:
        """The options that connect a client to this router: ``Worker(token, **router.connection)``. Does not block.

        Raises:
            StateError: It is not running.
        """
        eb_server = f"{self.url}{BRIDGE_PATH}"
        return {"eb_server": eb_server, "ws_server": f"ws{eb_server[len('http') :]}"}

    @property
    def account_sid(self) -> str:
        """The account; with :attr:`auth_token` the user and password of REST. Does not block.

        Raises:
            StateError: It has a file and has not started yet.
        """
        return self._known_credentials().account_sid

    @property
    def auth_token(self) -> str:
        """The account's password. Does not block.

        Raises:
            StateError: It has a file and has not started yet.
        """
        return self._known_credentials().auth_token

    @property
    def signing_key_sid(self) -> str:
        """The API key that signs tokens; with :attr:`signing_key_secret` also valid for REST. Does not block.

        Raises:
            StateError: It has a file and has not started yet.
        """
        return self._known_credentials().signing_key_sid

    @property
    def signing_key_secret(self) -> str:
        """The API key's secret. Does not block.

        Raises:
            StateError: It has a file and has not started yet.
        """
        return self._known_credentials().signing_key_secret

    def token(self, worker_sid: str, role: str = "worker", ttl: int = 3600, *, identity: str | None = None) -> str:
        """Create an access token for a worker. Blocks for less than a millisecond.

        Args:
            worker_sid: Name or sid of the worker; an unknown sid is refused when the token is used. Empty for an admin.
            role: ``worker``, ``supervisor`` or ``admin``.
            ttl: Seconds of real time until it expires, at most a day; 0 or less creates an expired token.
            identity: Goes into the token unchanged; None: the worker's sid.

        Returns:
            The token.

        Raises:
            TypeError, ValueError: An argument is invalid; the message names a valid one.
            NotFoundError: There is no worker of that name.
            StateError: It is not running.
        """
        workspace_sid = self.workspace_sid
        # Other types and malformed sids are refused by sign() and by the service.
        if isinstance(worker_sid, str) and worker_sid and not worker_sid.startswith("WK"):
            worker_sid = self._worker_sid(worker_sid)
        return self._running_with().key.sign(workspace_sid, worker_sid, role=role, ttl=ttl, identity=identity)

    # -- the workspace that is there from the start ------------------------------------------------------------

    @property
    def workspace_sid(self) -> str:
        """The workspace of all operations: the oldest one at the start, else the first one that was created.

        Blocks for less than a millisecond.

        Raises:
            StateError: The router is not running, or has no workspace.
        """
        self._running()
        sid = self._workspace_sid
        if sid is None:
            sid = self._ask_service(self._first_workspace)
        if sid is None:
            raise StateError("There is no workspace in this LocalTaskRouter")
        return sid

    def _first_workspace(self, service: Service) -> str | None:
        # Looked up again only while there is none: all operations are to stay in one workspace, even if it is deleted.
        # On the service's thread, so that a reset, which forgets it, does not come in between.
        if self._workspace_sid is None:
            self._workspace_sid = oldest_workspace(service.engine)
        return self._workspace_sid

    # -- seed files ----------------------------------------------------------------------------------------------

    def load(self, source: str | os.PathLike[str] | Mapping[str, Any]) -> list[str]:
        """Create the workspaces of a seed file, in addition to the existing ones.

        Blocks until they are created, and in the file if there is one.

        Args:
            source: The name of the file, or the document itself as :meth:`export` returns it.

        Returns:
            The sids of the new workspaces.

        Raises:
            SeedError: The document is invalid; the message has the place, the value and a valid one. Nothing was
                created.
            StateError: It is not running.
        """
        document = seeds.check(source) if isinstance(source, Mapping) else seeds.read(source)
        # In one call, so that no request comes between the check and the creation.
        return self._ask_service(lambda service: load_document(service, document))

    def export(self, path: str | os.PathLike[str] | None = None, *, tasks: bool = False) -> dict[str, Any]:
        """Return all workspaces as the document of a seed file, and optionally write it to a file.

        Loading it creates workspaces that export to the same document. Sids, dates, versions, reservations and ended
        tasks are not part of it. Blocks until the file is written.

        Args:
            path: A file whose name ends in .json, .yaml or .yml; an existing one is replaced. None: no file.
            tasks: Include the open tasks, as they would be created again.

        Returns:
            The document.

        Raises:
            SeedError: The file cannot be written.
            StateError: It is not running.
        """
        # Made on the service's thread, of one moment; written on the caller's, which may take as long as the disk
        # does.
        document = self._ask(lambda engine: seeds.export(engine, tasks=tasks))
        if path is not None:
            seeds.write(document, path)
        return document

    # -- calls without a telephone -----------------------------------------------------------------------------

    def fail_next_instruction(self, canceled_reason_code: int) -> None:
        """Make the next voice instruction (call, dequeue, redirect, conference) fail with a reason code.

        Calls are only simulated here: such an instruction accepts its reservation at once, or after
        ``Rules.voice_answer_delay``. The next one of the workspace cancels it instead, with this
        ``canceled_reason_code``. Several calls apply to as many instructions, in order. Blocks for less than a
        millisecond.

        Args:
            canceled_reason_code: The code, such as 13223.

        Raises:
            TypeError: The code is not an integer.
            ValueError: The code is 0.
            StateError: It is not running.
        """
        self._resolve(None, reason_code_of(canceled_reason_code))

    def resolve_instruction(self, reservation_sid: str, canceled_reason_code: int | None = None) -> None:
        """Settle the call of a reservation that waits for a voice instruction: it succeeds, or fails with a code.

        Use it with ``Rules(voice_answer_delay=None)``, where reservations wait for this. Blocks for less than a
        millisecond.

        Args:
            reservation_sid: The reservation.
            canceled_reason_code: None: the call succeeds, and the reservation is accepted. Otherwise it is canceled.

        Raises:
            NotFoundError: There is no such reservation.
            RequestRejectedError: It does not wait for a voice instruction.
            TypeError: The code is not an integer.
            ValueError: The code is 0.
            StateError: It is not running.
        """
        self._resolve(reservation_sid, None if canceled_reason_code is None else reason_code_of(canceled_reason_code))

    def _resolve(self, reservation_sid: str | None, canceled_reason_code: int | None) -> None:
        self._execute(
            commands.ResolveInstruction(
                workspace_sid=self.workspace_sid,
                reservation_sid=reservation_sid,
                canceled_reason_code=canceled_reason_code,
            )
        )

    # -- calls on the service's thread -------------------------------------------------------------------------

    def _source(self) -> object:
        return self._running_with()

    def _origin(self) -> Origin | None:
        return self._options.origin

    def _running_with(self) -> OpenedService:
        if self._opened is None or self._stopped:
            how = "has been stopped" if self._stopped else "is not started: use it in a with block, or call start()"
            raise StateError(f"This LocalTaskRouter {how}")
        return self._opened

    def _running(self) -> Service:
        return self._running_with().service

    def _known_credentials(self) -> Credentials:
        # Generated ones would differ from those in the file.
        if self._credentials is None:
            raise StateError("This LocalTaskRouter's credentials are in its file: they are known once it has started")
        return self._credentials

    def _ask_service(self, read: Callable[[Service], T]) -> T:
        # Before the call, whose own error does not say why it is not running.
        self._running()

        def keeping() -> T:
            # On its thread: a reset may have replaced the service that the caller has seen.
            service = self._running()
            try:
                return read(service)
            finally:
                # Also after an error: a refused command may have changed the state, and the caller may act on it.
                service.committer.commit()

        try:
            return self._host.call(keeping)
        except Rejected as refusal:
            # The public error has everything; the engine's class is not part of the interface.
            raise refused(refusal) from None

    def _move_clock(self, change: Callable[[], None]) -> None:
        # Before the start there are no timers, and no thread that could run them.
        if not self._started:
            change()
            return
        self._ask_service(lambda service: service.move_clock(change))
        # In several calls, so that clients can read between two batches of timers.
        while self._ask_service(lambda service: service.run_timers()):
            pass

    def _next_deadline(self) -> float | None:
        return self._ask(lambda engine: engine.next_deadline()) if self._started else None
