"""Entities linked to a vehicle and its parties, for display.

The links are those along which hits are passed on (:mod:`features.online.entity_links`), with the
same bound: other drivers of the vehicle, other vehicles of its driver, other consignees of its
carrier, and so on, known strictly before a time. A linked entity is known by its key and by the
time of the crossing that linked it, at which the records hold its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from features.catalogue.event_streams import CROSSINGS, INSPECTIONS, PASSED
from features.catalogue.plan import Group
from features.catalogue.spec import FAN_OUT
from features.online.entity_history import EntityHistoryReader
from features.online.entity_links import LinkLookup, follow_link, ways

SHOWN = 3
"""Entities shown of one link: those with most finds first, then those linked last."""


@dataclass(frozen=True, slots=True)
class LinkedEntity:
    """A linked entity, and what was known of it."""

    key: int
    since: int
    """When the link became known, UTC microseconds."""
    crossings: int
    inspected: int
    hits: int


@dataclass(frozen=True, slots=True)
class LinkGroup:
    """All that are linked to a crossing in one way."""

    via: str
    """The crossing's own entity that links them."""
    to: str
    """Kind of the linked entities."""
    known: int
    """How many of the last ``FAN_OUT`` linked."""
    is_bounded: bool
    """There may be more: the bound was reached."""
    passed: int
    """Hits that came along these links to the crossing's own ``to``, ever."""
    fellows: tuple[LinkedEntity, ...]


@dataclass(frozen=True, slots=True)
class CoOccurrence:
    """Two entities of the crossing, and how often they had crossed together before."""

    one: str
    other: str
    crossings: int


def read_link_groups(
    reader: EntityHistoryReader, connection: Connection, keys: Sequence[int], *, as_of: int
) -> list[LinkGroup]:
    """Return the entities linked to those of a crossing.

    Parameters
    ----------
    reader : EntityHistoryReader
    connection : Connection
        Holds one snapshot.
    keys : sequence of int of shape (n_lookups,)
        Keys of the crossing, in the plan's order; 0 where not known.
    as_of : int
        UTC microseconds; a link known at or after it is not seen.

    Returns
    -------
    list of LinkGroup
        Links whose ``via`` is not known are absent.
    """
    found = []
    for way in ways(reader.plan):
        if not keys[way.via]:
            continue
        others = follow_link(connection, way, keys, before=as_of)
        fellows = _fellows(reader, connection, way, others, as_of=as_of)
        passed = 0
        if keys[way.to]:
            asked = [(Group(PASSED.name, (way.link.to,)), keys[way.to], as_of)]
            passed = reader.read_sums(connection, asked)[0][way.link.measure]
        link, many = way.link, len(others) == FAN_OUT
        found.append(LinkGroup(link.via, link.to, len(others), many, passed, fellows[:SHOWN]))
    return found


def count_co_occurrences(
    reader: EntityHistoryReader, connection: Connection, keys: Sequence[int], *, as_of: int
) -> list[CoOccurrence]:
    """Return how often pairs of a crossing's entities had crossed together; unknown pairs absent.

    ``keys`` and ``as_of`` are those of :func:`read_link_groups`.
    """
    pairs = sorted({way.link.pair for way in ways(reader.plan)})
    known = [pair for pair in pairs if reader.key(keys, *pair)]
    asked = [(Group(CROSSINGS.name, pair), reader.key(keys, *pair), as_of) for pair in known]
    counts = reader.read_sums(connection, asked)
    return [
        CoOccurrence(one, other, sums["n"])
        for (one, other), sums in zip(known, counts, strict=True)
    ]


def _fellows(
    reader: EntityHistoryReader,
    connection: Connection,
    way: LinkLookup,
    others: Sequence[tuple[int, int]],
    *,
    as_of: int,
) -> tuple[LinkedEntity, ...]:
    asked = [
        (Group(stream, (way.link.to,)), key, as_of)
        for key, _ in others
        for stream in (CROSSINGS.name, INSPECTIONS.name)
    ]
    sums = reader.read_sums(connection, asked)
    made = [
        LinkedEntity(key, since, sums[2 * at]["n"], sums[2 * at + 1]["n"], sums[2 * at + 1]["hit"])
        for at, (key, since) in enumerate(others)
    ]
    return tuple(sorted(made, key=lambda one: -one.hits))  # stable: those linked last stay first
