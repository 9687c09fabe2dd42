"""Finds spread along links: as of each cut, whatever becomes known later; exact in any order."""

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.time_units import DAY
from features.catalogue import find_spread
from features.catalogue.find_spread import (
    CROSSINGS_FOR,
    ENTITIES,
    EVERY,
    FINDS_FOR,
    KINDS,
    LAG,
    MEASURES,
    SCALE,
    Finds,
    number_entities,
    values_as_of,
)
from features.offline.spread_snapshots import CrossingWindow, SpreadInputs, join_parts, spread_finds

CUT = 5_000 * EVERY
NONE = np.zeros(0, np.int64)
ROWS = np.arange(300)
DRAW = np.random.default_rng(4)
KEYS = DRAW.integers(0, 12, (len(ENTITIES), len(ROWS)))
TIMES = np.sort(CUT - 90 * DAY + DRAW.integers(0, 120 * DAY, len(ROWS)))
FOUND_AT = np.sort(DRAW.integers(0, len(ROWS), 9))


def finds(at: np.ndarray, crossing: np.ndarray, amount: np.ndarray | None = None) -> Finds:
    """Finds of the first stream of their kind."""
    ones = np.ones(len(at), np.int64) if amount is None else amount
    return Finds(at, crossing * find_spread.STREAMS, ones)


GIVEN = SpreadInputs(KEYS, TIMES, {kind: finds(TIMES[FOUND_AT] + DAY, FOUND_AT) for kind in KINDS})


def values(given: SpreadInputs, cut: int) -> np.ndarray:
    """Values of all entities as of a cut."""
    codes, table = number_entities(given.keys)
    seen = codes[:, given.known_at < cut]
    return values_as_of(seen, codes, given.finds, cut=cut, size=len(table))


def test_one_find_by_hand() -> None:
    """Two crossings share a driver; a find on the first spreads to the plate of the second."""
    keys = np.zeros((len(ENTITIES), 2), np.int64)
    plate, driver = ENTITIES.index("plate"), ENTITIES.index("driver")
    keys[plate], keys[driver] = (7, 8), (9, 9)
    at = np.array([CUT - 2 * DAY, CUT - DAY])
    found = {"found": finds(at[:1], ROWS[:1]), "seized": finds(NONE, NONE)}
    made = values(SpreadInputs(keys, at, found), CUT)
    own, shared, other = (SCALE * 0.5 ** (2 / 90) / over for over in (4, 5, 4))
    first = [own, 0.0, shared]  # by number: the first plate, the second plate, the driver
    assert np.allclose(made[0, 1:], first, rtol=0.13) and (made[0, 1:] <= np.array(first)).all()
    through = 0.6 * shared + 0.4 * shared / 2
    assert made[1, 2] == pytest.approx(through / other * SCALE / SCALE * other / 4, rel=0.14)
    assert not made[3:].any()


def test_later_records_move_no_earlier_snapshot() -> None:
    whole = spread_finds(GIVEN, before=CUT + 40 * DAY)
    early = TIMES < CUT
    kept = {
        kind: Finds(*(c[f.known_at < CUT] for c in (f.known_at, f.source, f.amount)))
        for kind, f in GIVEN.finds.items()
    }
    part = spread_finds(SpreadInputs(KEYS[:, early], TIMES[early], kept), before=CUT + LAG + 1)
    known = whole[0] <= CUT + LAG
    assert 0 < known.sum() < len(known)
    for of_whole, of_part in zip(whole, part, strict=True):
        assert np.array_equal(of_whole[..., known], of_part)


def test_a_find_that_is_known_a_moment_earlier_moves_the_snapshot() -> None:
    at = np.array([CUT])
    late = replace(GIVEN, finds=dict.fromkeys(KINDS, finds(at, ROWS[:1])))
    in_time = replace(GIVEN, finds=dict.fromkeys(KINDS, finds(at - 1, ROWS[:1])))
    assert not values(late, CUT).any()
    assert values(in_time, CUT).any()


def test_a_find_counts_for_its_time_and_falls_to_nothing() -> None:
    one = replace(GIVEN, finds=dict.fromkeys(KINDS, finds(np.array([CUT]), ROWS[:1])))
    known_at, _, _, change = spread_finds(one, before=CUT + 2 * FINDS_FOR)
    assert (change.sum(axis=1) == 0).all()
    assert known_at.min() == CUT + EVERY + LAG
    assert FINDS_FOR - EVERY < known_at.max() - CUT - LAG <= FINDS_FOR + EVERY


def test_a_find_that_is_taken_back_leaves_nothing() -> None:
    at = np.array([CUT - 20 * DAY, CUT - 10 * DAY, CUT - DAY])
    who, amount = np.array([3, 5, 3]), np.array([1, 1, -1])
    taken_back = replace(GIVEN, finds=dict.fromkeys(KINDS, finds(at, who, amount)))
    other = replace(GIVEN, finds=dict.fromkeys(KINDS, finds(at[1:2], who[1:2])))
    assert np.array_equal(values(taken_back, CUT), values(other, CUT))
    assert not np.array_equal(values(taken_back, CUT - 2 * DAY), values(other, CUT - 2 * DAY))


def test_the_order_of_crossings_gives_the_same_bits() -> None:
    codes, table = number_entities(KEYS)
    seen = codes[:, TIMES < CUT]
    shuffled = seen[:, DRAW.permutation(seen.shape[1])]
    made = [values_as_of(s, codes, GIVEN.finds, cut=CUT, size=len(table)) for s in (seen, shuffled)]
    assert np.array_equal(made[0], made[1]) and made[0].any()


def test_parts_make_the_snapshots_of_the_whole() -> None:
    def part(rows: slice) -> SpreadInputs:
        found = {
            kind: Finds(*(c[np.isin(f.source // find_spread.STREAMS, ROWS[rows])] for c in (
                f.known_at, f.source, f.amount)))
            for kind, f in GIVEN.finds.items()
        }  # fmt: skip
        return SpreadInputs(KEYS[:, rows], TIMES[rows], found)

    joined = join_parts([part(slice(0, 100)), part(slice(100, 250)), part(slice(250, 300))])
    for one, other in zip(
        spread_finds(joined, before=CUT), spread_finds(GIVEN, before=CUT), strict=True
    ):
        assert np.array_equal(one, other) and one.size


def test_a_history_has_the_values_of_each_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entities are unknown now and then, and combinations of them come back; nothing is left."""
    keys = np.maximum(DRAW.integers(-3, 9, (len(ENTITIES), len(ROWS)))[:, ROWS % 200], 0)
    given = SpreadInputs(keys, TIMES, GIVEN.finds)
    codes, table = number_entities(keys)

    def is_as_of_each_cut() -> bool:
        known_at, entity, key, change = spread_finds(given, before=CUT + 2 * FINDS_FOR)
        held = np.zeros((len(MEASURES), len(table)), np.int64)
        number = {(kind, one): at for at, (kind, one) in enumerate(table.tolist())}
        of = np.array([number[each] for each in zip(entity.tolist(), key.tolist(), strict=True)])
        for cut in np.unique(known_at) - LAG:
            held[:, of[known_at == cut + LAG]] += change[:, known_at == cut + LAG]
            now = codes[:, slice(*np.searchsorted(TIMES, [cut - CROSSINGS_FOR, cut]))]
            made = values_as_of(now, codes, given.finds, cut=cut, size=len(table))
            if not np.array_equal(made, held):
                return False
        return len(np.unique(known_at)) > FINDS_FOR // EVERY and not held.any()

    assert is_as_of_each_cut()
    move = CrossingWindow.move
    monkeypatch.setattr(CrossingWindow, "move", lambda window, _, end: move(window, 0, end))
    assert not is_as_of_each_cut()  # crossings that never leave are noticed
