"""Search for decided vehicles, over HTTP and as a page.

A search shows which vehicle crossed and where it stands, never why it was picked, and the same to
every role. The journal records the reader and the records that are shown before the answer leaves;
if that cannot be recorded, nothing is shown. The text of the search is not recorded, because it
would outlive the erasure of what it names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from pydantic import WithJsonSchema

from api.auth.callers import Caller
from api.http.answers import Answer, Time
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.service.runtime import Runtime
from api.web.page_route import PageRoute, TheVisit
from engine.domain.identifiers import fold
from engine.domain.time_units import rfc3339
from engine.errors import RecordError
from engine.journal.journal import JournalReader
from engine.journal.kinds import SENSITIVE_READ, SensitiveReadBody
from engine.queue.identifier_index import (
    SHORTEST_SEARCH,
    FoundDecision,
    IdentifierKind,
    find_decisions,
)
from engine.selection import Channel

MatchedField = Annotated[
    str, WithJsonSchema({"type": "string", "enum": [kind.code for kind in IdentifierKind]})
]
"""What the text is an identifier of, or a part of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDecisionView(Answer):
    """A decision that a search found, without any figure of it."""

    decision_id: str
    crossing_id: str
    post: str
    direction: str
    arrived_at: Time
    decided_at: Time
    vehicle_class: str
    plate: str | None
    plate_country: str | None
    channel: str
    """Where the vehicle stands, or stood last."""
    waiting: bool
    amends: str | None
    """The first decision of its movement, where the declaration was changed since."""
    matched: list[MatchedField]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult(Answer):
    """Decisions that a search found, the newest first."""

    tables = ("found",)
    found: list[FoundDecisionView]
    next_before: int | None
    """``before`` of the next page; None on the last."""


def search(
    service: Runtime, caller: Caller, asked: str, *, before: int | None, most: int
) -> SearchResult:
    """Return what a text finds, and where to read on; raises ``RecordError``."""
    text = fold(asked)
    if len(text) < SHORTEST_SEARCH:
        why = f"at least {SHORTEST_SEARCH} letters or digits"
        raise RecordError("query", "q", "too_short", why)
    with service.store.read() as snapshot:
        found = find_decisions(
            snapshot,
            text,
            post=caller.post,
            hidden=caller.hidden_posts,
            before=before,
            most=most + 1,
        )
        shown = [one for one in found[:most] if caller.sees_post(one.post)]
        bodies = JournalReader(snapshot).bodies([one.seq for one in shown])
    known = [one for one in shown if one.seq in bodies]  # the rest is erased
    _record_look(service, caller, known)
    return SearchResult(
        found=[_view(one, bodies[one.seq]["arrival"]["crossing"]) for one in known],
        next_before=found[most - 1].seq if len(found) > most else None,
    )


def _record_look(service: Runtime, caller: Caller, shown: Sequence[FoundDecision]) -> None:
    body: SensitiveReadBody = {
        "by": caller.person,
        "role": caller.role.value,
        "sequence": 0,
        "kind": "search",
        "found": [one.seq for one in shown],
    }
    service.writer.submit(SENSITIVE_READ.draft("0", body, post=caller.post or "")).result()


def _view(one: FoundDecision, crossing: Mapping[str, Any]) -> FoundDecisionView:
    return FoundDecisionView(
        decision_id=one.decision_id,
        crossing_id=one.crossing_id,
        post=one.post,
        direction=crossing["direction"],
        arrived_at=crossing["arrived_at"],
        decided_at=rfc3339(one.known_at),
        vehicle_class=crossing["vehicle_class"],
        plate=crossing.get("plate"),
        plate_country=crossing.get("plate_country"),
        channel=Channel(one.channel).code,
        waiting=one.waiting,
        amends=one.amends,
        matched=[kind.code for kind in one.kinds],
    )


router = json_router("/v1/search", "search")
LONGEST = 64
MOST_FOUND = 500
SearchText = Annotated[str, Query(max_length=LONGEST)]
ReadOn = Annotated[int | None, Query(ge=1, lt=1 << 63)]


@router.get("", response_model=SearchResult)
def find(
    caller: TheCaller,
    service: TheService,
    q: SearchText,
    before: ReadOn = None,
    limit: Annotated[int, Query(ge=1, le=MOST_FOUND)] = 50,
) -> Response:
    """Find decided vehicles by plate, VIN, container, seal, firm, document or decision.

    ``q`` is folded as plates are: case, spaces, dashes and look-alike Cyrillic and Latin letters
    make no difference. It is the beginning of an identifier, or any part of a plate, of three
    characters at least. Each search is a record of its own.
    """
    return answer(search(service, caller, q, before=before, most=limit))


page_router = APIRouter(prefix="/search", route_class=PageRoute, include_in_schema=False)
MOST_SHOWN = 50


@page_router.get("")
def show(
    visit: TheVisit, service: TheService, q: SearchText = "", before: ReadOn = None
) -> Response:
    """Show what a text finds, or what may be looked for."""
    values: dict[str, Any] = {
        "searched_for": q,
        "shortest": SHORTEST_SEARCH,
        "before": before,
        "result": None,
    }
    if len(fold(q)) >= SHORTEST_SEARCH:
        found = search(service, visit.caller, q, before=before, most=MOST_SHOWN)
        values |= {"result": found, "json_address": f"/v1/search?{urlencode({'q': q})}"}
    return visit.page("search.html", **values)
