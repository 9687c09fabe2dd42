"""Second implementation of the bulk kernel, in numpy: the same reads by binary search.

Events and cuts become places on one integer line, (entity, rank of time). The place of a cut among
the events is a binary search, and the count before it a cumulative sum. Slower and simpler than
:mod:`features.offline.kernel`, and equal to it bit for bit.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def group_reads(
    event_key: Ints,
    event_time: Ints,
    amounts: Ints,
    query_key: Ints,
    query_time: Ints,
    spans: Ints,
    read_amount: Ints,
    read_span: Ints,
    *,
    last: bool = True,
) -> Ints:
    """Compute the reads of one group of counters, strictly before each query's time.

    Arguments and answer are those of :func:`features.offline.kernel.group_reads`, times in UTC
    microseconds: int64 amounts of shape (n_amounts, m) to an int64 array of shape (n_reads + last,
    n), equal to that of the bulk kernel, bit for bit.
    """
    known = np.flatnonzero(event_key)
    entities, code = np.unique(event_key[known], return_inverse=True)
    times, rank = np.unique(event_time, return_inverse=True)
    width = len(times) + 1
    place = code * width + rank[known]
    order = np.argsort(place, kind="stable")
    place, events = place[order], known[order]
    padded = np.append(
        entities, 0
    )  # 0 is no entity: an unknown key finds it, or the key of another
    found = np.searchsorted(entities, query_key)
    is_known = (padded[found] == query_key) & (query_key != 0)
    start = np.where(is_known, found * width, 0)

    def before(cut: Ints) -> Ints:
        return np.searchsorted(place, start + np.searchsorted(times, cut, side="left"), side="left")

    first, upto = np.searchsorted(place, start, side="left"), before(query_time)
    sinces = [first if span == 0 else before(query_time - span) for span in spans]
    sums = np.concatenate((np.zeros((len(amounts), 1), np.int64), amounts[:, events].cumsum(1)), 1)
    out = np.zeros((len(read_amount) + int(last), len(query_key)), np.int64)
    for row, (amount, span) in enumerate(zip(read_amount, read_span, strict=True)):
        out[row] = np.where(is_known, sums[amount, upto] - sums[amount, sinces[span]], 0)
    has_last = is_known & (upto > first)
    if last:
        out[-1] = np.where(has_last, np.append(events, 0)[upto - 1], -1)
    return out
