"""Minutes of a post's running shift: what the queue, the shift report and the network state.

Used are the minutes of the acts filed in the shift, as corrections state them now, or the expected
minutes of a vehicle whose act states none. Needed are those expected of what waits. Minutes that
nobody can work before the shift ends are lost. The three and what is left add up to the roster, if
the acts took no more than that.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, select

from engine.domain.network import Network
from engine.domain.shift_plan import ShiftPeriod
from engine.domain.time_units import MINUTE
from engine.queue.match_outcomes import ACTS
from engine.queue.queue import DECISIONS, WaitingCount
from engine.selection import INSPECTED, Channel
from engine.shifts.period_counts import Span, join_decisions
from engine.shifts.workload import METHODS, read_roster


@dataclass(frozen=True, slots=True)
class ChannelMinutes:
    """Minutes of one channel of officers in a running shift."""

    roster: float | None
    """None if no roster bounds them."""
    used: float
    needed: float
    """Expected of all vehicles that wait, also of those for which no time is left."""
    workable: float = math.inf
    """Minutes that can be worked before the shift ends."""

    @property
    def free(self) -> float:
        """Minutes for what waits and what will come; infinite without a roster."""
        return math.inf if self.roster is None else min(self._unused, self.workable)

    @property
    def lost(self) -> float:
        """Minutes of the roster that are not used when the shift ends."""
        return max(self._unused - self.workable, 0.0)

    @property
    def left(self) -> float | None:
        """Minutes for arrivals to come; negative where they are missing, None without a roster."""
        return None if self.roster is None else self.free - self.needed

    @property
    def _unused(self) -> float:
        return 0.0 if self.roster is None else max(self.roster - self.used, 0.0)


def read_minutes(
    connection: Connection,
    shift: ShiftPeriod,
    network: Network,
    waiting: Mapping[Channel, WaitingCount],
    *,
    now: int,
) -> dict[Channel, ChannelMinutes]:
    """Return the minutes of a running shift, of red first; ``waiting`` is its post's queue."""
    hands = read_roster(connection, shift.post, network)
    used = sum_used_minutes(connection, Span(shift.post, shift.opens_at, shift.closes_at))
    found = {}
    for channel in reversed(INSPECTED):
        known = [hands.minutes[method] for method in METHODS[channel] if method in hands.minutes]
        roster = sum(known) if known else None
        found[channel] = ChannelMinutes(
            roster,
            used.get(channel, 0.0),
            waiting[channel].minutes if channel in waiting else 0.0,
            bound_workable(roster or 0.0, shift, teams=len(hands.teams), now=now),
        )
    return found


def bound_workable(roster: float, shift: ShiftPeriod, *, teams: int, now: int) -> float:
    """Return how many minutes of a channel can be worked before its shift ends.

    Whole minutes of the clock, so that two readers of one minute state the same. As many people
    work at once as the minutes of the roster need, or as there are teams.
    """
    at_once = max(teams, math.ceil(roster * MINUTE / (shift.closes_at - shift.opens_at)), 1)
    return float(at_once * (max(shift.closes_at - now, 0) // MINUTE))


def sum_used_minutes(connection: Connection, span: Span) -> dict[Channel, float]:
    """Return the minutes of the acts filed in a period at a post, by the channel they answered."""
    minutes = func.coalesce(func.nullif(ACTS.c.minutes, 0.0), DECISIONS.c.minutes)
    query: Select[Any] = select(DECISIONS.c.channel, func.sum(minutes)).select_from(ACTS)
    query = join_decisions(connection, query, span).group_by(DECISIONS.c.channel)
    return {Channel(code): total for code, total in connection.execute(query)}
