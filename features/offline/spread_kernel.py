"""Values of finds spread along links as of the cuts of a history, by compiled functions.

What :func:`features.catalogue.find_spread.values_as_of` computes in numpy, which the service runs
twice a week: a history has a hundred cuts. One cut follows the other here, so crossings join and
leave, and those of the same entities, two in three, count together. Both have the same bits,
because every sum is of whole numbers below 2^52.
"""

from collections.abc import Sequence

import numpy as np

from features.catalogue.find_spread import BITS, LEAST, MEASURES, PRIOR, STEPS, Codes, Ints
from features.catalogue.spec import Floats
from features.offline.compilation import compile_kernel
from features.offline.radix_partition import SPREAD


class CrossingWindow:
    """Crossings known within some time before a cut, and the values of entities as of that cut.

    Parameters
    ----------
    codes : int32 array of shape (kinds, n)
        Number of each entity of each crossing, 0 where not known.
    size : int
        One more than the largest number.
    """

    def __init__(self, codes: Codes, size: int) -> None:
        rows = np.ascontiguousarray(codes.T)
        slots = np.full(1 << (2 * len(rows)).bit_length(), -1, np.int32)
        self._which, first = np.empty(len(rows), np.int32), np.empty(len(rows), np.int32)
        self._distinct = rows[first[: _number_rows(rows, self._which, first, slots)]]
        self._times = np.zeros(len(self._distinct), np.int32)
        self._over = np.full(size, float(PRIOR))
        self._begin = self._end = 0
        self._held = np.zeros((len(MEASURES), size), np.int64)

    def move(self, begin: int, end: int) -> None:
        """Hold the crossings from ``begin`` to before ``end``; neither may be less than before."""
        for rows, step in ((slice(self._end, end), 1), (slice(self._begin, begin), -1)):
            _count(self._which[rows], step, self._distinct, self._times, self._over)
        self._begin, self._end = begin, end

    def spread(self, finds: Sequence[tuple[Ints, Ints]]) -> tuple[Codes, Codes]:
        """Spread finds from their entities along the crossings held; return what changes by it.

        Parameters
        ----------
        finds : sequence of (int64 array of shape (f,), int64 array of shape (f,))
            By kind of find the numbers of its crossings, and the weight of each one's finds.

        Returns
        -------
        entity : int32 array of shape (m,)
            Numbers of the entities of which a value is another than before, ascending.
        change : int32 array of shape (len(MEASURES), m)
            By how much each of their values is another.
        """
        totals = np.zeros((len(finds), len(self._over)))
        for total, (crossing, weight) in zip(totals, finds, strict=True):
            of = self._distinct[self._which[crossing]]
            np.add.at(total, of, weight[:, None].astype(np.float64))
        values = np.empty((len(finds), STEPS + 1, len(self._over)))
        _spread(self._distinct, self._times, self._over, totals, values)
        entity = np.empty(len(self._over), np.int32)
        change = np.empty((len(MEASURES), len(entity)), np.int32)  # values are within SCALE
        kept = float(LEAST), -1 << 53 - BITS  # a float has its leading binary digits first
        count = _take_changes(values.reshape(change.shape), kept, self._held, entity, change)
        return entity[:count], change[:, :count]


@compile_kernel
def _number_rows(rows: Codes, which: Codes, first: Codes, slots: Codes) -> int:
    """Number distinct rows of ``rows``, shape (n, kinds), from 0 on; return how many there are.

    ``which`` gets the number of each row, ``first`` the row at which each number begins; both have
    the shape (n,). ``slots`` has a power of two of places, at least 2 n, of -1.
    """
    mask, one, count = np.uint64(len(slots) - 1), np.uint64(1), 0
    for i in range(len(rows)):
        found = np.uint64(0)
        for kind in range(rows.shape[1]):
            found = (found ^ np.uint64(rows[i, kind])) * SPREAD
        at = (found >> np.uint64(32)) & mask
        while slots[at] >= 0 and not _are_same(rows, first[slots[at]], i):
            at = (at + one) & mask
        if slots[at] < 0:
            slots[at] = count
            first[count] = i
            count += 1
        which[i] = slots[at]
    return count


@compile_kernel
def _are_same(rows: Codes, one: int, other: int) -> bool:
    for kind in range(rows.shape[1]):  # noqa: SIM110 - a generator is not compiled
        if rows[one, kind] != rows[other, kind]:
            return False
    return True


@compile_kernel
def _count(which: Codes, step: int, distinct: Codes, times: Codes, over: Floats) -> None:
    """Count crossings, or with -1 take them back: by combination, and by entity."""
    for i in range(len(which)):
        times[which[i]] += step
        for kind in range(distinct.shape[1]):
            over[distinct[which[i], kind]] += step


@compile_kernel
def _spread(distinct: Codes, times: Codes, over: Floats, totals: Floats, values: Floats) -> None:
    """Fill in the values of each kind of find and step: shape (finds, steps, size).

    ``totals``, shape (finds, size), has the weights of finds, and is overwritten.
    """
    for find in range(len(totals)):
        total = totals[find]
        for step in range(values.shape[1]):
            value = values[find, step]
            total[0] = 0.0  # the unknown
            for entity in range(len(total)):
                value[entity] = np.floor(total[entity] / over[entity])
            if step + 1 < values.shape[1]:
                total[:] = 0.0
                _add_crossings(distinct, times, value, total)


@compile_kernel
def _add_crossings(distinct: Codes, times: Codes, value: Floats, total: Floats) -> None:
    """Add the value of each crossing to the totals of its entities."""
    kinds = distinct.shape[1]  # rows by number: an array of each would take as long as the sums
    for at in range(len(distinct)):
        if times[at] == 0:
            continue
        most, own, known = 0.0, 0.0, 0
        for kind in range(kinds):
            entity = np.uint32(distinct[at, kind])
            most = max(most, value[entity])
            own += value[entity]
            known += entity != 0
        if most > 0.0:
            amount = times[at] * np.floor((6.0 * known * most + 4.0 * own) / (10.0 * known))
            for kind in range(kinds):
                total[np.uint32(distinct[at, kind])] += amount


@compile_kernel
def _take_changes(
    values: Floats, kept: tuple[float, int], held: Ints, entity: Codes, change: Codes
) -> int:
    """Coarsen values, and put them in the place of those held; return how many entities change.

    ``values`` and ``held`` have the shape (measures, size), ``kept`` the least value and the bits
    that stay. ``entity`` and ``change`` get what :meth:`CrossingWindow.spread` returns.
    """
    bits, count, (least, mask) = values.view(np.int64), 0, kept
    for at in range(values.shape[1]):
        is_other = False
        for measure in range(len(values)):
            bits[measure, at] &= mask if values[measure, at] >= least else 0
            value = np.int64(values[measure, at])
            change[measure, count] = value - held[measure, at]
            is_other |= value != held[measure, at]
            held[measure, at] = value
        entity[count] = at
        count += is_other
    return count
