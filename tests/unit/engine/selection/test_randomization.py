"""No user can draw again, and none can foresee a draw."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.network import BorderPost, Network
from engine.domain.records import Crossing
from engine.domain.time_units import DAY, HOUR, MINUTE, micros, rfc3339
from engine.selection import RANDOM, SCORE, ShiftPeriod, ShiftPlan, commitment, draw, movement_key

PLAN = ShiftPlan()
NOON = 20_000 * DAY + 7 * HOUR
SHIFT = PLAN.shift("OYB", NOON)


def crossing(**changed: object) -> Crossing:
    known = {
        "crossing_id": "c1",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": "2026-03-01T10:00:00+05:00",
        "vehicle_class": "truck",
        "plate": "01 A 123 BC",
    }
    return Crossing.model_validate(known | changed)


def test_a_shift_runs_from_eight_to_eight_local_time() -> None:
    assert (SHIFT.opens_at, SHIFT.closes_at) == (NOON - 4 * HOUR, NOON + 8 * HOUR)
    assert PLAN.shift("OYB", SHIFT.closes_at - 1) == SHIFT
    assert PLAN.shift("OYB", SHIFT.closes_at).opens_at == SHIFT.closes_at


@given(st.integers(0, 40_000 * DAY))
def test_every_instant_is_in_exactly_one_shift(instant: int) -> None:
    shift = PLAN.shift("OYB", instant)
    assert shift.opens_at <= instant < shift.closes_at
    assert shift.closes_at - shift.opens_at == PLAN.length


def test_a_new_id_or_another_spelling_of_the_plate_draws_the_same() -> None:
    first = movement_key(crossing(), SHIFT)
    again = (movement_key(crossing(crossing_id=f"c{n}"), SHIFT) for n in range(100))
    assert set(again) == {first}
    assert movement_key(crossing(plate="01а123вс"), SHIFT) == first  # Cyrillic look-alikes


def test_another_post_direction_plate_or_shift_draws_again() -> None:
    changed = [{"post": "FOT"}, {"direction": "exit"}, {"plate": "01A124BC"}]
    keys = {movement_key(crossing(**change), SHIFT) for change in changed}
    keys |= {movement_key(crossing(), PLAN.shift("OYB", SHIFT.closes_at))}
    assert len(keys | {movement_key(crossing(), SHIFT)}) == 5


def test_without_a_plate_the_crossing_itself_is_the_movement() -> None:
    one = movement_key(crossing(plate=None, crossing_id="a"), SHIFT)
    two = movement_key(crossing(plate="-", crossing_id="b"), SHIFT)
    assert one != two
    assert one != movement_key(crossing(plate="a", crossing_id="z"), SHIFT)


@given(st.text(max_size=8), st.text(max_size=8), st.binary(min_size=32, max_size=32))
def test_purposes_do_not_share_a_number(one: str, other: str, seed: bytes) -> None:
    drawn = [draw(seed, purpose, movement=b"m") for purpose in (one, other)]
    assert (drawn[0] == drawn[1]) == (one == other)


def test_draws_are_uniform_and_independent() -> None:
    seed = bytes(range(32))
    n = 20_000
    pairs = [
        (draw(seed, RANDOM, movement=b"%d" % k), draw(seed, SCORE, movement=b"%d" % k))
        for k in range(n)
    ]
    below = [sum(u < 0.03 for u, _ in pairs), sum(v < 0.5 for _, v in pairs)]
    both = sum(u < 0.5 and v < 0.5 for u, v in pairs)
    # Five standard deviations: one seed in about a million draws so.
    for seen, share in zip([*below, both], [0.03, 0.5, 0.25], strict=True):
        assert abs(seen - n * share) < 5 * (n * share * (1 - share)) ** 0.5


def test_a_commitment_binds_seed_and_head() -> None:
    seed, head, other = bytes(32), bytes(range(32)), bytes([1] * 32)
    assert commitment(seed, head) == commitment(seed, head)
    assert len({commitment(seed, head), commitment(other, head), commitment(seed, other)}) == 3


def test_a_shift_can_be_configured() -> None:
    plan = ShiftPlan(utc_offset=6 * HOUR, starts=7 * HOUR + 30 * MINUTE, length=8 * HOUR)
    assert plan.shift("X", 90 * MINUTE).opens_at == 90 * MINUTE


SUMMER = ShiftPlan(
    starts=2 * HOUR + 30 * MINUTE,
    length=12 * HOUR,
    network=Network(
        {
            code: BorderPost(code=code, name=code, country=country)
            for code, country in (("DOS", "KG"), ("OYB", "UZ"), ("BER", "DE"))
        }
    ),
)
"""Shifts that change within the hour in which summer time begins and ends."""


def test_shifts_change_by_the_clocks_of_each_post() -> None:
    plan = replace(PLAN, network=SUMMER.network)
    opens = [rfc3339(plan.shift(post, NOON).opens_at)[11:16] for post in ("DOS", "OYB", "ELSE")]
    assert opens == ["02:00", "03:00", "03:00"]
    assert plan.local_start("DOS", NOON) == plan.local_start("OYB", NOON) == 8 * HOUR


def check_partition(plan: ShiftPlan) -> bool:
    """Tell whether every quarter of an hour of 2026 is in one shift, and shifts follow closely."""
    year = micros(datetime(2026, 1, 1, tzinfo=UTC))
    last = plan.shift("BER", year)
    for at in range(year, year + 365 * DAY, 15 * MINUTE):
        shift = plan.shift("BER", at)
        follows = shift == last or shift.opens_at == last.closes_at
        if not (follows and shift.opens_at <= at < shift.closes_at):
            return False
        last = shift
    return True


def test_summer_time_leaves_no_instant_without_a_shift_and_none_in_two() -> None:
    assert check_partition(SUMMER)


def test_shifts_cut_without_regard_to_moved_clocks_are_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control."""

    def shift(self: ShiftPlan, post: str, instant: int) -> ShiftPeriod:
        opens_at = self._instant(post, self._begins(post, instant))
        return ShiftPeriod(post, opens_at, opens_at + self.length)

    monkeypatch.setattr(ShiftPlan, "shift", shift)
    assert not check_partition(SUMMER)
