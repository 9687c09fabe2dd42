"""Precedents count alike for every party, excuse none, and steady what few finds teach."""

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.time_units import DAY
from models.config import TrainConfig, Trees
from models.learning.base_learners import HIGH, RATES, WORTH, precedents, straight_part
from models.learning.fit import fit
from tests.support.small_dataset import START, small_world

NAMES = ("hour", "driver_recent_seizure_rate", "carrier_recent_seizure_rate", "finds")
LABEL = np.repeat(np.array([1, 0], np.int8), (20, 980))
BASE = 0.02
VALUES = np.full((1000, 4), (12.0, BASE, BASE, 0.0), np.float32)


def compute_difference(*row: float) -> float:
    """Return what a row says next to one without any precedent."""
    made = precedents(VALUES, LABEL, names=NAMES)
    assert made is not None
    rows = np.array([row, (12.0, BASE, BASE, 0.0)], np.float32)
    return float(np.subtract(*made.margin(rows)))


def test_rates_count_from_the_base_rate_on_and_add_up() -> None:
    worth = pytest.approx(WORTH, abs=1e-6)
    assert compute_difference(3.0, HIGH * BASE, BASE, 0.0) == worth
    assert compute_difference(12.0, 0.9, BASE, 0.0) == worth
    assert compute_difference(12.0, HIGH * BASE, HIGH * BASE, 0.0) == pytest.approx(
        2 * WORTH, abs=1e-6
    )
    assert compute_difference(12.0, 0.0, np.nan, 0.0) == pytest.approx(0.0, abs=1e-6)
    assert compute_difference(12.0, BASE, BASE, 3.0) == 0.0, "no rate: no precedent"


def test_a_sample_of_the_clear_rows_gives_the_base_rate_of_all() -> None:
    whole = precedents(VALUES, LABEL, names=NAMES)
    part = precedents(VALUES[:118], LABEL[:118], names=NAMES, kept=98 / 980)
    raised = precedents(VALUES[:118], LABEL[:118], names=NAMES)  # what a forgotten share would say
    assert whole is not None
    assert part is not None
    assert raised is not None
    rows = np.array([(3.0, HIGH * BASE, BASE, 1.0), VALUES[0]], np.float32)
    assert part.margin(rows) == pytest.approx(whole.margin(rows), abs=1e-6)
    assert (raised.margin(rows) - whole.margin(rows) > 0.1).all()


def test_few_finds_are_ranked_better_with_precedents() -> None:
    """Seven parties speak alike, among forty columns that do not; thirty finds are known."""
    draw = np.random.default_rng(5)
    names = (*RATES, *(f"f{at}" for at in range(40)))
    values = draw.normal(size=(20_000, len(names))).astype(np.float32)
    found = draw.poisson(0.08, (20_000, len(RATES)))
    values[:, : len(RATES)] = (found + 0.1) / (found + 10.0)
    logit = 1.2 * np.log1p(found).sum(axis=1) - 4.8
    label = (draw.random(20_000) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    taught, asked = slice(0, 2500), slice(2500, None)
    line = straight_part(values[taught], label[taught], strength=0.002)
    result = precedents(values[taught], label[taught], names=names)
    assert result is not None
    alone = line.margin(values[asked])
    assert auc(0.6 * alone + 0.4 * result.margin(values[asked]), label[asked]) > (
        auc(alone, label[asked]) + 0.02
    )


def test_they_are_blended_where_there_are_such_features() -> None:
    data = small_world(8000, seed=11)
    names = ("driver_recent_seizure_rate", *data.names[1:])
    config = TrainConfig(
        discrepancy=Trees(iterations=5, share_of_features=0.5, seeds=1),
        seizure=Trees(iterations=5, depth=2, share_of_features=0.5, seeds=1),
        folds=2,
        jobs=1,
    )
    cut = START + 180 * DAY
    fields = {}
    for kept in (replace(data, names=names), data):
        model = fit(kept, config, until=cut, known_before=cut)
        fields[kept.names] = {part for losses in model.alone.values() for part in losses}
        used = {name for head in model.heads.values() for name, _ in head.blend}
        assert set(model.lines) == {name for name in used if name not in model.ensembles}
    more = fields[names] - fields[data.names]
    assert more == {"seizure_precedents"}


def auc(score: np.ndarray, label: np.ndarray) -> float:
    rank = np.argsort(np.argsort(score)) + 1.0
    found = int(label.sum())
    return float(
        (rank[label == 1].sum() - found * (found + 1) / 2) / (found * (len(label) - found))
    )
