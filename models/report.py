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
from models import metrics
from models.config import TrainConfig
from models.dataset import TARGETS, Dataset, Target
from models.intervals import Estimate, Floats, estimates, share
from models.risk import risk

ENGINE_DRAWN = ("random", "score", "profile", "watchlist")
"""Bases whose propensity is the engine's own; an officer's choice has none."""
MOST_GROUPS = 30
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

    Returns
    -------
    dict
        JSON values only.
    """
    entries = test.direction == "entry"
    rows = np.flatnonzero(entries if entries.any() else np.ones(len(test), np.bool_))
    test = test.take(rows)
    chances: dict[Target, Floats] = {
        "seizure": scores.p_seizure[rows],
        "discrepancy": scores.p_discrepancy[rows],
    }
    ranked = risk(chances["seizure"], chances["discrepancy"], severity=config.severity)
    chosen = metrics.within_capacity(
        ranked, test.post, test.arrived_at, capacity=config.capacity, seed=config.seed
    )
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
            target: _target(test, target, chance=chances[target], ranked=ranked, chosen=chosen)
            for target in TARGETS
        },
        "groups": _groups(test, chances["discrepancy"], chosen),
        "scores_by_outcome": _by_outcome(test, ranked),
        "peers": {name: figure.as_dict() for name, figure in (peers or {}).items()},
    }
    return made | {"cannot_tell": _cannot_tell(made)}


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
    return {
        "random_stream": _figures(lot),
        "inverse_propensity": _figures(view(drawn, weigh=True)),
        "inspected": _figures(seen)
        | {
            "brier": metrics.brier(seen.chance, seen.label) if len(seen.label) else None,
            "reliability": metrics.reliability(seen.chance, seen.label).as_dict(),
            "curve": metrics.capture_curve(seen.ranked, seen.label, seen.weight),
        },
        "random_curve": metrics.capture_curve(lot.ranked, lot.label, lot.weight),
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
    spread = float(weight @ weight)
    return {
        "rows": len(label),
        "finds": int(hit.sum()),
        "effective_rows": float(weight.sum() ** 2 / spread) if spread else 0.0,
    } | {name: figure.as_dict() for name, figure in made.items()}


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("nan")


def _groups(test: Dataset, chance: Floats, chosen: NDArray[np.bool_]) -> dict[str, Any]:
    """Hit rates and calibration of discrepancies by group, on the inspected and the random rows.

    The outcome test: where two groups are searched at the same bar, equal hit rates are fair; a
    group with a lower one is searched too easily (Knowles, Persico and Todd, 2001).
    """
    columns = {
        "post": test.post,
        "vehicle_class": test.vehicle_class,
        "plate_country": test.plate_country,
    }
    evidence, hit = test.evidence("discrepancy"), test.discrepancy == 1
    lot = evidence & (test.basis == "random")
    made: dict[str, Any] = {}
    for name, column in columns.items():
        text = np.array(["unknown" if value is None else str(value) for value in column], object)
        values, counts = np.unique(text.astype(str), return_counts=True)
        largest = sorted(values[np.argsort(-counts, kind="stable")[:MOST_GROUPS]])
        made[name] = {}
        for value in largest:
            here = text == value
            seen = here & evidence
            made[name][str(value)] = {
                "arrivals": int(here.sum()),
                "within_capacity": int((here & chosen).sum()),
                "random_stream": share(int((here & lot & hit).sum()), int((here & lot).sum())),
                "inspected": share(int((seen & hit).sum()), int(seen.sum())),
                "at_capacity": share(int((seen & chosen & hit).sum()), int((seen & chosen).sum())),
                "mean_chance": float(chance[seen].mean()) if seen.any() else None,
            }
            for key in ("random_stream", "inspected", "at_capacity"):
                made[name][str(value)][key] = made[name][str(value)][key].as_dict()
    return made


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


def _cannot_tell(made: Mapping[str, Any]) -> list[str]:
    """Say what the data cannot tell, in sentences."""
    said = []
    for target, views in made["targets"].items():
        lot = views["random_stream"]
        rate, recall = lot["hit_rate_at_capacity"], lot["recall_at_capacity"]
        if not lot["rows"]:
            said.append(
                f"No random checks of {target}: what a search of everybody would find, and what "
                "the ranking misses, cannot be known."
            )
        elif not lot["finds"]:
            said.append(
                f"No {target} in {lot['rows']} random checks: that still allows up to "
                f"{lot['base_rate']['high']:.2%} of all arrivals."
            )
        elif not (rate["knowable"] and recall["knowable"]):
            said.append(
                f"{lot['finds']} {target} finds in {lot['rows']} random checks are too few to "
                "tell the hit rate or the recall at capacity within a useful interval."
            )
        if not views["inspected"]["auc"]["knowable"]:
            said.append(f"Too few {target} labels in the period to judge their order at all.")
    return said
