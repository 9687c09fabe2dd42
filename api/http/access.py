"""Access of a caller: the posts that it may reach, and the records of agencies that it sees.

Acts, seizures, reviews and entries of the watch list have an agency, and a decision repeats what
the entries that it matched say. :meth:`api.auth.callers.Caller.sees` alone decides whether a caller
sees a row of an agency; this module says whose rows a record holds. A kind of record that is not
listed here is shown only to callers who see the rows of every agency.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Path, Request
from sqlalchemy import Connection

from api.auth.callers import Caller
from api.http.dependencies import TheCaller
from api.http.request_bodies import ReportedAct
from engine.criteria.dual_control import read_approval_states
from engine.criteria.known_lawful import KnownLawful
from engine.criteria.match import WATCHLIST
from engine.criteria.watchlist import EntryTerms
from engine.domain.field_types import PostCode
from engine.domain.network import Network
from engine.domain.records import Arrival, InspectionAct, ReportedSeizure, Seizure
from engine.domain.rights import Matter, Right
from engine.domain.validation import check_plausible
from engine.errors import NotFoundError, RecordError, UnknownPostError
from engine.journal.areas import Body, RecordRule, list_rules, read_owners
from engine.queue.documents_asked import DocumentsAsked
from engine.targeting.report_writer import ReportWriter

OF_POSTS = frozenset({Matter.DECISIONS, Matter.PROFILES, Matter.REPORTS})
"""Matters whose rows belong to the agencies of their post."""


class RecordFilter:
    """Tells which records of the journal a caller sees whole."""

    def __init__(self, connection: Connection, caller: Caller) -> None:
        self._caller = caller
        self._sees_every_row = all(caller.sees_all(matter) for matter in Matter)
        self._hidden_finds = caller.duties.hidden_posts(Matter.SEIZURES, Right.SEE)
        self._owners: dict[tuple[Matter, str | None], str | None] = {}
        """Agency of each entry of the watch list and of known lawful trade, and of each webhook,
        where any may be hidden."""
        if not caller.sees_all(Matter.WATCHLIST):
            self._owners = {
                (Matter.WATCHLIST, one.subject): one.content.get("agency")
                for name in ("watchlist", "known_lawful")
                for one in read_approval_states(connection, name).values()
            }
        self._profiles: Mapping[str | None, str] = {}
        if not caller.sees_all(Matter.PROFILES):
            states = read_approval_states(connection, "profile").values()
            self._profiles = {one.subject: one.content.get("post") or "" for one in states}
        if not caller.sees_all(Matter.PEOPLE):
            self._owners.update(read_owners(connection))

    def sees(self, kind: str, subject: str, post: str, *, body: Body | None) -> bool:
        """Tell whether a record holds no row that is hidden; an erased one may hold any.

        A record of a post's node that has no effect here is seen as what it wraps, where its post
        is one of the link's; what the node knows of entries and profiles is not known here.
        """
        rule = list_rules().get(kind)
        if self._sees_every_row:
            return True
        if rule is None:
            return False
        if not rule.is_wrapper:
            return self._sees_row(rule, subject, post, body=body)
        if body is None or body["post"] != post:
            return False
        wrapped = list_rules().get(str(body["kind"]))
        if wrapped is None or wrapped.is_wrapper:
            return False
        return self._sees_row(wrapped, None, post, body=body.get("content"))

    def _sees_row(
        self, rule: RecordRule, subject: str | None, post: str, *, body: Body | None
    ) -> bool:
        """Tell it by the rule of a kind; ``subject`` is None if it is not known here."""
        matter, caller = rule.matter, self._caller
        if matter is None:
            return True
        if not self._reaches(rule, matter, subject, post):
            return False
        if rule.is_of_subject:
            agency = self._owners.get((matter, subject), _UNKNOWN)
            return caller.sees_all(matter) or (agency != _UNKNOWN and caller.sees(matter, agency))
        if rule.owners is None:
            return True
        if body is None:
            return False
        entered = body.get("pending_post")  # another post than the record's, which is the sender's
        if entered is not None and entered in self._hidden_finds:
            return False
        return all(caller.sees(*owner) for owner in rule.owners(body))

    def _reaches(self, rule: RecordRule, matter: Matter, subject: str | None, post: str) -> bool:
        """Tell whether records are reached at a post.

        A step about a profile does not name its post; one that is not known here may be about any.
        """
        duties = self._caller.duties
        if duties.scope(matter, Right.SEE) in rule.hidden:
            return False
        if matter not in OF_POSTS or self._caller.sees_all(matter):
            return True
        at = self._profiles.get(subject) if matter is Matter.PROFILES else post
        return at is not None and at not in duties.hidden_posts(matter, Right.SEE)


_UNKNOWN = "?"
"""Stands for the agency of an entry or a webhook that is not known here; no agency's code."""


def visible_reasons(caller: Caller, reasons: Sequence[Body]) -> list[Any]:
    """Return the reasons of a decision without those that entries of other agencies give."""
    return [
        one
        for one in reasons
        if one["code"] != WATCHLIST
        or caller.sees(Matter.WATCHLIST, (one.get("parameters") or {}).get("agency"))
    ]


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
    "Reported",
    InspectionAct,
    ReportedAct,
    ReportedSeizure,
    Seizure,
    DocumentsAsked,
    KnownLawful,
    EntryTerms,
)


def fill_agency(caller: Caller, record: Reported) -> Reported:
    """Return a record with its sender's agency; raises ``RecordError`` where it names another."""
    if caller.agency is None or record.agency == caller.agency:
        return record
    if record.agency is not None:
        why = "the sender acts for another agency"
        raise RecordError(type(record).__name__.lower(), "agency", "other_agency", why)
    return record.model_copy(update={"agency": caller.agency})


def post_of(recording: ReportWriter, caller: Caller, crossing_id: str) -> str:
    """Return the post of a crossing that the caller reaches; raises ``NotFoundError``."""
    post = recording.post_of(crossing_id)
    if not caller.reaches(post):
        raise NotFoundError("crossing", crossing_id)
    return post
