"""Links between entities, along which hits are passed on.

Two entities are linked by the first crossing of both. Links are stored in the order of their time,
so that the entities that receive a hit are one seek; hits are rare, and each seeks once a kind of
link.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, bindparam, select

from engine.storage.database import insert_rows
from features.catalogue.plan import Plan
from features.catalogue.spec import FAN_OUT, Link
from features.online.crossing_index import LINKS

Row = tuple[int, int, int, int]
"""(number of the way, key of ``via``, known_at, key of ``to``)."""


@dataclass(frozen=True, slots=True)
class LinkLookup:
    """Kind of link, and the positions of its keys among those of a crossing."""

    number: int
    link: Link
    via: int
    to: int
    pair: int


def ways(plan: Plan) -> list[LinkLookup]:
    """Return the ways on which hits are passed on by the features of a plan."""
    return [
        LinkLookup(
            number,
            link,
            via=plan.column[(link.via,), (link.via,)],
            to=plan.column[(link.to,), (link.to,)],
            pair=plan.column[link.pair, link.pair],
        )
        for number, link in enumerate(plan.links)
    ]


_FOLLOWED = (
    select(LINKS.c.other, LINKS.c.known_at)
    .where(LINKS.c.way == bindparam("way"), LINKS.c.via == bindparam("via"))
    .where(LINKS.c.known_at < bindparam("before"), LINKS.c.other != bindparam("own"))
    .order_by(LINKS.c.known_at.desc(), LINKS.c.other.desc())
    .limit(FAN_OUT)
)


def follow_link(
    connection: Connection, way: LinkLookup, keys: Sequence[int], *, before: int
) -> list[tuple[int, int]]:
    """Return (key, since) of what a hit on a crossing with these keys is passed on to by one link.

    At most ``FAN_OUT`` keys, those linked last first, linked strictly before; not its own.
    """
    if not keys[way.via]:
        return []
    asked = {"way": way.number, "via": keys[way.via], "before": before, "own": keys[way.to]}
    return [(row.other, row.known_at) for row in connection.execute(_FOLLOWED, asked)]


def keep(connection: Connection, rows: Iterable[Row]) -> None:
    """Keep new links."""
    pending = iter(rows)
    while chunk := list(islice(pending, 50_000)):
        insert_rows(connection, LINKS, chunk)
