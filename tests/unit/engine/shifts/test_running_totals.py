"""Sums kept up with the journal are those that are added up again, whatever was recorded."""

import random
from collections.abc import Sequence

import pytest

from engine.domain.time_units import HOUR
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import DECISION, INSPECTION, RELEASE, REVIEW, TICK
from engine.queue.queue import QueueProjection
from engine.queue.reviews import ReviewProjection
from engine.shifts.workload import Picks, Tally, _Decided
from engine.storage.database import Store
from tests.unit.engine.journal.test_journal import NOON, Clock

POSTS = ("OYB", "DUS")
STEPS = 60
Seen = list[tuple[list[Picks], list[int]]]


def decision(dice: random.Random, number: int, *, amends: str | None = None) -> Draft:
    channel = dice.choice((0, 2, 3))
    queue = {
        "decision_id": f"dec-{number}",
        "crossing_id": amends or f"c-{number}",
        "channel": channel,
        "place": channel * 10**12 + dice.randrange(50),
        "risk": None,
        "basis": dice.choice((None, "score", "random", "profile")),
        "minutes": dice.choice((0.0, 12.5, 45.0)),
        "model_version": None,
        "waiting": channel > 1,
        "amends": amends and f"dec-{amends[2:]}",
        "plate": "",
        "vehicle_class": "truck",
    }
    return Draft(DECISION, f"dec-{number}", dice.choice(POSTS), {"queue": queue})


def act(dice: random.Random, number: int, decided: Sequence[int]) -> Draft:
    """Something that moves an earlier decision."""
    earlier = dice.choice(decided)
    kind = dice.choice((INSPECTION, RELEASE, REVIEW, DECISION))
    if kind == DECISION:
        return decision(dice, number, amends=f"c-{earlier}")
    review = {"verdict": "override", "channel": dice.choice(("green", "red")), "reason_code": "x"}
    body = {"crossing_id": f"c-{earlier}", "person": "one", "review": review, "answers": "red"}
    return Draft(kind, f"dec-{earlier}", dice.choice(POSTS), body)


def night(store: Store, tally: Tally, *, seed: int) -> tuple[Seen, Seen]:
    """Record a night; return what the tally said after each batch, and what a new one said."""
    dice, clock = random.Random(seed), Clock()
    journal = Journal(store, (QueueProjection(), ReviewProjection()), clock)
    kept: Seen = []
    recounted: Seen = []
    number, decided = 0, list[int]()
    for _ in range(STEPS):
        batch = []
        for _ in range(dice.randrange(4)):
            number += 1
            moves = decided and dice.random() < 0.15
            batch.append(act(dice, number, decided) if moves else decision(dice, number))
            if batch[-1].kind == DECISION:
                decided.append(number)
        journal.append(batch or [Draft(TICK, "", "", {})])
        clock.time += dice.choice((0, HOUR, 2 * HOUR))
        since = NOON + (clock.time - NOON) // (12 * HOUR) * 12 * HOUR
        with store.read() as snapshot:
            head = journal.head(snapshot)
            tally.catch_up(snapshot, head.seq)
            for found, one in ((kept, tally), (recounted, Tally())):
                for post in POSTS:
                    spent = sorted(one.spent(snapshot, post, since), key=repr)
                    places = one.places(snapshot, post, as_of=head.as_of)
                    found.append((spent, list(places)))
    return kept, recounted


def test_a_tally_is_what_is_added_up_again(store: Store) -> None:
    kept, recounted = night(store, Tally(), seed=1)
    assert kept == recounted
    assert any(places for _, places in kept) and any(spent for spent, _ in kept)


@pytest.mark.parametrize("blind", [True, False])
def test_one_that_overlooks_acts_or_time_would_be_seen(
    blind: bool, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if blind:
        monkeypatch.setattr(_Decided, "moves_nothing", True)
    else:
        monkeypatch.setattr("engine.shifts.workload._Line.leave", lambda self, since: None)
    kept, recounted = night(store, Tally(), seed=1)
    assert kept != recounted
