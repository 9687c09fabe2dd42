"""Contributions as sentences: why this vehicle is near the top, with the fact and what is usual.

What may become a reason is decided in :mod:`models.explanation.reason_eligibility`. A sentence's
direction is the sign of its contribution and nothing else, so a reason never contradicts it.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from engine.domain.records import Arrival
from engine.explanation.messages import Message
from engine.explanation.reasons import Reason, make_reason, make_whole_reason
from engine.ports import Contribution, Evidence
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.spec import Feature
from models.explanation.feature_wording import word_feature
from models.explanation.reason_eligibility import WEAK, Candidate, Eligibility, Grade

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
        elapsed = [one.value for one in contributions if one.feature in self._elapsed]
        reasons = [self._reason(one, vehicle_class, elapsed) for one in (*raising, *lowering)]
        if not raising:
            reasons.insert(0, self._small_signs(found, elapsed))
        elif len(reasons) < FEWEST:
            reasons.append(NOTHING_ELSE)
        if missing := max(0, FEWEST - len(reasons)):
            rest = [one for one in found if not one.is_telling]
            filling = sorted(rest, key=lambda one: (one.grade, one.log_odds < 0))[:missing]
            reasons += [self._reason(one, vehicle_class, elapsed) for one in filling]
        return tuple(reasons)

    def _reason(self, one: Candidate, vehicle_class: str, elapsed: Sequence[float]) -> Reason:
        spoken, behind = one.spoken, one.spoken.evidence
        fact = self._fact(spoken, elapsed)
        if spoken.feature in self._rates:
            parameters = _usual_finds(behind or _NONE)
        else:
            parameters = _usual_value(spoken, vehicle_class)
        parameters |= {**fact.parameters, "strength": _strength(one)}
        return make_reason(spoken.feature, Message(fact.id, parameters), one.log_odds)

    def _fact(self, spoken: Contribution, elapsed: Sequence[float]) -> Message:
        """Return what a feature says of this vehicle, compared with nothing."""
        wording = self._wording[spoken.feature]
        if spoken.feature in self._rates:
            behind = spoken.evidence or _NONE
            return wording.count_message(behind.finds, behind.inspections)
        fact = wording.message(spoken.value)
        party = spoken.evidence.party if spoken.evidence else ""
        if party and wording.of_party and fact.id == wording.known:
            return Message(wording.of_party, {**fact.parameters, "whom": [party]})
        if fact.id == "paired_sooner_share" and elapsed and not isnan(elapsed[0]):
            return Message("paired_transit", {**fact.parameters, "elapsed": elapsed[0]})
        return fact

    def _small_signs(self, found: Sequence[Candidate], elapsed: Sequence[float]) -> Reason:
        """State that no single circumstance stands out, what small ones come to, and the largest.

        The largest is named because this sentence would read the same for every such vehicle.
        Parameter ``is_outweighed`` tells whether more lowers the risk than raises it.
        """
        small = [one for one in found if one.grade is Grade.WEAK and one.log_odds > 0]
        together = sum(one.log_odds for one in small)
        if len(small) < TOGETHER or together < WEAK:
            return NOTHING_STANDS_OUT
        largest = self._fact(small[0].spoken, elapsed)
        figures = [largest.as_dict()]
        is_outweighed = sum(one.log_odds for one in found) <= 0.0
        parameters = {"signs": len(small), "figures": figures, "is_outweighed": is_outweighed}
        message = Message("small_signs_led", parameters)
        return make_whole_reason(message, together, code="small_signs")


_ELAPSED = "paired_elapsed"
_NONE = Evidence(0, 0, float("nan"), is_of_post=False)


def _usual_finds(behind: Evidence) -> dict[str, Any]:
    """Return how often inspections find something, a share, and where."""
    if isnan(behind.usual):
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
