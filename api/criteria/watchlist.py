"""The watch list: entries, their preview, and a counterpart's notices, over HTTP and as a page.

A preview counts what an entry would have matched and records nothing. The identifiers of the entry
become an expression of the profile language, whose backtest reads all that the home knows: the
loaded history and the records of this service. Identifiers that are folded for the list are folded
for the preview. Look-alikes are written out as spellings; if an identifier has more than
``MOST_SPELLINGS`` of them, only its own spelling is counted, and the answer says so.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from api.auth.callers import OTHER_AGENCY, Caller
from api.http.access import fill_agency
from api.http.answers import AcknowledgedStep, Answer, Time, describe_step
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import TheReason, body_of
from api.http.responses import answer, creates, json_router, takes
from api.profiles.answers import (
    LinkedExample,
    OutcomeView,
    TwoKeysView,
    describe_outcome,
    describe_standing,
    filter_of,
    find_gravity,
    link_examples,
    read_figures,
    weigh_matches,
)
from api.profiles.steps import Days
from api.proposals.desk import ProposalDesk
from api.proposals.matters import Approval, ProposalMatter, Step, name_at_random
from api.proposals.routes import TheApproval, TheDesk
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, list_mistakes
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.criteria.dual_control import ApprovalState
from engine.criteria.profiles.profile import BacktestSubject
from engine.criteria.watchlist import (
    CHANNEL,
    CONVEYANCE,
    NAMED,
    NOTICE_CHANNEL,
    PARTIES,
    EntryIdentifiers,
    EntryTerms,
    Notice,
    WatchBatch,
    WatchEntry,
    entry_content,
    is_selecting,
    list_identifiers,
    read_entries,
    read_expiry,
)
from engine.domain.field_types import Identifier
from engine.domain.identifiers import fold, skeleton
from engine.domain.records import StatedReason
from engine.domain.rights import Matter, Right, Role
from engine.domain.time_units import rfc3339
from engine.errors import (
    BusyError,
    ConflictError,
    NotAllowedError,
    NotEnoughDataError,
    NotFoundError,
    RecordError,
)
from engine.queue.match_outcomes import Months, read_outcomes


def _find_post(caller: Caller, entry: EntryTerms) -> str | None:
    return entry.source_post or caller.post


def _prepare(step: Step, entry: EntryTerms) -> Mapping[str, Any]:
    if isinstance(entry, WatchBatch) and entry.instead_of is not None:
        _check_renewed(step, entry.instead_of)
    source = {"source_post": _find_post(step.caller, entry)}
    filled = fill_agency(step.caller, entry.model_copy(update=source))
    return entry_content(filled, now=step.now)


def _check_renewed(step: Step, entry_id: str) -> None:
    """Raise why a list cannot be renewed: unknown, of another agency, no list, or ended."""
    found = read_entries(step.connection).get(entry_id)
    if found is None or not _sees(step.caller, found):
        raise NotFoundError("watchlist", entry_id)
    if not step.caller.covers(found.content.get("agency")):
        raise NotAllowedError(OTHER_AGENCY, "agency")
    if found.state != "in_force" or "rows" not in found.content:
        raise ConflictError("watchlist", entry_id, "only a list in force can be renewed")


def _check_approval(step: Step, entry: ApprovalState) -> None:
    if (renewed := entry.content.get("instead_of")) is not None:
        _check_renewed(step, renewed)


_ENTRY: Final[dict[str, Any]] = {
    "name": "watchlist",
    "about": Matter.WATCHLIST,
    "shown": ("GET", "/v1/watchlist/{entry_id}"),
    "subject": name_at_random("watch"),
    "post": _find_post,
    "prepare": _prepare,
}
_BY_TWO: Final[dict[str, Any]] = _ENTRY | {
    "may": {
        Right.ACT: frozenset({Role.ANALYST, Role.SUPERVISOR}),
        Right.APPROVE: frozenset({Role.SUPERVISOR}),
    },
    "page": "/watchlist#{}",
    "check": _check_approval,
    "is_shown": is_selecting,
}
WATCH_LIST = ProposalMatter(content=WatchEntry, **_BY_TWO)
WATCH_BATCH = ProposalMatter(content=WatchBatch, **_BY_TWO)
"""A list of many rows: one proposal, approved and retired as any other entry."""
NOTICE = ProposalMatter(
    content=Notice,
    may={Right.ACT: frozenset({Role.COUNTERPART, Role.SUPERVISOR})},
    is_notice=True,
    answer=lambda service, done: AcknowledgedNotice(
        **describe_step(service, done),
        is_notice=True,
        channel=NOTICE_CHANNEL,
        expiry=done.body["content"]["expiry"],
    ),
    **_ENTRY,
)
"""In force at once, because it may be about a vehicle that arrives within the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEntryView(TwoKeysView):
    """An entry of the watch list."""

    names: dict[str, str]
    look_alikes: bool
    is_shareable: bool
    """Its identifiers may be compared with the lists of partners."""
    source_post: str | None
    agency: str | None
    """The agency whose entry it is."""
    reason: str
    note: str | None
    expiry: Time
    is_notice: bool
    """A counterpart's word, not confirmed by a second person here."""
    is_of_counterpart: bool
    """A counterpart's word, confirmed or not: what it sends counts under ``counterpart``."""
    channel: Literal["yellow", "red"]
    list: str | None
    """The named list that it belongs to."""
    owner: str | None
    threat: str | None
    review_by: Time | None
    gravity: Literal["low", "medium", "high"] | None
    source_grade: str | None
    """A (the most reliable) to F."""
    information_grade: str | None
    """1 (confirmed) to 6."""
    handling: Sequence[str]
    rows: int
    """Rows of a list that was loaded as a whole; 0 of an entry of its own, which ``names`` says."""
    left_out: int
    """Faulty rows of its file that are not part of it."""
    instead_of: str | None
    """The list that it renews."""
    outcome: OutcomeView


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchList(Answer):
    """Entries of the watch list, the newest first."""

    tables = ("entries",)
    entries: list[WatchEntryView]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedNotice(AcknowledgedStep):
    """A notice that is on the list."""

    is_notice: Literal[True]
    """It stands on one person's word until a supervisor confirms it."""
    channel: Literal["yellow"]
    expiry: Time
    """As asked, or after 30 days, whichever comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPreview(Answer):
    """What an entry would have matched, had it been in force; nothing is recorded."""

    synthetic: bool
    names: dict[str, str]
    look_alikes: bool
    is_by_shape: bool
    """Every spelling of the same shape was counted; false where there are too many of them."""
    since: Time | None
    until: Time | None
    """The last crossing that is known, from which days count back."""
    days: float
    arrivals: int
    matches: int
    inspected: int | None
    """Of the matches, by an act that could find something; None where acts are hidden."""
    hits: int | None
    seizures: int | None
    minutes: float
    """Of physical inspection that all matches would have taken."""
    examples: list[LinkedExample]
    """The latest of them, at posts that the caller sees."""


def list_entries(service: Runtime, caller: Caller) -> list[WatchEntryView]:
    """Return every entry of the watch list, the newest first."""
    with service.store.read() as connection:
        as_of = service.journal.now(connection)
        states = read_entries(connection).values()
        found = [one for one in states if _sees(caller, one)][::-1]
        seen, gravity = filter_of(caller), find_gravity(service, connection, caller)
        months = read_outcomes(connection, [one.subject for one in found], seen)
        weights = weigh_matches(months, gravity, seen)
        return [_describe(one, as_of, months, weights[one.subject]) for one in found]


def read_entry(service: Runtime, entry_id: str, caller: Caller) -> WatchEntryView:
    """Return one entry; raises ``NotFoundError``."""
    with service.store.read() as connection:
        found = find_entry(connection, caller, entry_id)
        seen = filter_of(caller)
        months = read_outcomes(connection, [entry_id], seen)
        weights = weigh_matches(months, find_gravity(service, connection, caller), seen)
        return _describe(found, service.journal.now(connection), months, weights[entry_id])


def find_entry(connection: Connection, caller: Caller, entry_id: str) -> ApprovalState:
    """Return an entry that a caller sees; raises ``NotFoundError``."""
    found = read_entries(connection).get(entry_id)
    if found is None or not _sees(caller, found):
        raise NotFoundError("watchlist", entry_id)
    return found


def _describe(
    entry: ApprovalState, as_of: int, months: Mapping[str, Months], gravity: float
) -> WatchEntryView:
    content = entry.content
    terms: dict[str, Any] = {name: content.get(name) for name in _TERMS}
    return WatchEntryView(
        **describe_standing(entry),
        state=entry.state_at(as_of, expires=read_expiry(entry)),
        names=list_identifiers(content),
        look_alikes=content.get("look_alikes", False),
        is_shareable=content.get("is_shareable", False),
        source_post=content.get("source_post"),
        agency=content.get("agency"),
        reason=content["reason"],
        note=content.get("note"),
        expiry=rfc3339(read_expiry(entry)),
        is_notice=entry.is_notice,
        is_of_counterpart=entry.is_of_counterpart,
        channel=NOTICE_CHANNEL if entry.is_notice else CHANNEL,
        **terms,
        handling=content.get("handling", ()),
        rows=len(content.get("rows", ())),
        left_out=content.get("left_out", 0),
        outcome=describe_outcome(months[entry.subject], gravity),
    )


_TERMS = (
    "list", "owner", "threat", "review_by", "gravity", "source_grade", "information_grade",
    "instead_of",
)  # fmt: skip


def _sees(caller: Caller, entry: ApprovalState) -> bool:
    """Requests of partners that select nothing are at their own page."""
    if not is_selecting(entry.content):
        return False
    return caller.sees(Matter.WATCHLIST, entry.content.get("agency"))


ROOM = 1700
"""Characters of an expression that spellings may take, of the 2,000 that there are."""
_CLASSES = ("0OQD", "1I", "2Z", "5S", "8B", "6G")
_ALIKE = {sign: alike for alike in _CLASSES for sign in alike}
_FIELDS = {"plate": "crossing.plate", "trailer": "crossing.trailer_plate", "vin": "crossing.vin"}
_ROLES = {kind: f"declaration.{kind}_id" for kind in PARTIES} | {"carrier": "crossing.carrier_id"}


class PreviewRequest(EntryIdentifiers):
    """Identifiers of an entry that is not proposed yet."""

    days: Days = 90

    EXAMPLE: ClassVar = {"plate": "01 A 123 BC", "look_alikes": True, "days": 30}

    @model_validator(mode="after")
    def _names(self) -> Self:
        known = list_identifiers(self.model_dump(mode="json"))
        if not any(fold(one) if kind in CONVEYANCE else one for kind, one in known.items()):
            raise PydanticCustomError("missing_key", "at least one identifier is needed")
        return self


def preview_entry(service: Runtime, caller: Caller, asked: PreviewRequest) -> WatchPreview:
    """Return what an entry would have matched; nothing is recorded.

    Posts that the caller does not see are left out; what acts found is None where acts of some
    agency are hidden. Raises ``BusyError`` and ``NotEnoughDataError`` as a backtest does.
    """
    names = list_identifiers(asked.model_dump(mode="json"))
    expression = " || ".join(_conditions(names, is_by_shape=asked.look_alikes))
    hidden = caller.duties.hidden_posts(Matter.DECISIONS, Right.SEE)
    if hidden:
        expression = f"({expression}) && !(crossing.post in {json.dumps(sorted(hidden))})"
    trial = BacktestSubject(expression, "red", 100.0, caller.post)
    found = read_figures(service.backtests.run(trial, days=asked.days), sees_acts=False)
    sees_acts = caller.sees_all(Matter.ACTS)
    return WatchPreview(
        synthetic=found.synthetic,
        names=names,
        look_alikes=asked.look_alikes,
        is_by_shape=asked.look_alikes and _are_all_spelt(names),
        since=found.since,
        until=found.until,
        days=found.days,
        arrivals=found.arrivals,
        matches=found.matches,
        inspected=found.inspected if sees_acts else None,
        hits=found.hits if sees_acts else None,
        seizures=found.seizures if caller.sees_all(Matter.SEIZURES) else None,
        minutes=found.matches * found.minutes_per_day / (found.matches_per_day or 1.0),
        examples=link_examples(service, caller, found.examples),
    )


def _conditions(names: Mapping[str, str], *, is_by_shape: bool) -> Iterator[str]:
    """Yield what the profile language asks of an arrival that an identifier names."""
    for kind, value in names.items():
        if kind not in CONVEYANCE:
            roles = _ROLES.values() if kind == "party" else (_ROLES.get(kind, f"crossing.{kind}"),)
            yield from (f"{role} == {_literal(value)}" for role in roles)
        elif fold(value):
            known = _spellings(fold(value), among=len(names)) if is_by_shape else [value]
            several = f"[{', '.join(map(_literal, known))}]"
            if kind == "container":
                yield f"crossing.container_numbers.exists(c, c in {several})"
            else:
                yield f"{_FIELDS[kind]} in {several}"


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _spellings(folded: str, *, among: int) -> list[str]:
    """Return the spellings of one shape, or this one alone where they are too many.

    ``among`` identifiers share the room of one expression.
    """
    signs = [_ALIKE.get(sign, sign) for sign in skeleton(folded)]
    most = ROOM // among // (len(folded) + 4)
    every = ["".join(one) for one in islice(product(*signs), most + 1)]
    return every if len(every) <= most else [folded]


def _are_all_spelt(names: Mapping[str, str]) -> bool:
    """Tell whether all spellings of each identifier that has a shape are counted."""
    shapes = [fold(value) for kind, value in names.items() if kind in CONVEYANCE]
    alike = [one for one in shapes if not _ALIKE.keys().isdisjoint(one)]
    return all(len(_spellings(one, among=len(names))) > 1 for one in alike)


router = json_router("/v1", "watchlist", 404, 409, 413)
EntryId = Annotated[Identifier, Path()]


@router.get("/watchlist", response_model=WatchList)
def entries(caller: TheCaller, service: TheService) -> Response:
    """Return every entry, those that left included."""
    return answer(WatchList(entries=list_entries(service, caller)))


@router.post("/watchlist", **creates(AcknowledgedStep, body=WatchEntry))
def propose(desk: TheDesk, entry: Annotated[WatchEntry, Depends(body_of(WatchEntry))]) -> Response:
    """Propose an entry; it matches nothing until another person approves it."""
    return answer(desk.propose(WATCH_LIST, entry), 201)


@router.post(
    "/watchlist/previews", response_model=WatchPreview, openapi_extra=takes(PreviewRequest)
)
def preview(
    caller: TheCaller,
    service: TheService,
    asked: Annotated[PreviewRequest, Depends(body_of(PreviewRequest))],
) -> Response:
    """Return what an entry would have matched, before it is proposed; nothing is recorded."""
    return answer(preview_entry(service, caller, asked))


@router.get("/watchlist/{entry_id}", response_model=WatchEntryView)
def entry(caller: TheCaller, service: TheService, entry_id: EntryId) -> Response:
    """Return one entry."""
    return answer(read_entry(service, entry_id, caller))


@router.post(
    "/watchlist/{entry_id}/approvals", **creates(AcknowledgedStep, body=Approval, is_owed=False)
)
def approve(desk: TheDesk, entry_id: EntryId, approval: TheApproval) -> Response:
    """Agree to what waits: an entry, its leaving, or that a notice sends to red."""
    return answer(desk.approve(WATCH_LIST, entry_id, approval), 201)


@router.post("/watchlist/{entry_id}/retirements", **creates(AcknowledgedStep, body=StatedReason))
def retire(desk: TheDesk, entry_id: EntryId, wanted: TheReason) -> Response:
    """Propose that an entry leaves; it stays until another person approves that."""
    return answer(desk.retire(WATCH_LIST, entry_id, wanted), 201)


@router.post("/notices", **creates(AcknowledgedNotice, body=Notice))
def notice(desk: TheDesk, proposed: Annotated[Notice, Depends(body_of(Notice))]) -> Response:
    """Put a counterpart's word onto the watch list at once."""
    return answer(desk.propose(NOTICE, proposed), 201)


page_router = APIRouter(prefix="/watchlist", route_class=PageRoute, include_in_schema=False)
FormStart = Annotated[str, Query(max_length=64)]
STATES = ("proposed", "in_force", "expired", "retired")


@page_router.get("")
def show(
    visit: TheVisit, service: TheService, kind: FormStart = "", identifier: FormStart = ""
) -> Response:
    """Show every entry by where it stands; the form begins with what a link names."""
    begun = {"kind": [kind], "identifier": [identifier]} if kind in NAMED and identifier else {}
    return _page(visit, service, kept=begun)


@page_router.post("/previews")
def show_preview(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader, *, part: bool = False
) -> Response:
    """Show the form with what its entry would have matched, or that part of it alone."""
    try:
        found = _preview(visit, service, reader)
    except FormError as error:
        if part:
            return visit.page("preview.html", preview=None, is_busy=False)
        return _page(visit, service, kept=form, wrong=error.mistakes)
    except (BusyError, NotEnoughDataError):
        found = None
    if part:
        return visit.page("preview.html", preview=found, is_busy=found is None)
    return _page(visit, service, kept=form, preview=found, is_busy=found is None)


@page_router.post("")
def send_proposal(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader
) -> Response:
    """Propose an entry."""
    try:
        _propose_entry(visit, service, reader)
    except (FormError, RecordError) as error:
        return _page(visit, service, kept=form, wrong=list_mistakes(error))
    return RedirectResponse("/watchlist?done=proposed", 303)


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
    preview: WatchPreview | None = None,
    is_busy: bool = False,
) -> Response:
    found = list_entries(service, visit.caller)
    return visit.form_page(
        "watchlist.html",
        json_address="/v1/watchlist",
        by_state={state: [one for one in found if one.state == state] for state in STATES},
        kinds=NAMED,
        kept=kept,
        wrong=wrong,
        preview=preview,
        is_busy=is_busy,
    )


def _preview(visit: Visit, service: Runtime, reader: FormReader) -> WatchPreview:
    """Return what the entry of a form would have matched; raises ``FormError``."""
    kind, named = reader.text("kind"), reader.text("identifier")
    fields: dict[str, Any] = {"look_alikes": reader.text("look_alikes") == "1"}
    if kind in NAMED and named:
        fields[kind] = named
    made = reader.record(PreviewRequest, fields)
    reader.mistakes = [_at_identifier(one, kind) for one in reader.mistakes]
    return preview_entry(service, visit.caller, reader.finish(made))


def _propose_entry(visit: Visit, service: Runtime, reader: FormReader) -> None:
    """Propose an entry of the watch list; raises ``FormError``."""
    kind, named, once = reader.text("kind"), reader.text("identifier"), reader.once()
    fields = reader.texts("note") | {"reason": reader.text("reason")}
    if kind in NAMED and named:
        fields[kind] = named
    fields["expiry"] = reader.day("expiry", is_last=True)
    for mark in ("look_alikes", "is_shareable"):
        fields[mark] = reader.text(mark) == "1"
    made = reader.record(WatchEntry, fields)
    reader.mistakes = [_at_identifier(one, kind) for one in reader.mistakes]
    ProposalDesk(service, visit.caller, once).propose(WATCH_LIST, reader.finish(made))


def _at_identifier(mistake: FieldMistake, kind: str) -> FieldMistake:
    """Return a mistake at the one field where the form asks for identifiers of every kind."""
    is_there = mistake.at in ("", kind)
    return FieldMistake("identifier", mistake.rule, mistake.values) if is_there else mistake
