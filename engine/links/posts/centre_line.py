"""Silence of a node's centre, which decisions of its posts say and are protected against.

What the centre withdrew while the line was down still selects at the node, and what it newly wants
is not known there. So the answer says for how long the centre was silent, and after a second limit
the random share rises. A decision is made with the silence that its record holds.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from engine.domain.time_units import DAY, HOUR
from engine.journal.power_records import RecordTail, read_last_known_at
from engine.links.area import LINK_APPROVED, LINK_ENDED
from engine.links.ledger import read_last_heard

if TYPE_CHECKING:
    from engine.links.state import Link


@dataclass(frozen=True, slots=True)
class SilenceLimits:
    """From which silence of a centre something follows: microseconds."""

    stale: int = HOUR
    """Longer than this, decisions say it."""
    random: int = DAY
    """Longer than this, the random share is at its upper bound; not below ``stale``."""

    def __post_init__(self) -> None:
        """Refuse a share that would rise without a word in the answer."""
        if self.random < self.stale:
            raise ValueError("link_random_hours must not be below link_stale_hours")


@dataclass(slots=True)
class CentreLine:
    """When the centres of this installation's posts were last heard.

    An exchange that moved nothing leaves no record: this process remembers its own. The store has
    receipts and envelopes, so after a restart silence is never taken for shorter than it was. All
    times are those of the journal here, of parcels that the other side proved to have: so neither
    an old parcel nor a clock of the other side shortens a silence.
    """

    fingerprint: Callable[[], str] = str
    """Returns that of this installation's link identity; empty where it has none."""
    limits: SilenceLimits = field(default_factory=SilenceLimits)
    _heard: dict[str, int] = field(default_factory=dict)
    """After which instant each link's other side was there, as this process knows it."""
    _links: "tuple[Link, ...]" = ()
    _tail: RecordTail = field(default_factory=lambda: RecordTail((LINK_APPROVED, LINK_ENDED)))
    _lock: Lock = field(default_factory=Lock)

    def note_heard(self, link: str, at: int) -> None:
        """Remember that the other side of a link was there after an instant of this journal."""
        self._heard[link] = max(at, self._heard.get(link, 0))

    def find_heard(self, link: str) -> int:
        """Return after which instant the other side was there, 0 where this process knows none."""
        return self._heard.get(link, 0)

    def measure_silences(
        self, connection: Connection, posts: Iterable[str], *, now: int
    ) -> dict[str, int]:
        """Return for how long the centre of each post was silent, 0 for a post without one.

        ``now`` is in UTC microseconds, silence in microseconds.
        """
        links = self._list_links(connection, now=now)
        silent = {link.name: self._measure(connection, link, now=now) for link in links}
        return {
            post: min((silent[o.name] for o in links if post in o.agreement.posts), default=0)
            for post in posts
        }

    def has_centre(self, connection: Connection, post: str) -> bool:
        """Tell whether a post of this installation has a centre, by the last record's time."""
        links = self._list_links(connection, now=read_last_known_at(connection))
        return any(post in link.agreement.posts for link in links)

    def measure_longest(self, connection: Connection, *, now: int) -> int:
        """Return the longest silence of a centre, 0 without one: microseconds."""
        links = self._list_links(connection, now=now)
        return max((self._measure(connection, link, now=now) for link in links), default=0)

    def measure_since(self, expected: Mapping[str, int], *, now: int) -> int:
        """Return the longest silence of some links, each counted since an instant: microseconds."""
        known = tuple(expected.items())  # another thread adds to it
        return max((now - max(at, self.find_heard(link)) for link, at in known), default=0)

    def _list_links(self, connection: Connection, *, now: int) -> "list[Link]":
        """Return the links to centres that are agreed now."""
        with self._lock:
            if self._tail.read_new(connection):
                from engine.links.state import read_links  # a service without links needs none

                self._links = tuple(read_links(connection, self.fingerprint()).values())
            links = self._links
        live = ("in_force", "stopped")
        return [one for one in links if one.us.role == "node" and one.phase(now) in live]

    def _measure(self, connection: Connection, link: "Link", *, now: int) -> int:
        stored = max(read_last_heard(connection, link.name), link.approval.since)
        return max(0, now - max(stored, self.find_heard(link.name)))
