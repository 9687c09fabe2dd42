"""Lines between posts with a node of their own and their centre: how old each is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection

from engine.domain.time_units import MINUTE, rfc3339
from engine.links.posts.centre_line import CentreLine
from engine.storage.home import Home

if TYPE_CHECKING:
    from engine.links.state import Link

CUT_OFF_MINUTES = 15.0
"""Silence of a post's link from which on it counts as cut off."""


class LinedService(Protocol):
    """The running service, as the lines of its posts are read."""

    home: Home
    line: CentreLine


@dataclass(frozen=True, slots=True)
class PostLine:
    """The link of a post's node and its centre, as one of them sees it."""

    name: str
    is_in_force: bool
    silent_minutes: float | None
    """Since the other side was last heard; None where it never was."""
    newest: str | None = None
    """At the centre: when its node recorded what arrived here last; RFC 3339."""

    @property
    def is_cut_off(self) -> bool:
        """Tell whether what is shown of the post may be out of date."""
        silent = self.silent_minutes
        return not self.is_in_force or silent is None or silent >= CUT_OFF_MINUTES


def read_post_lines(
    service: LinedService, snapshot: Connection, *, now: int
) -> dict[str, PostLine]:
    """Return the line of each post whose node and centre are two installations."""
    if not service.home.link_keys.exists():
        return {}
    from engine.links.key_files import read_fingerprint
    from engine.links.ledger import read_last_heard
    from engine.links.posts.copies import find_newest
    from engine.links.state import read_links

    found: dict[str, PostLine] = {}
    for link in read_links(snapshot, read_fingerprint(service.home)).values():
        if link.agreement.kind == "post" and link.phase(now) in ("in_force", "stopped"):
            heard = max(read_last_heard(snapshot, link.name), service.line.find_heard(link.name))
            is_centre = link.us.role == "centre"
            copy = find_newest(snapshot, link.them.identity.fingerprint) if is_centre else None
            newest = None if copy is None else rfc3339(copy.recorded_at)
            line = describe_line(link, heard=heard, newest=newest, now=now)
            found |= dict.fromkeys(link.agreement.posts, line)
    return found


def describe_line(link: "Link", *, heard: int, newest: str | None, now: int) -> PostLine:
    """Return a line, whose other side was last heard at UTC microseconds, 0 for never."""
    silent = max(now - heard, 0) / MINUTE if heard else None
    return PostLine(link.agreement.name, link.phase(now) == "in_force", silent, newest)
