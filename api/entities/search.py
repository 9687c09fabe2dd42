"""Search for decided vehicles, over HTTP and as a page.

A search shows which vehicle crossed and where it stands, never why it was picked, and the same to
every role. Recorded passages, declarations ahead, entries, cases and parties of the loaded history
join where the caller may open them. Each search is a record (:mod:`api.entities.looks`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from pydantic import WithJsonSchema
from sqlalchemy import Connection, select

from api.auth.callers import Caller
from api.entities.answers import (
    CaseAbout,
    DeclaredView,
    EntryView,
    PassageView,
    describe_declarations,
    describe_entries,
    describe_passage,
    list_cases,
)
from api.entities.looks import PURPOSES, AskedPurpose, PagePurpose, Purpose, record_look
from api.entities.passages import KIND_OF, EntityKind, PassageReader
from api.http.answers import Answer, Time
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.service.runtime import Runtime
from api.web.page_route import PageRoute, TheVisit
from engine.domain.identifiers import fold
from engine.domain.records import Outcome
from engine.domain.rights import Matter
from engine.domain.time_units import rfc3339
from engine.errors import RecordError
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import CROSSING
from engine.queue.corrections import Corrections
from engine.queue.identifier_index import (
    LONGEST_SEARCH,
    SHORTEST_SEARCH,
    FoundDecision,
    IdentifierKind,
    RecordSort,
    find_by_text,
    find_decisions,
)
from engine.queue.queue import DECISIONS
from engine.selection import Channel
from features.online.loaded_parties import PartyRole, search_parties

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
    outcome: Outcome | None
    """Of the act that answered it, as it is stated now; None without one that the caller sees."""
    amends: str | None
    """The first decision of its movement, where the declaration was changed since."""
    matched: list[MatchedField]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundParty(Answer):
    """A vehicle or a party of the loaded history."""

    kind: EntityKind
    value: str
    role: PartyRole
    last: Time
    """When its last passage became known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult(Answer):
    """Decisions that a search found, the newest first."""

    tables = ("found", "recorded", "parties", "declarations", "entries", "cases")
    found: list[FoundDecisionView]
    next_before: int | None
    """``before`` of the next page; None on the last."""
    recorded: list[PassageView]
    """Passages that were recorded without a decision. These and the lists below stand on the first
    page alone, ``MOST_OTHERS`` rows each at most."""
    parties: list[FoundParty]
    """Vehicles and parties of the loaded history, by the beginning of their name."""
    declarations: list[DeclaredView]
    entries: list[EntryView]
    cases: list[CaseAbout]


def search(
    service: Runtime,
    caller: Caller,
    asked: str,
    *,
    before: int | None,
    most: int,
    purpose: Purpose | None = None,
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
        others = _Others(PassageReader(service, snapshot, caller), text, is_asked=before is None)
        known = keep_last([one for one in shown if one.seq in bodies])  # the rest is erased
        outcomes = read_outcomes(snapshot, caller, [one.seq for one in known])
        result = SearchResult(
            found=[
                _view(one, bodies[one.seq]["arrival"]["crossing"], outcomes.get(one.seq))
                for one in known
            ],
            next_before=found[most - 1].seq if len(found) > most else None,
            recorded=others.list_recorded(),
            parties=others.list_parties(),
            declarations=others.list_declarations(),
            entries=others.list_entries(),
            cases=others.list_cases(),
        )
    record_look(service, caller, "search", [*(one.seq for one in known), *others.seen], purpose)
    return result


@dataclass(slots=True)
class _Others:
    """What else a folded text finds, of each sort what the caller may open; nothing if not asked.

    ``seen`` gets the numbers of the records that are shown.
    """

    reader: PassageReader
    text: str
    is_asked: bool
    seen: list[int] = field(default_factory=list)

    def _find(self, sort: RecordSort, route: str) -> dict[int, int]:
        """Return the records of one sort with when each became known."""
        if not (self.is_asked and self.reader.caller.may("GET", route)):
            return {}
        snapshot = self.reader.snapshot
        numbers = find_by_text(snapshot, sort, self.text, most=MOST_OTHERS)
        query = select(_J.seq, _J.known_at).where(_J.seq.in_(list(numbers)))
        return {row.seq: row.known_at for row in snapshot.execute(query)}

    def list_recorded(self) -> list[PassageView]:
        """Return passages without a decision."""
        if not self.is_asked:
            return []
        numbers = find_by_text(
            self.reader.snapshot, RecordSort.PASSAGE, self.text, most=MOST_OTHERS, kind=CROSSING
        )
        found = self.reader.read_records(dict.fromkeys(numbers, 0))
        self.seen += [one.seq for one in found if one.seq is not None]
        return [describe_passage(one) for one in found][::-1]

    def list_parties(self) -> list[FoundParty]:
        """Return vehicles and parties of the loaded history; they say nothing of any post."""
        caller = self.reader.caller
        is_bound = caller.post is not None or bool(caller.hidden_posts)
        if is_bound or not (self.is_asked and caller.may("GET", ENTITY_ROUTE)):
            return []
        found = search_parties(self.reader.snapshot, self.text, most=MOST_OTHERS)
        return [
            FoundParty(kind=KIND_OF[role], value=name, role=role, last=rfc3339(last))
            for role, name, last in found
        ]

    def list_declarations(self) -> list[DeclaredView]:
        """Return declarations ahead."""
        route = "/v1/declarations/{declaration_id}"
        numbers = self._find(RecordSort.DECLARATION, route)
        self.seen += numbers
        return list(describe_declarations(self.reader.snapshot, self.reader.caller, numbers))

    def list_entries(self) -> list[EntryView]:
        """Return entries of the watch list and of known lawful trade."""
        numbers = self._find(RecordSort.ENTRY, "/v1/watchlist/{entry_id}")
        found = list(describe_entries(self.reader, list(numbers)))
        self.seen += [seq for seq, _ in found]
        return [one for _, one in found]

    def list_cases(self) -> list[CaseAbout]:
        """Return cases by their number, or by the find that they were opened from."""
        if not self.is_asked:
            return []
        snapshot = self.reader.snapshot
        numbers = find_by_text(snapshot, RecordSort.CASE, self.text, most=MOST_OTHERS)
        self.seen += numbers
        return list_cases(self.reader, (), list(numbers))


def keep_last(found: Sequence[FoundDecision]) -> list[FoundDecision]:
    """Return the last decision on each passage, and those that are searched by their number."""
    last: dict[tuple[str, str], int] = {}
    for one in found:
        passage = one.post, one.crossing_id
        last[passage] = max(last.get(passage, 0), one.seq)
    kept = IdentifierKind.DECISION
    return [one for one in found if kept in one.kinds or last[one.post, one.crossing_id] == one.seq]


def read_outcomes(snapshot: Connection, caller: Caller, seqs: Sequence[int]) -> dict[int, Outcome]:
    """Return the outcomes of the acts on these decisions that the caller sees."""
    query = select(_D.seq, _D.act_seq).where(_D.seq.in_(seqs), _D.act_seq.is_not(None))
    acts = {row.seq: row.act_seq for row in snapshot.execute(query)}
    stated = Corrections(snapshot).bodies(JournalReader(snapshot).bodies(list(acts.values())))
    found = {seq: stated[act]["inspection"] for seq, act in acts.items() if act in stated}
    return {
        seq: act["outcome"]
        for seq, act in found.items()
        if caller.sees(Matter.ACTS, act.get("agency"))
    }


def _view(
    one: FoundDecision, crossing: Mapping[str, Any], outcome: Outcome | None
) -> FoundDecisionView:
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
        outcome=outcome,
        amends=one.amends,
        matched=[kind.code for kind in one.kinds],
    )


router = json_router("/v1/search", "search")
MOST_FOUND = 500
SearchText = Annotated[str, Query(max_length=LONGEST_SEARCH)]
MOST_OTHERS = 20
ENTITY_ROUTE = "/v1/entities/{kind}/{value}"
_J, _D = JOURNAL.c, DECISIONS.c
ReadOn = Annotated[int | None, Query(ge=1, lt=1 << 63)]


@router.get("", response_model=SearchResult)
def find(
    caller: TheCaller,
    service: TheService,
    q: SearchText,
    before: ReadOn = None,
    limit: Annotated[int, Query(ge=1, le=MOST_FOUND)] = 50,
    purpose: AskedPurpose | None = None,
) -> Response:
    """Find decided vehicles by plate, VIN, container, seal, firm, document or decision.

    ``q`` is folded as plates are: case, spaces, dashes and look-alike Cyrillic and Latin letters
    make no difference. It is the beginning of an identifier, any part of a plate, or the whole text
    of a national field, of three characters at least. Each search is a record of its own.
    """
    found = search(service, caller, q, before=before, most=limit, purpose=purpose)
    return answer(found)


page_router = APIRouter(prefix="/search", route_class=PageRoute, include_in_schema=False)
MOST_SHOWN = 50


@page_router.get("")
def show(
    visit: TheVisit,
    service: TheService,
    q: SearchText = "",
    before: ReadOn = None,
    purpose: PagePurpose = "",
) -> Response:
    """Show what a text finds, or what may be looked for."""
    values: dict[str, Any] = {
        "searched_for": q,
        "shortest": SHORTEST_SEARCH,
        "before": before,
        "result": None,
        "purpose": purpose,
        "purposes": PURPOSES,
    }
    if len(fold(q)) >= SHORTEST_SEARCH:
        why = purpose or None
        found = search(service, visit.caller, q, before=before, most=MOST_SHOWN, purpose=why)
        values |= {"result": found, "json_address": f"/v1/search?{urlencode({'q': q})}"}
    return visit.page("search.html", **values)
