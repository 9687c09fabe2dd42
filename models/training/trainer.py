"""Training run: judge a model held back from the last weeks, then fit the one that serves.

Assumes that the newest weeks matter both for judging and for learning, and that they cannot do both
in one model. The report judges a model with the same choices, fitted on what was known before the
test period; the model of the bundle is then fitted on all that was known at the cut-off, and the
report and the card say so.

Even weights or inverse-propensity weights are chosen by the random stream: rows drawn at random are
the only fair judge, since every other label was chosen by the very selection that weights would
undo. Weights spend rows, so they are kept only if they state better chances for later random
checks, by more than chance explains.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.domain.time_units import DAY, RECENT_DAYS, rfc3339
from engine.errors import NotEnoughDataError
from engine.selection import RiskTables
from models.array_types import Floats, Mask, Rows
from models.config import TrainConfig
from models.data.dataset import Dataset
from models.data.lookup_baseline import NAME, Lookup
from models.data.propensity_log import ReferralState
from models.evaluation.report import BEFORE_DAYS, SYNTHETIC, evaluate_model
from models.explanation.contributions import ALL, FEWEST_ROWS, compute_usual_values
from models.explanation.similar_seizures import PastSeizures, none_known
from models.learning.fit import FittedModel, fit
from models.statistics.drift import Reference, reference
from models.statistics.intervals import Estimate, estimates, unknown_estimate
from models.training.label_flip_test import doubts, test_label_flips

FEWEST_FINDS = 30
"""Finds of the random stream below which the two are not even tried."""
_SEED = 1952  # of the bootstrap; the year of Horvitz and Thompson's weights
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class WeightingChoice:
    """A configuration whose weighting is settled, and the evidence for it."""

    config: TrainConfig
    """With the chosen weights, for the model that serves."""
    model: FittedModel
    """Fitted with them before the test period, for the report."""
    chosen: str
    gain: Estimate | None
    """Log-loss of discrepancies on the random stream that weights save, per row, in nats.

    None where the configuration named the weights.
    """

    def as_dict(self) -> dict[str, Any]:
        """Return what the report keeps."""
        return {"chosen": self.chosen, "gain": self.gain.as_dict() if self.gain else None}


def select_weighting(
    seen: Dataset, config: TrainConfig, *, test: Dataset, until: int, known_before: int
) -> WeightingChoice:
    """Choose the weights that state the best chances for the random stream of the test period.

    ``test`` arrived after ``known_before``, and holds what was found since; ``until`` and
    ``known_before`` are as :func:`models.learning.fit.fit` takes them, and so is what it raises.
    """

    def fit_weighted(settings: TrainConfig) -> FittedModel:
        return fit(seen, settings, until=until, known_before=known_before)

    if config.weights != "evidence":
        return WeightingChoice(config, fit_weighted(config), config.weights, gain=None)
    even, weighted = (replace(config, weights=way) for way in ("even", "propensity"))
    even_model = fit_weighted(even)
    random_rows = test.take(test.evidence("discrepancy") & (test.basis == "random"))
    finds, why = int(random_rows.discrepancy.sum()), ""
    if np.isnan(seen.propensity[seen.is_inspected & (seen.arrived_at < until)]).all():
        why = "no propensity was logged"
    elif finds < FEWEST_FINDS:
        why = f"fewer than {FEWEST_FINDS} finds in the random stream"
    if why:
        gain = unknown_estimate(len(random_rows), finds, why)
        return WeightingChoice(even, even_model, "even", gain)
    weighted_model = fit_weighted(weighted)
    gain = _estimate_gain(even_model, weighted_model, random_rows)
    if gain.low is not None and gain.low > 0:
        return WeightingChoice(weighted, weighted_model, "propensity", gain)
    return WeightingChoice(even, even_model, "even", gain)


def _estimate_gain(even: FittedModel, weighted: FittedModel, rows: Dataset) -> Estimate:
    """Return the log-loss per row that weights save, with its paired bootstrap interval."""
    saved = _loss(even, rows) - _loss(weighted, rows)
    return estimates(
        {"gain": lambda drawn: float(drawn @ saved / drawn.sum())}, rows.discrepancy, seed=_SEED
    )["gain"]


def _loss(model: FittedModel, rows: Dataset) -> Floats:
    """Return each row's log-loss of discrepancy, in nats."""
    chance = model.score(rows.values).p_discrepancy
    right = np.where(rows.discrepancy == 1, chance, 1 - chance)
    return np.asarray(-np.log(np.maximum(right, _LEAST)), np.float64)


CHECKED = 20_000
"""Rows on which a bundle's engine is compared with scikit-learn."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """All that a bundle and its record are written from."""

    model: FittedModel
    config: TrainConfig
    report: Mapping[str, Any]
    data_digest: str
    cutoff: int
    norms: Mapping[str, Floats]
    tables: Mapping[str, RiskTables]
    """Quantiles of both chances, by post; ``*`` for all."""
    checked: Rows
    """Rows of shape (``CHECKED``, f) on which engine and scikit-learn must agree."""
    synthetic: bool
    reference: Reference
    """How entries' features fell lately: what drift is measured against once it is in force."""
    seizures: PastSeizures
    """What a reviewer is shown as similar; none where only a dataset was given."""


def train(
    dataset: Dataset,
    config: TrainConfig,
    *,
    cutoff: int,
    sent: ReferralState | None = None,
    table: Lookup | None = None,
    gravity: Floats | None = None,
) -> TrainingResult:
    """Train, judge and describe a model from what was known at a cut-off, UTC microseconds.

    Rows and labels known at or after it are not used; the same data and choices give the same
    bytes. ``sent`` is what decisions say of the n rows: without it a draw that never became an act
    looks like no draw. ``table``, of the n rows too, is the baseline that the report compares with.
    ``gravity``, of shape (n,), is what was found weighs, for the report.
    Raises ``NotEnoughDataError`` when the history cannot teach a model of discrepancies.
    """
    since = cutoff - round(config.last_days * DAY) if config.last_days else 0
    # A record that came late was not known by its arrival alone.
    known = (dataset.arrived_at < cutoff) & (dataset.as_of < cutoff)
    rows = (dataset.arrived_at >= since) & known
    seen, table = dataset.narrow(rows), None if table is None else table.take(rows)
    if sent is not None:  # what has no act yet, and may still get one, is not left undone
        ripe = seen.arrived_at < cutoff - config.label_delay
        sent = sent.take(rows).where(ripe & ~np.isin(seen.post, config.untrusted_posts))
    gravity = None if gravity is None else gravity[rows]
    if config.untrusted_posts:
        seen = seen.drop_labels(config.untrusted_posts)
    if not len(seen):
        raise NotEnoughDataError("a model", "no crossing arrived before the cut-off")
    period = _cut_test_period(seen, config, cutoff=cutoff)
    test = seen.narrow(period.rows)
    try:
        choice = select_weighting(
            seen, config, test=test, until=period.until, known_before=period.start
        )
    except NotEnoughDataError as error:
        chosen, judged = config, _explain_unjudged(seen, error)
    else:
        chosen = choice.config
        judged = _judge(seen, test, choice, period, sent=sent, table=table, gravity=gravity)
        judged["refitted_until"] = rfc3339(cutoff)
    model = fit(seen, chosen, until=cutoff, known_before=cutoff)
    return TrainingResult(
        model=model,
        config=config,
        report=judged | _labels(seen, config, cutoff=cutoff),
        data_digest=seen.digest(),
        cutoff=cutoff,
        norms=compute_usual_values(seen),
        tables=risk_tables(seen, model),
        checked=to_check(seen.values, seed=config.seed),
        synthetic=seen.synthetic,
        reference=_reference(seen),
        seizures=none_known(model.names),
    )


def to_check(values: Rows, *, seed: int) -> Rows:
    """Return ``CHECKED`` rows spread over those of shape (n, f).

    Where there are fewer, synthetic rows are added: each of their cells is of some row of its
    column, so that values, and what is missing, meet in ways that the history does not have.
    """
    rows = np.linspace(0, len(values) - 1, min(CHECKED, len(values))).astype(np.intp)
    more, taken = CHECKED - len(rows), values[rows]
    if not more:
        return taken
    drawn = np.random.default_rng(seed).integers(len(values), size=(more, values.shape[1]))
    return np.concatenate((taken, values[:][drawn, np.arange(values.shape[1])]))


@dataclass(frozen=True, slots=True)
class _TestPeriod:
    """The last weeks before a cut-off, kept for the report."""

    start: int
    """UTC microseconds."""
    until: int
    """Where the rows end that may teach what is judged: labels need time to come."""
    rows: Mask


def _cut_test_period(seen: Dataset, config: TrainConfig, *, cutoff: int) -> _TestPeriod:
    span = cutoff - int(seen.as_of[0])
    start = cutoff - min(round(config.test_days * DAY), span // 3)
    # Labels that had not come by the cut-off are not known to this run, in the test either.
    known = seen.label_known_at < cutoff
    rows = (seen.arrived_at >= start) & (known | ~seen.is_inspected)
    return _TestPeriod(start, start - config.label_delay, rows)


def _explain_unjudged(seen: Dataset, error: NotEnoughDataError) -> dict[str, Any]:
    """Return the report of a model that could not be judged."""
    return {
        "synthetic": seen.synthetic,
        "notice": SYNTHETIC if seen.synthetic else "",
        "targets": {},
        "cannot_tell": [f"Not yet knowable, {error}."],
    }


def _judge(
    seen: Dataset,
    test: Dataset,
    choice: WeightingChoice,
    period: _TestPeriod,
    *,
    sent: ReferralState | None,
    table: Lookup | None,
    gravity: Floats | None,
) -> dict[str, Any]:
    """Return the report of the model that saw nothing of the test period."""
    peers = {}
    if table is not None:
        peers[NAME] = table.estimate(seen, until=period.until, known_before=period.start)[
            period.rows
        ]
    judged = evaluate_model(
        test,
        choice.model.score(test.values),
        config=choice.config,
        fitted_until=period.start,
        peers=peers,
        score=choice.model.score,
        earlier=seen.last_entries(BEFORE_DAYS, before=period.start),
        sent=None if sent is None else sent.take(period.rows),
        gravity=None if gravity is None else gravity[period.rows],
        parties=None if table is None else table.take(period.rows).parties,
    )
    return judged | {"weights": choice.as_dict()}


def _labels(seen: Dataset, config: TrainConfig, *, cutoff: int) -> dict[str, Any]:
    """Say whose labels look turned: a model with doubts is not approved."""
    found = test_label_flips(seen.take(seen.label_known_at < cutoff), config)
    return {"labels": [one.as_dict() for one in found], "doubts": doubts(found)}


def _reference(seen: Dataset) -> Reference:
    """Bin the last entries' features: entries are what is decided, and exits are other traffic."""
    last = seen.last_entries(BEFORE_DAYS)
    of_entries = bool((last.direction == "entry").all())
    return reference(last.values, last.names, of_entries=of_entries)


def risk_tables(dataset: Dataset, model: FittedModel) -> dict[str, RiskTables]:
    """Return quantiles of both chances of the last ``RECENT_DAYS`` of entries.

    They are by post, and under ``*`` of all posts.
    """
    last = dataset.last_entries(RECENT_DAYS)
    scores = model.score(last.values)
    made = {ALL: RiskTables.measure(scores.p_seizure, scores.p_discrepancy)}
    for post in np.unique(last.post.astype(str)):
        here = last.post == post
        if int(here.sum()) >= FEWEST_ROWS:
            made[str(post)] = RiskTables.measure(scores.p_seizure[here], scores.p_discrepancy[here])
    return made
