"""Eligibility of contributions as reasons: strong, known, with evidence, and not usual.

The one place where this is decided. A contribution says what a model learnt; a reason is read by a
person, who can act only on a fact that is unusual here. So what is *weak* (below ``WEAK``
log-odds), *empty* (not known, or a rate behind which nothing was inspected) or *usual* (reads like
what is usual, or is true of most) is no reason, whatever its contribution.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from math import isnan

from engine.explanation.message_templates import CODE_UNITS
from engine.explanation.messages import render_amount
from engine.ports import Contribution
from features.catalogue.spec import Feature, Read
from models.explanation.feature_topics import topic
from models.explanation.feature_wording import word_feature

WEAK = 0.1
"""Log-odds below which no decision would change: a tenth of the odds."""
NEAR = 0.10
"""A fact within this part of what is usual reads like it."""
MOST = 0.5
"""A circumstance of more vehicles than this share is no distinction."""
OWN_PART = 0.25
"""A fact speaks for its topic where it bears this part of the topic's contribution at least."""


class Grade(IntEnum):
    """What a contribution is worth as a reason."""

    TELLING = 0
    WEAK = 1
    """Unusual, and of little weight."""
    USUAL = 2
    """Reads like what is usual, or nothing usual is known to compare it with."""
    EMPTY = 3
    """Nothing is known, or nothing was inspected."""


class Candidate:
    """One topic with the fact that speaks for it, which is chosen and graded when it is asked for.

    Most topics weigh too little to be asked.
    """

    def __init__(
        self,
        members: Sequence[Contribution],
        log_odds: float,
        choose: Callable[[Sequence[Contribution], float], tuple[Contribution, Grade]],
    ) -> None:
        """``choose`` returns the most telling of ``members``, and its grade."""
        self._members = members
        self._choose = choose
        self.log_odds = log_odds
        """Of everything known on the topic, together."""

    @cached_property
    def _chosen(self) -> tuple[Contribution, Grade]:
        return self._choose(self._members, self.log_odds)

    @property
    def spoken(self) -> Contribution:
        """Return the fact."""
        return self._chosen[0]

    @property
    def grade(self) -> Grade:
        """Return what it is worth as a reason."""
        return self._chosen[1]

    @property
    def is_telling(self) -> bool:
        """Tell whether it may be a reason."""
        return abs(self.log_odds) >= WEAK and self.grade is Grade.TELLING


class Eligibility:
    """Grades contributions and joins them by topic."""

    def __init__(self, catalogue: Mapping[str, Feature]) -> None:
        self._topic = {name: topic(feature) or None for name, feature in catalogue.items()}
        self._wording = {name: word_feature(feature) for name, feature in catalogue.items()}
        self._is_rate = {name: f.is_rate for name, f in catalogue.items()}
        self._counts_finds = {name: _counts_finds(feature) for name, feature in catalogue.items()}

    def candidates(self, contributions: Sequence[Contribution]) -> list[Candidate]:
        """Return one candidate a topic, largest contribution first; ties as they were given.

        What no feature of the catalogue made, and what tells no vehicle from another, is left out.
        """
        topics: dict[str, list[Contribution]] = {}
        for one in contributions:
            if (of := self._topic.get(one.feature)) is not None:
                topics.setdefault(of, []).append(one)
        found = [
            Candidate(members, sum([one.log_odds for one in members]), self._choose)
            for members in topics.values()
        ]
        return sorted(found, key=lambda one: -abs(one.log_odds))

    def _choose(self, members: Sequence[Contribution], whole: float) -> tuple[Contribution, Grade]:
        """Return a topic's most telling fact, of those that point its way, and its grade."""
        same_way = [one for one in members if one.log_odds * whole > 0] or list(members)
        bears = abs(whole) * OWN_PART
        heavy = [one for one in same_way if abs(one.log_odds) >= bears] or same_way
        graded = [(self._fact_grade(one), -abs(one.log_odds), at) for at, one in enumerate(heavy)]
        grade, _, at = min(graded)
        if abs(whole) < WEAK:
            grade = max(grade, Grade.WEAK)
        return heavy[at], grade

    def _fact_grade(self, one: Contribution) -> Grade:
        """Grade the fact alone, by its value and what is usual."""
        if self._is_rate[one.feature]:
            return self._rate_grade(one)
        if isnan(one.value):
            return Grade.EMPTY
        is_usual = isnan(one.normal) or self._is_usual(one)
        return Grade.USUAL if is_usual else Grade.TELLING

    def _rate_grade(self, one: Contribution) -> Grade:
        behind = one.evidence
        if behind is None or behind.inspections == 0:
            return Grade.EMPTY
        if isnan(behind.usual):
            return Grade.USUAL
        rate = behind.finds / behind.inspections
        is_higher = rate > behind.usual * (1.0 + NEAR)
        is_lower = rate < behind.usual * (1.0 - NEAR)
        return Grade.TELLING if (is_higher if one.log_odds > 0 else is_lower) else Grade.USUAL

    def _is_usual(self, one: Contribution) -> bool:
        unit = self._wording[one.feature].unit
        if unit in CODE_UNITS:  # a name, of which none is usual
            return True
        if unit == "flag":
            alike = one.normal if one.value >= 0.5 else 1.0 - one.normal
            return alike > MOST
        if self._counts_finds[one.feature] and one.log_odds > 0 and one.value <= one.normal:
            return True  # fewer finds than usual are nothing against anybody
        near = abs(one.value - one.normal) <= NEAR * abs(one.normal)
        return near or render_amount(unit, one.value) == render_amount(unit, one.normal)


def _counts_finds(feature: Feature) -> bool:
    """Tell whether the feature counts finds, of which more can only raise the risk."""
    reads: Iterable[Read] = (item for item in feature.inputs if isinstance(item, Read))
    return any(
        read.stream in ("finds", "passed", "spread") or read.measure in ("hit", "seizure")
        for read in reads
    )
