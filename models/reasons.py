"""Why is this vehicle near the top? Contributions as sentences with a fact and what is usual.

Assumes the catalogue's metadata: each feature's unit, meaning and family. A sentence's direction is
the sign of its contribution and nothing else, so a reason never contradicts it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from typing import Protocol

from engine.ports import Contribution
from engine.reasons import Reason
from engine.records import Arrival
from features.catalogue import CATALOGUE

MOST = 6
FEWEST = 3
"""Reasons a referral is owed."""
A_FAMILY = 2
"""Most reasons of one family: five ways to say the same are one reason."""
SMALLEST = 0.02
"""Log-odds below which a contribution moves no chance that anybody could notice."""
_IN_THE_MEANING = frozenset({"", "events", "ratio", "hour of day", "0 is Monday", "chapter"})
"""Units that the meaning says already."""


class Described(Protocol):
    """What the catalogue says of a feature."""

    @property
    def unit(self) -> str:
        """Such as ``kg``, ``share``, ``flag`` or ``events``."""
        ...

    @property
    def meaning(self) -> str:
        """What it counts or compares, without its value."""
        ...

    @property
    def family(self) -> str:
        """What kind of fact it is."""
        ...


class Sentences:
    """Turns contributions into reasons, the strongest first."""

    def __init__(self, catalogue: Mapping[str, Described]) -> None:
        self._catalogue = catalogue

    def __call__(
        self, contributions: Sequence[Contribution], arrival: Arrival
    ) -> tuple[Reason, ...]:
        """Return three to six reasons, what raises the risk before what lowers it.

        Parameters
        ----------
        contributions : sequence of Contribution
            Largest magnitude first; parts that no feature made are skipped.
        arrival : Arrival
            Its vehicle class and post are what is compared with.
        """
        named = [one for one in contributions if one.feature in self._catalogue]
        raising = list(self._spread(one for one in named if one.log_odds > SMALLEST))[:MOST]
        chosen = raising
        if len(raising) < FEWEST:
            others = (one for one in named if one not in raising)
            chosen = (raising + list(self._spread(others)))[:FEWEST]
        if len(chosen) < FEWEST:
            chosen += [one for one in named if one not in chosen][: FEWEST - len(chosen)]
        name = arrival.crossing.vehicle_class.replace("_", " ")
        among = f"{name}es" if name.endswith("s") else f"{name}s"
        return tuple(self._reason(one, among) for one in chosen)

    def _spread(self, contributions: Iterable[Contribution]) -> Iterator[Contribution]:
        """Leave out what repeats a family that has had its say."""
        said: dict[str, int] = {}
        for one in contributions:
            family = self._catalogue[one.feature].family
            said[family] = said.get(family, 0) + 1
            if said[family] <= A_FAMILY:
                yield one

    def _reason(self, one: Contribution, among: str) -> Reason:
        described = self._catalogue[one.feature]
        fact = _fact(described, one.value)
        usual = "others" if among == "others" else f"{among} found clear"
        comparison = (
            f"nothing usual is known for {usual}"
            if isnan(one.normal)
            else f"usual for {usual}: {_amount(described, one.normal)}"
        )
        return Reason(
            code=one.feature,
            text=f"{_direction(one.log_odds)}: {fact} ({comparison}).",
            fact=fact,
            comparison=comparison,
            contribution=one.log_odds,
        )


def _direction(log_odds: float) -> str:
    """Say what a contribution does to the risk, by its sign and size."""
    if abs(log_odds) <= SMALLEST:
        return "Hardly changes the risk"
    strength = " strongly" if abs(log_odds) >= 0.7 else ""
    return f"{'Raises' if log_odds > 0 else 'Lowers'} the risk{strength}"


def _fact(described: Described, value: float) -> str:
    return f"{described.meaning}: {_amount(described, value)}"


def _amount(described: Described, value: float) -> str:
    """Return a value with its unit, as an officer would say it."""
    if isnan(value):
        return "not known"
    match described.unit:
        case "flag":
            return "yes" if value >= 0.5 else "no"
        case "share":
            return f"{value:.1%}"
        case "microseconds":
            return f"{_number(value / 3.6e9)} hours"
        case unit if unit in _IN_THE_MEANING or unit.endswith(" per n"):
            return _number(value)
        case unit:
            return f"{_number(value)} {unit}"


def _number(value: float) -> str:
    """Return a number with three figures at least, and no more digits than it needs."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def sentences(contributions: Sequence[Contribution], arrival: Arrival) -> tuple[Reason, ...]:
    """Return contributions of the catalogue's features as reasons, the strongest first."""
    return _OF_CATALOGUE(contributions, arrival)


_OF_CATALOGUE = Sentences(CATALOGUE)
