"""Whether recorded reasons are worth reading, judged apart from the code that made them.

A judge with its own arithmetic: it takes the sentences as they were recorded, and for each feature
its value, what is usual, and the inspections behind it as of the decision. It counts rates that are
stated though nothing was inspected, and first reasons that are weak, empty or usual.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan

from engine.explanation.reasons import Reason
from engine.ports import Contribution
from features.catalogue.catalogue import CATALOGUE

WEAK, NEAR, MOST = 0.1, 0.1, 0.5
NOT_OF_THE_MODEL = frozenset({"random_check", "profile", "watchlist"})
"""Reasons that say who picked the vehicle: what the model says comes after them."""
_NAMES = frozenset({"chapter", "HS number", "0 is Monday"})
_FIGURE = re.compile(r"\d+(?:\.\d+)?%|\d of \d")


@dataclass(frozen=True, slots=True)
class RecordedReasons:
    """One decision's reasons with what they were made from, by feature."""

    reasons: Sequence[Reason]
    known: Mapping[str, Contribution]


@dataclass(slots=True)
class Tally:
    """What an audit found."""

    decisions: int = 0
    rates_without_inspections: int = 0
    poor_first: int = 0
    poor_of_model: int = 0
    """The same of the first reason behind the sentences that say who picked the vehicle."""
    faults: Counter[str] = field(default_factory=Counter)
    """First reasons of the model by what is wrong with them."""


def audit(decisions: Iterable[RecordedReasons]) -> Tally:
    """Return what is wrong with these reasons."""
    tally = Tally()
    for one in decisions:
        tally.decisions += 1
        tally.rates_without_inspections += sum(
            _is_rate_of_nothing(reason, one.known) for reason in one.reasons
        )
        of_model = [r for r in one.reasons if r.code not in NOT_OF_THE_MODEL]
        fault = _fault(of_model[0], one.known) if of_model else "none"
        if fault:
            tally.poor_of_model += 1
            tally.poor_first += len(of_model) == len(one.reasons)
            tally.faults[fault] += 1
    return tally


def _is_rate_of_nothing(reason: Reason, known: Mapping[str, Contribution]) -> bool:
    if reason.code not in CATALOGUE or CATALOGUE[reason.code].operator != "rate":
        return False
    behind = known[reason.code].evidence
    is_stated = bool(_FIGURE.search(reason.fact)) or "inspections" in reason.parameters
    return is_stated and (behind is None or behind.inspections == 0)


def _fault(reason: Reason, known: Mapping[str, Contribution]) -> str:
    """Return what makes a first reason worth nothing; empty where nothing does."""
    if abs(reason.contribution) < WEAK:
        return "weak"
    if reason.code not in CATALOGUE:
        return ""
    feature, one = CATALOGUE[reason.code], known[reason.code]
    if feature.operator == "rate":
        return _fault_of_rate(one, raises=reason.contribution > 0)
    if isnan(one.value):
        return "empty"
    if feature.unit in _NAMES or isnan(one.normal):
        return "usual"
    if feature.unit == "flag":
        share = one.normal if one.value >= 0.5 else 1.0 - one.normal
        return "usual" if share > MOST else ""
    return "usual" if abs(one.value - one.normal) <= NEAR * abs(one.normal) else ""


def _fault_of_rate(one: Contribution, *, raises: bool) -> str:
    behind = one.evidence
    if behind is None or behind.inspections == 0:
        return "empty"
    rate = behind.finds / behind.inspections
    if isnan(behind.usual):
        return "usual"
    is_usual = rate <= (1 + NEAR) * behind.usual if raises else rate >= (1 - NEAR) * behind.usual
    return "usual" if is_usual else ""
