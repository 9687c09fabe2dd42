"""Features from the paired post's record of the same vehicle, as of the cut.

A vehicle that enters here left there. Its record is looked for by plate, VIN, TIR carnet, CMR note
and trailer, in this order: the first key whose last record at the paired post lies within the
line's window finds it. Keys that lead to the same record confirm it; what it says otherwise is a
difference, the plate among them where another key found it.

The window is learnt from the line's own past: of its crossings of the last ninety days that had
been recorded on the other side within three days, all but two in a hundred were so within it. Until
thirty have been, three days stand. All of it is computed from as-of reads, so nothing here can
read the future.
"""

from collections.abc import Mapping, Sequence
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY, HOUR
from features.catalogue.spec import Fact, Feature, Floats, PriorSighting, Read, Stream

KEYS = ("plate", "vin", "tir", "cmr", "trailer")
"""What a record is looked for by, the surest first: a trailer changes hands."""
GRID = (2, 6, 12, 24, 72)
"""Hours at which a line's time between records is counted; the last is the longest window."""
LEARNT_DAYS = 90
FEWEST = 30.0
"""Crossings recorded on both sides from which on a line's own window holds."""
COVERED = 0.98
"""Share of them that the window holds."""
AS_RECORDED, LESS, OVER, DIFFERS = range(4)
"""Comparison with the record's fact: the fact itself; now less then; now over then; unequal."""
SHARE, WINDOW = len(KEYS), len(KEYS) + 1
"""Properties of the match itself, after one place for each key that confirms it."""


def within(hours: int) -> str:
    """Name the measure that counts vehicles recorded on the other side so many hours before."""
    return f"followed_{hours}h"


FOLLOWED: Mapping[str, PriorSighting] = {
    within(hours): PriorSighting(
        ("plate", "line"),
        f"{hours} hours or less after the vehicle's last on the same line",
        hours * HOUR,
        wanted=True,
    )
    for hours in GRID
}
"""Measures of crossings: how soon vehicles follow their record on the other side."""


def _by(key: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what records are counted under, and what of this crossing is looked up there."""
    return (key, "post", "direction"), (key, "pair", "opposite")


def _timing_reads(stream: Stream) -> list[Read]:
    line = ("post", "direction")
    return [Read(stream.name, line, line, within(hours), LEARNT_DAYS * DAY) for hours in GRID]


def _last(stream: Stream, fact: str) -> list[Read]:
    return [Read(stream.name, *_by(key), fact, is_last=True) for key in KEYS]


def compare_match(
    stream: Stream, fact: str, how: int, unit: str, meaning: str, *, now: Fact | None = None
) -> Feature:
    """Comparison of a fact with that of the paired post's record; NaN where none was found.

    ``now`` is this crossing's, where it is not the fact of the same name.
    """
    is_time = fact == "known_at"
    records = (*_last(stream, "known_at"), *_last(stream, fact))
    now = now or Fact("as_of" if is_time else fact)
    inputs: tuple[Read | Fact, ...] = (now, Fact("as_of"), *_timing_reads(stream), *records)
    scale = float(DAY) if is_time else 1.0
    return Feature("matched", inputs, (float(how), scale), unit, meaning)


def match(stream: Stream, what: int, unit: str, meaning: str) -> Feature:
    """Property of the match itself: a key that confirms it, how soon it came, or the window."""
    inputs: tuple[Read | Fact, ...] = (
        Fact("as_of"),
        *_timing_reads(stream),
        *_last(stream, "known_at"),
    )
    return Feature("match", inputs, (float(what),), unit, meaning)


_HOURS = np.asarray(GRID, np.float64)
_BEGINS = np.array([0.0, *_HOURS[:-1]])


def finish_matched(own: Floats, common: Floats, how: Floats, scale: Floats) -> Floats:
    """Compute features that :func:`compare_match` declares.

    Parameters
    ----------
    own : float64 array of shape (1 + n_keys, k, n)
        The fact of this crossing, then that of each key's last record; NaN where unknown.
    common : float64 array of shape (1 + n_grid + n_keys, n)
        The cut in UTC microseconds, counts of followed vehicles by time of ``GRID``, and when each
        key's last record became known, all strictly before the cut.
    how, scale : float64 array of shape (k, 1)
        The comparison (``AS_RECORDED`` to ``DIFFERS``), and the divisor of differences.

    Returns
    -------
    float64 array of shape (k, n)
        In the feature's unit; NaN where no record or no fact is known.
    """
    as_of, followed, known_at = _part_common(common)
    now, then = own[0], _pick_near(own[1:], as_of - known_at <= _window(followed))
    gap = now - then  # NaN where either is, and NaN is not even equal to itself
    over = np.full(then.shape, np.nan)
    np.divide(now, then, out=over, where=then > 0.0)
    made = np.where(how == LESS, gap / scale, then)
    np.copyto(made, over, where=how == OVER)
    np.copyto(made, np.where(gap != gap, np.nan, gap != 0.0), where=how == DIFFERS)
    return made


def finish_match(_own: Floats, common: Floats, what: Floats) -> Floats:
    """Compute features that :func:`match` declares.

    Parameters
    ----------
    common : float64 array of shape (1 + n_grid + n_keys, n)
        As in :func:`finish_matched`.
    what : float64 array of shape (k, 1)
        A place of ``KEYS`` (does this key confirm the match), ``SHARE`` or ``WINDOW``.

    Returns
    -------
    float64 array of shape (k, n)
        0 or 1 for keys, a share in [0, 1], or the window in hours; NaN where unknown.
    """
    as_of, followed, known_at = _part_common(common)
    window = _window(followed)
    at = _pick_near(known_at, as_of - known_at <= window)
    known = np.empty((len(KEYS) + 2, *at.shape))
    known[: len(KEYS)] = np.where(at != at, np.nan, known_at == at)
    known[SHARE] = _sooner(as_of - at, followed)
    np.divide(window, float(HOUR), out=known[WINDOW])
    return known.take(what[:, 0].astype(np.intp), axis=0)


def finish_one_matched(
    own: Sequence[Sequence[float]], common: Sequence[float], how: Sequence[float], scale: Any
) -> Sequence[float]:
    """Compute the same for one row, without arrays."""
    key = _first_near(common, _window_of_one(common))
    if key is None:
        return [nan] * len(how)
    pairs = zip(own[0], own[1 + key], how, scale, strict=True)
    return [_compare(now, then, what, unit) for now, then, what, unit in pairs]


def _compare(now: float, then: float, how: float, scale: float) -> float:
    if how == AS_RECORDED:
        return then
    if how == LESS:
        return (now - then) / scale
    if how == OVER:
        return now / then if then > 0.0 else nan
    gap = now - then
    return nan if gap != gap else float(gap != 0.0)


def finish_one_match(
    _own: Sequence[Sequence[float]], common: Sequence[float], what: Sequence[float]
) -> Sequence[float]:
    """Compute the same for one row, without arrays."""
    window = _window_of_one(common)
    key = _first_near(common, window)
    known = [nan] * (len(KEYS) + 1)
    if key is not None:
        known_at = common[-len(KEYS) :]
        known = [float(each == known_at[key]) for each in known_at]
        known.append(_sooner_of_one(common[0] - known_at[key], common))
    known.append(window / float(HOUR))
    return [known[int(each)] for each in what]


def _window_of_one(common: Sequence[float]) -> float:
    longest = common[len(GRID)]
    if longest >= FEWEST:
        for hours, followed in zip(GRID, common[1:], strict=False):
            if followed >= COVERED * longest:
                return hours * float(HOUR)
    return GRID[-1] * float(HOUR)


def _first_near(common: Sequence[float], window: float) -> int | None:
    as_of = common[0]
    for key, known_at in enumerate(common[1 + len(GRID) :]):
        if as_of - known_at <= window:
            return key
    return None


def _sooner_of_one(age: float, common: Sequence[float]) -> float:
    if not common[len(GRID)] >= FEWEST:
        return nan
    before, begins, sooner = 0.0, 0, 0.0
    for followed, ends in zip(common[1:], GRID, strict=False):
        into = (age / float(HOUR) - begins) / (ends - begins)
        sooner += (followed - before) * min(max(into, 0.0), 1.0)
        before, begins = followed, ends
    return sooner / common[len(GRID)]


def _part_common(common: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the cut, how many followed within each time, when each key's record was known."""
    return common[0], common[1 : 1 + len(GRID)], common[1 + len(GRID) :]


def _window(followed: Floats) -> Floats:
    """Return the window of a line in microseconds; ``followed`` has a first axis along the grid."""
    longest = followed[-1]
    reached = (followed >= COVERED * longest).argmax(axis=0)
    hours: Floats = np.where(longest >= FEWEST, _HOURS.take(reached), _HOURS[-1])
    return hours * float(HOUR)


def _pick_near(recorded: Floats, is_near: NDArray[np.bool_]) -> Floats:
    """Return the value of the first key whose record is near, NaN where none is."""
    found = np.full(recorded.shape[1:], np.nan)
    for key in reversed(range(len(KEYS))):
        np.copyto(found, recorded[key], where=is_near[key])
    return found


def _sooner(age: Floats, followed: Floats) -> Floats:
    """Return the share of a line's vehicles that followed sooner, even between grid points."""
    begins, ends = _BEGINS[:, None], _HOURS[:, None]
    into = (age / float(HOUR) - begins) / (ends - begins)
    passed = np.minimum(np.maximum(into, 0.0), 1.0)
    sooner = followed[0] * passed[0]
    for place in range(1, len(GRID)):  # one after the other: the same bits however many rows
        sooner = sooner + (followed[place] - followed[place - 1]) * passed[place]
    is_known = (followed[-1] >= FEWEST) & (age == age)
    share: Floats = np.where(is_known, sooner / np.maximum(followed[-1], 1.0), np.nan)
    return share
