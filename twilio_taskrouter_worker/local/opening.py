"""How the service of a local TaskRouter comes to be: new, or as its file says that it was."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from .._log import LOCAL as log
from .._version import __version__
from ..errors import StateError, StoreError
from . import seeds
from .clock import Clock
from .credentials import Credentials, credentials
from .engine import DEFAULT_RULES, Engine, Rejected, commands
from .rules import Rules
from .server.auth.tokens import SigningKey
from .server.commits import Committer
from .server.rules import DEFAULT_SERVICE_RULES
from .server.service import Service
from .snapshots import Snapshots, StartingPoint, starting_point
from .store import Header, Snapshot, Store, differences

if TYPE_CHECKING:
    import asyncio


_ENTRIES_AT_ONCE: Final = 256
"""How many entries of a journal are applied before it is checked whether to stop."""
_REPORT_SECONDS: Final = 2.0


@attrs.frozen(kw_only=True)
class Wishes:
    """What the maker of a LocalTaskRouter asked for; None leaves it to the file, else to the defaults."""

    db: str | None
    seed: int | None
    rules: Rules | None
    credentials: Mapping[str, str | None] = attrs.field(repr=False)
    event_delay: float
    own_clock: bool
    """The clock is the maker's, who has set it; else it goes on from what the file says."""


@attrs.frozen(kw_only=True)
class Opened:
    """A service that is ready, and what it was opened with."""

    service: Service
    credentials: Credentials
    key: SigningKey
    new: bool
    """There is nothing in it yet."""


def open_service(loop: asyncio.AbstractEventLoop, clock: Clock, wishes: Wishes, stopping: Callable[[], bool]) -> Opened:
    """Make a service, from its file if there is one. Runs on the service's thread.

    Args:
        stopping: asked while a journal is applied, which takes its time; True ends it.

    Raises:
        StoreError: the file cannot be used, or was made with other things than those that are asked for now.
        StateError: it was stopped meanwhile.
    """
    if wishes.db is None:
        return _build(loop, clock, wishes, None, stopping)
    store = Store.open(wishes.db)
    try:
        return _build(loop, clock, wishes, store, stopping)
    except BaseException:
        store.close()
        raise


def _build(
    loop: asyncio.AbstractEventLoop, clock: Clock, wishes: Wishes, store: Store | None, stopping: Callable[[], bool]
) -> Opened:
    kept = store.header() if store is not None else None
    header = _new_header(wishes) if kept is None else _agreed(wishes, kept)
    own = header.credentials
    key = SigningKey(own.account_sid, own.signing_key_sid, own.signing_key_secret)
    start = None if store is None or kept is None else starting_point(store)
    engine = (
        Engine(account_sid=own.account_sid, seed=header.seed, rules=header.rules) if start is None else start.engine
    )
    rules = DEFAULT_SERVICE_RULES if wishes.rules is None else wishes.rules.service_rules()
    service = Service(loop, engine, clock, own.auth_token, key, Committer(loop, store), rules, wishes.event_delay)
    if store is not None:
        snapshots = Snapshots(service)
        if kept is None:
            store.begin(header)
        else:
            _restore(service, store, kept, start, snapshots, stopping, own_clock=wishes.own_clock)
            if own != kept.credentials:
                store.replace_credentials(own)
        service.committer.committed = snapshots.take_if_due
        service.record()
        service.committer.note_clock(clock.state())
    return Opened(service=service, credentials=own, key=key, new=kept is None)


def _new_header(wishes: Wishes) -> Header:
    return Header(
        credentials=credentials(wishes.seed, **wishes.credentials),
        seed=secrets.randbits(64) if wishes.seed is None else wishes.seed,
        rules=DEFAULT_RULES if wishes.rules is None else wishes.rules.engine_rules(),
        version=__version__,
    )


def _agreed(wishes: Wishes, kept: Header) -> Header:
    """Return what an existing file is opened with. Secrets may be replaced; what the journal rests on may not."""
    account_sid = wishes.credentials["account_sid"]
    if account_sid is not None and account_sid != kept.credentials.account_sid:
        raise StoreError(
            f"{wishes.db} belongs to the account {kept.credentials.account_sid}, not to {account_sid}: leave"
            " account_sid out, or choose another file."
        )
    if wishes.seed is not None and wishes.seed != kept.seed:
        raise StoreError(
            f"{wishes.db} was made with another seed than {wishes.seed}: leave seed out, or choose another file."
        )
    if wishes.rules is not None and (others := differences(kept.rules, wishes.rules.engine_rules())):
        raise StoreError(
            f"{wishes.db} was made with other rules ({', '.join(others)}), and its journal means something else with"
            " these: leave rules out, or choose another file."
        )
    given = {name: value for name, value in wishes.credentials.items() if value is not None}
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
    """Replay what follows the starting point, and set the clock to where it would be by now."""
    started = time.monotonic()
    if start is not None:
        snapshots.resume(start)
    count = _replay(service, store, header, None if start is None else start.snapshot, snapshots, stopping)
    log.info("%s: %d commands applied again in %.1f s", store.path, count, time.monotonic() - started)
    state = store.clock()
    if state is not None and not own_clock:
        service.clock.go_on(state)
    service.clock.not_before(service.engine.now)


def _replay(
    service: Service,
    store: Store,
    header: Header,
    after: Snapshot | None,
    snapshots: Snapshots,
    stopping: Callable[[], bool],
) -> int:
    """Apply every entry after a snapshot again and return how many there are."""
    first = count = 0 if after is None else after.number
    report = time.monotonic() + _REPORT_SECONDS
    for kept in store.entries(after):
        count += 1
        if count % _ENTRIES_AT_ONCE == 0:
            if stopping():
                raise StateError(f"The local TaskRouter was stopped while it applied the journal of {store.path}.")
            if time.monotonic() >= report:
                report = time.monotonic() + _REPORT_SECONDS
                log.info("%s: %d of %d commands applied so far", store.path, count, store.journal_length())
        try:
            service.replay(kept.entry, kept.actor_sid, kept.address)
        except Rejected as refusal:
            trouble = f"it refuses entry {count} of the journal ({refusal.message})"
        else:
            if service.engine.sequence == kept.events:
                snapshots.take_if_due(store)
                continue
            trouble = f"entry {count} of the journal causes other events now than when it was written"
        raise StoreError(
            f"{store.path} was written by version {header.version} of twilio_taskrouter_worker, and this one"
            f" ({__version__}) behaves differently: {trouble}. Open it with that version and export what is in it."
        )
    return count - first


def catch_up(service: Service) -> None:
    """Do what has become due while nobody was there: timers in their order, then the end of every old session."""
    service.execute(commands.AdvanceTime())
    for command in service.orphans():
        try:
            service.execute(command)
        except Rejected:
            pass  # its workspace is gone


def plant(service: Service, document: Mapping[str, Any]) -> list[str]:
    """Make what a seed document says, all of it or nothing, and return the sids of the workspaces.

    Raises:
        SeedError: it cannot be made.
    """
    now = max(service.clock.now(), service.engine.now)
    seeds.rehearse(document, service.engine, now)
    return seeds.load(document, service.engine, service.execute, now)
