"""What somebody wrote down beforehand that fits an arrival: profiles and entries of the watch list.

A match stands in the decision by value, with the number of the record that put its profile or entry
into force: what was in force then cannot be read as of a time once it has expired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy import Connection

from engine.ports import FeatureRows
from engine.records import Arrival
from engine.selection import Chance, Channel

WATCHLIST = "watchlist"
"""Purpose of the watch list: it selects whatever it lists, so its number decides nothing."""
Source = Literal["profile", "watchlist"]


@dataclass(frozen=True, slots=True)
class Match:
    """One profile or entry that fits an arrival."""

    source: Source
    code: str
    """The profile's code, or the entry's id."""
    sequence: int
    """The journal's record that put it into force."""
    channel: str
    """Where it sends what it selects."""
    share: float
    """Probability with which it selects what fits it, in (0, 1]."""

    @property
    def purpose(self) -> str:
        """What it draws its number for."""
        return WATCHLIST if self.source == "watchlist" else f"profile:{self.code}"


class Matcher(Protocol):
    """A source of matches."""

    def matches(
        self,
        snapshot: Connection,
        arrivals: Sequence[Arrival],
        rows: FeatureRows,
        *,
        as_of: int,
    ) -> Sequence[Sequence[Match]]:
        """Return, for each arrival, what in force at ``as_of`` (UTC microseconds) fits it."""
        ...


def chances(matches: Sequence[Match]) -> tuple[Chance, ...]:
    """Return what these matches may do to a crossing."""
    return tuple(Chance(m.purpose, Channel.of(m.channel), m.share) for m in matches)
