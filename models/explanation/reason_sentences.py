"""Contributions as sentences: why this vehicle is near the top, with the fact and what is usual.

A contribution says what a model learnt; a reason is read by a person, who can act only on a fact
that is unusual here. A contribution is no reason, whatever its size, if it is *weak* (below
``WEAK`` log-odds), *empty* (not known, or a rate behind which nothing was inspected) or *usual*
(reads like what is usual, or is true of most). This is decided here alone.

Features that ask the same of one party over two windows share its credit between them: each alone
looks weak, and two of them read like one reason said twice. They are one topic: contributions of a
topic are added up (Shapley values are additive) and one fact speaks for all of them.

A sentence's direction is the sign of its contribution and nothing else, so a reason never
contradicts it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from functools import cached_property
from math import isnan, nan
from typing import Any

from engine.domain.records import Arrival
from engine.explanation.message_templates import CODE_UNITS
from engine.explanation.messages import Message, render_amount
from engine.explanation.reasons import Reason, make_reason, make_whole_reason
from engine.ports import Contribution, Evidence
from features.catalogue.catalogue import CATALOGUE, TRACKED
from features.catalogue.event_streams import STREAMS
from features.catalogue.mirror_features import SHARE
from features.catalogue.spec import Fact, Feature, Read
from models.explanation.feature_wording import word_feature

_PLACE = frozenset({"post", "direction", "pair", "opposite"})
_TIME = frozenset({"hour", "weekday", "night", "day_part", "as_of"})
_GOODS = frozenset(
    {"hs2", "hs4", "hs6", "hs_number", "hs_chapter", "origin", "dispatch", "preference", "rate",
     "mass", "marking", "mode", "duty_rate"}
)  # fmt: skip
_PRECURSOR = frozenset(
    {"precursor", "precursor_heading", "declares_precursor", "declares_table_1_precursor",
     "near_precursor", "precursor_kg"}
)  # fmt: skip
_MASS = frozenset(
    {"weighed_mass_kg", "net_mass_kg", "gross_mass_kg", "weighed_less_gross_kg",
     "mass_per_package", "gross_per_net", "mass_is_whole", "mass_is_round", "packages"}
)  # fmt: skip
_PRICE = frozenset({"customs_value_usd", "value_per_kg", "main_value_share"})
_DECLARED = {
    "invoice_over_value": "invoice", "invoice_per_usd": "invoice",
    "route_countries": "path", "undeclared_countries": "path", "path": "path", "office": "office",
    "package_kind": "packing",
    "previous_documents": "previous documents", "previous_type": "previous documents",
}  # fmt: skip
"""Subject by a fact or an entity of the optional fields."""


def topic(feature: Feature) -> str:
    """Return the subject of a feature; empty where no one vehicle is told apart by it.

    The class of the vehicle, the direction, and what is true of all that arrive at the post in the
    same hour tell nothing about one vehicle.
    """
    if feature.operator in ("matched", "match"):
        return _mirror(feature)
    names = set(_names(feature.inputs)) - {""}
    if any(name.startswith("class_") or name == "is_entry" for name in names):
        return ""
    if names & _PRECURSOR:
        return "precursor"
    if declared := sorted(names & _DECLARED.keys()):
        return _DECLARED[declared[0]]
    if any(isinstance(item, Read) and "pair" in item.of for item in feature.inputs):
        return "paired post"
    facts = {item.name for item in feature.inputs if isinstance(item, Fact)}
    for subject, members in (("price", _PRICE), ("mass", _MASS)):
        if facts & members:
            return subject
    return _of_entities(names)


def _of_entities(names: set[str]) -> str:
    """Return the parties that a feature is about, else the route or the goods."""
    if parties := [party for party in TRACKED if party in names]:
        return "+".join([*parties, *(("goods",) if names & _GOODS else ())])
    if "destination" in names:
        return "route"
    if names & _GOODS:
        return "goods"
    return "+".join(sorted(names - _PLACE - _TIME))


def _mirror(feature: Feature) -> str:
    """Return what is compared with the paired post's record."""
    last = feature.inputs[-1]
    if feature.operator == "match":
        return "transit" if int(feature.parameters[0]) <= SHARE else ""
    fact = last.measure if isinstance(last, Read) else ""
    if fact in ("known_at", "arrived_at", "hours_late"):
        return "transit"
    return f"paired {'mass' if fact in _MASS else fact}"


def _names(inputs: Iterable[Fact | Read]) -> Iterable[str]:
    """Yield the entities that a feature is counted under, and the facts that it reads."""
    for item in inputs:
        if isinstance(item, Fact):
            yield item.name.removesuffix("_key")
            continue
        yield from item.by
        derived = STREAMS[item.stream].derived
        if item.measure in derived:
            yield from derived[item.measure].by
        yield item.measure.removeprefix("via_") if item.measure.startswith("via_") else ""


WEAK = 0.1
"""Log-odds below which no decision would change: a tenth of the odds."""
NEAR = 0.10
"""A fact within this part of what is usual reads like it."""
COMMON = 1 / 3
"""A circumstance of more vehicles than this share is no distinction."""
HABITS = frozenset({"this_post_share", "this_day_part_share"})
"""What a vehicle or party usually does: that it does so again is nothing against anybody."""
SEARCHES = frozenset({"inspected_at_this_post_share", "inspections_count"})
"""Where and how often a vehicle or party was searched, whatever was found."""
FEWEST_USUAL = 0.5
"""Finds that would be usual in a party's inspections before having fewer speaks for the party."""
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
        is_lower &= behind.usual * behind.inspections >= FEWEST_USUAL
        return Grade.TELLING if (is_higher if one.log_odds > 0 else is_lower) else Grade.USUAL

    def _is_usual(self, one: Contribution) -> bool:
        wording = self._wording[one.feature]
        unit = wording.unit
        if unit in CODE_UNITS:  # a name, of which none is usual
            return True
        if wording.known in SEARCHES:
            return True
        if wording.known in HABITS and one.value >= one.normal:
            return True
        if unit == "flag":
            alike = one.normal if one.value >= 0.5 else 1.0 - one.normal
            return alike > COMMON
        if self._counts_finds[one.feature] and (one.value <= one.normal) == (one.log_odds > 0):
            return True  # fewer finds are nothing against anybody, and more are nothing in favour
        near = abs(one.value - one.normal) <= NEAR * abs(one.normal)
        return near or render_amount(unit, one.value) == render_amount(unit, one.normal)


def _counts_finds(feature: Feature) -> bool:
    """Tell whether the feature counts finds, of which more can only raise the risk."""
    reads: Iterable[Read] = (item for item in feature.inputs if isinstance(item, Read))
    return any(
        read.stream in ("finds", "passed", "spread") or read.measure in ("hit", "seizure")
        for read in reads
    )


MOST = 6
FEWEST = 3
"""Reasons a referral is owed."""
TOGETHER = 2
"""Small signs that come to something together."""
STRONG = 0.7
"""Log-odds that double the odds."""
NOTHING_STANDS_OUT = make_whole_reason(Message("no_single_circumstance"))
NOTHING_ELSE = make_whole_reason(Message("nothing_else_stands_out"))


class Sentences:
    """Turns contributions into reasons, the strongest first."""

    def __init__(self, catalogue: Mapping[str, Feature]) -> None:
        self._eligibility = Eligibility(catalogue)
        self._wording = {name: word_feature(feature) for name, feature in catalogue.items()}
        self._elapsed = {name for name, one in self._wording.items() if one.known == _ELAPSED}
        self._rates = {name for name, feature in catalogue.items() if feature.is_rate}

    def __call__(
        self, contributions: Sequence[Contribution], arrival: Arrival
    ) -> tuple[Reason, ...]:
        """Return three to six reasons, one a subject: what raises the risk, then what lowers it.

        One that lowers it has its place wherever there is any. Where fewer than three may be
        reasons, a sentence says so before weak signs, and then what is not known, fill up to three.
        Contributions come largest magnitude first; those that no feature made are skipped. Where
        one names no group, vehicles of the arrival's class are those compared with.
        """
        found = self._eligibility.candidates(contributions)
        vehicle_class = arrival.crossing.vehicle_class
        telling = [one for one in found if one.is_telling]
        raising = [one for one in telling if one.log_odds > 0][: MOST - 1]
        room = max(1, FEWEST - len(raising)) if raising else 1
        lowering = [one for one in telling if one.log_odds < 0][:room]
        values = {one.feature: one.value for one in contributions}
        reasons = [self._reason(one, vehicle_class, values) for one in (*raising, *lowering)]
        if not raising:
            reasons.insert(0, self._small_signs(found, values))
        elif len(reasons) < FEWEST:
            reasons.append(NOTHING_ELSE)
        if missing := max(0, FEWEST - len(reasons)):
            rest = [one for one in found if not one.is_telling]
            filling = sorted(rest, key=lambda one: (one.grade, one.log_odds < 0))[:missing]
            reasons += [self._reason(one, vehicle_class, values) for one in filling]
        return tuple(reasons)

    def _reason(self, one: Candidate, vehicle_class: str, values: Mapping[str, float]) -> Reason:
        spoken, behind = one.spoken, one.spoken.evidence
        fact = self._fact(spoken, values)
        if spoken.feature in self._rates:
            parameters = _usual_finds(behind or _NONE)
        else:
            parameters = _usual_value(spoken, vehicle_class)
        parameters |= {**fact.parameters, "strength": _strength(one)}
        return make_reason(spoken.feature, Message(fact.id, parameters), one.log_odds)

    def _fact(self, spoken: Contribution, values: Mapping[str, float]) -> Message:
        """Return what a feature says of this vehicle, compared with nothing.

        A ratio or a difference is stated as the two amounts that it is made of, where the vehicle's
        own is among ``values``: an officer can check them.
        """
        wording = self._wording[spoken.feature]
        if spoken.feature in self._rates:
            behind = spoken.evidence or _NONE
            return wording.count_message(behind.finds, behind.inspections)
        fact = wording.message(spoken.value)
        party = spoken.evidence.party if spoken.evidence else ""
        if party and wording.of_party and fact.id == wording.known:
            return Message(wording.of_party, {**fact.parameters, "whom": [party]})
        if fact.id == "paired_sooner_share":
            elapsed = [value for name in self._elapsed if not isnan(value := values.get(name, nan))]
            if elapsed:
                return Message("paired_transit", {**fact.parameters, "elapsed": elapsed[0]})
        own = values.get(fact.parameters.get("noun", ""), nan)
        if fact.id in _AMOUNTS and not isnan(own) and spoken.value:
            there = own - spoken.value if fact.id == "paired_less" else own / spoken.value
            unit = CATALOGUE[fact.parameters["noun"]].unit
            both = {"own": own, "there": there, "noun_unit": unit}
            return Message(_AMOUNTS[fact.id], {**fact.parameters, **both})
        return fact

    def _small_signs(self, found: Sequence[Candidate], values: Mapping[str, float]) -> Reason:
        """State that no single circumstance stands out, what small ones come to, and the largest.

        The largest is named because this sentence would read the same for every such vehicle.
        Parameter ``is_outweighed`` tells whether more lowers the risk than raises it.
        """
        small = [one for one in found if one.grade is Grade.WEAK and one.log_odds > 0]
        together = sum(one.log_odds for one in small)
        if len(small) < TOGETHER or together < WEAK:
            return NOTHING_STANDS_OUT
        largest = self._fact(small[0].spoken, values)
        figures = [largest.as_dict()]
        is_outweighed = sum(one.log_odds for one in found) <= 0.0
        parameters = {"signs": len(small), "figures": figures, "is_outweighed": is_outweighed}
        message = Message("small_signs_led", parameters)
        return make_whole_reason(message, together, code="small_signs")


_ELAPSED = "paired_elapsed"
_AMOUNTS = {
    "against_usual": "amount_against_usual",
    "paired_ratio": "paired_amounts",
    "paired_less": "paired_amounts",
}
"""What states both amounts in place of their ratio or difference."""
_NONE = Evidence(0, 0, float("nan"), is_of_post=False)


def _usual_finds(behind: Evidence) -> dict[str, Any]:
    """Return how often inspections find something, a share, and where."""
    if isnan(behind.usual) or not behind.inspections:
        return {"comparison": "usual_unknown"}
    comparison = "usual_finds_at_post" if behind.is_of_post else "usual_finds"
    return {"comparison": comparison, "usual": behind.usual}


def _usual_value(one: Contribution, vehicle_class: str) -> dict[str, Any]:
    """Return what is usual, and among which crossings."""
    among, _, post = (one.among or vehicle_class).partition(" ")
    usual = None if isnan(one.normal) else one.normal
    if not post:
        return {"comparison": "usual_of_class", "among": among, "usual": usual}
    return {"comparison": "usual_of_class_at_post", "among": among, "post": post, "usual": usual}


def _strength(one: Candidate) -> str:
    """Return how the reason presents its fact."""
    if one.grade is Grade.TELLING:
        return _direction(one.log_odds)
    return "nothing_known" if one.grade is Grade.EMPTY else "weak_sign"


def _direction(log_odds: float) -> str:
    """Return what a contribution does to the risk, by its sign and size."""
    strongly = "_strongly" if abs(log_odds) >= STRONG else ""
    return f"{'raises' if log_odds > 0 else 'lowers'}{strongly}"


def sentences(contributions: Sequence[Contribution], arrival: Arrival) -> tuple[Reason, ...]:
    """Return contributions of the catalogue's features as reasons, the strongest first."""
    return _OF_CATALOGUE(contributions, arrival)


_OF_CATALOGUE = Sentences(CATALOGUE)
