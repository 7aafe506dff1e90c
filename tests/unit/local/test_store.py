"""The file of a local TaskRouter, without one: what it keeps, and every file it refuses."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs
import pytest

from tests.tools.stores import commit
from twilio_taskrouter_worker.errors import StoreError
from twilio_taskrouter_worker.local.clock import ClockState
from twilio_taskrouter_worker.local.credentials import credentials
from twilio_taskrouter_worker.local.engine import JournalEntry, Rules, commands
from twilio_taskrouter_worker.local.engine.expressions import Semantics
from twilio_taskrouter_worker.local.store import Store, differences
from twilio_taskrouter_worker.local.tables import SCHEMA, Header, chained

ROOT = Path(__file__).resolve().parents[3]
HEADER = Header(
    credentials=credentials(1, account_sid=None, auth_token=None, signing_key_sid=None, signing_key_secret=None),
    seed=-(2**70),
    rules=Rules(max_assignments=3, offline_default_workspaces=("A", "B"), semantics=Semantics(case_sensitive=False)),
    version="0.1",
)
ENTRIES = [
    JournalEntry(1.1, commands.CreateWorkspace(friendly_name="\U0001f600 \udc00 half", template="FIFO")),
    JournalEntry(1700000000.123456, commands.AdvanceTime()),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a file may be made."""
    return tmp_path / "state.db"


def filled(path: Path) -> None:
    """Make a file with two entries."""
    store = Store.open(path)
    store.begin(HEADER)
    store.append(ENTRIES[0], 7)
    store.append(ENTRIES[1], 9, "WK1", "127.0.0.1")
    store.set_clock(ClockState(shown=5.5, since=6.25, running=False))
    commit(store)
    store.close()


def test_committed_data_is_restored(path: Path) -> None:
    """Header, journal and clock come back as they were, floats to the last bit."""
    filled(path)
    store = Store.open(path)
    assert store.header() == HEADER
    assert [(kept.entry, kept.events, kept.actor_sid, kept.address) for kept in store.entries()] == [
        (ENTRIES[0], 7, None, None),
        (ENTRIES[1], 9, "WK1", "127.0.0.1"),
    ]
    assert store.clock() == ClockState(shown=5.5, since=6.25, running=False)
    assert not store.pending
    store.append(ENTRIES[1], 9)
    commit(store)
    store.close()
    again = Store.open(path)
    assert len(list(again.entries())) == 3
    again.close()


def test_uncommitted_data_is_gone(path: Path) -> None:
    """Closing forgets what no commit wrote, and takes away a file that had none."""
    filled(path)
    store = Store.open(path)
    store.append(ENTRIES[0], 1)
    assert store.pending
    store.close()
    again = Store.open(path)
    assert len(list(again.entries())) == 2
    again.close()
    new = path.with_name("new.db")
    other = Store.open(new)
    assert other.header() is None
    other.begin(HEADER)
    other.close()
    assert [each.name for each in path.parent.iterdir()] == ["state.db"]


def test_secrets_can_be_replaced(path: Path) -> None:
    """Other credentials are kept from the next opening on."""
    filled(path)
    store = Store.open(path)
    changed = attrs.evolve(HEADER.credentials, auth_token="n" * 32)
    store.replace_credentials(changed)
    store.close()
    again = Store.open(path)
    header = again.header()
    again.close()
    assert header is not None and header.credentials == changed


def test_only_the_owner_may_read_it(path: Path) -> None:
    """The file has secrets in it, whatever the umask says."""
    before = os.umask(0)
    try:
        filled(path)
        assert path.stat().st_mode & 0o777 == 0o600
        store = Store.open(path)
        commit(store)
        assert all(each.stat().st_mode & 0o077 == 0 for each in path.parent.iterdir())
        store.close()
    finally:
        os.umask(before)


def test_no_secret_in_a_repr(path: Path) -> None:
    """Neither the header nor the store shows one."""
    store = Store.open(path)
    text = repr(store) + repr(HEADER)
    store.close()
    assert HEADER.credentials.auth_token not in text and HEADER.credentials.signing_key_secret not in text


def test_one_at_a_time(path: Path) -> None:
    """A second opening is refused in this process and in another one, and works after the first is closed."""
    filled(path)
    program = (
        "import sys\nfrom twilio_taskrouter_worker.local.store import Store\n"
        "try:\n    Store.open(sys.argv[1]).close()\nexcept Exception as error:\n    print(type(error).__name__, error)"
    )

    def elsewhere() -> str:
        return subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        ).stdout

    store = Store.open(path)
    with pytest.raises(StoreError, match="in use by another LocalTaskRouter"):
        Store.open(path)
    assert "in use by another LocalTaskRouter" in elsewhere()
    store.close()
    assert elsewhere() == ""


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    """What a start leaves that was killed in its first moment does not stand in the way."""
    path.touch()
    store = Store.open(path)
    assert store.header() is None
    store.close()
    assert path.exists()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    store = Store.open(path)
    assert store.header() is None
    store.close()


def changed(path: Path, *statements: str) -> None:
    """Change a file behind the store's back."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def refusal(path: Path) -> str:
    """Open a file and read everything; return why that fails. The file is as it was."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as refused:
        store = Store.open(path)
        try:
            store.header()
            list(store.entries())
        finally:
            store.close()
    assert path.read_bytes() == before
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_a_file_that_is_not_a_database(path: Path) -> None:
    """Somebody's notes are not overwritten."""
    path.write_text("Dear diary, " * 100)
    assert "is not an SQLite file" in refusal(path)


def test_another_programs_database(path: Path) -> None:
    """Somebody's database is not added to, and stays in its journal mode."""
    changed(path, "CREATE TABLE mine (value TEXT)", "INSERT INTO mine VALUES ('x')")
    assert "not one of a local TaskRouter" in refusal(path)
    assert [each.name for each in path.parent.iterdir()] == ["state.db"]


def test_a_newer_schema(path: Path) -> None:
    """A file of a later version is named as such."""
    filled(path)
    changed(path, f"PRAGMA user_version = {SCHEMA + 1}")
    assert "newer version" in refusal(path) and "upgrade" in refusal(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET entry = replace(entry, 'FIFO', 'NONE') WHERE number = 1",
        "UPDATE journal SET events = 8 WHERE number = 1",
        "UPDATE journal SET actor = 'WK2' WHERE number = 2",
        "DELETE FROM journal WHERE number = 1",
        "UPDATE journal SET number = 5 WHERE number = 2",
        "DELETE FROM about WHERE name = 'auth_token'",
        "UPDATE about SET value = '{' WHERE name = 'rules'",
        "UPDATE about SET value = '{\"no_such_switch\": 1}' WHERE name = 'rules'",
        "DROP TABLE clock",
    ],
)
def test_damage_inside(path: Path, statement: str) -> None:
    """What was changed behind the service's back is found, wherever it is."""
    filled(path)
    changed(path, statement)
    assert "is damaged" in refusal(path)


def test_damage_by_the_disk(path: Path) -> None:
    """A page of rubbish, and a file that was cut off, are found."""
    filled(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * 4096 + whole[8192:])
    assert "is damaged" in refusal(path)
    path.write_bytes(whole[: len(whole) - 4096])
    assert "is damaged" in refusal(path)


def test_a_bit_flipped_in_the_schema(path: Path) -> None:
    """Damage to the table of tables is a StoreError too, whatever SQLite makes of it, or changes nothing."""
    filled(path)
    whole = path.read_bytes()
    found = []
    for place in [*range(20, 120, 3), *range(2500, 4096, 7)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        try:
            store = Store.open(path)
            try:
                assert store.header() == HEADER
                assert len(list(store.entries())) == 2
            finally:
                store.close()
        except StoreError as error:
            assert str(path) in str(error)
            found.append(str(error))
        path.with_name("state.db-wal").unlink(missing_ok=True)
    assert any("is not UTF-8" in each for each in found)
    assert any("damaged: no such column" in each for each in found)


def test_an_entry_of_a_later_version(path: Path) -> None:
    """A command this version does not have is no damage, and is said so."""
    store = Store.open(path)
    store.begin(HEADER)
    entry = ENTRIES[0].to_json().replace("CreateWorkspace", "CreateWonder")
    store._entries.append((entry, 1, None, None, chained((entry, 1, None, None), 0)))
    commit(store)
    store.close()
    assert "unknown to this version" in refusal(path) and "CreateWonder" in refusal(path)


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    """A folder, a folder that is not there, and a file in the place of a folder."""
    with pytest.raises(StoreError, match="is a folder"):
        Store.open(tmp_path)
    with pytest.raises(StoreError, match="does not exist"):
        Store.open(tmp_path / "gone" / "state.db")
    assert list(tmp_path.iterdir()) == []


def test_folders_and_files_of_others() -> None:
    """Whoever may not write to a folder or a file is told so, and nothing is made."""
    program = (
        "import os, sys\n"
        "from twilio_taskrouter_worker.local.store import Store\n"
        "if os.getuid() == 0:\n    os.setgroups([]), os.setgid(65534), os.setuid(65534)\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n        Store.open(path)\n"
        "    except Exception as error:\n        print(type(error).__name__, error)\n"
    )
    # Neither pytest's own folder nor TMPDIR, as another user may not be able to enter them.
    with tempfile.TemporaryDirectory(dir="/tmp" if os.getuid() == 0 else None) as name:
        folder = Path(name)
        filled(folder / "theirs.db")
        filled(folder / "mine.db")
        (folder / "closed" / "below").mkdir(parents=True)
        if os.getuid() == 0:
            os.chown(folder / "mine.db", 65534, 65534)
        else:
            (folder / "theirs.db").chmod(0o400)
        (folder / "closed").chmod(0o700 if os.getuid() == 0 else 0)
        folder.chmod(0o555)
        paths = ("new.db", "theirs.db", "mine.db", "closed/below/new.db")
        try:
            said = subprocess.run(
                [sys.executable, "-c", program, *(str(folder / each) for each in paths)],
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
                capture_output=True,
                text=True,
                timeout=100,
                check=True,
            ).stdout.splitlines()
        finally:
            folder.chmod(0o755)
            (folder / "closed").chmod(0o700)
        found = sorted(str(each.relative_to(folder)) for each in folder.rglob("*"))
        assert found == ["closed", "closed/below", "mine.db", "theirs.db"]
    assert len(said) == 4 and all(line.startswith("StoreError ") for line in said), said
    assert "Cannot create the file" in said[0] and "Choose a folder you may write to" in said[0]
    assert "may not read and write it" in said[1]
    assert "may not write to its folder" in said[2]
    assert "may not enter a folder above it" in said[3]


def test_a_full_disk(path: Path) -> None:
    """What cannot be written does not count: the next opening has what was there before."""
    filled(path)
    store = Store.open(path)
    list(store.entries())
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    for _ in range(200):
        store.append(ENTRIES[0], 1)
    with pytest.raises(StoreError, match="the disk is full"):
        commit(store)
    store.close()
    again = Store.open(path)
    assert len(list(again.entries())) == 2
    again.close()


def test_differences_of_rules() -> None:
    """The switches that differ are named, those of expressions with where they are."""
    given = attrs.evolve(HEADER.rules, max_queues=1, semantics=Semantics())
    assert differences(HEADER.rules, given) == ["max_queues", "semantics.case_sensitive"]
    assert differences(given, given) == []
