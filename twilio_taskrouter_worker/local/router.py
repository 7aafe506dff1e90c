"""LocalTaskRouter: the whole service in one object, for programs and tests written in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

import attrs

from .._log import LOCAL as log
from ..errors import StateError
from ..options import BRIDGE_PATH
from . import seeds
from .arguments import (
    clock_of,
    console_of,
    event_delay_of,
    file_of,
    hosts_of,
    port_of,
    reason_code_of,
    rules_of,
    seed_of,
)
from .clock import Clock
from .console import ConsoleFacade
from .control import Control
from .credentials import Credentials, credentials
from .database_files import DatabaseFiles
from .engine import Rejected, commands
from .faults import Faults
from .moments import oldest_workspace
from .opening import OpenedService, OpeningOptions, catch_up, load_document, open_service
from .origin import Origin
from .reading import refused
from .rules import Rules
from .server.console.access import PATH as CONSOLE_PATH
from .server.console.access import link_token
from .server.hosting import Host
from .server.service import EVENT_DELAY_SECONDS, Service
from .time_machine import TimeMachine
from .watching import WatchedWorkspace

if TYPE_CHECKING:
    import asyncio

__all__ = ["LocalTaskRouter"]


T = TypeVar("T")

_WORKSPACE_NAME = "Local Workspace"


class ConnectionOptions(TypedDict):
    """The addresses of a local TaskRouter, as keyword arguments of ``Worker``, ``Supervisor`` and ``Workspace``."""

    eb_server: str
    ws_server: str


class LocalTaskRouter(TimeMachine, WatchedWorkspace):
    """A local TaskRouter: REST API, event bridge and routing engine, in this process, without external network access.

    Use it as a context manager, or with :meth:`start` and :meth:`stop`. It starts with one workspace that is ready to
    use: a workflow, a queue that takes every worker, and the activities Offline, Available and Unavailable; or with the
    content of a seed file. The state is in memory and lost when it stops, or kept in a file (``db``).

    It runs on a daemon thread of its own, named ``taskrouter-local-<port>``. Every method may be called from any
    thread; it runs on that thread and blocks the caller until it is done, for most methods far less than a millisecond.

    Args:
        port: The port to listen on; 0 takes a free one.
        host: The address to listen on. An address other than loopback causes a warning: there is no TLS.
        seed: Makes sids and generated credentials the same at every start; None makes them random.
        db: The file that keeps the state. A missing one is created; an existing one is continued from. No answered
            request is lost, however the process ends. None keeps everything in memory.
        seed_file: A JSON or YAML file with workspaces, workers and so on to start with, by name; see the
            documentation's page on seed files. It replaces the default workspace. Ignored, with a warning, if ``db``
            exists already.
        account_sid: The account; generated unless given, like the three below.
        auth_token: REST's password for the account, 32 characters or more.
        signing_key_sid: The API key that signs workers' tokens; also valid for REST.
        signing_key_secret: Its secret, 32 characters or more.
        rules: The choices where Twilio's documentation is silent; None: those of the file, else the defaults.
        clock: ``"real"``, ``"virtual"`` (paused, moved by the program), or a :class:`~.clock.Clock`. With a file, the
            first two continue from the file's time.
        allowed_hosts: Further host names of this service (``["taskrouter"]`` in a network of containers), whose web
            pages may use it as well. Requests for other hosts, and from pages of others, are refused with 403; names
            and addresses of this machine, the address a request arrives at, and ``host`` are always allowed.
            ``["*"]`` allows all.
        event_delay: Seconds, from 0 to 1, between the answer to a request and the events and webhooks it caused, so
            that clients have read the answer by then. The default is short, for tests with client and service in one
            process; on a busy machine, or with clients on others, 0.025 is better.
        console: Serve the console, a page in the browser that shows and drives this router; :attr:`console_url` is its
            link. With False nothing of it is served, and nothing is recorded for it.

    Raises:
        TypeError, ValueError: An argument is invalid; the message names a valid one.
    """

    clock: Clock
    """The time of tasks and timers. ``router.clock.advance(120)`` moves it by two minutes at once."""

    faults: Faults
    """Fault injection: ``with router.faults.delay(0.2): ...``."""

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        seed: int | None = None,
        db: str | os.PathLike[str] | None = None,
        *,
        seed_file: str | os.PathLike[str] | None = None,
        account_sid: str | None = None,
        auth_token: str | None = None,
        signing_key_sid: str | None = None,
        signing_key_secret: str | None = None,
        rules: Rules | None = None,
        clock: Clock | Literal["real", "virtual"] = "real",
        allowed_hosts: Sequence[str] = (),
        event_delay: float = EVENT_DELAY_SECONDS,
        console: bool = True,
    ) -> None:
        given = {
            "account_sid": account_sid,
            "auth_token": auth_token,
            "signing_key_sid": signing_key_sid,
            "signing_key_secret": signing_key_secret,
        }
        # Also with a file, where it only checks the given ones: the others are in the file.
        made = credentials(seed_of(seed), **given)
        self._options = OpeningOptions(
            db=file_of(db),
            seed=seed,
            rules=rules_of(rules),
            # In memory the credentials are known, and usable, before the start.
            credentials=given if db is not None else attrs.asdict(made),
            event_delay=event_delay_of(event_delay),
            own_clock=isinstance(clock, Clock),
        )
        self._seed_file = seed_file
        self._credentials: Credentials | None = made if db is None else None
        self._console = ConsoleFacade(self) if console_of(console) else None
        names, control = hosts_of(allowed_hosts), Control(self)
        self._address = (host, names)
        # A function, because a host runs once and a reset needs another one.
        self._make_host: Callable[[int], Host] = lambda port: Host(host, port, control, names, self._console)
        self._host = self._make_host(port_of(port))
        self.clock = clock_of(clock)
        # After every other check: a clock that is bound cannot be given to another router.
        self.clock.bind(self._move_clock, self._next_deadline, self._open_tasks)
        # Through _call and not to a service: after a reset the faults act on the new one.
        self.faults = Faults(lambda work: self._call(lambda: work(self._running())))
        self._opened: OpenedService | None = None
        self._workspace_sid: str | None = None
        self._started = False
        self._stopped = False
        self._fork_of: str | None = None
        """The address of the router that this one is a fork of; None: it is none."""
        self._handed_over = False
        """It is a fork, which runs already when its caller gets it; a ``with`` block may still start it."""

    def __repr__(self) -> str:
        where = self._host.url if self._opened is not None else "not started"
        return f"<LocalTaskRouter {'stopped' if self._stopped else where}>"

    # -- start and stop ----------------------------------------------------------------------------------------

    def start(self) -> LocalTaskRouter:
        """Start the thread, and listen.

        Blocks until requests are answered: some milliseconds, or longer while a file's journal is applied.

        Returns:
            The router itself.

        Raises:
            OSError: It cannot listen at the address; the message has the reason.
            StoreError: Its file cannot be used; the message has the reason and a remedy.
            SeedError: Its seed file is invalid; the message has the place and a valid value.
            StateError: It was started or stopped before.
        """
        # Only the first time: another start is refused, as for any router.
        if self._handed_over:
            self._handed_over = False
            return self
        if self._started or self._stopped:
            raise StateError("A LocalTaskRouter is started once; make a new one.")
        self._started = True
        self._host.start(self._make_service)
        return self

    def stop(self) -> None:
        """Close all connections (close code 1001), and end the thread. A second call does nothing.

        Blocks until the thread has ended: usually some milliseconds, and a few seconds at most, while clients answer
        the close frame and requests are finished.

        Raises:
            StateError: Called on the service's own thread, or in a child process; the service keeps running.
        """
        host = None
        # Again if a reset on another thread has made a new host meanwhile; a later one sees that the router is stopped.
        while host is not self._host:
            host = self._host
            host.stop()
            # Only after the host has agreed: on the service's own thread a stop is refused, and the router usable.
            self._stopped = True
        # The forks that the console made would otherwise outlive the router whose console shows them.
        if self._console is not None:
            self._console.close()

    def reset(self) -> None:
        """Restart from the initial state: same port, credentials and seed file, and an empty file.

        Blocks for some milliseconds, during which no request is answered; open connections are closed, and clients
        reconnect. With ``seed=`` the sids are again those of the start. The clock is not changed.

        Raises:
            StateError: It is not running, or this is the service's own thread.
            OSError: The port was taken meanwhile.
        """
        port = int(self.url.rpartition(":")[2])
        # Before the file is deleted: its credentials may be known from there only.
        self._options = attrs.evolve(self._options, credentials=attrs.asdict(self._known_credentials()))
        self._host.stop()
        # After the stop, which has closed the file and released its lock.
        if self._options.db is not None:
            DatabaseFiles(self._options.db).remove()
        # In between the router counts as not started, so that other threads get an error and no stale state.
        self._opened = self._workspace_sid = None
        self._host = self._make_host(port)
        self._host.start(self._make_service)
        if self._stopped:
            # By another thread, which may have seen the earlier host only.
            self._host.stop()

    def __enter__(self) -> LocalTaskRouter:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

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
        self._running()
        return self._host.url

    @property
    def console_url(self) -> str:
        """The link that opens the console in a browser. It contains a secret, which grants every right.

        Does not block.

        Raises:
            StateError: It is not running, or was made with ``console=False``.
        """
        if self._console is None:
            raise StateError("This LocalTaskRouter has no console: it was made with console=False.")
        return f"{self.url}{CONSOLE_PATH}?token={link_token(self.auth_token)}"

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
        # Another type, and a sid of whatever form, is for sign() and the service to refuse.
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
        # Looked up again only while there is none: all operations are to stay in one workspace, even if it is
        # deleted.
        if self._workspace_sid is None:
            self._workspace_sid = self._ask(oldest_workspace)
        if self._workspace_sid is None:
            raise StateError("There is no workspace in this LocalTaskRouter.")
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
        service = self._running()
        # In one call, so that no request comes between the check and the creation.
        return self._call(lambda: load_document(service, document))

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

    def _make_service(self, loop: asyncio.AbstractEventLoop) -> Service:
        """Build the service; runs on its thread, before any client can connect."""
        opened = open_service(loop, self.clock, self._options, lambda: self._host.stopping)
        service = opened.service
        try:
            if not opened.new:
                if self._seed_file is not None:
                    log.warning("%s exists already: the seed file is ignored", self._options.db)
                if self._options.catch_up:
                    catch_up(service)
            elif self._seed_file is not None:
                load_document(service, seeds.read(self._seed_file))
            else:
                service.execute(commands.CreateWorkspace(friendly_name=_WORKSPACE_NAME, template="FIFO"))
            # Before it listens: a client must not see a workspace that a crash could take back.
            service.committer.commit()
        # Closes the file without a commit; otherwise its lock would be held until the process ends.
        except BaseException:
            service.committer.abandon()
            raise
        origin = self._options.origin
        # A fork may begin at a moment before its router's workspace was created.
        there = {workspace.sid for workspace in service.engine.workspaces()}
        if origin is not None and origin.workspace_sid in there:
            self._workspace_sid = origin.workspace_sid
        else:
            self._workspace_sid = oldest_workspace(service.engine)
        self._credentials = opened.credentials
        # Last: from here on other threads take the router for running.
        self._opened = opened
        return service

    def _source(self) -> object:
        return self._running_with()

    def _origin(self) -> Origin | None:
        return self._options.origin

    def _begin(self, origin: Origin, clock: Clock) -> LocalTaskRouter:
        host, names = self._address
        fork = LocalTaskRouter(
            host=host,
            rules=self.rules,
            clock=clock,
            allowed_hosts=names,
            event_delay=self._options.event_delay,
            console=self._console is not None,
            **attrs.asdict(self._known_credentials()),
        )
        fork._options = attrs.evolve(fork._options, origin=origin, catch_up=False)
        fork._fork_of = self.url
        fork.start()
        # Only now: the start above must not be taken for the one of the user's with block.
        fork._handed_over = True
        return fork

    @classmethod
    def _of_copy(cls, path: str) -> LocalTaskRouter:
        """Return a router that shows the copy of a file as it is, with a console that changes nothing."""
        router = cls(db=path, clock="virtual")
        router._options = attrs.evolve(router._options, catch_up=False)
        # The default of the constructor.
        assert router._console is not None
        router._console.read_only = True
        return router

    def _running_with(self) -> OpenedService:
        if self._opened is None or self._stopped:
            how = "has been stopped" if self._stopped else "is not started: use it in a with block, or call start()"
            raise StateError(f"This LocalTaskRouter {how}.")
        return self._opened

    def _running(self) -> Service:
        return self._running_with().service

    def _known_credentials(self) -> Credentials:
        # Generated ones would differ from those in the file.
        if self._credentials is None:
            raise StateError("This LocalTaskRouter's credentials are in its file: they are known once it has started.")
        return self._credentials

    def _ask_service(self, question: Callable[[Service], T]) -> T:
        service = self._running()
        return self._call(lambda: question(service))

    def _call(self, function: Callable[[], T]) -> T:
        committer = self._running().committer

        def keeping() -> T:
            try:
                return function()
            finally:
                # Also after an error: a refused command may have changed the state, and the caller may act on it.
                committer.commit()

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
        service = self._running()
        self._call(lambda: service.move_clock(change))
        # In several calls, so that clients can read between two batches of timers.
        while self._call(service.run_timers):
            pass

    def _next_deadline(self) -> float | None:
        return self._ask(lambda engine: engine.next_deadline()) if self._started else None
