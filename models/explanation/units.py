"""How is an amount said? As an officer would say it, with its unit.

Assumes the units of the catalogue; a unit that nobody wrote down here is said as it is.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import isnan

from engine.domain.time_units import DAY, HOUR, MINUTE

_NOUN: Mapping[str, str] = {
    "line_key": "pair of posts",
    "vin_key": "VIN",
    "plate": "vehicle",
    "hs2": "HS chapter",
    "hs4": "HS heading",
    "hs6": "HS code",
    "hs_number": "HS code",
    "origin": "country of origin",
    "dispatch": "country of dispatch",
    "destination": "country of destination",
    "preference": "tariff preference",
    "rate": "duty rate",
    "mass": "net mass",
    "marking": "origin marking",
    "mode": "mode of transport",
    "payment": "type of payment",
    "nature": "nature of the deal",
    "day_part": "part of the day",
    "weighed_mass_kg": "weighbridge mass",
    "value_per_kg": "declared value per kg",
    "customs_value_usd": "declared value",
    "net_mass_kg": "net mass",
    "is_empty": "said to be empty",
    "hours_late": "time until it was recorded",
}
_ONE: Mapping[str, str] = {
    "items": "item",
    "chapters": "chapter",
    "countries": "country",
    "packages": "package",
    "containers": "container",
    "seals": "seal",
}
"""Units of which there may be one."""
_WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CODES = frozenset({"chapter", "HS number", "0 is Monday"})
"""Units whose numbers are names: none of them is usual."""
_BARE = frozenset({"", "events", "ratio", "hour of day", "chapter", "digits", "hit"})
"""Units that the words say already."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said of a feature; ``{}`` is where the amount goes."""

    said: str
    unit: str
    denied: str = ""
    """Said of a flag that is off."""
    unknown: str = ""

    def counted(self, finds: int, inspections: int) -> str:
        """Return the fact of a rate by the counts behind it, never by the rate itself."""
        if not inspections:
            return self.unknown
        many = "" if inspections == 1 else "s"
        return self.said.format(f"{finds:,} of {inspections:,} inspection{many}")

    def fact(self, value: float) -> str:
        """Return the feature's fact, with its value."""
        if isnan(value):
            return self.unknown or self.said.replace("{}", "not known")
        if self.denied and value < 0.5:
            return self.denied
        return self.said.format(amount(self.unit, value))


def amount(unit: str, value: float) -> str:
    """Return a known value with its unit, as an officer would say it."""
    if response := _SAID.get(unit):
        return response(value)
    if unit in _BARE:
        return number(value)
    return f"{number(value)} {_ONE.get(unit, unit) if value == 1 else unit}"


def number(value: float) -> str:
    """Return a number with three figures at least, and no more digits than it needs."""
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{Decimal(f'{value:.3g}'):f}"  # an officer reads no power of ten


def _span(microseconds: float) -> str:
    """Return a length of time in the unit that suits it."""
    for unit, name in ((DAY, "days"), (HOUR, "hours")):
        if abs(microseconds) >= 2 * unit:
            return f"{number(microseconds / unit)} {name}"
    minutes = round(microseconds / MINUTE)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


_SAID: Mapping[str, Callable[[float], str]] = {
    "flag": lambda value: "yes" if value >= 0.5 else "no",
    "share": lambda value: f"{value:.2%}" if 0 < value < 0.01 else f"{value:.1%}",
    "microseconds": _span,
    "days": lambda value: _span(value * DAY),
    "hours": lambda value: _span(value * HOUR),
    "HS number": lambda value: f"{value:06.0f}",
    "0 is Monday": lambda value: _WEEK[round(value) % 7],
    "times": lambda value: {1: "once", 2: "twice"}.get(round(value), f"{number(value)} times"),
}
"""Amounts that are not a number and a unit."""


def noun(name: str) -> str:
    """Return what an entity or a fact is called."""
    return _NOUN.get(name, name.replace("_", " ").removesuffix(" key"))
