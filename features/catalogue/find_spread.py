"""Finds spread along the ties between crossings and entities, as of half-weekly cuts.

An entity that crossed together with entities on which something was found is worth a look, although
nothing was ever found on itself. At each cut every entity gets a value from what was known then.
Step 0 is the sum of its recent finds over how often it was seen, plus ``PRIOR``. A crossing's value
is six tenths of the largest and four tenths of the mean of its entities' values; the next step of
an entity is the sum of its crossings' values over how often it was seen, plus ``PRIOR``.

Values are integers of 1 / ``SCALE``: sums have the same bits in every order, so history and
service have the same values. Cuts lie on one grid for all entities, and a record counts if it was
known strictly before the cut. Values of a cut become known ``LAG`` later, which leaves the service
that long to compute them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY, HOUR
from features.catalogue.spec import Floats

Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
ENTITIES = ("plate", "trailer", "driver", "carrier", "consignee", "consignor")
"""What finds spread between."""
EVERY, LAG = 7 * DAY // 2, HOUR
"""Distance of two cuts, counted from 1970, and how long after it a snapshot is known."""
CROSSINGS_FOR, FINDS_FOR, HALF_LIFE_DAYS = 200 * DAY, 260 * DAY, 90
PRIOR = 3
"""Crossings that every entity has in addition, so that a newcomer with one find is no extreme."""
STEPS = 2
SCALE = 1 << 24
BITS = 4
"""Leading binary digits that are kept: a value then changes a few times a month, not each cut."""
LEAST = SCALE >> 14
"""Smaller values are none."""
KINDS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "found": (("inspections", "hit"), ("finds", "n")),
    "seized": (("inspections", "seizure"), ("finds", "load")),
}
"""What spreads: for each kind of find the streams and measures that count it."""
MEASURES = tuple(f"{kind}_{step}" for kind in KINDS for step in range(STEPS + 1))
CONSTANTS = (ENTITIES, EVERY, LAG, CROSSINGS_FOR, FINDS_FOR, HALF_LIFE_DAYS, PRIOR, STEPS, SCALE,
             BITS, LEAST)  # fmt: skip
"""Everything that gives a value, for the digest of the definitions."""
_AGES = np.array([round(SCALE * 0.5 ** (age / HALF_LIFE_DAYS)) for age in range(FINDS_FOR // DAY)])
"""Weight of a find by its age in whole days."""


@dataclass(frozen=True, slots=True)
class Finds:
    """Finds of one kind, in the order in which they became known; int64 arrays of shape (f,)."""

    known_at: Ints
    """UTC microseconds, ascending."""
    source: Ints
    """Number of the crossing, times ``STREAMS``, plus the place of the stream that counts it among
    those of its kind: no stream takes back what another counted."""
    amount: Ints
    """1, or -1 where a find is taken back."""


STREAMS = 2


def last_cut(before: int) -> int:
    """Return the last cut whose snapshot is known strictly before a time, UTC microseconds."""
    return (before - LAG - 1) // EVERY * EVERY


def active_cuts(find_at: Ints, *, after: int, upto: int) -> Ints:
    """Return the cuts at which a value may change.

    ``find_at`` (UTC microseconds, shape ``(finds,)``, any order) is when finds became known; cuts
    lie in ``after < cut <= upto``. One more than those that see a find is returned, for what falls
    back to zero.
    """
    first = np.unique(find_at // EVERY) + 1
    reach = np.arange(FINDS_FOR // EVERY + 2)
    cuts: Ints = np.unique(first[:, None] + reach) * EVERY
    return cuts[(cuts > after) & (cuts <= upto)]


def values_as_of(
    seen: Codes, of_finds: Codes, finds: Mapping[str, Finds], *, cut: int, size: int
) -> Ints:
    """Return the value of every entity as of a cut.

    A whole history has the same from :mod:`features.offline.spread_snapshots`.

    Parameters
    ----------
    seen : int array of shape (len(ENTITIES), n)
        Number of each entity of the crossings known within ``CROSSINGS_FOR`` before the cut, 0
        where not known; entities of two kinds have different numbers.
    of_finds : int array of shape (len(ENTITIES), c)
        The same of the crossings that finds name by their number.
    finds : mapping of str to Finds
        By kind of find; those known before the cut count, and no longer than ``FINDS_FOR``.
    cut : int
        UTC microseconds.
    size : int
        One more than the largest number.

    Returns
    -------
    int64 array of shape (len(MEASURES), size)
        In units of 1 / ``SCALE``; 0 for number 0.
    """
    found = []
    for kind in KINDS:
        crossing, weight = find_weights(finds[kind], cut)
        found.append((of_finds[:, crossing], weight))
    return _spread(seen, found, size)


def find_weights(finds: Finds, cut: int) -> tuple[Ints, Ints]:
    """Return the crossings with finds as of a cut, and the weight of each one's finds.

    A find that is taken back weighs what it had weighed. ``cut`` is in UTC microseconds; returned
    are the crossings' numbers and the weights, int64 arrays of shape (crossings,).
    """
    known = slice(*np.searchsorted(finds.known_at, [cut - FINDS_FOR + 1, cut]))
    counted = np.flatnonzero(finds.amount[known])
    known_at, source, amount = (
        column[known][counted] for column in (finds.known_at, finds.source, finds.amount)
    )
    weight = amount * _AGES[(cut - known_since(known_at, source, amount)) // DAY]
    which, at = np.unique(source, return_inverse=True)
    total = np.zeros(len(which), np.int64)
    np.add.at(total, at, weight)
    return which[total > 0] // STREAMS, total[total > 0]


def known_since(known_at: Ints, source: Ints, amount: Ints) -> Ints:
    """Return when each find became known; of one that is taken back, when it had.

    Parameters
    ----------
    known_at, source, amount : int64 array of shape (m,)
        UTC microseconds ascending; what each event is of; above zero, or below where it takes back.
    """
    if (amount > 0).all():
        return known_at
    since, last = known_at.copy(), {}
    for at, (which, step) in enumerate(zip(source.tolist(), amount.tolist(), strict=True)):
        if step > 0:
            last[which] = known_at[at]
        since[at] = last.get(which, known_at[at])
    return since


def number_entities(keys: Ints) -> tuple[Codes, Ints]:
    """Number the entities of crossings from 1 on.

    Parameters
    ----------
    keys : int64 array of shape (len(ENTITIES), n)
        0 where not known.

    Returns
    -------
    codes : int32 array of shape (len(ENTITIES), n)
        0 where not known.
    table : int64 array of shape (entities + 1, 2)
        Place in ``ENTITIES``, and key, of each number.
    """
    codes, table, done = np.zeros(keys.shape, np.int32), [np.zeros((1, 2), np.int64)], 1
    for kind, column in enumerate(keys):
        distinct, which = np.unique(column, return_inverse=True)
        has_none = int(len(distinct) > 0 and distinct[0] == 0)
        codes[kind] = np.where(column == 0, 0, which + done - has_none)
        distinct = distinct[has_none:]
        table.append(np.column_stack([np.full(len(distinct), kind), distinct]))
        done += len(distinct)
    return codes, np.concatenate(table)


def _spread(seen: Codes, finds: Sequence[tuple[Codes, Ints]], size: int) -> Ints:
    """Spread the weights of finds, kind by kind, from their entities along crossings.

    Floats here are whole numbers below 2^52, for which sums and the floor of a quotient are exact.
    """
    seen = seen.astype(np.intp)  # once: each of the reads below would do it
    over = np.full(size, float(PRIOR))
    for row in seen:
        over += np.bincount(row, minlength=size)
    kinds = np.maximum(np.count_nonzero(seen, axis=0), 1).astype(np.float64)
    out = np.zeros((len(finds), STEPS + 1, size))
    for values, (found, weight) in zip(out, finds, strict=True):
        values[0] = _add_up(found, weight, size)
        np.floor(values[0] / over, out=values[0])
        for step in range(STEPS):
            is_any = values[step] > 0.0
            touched = np.zeros(seen.shape[1], np.bool_)
            for row in seen:
                touched |= is_any.take(row)
            at = np.flatnonzero(touched)  # others add nothing
            near, of = seen, kinds
            if 2 * len(at) < len(kinds):
                near, of = seen.take(at, axis=1), kinds[at]
            own = values[step].take(near)
            tenths = 6.0 * of * own.max(axis=0) + 4.0 * own.sum(axis=0)
            crossing = np.floor(tenths / (10.0 * of))
            values[step + 1] = np.floor(_add_up(near, crossing, size) / over)
    return coarsen(out.reshape(-1, size).astype(np.int64))


def _add_up(entities: Codes, amount: NDArray[Any], size: int) -> Floats:
    """Sum amounts by entity."""
    total = np.zeros(size)
    for row in entities:
        total += np.bincount(row, weights=amount, minlength=size)
    total[0] = 0.0
    return total


def coarsen(values: Ints) -> Ints:
    """Return values, none negative, with their leading ``BITS`` binary digits; 0 below ``LEAST``.

    Values may have any shape.

    >>> coarsen(np.array([SCALE, SCALE + 1, 0b110111 << 12, LEAST - 1])).tolist()
    [16777216, 16777216, 212992, 0]
    """
    out, some = np.zeros_like(values), values >= LEAST
    kept = values[some]
    spare = np.maximum(np.frexp(kept.astype(np.float64))[1] - BITS, 0)
    out[some] = kept >> spare << spare
    return out
