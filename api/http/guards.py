"""Checks that a caller may reach a post."""

from typing import Annotated, TypeVar

from fastapi import Depends, Path, Request

from api.auth.callers import Caller
from api.http.dependencies import TheCaller
from api.http.request_bodies import ReportedAct
from engine.criteria.watchlist import Notice, WatchEntry
from engine.domain.network import Network
from engine.domain.plausibility import check_plausible
from engine.domain.records import Arrival, InspectionAct, PostCode, ReportedSeizure, Seizure
from engine.errors import NotFoundError, RecordError, UnknownPostError
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


async def reached_post(
    request: Request, caller: TheCaller, post: Annotated[PostCode, Path()]
) -> str:
    """Return the post that a path names; raises ``NotFoundError`` and ``NotAllowedError``."""
    check_path(request.app.state.runtime.network, caller, post)
    return post


ReachedPost = Annotated[str, Depends(reached_post)]


Reported = TypeVar(
    "Reported", InspectionAct, ReportedAct, ReportedSeizure, Seizure, Notice, WatchEntry
)


def fill_agency(caller: Caller, record: Reported) -> Reported:
    """Return a record with its sender's agency; raises ``RecordError`` where it names another."""
    if caller.agency is None or record.agency == caller.agency:
        return record
    if record.agency is not None:
        why = "the sender acts for another agency"
        raise RecordError(type(record).__name__.lower(), "agency", "other_agency", why)
    return record.model_copy(update={"agency": caller.agency})


def post_of(recording: Recording, caller: Caller, crossing_id: str) -> str:
    """Return the post of a crossing that the caller reaches; raises ``NotFoundError``."""
    post = recording.post_of(crossing_id)
    if not caller.reaches(post):
        raise NotFoundError("crossing", crossing_id)
    return post
