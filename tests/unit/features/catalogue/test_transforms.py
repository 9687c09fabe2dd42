"""One row is finished in Python's own floats, many by numpy: to the bit the same."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from engine.domain.time_units import HOUR
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.mirror_features import GRID, within
from features.catalogue.plan import Plan
from features.catalogue.spec import Floats
from features.catalogue.transforms import OPERATORS, Operator, RowValues

PLAN = Plan(CATALOGUE)
ROWS = 600


def draw_slots(seed: int = 6) -> Floats:
    """Return slots as reads and facts may give them: every finisher meets what it treats apart.

    Times are some hours apart, lines have been crossed up to fifty times, three in ten are unknown;
    of the last row nothing is known.
    """
    draw = np.random.default_rng(seed)
    slots = draw.integers(0, 4, (ROWS, len(PLAN.slot))).astype(np.float64)
    hours = draw.integers(0, 90, slots.shape) * float(HOUR)
    followed = np.sort(draw.integers(0, 50, (len(GRID), ROWS)), axis=0)
    for item, place in PLAN.slot.items():
        name = getattr(item, "measure", getattr(item, "name", ""))
        if name in {"known_at", "arrived_at", "as_of"}:
            slots[:, place] = hours[:, place]
        elif name.endswith("_kg") or "value" in name:
            slots[:, place] += draw.random(ROWS)
        for reached, grid in zip(followed, GRID, strict=True):
            if name == within(grid):
                slots[:, place] = reached
    slots[draw.random(slots.shape) < 0.3] = np.nan
    slots[-1] = np.nan
    return slots


def bits(plan: Plan, slots: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Return the bits of what a plan makes of slots."""
    return plan.finish(slots).view(np.int32)


def alone(plan: Plan, slots: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Return the same, made row by row."""
    return np.concatenate([bits(plan, row[None]) for row in slots])


def test_a_row_alone_is_finished_as_among_others() -> None:
    slots = draw_slots()
    together = bits(PLAN, slots)
    assert np.array_equal(alone(PLAN, slots), together)
    values = together.view(np.float32)
    assert (np.nanmax(values, axis=0) > np.nanmin(values, axis=0)).all(), "each feature moves"
    always = [
        name
        for name, column in zip(PLAN.names, values.T, strict=True)
        if not np.isnan(column).any()
    ]
    assert always == ["mirror_window"]


def _off(operator: str) -> Operator:
    """Return the operator, each feature of one row off by one bit."""
    right = OPERATORS[operator]

    def wrong(own: Sequence[RowValues], common: RowValues, *parameters: RowValues) -> RowValues:
        made = right.of_one(own, common, *parameters)
        return [float(np.nextafter(np.float32(value), np.float32(np.inf))) for value in made]

    return replace(right, of_one=wrong)


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_that_is_off_by_one_bit_for_one_row_is_found(
    monkeypatch: pytest.MonkeyPatch, operator: str
) -> None:
    monkeypatch.setitem(OPERATORS, operator, _off(operator))
    plan = Plan(CATALOGUE)
    slots = draw_slots()[:20]
    assert not np.array_equal(alone(plan, slots), bits(plan, slots))


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_few_rows_have_the_same_shape_and_type(rows: int) -> None:
    made = PLAN.finish(draw_slots()[:rows])
    assert made.shape == (rows, len(PLAN.names)) and made.dtype == np.float32
