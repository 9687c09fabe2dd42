"""Estimators of an analyst: parts of a bundle that equal scikit-learn, or refused by name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, RobustScaler, StandardScaler

from engine.domain.time_units import DAY
from engine.errors import InputError
from models.bundle import Scorer
from models.config import TrainConfig
from models.learning import own_estimators
from models.learning.own_estimators import check_estimator, fit_estimator, load_estimator
from models.scoring import Linear, TreeEnsemble
from models.training.bundle_writer import BundleDiffersError, write_bundle
from models.training.trainer import TrainingResult, train
from tests.support.sizes import PROOF
from tests.support.small_dataset import QUICK, START, small_world

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "hist": lambda: HistGradientBoostingClassifier(max_iter=12, max_depth=4),
    "boosting": lambda: make_pipeline(
        SimpleImputer(strategy="median"), GradientBoostingClassifier(n_estimators=12, max_depth=3)
    ),
    "forest": lambda: RandomForestClassifier(n_estimators=15, max_depth=5),
    "extra": lambda: make_pipeline(
        SimpleImputer(strategy="constant", fill_value=-1.0),
        ExtraTreesClassifier(n_estimators=15, max_depth=6),
    ),
    "logistic": lambda: make_pipeline(
        SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "scaled": lambda: make_pipeline(
        MinMaxScaler(), SimpleImputer(), RobustScaler(), LogisticRegression(C=0.1, max_iter=1000)
    ),
}
FIVE = ("hist", "boosting", "forest", "extra", "logistic")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
DATA = small_world(3000 if PROOF else 1200, seed=5)


def make_module(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> str:
    """Write a module of an analyst's; return how it is named."""
    (folder / f"analyst_{name}.py").write_text(
        "from tests.integration.models.learning.test_own_estimators import ESTIMATORS\n"
        f"make = ESTIMATORS[{name!r}]\n",
        "utf-8",
    )
    monkeypatch.chdir(folder)
    return f"analyst_{name}:make"


def train_with(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> TrainingResult:
    module = make_module(folder, monkeypatch, name)
    config = replace(QUICK, estimators=(("discrepancy", module),))
    return train(DATA, config, cutoff=START + 200 * DAY)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_data_equal_scikit_learn_on_twenty_thousand_rows(name: str) -> None:
    rows = DATA.discrepancy >= 0
    own = fit_estimator(ESTIMATORS[name](), DATA.values[rows], DATA.discrepancy[rows], seed=3)
    asked = small_world(20_000, seed=6).values
    asked[:500] = DATA.values[:500]  # values on the very cuts of the trees
    part = own.as_part()
    ours = part.margin(asked) if isinstance(part, Linear) else TreeEnsemble(part)(asked)
    np.testing.assert_allclose(ours, own.decision_function(asked), rtol=0, atol=1e-9)
    assert np.ptp(ours) > 0.5
    again = fit_estimator(ESTIMATORS[name](), DATA.values[rows], DATA.discrepancy[rows], seed=3)
    np.testing.assert_array_equal(again.decision_function(asked), own.decision_function(asked))


@pytest.mark.parametrize("name", FIVE)
def test_a_bundle_serves_and_explains_what_was_fitted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = train_with(tmp_path, monkeypatch, name)
    folder = write_bundle(tmp_path / "bundles", trained, KEY)
    scorer = Scorer.load(folder, key=KEY.public_key())
    theirs, ours = trained.model.score(DATA.values), scorer.score(DATA.values)
    np.testing.assert_allclose(ours.p_discrepancy, theirs.p_discrepancy, rtol=0, atol=1e-9)
    row = DATA.values[7]
    added = scorer.contributions.target(row, "discrepancy")
    chance = ours.p_discrepancy[7]
    np.testing.assert_allclose(added.sum(), np.log(chance / (1 - chance)), atol=1e-6)
    reread = TrainConfig.from_record(trained.config.as_dict())
    assert reread.estimators == trained.config.estimators


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (MLPClassifier(), "MLPClassifier cannot become part of a bundle"),
        (AdaBoostClassifier(), "AdaBoostClassifier cannot"),
        (make_pipeline(StandardScaler(), RandomForestClassifier()), "StandardScaler cannot stand"),
        (make_pipeline(PolynomialFeatures(), LogisticRegression()), "PolynomialFeatures cannot"),
        (make_pipeline(SimpleImputer(add_indicator=True), LogisticRegression()), "add_indicator"),
    ],
)
def test_what_cannot_become_a_part_is_refused_by_name(estimator: Any, why: str) -> None:
    with pytest.raises(InputError, match=why):
        check_estimator(estimator, "mine:make")


@pytest.mark.parametrize(
    ("estimator", "why"),
    [
        (RandomForestClassifier(n_estimators=2), "set max_depth to 6"),
        (HistGradientBoostingClassifier(max_iter=3, max_depth=9, max_leaf_nodes=None), "set max_"),
        (LogisticRegression(), "NaN"),
    ],
)
def test_a_fit_that_cannot_be_explained_is_refused(estimator: Any, why: str) -> None:
    rows = DATA.discrepancy >= 0
    with pytest.raises(InputError, match=why):
        fit_estimator(estimator, DATA.values[rows], DATA.discrepancy[rows], seed=3)


def test_an_estimator_that_raises_is_refused_by_its_own_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fit(*_: Any, **__: Any) -> Any:
        raise KeyError("no table of weights")

    monkeypatch.setattr(LogisticRegression, "fit", fit)
    rows = DATA.discrepancy >= 0
    with pytest.raises(InputError, match="KeyError: 'no table of weights'"):
        fit_estimator(LogisticRegression(), DATA.values[rows], DATA.discrepancy[rows], seed=3)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("def make():\n    raise OSError('no disk')", "OSError: no disk"),
        ("def make(:", "SyntaxError"),
    ],
)
def test_a_module_that_raises_is_refused_by_its_own_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str, why: str
) -> None:
    name = f"raising_{why.partition(':')[0].lower()}"
    (tmp_path / f"{name}.py").write_text(lines, "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=why):
        load_estimator(f"{name}:make")


@pytest.mark.parametrize("name", ["no_such_module:make", "json:nothing", "json", "json:dumps"])
def test_a_name_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        load_estimator(name)


def test_a_wrong_conversion_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: an imputer that is forgotten is found by the comparison."""
    trained = train_with(tmp_path, monkeypatch, "boosting")
    monkeypatch.setattr(own_estimators, "_impute", lambda trees, _fill: trees)
    with pytest.raises(BundleDiffersError):
        write_bundle(tmp_path / "bundles", trained, KEY)
    assert not list((tmp_path / "bundles").glob("m*"))
