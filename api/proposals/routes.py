"""Proposals over HTTP and as a page: one list, one way to propose, one way to approve."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import RedirectResponse

from api.http.answers import AcknowledgedAccount, AcknowledgedStep, Answer, Time
from api.http.dependencies import TheService, of_caller
from api.http.request_bodies import body_of, parse_body
from api.http.responses import answer, creates, json_router
from api.proposals.desk import Proposal, ProposalDesk
from api.proposals.matters import Approval, ProposalMatter, list_matters
from api.service.runtime import Runtime
from api.web.forms import TheReader
from api.web.page_route import PageRoute, TheVisit, Visit
from engine.domain.field_types import Identifier, Text
from engine.domain.records import Record, StatedReason
from engine.domain.rights import Right
from engine.domain.time_units import moment, rfc3339
from engine.errors import NotFoundError, RecordError

router = json_router("/v1/proposals", "proposals", 404, 409, 413)
page_router = APIRouter(prefix="/proposals", route_class=PageRoute, include_in_schema=False)


class ProposalRequest(Record):
    """A proposal: something new with its content, or that something leaves."""

    matter: Identifier
    """``profile``, ``watchlist``, ``known_lawful`` or ``account``; others are proposed by
    ``darvoza propose``."""
    content: dict[str, Any] | None = None
    """As the matter has it: a profile, an entry of the watch list, a grant."""
    leaves: Identifier | None = None
    """The profile or entry that shall leave, in place of a content."""
    why: Text | None = None
    """Why it shall leave."""
    EXAMPLE: ClassVar = {"matter": "watchlist", "leaves": "watch-5d2c0f", "why": "It is over."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Answer):
    """What waits for a second person."""

    number: int
    """By which it is approved."""
    what: Literal["proposal", "retirement"]
    by: str
    """Who began it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalView(Answer):
    """A proposal and where it stands."""

    matter: str
    id: str
    name: str | None
    """What an entry names, its list, or a policy's setting; None where ``id`` is all there is."""
    state: Literal["proposed", "shadow", "in_force", "retired"]
    author: str
    approvals: list[str]
    proposed_at: Time
    since: Time
    """When it entered its present state."""
    waiting: Waiting | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposals(Answer):
    """Proposals by matter, the oldest first."""

    tables = ("proposals",)
    proposals: list[ProposalView]


TheDesk = Annotated[ProposalDesk, of_caller(ProposalDesk)]
Name = Annotated[Identifier, Path()]
TheApproval = Annotated[Approval, Depends(body_of(Approval, is_owed=False))]
State = Annotated[
    Literal["waiting", "proposed", "shadow", "in_force", "retired"] | None,
    Query(description="Where a proposal stands; ``waiting``: for a second person."),
]


@router.get("", response_model=Proposals)
def proposals(desk: TheDesk, state: State = None) -> Response:
    """Return what was proposed in the matters that the caller sees."""
    found = [
        _describe(one)
        for one in desk.list()
        if state in (None, one.state.state) or (state == "waiting" and one.waits)
    ]
    return answer(Proposals(proposals=found))


def _describe(proposal: Proposal) -> ProposalView:
    state = proposal.state
    waiting = None
    if proposal.waits and state.pending is not None:
        what: Literal["proposal", "retirement"] = "retirement" if state.leaving else "proposal"
        waiting = Waiting(number=state.pending, what=what, by=proposal.begun_by)
    return ProposalView(
        matter=proposal.matter.name,
        id=state.subject,
        name=proposal.name,
        state=state.state,
        author=state.author,
        approvals=[*state.approvals],
        proposed_at=rfc3339(state.proposed_at),
        since=rfc3339(state.since),
        waiting=waiting,
    )


@router.post("", **creates(AcknowledgedStep, body=ProposalRequest))
def propose(
    desk: TheDesk, wanted: Annotated[ProposalRequest, Depends(body_of(ProposalRequest))]
) -> Response:
    """Propose something, or that something leaves; it counts once another person approves it."""
    matter = list_matters().get(wanted.matter)
    if matter is None:
        raise RecordError("proposal", "matter", "unknown_enumeration", "no such matter")
    if wanted.leaves is not None:
        asked = parse_body(json.dumps({"reason": wanted.why}).encode(), StatedReason)
        return answer(desk.retire(matter, wanted.leaves, asked), 201)
    content = parse_body(json.dumps(wanted.content or {}).encode(), matter.content)
    return answer(desk.propose(matter, content), 201)


Number = Annotated[int, Path(ge=1, lt=1 << 63)]


@router.post("/{number}/approvals", **creates(AcknowledgedStep, body=Approval, is_owed=False))
def approve(desk: TheDesk, number: Number, approval: TheApproval) -> Response:
    """Agree to what waits under this number; never the person who began it."""
    return answer(desk.approve_number(number, approval), 201)


@page_router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show what waits, the newest first."""
    return _show_page(visit, service)


@page_router.post("/{matter}/{subject}/approvals")
def send_approval(
    visit: TheVisit, service: TheService, reader: TheReader, matter: Name, subject: Name
) -> Response:
    """Agree to what waits about a subject; of an invitation show the approver's code once."""
    found = _find_matter(matter)
    fields = {"shadow": reader.text("shadow") == "1"} | reader.texts("note")
    approval = reader.finish(reader.record(Approval, fields))
    done = ProposalDesk(service, visit.caller).approve(found, subject, approval)
    if isinstance(done, AcknowledgedAccount) and done.code:
        return _show_page(visit, service, code=done.code)
    return RedirectResponse(_page_of(found, subject, "approved"), 303)


@page_router.post("/{matter}/{subject}/retirements")
def send_retirement(
    visit: TheVisit, service: TheService, reader: TheReader, matter: Name, subject: Name
) -> Response:
    """Propose that something leaves."""
    found = _find_matter(matter)
    wanted = reader.finish(reader.record(StatedReason, reader.texts("reason")))
    ProposalDesk(service, visit.caller).retire(found, subject, wanted)
    return RedirectResponse(_page_of(found, subject, "leaving"), 303)


def _find_matter(name: str) -> ProposalMatter[Any]:
    """Return a matter that a path names; raises ``NotFoundError``."""
    if name not in list_matters():
        raise NotFoundError("proposal", name)
    return list_matters()[name]


def _page_of(matter: ProposalMatter[Any], subject: str, done: str) -> str:
    """Return the page of a proposal, which says what was done."""
    page, _, place = (matter.page or "/proposals").format(quote(subject, safe="")).partition("#")
    return f"{page}?done={done}#{place}" if place else f"{page}?done={done}"


def _show_page(visit: Visit, service: Runtime, *, code: str | None = None) -> Response:
    waiting = [one for one in ProposalDesk(service, visit.caller).list() if one.waits]
    waiting.sort(key=lambda one: -one.state.since)
    return visit.page(
        "proposals.html",
        json_address="/v1/proposals?state=waiting",
        waiting=[(one, moment(one.state.since)) for one in waiting],
        approves=lambda matter: visit.caller.permits(matter.rule(Right.APPROVE)),
        code=code,
    )
