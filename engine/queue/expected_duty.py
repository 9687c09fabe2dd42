"""Expected duty of a waiting vehicle: its chance of a discrepancy times the duty that one brings.

What a discrepancy brings is learnt from acts that state the duty and fine assessed, by the chapter
of the goods, and leans on the mean of all goods where a chapter has few acts. Acts that state none
teach nothing, so the figure is that of the discrepancies whose duty is stated, 0 included. Sums of
several currencies are not added: the currency of most acts is taken, the others are left out.

The figure is shown beside the rank and ranks nothing.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from engine.decision.inspection_minutes import shrink_mean
from engine.journal.journal import JournalReader
from engine.queue.match_outcomes import ACTS
from engine.queue.queue import DECISIONS
from engine.storage.database import memory_of

NEWEST = 500
"""Acts that teach, the last ones."""
FEWEST = 10
"""With fewer acts in the currency nothing is said."""
PRIOR_ACTS = 10.0
"""Acts that the mean of all goods counts as beside those of a chapter."""
_CHAPTER = 2
"""Digits of an HS code that name its chapter."""


@dataclass(frozen=True, slots=True)
class ExpectedDuty:
    """Duty and fine that a vehicle is expected to bring."""

    amount: float
    """The chance of a discrepancy times ``usual``."""
    currency: str
    usual: float
    """What a discrepancy of such goods brings on average."""
    acts: int
    """On goods of the chapter, in this currency."""


@dataclass(frozen=True, slots=True)
class UsualDuties:
    """What discrepancies brought, as far as acts state it."""

    currency: str = ""
    mean: float = 0.0
    """Of all goods."""
    acts: int = 0
    by_chapter: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Acts and what they brought together, by chapter of the goods."""

    def expect(
        self, arrival: Mapping[str, Any], p_discrepancy: float | None
    ) -> ExpectedDuty | None:
        """Return what an arrival is expected to bring; None without a chance, or with few acts."""
        if p_discrepancy is None or self.acts < FEWEST:
            return None
        acts, brought = self.by_chapter.get(find_chapter(arrival), (0, 0.0))
        usual = shrink_mean(brought, acts, usual=self.mean, prior_acts=PRIOR_ACTS)
        return ExpectedDuty(p_discrepancy * usual, self.currency, usual, acts)


def find_chapter(arrival: Mapping[str, Any]) -> str:
    """Return the HS chapter of the item of most value; empty without a declaration."""
    items = (arrival.get("declaration") or {}).get("items") or ()
    main = max(items, key=lambda item: item.get("customs_value_usd") or 0.0, default=None)
    return "" if main is None else str(main["hs_code"])[:_CHAPTER]


def read_usual_duties(
    connection: Connection,
    *,
    is_seen: Callable[[str | None], bool],
    hidden: Collection[str] = (),
) -> UsualDuties:
    """Return what the last acts teach; acts of agencies and posts that are hidden teach nothing."""
    query = (
        select(ACTS.c.seq, ACTS.c.agency, ACTS.c.duty, ACTS.c.currency, DECISIONS.c.seq)
        .join(DECISIONS, DECISIONS.c.crossing_id == ACTS.c.crossing_id)
        .where(ACTS.c.currency.is_not(None), DECISIONS.c.post.not_in(hidden))
        .order_by(ACTS.c.seq.desc(), DECISIONS.c.seq.desc())
        .limit(NEWEST)
    )
    acts = {act: row for act, *row in reversed(connection.execute(query).all()) if is_seen(row[0])}
    if not acts:
        return UsualDuties()
    stated_in = Counter(row[2] for row in acts.values())
    currency = max(sorted(stated_in), key=lambda code: stated_in[code])
    chapters = _read_chapters(connection, {row[3] for row in acts.values()})
    of: dict[str, list[float]] = defaultdict(list)
    for _, duty, stated, decision in acts.values():
        if stated == currency:
            of[chapters[decision]].append(duty)
    every = [duty for some in of.values() for duty in some]
    brought = {chapter: (len(some), math.fsum(some)) for chapter, some in of.items()}
    return UsualDuties(currency, math.fsum(every) / len(every), len(every), brought)


def _read_chapters(connection: Connection, decisions: Collection[int]) -> Mapping[int, str]:
    """Return the chapter of each decision's goods; each record is read once by a process."""
    known: dict[int, str] = memory_of(connection).setdefault("chapters", {})
    bodies = JournalReader(connection).bodies(sorted(set(decisions) - known.keys()))
    for one in set(decisions) - known.keys():
        known[one] = find_chapter(bodies.get(one, {}).get("arrival", {}))
    return known
