"""Chances lie where the random stream's do, where officers saw more than any feature tells."""

from dataclasses import replace

import numpy as np
import pytest

from engine.domain.time_units import DAY, NEVER
from models.config import TrainConfig, Trees
from models.data.dataset import Dataset
from models.learning import fit as fitting
from models.learning.calibration import FittedHead, level
from models.learning.fit import fit
from tests.support.small_dataset import START, small_world

SMALL = Trees(iterations=20, seeds=1, share_of_features=1.0)
CONFIG = TrainConfig(discrepancy=SMALL, seizure=SMALL, folds=2, jobs=1)
UNTIL = START + 250 * DAY


def simulate_officers(seed: int = 1, n: int = 6000) -> tuple[Dataset, np.ndarray]:
    """Return a world in which officers see what no feature says, and the truth of all arrivals."""
    made = small_world(n, seed=seed)
    draw = np.random.default_rng(seed)
    odd = draw.random(n) < 0.2
    signs = np.nan_to_num(made.values[:, 0]).astype(np.float64)
    carries = draw.random(n) < 1 / (1 + np.exp(3.0 - signs - 2.5 * odd))
    is_random = draw.random(n) < 0.2
    searched = is_random | (draw.random(n) < np.where(odd, 0.6, 0.05))
    basis = np.full(n, None, object)
    basis[searched], basis[is_random] = "officer", "random"
    grave = carries & (draw.random(n) < 0.2)
    result = replace(
        made,
        discrepancy=np.where(searched, carries, -1).astype(np.int8),
        seizure=np.where(searched, grave, -1).astype(np.int8),
        label_known_at=np.where(searched, made.arrived_at + DAY, NEVER),
        basis=basis,
        is_full=searched,
    )
    return result, carries


def predict_discrepancy(data: Dataset) -> np.ndarray:
    model = fit(data, CONFIG, until=UNTIL, known_before=UNTIL)
    return np.asarray(model.score(data.values).p_discrepancy)


def test_what_is_stated_of_all_arrivals_is_what_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    data, carries = simulate_officers()
    chance = predict_discrepancy(data)
    assert chance.mean() == pytest.approx(carries.mean(), rel=0.25)

    # Negative control: a map of what officers chose states twice as much; the order is the same.
    def keep_head(judged: FittedHead, *_: object, **__: object) -> FittedHead:
        return judged

    monkeypatch.setattr(fitting, "correct_intercept", keep_head)
    chosen = predict_discrepancy(data)
    assert chosen.mean() > 1.6 * carries.mean()
    assert (np.argsort(chosen, kind="stable") == np.argsort(chance, kind="stable")).all()


def test_without_random_checks_nothing_moves() -> None:
    data, _ = simulate_officers()
    data.basis[data.basis == "random"] = "officer"
    model = fit(data, CONFIG, until=UNTIL, known_before=UNTIL)
    assert set(model.level.values()) == {0.0}


def test_seizures_keep_to_the_level_of_discrepancies_while_random_checks_have_shown_few() -> None:
    data, _ = simulate_officers()
    model = fit(data, CONFIG, until=UNTIL, known_before=UNTIL)
    assert model.level["discrepancy"] < -0.4
    assert abs(model.level["seizure"] - model.level["discrepancy"]) < 0.5


def test_the_level_is_the_lots_once_it_has_shown_enough() -> None:
    draw = np.random.default_rng(7)
    log_odds = draw.normal(-2, 1, 200_000)
    label = (draw.random(200_000) < 1 / (1 + np.exp(-(log_odds - 1.0)))).astype(np.int8)
    assert level(log_odds, label) == pytest.approx(-1.0, abs=0.05)
    assert level(log_odds[:0], label[:0], usual=-0.3) == pytest.approx(-0.3)
    assert -0.5 < level(log_odds[:20], label[:20]) < 0.5
