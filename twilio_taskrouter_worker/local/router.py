"""LocalTaskRouter: the whole service in one object, for programs and tests written in Python."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import attrs

from .._log import LOCAL as log
from ..errors import StateError
from . import seeds
from .arguments import (
    clock_of,
    console_of,
    event_delay_of,
    file_of,
    hosts_of,
    port_of,
    rules_of,
    seed_of,
)
from .clock import Clock
from .console import ConsoleFacade
from .control import Control
from .credentials import Credentials, credentials
from .database_files import DatabaseFiles
from .engine import commands
from .faults import Faults
from .moments import oldest_workspace
from .opening import OpenedService, OpeningOptions, catch_up, load_document, open_service
from .origin import Origin
from .rules import Rules
from .server.console.access import PATH as CONSOLE_PATH
from .server.console.access import link_token
from .server.hosting import Host
from .server.service import EVENT_DELAY_SECONDS, Service
from .service_access import ServiceAccess

if TYPE_CHECKING:
    import asyncio

__all__ = ["LocalTaskRouter"]

_WORKSPACE_NAME = "Local Workspace"


class LocalTaskRouter(ServiceAccess["LocalTaskRouter"]):
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
        names, control = hosts_of(allowed_hosts), Control(self, self.reset, has_console=console)
        self._address = (host, names)
        # A function, because a host runs once and a reset needs another one.
        self._make_host: Callable[[int], Host] = lambda port: Host(host, port, control, names, self._console)
        self._host = self._make_host(port_of(port))
        self.clock = clock_of(clock)
        # After every other check: a clock that is bound cannot be given to another router.
        self.clock.bind(self._move_clock, self._next_deadline, self._open_tasks)
        self.faults = Faults(self._ask_service)
        self._opened: OpenedService | None = None
        self._workspace_sid: str | None = None
        self._started = False
        self._stopped = False
        # Taken by the first start, and never released: of two at the same time, one is refused.
        self._first_start = threading.Lock()
        # Held by a reset from its first step to its last. Reentrant, for a signal handler that stops the router.
        self._resetting = threading.RLock()
        self._fork_of: str | None = None
        """The address of the router that this one is a fork of; None: it is not a fork."""
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
        if self._stopped or not self._first_start.acquire(blocking=False):
            raise StateError("A LocalTaskRouter is started once; make a new one")
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
        self._host.stop()
        # Only after the host has agreed: on the service's own thread a stop is refused, and the router usable.
        self._stopped = True
        # After a reset on another thread, which deletes the file and makes another host; a later one sees that the
        # router is stopped.
        with self._resetting:
            self._host.stop()
        # The forks that the console made would otherwise outlive the router whose console shows them.
        if self._console is not None:
            self._console.close()

    def reset(self) -> None:
        """Restart from the initial state: same port, credentials and seed file, and an empty file.

        Blocks for some milliseconds, during which no request is answered; open connections are closed, and clients
        reconnect. With ``seed=`` the sids are again those of the start. The clock is not changed. Resets on several
        threads follow one another.

        Raises:
            StateError: It is not running, or this is the service's own thread.
            OSError: The port was taken meanwhile.
        """
        # Before the lock, whose holder may be waiting for this very thread to end.
        self._host.check_caller()
        with self._resetting:
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
                # Meanwhile: the stop may have seen the earlier host only.
                self._host.stop()

    def __enter__(self) -> LocalTaskRouter:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def console_url(self) -> str:
        """The link that opens the console in a browser. It contains a secret, which grants every right.

        Does not block.

        Raises:
            StateError: It is not running, or was made with ``console=False``.
        """
        if self._console is None:
            raise StateError("This LocalTaskRouter has no console: it was made with console=False")
        return f"{self.url}{CONSOLE_PATH}?token={link_token(self.auth_token)}"

    # -- the service, and forks --------------------------------------------------------------------------------

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
