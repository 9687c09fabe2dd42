"""Reads as one would count them by hand, event by event: slow, and independent of every engine."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from engine.domain.time_units import DAY
from features.catalogue import find_spread as rule
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS, PASSED, SPREAD
from features.catalogue.plan import Plan
from features.catalogue.spec import FAN_OUT, Read, Tie
from features.offline.encoded_history import EncodedHistory, Ints

Counted = tuple[int, int, int, int]
"""(known_at, entity, what it adds, its crossing)."""
Found = tuple[int, int, int, int]
"""(known_at, crossing, 1 or -1 where it is taken back, since when it was known)."""


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
    if read.stream == SPREAD.name:
        yield from _list_spread(log, plan, read)
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


def _list_spread(log: EncodedHistory, plan: Plan, read: Read) -> Iterator[Counted]:
    """Differences of an entity's value from cut to cut."""
    kind, step = read.measure.split("_")
    place = rule.ENTITIES.index(read.by[0])
    before: dict[int, int] = {}
    for cut, values in _spread_by_hand(log, plan, kind):
        own = {key: value for (at, key), value in values[int(step)].items() if at == place}
        for key in before.keys() | own.keys():
            if change := own.get(key, 0) - before.get(key, 0):
                yield cut + rule.LAG, key, change, 0
        before = own


Values = dict[tuple[int, int], int]
_KNOWN: dict[tuple[int, str], tuple[EncodedHistory, list[tuple[int, list[Values]]]]] = {}


def _spread_by_hand(log: EncodedHistory, plan: Plan, kind: str) -> list[tuple[int, list[Values]]]:
    """Values of each step by (place of the entity, key) at every cut, in whole numbers alone."""
    if (id(log), kind) not in _KNOWN:
        columns = [log.keys[plan.column[(name,), (name,)]].tolist() for name in rule.ENTITIES]
        who = [
            [(at, key) for at, key in enumerate(row) if key] for row in zip(*columns, strict=True)
        ]
        finds = _list_finds(log, kind)
        first = min((at for at, *_ in finds), default=log.ends)
        cuts = range(-(-first // rule.EVERY) * rule.EVERY, log.ends - rule.LAG, rule.EVERY)
        made = [(cut, _values_by_hand(log, who, finds, cut)) for cut in cuts]
        _KNOWN[id(log), kind] = log, made
    return _KNOWN[id(log), kind][1]


def _list_finds(log: EncodedHistory, kind: str) -> list[Found]:
    """Every find, and of acts every one that is taken back."""
    acts, elsewhere = log.streams[INSPECTIONS.name], log.streams[FINDS.name]
    hits = acts.measures["hit" if kind == "found" else "seizure"].tolist()
    found: list[Found] = []
    since: dict[int, int] = {}
    for at, row, hit in zip(acts.known_at.tolist(), acts.row.tolist(), hits, strict=True):
        if hit > 0:
            since[row] = at
        if hit:
            found.append((at, row, hit, since[row]))
    counted = elsewhere.measures["load"].tolist() if kind == "seized" else [1] * len(elsewhere.row)
    more = zip(elsewhere.known_at.tolist(), elsewhere.row.tolist(), counted, strict=True)
    return found + [(at, row, 1, at) for at, row, is_counted in more if is_counted]


def _values_by_hand(
    log: EncodedHistory,
    who: list[list[tuple[int, int]]],
    finds: list[Found],
    cut: int,
) -> list[Values]:
    seen = [who[row] for row, at in enumerate(log.known_at) if cut - rule.CROSSINGS_FOR <= at < cut]
    often = Counter(one for row in seen for one in row)
    sums: Counter[tuple[int, int]] = Counter()
    for at, row, amount, since in finds:
        if cut - rule.FINDS_FOR < at < cut:
            weight = round(rule.SCALE * 0.5 ** ((cut - since) // DAY / rule.HALF_LIFE_DAYS))
            sums.update(dict.fromkeys(who[row], amount * weight))
    steps = []
    for _ in range(rule.STEPS + 1):
        values = {one: total // (often[one] + rule.PRIOR) for one, total in sums.items()}
        steps.append({one: _round_down(value) for one, value in values.items()})
        sums = Counter()
        for parties in filter(None, seen):
            own = [values.get(one, 0) for one in parties]
            value = (6 * len(own) * max(own) + 4 * sum(own)) // (10 * len(own))
            sums.update(dict.fromkeys(parties, value))
    return steps


def _round_down(value: int) -> int:
    spare = max(value.bit_length() - rule.BITS, 0)
    return 0 if value < rule.LEAST else value >> spare << spare


def _list_passed(log: EncodedHistory, plan: Plan, link: Tie) -> Iterator[Counted]:
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
