"""Opening the service of a local TaskRouter: a new one, or the one kept in its file.

The invariant: the replayed journal must lead to the state that its writer had. Everything the journal depends on (the
account, the seed, the engine's rules) therefore comes from the file, and a restart with other values is refused.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .._log import LOCAL as log
from .._version import __version__
from ..errors import StateError, StoreError
from . import seeds
from .clock import Clock
from .credentials import Credentials, credentials
from .engine import DEFAULT_RULES, Engine, Rejected, commands
from .journal import MemoryJournal
from .origin import Origin
from .rules import Rules
from .server.auth.tokens import SigningKey
from .server.commits import Committer
from .server.rules import DEFAULT_SERVICE_RULES
from .server.service import Service
from .snapshots import Snapshots, StartingPoint, starting_point
from .store import Store, differences
from .tables import Header, Snapshot

if TYPE_CHECKING:
    import asyncio


_ENTRIES_AT_ONCE = 256
"""How many entries of a journal are applied between two checks for a stop."""
_REPORT_SECONDS = 2.0


@attrs.frozen(kw_only=True)
class OpeningOptions:
    """The arguments of a LocalTaskRouter; None means the value in the file, else the default."""

    db: str | None
    seed: int | None
    rules: Rules | None
    credentials: Mapping[str, str | None] = attrs.field(repr=False)
    event_delay: float
    origin: Origin | None = None
    """Where a fork begins; None: this is not a fork."""
    catch_up: bool = True
    """Whether a service that is continued runs the timers that fell due meanwhile, and ends the sessions of then."""
    own_clock: bool
    """The caller passed a clock of its own, which keeps its time; otherwise it continues from the file's."""


@attrs.frozen(kw_only=True)
class OpenedService:
    """A service that is ready, with its credentials and key."""

    service: Service
    credentials: Credentials
    key: SigningKey
    new: bool
    """It has no workspaces yet."""


def open_service(
    loop: asyncio.AbstractEventLoop, clock: Clock, options: OpeningOptions, stopping: Callable[[], bool]
) -> OpenedService:
    """Create a service, from its file if there is one.

    Runs on the service's thread, and blocks it while the journal is applied.

    Args:
        loop: The loop of the service's thread.
        clock: The service's clock; continues from the file's time unless it is the caller's own.
        options: The arguments of the router.
        stopping: Checked while a journal is applied, which may take long; True ends it.

    Raises:
        StoreError: The file cannot be used, or was made with other options than these.
        StateError: The router was stopped meanwhile.
    """
    if options.db is None:
        return _build(loop, clock, options, None, stopping)
    store = Store.open(options.db)
    try:
        return _build(loop, clock, options, store, stopping)
    except BaseException:
        store.close()
        raise


def _build(
    loop: asyncio.AbstractEventLoop,
    clock: Clock,
    options: OpeningOptions,
    store: Store | None,
    stopping: Callable[[], bool],
) -> OpenedService:
    kept = store.header() if store is not None else None
    header = _new_header(options) if kept is None else _agreed(options, kept)
    own = header.credentials
    key = SigningKey(own.account_sid, own.signing_key_sid, own.signing_key_secret)
    start = None if store is None or kept is None else starting_point(store)
    if options.origin is not None:
        engine = options.origin.stretch.engine()
        # A clock of the caller's own may be behind the moment.
        clock.not_before(engine.now)
    elif start is not None:
        engine = start.engine
    else:
        engine = Engine(account_sid=own.account_sid, seed=header.seed, rules=header.rules)
    rules = DEFAULT_SERVICE_RULES if options.rules is None else options.rules.service_rules()
    # A journal in memory only without a file: with one, the rows are read from there.
    memory = _memory(engine, clock, options.origin) if store is None else None
    committer = Committer(loop, store, memory)
    service = Service(loop, engine, clock, own.auth_token, key, committer, rules, options.event_delay)
    if options.origin is not None:
        _go_on(service, options.origin)
    if store is None:
        service.record()
    else:
        snapshots = Snapshots(service)
        if kept is None:
            # Not committed yet: that comes with the first command, see Store.begin.
            store.begin(header)
        else:
            _restore(service, store, kept, start, snapshots, stopping, own_clock=options.own_clock)
            if own != kept.credentials:
                store.replace_credentials(own)
        service.committer.committing = snapshots.take_if_due
        # Only from here on: replayed commands are in the journal already.
        service.record()
        service.committer.note_clock(clock.state())
    new = kept is None and options.origin is None
    return OpenedService(service=service, credentials=own, key=key, new=new)


def _memory(engine: Engine, clock: Clock, origin: Origin | None) -> MemoryJournal:
    """Return the journal of a service without a file."""
    # A service that is not a fork begins empty, so its first state has no time.
    if origin is None:
        return MemoryJournal(engine)
    # The state that was captured in the parent serves here too, if it is that of the moment itself.
    return MemoryJournal(engine, clock.now(), None if origin.stretch.rows else origin.stretch.state)


def _go_on(service: Service, origin: Origin) -> None:
    """Give a fork's service what is not in its engine, as of the moment where it begins."""
    service.resume()
    # The log was taken after the moment was found, so it may have later events.
    for entry in origin.log:
        if entry.event.sequence <= service.engine.sequence:
            service.log.add(entry)
    service.facts.add(origin.facts, up_to=service.engine.now)


def _new_header(options: OpeningOptions) -> Header:
    return Header(
        credentials=credentials(options.seed, **options.credentials),
        # Kept in the file: a replay must make the same sids.
        seed=secrets.randbits(64) if options.seed is None else options.seed,
        rules=DEFAULT_RULES if options.rules is None else options.rules.engine_rules(),
        version=__version__,
    )


def _agreed(options: OpeningOptions, kept: Header) -> Header:
    """Return the header to open a file with. Secrets may be replaced; values the journal depends on may not."""
    account_sid = options.credentials["account_sid"]
    if account_sid is not None and account_sid != kept.credentials.account_sid:
        raise StoreError(
            f"{options.db} belongs to the account {kept.credentials.account_sid}, not to {account_sid}: leave"
            " account_sid out, or choose another file"
        )
    if options.seed is not None and options.seed != kept.seed:
        raise StoreError(
            f"{options.db} was made with another seed than {options.seed}: leave seed out, or choose another file"
        )
    if options.rules is not None and (others := differences(kept.rules, options.rules.engine_rules())):
        raise StoreError(
            f"{options.db} was made with other rules ({', '.join(others)}), and its journal means something else with"
            " these: leave rules out, or choose another file"
        )
    # A given secret replaces the one in the file; an absent one keeps it.
    given = {name: value for name, value in options.credentials.items() if value is not None}
    return attrs.evolve(kept, credentials=attrs.evolve(kept.credentials, **given))


def _restore(
    service: Service,
    store: Store,
    header: Header,
    start: StartingPoint | None,
    snapshots: Snapshots,
    stopping: Callable[[], bool],
    *,
    own_clock: bool,
) -> None:
    """Replay the journal after the starting point, and set the clock to the present."""
    started = time.monotonic()
    if start is not None:
        snapshots.resume(start)
    count = _replay(service, store, header, None if start is None else start.snapshot, snapshots, stopping)
    log.info("%s: %d commands applied again in %.1f s", store.path, count, time.monotonic() - started)
    state = store.clock()
    # The caller's own clock keeps its time: the caller has chosen it.
    if state is not None and not own_clock:
        service.clock.go_on(state)
    # Time must not go back behind the journal: the caller's own clock may be behind, or the time of day was set back.
    service.clock.not_before(service.engine.now)


def _replay(
    service: Service,
    store: Store,
    header: Header,
    after: Snapshot | None,
    snapshots: Snapshots,
    stopping: Callable[[], bool],
) -> int:
    """Apply every entry after a snapshot, and return the number of entries."""
    first = count = 0 if after is None else after.number
    report = time.monotonic() + _REPORT_SECONDS
    for kept in store.entries(after):
        count += 1
        if count % _ENTRIES_AT_ONCE == 0:
            # A stop, or an interrupt in start(), need not wait for a journal of hours.
            if stopping():
                raise StateError(f"The local TaskRouter was stopped while it applied the journal of {store.path}")
            if time.monotonic() >= report:
                report = time.monotonic() + _REPORT_SECONDS
                log.info("%s: %d of %d commands applied so far", store.path, count, store.journal_length())
        try:
            service.replay(kept.entry, kept.actor_sid, kept.address)
        except Rejected as refusal:
            trouble = f"it refuses entry {count} of the journal ({refusal.message})"
        else:
            # The number of events shows at once whether this version behaves like the one that wrote the entry.
            if service.engine.sequence == kept.events:
                snapshots.take_if_due(store)
                continue
            trouble = f"entry {count} of the journal causes other events now than when it was written"
        raise StoreError(
            f"{store.path} was written by version {header.version} of twilio_taskrouter_worker, and this one"
            f" ({__version__}) behaves differently: {trouble}. Open it with that version and export its content"
        )
    return count - first


def catch_up(service: Service) -> None:
    """Run the timers that fell due while the service was stopped, in order, then end every old session.

    Args:
        service: A restored service.

    Raises:
        StoreError: The file cannot be written.
    """
    # As a command, so that the journal has the time of it.
    service.execute(commands.AdvanceTime())
    # After the timers: these were due earlier, while the sessions are closed as of now.
    for command in service.sessions_to_close():
        try:
            service.execute(command)
        except Rejected:
            pass  # its workspace is gone


def load_document(service: Service, document: Mapping[str, Any]) -> list[str]:
    """Create everything in a seed document, or nothing.

    Args:
        service: The service.
        document: A checked seed document.

    Returns:
        The sids of the workspaces.

    Raises:
        SeedError: The document is invalid.
    """
    now = max(service.clock.now(), service.engine.now)
    # On a copy of the engine: a mistake in the middle of the document must leave nothing behind.
    seeds.rehearse(document, service.engine, now)
    return seeds.load(document, service.engine, service.execute, now)
