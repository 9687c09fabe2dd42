"""Weights by propensity are kept where the random stream says so, and nowhere else."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.domain.time_units import DAY, NEVER
from models.config import TrainConfig, Trees
from models.data.dataset import Dataset
from models.learning.fit import FittedModel, fit
from models.training import trainer
from models.training.trainer import train
from tests.support.small_dataset import START, small_world

SMALL = Trees(iterations=20, seeds=1, share_of_features=1.0)
CONFIG = TrainConfig(discrepancy=SMALL, seizure=SMALL, folds=2, jobs=1)
DAYS = 240
TEST_FROM = START + 180 * DAY


def coarse(data: Dataset) -> Dataset:
    """Few values a column: weighed quantiles of many take scikit-learn most of a second."""
    return replace(data, values=np.round(data.values, 1))


def simulate_steering(n: int = 6000, *, seed: int = 1) -> Dataset:
    """Search mostly where f0 speaks for a find; where hardly anybody looked, it speaks against."""
    made = coarse(small_world(n, seed=seed, days=DAYS))
    draw = np.random.default_rng(seed)
    favoured = draw.random(n) < 0.5
    is_random = draw.random(n) < 0.1
    searched = is_random | (draw.random(n) < np.where(favoured, 0.9, 0.02))
    result = np.nan_to_num(made.values[:, 0]).astype(np.float64)
    carries = draw.random(n) < 1 / (1 + np.exp(1.5 - np.where(favoured, 2.0, -2.0) * result))
    basis = np.full(n, None, object)
    basis[searched], basis[is_random] = "score", "random"
    return replace(
        made,
        discrepancy=np.where(searched, carries, -1).astype(np.int8),
        seizure=np.where(searched, 0, -1).astype(np.int8),
        label_known_at=np.where(searched, made.arrived_at + DAY, NEVER),
        basis=basis,
        propensity=np.where(searched, 1 - 0.9 * (1 - np.where(favoured, 0.9, 0.02)), np.nan),
        is_full=searched,
    )


def choose_weighting(
    data: Dataset, config: TrainConfig = CONFIG
) -> tuple[TrainConfig, dict[str, object]]:
    test = data.take(data.arrived_at >= TEST_FROM)
    until = TEST_FROM - config.label_delay
    choice = trainer.select_weighting(data, config, test=test, until=until, known_before=TEST_FROM)
    return choice.config, choice.as_dict()


def rename_bases(data: Dataset, names: dict[str, str]) -> NDArray[np.object_]:
    return np.array([names.get(str(basis)) for basis in data.basis], object)


def test_weights_are_kept_where_random_checks_find_them_better() -> None:
    chosen, result = choose_weighting(simulate_steering())
    assert chosen == replace(CONFIG, weights="propensity")
    assert result["chosen"] == "propensity"
    assert result["gain"]["low"] > 0  # type: ignore[index]


def test_rows_count_alike_where_weights_gain_nothing() -> None:
    data = coarse(small_world(6000, seed=5, days=DAYS))
    uneven = np.random.default_rng(2).choice([0.1, 0.9], len(data))
    basis = rename_bases(data, {"score": "random", "random": "random"})
    chosen, result = choose_weighting(replace(data, basis=basis, propensity=uneven))
    assert (chosen.weights, result["chosen"]) == ("even", "even")
    assert result["gain"]["low"] <= 0  # type: ignore[index]


def test_judged_by_what_was_selected_weights_would_have_lost() -> None:
    """Negative control: rows that the selection chose contradict what random checks say."""
    data = simulate_steering()
    swapped = rename_bases(data, {"score": "random", "random": "score"})
    _, result = choose_weighting(replace(data, basis=swapped))
    assert result["chosen"] == "even"


def test_a_handful_of_finds_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fits: list[str] = []

    def count_fit(data: Dataset, config: TrainConfig, **cut: int) -> FittedModel:
        fits.append(config.weights)
        return fit(data, config, **cut)

    monkeypatch.setattr(trainer, "fit", count_fit)
    data = simulate_steering()
    late = (data.basis == "random") & (data.arrived_at >= TEST_FROM)
    few = late & (np.cumsum(late & (data.discrepancy == 1)) >= trainer.FEWEST_FINDS)
    data.basis[few] = "officer"
    chosen, result = choose_weighting(data)
    assert (chosen.weights, fits) == ("even", ["even"])
    gain = result["gain"]
    assert isinstance(gain, dict)
    assert not gain["knowable"]
    assert "fewer than 30 finds" in gain["why"]


def test_what_serves_is_fitted_with_the_weights_that_won() -> None:
    data = simulate_steering(9000)
    cutoff = START + (DAYS + 4) * DAY
    made = train(data, CONFIG, cutoff=cutoff)
    assert made.report["weights"]["chosen"] == "propensity"
    ways = [replace(CONFIG, weights=way) for way in ("propensity", "even")]
    values = [fit(data, way, until=cutoff, known_before=cutoff) for way in ways]
    served = [one.score(data.values).p_discrepancy for one in (made.model, *values)]
    assert (served[0] == served[1]).all()
    assert (served[0] != served[2]).any()
