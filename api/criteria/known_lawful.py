"""Known lawful trade: entries under two people, what searches find in them, as JSON and a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from fastapi.responses import RedirectResponse

from api.auth.callers import Caller
from api.http.access import fill_agency
from api.http.answers import AcknowledgedStep, Answer, Time
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from api.profiles.answers import TwoKeysView, describe_standing
from api.proposals.desk import ProposalDesk
from api.proposals.matters import ProposalMatter, Step, name_at_random
from api.proposals.routes import TheDesk
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, list_mistakes
from api.web.i18n import N_
from api.web.labels import TABLES
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from engine.criteria.dual_control import ApprovalState, read_approval_states
from engine.criteria.known_lawful import NAMED, KnownLawful, lawful_content, list_names
from engine.criteria.match import KNOWN_LAWFUL
from engine.criteria.policy import read_policy
from engine.criteria.watchlist import read_expiry
from engine.domain.field_types import Identifier
from engine.domain.rights import Matter, Right, Role
from engine.domain.time_units import rfc3339
from engine.errors import NotFoundError, RecordError
from engine.queue.lawful_trade import LaneCounts, count_lanes
from engine.selection import MOST_DRAWN, lower_factor
from models.statistics.intervals import Estimate, share


def _prepare(step: Step, entry: KnownLawful) -> Mapping[str, Any]:
    return lawful_content(fill_agency(step.caller, entry), now=step.now)


KNOWN_LAWFUL_TRADE = ProposalMatter(
    name=KNOWN_LAWFUL,
    content=KnownLawful,
    about=Matter.WATCHLIST,
    shown=("GET", "/v1/known-lawful/{entry_id}"),
    may={
        Right.ACT: frozenset({Role.ANALYST, Role.SUPERVISOR}),
        Right.APPROVE: frozenset({Role.SUPERVISOR}),
    },
    is_of_post=True,
    page="/known-lawful#{}",
    subject=name_at_random("lawful"),
    post=lambda _caller, entry: entry.post,
    prepare=_prepare,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LawfulFigures(Answer):
    """What searches found among the vehicles that an entry fitted."""

    vehicles: int
    searched: int
    """By an act that could have found something, whatever selected them."""
    loads: int
    """Vehicles with a load found."""
    drawn: int
    """Vehicles searched because they were drawn, whatever their score."""
    load_rate: Estimate
    """Share of its vehicles with a load that a search finds, by the drawn searches alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawfulEntryView(TwoKeysView):
    """An entry of known lawful trade."""

    names: dict[str, str]
    """Everything that has to fit."""
    agency: str | None
    reason: str
    note: str | None
    expiry: Time
    is_suspended: bool
    """Retired by a rule, for the loads that were found."""
    figures: LawfulFigures | None
    """None where the caller does not see every act of its posts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawfulTrade(Answer):
    """Entries of known lawful trade, the newest first, and what an entry does."""

    tables = ("entries",)
    factor: float
    """What the score's probabilities are multiplied by."""
    floor: float
    """Share that is drawn for a search, besides the random checks."""
    drawn_for_one: float
    """Drawn searches for each one by score, at most, at scores spread as those of all."""
    bound: float
    """Share of vehicles with a load above which an entry is suspended."""
    entries: list[LawfulEntryView]


def read_lawful_trade(service: Runtime, caller: Caller) -> LawfulTrade:
    """Return every entry that a caller may see, with what an entry does."""
    with service.store.read() as connection:
        now = service.journal.now(connection)
        found = [
            one
            for one in read_approval_states(connection, KNOWN_LAWFUL).values()
            if _sees(caller, one)
        ][::-1]
        counts = count_lanes(connection, [one for one in found if _sees_figures(caller, one)])
        history = read_policy(connection)
    policy = history.find_shares(caller.post or "", opens_at=now)
    return LawfulTrade(
        factor=lower_factor(policy),
        floor=policy.lawful_floor,
        drawn_for_one=MOST_DRAWN,
        bound=history.find_lawful_bound(caller.post),
        entries=[_describe(one, counts.get(one.subject), now=now) for one in found],
    )


def _sees(caller: Caller, entry: ApprovalState) -> bool:
    is_near = caller.post is None or entry.content.get("post") in (None, caller.post)
    return is_near and caller.sees(Matter.WATCHLIST, entry.content.get("agency"))


def _sees_figures(caller: Caller, entry: ApprovalState) -> bool:
    is_near = caller.post in (None, entry.content.get("post"))
    hidden = caller.duties.hidden_posts(Matter.DECISIONS, Right.SEE)
    return (
        is_near and not hidden and caller.sees_all(Matter.ACTS) and caller.sees_all(Matter.SEIZURES)
    )


def _describe(entry: ApprovalState, counts: LaneCounts | None, *, now: int) -> LawfulEntryView:
    content = entry.content
    return LawfulEntryView(
        **describe_standing(entry),
        state=entry.state_at(now, expires=read_expiry(entry)),
        names=list_names(content),
        agency=content.get("agency"),
        reason=content["reason"],
        note=content.get("note"),
        expiry=rfc3339(read_expiry(entry)),
        is_suspended=entry.is_suspended,
        figures=None if counts is None else _describe_figures(counts),
    )


def _describe_figures(counts: LaneCounts) -> LawfulFigures:
    return LawfulFigures(
        vehicles=counts.vehicles,
        searched=counts.searched,
        loads=counts.loads,
        drawn=counts.drawn,
        load_rate=share(counts.drawn_loads, counts.drawn),
    )


router = json_router("/v1/known-lawful", "watchlist", 404, 409, 413)


@router.get("", response_model=LawfulTrade)
def entries(caller: TheCaller, service: TheService) -> Response:
    """Return every entry, those that left included, and what an entry does."""
    return answer(read_lawful_trade(service, caller))


@router.get("/{entry_id}", response_model=LawfulEntryView)
def entry(
    caller: TheCaller, service: TheService, entry_id: Annotated[Identifier, Path()]
) -> Response:
    """Return one entry."""
    for one in read_lawful_trade(service, caller).entries:
        if one.id == entry_id:
            return answer(one)
    raise NotFoundError(KNOWN_LAWFUL, entry_id)


@router.post("", **creates(AcknowledgedStep, body=KnownLawful))
def propose(
    desk: TheDesk, proposed: Annotated[KnownLawful, Depends(body_of(KnownLawful))]
) -> Response:
    """Propose an entry; it does nothing until another person approves it."""
    return answer(desk.propose(KNOWN_LAWFUL_TRADE, proposed), 201)


page_router = APIRouter(prefix="/known-lawful", route_class=PageRoute, include_in_schema=False)
STATES = ("proposed", "in_force", "expired", "retired")
COUNTRIES = ("dispatch_country", "destination_country", "administration")
ROWS = ("first", "second")
"""Identifiers that the form asks for."""


@page_router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show every entry by where it stands."""
    return _page(visit, service, kept={})


@page_router.post("")
def send_proposal(
    visit: TheVisit, service: TheService, form: TheForm, reader: TheReader
) -> Response:
    """Propose an entry."""
    try:
        _propose_entry(visit, service, reader)
    except (FormError, RecordError) as error:
        return _page(visit, service, kept=form, wrong=list_mistakes(error))
    return RedirectResponse("/known-lawful?done=proposed", 303)


def _propose_entry(visit: Visit, service: Runtime, reader: FormReader) -> None:
    """Propose the entry of a form; raises ``FormError``."""
    once = reader.once()
    fields = reader.texts("note", "post", "certificate")
    fields |= {name: code for name in COUNTRIES if (code := reader.country(name)) is not None}
    fields |= {"reason": reader.text("reason"), "expiry": reader.day("expiry", is_last=True)}
    for row in ROWS:
        kind, named = reader.text(f"{row}_kind"), reader.text(row)
        if kind in NAMED and named:
            fields[kind] = named
    made = reader.record(KnownLawful, fields)
    reader.mistakes = [
        FieldMistake("first", one.rule, one.values) if one.at in ("", *NAMED) else one
        for one in reader.mistakes
    ]
    ProposalDesk(service, visit.caller, once).propose(KNOWN_LAWFUL_TRADE, reader.finish(made))


def _page(
    visit: Visit, service: Runtime, *, kept: Form, wrong: Sequence[FieldMistake] = ()
) -> Response:
    found = read_lawful_trade(service, visit.caller)
    return visit.form_page(
        "known_lawful.html",
        json_address="/v1/known-lawful",
        trade=found,
        by_state={state: [one for one in found.entries if one.state == state] for state in STATES},
        kinds=NAMED,
        posts=[code for code in service.network.posts if visit.caller.reaches(code)],
        field_names={**TABLES["named"], **dict.fromkeys(ROWS, N_("Identifier"))},
        approves=visit.caller.permits(KNOWN_LAWFUL_TRADE.rule(Right.APPROVE)),
        kept=kept,
        wrong=wrong,
    )
