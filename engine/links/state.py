"""State of each link, replayed from the journal's records of power.

A link is in force once two people of this installation approved its agreement; what the other
installation did is its own. One person ends it. An alarm stops it until two people resume it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection

from engine.criteria.dual_control import (
    ApprovalState,
    draft_approval,
    draft_proposal,
    replay_records,
)
from engine.errors import ConflictError, NotFoundError, RecordError
from engine.journal.areas import kinds_of
from engine.journal.entries import Draft
from engine.journal.power_records import PowerRecord, read_records
from engine.links.agreement import RECORD, Agreement, Party, parse_agreement
from engine.links.area import LINK_ENDED, LINK_RESUMED, LINK_STOPPED, LinkResumedBody
from engine.links.envelope import LinkReceipt, read_form

LINK_KINDS = (*kinds_of("link"), LINK_ENDED, LINK_STOPPED, *kinds_of("link_resumption"))
Phase = Literal["proposed", "in_force", "stopped", "ended", "expired"]
AlarmRule = Literal["other_content", "other_history", "other_receipt", "receiver_behind"]
"""What an alarm is about: an envelope with a number that was taken with other content; one that
follows other envelopes than those that were taken; a receipt of an envelope that was never sent
from here; a receiver that lost what it had signed for, whether or not it was given it again."""


@dataclass(frozen=True, slots=True)
class LinkAlarm:
    """Why a link stopped."""

    sequence: int
    known_at: int
    rule: AlarmRule
    number: int
    """The envelope that it is about; of ``receiver_behind`` the last one that the receiver has, or
    one for which it signed two receipts."""
    digest: str
    receipt: LinkReceipt | None = None
    """What the other side signed, where it is about that."""


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """Who declared the end of a link."""

    known_at: int
    by: str
    why: str


@dataclass(frozen=True, slots=True)
class Link:
    """One link of this installation."""

    agreement: Agreement
    us: Party
    them: Party
    approval: ApprovalState
    end: LinkEnd | None = None
    alarm: LinkAlarm | None = None
    """The alarm that stops it now."""
    resumption: ApprovalState | None = None
    """A proposed resumption that waits for a second person."""
    doubted: int = 0
    """The record that last resumed it after ``receiver_behind``; 0 without one. Receipts that were
    kept before may be of a journal that the other side's disk no longer holds."""

    @property
    def name(self) -> str:
        """Its name in envelopes."""
        return self.approval.subject

    def phase(self, now: int) -> Phase:
        """Return where it stands at an instant, UTC microseconds."""
        if self.end is not None:
            return "ended"
        if self.approval.state != "in_force":
            return "proposed"
        if now >= self.agreement.expires_at:
            return "expired"
        return "in_force" if self.alarm is None else "stopped"


def read_links(connection: Connection, fingerprint: str) -> dict[str, Link]:
    """Return the links of the installation with this fingerprint, by name, oldest first.

    A link with a record that does not match the chain is left out: an edit of the store opens none.
    """
    records = read_records(connection, LINK_KINDS)
    unproven = {record.subject for record in records if record.body is None}
    approvals = replay_records(_of_kinds(records, kinds_of("link")), "link")
    resumptions = replay_records(_of_kinds(records, kinds_of("link_resumption")), "link_resumption")
    found: dict[str, Link] = {}
    for name, approval in approvals.items():
        agreement = None if name in unproven else _parse(approval)
        us = None if agreement is None else agreement.party(fingerprint)
        if agreement is not None and us is not None and agreement.link == name:
            link = Link(agreement, us, agreement.other(us), approval)
            found[name] = _apply_events(link, records, resumptions)
    return found


def _of_kinds(records: Iterable[PowerRecord], kinds: Sequence[str]) -> list[PowerRecord]:
    return [record for record in records if record.kind in kinds]


def _parse(approval: ApprovalState) -> Agreement | None:
    try:
        return parse_agreement(approval.content["agreement"])
    except (RecordError, KeyError):
        return None


def _apply_events(
    link: Link, records: Sequence[PowerRecord], resumptions: Mapping[str, ApprovalState]
) -> Link:
    end = alarm = pending = None
    doubted = 0
    for record in records:
        body: Mapping[str, Any] = record.body or {}
        if record.subject == link.name and record.kind == LINK_ENDED and end is None:
            end = LinkEnd(record.known_at, body["by"], body["why"])
        elif record.subject == link.name and record.kind == LINK_STOPPED:
            about = [s for s in resumptions.values() if s.content["stopped"] == record.seq]
            if all(state.state != "in_force" for state in about):
                alarm, pending = _to_alarm(record), about[-1] if about else None
            elif body.get("rule") == "receiver_behind":
                resumed = [state.sequence for state in about if state.state == "in_force"]
                doubted = max(doubted, *resumed)
    return replace(link, end=end, alarm=alarm, resumption=pending, doubted=doubted)


def _to_alarm(record: PowerRecord) -> LinkAlarm:
    body = record.body or {}
    receipt = read_form(LinkReceipt, body["receipt"]) if "receipt" in body else None
    about = record.seq, record.known_at, body["rule"], body["number"], body["digest"]
    return LinkAlarm(*about, receipt)


def find_link(links: Mapping[str, Link], name: str) -> Link:
    """Return the newest link of an agreement's name, or of a link's; raises ``NotFoundError``."""
    for link in reversed(list(links.values())):
        if name in (link.name, link.agreement.name):
            return link
    raise NotFoundError("link", name)


def draft_link_proposal(
    links: Mapping[str, Link], agreement: Agreement, *, by: str, now: int, fingerprint: str
) -> Draft:
    """Return the record that proposes an agreement.

    Raises ``RecordError`` where this installation is no party or the agreement is over,
    ``ConflictError`` where it was proposed before or its name is in use.
    """
    if agreement.party(fingerprint) is None:
        why = "neither party has the keys of this installation"
        raise RecordError(RECORD, "parties", "not_a_party", why)
    if now >= agreement.expires_at:
        raise RecordError(RECORD, "expires", "expired", "it is over already")
    if agreement.link in links:
        raise ConflictError("link", agreement.name, "this agreement was proposed before")
    live = {one.agreement.name for one in links.values() if one.phase(now) not in _OVER}
    if agreement.name in live:
        raise ConflictError("link", agreement.name, "its name is in use: end that link first")
    content = {"agreement": agreement.content()}
    return draft_proposal("link", agreement.link, by=by, content=content)


_OVER = frozenset({"ended", "expired"})


def draft_end(link: Link, *, by: str, why: str) -> Draft:
    """Return the record of a link's end; raises ``ConflictError`` where it is over."""
    if link.end is not None:
        raise ConflictError("link", link.agreement.name, "it has ended already")
    return LINK_ENDED.draft(link.name, {"by": by, "why": why})


def draft_restart(
    link: Link,
    stopped: int | None,
    before: ApprovalState | None,
    *,
    by: str,
    why: str,
    is_lapsed: bool,
) -> Draft:
    """Return the record that proposes to go on after the alarm with the record ``stopped``.

    Raises ``ConflictError`` where there is none, or where the proposal ``before`` waits. With
    ``is_lapsed`` the person who proposed that has left: this one replaces theirs.
    """
    if stopped is None:
        raise ConflictError("link", link.agreement.name, "no alarm stops it")
    if before is not None and not is_lapsed:
        why_not = "its resumption waits for a second person"
        raise ConflictError("link", link.agreement.name, why_not)
    content = {"link": link.name, "stopped": stopped, "why": why}
    subject = f"{link.name}:{stopped if before is None else before.sequence}"
    return draft_proposal("link_resumption", subject, by=by, content=content)


def pending_approval(link: Link) -> ApprovalState:
    """Return what waits for a second person: the agreement, or the resumption of the link.

    Raises ``ConflictError`` where nothing does.
    """
    if link.end is not None:
        raise ConflictError("link", link.agreement.name, "it has ended")
    if link.approval.state == "proposed":
        return link.approval
    if link.resumption is None:
        raise ConflictError("link", link.agreement.name, "nothing waits for a second person")
    return link.resumption


def draft_link_approval(link: Link, *, by: str) -> list[Draft]:
    """Return the records of a second person's approval of what waits.

    Raises ``SecondPersonError`` for the person who proposed it, ``ConflictError`` where nothing
    waits.
    """
    pending = pending_approval(link)
    if pending is link.approval:
        return [draft_approval("link", pending, by=by)]
    return [draft_approval("link_resumption", pending, by=by), _draft_resumed(link)]


def _draft_resumed(link: Link) -> Draft:
    alarm = link.alarm
    assert alarm is not None  # noqa: S101  # a resumption names an alarm
    body: LinkResumedBody = {"link": link.name, "stopped": alarm.sequence}
    if alarm.rule == "other_receipt" and alarm.receipt is not None:
        body["after"], body["digest"] = alarm.receipt.number, alarm.receipt.envelope
    if alarm.rule == "receiver_behind":
        body["resend"] = alarm.number + 1
    return LINK_RESUMED.draft(link.name, body)
