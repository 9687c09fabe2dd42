"""Posts whose arrivals a node of their own decides on, as the links of their centre say it.

A vehicle is drawn from one seed. So a centre records no arrival and no act of such a post, whether
its line works or not, until the link has ended.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from engine.errors import ConflictError
from engine.journal.power_records import RecordTail
from engine.links.area import LINK_APPROVED, LINK_ENDED

if TYPE_CHECKING:
    from engine.links.state import Link


def list_node_posts(links: "Iterable[Link]", *, now: int) -> dict[str, str]:
    """Return the posts that have a node of their own, with the name of its link."""
    return {
        post: link.agreement.name
        for link in links
        if link.us.role == "centre" and link.phase(now) in ("in_force", "stopped")
        for post in link.agreement.posts
    }


@dataclass(slots=True)
class PostNodes:
    """The posts of this installation that have nodes; asks for microseconds where none changed."""

    fingerprint: Callable[[], str] = str
    """Returns that of this installation's link identity; empty where it has none."""
    _links: "tuple[Link, ...]" = ()
    _tail: RecordTail = field(default_factory=lambda: RecordTail((LINK_APPROVED, LINK_ENDED)))
    _lock: Lock = field(default_factory=Lock)

    def check_post(self, connection: Connection, post: str, *, now: int) -> None:
        """Raise ``ConflictError`` where the post has a node of its own."""
        with self._lock:
            if self._tail.read_new(connection):
                from engine.links.state import read_links  # a service without links needs none

                self._links = tuple(read_links(connection, self.fingerprint()).values())
            links = self._links
        name = list_node_posts(links, now=now).get(post) if links else None
        if name is not None:
            why = f"its own node decides there (link {name})"
            raise ConflictError("post", post, why)
