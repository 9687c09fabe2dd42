"""Backtest of a profile over the last weeks, with intervals.

Assumes that features are as of each crossing (the bulk kernel, with the features that the profile
asks for and no others) and that labels are selected: only searched vehicles have them, and officers
searched what they suspected. The hit rate of the matches is therefore told twice: over all that was
inspected, and over the random checks alone, which are few and fair. What its own searches would
have found is estimated from all that the engine drew, each draw by its probability.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from engine.criteria.profiles.checker import ProfileFailed, Program, context
from engine.criteria.profiles.parser import split_conditions
from engine.criteria.profiles.profile import BacktestSubject
from engine.criteria.profiles.readable_fields import Reader, columns_of
from engine.decision.inspection_minutes import LearnedMinutes
from engine.domain.time_units import DAY, rfc3339
from engine.selection import Channel
from features.catalogue.catalogue import CATALOGUE, proxies
from features.catalogue.event_streams import CROSSINGS
from features.catalogue.plan import Plan
from features.catalogue.spec import EVER
from features.history.labels import Labels, act_lengths, act_minutes, labels
from features.history.tables import Tables
from features.offline.encoded_history import arrivals, ints, read_log
from features.offline.feature_matrix import matrix
from models.array_types import Floats, Mask
from models.config import TrainConfig
from models.data.propensity_log import (
    ReferralState,
    Sendings,
    engine_drawn,
    missing_reasons,
    random_draws,
    sent_among,
)
from models.evaluation.metric_view import share_estimates
from models.evaluation.off_policy import policy_value
from models.statistics.intervals import share, withhold_estimate

DAYS = 90
"""How far a backtest looks back."""
MARGIN = DAY
"""A decision's features are cut a little before its record is known."""
DELAY = TrainConfig().label_delay
"""After this, a draw without an act is one that was not carried out."""
EXAMPLES = 5
"""Latest matches that are named, to be looked at."""


@dataclass(frozen=True, slots=True)
class Window:
    """The crossings a backtest looks at: rows of a history from ``first`` on."""

    first: int
    since: int
    """UTC microseconds."""
    until: int

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.until - self.since) / DAY


def profile_backtest(
    tables: Tables, trial: BacktestSubject, *, days: int = DAYS, sent: Sendings | None = None
) -> dict[str, Any]:
    """Replay a profile over the last ``days`` of a history, back from its last crossing.

    ``tables`` is everything a home knows, crossings sorted by ``known_at``; ``sent`` is whom
    decisions sent (:func:`models.data.propensity_log.read_sent`): without it a draw that never
    became an act looks like no draw.

    The answer holds JSON values: the period, ``arrivals`` and ``matches`` in it,
    ``matches_per_1000`` of its arrivals and ``cleared_per_1000`` (inspected, and nothing found),
    ``selected_per_day`` and ``minutes_per_day`` at the profile's percentage, ``hit_rate`` and
    ``seizure_rate`` of the matches that were inspected by an act that could find something,
    ``random`` (the same over random checks, with the share of the random stream that matches),
    ``base_rate`` of the random stream; and ``had_it_chosen``: what its searches would have found,
    by what the engine drew (:mod:`models.evaluation.off_policy`). Rates are estimates with exact 95
    % intervals (Clopper and Pearson, 1934), or "not yet knowable" with the reason. A home that
    knows no crossing yet has an answer too: nothing can be known. ``daily_matches`` counts the
    matches of each 24 hours back from the last crossing, the oldest first. ``conditions`` counts
    the arrivals of which each condition is true, ``alone`` and ``together`` with those before it.
    ``examples`` are the latest matches, ``missed`` the latest finds that it does not match, and
    ``cleared`` the latest matches that were inspected without a find.

    Raises ``ProfileRefusedError`` if the expression may not run.
    """
    features = tuple(CATALOGUE)
    programs, texts = trial.compile(features), split_conditions(trial.expression)
    parts = [replace(trial, expression=text).compile(features) for text in texts if len(texts) > 1]
    made, window = programs[""], _window(tables, days)
    (fits, *true_of), failures = _fits(tables, [programs, *parts], window)
    of_post = np.ones(len(fits), np.bool_)
    if trial.post is not None:
        posts = tables.crossings["post"].slice(window.first).to_numpy(zero_copy_only=False)
        of_post = posts == trial.post
    every = labels(tables)
    seen = Labels(*(getattr(every, field.name)[window.first :] for field in fields(every)))
    matched, known = fits & of_post, _read_referrals(tables, window, sent or {})
    rates = _rates(seen, matched, of_post, known)
    a_thousand = 1000.0 / max(1, int(of_post.sum()))
    chosen = matched.sum() * trial.percentage / 100.0
    return {
        "synthetic": tables.network.synthetic,
        "history": tables.digest,
        "since": rfc3339(window.since) if len(fits) else None,
        "until": rfc3339(window.until) if len(fits) else None,
        "days": round(window.days, 2),
        "arrivals": int(of_post.sum()),
        "matches": int(matched.sum()),
        "matches_per_day": float(matched.sum() / window.days),
        "matches_per_1000": float(matched.sum() * a_thousand),
        "cleared_per_1000": (rates["inspected"] - rates["hits"]) * a_thousand,
        "selected_per_day": float(chosen / window.days),
        "minutes_per_day": _minutes(tables, trial, matched, window) / window.days,
        **rates,
        "had_it_chosen": _value(seen, matched * np.float64(trial.percentage / 100), known),
        "daily_matches": _daily(tables, matched, window),
        "conditions": [
            {
                "condition": text,
                "alone": int((holds & of_post).sum()),
                "together": int((np.logical_and.reduce(true_of[: at + 1]) & of_post).sum()),
            }
            for at, (text, holds) in enumerate(zip(texts, true_of, strict=False))
        ],
        "failed": failures,
        "steps": made.steps,
        "reads": sorted(made.needs),
        "proxies": proxies(made.needs),
        "examples": _examples(tables, matched, window),
        "missed": _examples(tables, of_post & ~fits & (seen.discrepancy == 1), window),
        "cleared": _examples(tables, matched & _inspected(seen) & (seen.discrepancy == 0), window),
    }


def _window(tables: Tables, days: int) -> Window:
    known_at = ints(tables.crossings["known_at"])
    if not len(known_at):
        return Window(0, 0, days * DAY)
    until = int(known_at[-1]) + 1
    since = max(until - days * DAY, int(known_at[0]))
    return Window(int(np.searchsorted(known_at, since)), since, until)


def _fits(
    tables: Tables, programs: Sequence[Mapping[str, Program]], window: Window
) -> tuple[list[Mask], int]:
    """Evaluate programs on every crossing of the window; the first one reads what the others read.

    Each is given by post, and under the empty name for all other posts. Returns where each is true,
    and on how many crossings the first one could not be evaluated.
    """
    needs = programs[0][""].needs
    asked = columns_of(needs)
    plan = Plan({name: CATALOGUE[name] for name in CATALOGUE if name in asked})
    recent = _slice(tables, window.first)
    n = recent.crossings.num_rows
    values = np.empty((n, 0), np.float32)
    if asked:
        values = matrix(read_log(_trim_history(tables, plan, window), plan), plan).values[-n:]
    reader = Reader(needs, {name: place for place, name in enumerate(plan.names)})
    found, failures = [np.zeros(n, np.bool_) for _ in programs], 0
    for row, (crossing, declaration) in enumerate(arrivals(recent)):
        known = context(reader.values(crossing, declaration, values[row]))
        for holds, made in zip(found, programs, strict=True):
            try:
                holds[row] = made.get(crossing.post, made[""]).fits(known)
            except ProfileFailed:
                failures += made is programs[0]
    return found, failures


def _trim_history(tables: Tables, plan: Plan, window: Window) -> Tables:
    """Return as much of a history as the reads of a plan can reach from within the window.

    What they count may be cut off only where it is crossings within so many days: a later act may
    belong to any crossing, and what is first, or last, may lie any time back.
    """
    finite = all(
        read.stream == CROSSINGS.name and not read.is_last and read.window < EVER
        for read in plan.reads
    )
    if not finite or plan.derived or plan.links:
        return tables
    longest = max((read.window for read in plan.reads), default=0)
    since = window.since - longest - MARGIN
    first = int(np.searchsorted(ints(tables.crossings["known_at"]), since))
    recent = _slice(tables, min(first, window.first))
    return replace(
        recent, inspections=tables.inspections.slice(0, 0), seizures=tables.seizures.slice(0, 0)
    )


def _slice(tables: Tables, first: int) -> Tables:
    """Return the tables with crossings from a row on; what is looked up stays whole."""
    return replace(tables, crossings=tables.crossings.slice(first))


def _read_referrals(tables: Tables, window: Window, sent: Sendings) -> ReferralState:
    """Return what is known of the window's crossings in addition to their labels.

    A draw younger than the usual delay of a label may still get its act.
    """
    names = tables.crossings["crossing_id"].slice(window.first).to_pylist()
    ripe = ints(tables.crossings["known_at"])[window.first :] < window.until - DELAY
    return sent_among(sent, names, minutes=act_lengths(tables)).where(ripe)


def _value(seen: Labels, wanted: Floats, known: ReferralState) -> dict[str, Any]:
    """Return what searching as the profile asks would have found, by what the engine drew."""
    inspected = seen.basis.astype(np.bool_)
    found = np.where(inspected, seen.discrepancy, np.int8(-1))
    log = engine_drawn(seen.basis, seen.propensity, found=found, sent=known)
    return policy_value(log, wanted).as_dict()


def _inspected(seen: Labels) -> Mask:
    """Return which crossings had an act that could find something, and its label."""
    is_known: Mask = seen.basis.astype(np.bool_) & (seen.discrepancy >= 0)
    return is_known


def _rates(seen: Labels, matched: Mask, of_post: Mask, known: ReferralState) -> dict[str, Any]:
    """Return what was found, among all that was inspected and among the random checks."""
    inspected = _inspected(seen)
    hit, seizure = seen.discrepancy == 1, seen.seizure == 1
    linked = ~seen.basis.astype(np.bool_) & hit

    def rate(found: Mask, among: Mask) -> dict[str, Any]:
        return share(int((found & among).sum()), int(among.sum())).as_dict()

    return {
        "inspected": int((inspected & matched).sum()),
        "hits": int((inspected & matched & hit).sum()),
        "seizures": int((inspected & matched & seizure).sum()),
        "finds_elsewhere": int((linked & matched).sum()),
        "hit_rate": rate(hit, inspected & matched),
        "seizure_rate": rate(seizure, inspected & matched),
        **_random_rates(seen, matched, of_post & random_draws(seen.basis, sent=known)),
    }


def _random_rates(seen: Labels, matched: Mask, drawn: Mask) -> dict[str, Any]:
    """Return what random checks found, as wide as those not carried out in full may make it."""
    found = np.where(_inspected(seen), seen.discrepancy, np.int8(-1))[drawn]
    rates = share_estimates(found, matched[drawn])
    lost, n = int((found < 0).sum()), len(found)
    faults = missing_reasons(lost / max(1, n))
    return {
        "random": {
            "inspected": n - lost,
            "not_carried_out": lost,
            "matched": int((matched[drawn] & (found >= 0)).sum()),
            "share_matched": share(int(matched[drawn].sum()), n).as_dict(),
            "hit_rate": withhold_estimate(rates["hit_rate_at_capacity"], faults).as_dict(),
        },
        "base_rate": withhold_estimate(rates["base_rate"], faults).as_dict(),
    }


def _minutes(tables: Tables, trial: BacktestSubject, matched: Mask, window: Window) -> float:
    """Return the inspection minutes that the selected matches would have taken together."""
    learnt, channel = LearnedMinutes(act_minutes(tables)), Channel.of(trial.channel)
    classes = tables.crossings["vehicle_class"].slice(window.first).to_pylist()
    each = [learnt.expect_minutes(classes[row]).of(channel) for row in np.flatnonzero(matched)]
    return float(np.sum(each)) * trial.percentage / 100.0


def _daily(tables: Tables, matched: Mask, window: Window) -> list[int]:
    """Count the matches of each day, the oldest first, counted back from the window's end."""
    known_at = ints(tables.crossings["known_at"])[window.first :]
    ago = (window.until - 1 - known_at[matched]) // DAY
    whole = int((window.until - 1 - window.since) // DAY) + 1
    counts: list[int] = np.bincount(ago, minlength=whole)[::-1].tolist()
    return counts


def _examples(tables: Tables, chosen: Mask, window: Window) -> list[dict[str, str]]:
    rows = np.flatnonzero(chosen)[-EXAMPLES:][::-1] + window.first
    found = tables.crossings.select(["crossing_id", "post", "known_at"]).take(rows).to_pylist()
    return [one | {"known_at": rfc3339(one["known_at"])} for one in found]
