"""Links as matters of two people: their agreements, and going on after an alarm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from api.http.answers import Answer
from api.links.exchanges import open_exchange
from api.proposals.desk import ProposalDesk
from api.proposals.matters import BY_GOVERNORS, Approval, ProposalMatter, Step
from engine.criteria.dual_control import ApprovalState, draft_approval, read_approval_state
from engine.domain.records import Record
from engine.domain.rights import Matter, Right
from engine.errors import ConflictError
from engine.journal.entries import Draft
from engine.links.agreement import Agreement, read_agreement
from engine.links.exchange import LinkExchange
from engine.links.list_comparison import ListComparison
from engine.links.match_state import ReleaseStep, read_match_state
from engine.links.state import draft_link_proposal, draft_restart, find_link, pending_approval


class ResumptionProposal(Record):
    """A proposal to go on with a link that an alarm stopped."""

    link: str
    """By its agreement's name."""
    matching: bool = False
    """That only the comparing of watch lists stopped."""
    why: str = ""


def _open(step: Step) -> LinkExchange:
    return open_exchange(step.service.home, step.service.store, step.service.journal)


def _prepare(step: Step, agreement: Agreement) -> Mapping[str, Any]:
    exchange = _open(step)
    known, ours = exchange.read_links(step.connection), exchange.fingerprint
    by, now = step.caller.person, step.now
    draft = draft_link_proposal(known, agreement, by=by, now=now, fingerprint=ours)
    content: Mapping[str, Any] = draft.body["content"]
    return content


@dataclass(frozen=True, slots=True)
class LinkInForce(Answer):
    """A link on which two people agreed."""

    link: str
    state: Literal["in_force"] = "in_force"


def _approve(step: Step, state: ApprovalState, _: Approval) -> LinkInForce:
    exchange = _open(step)
    exchange.approve(state.subject, by=step.caller.person)
    return LinkInForce(state.subject)


LINK = ProposalMatter(
    name="link",
    content=Agreement,
    **BY_GOVERNORS,
    subject=lambda _step, agreement: agreement.link,
    prepare=_prepare,
    carry_out=_approve,
    load=read_agreement,
)


def _draft_restart(step: Step, proposed: ResumptionProposal) -> Draft[Any]:
    link = find_link(_open(step).read_links(step.connection), proposed.link)
    stopped = None if link.alarm is None else link.alarm.sequence
    before = link.resumption
    if proposed.matching:
        state = read_match_state(step.connection, link.name)
        stopped = None if state.alarm is None else state.alarm.sequence
        before = None if stopped is None else state.resumption
    is_lapsed = before is not None and not step.service.accounts.is_active(before.author)
    by, why = step.caller.person, proposed.why
    return draft_restart(link, stopped, before, by=by, why=why, is_lapsed=is_lapsed)


def _resume(step: Step, state: ApprovalState, _: Approval) -> LinkInForce:
    exchange, name = _open(step), str(state.content["link"])
    resumption = exchange.find_link(name).resumption
    if resumption is not None and resumption.subject == state.subject:
        exchange.approve(name, by=step.caller.person)
    else:  # of the comparing of watch lists, from which nothing else follows
        exchange.journal.append_found(
            lambda connection, _now: [
                draft_approval(
                    "link_resumption",
                    read_approval_state(connection, "link_resumption", state.subject),
                    by=step.caller.person,
                )
            ]
        )
    return LinkInForce(name)


LINK_RESUMPTION = ProposalMatter(
    name="link_resumption",
    content=ResumptionProposal,
    **BY_GOVERNORS,
    subject=lambda step, proposed: _draft_restart(step, proposed).subject,
    prepare=lambda step, proposed: _draft_restart(step, proposed).body["content"],
    carry_out=_resume,
)


def approve_link(desk: ProposalDesk, name: str, *, is_matching: bool = False) -> str:
    """Approve what waits of a link by its agreement's name, and return the link's name.

    Raises ``ConflictError`` where nothing does, and what the desk raises.
    """
    service = desk.service
    exchange = open_exchange(service.home, service.store, service.journal)
    link = exchange.find_link(name)
    with service.store.read() as connection:
        pending = read_match_state(connection, link.name).resumption
    if not is_matching:
        pending = pending_approval(link)
    if pending is None:
        raise ConflictError("link", name, "nothing waits for a second person")
    is_agreement = pending.subject == link.name
    desk.approve(LINK if is_agreement else LINK_RESUMPTION, pending.subject, Approval())
    return link.name


def take_details_step(
    desk: ProposalDesk, name: str, token: str, step: ReleaseStep, *, why: str
) -> str:
    """Take a step about the details of a common entry, and return where they stand after it.

    Raises what the desk raises and :meth:`ListComparison.take_step` does, and what
    :meth:`api.auth.authority.Authority.must_second` raises of who asks or releases second.
    """
    caller, service = desk.enter(LINK, Right.ACT), desk.service
    matching = ListComparison(open_exchange(service.home, service.store, service.journal))
    first = matching.read_hit(name, token).release.person
    if step in ("ask", "release") and first:
        service.accounts.must_second(Matter.WATCHLIST, first=first, second=caller.person)
    matching.take_step(name, token, step, by=caller.person, why=why)
    return matching.read_hit(name, token).release.state
