"""What is a model worth? One dictionary for machines; the texts and the plots are made of it.

Assumes that the scores came from a model that saw nothing of the test period. Three views, because
labels are selected: the random stream (nobody chose it: unbiased), inverse propensity (all that the
engine drew, weighted back to all arrivals), and the inspected rows as the selection of the day left
them (biased by it, and said to be).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.ports import Scores
from engine.times import rfc3339
from features.catalogue import CATALOGUE
from models import metrics
from models.config import TrainConfig
from models.dataset import TARGETS, Dataset, Target
from models.intervals import Estimate, Floats, estimates, narrow, share
from models.logged import ENGINE_DRAWN, by_lot, logged
from models.outcome_test import by_group, outcome_test
from models.permutation import Score, family_values, proxy_effect
from models.policy_value import policy_value
from models.report_drift import alarms, drift, recent
from models.report_text import cannot_tell
from models.risk import risk

SHARES = ("hit_rate_at_capacity", "recall_at_capacity", "base_rate")
RESAMPLING = 1979
"""Seed of every bootstrap: a report computed again is the same report."""
SYNTHETIC = "These figures come from generated data: they say nothing about any real border."


@dataclass(frozen=True, slots=True)
class _View:
    """Labelled rows of one target, how each weighs, and whether exact intervals apply."""

    label: NDArray[np.int8]
    chosen: NDArray[np.bool_]
    chance: Floats
    ranked: Floats
    weight: Floats
    exact: bool


def report(
    test: Dataset,
    scores: Scores,
    *,
    config: TrainConfig,
    fitted_until: int,
    peers: Mapping[str, Estimate] | None = None,
    score: Score | None = None,
    earlier: Dataset | None = None,
    sent: Floats | None = None,
) -> dict[str, Any]:
    """Judge scores of a test period; the keys are described in ``docs/models.md``.

    Parameters
    ----------
    test : Dataset of n rows
        All arrivals of the period, labelled or not: capacity is a share of all of them. Exits are
        left out when there are entries.
    scores : Scores
        Probabilities of shape (n,), from a model fitted on earlier rows.
    config : TrainConfig
        Capacity, severity and seed.
    fitted_until : int
        UTC microseconds: what the model may have seen.
    peers : mapping of name to Estimate, optional
        Average precision of discrepancies beside simpler methods, and differences to them.
    score : callable, optional
        The model itself, rows of shape (k, f) to scores: without it, the value of feature families
        and the effect of proxies cannot be told.
    earlier : Dataset, optional
        Rows that taught it: without them, or without ``score``, drift cannot be told.
    sent : float64 array of shape (n,), optional
        Propensity of every decision that sent its vehicle to officers, NaN elsewhere; without it a
        draw that was never carried out looks like no draw.

    Returns
    -------
    dict
        JSON values only.
    """
    rows = np.flatnonzero(test.entries)
    test = test.take(rows)
    chances: dict[Target, Floats] = {
        "seizure": scores.p_seizure[rows],
        "discrepancy": scores.p_discrepancy[rows],
    }
    ranked = risk(chances["seizure"], chances["discrepancy"], severity=config.severity)

    def choose(risks: Floats) -> NDArray[np.bool_]:
        return metrics.within_capacity(
            risks, test.post, test.arrived_at, capacity=config.capacity, seed=config.seed
        )

    chosen = choose(ranked)
    groups = by_group(test, chances["discrepancy"], chosen)
    made: dict[str, Any] = {
        "synthetic": test.synthetic,
        "notice": SYNTHETIC if test.synthetic else "",
        "fitted_until": rfc3339(fitted_until),
        "period": _period(test),
        "arrivals": len(test),
        "within_capacity": int(chosen.sum()),
        "capacity": config.capacity,
        "severity": config.severity,
        "targets": {
            target: _target(
                test,
                target,
                chance=chances[target],
                ranked=ranked,
                chosen=chosen,
                sent=None if sent is None else sent[rows],
            )
            for target in TARGETS
        },
        "groups": groups,
        "outcome_test": outcome_test(groups),
        "scores_by_outcome": _by_outcome(test, ranked),
        "peers": {name: figure.as_dict() for name, figure in (peers or {}).items()},
        "alarms": alarms(test, chances["discrepancy"]),
    }
    if score is not None:
        made |= _inside(test, score, choose, config=config, earlier=earlier, ranked=ranked)
    return made | {"cannot_tell": cannot_tell(made)}


def _inside(
    test: Dataset,
    score: Score,
    choose: Callable[[Floats], NDArray[np.bool_]],
    *,
    config: TrainConfig,
    earlier: Dataset | None,
    ranked: Floats,
) -> dict[str, Any]:
    """Return what can only be told with the model at hand."""
    proxies = [name for name, one in CATALOGUE.items() if one.proxy]
    families: dict[str, list[str]] = {"possible proxies of origin": proxies}
    for name, one in CATALOGUE.items():
        families.setdefault(one.family, []).append(name)
    made: dict[str, Any] = {
        "families": family_values(test, score, families, seed=RESAMPLING),
        "proxies": proxy_effect(
            test,
            score,
            proxies,
            severity=config.severity,
            chosen=choose(ranked),
            choose=choose,
            seed=RESAMPLING,
        ),
    }
    if earlier is not None and len(earlier):
        taught = recent(earlier.take(earlier.entries))
        said = score(taught.values)
        before = risk(said.p_seizure, said.p_discrepancy, severity=config.severity)
        made["drift"] = drift(taught, test, risks=(before, ranked), capacity=config.capacity)
    return made


def _period(test: Dataset) -> dict[str, str]:
    if not len(test):
        return {"from": "", "until": ""}
    arrived = test.arrived_at
    return {"from": rfc3339(int(arrived.min())), "until": rfc3339(int(arrived.max()))}


def _target(
    test: Dataset,
    target: Target,
    *,
    chance: Floats,
    ranked: Floats,
    chosen: NDArray[np.bool_],
    sent: Floats | None,
) -> dict[str, Any]:
    """Judge one target in the three views."""
    evidence = test.evidence(target)
    label = test.label(target)
    drawn = evidence & np.isin(test.basis, ENGINE_DRAWN) & ~np.isnan(test.propensity)

    def view(rows: NDArray[np.bool_], *, weigh: bool = False, exact: bool = False) -> _View:
        count = int(rows.sum())
        weight = 1 / test.propensity[rows] if weigh else np.ones(count)
        return _View(label[rows], chosen[rows], chance[rows], ranked[rows], weight, exact)

    lot = view(evidence & (test.basis == "random"), exact=True)
    seen = view(evidence, exact=True)
    values = _values(test, target, chance=chance, chosen=chosen, sent=sent)
    normalised = values["engine_drawn"]["searched"]["self_normalised"]
    return {
        "random_stream": _figures(lot),
        "inverse_propensity": _figures(view(drawn, weigh=True))
        | {"hit_rate_at_capacity": normalised},
        "inspected": _figures(seen)
        | {
            "brier": metrics.brier(seen.chance, seen.label) if len(seen.label) else None,
            "reliability": metrics.reliability(seen.chance, seen.label).as_dict(),
            "curve": metrics.capture_curve(seen.ranked, seen.label, seen.weight),
        },
        "random_curve": metrics.capture_curve(lot.ranked, lot.label, lot.weight),
        "policy_value": values,
    }


def _values(
    test: Dataset,
    target: Target,
    *,
    chance: Floats,
    chosen: NDArray[np.bool_],
    sent: Floats | None,
) -> dict[str, Any]:
    """Estimate what the searches within capacity would have found, and what the others missed."""
    wanted = chosen.astype(np.float64)
    logs = {"engine_drawn": logged(test, target, sent=sent), "random_stream": by_lot(test, target)}
    return {
        name: {
            "searched": policy_value(log, wanted, chance=chance).as_dict(),
            "released": policy_value(log, 1 - wanted, chance=chance).as_dict(),
        }
        for name, log in logs.items()
    }


def _figures(view: _View) -> dict[str, Any]:
    """Return the figures of one view, exact where they are shares of counts."""
    label, chosen, weight = view.label, view.chosen, view.weight
    hit = label == 1

    def rate(w: Floats) -> float:
        return _ratio(w @ (chosen & hit), float(w @ chosen))

    def recall(w: Floats) -> float:
        return _ratio(w @ (chosen & hit), w @ hit)

    def base(w: Floats) -> float:
        return _ratio(w @ hit, float(w.sum()))

    statistics: dict[str, Callable[[Floats], float]] = {
        "hit_rate_at_capacity": rate,
        "recall_at_capacity": recall,
        "base_rate": base,
        "lift": lambda w: _ratio(rate(w), base(w)),
        "average_precision": metrics.average_precision(view.chance, label),
        "auc": metrics.auc(view.chance, label),
    }
    made = estimates(statistics, label, weight=weight, seed=RESAMPLING)
    if view.exact:
        caught = int((chosen & hit).sum())
        made["hit_rate_at_capacity"] = share(caught, int(chosen.sum()))
        made["recall_at_capacity"] = share(caught, int(hit.sum()))
        made["base_rate"] = share(int(hit.sum()), len(label))
    for name in SHARES:
        made[name] = narrow(made[name])
    spread = float(weight @ weight)
    return {
        "rows": len(label),
        "finds": int(hit.sum()),
        "effective_rows": float(weight.sum() ** 2 / spread) if spread else 0.0,
    } | {name: figure.as_dict() for name, figure in made.items()}


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("nan")


def _by_outcome(test: Dataset, ranked: Floats) -> dict[str, Any]:
    """Quantiles of the risk for each outcome, for a plot of how far outcomes lie apart."""
    evidence = test.evidence("discrepancy")
    outcomes = {
        "clear": evidence & (test.discrepancy == 0),
        "discrepancy": evidence & (test.discrepancy == 1) & (test.seizure != 1),
        "seizure": evidence & (test.seizure == 1),
        "not inspected": ~evidence,
    }
    return {
        name: {
            "rows": int(rows.sum()),
            "quantiles": np.quantile(ranked[rows], np.linspace(0, 1, 21)).tolist(),
        }
        for name, rows in outcomes.items()
        if rows.any()
    }
