"""Running totals of a post's decisions, without adding all of them up for every batch.

What a shift has spent and who waits are sums over records of the journal. The desk keeps them as
they stood at its last snapshot and adds what was decided since; anything else that was recorded
since may have moved what was added before (an act, a release, a review, an amendment), and then
they are read again. Assumes that snapshots only move forward, as those of one thread do.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection

from engine.domain.time_units import DAY
from engine.journal.kinds import DECISION, QUEUE_EXPIRED, TICK
from engine.storage.database import fetch_rows

MOST = 10_000
"""Records since the last snapshot from which on reading all again is quicker than catching up."""


class Picks(NamedTuple):
    """Decisions of one post in one channel for one reason, and their expected minutes."""

    channel: int
    basis: str | None
    decisions: int
    minutes: float


def picks(snapshot: Connection, post: str, since: int) -> list[Picks]:
    """Return what was decided at a post from then on (UTC microseconds), added up."""
    return [Picks(*row) for row in fetch_rows(snapshot, _PICKS, (post, since))]


_PICKS = (
    "SELECT channel, basis, count(*), sum(minutes) FROM decisions "
    "WHERE post = ? AND known_at >= ? GROUP BY channel, basis"
)
_WAITING = (
    "SELECT known_at, place FROM decisions "
    "WHERE decisions.waiting AND post = ? AND +known_at >= ? ORDER BY place"
)
"""The sign keeps both stores from looking at everybody of a day for the few who wait."""
_RECORDED = (
    "SELECT j.kind, d.post, d.known_at, d.channel, d.basis, d.minutes, d.place, d.waiting, "
    "d.amends FROM journal j LEFT JOIN decisions d ON d.seq = j.seq WHERE j.seq > ?"
)


class _Decided(NamedTuple):
    """A record since the last snapshot; all but its kind is None where it is no decision."""

    kind: str
    post: str
    known_at: int
    channel: int
    basis: str | None
    minutes: float
    place: int
    waiting: bool
    amends: str | None

    @property
    def moves_nothing(self) -> bool:
        """Tell whether decisions that were added up before stand as they stood."""
        return self.kind in (TICK, QUEUE_EXPIRED) or (self.kind == DECISION and self.amends is None)


@dataclass(slots=True)
class _Spent:
    since: int
    picks: dict[tuple[int, str | None], Picks]

    def add(self, one: _Decided) -> None:
        had = self.picks.get((one.channel, one.basis), Picks(one.channel, one.basis, 0, 0.0))
        more = had._replace(decisions=had.decisions + 1, minutes=had.minutes + one.minutes)
        self.picks[one.channel, one.basis] = more


@dataclass(slots=True)
class _Line:
    """Who waits at a post: the same vehicles in the order of their places, and as they came."""

    places: list[int]
    came: deque[tuple[int, int]]

    def add(self, one: _Decided) -> None:
        insort(self.places, one.place)
        self.came.append((one.known_at, one.place))

    def leave(self, since: int) -> None:
        """Let go who has been waiting since before then."""
        while self.came and self.came[0][0] < since:
            _, place = self.came.popleft()
            del self.places[bisect_left(self.places, place)]


class Tally:
    """Sums of the decisions of each post, as of the snapshot that it last caught up with."""

    def __init__(self) -> None:
        self._seq = 0
        self._spent: dict[str, _Spent] = {}
        self._lines: dict[str, _Line] = {}

    def catch_up(self, snapshot: Connection, head: int) -> None:
        """Take in what was recorded up to ``head``, the last record that a snapshot sees."""
        if self._spent or self._lines:
            since = [] if head == self._seq else self._recorded(snapshot, head)
            if since is None:
                self._spent, self._lines = {}, {}
            else:
                self._add(since)
        self._seq = head

    def _recorded(self, snapshot: Connection, head: int) -> list[_Decided] | None:
        """Return the decisions since the last snapshot; None where more than that has changed."""
        if head - self._seq > MOST:
            return None
        found = [_Decided(*row) for row in fetch_rows(snapshot, _RECORDED, (self._seq,))]
        if not all(one.moves_nothing for one in found):
            return None
        return [one for one in found if one.kind == DECISION]

    def _add(self, since: Sequence[_Decided]) -> None:
        for one in since:
            if one.post in self._spent:
                self._spent[one.post].add(one)
            if one.waiting and one.post in self._lines:
                self._lines[one.post].add(one)

    def spent(self, snapshot: Connection, post: str, since: int) -> Sequence[Picks]:
        """Return what ``picks`` returns."""
        found = self._spent.get(post)
        if found is None or found.since != since:
            read = {(row.channel, row.basis): row for row in picks(snapshot, post, since)}
            found = self._spent[post] = _Spent(since, read)
        return list(found.picks.values())

    def places(self, snapshot: Connection, post: str, *, as_of: int) -> Sequence[int]:
        """Return the places of the vehicles that wait at a post, ascending."""
        since = as_of - DAY
        line = self._lines.get(post)
        if line is None:
            waits = fetch_rows(snapshot, _WAITING, (post, since))
            line = _Line([place for _, place in waits], deque(sorted(waits)))
            self._lines[post] = line
        line.leave(since)
        return line.places
