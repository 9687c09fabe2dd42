"""Which time a journal gives its records when the wall clock and the time since boot disagree."""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from sqlalchemy import delete, select

import engine.journal.clock
from engine.audit.verification import verify
from engine.domain.time_units import DAY, HOUR, MINUTE, SECOND
from engine.journal.clock import ALLOWED, ANCHORS, LONGEST_OFF, draft_acceptance, project_anchors
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import CLOCK_ACCEPTED
from engine.storage.database import Store


@contextmanager
def move_clock(*, wall: int = 0, passed: int = 0, boot: str | None = None) -> Iterator[None]:
    """Move the wall clock and the time since boot by so many microseconds each."""
    read, counted, named = (
        Journal._head,
        engine.journal.clock.since_boot,
        engine.journal.clock.boot_id,
    )

    def head(journal: Journal, connection: object) -> object:
        found, now = read(journal, connection)  # type: ignore[arg-type]
        return found, now + wall

    with (
        patch.object(Journal, "_head", head),
        patch.object(engine.journal.clock, "since_boot", lambda: counted() + passed),
        patch.object(engine.journal.clock, "boot_id", named if boot is None else lambda: boot),
    ):
        yield


def append_note(store: Store) -> int:
    """Return the time of a record of a process that has just started."""
    return Journal(store).append([Draft("roster", "", "", {})])[0].known_at


def test_time_that_passed_is_followed(store: Store) -> None:
    before = append_note(store)
    with move_clock(wall=3 * DAY, passed=3 * DAY):
        assert 3 * DAY <= append_note(store) - before < 3 * DAY + MINUTE


@pytest.mark.parametrize("jump", [2 * DAY, HOUR, -HOUR, -2 * DAY])
def test_a_jump_is_not_followed_by_a_process_that_ran_nor_by_one_that_starts(
    store: Store, jump: int
) -> None:
    before, running = append_note(store), Journal(store)
    running.append([Draft("roster", "", "", {})])
    with move_clock(wall=jump + 2 * HOUR, passed=2 * HOUR):
        for time in (running.append([Draft("roster", "", "", {})])[0].known_at, append_note(store)):
            assert 2 * HOUR <= time - before < 2 * HOUR + MINUTE
        with store.read() as connection:
            assert abs(running.reading(connection).ahead - jump) < MINUTE
    assert verify(store).ok


def test_a_step_of_a_few_minutes_is_followed(store: Store) -> None:
    before = append_note(store)
    with move_clock(wall=ALLOWED - 2 * SECOND):
        assert append_note(store) - before > ALLOWED - 3 * SECOND


def test_small_steps_do_not_add_up(store: Store) -> None:
    before = append_note(store)
    for step in range(1, 20):
        with move_clock(wall=step * 4 * MINUTE):
            assert append_note(store) - before <= ALLOWED + MINUTE


@pytest.mark.parametrize(("off", "is_followed"), [(LONGEST_OFF - HOUR, True), (13 * HOUR, False)])
def test_after_a_restart_of_the_machine_a_night_is_believed(
    store: Store, off: int, is_followed: bool
) -> None:
    before = append_note(store)
    with move_clock(wall=off, passed=-DAY, boot="another"):
        assert (append_note(store) - before >= off) is is_followed
        assert (append_note(store) - before >= off) is is_followed, "by the next process too"


def test_a_store_without_an_anchor_follows_its_clock(store: Store) -> None:
    before = append_note(store)
    with store.write() as connection:
        connection.execute(delete(ANCHORS))
    with move_clock(wall=30 * DAY, boot="another"):
        assert append_note(store) - before >= 30 * DAY
        with store.read() as connection:
            assert connection.scalars(select(ANCHORS.c.boot_id)).all() == ["another"]


def test_what_a_person_accepts_is_followed_by_processes_that_run(store: Store) -> None:
    before, running = append_note(store), Journal(store)
    running.append([Draft("roster", "", "", {})])
    with move_clock(wall=2 * DAY):
        journal = Journal(store, [project_anchors])
        with store.read() as connection:
            reading = journal.reading(connection)
        (accepted,) = journal.append([draft_acceptance(reading, by="ann", why="set right")])
        assert accepted.known_at - before < MINUTE, "the record itself is of the time before"
        assert running.append([Draft("roster", "", "", {})])[0].known_at - before >= 2 * DAY
    assert verify(store).ok


def test_a_replay_of_an_acceptance_moves_no_anchor(store: Store) -> None:
    """A rebuild in the middle of a jump would let go of what holds the clock."""
    before = append_note(store)
    replayed = Draft(CLOCK_ACCEPTED, "", "", {"by": "ann"})
    Journal(store, [project_anchors]).append([replayed])
    with move_clock(wall=2 * DAY):
        assert append_note(store) - before < MINUTE
