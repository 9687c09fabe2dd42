"""What is left to chance is decided by numbers in [0, 1) that nobody can steer.

Assumes that the shift's seed stays secret until the shift's acts are closed, and that its
commitment was journalled before the first draw. A draw depends on the seed, on what it is for, and
on the movement, never on a record's id: sending a vehicle again under a new id draws the same
numbers. Each purpose has its own number, because one shared number would bias who is included.
"""

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache

from engine.domain.identifiers import fold
from engine.domain.records import Crossing
from engine.domain.time_units import HOUR, rfc3339

SEED_BYTES = 32
RANDOM = "random"
"""Purpose of the random stream."""
SCORE = "score"
"""Purpose of the smooth cut on the model's score."""
PLACE = "place"
"""Purpose of the queue place that is drawn among the scored picks."""
PLACE_AMENDED = "place_amended"
"""The same after a declaration was changed."""


@dataclass(frozen=True, slots=True)
class ShiftPeriod:
    """One shift of one post, half open: ``opens_at <= t < closes_at``, UTC microseconds."""

    post: str
    opens_at: int
    closes_at: int

    @property
    def shift_id(self) -> str:
        """The shift's name in the journal."""
        return f"{self.post}@{rfc3339(self.opens_at)}"


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """When shifts change: one begins at ``starts``, local time, then every ``length``."""

    utc_offset: int = 5 * HOUR
    """Local time minus UTC, microseconds. Central Asia keeps no summer time."""
    starts: int = 8 * HOUR
    """Local time of day at which a shift begins, microseconds."""
    length: int = 12 * HOUR
    """Length of a shift, microseconds; divides a day."""

    def shift(self, post: str, instant: int) -> ShiftPeriod:
        """Return the shift of a post that an instant falls into."""
        first = self.starts - self.utc_offset
        opens_at = instant - (instant - first) % self.length
        return ShiftPeriod(post, opens_at, opens_at + self.length)


def movement_key(crossing: Crossing, shift: ShiftPeriod) -> bytes:
    """Return what makes two reports the same movement: post, direction, folded plate and shift.

    Without a readable plate the crossing's own id has to serve.
    """
    plate = fold(crossing.plate or "")
    who = ("plate", plate) if plate else ("crossing", crossing.crossing_id)
    return _join_texts(crossing.post, crossing.direction, *who, str(shift.opens_at))


def draw(seed: bytes, purpose: str, *, movement: bytes) -> float:
    """Return the number in [0, 1) that this movement draws for this purpose (53 bits)."""
    drawn = hmac.digest(seed, _encode_purpose(purpose) + movement, "sha256")
    return (int.from_bytes(drawn[:8], "big") >> 11) / (1 << 53)


def commitment(seed: bytes, head: bytes) -> str:
    """Return what is journalled as a shift opens: SHA-256 over the journal's head and the seed.

    The head keeps a seed from being chosen, and its commitment prepared, ahead of time.
    """
    return hashlib.sha256(b"darvoza shift seed 1" + head + seed).hexdigest()


@lru_cache
def _encode_purpose(purpose: str) -> bytes:
    return _join_texts(purpose)


def _join_texts(*parts: str) -> bytes:
    """Join texts so that no two lists of texts give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
