"""The other half of a movement: the paired post's record of the same vehicle, as it was known.

A vehicle that enters here left there. Its record is looked for by plate, VIN, TIR carnet, CMR note
and trailer, in this order: the first key whose last record at the paired post lies within the
line's window finds it. Keys that lead to the same record confirm it; what it says otherwise is a
difference, the plate among them where another key found it.

The window is learnt from the line's own past: of its crossings of the last ninety days that had
been recorded on the other side within three days, all but two in a hundred were so within it. Until
thirty have been, three days stand. All of it is made of as-of reads, so there is nothing here that
could know more at one time than at another.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.times import DAY, HOUR
from features.definitions import Fact, Feature, Floats, Read, Seen, Stream

KEYS = ("plate", "vin", "tir", "cmr", "trailer")
"""What a record is looked for by, the surest first: a trailer changes hands."""
GRID = (2, 6, 12, 24, 72)
"""Hours at which a line's time between records is counted; the last is the longest window."""
LEARNT_DAYS = 90
FEWEST = 30.0
"""Crossings recorded on both sides from which on a line's own window holds."""
COVERED = 0.98
"""Share of them that the window holds."""
TOLD, LESS, OVER, DIFFERS = range(4)
"""What a feature makes of the record's fact: as told; now less then; now over then; another."""
SHARE, WINDOW = len(KEYS), len(KEYS) + 1
"""What a feature says of the match itself, beside which key confirms it."""


def within(hours: int) -> str:
    """Name the measure that counts vehicles recorded on the other side so many hours before."""
    return f"followed_{hours}h"


FOLLOWED: Mapping[str, Seen] = {
    within(hours): Seen(
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


def _learnt(stream: Stream) -> list[Read]:
    line = ("post", "direction")
    return [Read(stream.name, line, line, within(hours), LEARNT_DAYS * DAY) for hours in GRID]


def _last(stream: Stream, fact: str) -> list[Read]:
    return [Read(stream.name, *_by(key), fact, is_last=True) for key in KEYS]


def matched(stream: Stream, fact: str, how: int, unit: str, meaning: str) -> Feature:
    """What is made of a fact of the paired post's record; NaN where none was found."""
    is_time = fact == "known_at"
    records = (*_last(stream, "known_at"), *_last(stream, fact))
    now = Fact("as_of" if is_time else fact)
    inputs: tuple[Read | Fact, ...] = (now, Fact("as_of"), *_learnt(stream), *records)
    scale = float(DAY) if is_time else 1.0
    return Feature("matched", inputs, (float(how), scale), unit, meaning)


def match(stream: Stream, what: int, unit: str, meaning: str) -> Feature:
    """What is known of the match itself: a key that confirms it, how soon it came, the window."""
    inputs: tuple[Read | Fact, ...] = (
        Fact("as_of"),
        *_learnt(stream),
        *_last(stream, "known_at"),
    )
    return Feature("match", inputs, (float(what),), unit, meaning)


_HOURS = np.asarray(GRID, np.float64)
_BEGINS = np.array([0.0, *_HOURS[:-1]])


def _window(followed: Floats) -> Floats:
    """Return the window of a line in microseconds; ``followed`` has a first axis along the grid."""
    longest = followed[-1]
    reached = (followed >= COVERED * longest).argmax(axis=0)
    hours: Floats = np.where(longest >= FEWEST, _HOURS[reached], _HOURS[-1])
    return hours * float(HOUR)


def _found(as_of: Floats, followed: Floats, known_at: Floats, told: Floats) -> Floats:
    """Return what is told by the first key's record within the window, NaN where there is none."""
    is_near = as_of - known_at <= _window(followed)
    there = _taken(told, is_near.argmax(axis=0))
    return np.where(is_near.any(axis=0), there, np.nan)


def _taken(values: Floats, places: NDArray[np.intp]) -> Floats:
    """Return for each cell the value at its place along the first axis."""
    cells = values.reshape(len(values), -1)
    taken: Floats = cells[places.ravel(), np.arange(places.size)]
    return taken.reshape(places.shape)


def _matched(inputs: Floats, how: Any, scale: Any) -> Floats:
    now, as_of, followed = inputs[0], inputs[1], inputs[2 : 2 + len(GRID)]
    known_at, told = inputs[-2 * len(KEYS) : -len(KEYS)], inputs[-len(KEYS) :]
    then = _found(as_of, followed, known_at, told)
    over = np.full(np.shape(then), np.nan)
    np.divide(now, then, out=over, where=then > 0.0)
    unknown = np.isnan(now) | np.isnan(then)
    differs = np.where(unknown, np.nan, (now != then).astype(np.float64))
    made = np.where(how == LESS, (now - then) / scale, then)
    made = np.where(how == OVER, over, made)
    return np.where(how == DIFFERS, differs, made)


def _match(inputs: Floats, what: Any) -> Floats:
    as_of, followed, known_at = inputs[0], inputs[1 : 1 + len(GRID)], inputs[-len(KEYS) :]
    at = _found(as_of, followed, known_at, known_at)
    asked = np.minimum(what, len(KEYS) - 1.0).astype(np.intp)
    theirs = _taken(known_at, np.broadcast_to(asked, at.shape))
    confirms = np.where(np.isnan(at), np.nan, (theirs == at).astype(np.float64))
    made = np.where(what == SHARE, _sooner(as_of - at, followed), confirms)
    return np.where(what == WINDOW, _window(followed) / float(HOUR), made)


def _sooner(age: Floats, followed: Floats) -> Floats:
    """Return the share of a line's vehicles that followed sooner, even between grid points."""
    begins, ends = (grid.reshape(-1, *[1] * np.ndim(age)) for grid in (_BEGINS, _HOURS))
    into = (age / float(HOUR) - begins) / (ends - begins)
    passed = np.minimum(np.maximum(into, 0.0), 1.0)
    sooner = followed[0] * passed[0]
    for place in range(1, len(GRID)):  # one after the other: the same bits however many rows
        sooner = sooner + (followed[place] - followed[place - 1]) * passed[place]
    is_known = (followed[-1] >= FEWEST) & ~np.isnan(age)
    share: Floats = np.where(is_known, sooner / np.maximum(followed[-1], 1.0), np.nan)
    return share


FINISHERS: Mapping[str, Callable[..., Floats]] = {"matched": _matched, "match": _match}
"""Elementwise: inputs on a first axis, then parameters, broadcast."""
