"""Team that inspects a vehicle: drawn at random from the roster, so that none can be chosen.

A team that a driver can count on, or an officer who can pick his vehicles, is what a bribe needs.
The number comes from the shift's committed seed, with a purpose of its own: it is drawn again by
``verify`` once the seed is revealed. Who did inspect is kept with the act; where that is another
team than the one drawn, the integrity report counts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

TEAM = "team"
"""Purpose of the number that assigns a team."""


@dataclass(frozen=True, slots=True)
class Handling:
    """Who reports an act or a release."""

    person: str
    """A key's or a user's name."""
    team: str | None = None
    """Who did it, where the reporter says so; else it is taken for the team that was drawn."""
    agency: str | None = None
    """The agency for which the reporter acts; None without one."""


def assign_team(teams: Sequence[str], drawn: float) -> str | None:
    """Return the team that a number in [0, 1) assigns, each alike; None where there is none."""
    return teams[int(drawn * len(teams))] if teams else None
