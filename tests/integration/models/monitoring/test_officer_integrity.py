"""Seeded collusion is found within thirty days, and clean work raises no alarm."""

from dataclasses import replace
from random import Random

import pytest

from models.monitoring.officer_integrity import (
    ANY,
    FEWEST,
    HandledVehicle,
    OfficerExcess,
    findings,
    seed_of,
)
from tests.support.sizes import PROOF

SEEDS = 20 if PROOF else 3
PERMUTATIONS = 1999 if PROOF else 799
OFFICERS = [f"officer-{number}" for number in range(8)]
CARRIERS = [f"carrier-{number}" for number in range(5)]
A_DAY = 36
"""Vehicles sent to officers a day: 12 % of 300."""
GUILTY = OFFICERS[3], CARRIERS[2]
"""One pair of forty."""


def days(seed: int, number: int) -> list[list[HandledVehicle]]:
    """Return clean days: two shifts of four officers, every vehicle drawn, one in eight let go."""
    rng = Random(seed)
    found = []
    for day in range(number):
        on = rng.sample(OFFICERS, len(OFFICERS))
        of_day = []
        for place in range(A_DAY):
            shift, channel = place % 2, rng.choice(("red", "yellow", "yellow"))
            officer = rng.choice(on[4 * shift : 4 * shift + 4])
            carrier = rng.choice([*CARRIERS, None])
            where = f"{day}:{shift}:{channel}", f"{day // 7}:{shift}:{channel}"
            of_day.append(HandledVehicle(officer, carrier, *where, rng.random() < 0.125, False))
        found.append(of_day)
    return found


def swap_officers(clean: list[list[HandledVehicle]], seed: int) -> list[HandledVehicle]:
    """Seeded bug.

    The officer takes over half of the carrier's vehicles that others were drawn for.
    """
    rng, (officer, carrier) = Random(seed), GUILTY
    return [
        replace(one, officer=officer, is_taken_over=one.officer != officer)
        if one.carrier == carrier and rng.random() < 0.5
        else one
        for of_day in clean
        for one in of_day
    ]


def let_go(clean: list[list[HandledVehicle]], seed: int) -> list[HandledVehicle]:
    """Seeded bug: drawn as it should be, the officer lets go three times as often."""
    rng, officer = Random(seed), GUILTY[0]
    return [
        replace(one, is_let_go=rng.random() < 0.375) if one.officer == officer else one
        for of_day in clean
        for one in of_day
    ]


def alarms(handled: list[HandledVehicle], seed: int = 0) -> list[OfficerExcess]:
    found = findings(handled, seed=seed, permutations=PERMUTATIONS)
    return [one for one in found if one.is_alarm]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_one_pair_in_forty_is_found_within_thirty_days(seed: int) -> None:
    found = alarms(swap_officers(days(seed, 30), seed))
    named = {one.measure for one in found if (one.officer, one.carrier) == GUILTY}
    assert {"handled", "taken_over"} <= named
    assert {one.officer for one in found} == {GUILTY[0]}, "no other officer is named"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_who_releases_three_times_as_often_is_found_within_thirty_days(seed: int) -> None:
    found = alarms(let_go(days(seed, 30), seed))
    named = {one.carrier for one in found if (one.measure, one.officer) == ("let_go", GUILTY[0])}
    assert ANY in named, "over all carriers together"
    assert {one.officer for one in found} == {GUILTY[0]}, "no other officer is named"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_who_lets_go_one_carrier_alone_is_found_within_thirty_days(seed: int) -> None:
    """Seeded bug: drawn as it should be, but nine in ten of one carrier's vehicles are let go."""
    rng = Random(seed)
    handled = [
        replace(one, is_let_go=rng.random() < 0.9) if (one.officer, one.carrier) == GUILTY else one
        for of_day in days(seed, 30)
        for one in of_day
    ]
    found = [one for one in alarms(handled) if one.measure == "let_go"]
    assert (found[0].officer, found[0].carrier) == GUILTY


def test_clean_work_raises_at_most_one_alarm_in_ninety_days() -> None:
    """Looked at every day (every fifteenth at small size), each time at the last thirty days."""
    for seed in range(5 if PROOF else 2):
        clean = days(100 + seed, 90)
        raised: set[tuple[str, str, str]] = set()
        before: set[tuple[str, str, str]] = set()
        for day in range(30, 91, 1 if PROOF else 15):
            window = [one for of_day in clean[day - 30 : day] for one in of_day]
            now = {(a.measure, a.officer, a.carrier) for a in alarms(window, day)}
            raised |= now - before
            before = now
        assert len(raised) <= 1, seed


def test_the_same_seed_deals_the_same_again_and_few_vehicles_say_nothing() -> None:
    handled = swap_officers(days(1, 10), 1)
    seed = seed_of("OYB", 1, 2)
    assert findings(handled, seed=seed, permutations=99) == findings(
        handled, seed=seed, permutations=99
    )
    assert seed != seed_of("OYB", 1, 3)
    assert findings(handled[: FEWEST - 1], seed=seed) == []
