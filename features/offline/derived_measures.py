"""Measures of events that depend on the past, in bulk: first sightings, and hits passed on.

Strict ``<`` on the time at which each event became known: rows with equal times do not see each
other. The service computes the same numbers in :mod:`features.online.projection`, one record after
the other, and SQL engines do with :mod:`features.offline.window_queries`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.catalogue.spec import EVER, FAN_OUT, PriorSighting

Ints = NDArray[np.int64]


def mark_sightings(key: Ints, known_at: Ints, seen: PriorSighting) -> Ints:
    """Return what each event adds to a measure made of its own stream's past.

    Parameters
    ----------
    key, known_at : int64 array of shape (m,)
        Key of the combination, 0 where not known; UTC microseconds, ascending.

    Returns
    -------
    int64 array of shape (m,)
        1 where the answer is the one that ``seen`` wants, else 0.
    """
    order = order_by_key(key)
    entity, at = key[order], known_at[order]
    place = np.arange(len(order))
    is_new_instant = np.r_[True, (entity[1:] != entity[:-1]) | (at[1:] != at[:-1])][: len(order)]
    first_of_instant = np.maximum.accumulate(np.where(is_new_instant, place, 0))
    before = np.maximum(first_of_instant - 1, 0)
    had = (first_of_instant > 0) & (entity[before] == entity)
    if seen.window < EVER:
        had &= at - at[before] <= seen.window
    out = np.zeros(len(key), np.int64)
    out[order] = (had == seen.wanted) & (entity != 0)
    return out


def pass_hits_on(
    via: Ints, to: Ints, known_at: Ints, *, hit_row: Ints, hit_at: Ints
) -> tuple[Ints, Ints]:
    """Pass hits on along one kind of link.

    Parameters
    ----------
    via, to : int64 array of shape (m,)
        Keys of each crossing, 0 where not known.
    known_at : int64 array of shape (m,)
        UTC microseconds, ascending.
    hit_row, hit_at : int64 array of shape (h,)
        The crossing of each hit, and when the hit became known.

    Returns
    -------
    hit, other : int64 array of shape (p,)
        Which hit is passed on, and the key it is passed on to: at most ``FAN_OUT`` a hit, those
        linked last first, linked before the hit was known, its own left out.
    """
    pairs = first_pairs(via, to, known_at)
    if not len(pairs) or not len(hit_row):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    times, rank = np.unique(known_at[pairs], return_inverse=True)
    entities, code = np.unique(via[pairs], return_inverse=True)
    width = len(times) + 1
    found = np.minimum(np.searchsorted(entities, via[hit_row]), len(entities) - 1)
    start = found * width
    line = code * width + rank
    first = np.searchsorted(line, start)
    upto = np.searchsorted(line, start + np.searchsorted(times, hit_at))
    upto = np.where(entities[found] == via[hit_row], upto, first)
    # One more than the bound, because its own key may be among them.
    back = upto[:, None] - 1 - np.arange(FAN_OUT + 1)
    other = to[pairs[np.maximum(back, 0)]]
    is_other = (back >= first[:, None]) & (other != to[hit_row][:, None])
    is_other &= np.cumsum(is_other, axis=1) <= FAN_OUT
    hit = np.repeat(np.arange(len(hit_row))[:, None], FAN_OUT + 1, axis=1)
    return hit[is_other], other[is_other]


def first_pairs(via: Ints, to: Ints, known_at: Ints) -> Ints:
    """Return the crossing that first linked each pair of entities.

    Parameters
    ----------
    via, to, known_at : int64 array of shape (m,)
        Keys of each crossing, 0 where not known, and UTC microseconds, ascending.

    Returns
    -------
    int64 array of shape (p,)
        Rows of crossings, sorted by ``via``, then by when the pair was linked, then by ``to``.
    """
    both = np.flatnonzero((via != 0) & (to != 0))
    order = both[order_by_key(to[both])]
    order = order[order_by_key(via[order])]
    is_first = np.r_[True, (np.diff(via[order]) != 0) | (np.diff(to[order]) != 0)][: len(order)]
    pairs = order[is_first]
    linked: Ints = pairs[np.lexsort((to[pairs], known_at[pairs], via[pairs]))]
    return linked


def order_by_key(key: Ints) -> Ints:
    """Return the rows by key, those of one key in their order: a stable sort in half the time.

    The leading bits of a key, with its row in the place of the others, are numbers, which numpy
    sorts quicker than places. Keys are hashes: few share these bits, and are then sorted by all.

    Parameters
    ----------
    key : int64 array of shape (m,)
        Keys.

    Returns
    -------
    int64 array of shape (m,)
        Rows.
    """
    rows = (1 << len(key).bit_length()) - 1
    mixed = key & ~rows
    mixed |= np.arange(len(key))
    mixed.sort()
    order: Ints = mixed & rows
    found = key[order]
    for lead in np.unique(mixed[:-1][found[1:] < found[:-1]] & ~rows).tolist():
        some = slice(*np.searchsorted(mixed, [lead, lead | rows]))
        order[some] = order[some][np.argsort(key[order[some]], kind="stable")]
    return order


def stack_hits(parts: Sequence[tuple[Ints, Ints]], hit_at: Ints) -> tuple[Ints, Ints, Ints]:
    """Merge hits passed on along several links into one order of time.

    Parameters
    ----------
    parts : sequence of (hit, other)
        What :func:`pass_hits_on` returned for each link.
    hit_at : int64 array of shape (h,)
        UTC microseconds at which each hit became known.

    Returns
    -------
    way, hit, other : int64 array of shape (p,)
        Place of the link in ``parts``, the hit, and the key it is passed on to; by time, then link.
    """
    way = np.repeat(np.arange(len(parts)), [len(hit) for hit, _ in parts])
    hit = np.concatenate([np.zeros(0, np.int64), *(hit for hit, _ in parts)])
    other = np.concatenate([np.zeros(0, np.int64), *(other for _, other in parts)])
    order = np.argsort(hit_at[hit], kind="stable")
    return way[order], hit[order], other[order]
