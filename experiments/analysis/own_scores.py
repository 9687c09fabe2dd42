"""Judgement of an analyst's own scores by the report that judges every candidate.

Assumes point-in-time data: a split gives what was known before a time to fit on, and all arrivals
from then on to score. Next to own scores stand those of the configuration in force, fitted again
on what was known at the same time: the model in force itself may have learnt from what is judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from engine.domain.time_units import micros
from engine.errors import InputError
from engine.ports import Scores
from experiments.analysis.home_history import HomeHistory, as_instant
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from models.array_types import Floats, Labels, Positions, Rows
from models.bundle import read_documents, read_verify_key
from models.config import TrainConfig
from models.data.dataset import Dataset, Target
from models.evaluation.report import evaluate_model
from models.lifecycle.states import read_state
from models.training.backtest import Period, PeriodScorer


@dataclass(frozen=True, slots=True)
class TemporalSplit:
    """Rows to fit on, and later arrivals to score.

    Attributes
    ----------
    dataset : Dataset of n rows
        All crossings.
    test_from : int
        UTC microseconds: where the test period begins.
    fit : int array of shape (k,)
        Rows whose label is evidence and was known before the test period.
    test : int array of shape (m,)
        All arrivals of the test period, labelled or not: most vehicles are never searched.

    """

    dataset: Dataset
    test_from: int
    fit: Positions
    test: Positions

    def fit_rows(self, target: Target = "discrepancy") -> tuple[Rows, Labels]:
        """Return features, shape (k, f), and labels, shape (k,), of the rows to fit on.

        A feature that none of these rows knows is 0, as for ``darvoza train --estimator``:
        scikit-learn refuses or drops a column without any value.
        """
        values = self.dataset.values[self.fit]
        values[:, np.isnan(values).all(axis=0)] = 0.0
        return values, self.dataset.label(target)[self.fit]

    @property
    def test_rows(self) -> Rows:
        """Features of the rows to score, shape (m, f); NaN where nothing was known."""
        return self.dataset.values[self.test]


def split_at(
    dataset: Dataset, test_from: str | datetime, *, target: Target = "discrepancy"
) -> TemporalSplit:
    """Split a dataset at a time (a date is midnight UTC).

    Raises
    ------
    InputError
        No row to fit on before, or no arrival from then on.

    """
    cut = micros(as_instant(test_from))
    is_known = (dataset.arrived_at < cut) & (dataset.label_known_at < cut)
    fit = np.flatnonzero(is_known & dataset.evidence(target))
    test = np.flatnonzero(dataset.arrived_at >= cut)
    if not len(fit) or not len(test):
        raise InputError("test_from", "labels known before it, and arrivals from it on, are needed")
    return TemporalSplit(dataset, cut, fit, test)


def judge_scores(
    split: TemporalSplit,
    p_discrepancy: Floats,
    p_seizure: Floats | None = None,
    *,
    peers: Mapping[str, Floats] | None = None,
    config: TrainConfig | None = None,
) -> dict[str, Any]:
    """Return the evaluation report on scores of the test period.

    Parameters
    ----------
    p_discrepancy, p_seizure : float array of shape (m,)
        Chances in [0, 1], in the order of ``split.test``; without ``p_seizure``, nothing is
        claimed of seizures (all chances are 0).
    peers : mapping of name to float array of shape (m,), optional
        Chances of a discrepancy by other means, put next to them.
    config : TrainConfig, optional
        Capacity and what a seizure weighs; the defaults when absent.

    Raises
    ------
    InputError
        Scores of another length than the test period, or outside [0, 1].

    """
    seizure = np.zeros(len(split.test)) if p_seizure is None else np.asarray(p_seizure, np.float64)
    discrepancy = np.asarray(p_discrepancy, np.float64)
    given = {"p_discrepancy": discrepancy, "p_seizure": seizure, **(peers or {})}
    for name, one in given.items():
        if np.shape(one) != (len(split.test),):
            raise InputError(name, f"one chance for each of {len(split.test)} arrivals")
        if not ((one >= 0) & (one <= 1)).all():
            raise InputError(name, "chances lie in [0, 1]")
    return evaluate_model(
        split.dataset.take(split.test),
        Scores(p_seizure=seizure, p_discrepancy=discrepancy),
        config=config or TrainConfig(),
        fitted_until=split.test_from,
        peers=dict(peers or {}),
    )


def read_config_in_force(history: HomeHistory) -> TrainConfig | None:
    """Return the configuration of the model in force now; None where no model decides."""
    with history.read() as connection:
        version = read_state(connection).in_force
    if version is None:
        return None
    home = history.home
    card = read_documents(home.bundles / version, read_verify_key(home, version)).card
    return TrainConfig.from_record(card["config"])


def score_by_config(
    history: HomeHistory, split: TemporalSplit, config: TrainConfig | None = None
) -> Scores:
    """Return scores of the test period by a configuration, fitted on what was known before it.

    ``config`` is that of the model in force when absent, or else the defaults. Arrays have shape
    (m,), in the order of ``split.test``. Raises ``NotEnoughDataError`` where too little was known.
    """
    chosen = config or read_config_in_force(history) or TrainConfig()
    period = Period(split.test_from, split.test_from, labels="streaming")
    scored = PeriodScorer(history.records(), Plan(CATALOGUE), chosen, period).score()
    place = {name: row for row, name in enumerate(scored.test.crossing_id)}
    rows = [place[name] for name in split.dataset.crossing_id[split.test]]
    return Scores(scored.scores.p_seizure[rows], scored.scores.p_discrepancy[rows])
