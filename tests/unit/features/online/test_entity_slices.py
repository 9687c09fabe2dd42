"""Counters are filled some entities at a time: no event is lost, and no entity is divided."""

import numpy as np
import pytest

from features.online import backfill


@pytest.mark.parametrize("at_once", [1, 2, 7, 100])
def test_slices_hold_whole_entities_in_the_order_of_all(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "_EVENTS", at_once)
    monkeypatch.setattr(backfill, "_PARTS", 60)
    # The largest entity has more events than most slices; 0 is not counted, keys may be negative.
    under = np.random.default_rng(3).choice(
        [-(1 << 62), -4, 0, 5, 9], 60, p=[0.1, 0.1, 0.1, 0.6, 0.1]
    )
    parts = list(backfill._yield_entities(under))
    order, entity = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    expected = sorted(np.flatnonzero(under).tolist(), key=lambda at: (under[at], at))
    assert order.tolist() == expected
    assert entity.tolist() == under[expected].tolist()
    within = [set(one.tolist()) for _, one in parts]
    assert sum(map(len, within)) == len(set().union(*within)) == 4
    assert len(parts) == {1: 4, 2: 4}.get(at_once, len(parts))
    monkeypatch.setattr(backfill, "_PARTS", 1)
    assert len(list(backfill._yield_entities(under))) == 1


def test_a_group_without_counted_events_has_no_slice() -> None:
    assert list(backfill._yield_entities(np.zeros(3, np.int64))) == []
