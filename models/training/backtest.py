"""Backtest of a training configuration with what was known at each time.

Point in time throughout: features are cut at each arrival, labels at the fit. ``frozen`` labels
stop at the start of the test period, as for a system that is switched on and never learns anything
more; ``streaming`` labels arrive as they were recorded, or days later, and the model may be fitted
again.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import NEVER
from engine.errors import InputError, NotEnoughDataError
from engine.ports import Scores
from features.catalogue.plan import Plan
from features.history.labels import act_lengths, labels
from features.history.tables import Tables
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import MonthlyFeatures, matrix
from models.array_types import Floats
from models.config import TrainConfig
from models.data.build_dataset import dataset, freeze_history, in_order, read_features
from models.data.dataset import Dataset
from models.data.lookup_baseline import NAME, lookup
from models.data.propensity_log import ReferralState, sent_among
from models.evaluation.report import evaluate_model
from models.learning.fit import FittedModel, fit


@dataclass(frozen=True, slots=True)
class Period:
    """The cuts of a backtest, in UTC microseconds; each includes its start and not its end."""

    train_until: int
    test_from: int
    test_until: int = NEVER
    labels: Literal["frozen", "streaming"] = "frozen"
    label_delay: int = 0
    """How much later than recorded a streaming label becomes known; frozen ones are as recorded."""
    refit: int = 0
    """Fit again after each such span; 0 never does."""

    def __post_init__(self) -> None:
        """Refuse a test that starts before the training ends."""
        if not self.train_until <= self.test_from < self.test_until:
            raise ValueError("train-until <= test-from < test-until is needed")
        if self.refit and self.labels == "frozen":
            raise ValueError("refit-days needs streaming labels: frozen ones teach nothing new")

    def fits(self, last: int) -> Iterator[tuple[int, int, int]]:
        """Yield (train until, score from, score until) of each fit, up to a last arrival."""
        start, until, end = self.test_from, self.train_until, min(self.test_until, last + 1)
        while start < end:
            stop = min(start + self.refit, end) if self.refit else end
            yield until, start, stop
            start = until = stop


@dataclass(frozen=True, slots=True)
class Backtest:
    """Scores of the n crossings that arrived in the test period, in the order of the history."""

    crossing_id: NDArray[np.object_]
    p_seizure: Floats
    p_discrepancy: Floats
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScoredPeriod:
    """The n crossings of a test period, with what was stated of each and what is known today."""

    test: Dataset
    """Labelled with everything that is known today."""
    scores: Scores
    stated: Floats
    """Chances of a discrepancy by the look-up table, shape (n,)."""
    parties: Mapping[str, NDArray[np.int64]]
    """By kind, the key of each crossing's party, shape (n,); 0 where not known."""
    sent: ReferralState
    model: FittedModel | None = None
    """Where one alone scored everything."""
    earlier: Dataset | None = None
    """Rows that taught it."""


def backtest(
    tables: Tables,
    plan: Plan,
    config: TrainConfig,
    period: Period,
    *,
    features: MonthlyFeatures | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Backtest:
    """Score a test period with what was known before each arrival.

    ``tables`` is the whole history; what lies after each cut is hidden from features and fits.
    ``features`` are those of the history, by default they are computed now. They hold every label
    as it was recorded, so they are for streaming labels without a delay. ``progress`` is called
    with the stage, how much is done, how much there is. Raises ``NotEnoughDataError`` where nothing
    arrived in the test period, or too little was known to fit, and ``InputError`` for labels that
    ``features`` are not for.
    """
    if features is not None and (period.labels == "frozen" or period.label_delay):
        why = "its features hold labels as recorded: streaming labels without a delay are needed"
        raise InputError(str(features.folder), why)
    scorer = PeriodScorer(tables, plan, config, period, progress, features=features)
    return judge_period(scorer.score(), config, period)


class PeriodScorer:
    """A history as it was known at each arrival, and the models that score its test period."""

    def __init__(
        self,
        tables: Tables,
        plan: Plan,
        config: TrainConfig,
        period: Period,
        progress: Callable[[str, int, int], None] | None = None,
        *,
        posts: Collection[str] | None = None,
        features: MonthlyFeatures | None = None,
    ) -> None:
        """Compute features, or read them, and labels; test crossings at ``posts``, default all.

        Raises ``NotEnoughDataError`` where nothing arrived there in the test period.
        """
        self._config, self._period = config, period
        self._progress = progress or (lambda _stage, _done, _of: None)
        is_frozen = period.labels == "frozen"
        cut, delay = (period.test_from, 0) if is_frozen else (NEVER, period.label_delay)
        known = freeze_history(tables, labels_before=cut, delay=delay)
        if features is None:
            log = read_log(known, plan)
            made = matrix(log, plan, partial(self._progress, "features"))
            table = lookup(partial(log.keys_under, plan), plan, len(log)).take(in_order(made))
        else:
            rows = np.ones(known.crossings.num_rows, np.bool_)
            made, table = read_features(features, plan, rows, scratch=Path(gettempdir()))
        self.seen = dataset(known, made, labels(known))
        arrived = self.seen.arrived_at
        is_tested = (arrived >= period.test_from) & (arrived < period.test_until)
        if posts is not None:
            is_tested &= np.isin(self.seen.post.astype(str), sorted(posts))
        self._tested = np.flatnonzero(is_tested)
        if not len(self._tested):
            raise NotEnoughDataError("a backtest", "no crossing arrived in the test period")
        self._last = int(arrived[self._tested].max())
        self._test = dataset(tables, made, labels(tables)).take(self._tested)
        stated = table.estimate(self.seen, until=period.train_until, known_before=period.test_from)
        self._stated = stated[self._tested]
        self._parties = table.take(self._tested).parties
        self._lengths = act_lengths(tables)

    def score(self) -> ScoredPeriod:
        """Fit and score; raises ``NotEnoughDataError`` where too little was known to fit."""
        scores, model = _score_periods(
            self.seen, self._config, self._period, self._last, self._progress
        )
        chances = scores.p_seizure[self._tested], scores.p_discrepancy[self._tested]
        return self._with(Scores(*chances), model)

    def score_by_lookup(self) -> ScoredPeriod:
        """Score by the look-up table, for a history that cannot teach a model."""
        known = self.seen.label_known_at < self._period.test_from
        finds = self.seen.discrepancy[known] == 1
        grave = (self.seen.seizure[known] == 1).sum() / max(finds.sum(), 1)
        return self._with(Scores(self._stated * grave, self._stated), None)

    def _with(self, scores: Scores, model: FittedModel | None) -> ScoredPeriod:
        test = self._test
        return ScoredPeriod(
            test,
            scores,
            self._stated,
            self._parties,
            sent_among({}, test.crossing_id.tolist(), minutes=self._lengths),
            model,
            self.seen.take(self.seen.arrived_at < self._period.train_until),
        )


def judge_period(scored: ScoredPeriod, config: TrainConfig, period: Period) -> Backtest:
    """Return the scores of a test period with their report."""
    chances = scored.scores
    return Backtest(
        scored.test.crossing_id,
        chances.p_seizure,
        chances.p_discrepancy,
        evaluate_model(
            scored.test,
            chances,
            config=config,
            fitted_until=period.train_until,
            peers={NAME: scored.stated},
            score=scored.model.score if scored.model else None,
            earlier=scored.earlier,
            sent=scored.sent,
            parties=scored.parties,
        ),
    )


def _score_periods(
    seen: Dataset,
    config: TrainConfig,
    period: Period,
    last: int,
    report_progress: Callable[[str, int, int], None],
) -> tuple[Scores, FittedModel | None]:
    """Score each stretch of the test period with the model fitted before it; NaN elsewhere.

    The model comes with them where one alone scored everything.
    """
    p_seizure, p_discrepancy = np.full(len(seen), np.nan), np.full(len(seen), np.nan)
    fits, model = list(period.fits(last)), None
    for done, (until, start, stop) in enumerate(fits):
        report_progress("fits", done, len(fits))
        model = fit(seen, config, until=until, known_before=start)
        rows = (seen.arrived_at >= start) & (seen.arrived_at < stop)
        scores = model.score(seen.values[rows])
        p_seizure[rows], p_discrepancy[rows] = scores.p_seizure, scores.p_discrepancy
    report_progress("fits", len(fits), len(fits))
    return Scores(p_seizure, p_discrepancy), model if len(fits) == 1 else None
