"""Vehicles that the other side announced and that never arrived, as far as is known here.

A vehicle may have turned back, taken another post, or been entered under a plate that was read
otherwise: what stands here is a question to the other side, and says nothing about the vehicle.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, select

from api.links.movements.outcomes import list_opposite
from engine.domain.time_units import DAY
from engine.links.movements.movement_ledger import KEYS, MOVEMENTS, MovementRow
from engine.links.state import Link
from engine.queue.mirror_alerts import MATCHES
from engine.queue.queue import DECISIONS
from features.catalogue.encoder import key
from features.online.crossing_index import PASSAGES
from features.partners.movements import LONGEST

LOOKED_BACK = 14 * DAY
"""How long ago a vehicle left that is still looked for."""
_M, _K, _P = MOVEMENTS.c, KEYS.c, PASSAGES.c
_Times = dict[tuple[str, str | int], list[int]]
"""When vehicles entered, in order, by kind and value of what they are recognised by."""


def list_missing(connection: Connection, link: Link, *, now: int) -> list[MovementRow]:
    """Return the announced movements that no entry continues, the newest first.

    ``now`` is in UTC microseconds. A vehicle has :data:`LONGEST` to arrive before it is missed.
    """
    since, until = now - LOOKED_BACK, now - LONGEST
    query = (
        select(MOVEMENTS)
        .where(_M.link == link.name, _M.direction == "received", _M.kind == "manifest")
        .where(_M.passed_at >= since, _M.passed_at < until)
        .order_by(_M.passed_at.desc(), _M.seq.desc())
    )
    announced = [MovementRow(*row) for row in connection.execute(query)]
    if not announced:
        return []
    named = select(_K.seq, _K.kind, _K.value).join(MOVEMENTS, _M.seq == _K.seq)
    named = named.where(_M.link == link.name, _K.passed_at >= since, _K.passed_at < until)
    keys: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for seq, kind, value in connection.execute(named):
        keys[seq].append((kind, value))
    facing = {
        left: list_opposite(link, left, is_ours=False) for left in {one.post for one in announced}
    }
    here = {post for posts in facing.values() for post in posts}
    entered = {post: _read_entries(connection, post, since=since) for post in here}
    return [
        one
        for one in announced
        if keys[one.seq]
        and not any(_has_arrived(entered[post], one, keys[one.seq]) for post in facing[one.post])
    ]


def _read_entries(connection: Connection, post: str, *, since: int) -> _Times:
    found: _Times = defaultdict(list)
    here = (_P.post == post, _P.is_entry, _P.arrived_at >= since)
    for plate, at in connection.execute(select(_P.plate_key, _P.arrived_at).where(*here)):
        found["plate", plate].append(at)
    others = (
        select(MATCHES.c.kind, MATCHES.c.value, _P.arrived_at)
        .join(DECISIONS, DECISIONS.c.decision_id == MATCHES.c.decision_id)
        .join(PASSAGES, _P.crossing_id == DECISIONS.c.crossing_id)
        .where(*here, MATCHES.c.post == post)
    )
    for kind, value, at in connection.execute(others):
        found[kind, value].append(at)
    for times in found.values():
        times.sort()
    return found


def _has_arrived(entered: _Times, left: MovementRow, keys: Sequence[tuple[str, str]]) -> bool:
    for kind, value in keys:
        times = entered.get((kind, key("plate", value) if kind == "plate" else value), [])
        at = bisect_left(times, left.passed_at)
        if at < len(times) and times[at] <= left.passed_at + LONGEST:
            return True
    return False
