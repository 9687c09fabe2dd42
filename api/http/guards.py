"""Checks that a caller may reach a post."""

from api.auth.callers import Caller
from api.service.runtime import Runtime
from engine.domain.plausibility import check_plausible
from engine.domain.records import Arrival
from engine.errors import NotFoundError, UnknownPostError


def check_post(runtime: Runtime, caller: Caller, post: str) -> None:
    """Refuse a post that the caller does not reach or the network does not know."""
    caller.must_reach(post)
    if runtime.network.posts and post not in runtime.network.posts:
        raise UnknownPostError(post)


def check_arrival(runtime: Runtime, caller: Caller, arrival: Arrival) -> None:
    """Refuse an arrival at another's post or at none, or one that cannot be."""
    check_post(runtime, caller, arrival.crossing.post)
    check_plausible(arrival, now=runtime.present.now())


def check_path(runtime: Runtime, caller: Caller, post: str) -> None:
    """Refuse a post that is named in a path: what is not there is not found."""
    try:
        check_post(runtime, caller, post)
    except UnknownPostError:
        raise NotFoundError("post", post) from None


def post_of(runtime: Runtime, caller: Caller, crossing_id: str) -> str:
    """Return the post of a crossing that the caller reaches; raises ``NotFoundError``."""
    post = runtime.recording.post_of(crossing_id)
    if caller.post not in (None, post):
        raise NotFoundError("crossing", crossing_id)
    return post
