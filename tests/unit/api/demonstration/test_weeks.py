"""Weeks of the demonstration are recorded in the past; the next service has its clock."""

from pathlib import Path

from api.demonstration.weeks import SimulatedClock
from api.service.assembly import open_store
from engine.domain.time_units import DAY, HOUR, MINUTE, SystemClock
from engine.journal.journal import Journal
from engine.journal.kinds import TICK
from engine.storage.home import Home


def record_weeks(home: Home, clock: SimulatedClock, *, until: int) -> list[int]:
    """Record once a week up to an instant; return when each record became known."""
    with open_store(home) as store:
        journal = Journal(store)
        found = []
        for back in (14, 7, 0):
            clock.move_to(until - back * DAY)
            found.append(journal.append([TICK.draft("", {})])[0].known_at)
    return found


def is_held(home: Home) -> bool:
    with open_store(home) as store, store.read() as connection:
        return Journal(store).reading(connection).is_held


def test_records_stand_at_their_time_and_the_clock_goes_on(
    tmp_path: Path,
) -> None:
    until = SystemClock().now() - 14 * HOUR
    clock = SimulatedClock(until - 21 * DAY)
    home = Home(tmp_path / "home").prepare()
    with clock.install():
        times = record_weeks(home, clock, until=until)
    expected = [until - back * DAY for back in (14, 7, 0)]
    assert all(abs(one - at) < MINUTE for one, at in zip(times, expected, strict=True))
    clock.move_to(until - DAY)
    assert clock.now() >= times[-1], "it never runs backwards"
    assert not is_held(home), "the service follows the wall clock"
