"""Lines between posts with a node of their own and their centre: how old each is."""

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection

from api.service.metrics import Metrics
from engine.domain.time_units import MINUTE, SECOND, rfc3339
from engine.storage.home import Home

if TYPE_CHECKING:
    from engine.links.state import Link

CUT_OFF_MINUTES = 15.0
"""Silence of a post's link from which on it counts as cut off."""


class LinedService(Protocol):
    """The running service, as the lines of its posts are read."""

    home: Home
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class PostLine:
    """The link of a post's node and its centre, as one of them sees it."""

    name: str
    is_in_force: bool
    silent_minutes: float | None
    """Since the other side last answered; None where it never did."""
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
    from engine.links.ledger import read_last_answer
    from engine.links.posts.copies import find_newest
    from engine.links.state import read_links

    found: dict[str, PostLine] = {}
    for link in read_links(snapshot, read_fingerprint(service.home)).values():
        if link.agreement.kind == "post" and link.phase(now) in ("in_force", "stopped"):
            answered = read_last_answer(snapshot, link.name)
            is_centre = link.us.role == "centre"
            copy = find_newest(snapshot, link.them.identity.fingerprint) if is_centre else None
            newest = None if copy is None else rfc3339(copy.recorded_at)
            line = describe_line(service, link, answered=answered, newest=newest, now=now)
            found |= dict.fromkeys(link.agreement.posts, line)
    return found


def describe_line(
    service: LinedService, link: "Link", *, answered: int, newest: str | None, now: int
) -> PostLine:
    """Return a line; of its last answer, 0 without one, and this process's the later counts."""
    ages = [max(now - answered, 0) / MINUTE] if answered else []
    heard = service.metrics.links_heard.get(link.name)
    ages += [] if heard is None else [(monotonic() - heard) / (MINUTE / SECOND)]
    is_in_force = link.phase(now) == "in_force"
    return PostLine(link.agreement.name, is_in_force, min(ages, default=None), newest)
