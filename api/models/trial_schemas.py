"""Answers about a trial of two models as data: what OpenAPI says of them."""

from dataclasses import dataclass
from datetime import datetime

from api.http.schema_base import Described
from engine.selection.champion_challenger import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSide(Described):
    """Vehicles that one side of a trial alone wanted, and that it led."""

    sent: int
    """To officers: all of them."""
    searched: int
    """By an act that could have found something."""
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSides(Described):
    """Both sides of a trial."""

    champion: TrialSide
    challenger: TrialSide


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialCount(Described):
    """Searches of one side in one week."""

    finds: int
    clear: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialWeek(Described):
    """One week of a trial, by when it became known what a vehicle carried."""

    champion: TrialCount
    challenger: TrialCount


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialMeasured(Described):
    """What both sides found so far."""

    at: datetime
    by: str
    since: datetime
    until: datetime
    sides: TrialSides
    """With the week that is not over."""
    weeks: list[TrialWeek]
    """Those that are over, the first one first; older ones weigh less."""
    better: float
    """Chance that what the challenger alone wants holds more finds."""
    winner: Side | None
    """Null while that is not decided. Putting a challenger into force is for two people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTrial(Described):
    """Two models that share what the score may pick."""

    champion: str
    challenger: str
    sequence: int
    """The journal's record that began the trial."""
    share: float
    """Probability with which the challenger leads an arrival; one half until it is measured."""
    measured: TrialMeasured | None
