"""Why is this vehicle near the top? Contributions as sentences with a fact and what is usual.

Assumes contributions in order of their size. A sentence's direction is the sign of its contribution
and nothing else, so a reason never contradicts it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan

from engine.ports import Contribution
from engine.reasons import Reason
from engine.records import Arrival
from features.catalogue import CATALOGUE
from features.definitions import Feature
from models.amounts import CODES, amount
from models.contributions import SMALLEST
from models.norms import among
from models.wording import wording

MOST = 6
FEWEST = 3
"""Reasons a referral is owed."""
A_FAMILY = 2
"""Reasons of one family, while others have something to say: five ways to say the same are one."""
STRONG = 0.7
"""Log-odds that double the odds."""


class Sentences:
    """Turns contributions into reasons, the strongest first."""

    def __init__(self, catalogue: Mapping[str, Feature]) -> None:
        self._family = {name: feature.family for name, feature in catalogue.items()}
        self._wording = {name: wording(feature) for name, feature in catalogue.items()}

    def __call__(
        self, contributions: Sequence[Contribution], arrival: Arrival
    ) -> tuple[Reason, ...]:
        """Return three to six reasons, what raises the risk before what lowers it.

        Of what raises it, a fact that reads like what is usual comes last: a learnt threshold may
        lie between the two, but it gives an officer nothing to go by. Where fewer than three raise
        it, those that lower it fill up to three. At most two come from one family, unless the
        others have nothing left to say; what hardly changes the risk is told only where nothing
        else is left, for three are owed.

        Parameters
        ----------
        contributions : sequence of Contribution
            Largest magnitude first; parts that no feature made are skipped.
        arrival : Arrival
            Vehicles of its class are those compared with, where a contribution names none.
        """
        named = [one for one in contributions if one.feature in self._family]
        spoken = [one for one in named if abs(one.log_odds) > SMALLEST]
        raising = list(self._spread(one for one in spoken if one.log_odds > 0))[:MOST]
        chosen = sorted(raising, key=self._reads_as_usual)
        if len(chosen) < FEWEST:
            chosen = self._filled(chosen, spoken, named)
        others_are = among(arrival.crossing.vehicle_class)
        return tuple(self._reason(one, one.among or others_are) for one in chosen)

    def _filled(
        self,
        chosen: list[Contribution],
        spoken: Sequence[Contribution],
        named: Sequence[Contribution],
    ) -> list[Contribution]:
        """Return three where there are so many: of other families first, then whatever is left."""
        more = [one for one in spoken if one not in chosen]
        chosen = list(self._spread([*chosen, *more]))[:FEWEST]
        for left in (spoken, named):
            chosen = [*chosen, *(one for one in left if one not in chosen)][:FEWEST]
        return chosen

    def _spread(self, contributions: Iterable[Contribution]) -> Iterator[Contribution]:
        """Leave out what repeats a family that has had its say."""
        said: dict[str, int] = {}
        for one in contributions:
            family = self._family[one.feature]
            said[family] = said.get(family, 0) + 1
            if said[family] <= A_FAMILY:
                yield one

    def _reads_as_usual(self, one: Contribution) -> bool:
        unit = self._wording[one.feature].unit
        if unit == "flag" or unit in CODES or isnan(one.value) or isnan(one.normal):
            return False
        return amount(unit, one.value) == amount(unit, one.normal)

    def _reason(self, one: Contribution, others: str) -> Reason:
        fact = self._wording[one.feature].fact(one.value)
        comparison = f"{others}: {self._usual(one)}"
        return Reason(
            code=one.feature,
            text=f"{_direction(one.log_odds)}: {fact} ({comparison}).",
            fact=fact,
            comparison=comparison,
            contribution=one.log_odds,
        )

    def _usual(self, one: Contribution) -> str:
        unit = self._wording[one.feature].unit
        if isnan(one.normal):
            return "nothing usual is known"
        if unit in CODES:
            return "it varies"
        # What is usual of a flag is how many have it.
        if unit == "flag":
            return f"so for {one.normal:.0%}"
        return amount("" if unit == "times" else unit, one.normal)


def _direction(log_odds: float) -> str:
    """Say what a contribution does to the risk, by its sign and size."""
    if abs(log_odds) <= SMALLEST:
        return "Hardly changes the risk"
    strength = " strongly" if abs(log_odds) >= STRONG else ""
    return f"{'Raises' if log_odds > 0 else 'Lowers'} the risk{strength}"


def sentences(contributions: Sequence[Contribution], arrival: Arrival) -> tuple[Reason, ...]:
    """Return contributions of the catalogue's features as reasons, the strongest first."""
    return _OF_CATALOGUE(contributions, arrival)


_OF_CATALOGUE = Sentences(CATALOGUE)
