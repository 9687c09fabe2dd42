"""Records are appended whole and in order; kinds have one name; records of power are found."""

import math
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, func, select

import engine.storage.database
from engine.audit.verification import verify
from engine.domain.time_units import DAY, SECOND, SystemClock
from engine.errors import NotAllowedError, NotFoundError, RecordError, StoreUnavailableError
from engine.journal import areas, kinds, power_records
from engine.journal.areas import kinds_of, list_rules, list_steps, load_areas
from engine.journal.entries import Draft, Entry, Head, Kind, ProjectionInput
from engine.journal.hash_chain import GENESIS
from engine.journal.journal import BODIES, JOURNAL, Journal, JournalReader, require_kinds
from engine.journal.kinds import DECISION, PROFILE_PROPOSED, TICK, USER_CREATED
from engine.journal.power_records import find_last_sequence, read_records
from engine.storage.database import CommitUnknownError, Store, fetch_rows

NOON = 1_710_158_400_000_000


@dataclass
class Clock:
    """A clock set by hand."""

    time: int = NOON

    def now(self) -> int:
        return self.time


@dataclass
class RecordingProjection:
    """A projection that keeps what it was told."""

    pairs: list[tuple[Entry, Draft]] = field(default_factory=list)

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        self.pairs.extend(entries)


@dataclass(frozen=True)
class DraftNumber(ProjectionInput):
    """What a draft hands to the projections."""

    number: int


class Spoilt:
    """A projection that breaks after it wrote something."""

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        connection.execute(JOURNAL.update().values(post="spoilt"))
        raise KeyError("spoilt")


def draft(number: int = 0) -> Draft:
    return Draft("roster", f"subject{number}", "OYB", {"n": number}, extra=DraftNumber(number))


def head(store: Store) -> Head:
    with store.read() as connection:
        return Journal(store).head(connection)


def count(store: Store) -> tuple[int, int]:
    with store.read() as connection:
        return (
            connection.scalars(select(func.count()).select_from(JOURNAL)).one(),
            connection.scalars(select(func.count()).select_from(BODIES)).one(),
        )


def test_records_stand_as_they_were_acknowledged(store: Store) -> None:
    seen = RecordingProjection()
    journal = Journal(store, [seen], Clock())
    empty = head(store)

    entries = journal.append([draft(1), draft(2)]) + journal.append([draft(3)])

    assert empty == Head(empty.journal_id, 0, 0, GENESIS)
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert [entry.known_at - NOON for entry in entries] == [0, 1, 2]
    assert head(store) == Head(empty.journal_id, 3, NOON + 2, entries[-1].chain)
    assert head(store).as_of == NOON + 3
    assert seen.pairs == list(zip(entries, [draft(1), draft(2), draft(3)], strict=True))
    with store.read() as connection:
        assert [journal.entry(connection, seq) for seq in (1, 2, 3)] == entries
        assert [journal.body(connection, seq)["n"] for seq in (1, 2, 3)] == [1, 2, 3]
        with pytest.raises(NotFoundError):
            journal.entry(connection, 4)
        with pytest.raises(NotFoundError):
            journal.body(connection, 4)
    assert verify(store).ok


def test_nothing_to_record_is_no_batch(store: Store) -> None:
    assert Journal(store).append([]) == []
    assert head(store).seq == 0


@pytest.mark.parametrize("jump", [2 * DAY, -2 * DAY, 0])
def test_order_survives_a_clock_that_jumps(store: Store, jump: int) -> None:
    clock = Clock()
    journal = Journal(store, clock=clock)
    before = journal.append([draft(1), draft(2)])
    clock.time += jump
    during = journal.append([draft(3)])
    clock.time -= jump
    after = journal.append([draft(4)])

    times = [entry.known_at for entry in before + during + after]
    assert times == sorted(set(times))
    assert times[2] == max(NOON + jump, NOON + 2)
    assert verify(store).ok


def test_without_a_clock_the_time_is_now(store: Store) -> None:
    early = SystemClock().now()
    entry = Journal(store).append([draft()])[0]

    assert early - SECOND < entry.known_at < SystemClock().now() + SECOND


def test_a_tick_moves_time_on_a_quiet_night(store: Store) -> None:
    clock = Clock()
    journal = Journal(store, clock=clock)
    journal.append([draft()])

    clock.time = NOON + SECOND
    journal.ensure_recent()
    assert head(store).seq == 1, "a second is recent enough"

    clock.time = NOON + SECOND + 1
    journal.ensure_recent()
    journal.ensure_recent()
    assert head(store) == Head(head(store).journal_id, 2, clock.time, head(store).chain)
    with store.read() as connection:
        assert journal.entry(connection, 2).kind == TICK


def test_a_reader_keeps_its_snapshot(store: Store) -> None:
    journal = Journal(store)
    journal.append([draft(1)])
    with store.read() as connection:
        first = journal.head(connection)
        journal.append([draft(2)])

        assert journal.head(connection) == first
    assert head(store).seq == 2


def test_what_a_reader_writes_does_not_stay(store: Store) -> None:
    Journal(store).append([draft()])
    try:
        with store.read() as connection:
            connection.execute(JOURNAL.update().values(post="spoilt"))
    except StoreUnavailableError:
        assert store.dialect == "postgresql", "which refuses at once"
    assert verify(store).ok


def test_a_projection_that_breaks_undoes_the_records(store: Store) -> None:
    Journal(store).append([draft(1)])
    with pytest.raises(KeyError):
        Journal(store, [RecordingProjection(), Spoilt()]).append([draft(2)])

    assert count(store) == (1, 1)
    assert verify(store).ok


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, "\ud800"])
def test_what_json_cannot_hold_is_refused_unechoed(store: Store, value: object) -> None:
    with pytest.raises(RecordError, match="not_json") as caught:
        Journal(store).append([draft(1), Draft("roster", "s", "OYB", {"a": value})])

    assert repr(value) not in str(caught.value)
    assert count(store) == (0, 0)


def failing_commit(store: Store, *, first: str) -> Callable[[object], None]:
    """Return a commit whose answer gets lost, after it took place or not."""
    driver = sqlite3 if store.dialect == "sqlite" else psycopg

    def commit(connection: object) -> None:
        getattr(connection, first)()
        raise driver.OperationalError("the answer got lost")

    return commit


@pytest.mark.parametrize(("first", "records"), [("commit", 2), ("rollback", 0)])
def test_a_commit_without_an_answer_is_looked_up(
    store: Store, monkeypatch: pytest.MonkeyPatch, first: str, records: int
) -> None:
    journal = Journal(store)
    dialect, lost = store.engine.dialect, failing_commit(store, first=first)
    commit = dialect.do_commit

    def once(connection: object) -> None:
        monkeypatch.setattr(dialect, "do_commit", commit)
        lost(connection)

    monkeypatch.setattr(dialect, "do_commit", once)
    if records:
        assert [entry.seq for entry in journal.append([draft(1), draft(2)])] == [1, 2]
    else:
        with pytest.raises(StoreUnavailableError) as caught:
            journal.append([draft(1), draft(2)])
        assert not isinstance(caught.value, CommitUnknownError)

    assert count(store) == (records, records)
    assert verify(store).ok


def test_another_batch_in_our_place_is_not_ours(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours is lost, and before we look another process takes the number."""
    journal, dialect = Journal(store), store.engine.dialect
    commit, lost = dialect.do_commit, failing_commit(store, first="rollback")

    def once(connection: object) -> None:
        monkeypatch.setattr(dialect, "do_commit", commit)
        try:
            lost(connection)
        finally:
            Journal(store).append([draft(2)])

    monkeypatch.setattr(dialect, "do_commit", once)
    with pytest.raises(StoreUnavailableError):
        journal.append([draft(1)])

    assert count(store) == (1, 1)


def test_a_commit_that_cannot_be_looked_up_is_called_unknown(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.engine.dialect, "do_commit", failing_commit(store, first="commit"))
    with pytest.raises(CommitUnknownError):
        Journal(store).append([draft(1)])

    assert count(store) == (1, 1)


def test_a_store_without_a_journal_says_so(store_url: str) -> None:
    with Store(store_url) as store:
        with store.write() as connection:
            connection.exec_driver_sql("DELETE FROM journal_identity")
        with pytest.raises(StoreUnavailableError, match="no journal"):
            Journal(store).append([draft()])


def test_a_lock_that_is_never_freed_makes_the_store_unavailable(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.storage.database, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(
        engine.storage.database,
        "_POSTGRES_LOCK",
        engine.storage.database._POSTGRES_LOCK.replace("'5s'", "'50ms'"),
    )
    holder, store = Store(store_url), Store(store_url)
    with holder.write(), pytest.raises(StoreUnavailableError):
        Journal(store).append([draft()])
    Journal(store).append([draft()])

    assert head(store).seq == 1
    holder.dispose()
    store.dispose()


def test_bodies_are_read_by_number_and_by_kind_and_unreadable_ones_are_left_out(
    store: Store,
) -> None:
    Journal(store, clock=Clock()).append([draft(1), Draft("handover", "", "", {"n": 2}), draft(3)])
    with store.write() as connection:
        connection.execute(BODIES.update().where(BODIES.c.seq == 3).values(body=b"{"))
    with store.read() as connection:
        reader = JournalReader(connection)
        assert reader.bodies([1, 2, 9]) == {1: {"n": 1}, 2: {"n": 2}}
        kind, other = Kind[dict[str, int]]("roster"), Kind[dict[str, int]]("handover")
        assert list(reader.bodies_of(kind)) == [(1, {"n": 1})]
        assert list(reader.bodies_of(kind, other)) == [(1, {"n": 1}), (2, {"n": 2})]
        read = reader.records(kind, other, where=[JOURNAL.c.seq < 3])
        assert [(one.seq, one.kind, one.post, one.body) for one in read] == [
            (1, "roster", "OYB", {"n": 1}),
            (2, "handover", "", {"n": 2}),
        ]
        newest = reader.records(kind, other, where=[JOURNAL.c.seq < 3], newest=1)
        assert [one.seq for one in newest] == [2]
        same = reader.records(kind, join=BODIES.alias(), where=[JOURNAL.c.seq == 1])
        assert [one.subject for one in same] == ["subject1"]
        with pytest.raises(NotFoundError):
            reader.body(9)


KINDS = (PROFILE_PROPOSED, USER_CREATED)


def test_frequent_records_are_left_out(store: Store) -> None:
    one = PROFILE_PROPOSED.draft("p1", {"by": "", "state": "proposed"})
    Journal(store).append([TICK.draft("", {}), one, TICK.draft("", {})])
    with store.read() as connection:
        assert [found.seq for found in read_records(connection, KINDS)] == [2]
        assert [found.seq for found in read_records(connection, KINDS, subject="p1")] == [2]
        assert find_last_sequence(connection, PROFILE_PROPOSED) == 2
        assert fetch_rows(connection, power_records._NEWEST) == [(PROFILE_PROPOSED, 2)]


@pytest.mark.parametrize("matter", sorted({matter for matter, _ in list_steps().values()}))
def test_records_of_every_matter_are_found(store: Store, matter: str) -> None:
    """Those of erasures were not, on SQLite, while the indexes named their kinds."""
    body: Any = {"by": "", "state": "proposed"}
    Journal(store).append([kind.draft("one", body) for kind in kinds_of(matter)])
    with store.read() as connection:
        found = read_records(connection, kinds_of(matter), subject="one")
    assert [record.kind for record in found] == list(kinds_of(matter))


def test_a_frequent_kind_cannot_be_asked_for(store: Store) -> None:
    """It would read as if there were none on SQLite, and the whole journal on PostgreSQL."""
    with store.read() as connection, pytest.raises(ValueError, match="without an index: decision"):
        read_records(connection, [USER_CREATED, DECISION])


def test_a_draft_holds_what_it_was_given() -> None:
    """Negative control: the type check refuses each ignored line, and an ignore without need."""
    drafts = [
        kinds.SHIFT_CLOSED.draft("s-1", {"shift": "s-1", "seed": "00"}, post="OYB"),
        kinds.SHIFT_CLOSED.draft("s-1", {"shift": "s-1"}, post="OYB"),  # type: ignore[typeddict-item]
        kinds.SHIFT_CLOSED.draft("s-1", {"shift": "s-1", "seed": b""}),  # type: ignore[typeddict-item]
    ]
    assert [(one.kind, one.subject, one.post) for one in drafts[:1]] == [
        ("shift_closed", "s-1", "OYB")
    ]


def test_no_kind_and_no_table_belongs_to_two_areas() -> None:
    """Negative control: the registry refuses an area that declares them again."""
    assert len(list_rules()) == sum(len(area.records) for area in load_areas())
    with pytest.MonkeyPatch.context() as patched:
        twice = (*load_areas(), load_areas()[-1])
        patched.setattr(areas, "load_areas", lambda: twice)
        with pytest.raises(ValueError, match="two areas declare records of kind"):
            areas.list_rules.__wrapped__()


def test_no_journal_takes_a_record_that_no_area_declares() -> None:
    with pytest.raises(NotAllowedError, match="no area declares records of kind note"):
        require_kinds(["tick", "note"], training=False)
