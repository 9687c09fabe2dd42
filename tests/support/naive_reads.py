"""Reads as one would count them by hand, event by event: slow, and independent of every engine."""

import math
from collections.abc import Iterator

import numpy as np

from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import CROSSINGS, INSPECTIONS, PASSED
from features.catalogue.plan import Plan
from features.catalogue.spec import FAN_OUT, Link, Read
from features.offline.encoded_history import EncodedHistory, Ints

Counted = tuple[int, int, int, int]
"""(known_at, entity, what it adds, its crossing)."""


def by_hand(log: EncodedHistory, plan: Plan, read: Read, row: int) -> float:
    """One read for one crossing."""
    looked_up = log.keys[plan.column[read.of, read.by], row]
    if looked_up == 0:
        return math.nan
    cut = int(log.as_of[row])
    seen = [
        (known_at, added, owner)
        for known_at, entity, added, owner in list_counted(log, plan, read)
        if entity == looked_up and cut - read.window <= known_at < cut
    ]
    if not read.is_last:
        return float(sum(added for _, added, _ in seen))
    if not seen:
        return math.nan
    if read.measure == "known_at":
        return float(seen[-1][0])
    return float(log.facts[FACTS.index(read.measure), seen[-1][2]])


def list_counted(log: EncodedHistory, plan: Plan, read: Read) -> Iterator[Counted]:
    """All events that a read could count, in the order in which they became known."""
    if read.stream == PASSED.name:
        links = [link for link in PASSED.links if link.to == read.by[0]]
        yield from _list_passed(log, plan, next(x for x in links if x.measure == read.measure))
        return
    events, keys = log.streams[read.stream], log.keys[plan.column[read.by, read.by]]
    is_derived = read.stream == CROSSINGS.name and read.measure in CROSSINGS.derived
    amounts = events.measures.get(read.measure, np.ones(len(events.row), np.int64))
    for at, (known_at, owner) in enumerate(zip(events.known_at, events.row, strict=True)):
        added = _derive_value(log, plan, read.measure, at) if is_derived else int(amounts[at])
        yield int(known_at), int(keys[owner]), added, int(owner)


def _derive_value(log: EncodedHistory, plan: Plan, measure: str, at: int) -> int:
    seen = CROSSINGS.derived[measure]
    keys, now = log.keys[plan.column[seen.by, seen.by]], log.known_at[at]
    had = any(
        keys[other] == keys[at] and now - seen.window <= log.known_at[other] < now
        for other in range(len(log))
    )
    return int(keys[at] != 0 and had == seen.wanted)


def _list_passed(log: EncodedHistory, plan: Plan, link: Link) -> Iterator[Counted]:
    via = log.keys[plan.column[(link.via,), (link.via,)]]
    to = log.keys[plan.column[(link.to,), (link.to,)]]
    acts = log.streams[INSPECTIONS.name]
    for known_at, owner, hit in zip(acts.known_at, acts.row, acts.measures["hit"], strict=True):
        if hit and via[owner]:
            for other in _list_linked(log, via, to, known_at=int(known_at), owner=int(owner)):
                yield int(known_at), other, 1, int(owner)


def _list_linked(
    log: EncodedHistory, via: Ints, to: Ints, *, known_at: int, owner: int
) -> list[int]:
    since: dict[int, int] = {}
    for row in range(len(log)):
        if via[row] == via[owner] and to[row] not in (0, to[owner]):
            since.setdefault(int(to[row]), int(log.known_at[row]))
    earlier = [(at, other) for other, at in since.items() if at < known_at]
    return [other for _, other in sorted(earlier, reverse=True)[:FAN_OUT]]
