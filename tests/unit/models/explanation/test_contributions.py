"""Contributions sum to calibrated log-odds, whatever a blend is made of; norms are of the like."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.domain.time_units import DAY
from models.data.dataset import Target
from models.explanation.contributions import (
    ALL,
    BASE,
    CALIBRATION,
    Contributions,
    UsualValues,
    compute_usual_values,
)
from models.scoring import SEEN_BY, UNSEEN, Head, Knots, probability
from tests.support.small_dataset import small_world

WIDTH = 40
NAMES = (*(f"f{at}" for at in range(WIDTH - 1)), SEEN_BY)


class Line:
    """A linear part: each feature adds its weight times its value."""

    def __init__(self, weight: float, base: float) -> None:
        self.weight = weight
        self.base = base

    def __call__(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.weight * np.nan_to_num(row.astype(np.float64))


HEADS: Mapping[Target, Head] = {
    "seizure": Head((("one", 0.3), ("other", 0.7)), Knots((-2.0, 0.0, 1.0), (-5.0, -2.0, 0.5))),
    "discrepancy": Head(
        (("other", 1.0),),
        Knots((-1.0, 1.0), (-1.5, 0.25)),
        Head((("one", 0.5), ("other", 0.5)), Knots((-2.0, 1.0), (-2.0, 0.5))),
    ),
}
USUAL = {ALL: (0.0,) * WIDTH, "truck": (1.0,) * WIDTH, "truck OYB": (2.0,) * WIDTH}
MADE = Contributions(
    NAMES,
    heads=HEADS,
    parts={"one": Line(0.2, -1.0), "other": Line(-0.1, 0.4)},
    severity=10.0,
    norms=UsualValues(USUAL),
)
rows = st.lists(st.floats(-3, 3, width=32), min_size=WIDTH, max_size=WIDTH)


def log_odds(row: NDArray[np.float32]) -> dict[Target, float]:
    total = float(row.astype(np.float64).sum())
    margins = {"one": np.array(-1.0 + 0.2 * total), "other": np.array(0.4 - 0.1 * total)}
    margins[UNSEEN] = np.array(float(not row[-1] > 0))
    return {name: float(head.log_odds(margins)) for name, head in HEADS.items()}


@given(rows)
def test_any_blend_of_parts_sums_to_the_calibrated_log_odds(cells: list[float]) -> None:
    row = np.array(cells, np.float32)
    expected = log_odds(row)
    for target, calibrated in expected.items():
        assert MADE.target(row, target).sum() == pytest.approx(calibrated, abs=1e-9)
    worth = {
        "seizure": 10.0 * float(probability(expected["seizure"])),
        "discrepancy": float(probability(expected["discrepancy"])),
    }
    joined = sum(worth[name] * calibrated for name, calibrated in expected.items())
    assert MADE.risk(row).sum() == pytest.approx(joined / sum(worth.values()), abs=1e-9)


def test_all_that_is_not_zero_is_listed_in_order_and_ties_go_by_the_features() -> None:
    row = np.zeros(WIDTH, np.float32)
    added = np.zeros(WIDTH + 2)
    added[[3, 9, 5]], added[-1] = (0.5, -0.5, 0.1), -0.3
    result = MADE.describe(row, added, vehicle_class="truck", post="OYB")
    assert [one.feature for one in result] == ["f3", "f9", CALIBRATION, "f5"]
    assert np.isnan(result[2].value)
    assert np.isnan(result[2].normal)
    assert BASE not in {one.feature for one in result}


@pytest.mark.parametrize(
    ("vehicle_class", "post", "value", "others"),
    [
        ("truck", "OYB", 2.0, "truck OYB"),
        ("truck", "FOT", 1.0, "truck"),
        ("bus", "OYB", 0.0, "*"),
    ],
)
def test_a_value_is_compared_with_the_narrowest_group(
    vehicle_class: str, post: str, value: float, others: str
) -> None:
    row = np.ones(WIDTH, np.float32)
    result = MADE.describe(row, MADE.risk(row), vehicle_class=vehicle_class, post=post)
    features = [one for one in result if one.feature in NAMES]
    assert {one.normal for one in features} == {value}
    assert {one.among for one in result} == {others}


def test_the_usual_is_a_median_of_late_entries_and_of_flags_a_share() -> None:
    data = small_world(3000, seed=41)
    object.__setattr__(data, "names", ("is_empty", *data.names[1:]))
    data.values[:, 0] = np.arange(3000) % 4 == 0
    data.values[:, 5] = np.nan
    entry = data.direction == "entry"
    late = entry & (data.arrived_at >= data.arrived_at[entry].max() - 180 * DAY)
    data.values[~late, 1] = 1e6
    found = compute_usual_values(data)
    here = late & (data.vehicle_class == "bus") & (data.post == "OYB")

    assert found[ALL][0] == pytest.approx(data.values[late, 0].mean())
    assert np.isnan(found[ALL][5])
    assert found["bus OYB"][1] == pytest.approx(float(np.nanmedian(data.values[here, 1])))
    assert set(found) == {ALL} | {
        f"{kind}{post}" for kind in ("truck", "car", "bus") for post in ("", " OYB", " FOT")
    }
    assert ALL in compute_usual_values(data.take(np.arange(20)))
