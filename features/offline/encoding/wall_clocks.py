"""Times of arrival by the clocks of the posts.

Assumes that a zone changes its offset at most once within a day of UTC.
"""

import numpy as np
from numpy.typing import NDArray

from engine.domain.network import Network
from engine.domain.time_units import DAY
from engine.domain.time_zones import wall_time
from features.offline.compact_columns import Texts
from features.offline.encoding.distinct_texts import map_texts

Ints = NDArray[np.int64]


def read_clocks(arrived_at: Ints, post: Texts, network: Network) -> Ints:
    """Return the arrivals of n crossings by the clocks of their posts, in microseconds.

    By UTC on the calendar's first and last day; :func:`features.catalogue.encoder.encode`.

    Parameters
    ----------
    arrived_at : int64 array of shape (n,)
        UTC microseconds.
    post : Texts
        Codes of their posts.
    network : Network
        Says what their clocks show.
    """
    zones = map_texts(lambda code: network.timezone(code or ""), post)
    shown = arrived_at.copy()
    for number, zone in enumerate(zones.values.to_pylist(), 1):
        rows = np.flatnonzero(zones.codes == number)
        shown[rows] = _show(arrived_at[rows], zone)
    return shown


def _show(arrived_at: Ints, zone: str) -> Ints:
    days, day = np.unique(arrived_at // DAY, return_inverse=True)
    starts, ends = ([_offset(int(at), zone) for at in days * DAY + more] for more in (0, DAY - 1))
    is_steady = np.array([a == b and a is not None for a, b in zip(starts, ends, strict=True)])
    offsets = np.array([at or 0 for at in starts], np.int64)
    shown: Ints = arrived_at + offsets[day]
    for row in np.flatnonzero(~is_steady.astype(np.bool_)[day]).tolist():
        shown[row] = arrived_at[row] + (_offset(int(arrived_at[row]), zone) or 0)
    return shown


def _offset(instant: int, zone: str) -> int | None:
    """Return local time less UTC; None where no calendar has the local time."""
    try:
        return wall_time(instant, zone) - instant
    except OverflowError:
        return None
