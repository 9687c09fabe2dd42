"""Backtest of administrations alone, linked by messages, or in one database.

One bulk folder is cut by the administration of its posts. ``isolated``: each administration has its
own records and fits its own model. ``linked``: the same with what its partners' messages brought
(:mod:`features.partners`). ``pooled``: one database and one model. All three score the same
crossings of the test period.

What a seizure weighs is a policy and no knowledge of one side: it is the whole folder's in all
three.
"""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np

from engine.errors import InputError, NotEnoughDataError
from engine.ports import Scores
from features.catalogue.plan import Plan
from features.history.tables import Tables
from features.offline.feature_matrix import MonthlyFeatures
from features.partners.linked_history import isolate_histories, link_histories, list_administrations
from models.array_types import Positions
from models.config import TrainConfig
from models.data.dataset import Dataset
from models.data.propensity_log import ReferralState
from models.training.backtest import (
    Backtest,
    Period,
    PeriodScorer,
    ScoredPeriod,
    backtest,
    judge_period,
)

View = Literal["isolated", "linked", "pooled"]
Progress = Callable[[str, int, int], None]


def backtest_view(
    tables: Tables,
    plan: Plan,
    config: TrainConfig,
    period: Period,
    *,
    view: View = "pooled",
    features: MonthlyFeatures | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Score a test period as its administrations would have; see :func:`backtest`.

    ``features`` are those of one database. The report says of each administration what its model
    was fitted on. Raises ``InputError`` and ``NotEnoughDataError`` as
    :func:`score_administrations` does.
    """
    if view == "pooled":
        return backtest(tables, plan, config, period, features=features, progress=progress)
    if features is not None:
        raise InputError(str(features.folder), "its features are of one database: --view pooled")
    scored, about = score_administrations(
        tables, plan, config, period, view=view, progress=progress
    )
    made = judge_period(join_periods(list(scored.values())), config, period)
    return replace(made, report={"view": view, "administrations": about} | made.report)


def score_administrations(
    tables: Tables,
    plan: Plan,
    config: TrainConfig,
    period: Period,
    *,
    view: Literal["isolated", "linked"],
    progress: Progress | None = None,
) -> tuple[dict[str, ScoredPeriod], dict[str, Any]]:
    """Return each administration's scores of its own crossings, and what it fitted its model on.

    One that knew too little for a model scores by its look-up table; one at whose posts nothing
    arrived is left out. Raises ``InputError`` where the network file names fewer than two
    administrations, and ``NotEnoughDataError`` where none has a model.
    """
    posts = list_administrations(tables.network)
    if len(posts) < 2:
        why = f"--view {view} needs posts of two administrations (posts.administration)"
        raise InputError("network.toml", why)
    histories = _read_histories(tables, view, progress)
    scored: dict[str, ScoredPeriod] = {}
    about: dict[str, Any] = {}
    for name, known in histories.items():
        try:
            scorer = PeriodScorer(known, plan, config, period, progress, posts=posts[name])
        except NotEnoughDataError:
            continue
        try:
            scored[name], has_model = scorer.score(), True
        except NotEnoughDataError:
            scored[name], has_model = scorer.score_by_lookup(), False
        about[name] = _describe(scorer, own=posts[name]) | {"has_model": has_model}
    if not any(one["has_model"] for one in about.values()):
        raise NotEnoughDataError("a backtest", "no administration knew enough for a model")
    return scored, about


def _read_histories(
    tables: Tables, view: Literal["isolated", "linked"], progress: Progress | None
) -> dict[str, Tables]:
    if view == "isolated":
        return isolate_histories(tables)
    report = progress or (lambda _stage, _done, _of: None)
    return link_histories(tables, progress=lambda done, of: report("links", done, of))


def _describe(scorer: PeriodScorer, *, own: frozenset[str]) -> dict[str, Any]:
    """Return how much an administration knew at the end, its own and what messages brought."""
    seen = scorer.seen
    is_own = np.isin(seen.post.astype(str), sorted(own))
    return {
        "crossings": int(is_own.sum()),
        "crossings_received": int((~is_own).sum()),
        "inspected": int((seen.is_inspected & is_own).sum()),
        "inspected_received": int((seen.is_inspected & ~is_own).sum()),
    }


def join_periods(scored: list[ScoredPeriod]) -> ScoredPeriod:
    """Return the crossings of several administrations as one test period, in order of time."""
    first = scored[0].test
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(one.test, field.name) for one in scored])
        for field in fields(Dataset)
        if isinstance(getattr(first, field.name), np.ndarray)
    }
    order: Positions = np.lexsort((columns["crossing_id"].astype(str), columns["as_of"]))
    ordered: dict[str, Any] = {name: column[order] for name, column in columns.items()}
    sent = [one.sent for one in scored]
    return ScoredPeriod(
        replace(first, **ordered),
        Scores(
            np.concatenate([one.scores.p_seizure for one in scored])[order],
            np.concatenate([one.scores.p_discrepancy for one in scored])[order],
        ),
        np.concatenate([one.stated for one in scored])[order],
        {
            name: np.concatenate([one.parties[name] for one in scored])[order]
            for name in scored[0].parties
        },
        ReferralState(
            np.concatenate([one.propensity for one in sent])[order],
            np.concatenate([one.is_random for one in sent])[order],
            np.concatenate([one.minutes for one in sent])[order],
        ),
    )
