"""Checks that a caller may reach a post."""

from api.auth.callers import Caller
from engine.domain.network import Network
from engine.domain.plausibility import check_plausible
from engine.domain.records import Arrival
from engine.errors import NotFoundError, UnknownPostError
from engine.targeting.reports import Recording


def check_post(network: Network, caller: Caller, post: str) -> None:
    """Refuse a post that the caller does not reach or the network does not know."""
    caller.must_reach(post)
    if network.posts and post not in network.posts:
        raise UnknownPostError(post)


def check_arrival(network: Network, caller: Caller, arrival: Arrival, *, now: int) -> None:
    """Refuse an arrival at an unknown or another post, or one that is not plausible at ``now``."""
    check_post(network, caller, arrival.crossing.post)
    check_plausible(arrival, now=now)


def check_path(network: Network, caller: Caller, post: str) -> None:
    """Refuse a post that a path names; an unknown one is not found."""
    try:
        check_post(network, caller, post)
    except UnknownPostError:
        raise NotFoundError("post", post) from None


def post_of(recording: Recording, caller: Caller, crossing_id: str) -> str:
    """Return the post of a crossing that the caller reaches; raises ``NotFoundError``."""
    post = recording.post_of(crossing_id)
    if caller.post not in (None, post):
        raise NotFoundError("crossing", crossing_id)
    return post
