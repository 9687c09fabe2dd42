"""When shifts change at a post."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from engine.domain.network import Network, instant_of, wall_time
from engine.domain.time_units import DAY, HOUR, micros, rfc3339


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


def read_opening(shift_id: str) -> int:
    """Return when a shift opened, by its name in the journal: UTC microseconds."""
    return micros(datetime.fromisoformat(shift_id.rpartition("@")[2]))


@dataclass(frozen=True, slots=True)
class ShiftHours:
    """When shifts change at a post: all in microseconds."""

    utc_offset: int = 5 * HOUR
    """Local time minus UTC, of posts that the network does not name."""
    starts: int = 8 * HOUR
    """Local time of day at which a shift begins."""
    length: int = 12 * HOUR
    """Length of a shift; divides a day."""


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """When shifts change: one begins at ``starts``, local time, then every ``length``.

    Where a post's clocks are moved, the shift meanwhile is so much longer or shorter. Other hours
    take effect when the shift ends in which they were decided; the first shift after that lasts
    until the next change by the new hours.
    """

    hours: Callable[[str], Sequence[tuple[int, ShiftHours]]] = lambda _post: ()
    """Returns the hours of a post, each with the instant at which they were decided, the oldest
    first; those of the first entry hold before it too."""
    network: Network = field(default_factory=Network)
    """Names the time zone of each post."""

    def shift(self, post: str, instant: int) -> ShiftPeriod:
        """Return the shift of a post that an instant falls into."""
        return self._find(post, instant)[0]

    def local_start(self, post: str, instant: int) -> int:
        """Return the local time of day at which the shift of an instant began, microseconds."""
        found, hours = self._find(post, instant)
        zone = self._zone(post)
        at = found.opens_at
        return (at + hours.utc_offset if zone is None else wall_time(at, zone)) % DAY

    def _find(self, post: str, instant: int) -> tuple[ShiftPeriod, ShiftHours]:
        """Return the shift of an instant, and the hours by which it is one."""
        known = self.hours(post) or ((0, ShiftHours()),)
        hours, since = known[0][1], None
        for decided_at, others in known[1:]:
            if since is None or decided_at >= since:  # else both hold from the same end on
                since_then = self._shift(post, decided_at, hours, since=since).closes_at
                if instant < since_then:
                    break
                since = since_then
            hours = others
        return self._shift(post, instant, hours, since=since), hours

    def _shift(
        self, post: str, instant: int, hours: ShiftHours, *, since: int | None
    ) -> ShiftPeriod:
        """Return the shift of an instant by some hours, which hold since an instant."""
        zone = self._zone(post)
        local = instant + hours.utc_offset if zone is None else wall_time(instant, zone)
        begins = local - (local - hours.starts) % hours.length
        ends = begins + hours.length
        opens_at, closes_at = (self._instant(post, wall, hours) for wall in (begins, ends))
        if instant >= closes_at:  # the clocks show the change of shifts a second time
            opens_at, closes_at = closes_at, self._instant(post, ends + hours.length, hours)
        elif instant < opens_at:  # or leave it out
            opens_at, closes_at = self._instant(post, begins - hours.length, hours), opens_at
        return ShiftPeriod(post, opens_at if since is None else max(opens_at, since), closes_at)

    def _instant(self, post: str, wall: int, hours: ShiftHours) -> int:
        zone = self._zone(post)
        return wall - hours.utc_offset if zone is None else instant_of(wall, zone)

    def _zone(self, post: str) -> str | None:
        known = self.network.posts.get(post)
        return None if known is None else known.timezone
