"""Evaluation report of a model as one dictionary, from which texts and plots are made.

Assumes that the scores came from a model that saw nothing of the test period. Three views, because
labels are selected: the random stream (chosen by no score or officer: unbiased), inverse propensity
(all that the engine drew, weighted back to all arrivals), and the inspected rows as the selection
of the day left them (biased by it, and marked as such).

Drift of the test period from the training rows needs no label; the two alarms read the period's
searches week by week, as they will be read in force.
"""

from collections.abc import Callable, Mapping
from math import fsum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY, WEEK, rfc3339
from engine.ports import Scores
from engine.selection import COUNTERPART, LAWFUL_CHECK
from features.catalogue.catalogue import CATALOGUE
from models.array_types import Floats, Labels, Mask
from models.config import TrainConfig
from models.data.dataset import TARGETS, Dataset, Target
from models.data.propensity_log import (
    PropensityLog,
    ReferralState,
    missing_reasons,
    read_log,
    read_random_stream,
)
from models.evaluation.equal_minutes import compare_lists
from models.evaluation.fairness import by_group, outcome_test, within
from models.evaluation.metric_view import (
    RESAMPLING,
    View,
    calibration_figures,
    count_needed_checks,
    curve,
    figures,
)
from models.evaluation.off_policy import advantage, diagnose_log, policy_value
from models.evaluation.permutation_importance import Score, family_values, proxy_effect
from models.evaluation.report_text import cannot_tell
from models.statistics import drift, ranking_metrics
from models.statistics.drift import reference, score_shift, shifts
from models.statistics.intervals import estimates
from models.statistics.ranking_metrics import measure_concentration

SHOWN = 12
BEFORE_DAYS = 90
"""What the period is compared with: older counters were still filling up."""


def describe_drift(
    earlier: Dataset, test: Dataset, *, risks: tuple[Floats, Floats], capacity: float
) -> dict[str, Any]:
    """Compare a test period with what came before it, as :func:`recent` has it.

    Parameters
    ----------
    earlier, test : Dataset of n and m rows
        Of the same features.
    risks : float64 arrays of shape (n,) and (m,)
        Of both; released arrivals are compared, since the model was not fitted on them.
    capacity : float
        Share that can be searched.

    Returns
    -------
    dict
        ``features``: the farthest movers; ``moved``: how many of how many; ``score``; the alarms.
    """
    found = shifts(reference(earlier.values, earlier.names), test.values)
    scores = score_shift(
        risks[0][~earlier.is_inspected], risks[1][~test.is_inspected], capacity=capacity
    )
    return {
        "moved": sum(one.has_moved for one in found),
        "of": len(found),
        "features": [
            {"name": one.name, "psi": one.psi, "noise": one.noise, "moved": one.has_moved}
            for one in found[:SHOWN]
        ],
        "score": scores.as_dict(),
    }


def select_recent(earlier: Dataset) -> Dataset:
    """Return the last ninety days of what taught."""
    return earlier.last(BEFORE_DAYS)


def run_alarms(test: Dataset, chance: Floats) -> dict[str, Any]:
    """Run the two alarms over a period's searches, by the week in which each was made.

    Parameters
    ----------
    test : Dataset of n rows
    chance : float64 array of shape (n,)
        Stated chance of a discrepancy.

    Returns
    -------
    dict
        For ``picked`` (do searches find less than stated? those on a counterpart's word say nothing
        of it) and ``random`` (do random checks find more?): weeks, evidence, the threshold, and
        whether an alarm went off.
    """
    random_rows = test.evidence("discrepancy") & (test.basis == "random")
    unpicked = ("random", LAWFUL_CHECK, COUNTERPART)
    picked = test.evidence("discrepancy") & ~np.isin(test.basis, unpicked)
    weeks = test.arrived_at // WEEK
    watches = {
        "picked": (drift.EDetector(), picked),
        "random": (drift.watch_more(), random_rows),
    }
    return {
        name: drift.over(watch, chance[rows], test.discrepancy[rows], periods=weeks[rows]).as_dict()
        for name, (watch, rows) in watches.items()
    }


SYNTHETIC = "These figures come from generated data: they say nothing about any real border."


def evaluate_model(
    test: Dataset,
    scores: Scores,
    *,
    config: TrainConfig,
    fitted_until: int,
    peers: Mapping[str, Floats] | None = None,
    score: Score | None = None,
    earlier: Dataset | None = None,
    sent: ReferralState | None = None,
    gravity: Floats | None = None,
    parties: Mapping[str, NDArray[np.int64]] | None = None,
) -> dict[str, Any]:
    """Evaluate the scores of a test period; the keys are described in ``docs/evaluation.md``.

    Returned are JSON values only; ``config`` gives capacity and seed.

    Parameters
    ----------
    test : Dataset of n rows
        All arrivals of the period, labelled or not: capacity is a share of all of them. Exits are
        left out when there are entries.
    scores : Scores
        Probabilities of shape (n,), from a model fitted on earlier rows.
    fitted_until : int
        UTC microseconds: what the model may have seen.
    peers : mapping of name to float64 array of shape (n,), optional
        Chances of a discrepancy by simpler methods that were taught the same.
    score : callable, optional
        The model itself, rows of shape (k, f) to scores: without it, the value of feature families
        and the effect of proxies cannot be told.
    earlier : Dataset, optional
        Rows that taught it: without them, or without ``score``, drift cannot be told.
    sent : ReferralState of n rows, optional
        What decisions say; without it a draw that never became an act looks like no draw.
    gravity : float64 array of shape (n,), optional
        What the finds weigh, 0 where nothing was found; without it gravity is not stated.
    parties : mapping of str to int64 array of shape (n,), optional
        The key of each arrival's party, by kind, 0 where not known; without it the largest party's
        share is not stated.
    """
    rows = np.flatnonzero(test.entries)
    test, sent = test.take(rows), None if sent is None else sent.take(rows)
    chances = {name: getattr(scores, f"p_{name}")[rows] for name in TARGETS}
    judged = _JudgedArrivals(test, chances, config, sent)
    groups = {
        target: by_group(
            test,
            target,
            chance=chances[target],
            chosen=judged.chosen[target],
            random_log=judged.random_stream(target),
        )
        for target in TARGETS
    }
    made: dict[str, Any] = {
        "synthetic": test.synthetic,
        "notice": SYNTHETIC if test.synthetic else "",
        "fitted_until": rfc3339(fitted_until),
        "period": _period(test),
        "arrivals": len(test),
        "within_capacity": int(judged.chosen["seizure"].sum()),
        "capacity": config.capacity,
        "targets": {target: _target(judged, target) for target in TARGETS},
        "equal_minutes": compare_lists(
            test,
            chances["seizure"],
            chances["discrepancy"],
            capacity=config.capacity,
            seed=config.seed,
        ),
        "groups": groups,
        "outcome_test": {
            target: outcome_test(groups[target], total=within(test, target, judged.chosen[target]))
            for target in TARGETS
        },
        "scores_by_outcome": _by_outcome(test, chances["seizure"]),
        **_compare_peers(judged, {name: one[rows] for name, one in (peers or {}).items()}),
        "alarms": run_alarms(test, chances["discrepancy"]),
    }
    if gravity is not None:
        made["gravity"] = _gravity(judged, gravity[rows])
    if parties is not None:
        made["largest_party"] = _concentration(
            judged, {name: keys[rows] for name, keys in parties.items()}
        )
    if score is not None:
        made |= _inside(judged, score, earlier=earlier)
    return made | {"cannot_tell": cannot_tell(made)}


class _JudgedArrivals:
    """The arrivals that are judged, what was stated of them, and which of them are searched."""

    def __init__(
        self,
        test: Dataset,
        chances: Mapping[Target, Floats],
        config: TrainConfig,
        sent: ReferralState | None,
    ) -> None:
        self.test, self.chances, self.config, self.sent = test, chances, config, sent
        self.chosen = {target: self.choose(chances[target]) for target in TARGETS}
        """By target: those that its list sends to officers."""

    def choose(self, risks: Floats) -> Mask:
        """Return the arrivals within capacity, shape (n,), by risks of shape (n,) in [0, 1]."""
        return ranking_metrics.within_capacity(
            risks,
            self.test.post,
            self.test.arrived_at,
            capacity=self.config.capacity,
            seed=self.config.seed,
        )

    def random_stream(self, target: Target) -> PropensityLog:
        """Return the random stream."""
        return read_random_stream(self.test, target, sent=self.sent)

    def view(
        self,
        target: Target,
        rows: Mask,
        label: Labels,
        *,
        weight: Floats | None = None,
        faults: tuple[str, ...] = (),
        thin: tuple[str, ...] = (),
    ) -> View:
        """Return a view of the rows of a mask, shape (n,); exact where each weighs the same.

        ``label``, int8 of shape (n,), is 1 or 0, and -1 where a draw has no evidence; ``weight``,
        float64 of shape (n,), is all alike when absent. ``faults`` and ``thin`` say why nothing is
        claimed, of all rows or of those within capacity.
        """
        even = np.ones(int(rows.sum()))
        return View(
            label[rows],
            self.chosen[target][rows],
            self.chances[target][rows],
            self.chances[target][rows],
            even if weight is None else weight[rows],
            exact=weight is None,
            faults=faults,
            thin=thin,
        )


def _inside(judged: _JudgedArrivals, score: Score, *, earlier: Dataset | None) -> dict[str, Any]:
    """Return what can only be told with the model at hand."""
    test, config = judged.test, judged.config
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
            chosen=judged.chosen,
            choose=judged.choose,
            seed=RESAMPLING,
        ),
    }
    if earlier is not None and len(earlier):
        taught = select_recent(earlier.take(earlier.entries))
        scores = score(taught.values)
        risks = scores.p_seizure, judged.chances["seizure"]
        made["drift"] = describe_drift(taught, test, risks=risks, capacity=config.capacity)
    return made


def _gravity(judged: _JudgedArrivals, gravity: Floats) -> dict[str, Any]:
    """Return finds and what they weigh together, of all and of those within capacity."""
    found = gravity > 0.0
    made: dict[str, Any] = {}
    for name, rows in (("all", found), ("within_capacity", found & judged.chosen["seizure"])):
        made[name] = {"finds": int(rows.sum()), "gravity": fsum(gravity[rows].tolist())}
    total = made["all"]["gravity"]
    return made | {"share": made["within_capacity"]["gravity"] / total if total else None}


def _concentration(
    judged: _JudgedArrivals, parties: Mapping[str, NDArray[np.int64]]
) -> dict[str, Any]:
    """Return the largest party's share of what each list sends to officers, by target."""
    days = judged.test.arrived_at // DAY
    shifts = np.unique(judged.test.post.astype(str), return_inverse=True)[1] + days * len(days)
    return {
        target: measure_concentration(
            {name: keys[chosen] for name, keys in parties.items()}, shifts[chosen]
        )
        for target, chosen in judged.chosen.items()
    }


def _period(test: Dataset) -> dict[str, str]:
    if not len(test):
        return {"from": "", "until": ""}
    arrived = test.arrived_at
    return {"from": rfc3339(int(arrived.min())), "until": rfc3339(int(arrived.max()))}


def _target(judged: _JudgedArrivals, target: Target) -> dict[str, Any]:
    """Judge one target in the three views."""
    test, chance = judged.test, judged.chances[target]
    drawn, random_log = read_log(test, target, sent=judged.sent), judged.random_stream(target)
    values = _values(
        {"engine_drawn": drawn, "random_stream": random_log},
        chance=chance,
        chosen=judged.chosen[target],
    )
    searched = values["engine_drawn"]["searched"]
    # What speaks against the log speaks against every figure that has its weights.
    log, whole = searched["diagnostics"], diagnose_log(drawn, np.ones(len(test)))
    weighted = judged.view(
        target,
        drawn.drawn,
        drawn.found,
        weight=1 / drawn.propensity,
        faults=tuple(dict.fromkeys((*log["doubts"], *whole.faults))),
        thin=tuple(log["faults"]),
    )
    missing = float(random_log.missing.sum()) / max(1, int(random_log.drawn.sum()))
    random = judged.view(
        target, random_log.drawn, random_log.found, faults=missing_reasons(missing)
    )
    seen = judged.view(target, test.evidence(target), test.label(target))
    done = judged.view(target, random_log.drawn & ~random_log.missing, random_log.found)
    weeks = float(np.ptp(test.arrived_at)) / WEEK if len(test) else 0.0
    return {
        "random_stream": figures(random)
        | calibration_figures(done.chance, done.label, seed=RESAMPLING)
        | {"needed": count_needed_checks(done, weeks=weeks)},
        "inverse_propensity": figures(weighted)
        | {"hit_rate_at_capacity": searched["self_normalised"]},
        "inspected": figures(seen)
        | calibration_figures(seen.chance, seen.label, seed=RESAMPLING)
        | {"curve": curve(seen)},
        "random_curve": curve(random),
        "policy_value": values,
    }


def _values(logs: Mapping[str, PropensityLog], *, chance: Floats, chosen: Mask) -> dict[str, Any]:
    """Estimate what the searches within capacity would have found, and what the others missed."""
    wanted = chosen.astype(np.float64)
    return {
        name: {
            "searched": policy_value(log, wanted, chance=chance).as_dict(),
            "released": policy_value(log, 1 - wanted, chance=chance).as_dict(),
        }
        for name, log in logs.items()
    }


def _compare_peers(judged: _JudgedArrivals, peers: Mapping[str, Floats]) -> dict[str, Any]:
    """Compare order and searches with those of simpler methods."""
    if not peers:
        return {"peers": {}, "advantage": {}}
    seen = judged.test.evidence("discrepancy")
    label, chance = judged.test.discrepancy[seen], judged.chances["discrepancy"]
    ours = ranking_metrics.average_precision(chance[seen], label)
    statistics: dict[str, Callable[[Floats], float]] = {"this model": ours}
    log, mine = (
        read_log(judged.test, "discrepancy", sent=judged.sent),
        judged.chosen["discrepancy"] * np.float64(1),
    )
    more = {}
    for name, stated_there in peers.items():
        theirs = ranking_metrics.average_precision(stated_there[seen], label)
        statistics |= {name: theirs, f"this model less {name}": _less(ours, theirs)}
        searched = judged.choose(stated_there) * np.float64(1)
        more[name] = advantage(log, mine, searched, chance=chance).as_dict()
    found = estimates(statistics, label, seed=RESAMPLING)
    return {"peers": {name: one.as_dict() for name, one in found.items()}, "advantage": more}


def _less(
    ours: Callable[[Floats], float], theirs: Callable[[Floats], float]
) -> Callable[[Floats], float]:
    return lambda weight: ours(weight) - theirs(weight)


def _by_outcome(test: Dataset, ranked: Floats) -> dict[str, Any]:
    """Quantiles of the chance of a seizure by outcome: how far outcomes lie apart."""
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
