"""Random numbers in [0, 1) of decisions, which no person can steer.

Assumes that the shift's seed stays secret until the shift's acts are closed, and that its
commitment was journalled before the first draw. A draw depends on the seed, on what it is for, and
on the movement, never on a record's id: sending a vehicle again under a new id draws the same
numbers. Each purpose has its own number, because one shared number would bias who is included.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from functools import lru_cache

from engine.domain.identifiers import fold
from engine.domain.network import Network
from engine.domain.records import Crossing
from engine.domain.time_units import DAY, HOUR, rfc3339
from engine.domain.time_zones import instant_of, wall_time

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
    """When shifts change: one begins at ``starts``, local time, then every ``length``.

    Where a post's clocks are moved, the shift meanwhile is so much longer or shorter.
    """

    utc_offset: int = 5 * HOUR
    """Local time minus UTC, microseconds, of posts that the network does not name."""
    starts: int = 8 * HOUR
    """Local time of day at which a shift begins, microseconds."""
    length: int = 12 * HOUR
    """Length of a shift, microseconds; divides a day."""
    network: Network = field(default_factory=Network)
    """Names the time zone of each post."""

    def shift(self, post: str, instant: int) -> ShiftPeriod:
        """Return the shift of a post that an instant falls into."""
        begins = self._begins(post, instant)
        opens_at, closes_at = (self._instant(post, begins + n * self.length) for n in (0, 1))
        if instant >= closes_at:  # the clocks show the change of shifts a second time
            opens_at, closes_at = closes_at, self._instant(post, begins + 2 * self.length)
        elif instant < opens_at:  # or leave it out
            opens_at, closes_at = self._instant(post, begins - self.length), opens_at
        return ShiftPeriod(post, opens_at, closes_at)

    def local_start(self, post: str, instant: int) -> int:
        """Return the local time of day at which the shift of an instant began, microseconds."""
        return self._begins(post, instant) % DAY

    def _begins(self, post: str, instant: int) -> int:
        """Return what the post's clocks show at the change of shifts before an instant."""
        zone = self._zone(post)
        local = instant + self.utc_offset if zone is None else wall_time(instant, zone)
        return local - (local - self.starts) % self.length

    def _instant(self, post: str, wall: int) -> int:
        zone = self._zone(post)
        return wall - self.utc_offset if zone is None else instant_of(wall, zone)

    def _zone(self, post: str) -> str | None:
        known = self.network.posts.get(post)
        return None if known is None else known.timezone


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
