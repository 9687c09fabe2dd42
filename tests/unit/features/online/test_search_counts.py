"""Places searched and found: one record after another counts as a whole history does at once."""

import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from engine.domain.records import PLACES, Crossing, Declaration
from engine.search_orders.rates import count_places, goods_group
from engine.storage.database import Store
from features.history.labels import read_searches
from features.offline.encoded_history import read_log
from features.online import search_counts
from features.online.backfill import backfill
from features.online.search_counts import PLACE_COUNTS, SEARCHED_PLACES
from tests.support.sizes import PROOF
from tests.unit.features.online.replay import PLAN, Replay, as_known, batches, steps, until
from tests.unit.features.random_histories import History, history, tables

MOST = 40
"""Records in a batch."""
MANY = 150 if PROOF else 80
Kept = list[list[Any]]


def draw_searches(seed: int, crossings: int) -> History:
    """Draw a history whose acts name places and whose finds have one, some of them made in acts."""
    rng, found = random.Random(seed), history(seed, crossings)
    codes = (*PLACES, "trailer", "trailer.box")
    acts = [
        (at, act.model_copy(update={"places_searched": tuple(rng.sample(codes, rng.randrange(5)))}))
        for at, act in found.inspections
    ]
    ids: dict[str | None, str] = {act.crossing_id: act.inspection_id for _, act in acts}
    finds = [
        (at, seizure.model_copy(update={
            "place": rng.choice((None, *codes)),
            "inspection_id": ids.get(link) if rng.random() < 0.5 else None,
        }), link)
        for at, seizure, link in found.seizures
    ]  # fmt: skip
    return History(found.crossings, acts, finds)


def read_counts(store: Store) -> Kept:
    """Return both tables."""
    with store.read() as connection:
        return [
            [tuple(row) for row in connection.execute(select(table).order_by(table.columns[0]))]
            for table in (SEARCHED_PLACES, PLACE_COUNTS)
        ]


def replay_history(store: Store, found: History, half: int | None = None) -> Replay:
    """Record a history, after loading what was known before ``half``."""
    replay = Replay(store)
    if half is not None:
        load(store, until(found, half))
    for batch in batches([s for s in steps(found) if half is None or s[0] >= half], MOST):
        replay.batch(batch)
    return replay


def load(store: Store, found: History) -> None:
    made = tables(found)
    with store.write() as connection:
        backfill(connection, read_log(made, PLAN), PLAN, searches=read_searches(made))


def online_and_loaded(store: Store, *, from_half: bool = False) -> tuple[Kept, Kept]:
    found = draw_searches(7, MANY)
    order = steps(found)
    replay = replay_history(store, found, order[len(order) // 2][0] if from_half else None)
    online = read_counts(store)
    load(store, as_known(found, replay.known))
    return online, read_counts(store)


@pytest.mark.parametrize("from_half", [False, True])
def test_counted_one_by_one_is_counted_at_once(store: Store, from_half: bool) -> None:
    online, loaded = online_and_loaded(store, from_half=from_half)
    assert online == loaded
    assert len(loaded[0]) > 40 and len(loaded[1]) > 20


def test_an_act_that_counts_its_vehicle_twice_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(
        before: search_counts.Places, after: search_counts.Places
    ) -> Iterator[tuple[str, int, int]]:
        """Seeded bug: what an earlier act searched counts once more."""
        return honest((set(), set()), after)

    honest = search_counts._steps
    found = draw_searches(7, MANY)
    replay = Replay(store)
    with monkeypatch.context() as patched:
        patched.setattr(search_counts, "_steps", again)
        for batch in batches(steps(found), MOST):
            replay.batch(batch)
    online = read_counts(store)
    load(store, as_known(found, replay.known))
    loaded = read_counts(store)
    assert online[0] == loaded[0] and online[1] != loaded[1]


@pytest.mark.parametrize("scope", ["load", "body", "goods", "corridor"])
def test_counts_are_those_of_the_records(store: Store, scope: str) -> None:
    found = draw_searches(8, 120)
    replay = replay_history(store, found)
    expected = by_hand(found, scope)
    assert sum(hits for own in expected.values() for _, hits in own.values()) > 3
    assert len(expected) > 2
    with store.read() as connection:
        for _, crossing, declaration in found.crossings:
            event = replay.features.record(crossing, declaration)
            known = replay.features.searches(connection, event).find_counts(scope)
            assert known == expected.get(common_of(crossing, declaration, scope), {})
            assert all(hits <= times for times, hits in known.values())


def common_of(crossing: Crossing, declaration: Declaration | None, scope: str) -> Any:
    """Return what a vehicle has in common with others of a scope; None where it is not known."""
    kind = crossing.vehicle_class
    if scope == "load":
        return kind, bool(crossing.is_empty)
    if scope == "body":
        return crossing.body_type and (kind, crossing.body_type)
    if scope == "corridor":
        return kind, crossing.post, crossing.direction
    if declaration is None:
        return None
    main = max(
        declaration.items,
        key=lambda one: (one.customs_value_usd or 0.0, one.net_mass_kg or 0.0, -one.item_no),
    )
    return kind, goods_group(int(main.hs_code[:2]))


def by_hand(found: History, scope: str) -> dict[Any, dict[str, tuple[int, int]]]:
    """Count by scope in the plainest way: a vehicle once for each place and group."""
    where: dict[str | None, set[str]] = defaultdict(set)
    held: dict[str | None, set[str]] = defaultdict(set)
    for _, act in found.inspections:
        where[act.crossing_id] |= {*act.places_searched}
    for _, seizure, link in found.seizures:
        if seizure.place is not None:
            where[link].add(seizure.place)
            held[link].add(seizure.place)
    out: dict[Any, dict[str, tuple[int, int]]] = defaultdict(dict)
    for _, crossing, declaration in found.crossings:
        common = common_of(crossing, declaration, scope)
        own = {} if common is None else out[common]
        for place in count_places(where[crossing.crossing_id]):
            times, hits = own.get(place, (0, 0))
            own[place] = (times + 1, hits + (place in count_places(held[crossing.crossing_id])))
    return out


def test_what_is_recorded_later_is_not_seen(store: Store) -> None:
    found = draw_searches(9, 60)
    half = steps(found)[90][0]
    replay = replay_history(store, until(found, half))
    arrivals = [replay.features.record(c, d) for _, c, d in found.crossings]
    with store.read() as snapshot:
        before = [replay.features.searches(snapshot, event) for event in arrivals]
        for batch in batches([step for step in steps(found) if step[0] >= half], MOST):
            replay.batch(batch)
        assert [replay.features.searches(snapshot, event) for event in arrivals] == before
    with store.read() as snapshot:
        assert [replay.features.searches(snapshot, event) for event in arrivals] != before
