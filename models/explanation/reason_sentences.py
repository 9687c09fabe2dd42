"""Contributions as sentences: why this vehicle is near the top, with the fact and what is usual.

What may become a reason is decided in :mod:`models.explanation.reason_eligibility`. A sentence's
direction is the sign of its contribution and nothing else, so a reason never contradicts it.
"""

from collections.abc import Mapping, Sequence
from math import isnan

from engine.domain.records import Arrival
from engine.explanation.reasons import Reason
from engine.ports import Contribution, Evidence
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.spec import Feature, Read
from models.explanation.feature_wording import word_feature
from models.explanation.reason_eligibility import WEAK, Candidate, Eligibility, Grade
from models.explanation.units import CODES, amount, number
from models.explanation.usual_values import among

MOST = 6
FEWEST = 3
"""Reasons a referral is owed."""
TOGETHER = 2
"""Small signs that come to something together."""
STRONG = 0.7
"""Log-odds that double the odds."""
NOTHING_STANDS_OUT = Reason(
    code="no_single_circumstance",
    text="No single circumstance stands out.",
    fact="no single circumstance stands out",
    comparison="",
    contribution=0.0,
    message="no_single_circumstance",
)
NOTHING_ELSE = Reason(
    code="nothing_else_stands_out",
    text="Nothing else stands out.",
    fact="nothing else stands out",
    comparison="",
    contribution=0.0,
    message="nothing_else_stands_out",
)


class Sentences:
    """Turns contributions into reasons, the strongest first."""

    def __init__(self, catalogue: Mapping[str, Feature]) -> None:
        self._eligibility = Eligibility(catalogue)
        self._wording = {name: word_feature(feature) for name, feature in catalogue.items()}
        self._measure = {
            name: item.measure
            for name, feature in catalogue.items()
            if feature.operator == "rate" and isinstance(item := feature.inputs[0], Read)
        }

    def __call__(
        self, contributions: Sequence[Contribution], arrival: Arrival
    ) -> tuple[Reason, ...]:
        """Return three to six reasons, one a subject: what raises the risk, then what lowers it.

        One that lowers it has its place wherever there is any. Where fewer than three may be
        reasons, a sentence says so before weak signs, and then what is not known, fill up to three.

        Parameters
        ----------
        contributions : sequence of Contribution
            Largest magnitude first; parts that no feature made are skipped.
        arrival : Arrival
            Vehicles of its class are those compared with, where a contribution names none.
        """
        found = self._eligibility.candidates(contributions)
        others = among(arrival.crossing.vehicle_class)
        telling = [one for one in found if one.grade is Grade.TELLING]
        raising = [one for one in telling if one.log_odds > 0][: MOST - 1]
        room = max(1, FEWEST - len(raising)) if raising else 1
        lowering = [one for one in telling if one.log_odds < 0][:room]
        reasons = [self._reason(one, others) for one in (*raising, *lowering)]
        if not raising:
            reasons.insert(0, _small_signs(found))
        elif len(reasons) < FEWEST:
            reasons.append(NOTHING_ELSE)
        rest = [one for one in found if one.grade is not Grade.TELLING]
        filling = sorted(rest, key=lambda one: (one.grade, one.log_odds < 0))
        missing = max(0, FEWEST - len(reasons))
        return (*reasons, *(self._reason(one, others) for one in filling[:missing]))

    def _reason(self, one: Candidate, others: str) -> Reason:
        spoken, behind = one.spoken, one.spoken.evidence
        value = self._wording[spoken.feature]
        parameters: dict[str, float] = {}
        measure = self._measure.get(spoken.feature)
        if measure is not None:
            behind = behind or _NONE
            fact = value.counted(behind.finds, behind.inspections)
            comparison = _usual_finds(behind)
            if behind.inspections:
                parameters = _parameters(behind)
        else:
            fact = value.fact(spoken.value)
            comparison = f"{spoken.among or others}: {self._usual(spoken)}"
        return Reason(
            code=spoken.feature,
            text=_text(one, fact, comparison),
            fact=fact,
            comparison=comparison,
            contribution=one.log_odds,
            message=f"inspections_{measure}" if parameters else "",
            parameters=parameters,
        )

    def _usual(self, one: Contribution) -> str:
        unit = self._wording[one.feature].unit
        if isnan(one.normal):
            return "nothing usual is known"
        if unit in CODES:
            return "it varies"
        if unit == "flag":  # of how many the fact as it is stated is true: a flag may be off
            return f"so for {one.normal if one.value >= 0.5 else 1.0 - one.normal:.0%}"
        return amount("" if unit == "times" else unit, one.normal)


def _small_signs(found: Sequence[Candidate]) -> Reason:
    """Say that no single circumstance stands out, and what small ones come to together."""
    small = [one.log_odds for one in found if one.grade is Grade.WEAK and one.log_odds > 0]
    if len(small) < TOGETHER or sum(small) < WEAK:
        return NOTHING_STANDS_OUT
    signs = f"{len(small)} small signs"
    return Reason(
        code="small_signs",
        text=f"No single circumstance stands out; {signs} together raise the risk.",
        fact=f"{signs} together",
        comparison="no single circumstance stands out",
        contribution=sum(small),
        message="small_signs",
        parameters={"signs": len(small)},
    )


_NONE = Evidence(0, 0, float("nan"), is_of_post=False)


def _parameters(behind: Evidence) -> dict[str, float]:
    found: dict[str, float] = {"finds": behind.finds, "inspections": behind.inspections}
    return found if isnan(behind.usual) else found | {"usual": behind.usual}


def _usual_finds(behind: Evidence) -> str:
    """Say how often inspections find something, of a hundred."""
    if isnan(behind.usual):
        return "nothing usual is known"
    where = "at this post" if behind.is_of_post else "at all posts"
    return f"usual {where}: {number(round(100.0 * behind.usual, 1))} in 100"


def _text(one: Candidate, fact: str, comparison: str) -> str:
    if one.grade is Grade.TELLING:
        return f"{_direction(one.log_odds)}: {fact} ({comparison})."
    if one.grade is not Grade.EMPTY:
        return f"Weak sign: {fact} ({comparison})."
    return f"Nothing to go by: {fact}."


def _direction(log_odds: float) -> str:
    """Say what a contribution does to the risk, by its sign and size."""
    strength = " strongly" if abs(log_odds) >= STRONG else ""
    return f"{'Raises' if log_odds > 0 else 'Lowers'} the risk{strength}"


def sentences(contributions: Sequence[Contribution], arrival: Arrival) -> tuple[Reason, ...]:
    """Return contributions of the catalogue's features as reasons, the strongest first."""
    return _OF_CATALOGUE(contributions, arrival)


_OF_CATALOGUE = Sentences(CATALOGUE)
