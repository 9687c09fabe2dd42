"""What each rule did, alone and together with others, since a time.

A vehicle counts once for each rule that matched it. Rules are compared on the vehicles that they
matched; the score stands for the vehicles that it alone picked, because a decision's basis names a
profile or an entry before it. Known lawful trade selects nothing: it makes no other rule one of
several, and stands alone where no other rule matched the vehicle. A rule *missed* a find where it
matched the vehicle, nobody searched it, and a later find was linked to the crossing. Acts and posts
that a reader does not see are left out of every sum.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Integer, func, literal, select

from engine.domain.time_units import DAY
from engine.journal.journal import JOURNAL
from engine.queue.match_outcomes import (
    FindGravity,
    OutcomeFilter,
    join_acts,
    list_seen_agencies,
    select_matches,
)
from engine.queue.queue import DECISIONS
from engine.storage.database import at_posts


@dataclass(slots=True, kw_only=True)
class RuleFigures:
    """What became of the vehicles that one rule matched."""

    matches: int = 0
    alone: int = 0
    """Matched by no other rule."""
    shared: int = 0
    searches: int = 0
    """By an act that could have found something, whatever selected the vehicle."""
    finds: int = 0
    finds_alone: int = 0
    """Finds on vehicles that no other rule matched."""
    missed: int = 0
    """Matched, searched by nobody, and a later find was linked to the crossing."""
    minutes: float = 0.0


@dataclass(slots=True)
class _Vehicle:
    is_searched: bool = False
    is_hit: bool = False
    minutes: float = 0.0


def read_rule_figures(
    connection: Connection,
    rule_of: Mapping[str, str],
    *,
    score: str,
    since: int,
    seen: OutcomeFilter,
    gravity: FindGravity,
    lanes: Collection[str] = (),
) -> dict[str, RuleFigures]:
    """Return the figures of each rule that matched anything.

    Parameters
    ----------
    connection : Connection
    rule_of : mapping of str to str
        The rule of each code of a profile or an entry; other codes are left out.
    score : str
        The rule that stands for the score.
    since : int
        UTC microseconds.
    seen : OutcomeFilter
        What the reader sees.
    gravity : FindGravity
        Finds that were reported, as the reader sees them.
    lanes : collection of str
        Rules that stand for known lawful trade.
    """
    agencies = list_seen_agencies(connection, seen)
    vehicles: dict[str, dict[str, _Vehicle]] = defaultdict(dict)
    column = DECISIONS.c
    picked = select(
        literal(score).label("code"),
        column.crossing_id,
        (func.min(column.known_at) // DAY).label("day"),
        literal(1, Integer).label("selected"),
    ).where(
        column.basis == "score",
        column.known_at >= since,
        *at_posts(column.post, seen.post, seen.hidden_posts),
    )
    recent = select_matches(seen).where(JOURNAL.c.known_at >= since)
    known = {**rule_of, score: score}
    for matched in (recent, picked.group_by(column.crossing_id)):
        for row in connection.execute(select(join_acts(matched, agencies))):
            if row.code in known:
                one = vehicles[row.crossing_id].setdefault(known[row.code], _Vehicle())
                one.is_searched |= bool(row.inspected)
                one.is_hit |= bool(row.hit)
                one.minutes = max(one.minutes, row.minutes)
    return _sum_up(vehicles, gravity, frozenset(lanes))


def _sum_up(
    vehicles: Mapping[str, Mapping[str, _Vehicle]], gravity: FindGravity, lanes: frozenset[str]
) -> dict[str, RuleFigures]:
    found: dict[str, RuleFigures] = defaultdict(RuleFigures)
    for crossing_id, rules in vehicles.items():
        selecting = rules.keys() - lanes
        for rule, one in rules.items():
            is_alone = selecting <= {rule}
            sums = found[rule]
            sums.matches += 1
            sums.alone += is_alone
            sums.shared += not is_alone
            sums.searches += one.is_searched
            sums.finds += one.is_hit
            sums.finds_alone += one.is_hit and is_alone
            is_let_go = not (one.is_searched or one.is_hit)
            sums.missed += is_let_go and bool(gravity.list_goods(crossing_id))
            sums.minutes += one.minutes
    return dict(found)
