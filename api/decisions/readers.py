"""Decisions as one caller reads them: one, a list, a queue, features, reasons, the past.

A caller bound to a post learns nothing of another post's decisions, not even that they exist. A
checkpoint sees its own decisions blind. Once it has filed what the channel asks for
(:mod:`engine.queue.queue`), it reads what the reasons are about, in words and without figures:
a figure, the size of a contribution, its sign or its order would tell the score to a person who
files acts on invented declarations. The source of a pick (a random check, a profile, an entry of
the watch list) is no subject of a reason, because it would tell picks apart. A checkpoint never
reads features, explanations or the past.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import ColumnElement, Connection

from api.areas import list_parts
from api.auth.accounts import Accounts
from api.auth.callers import Caller
from api.decisions.answers import (
    Explanation,
    FeatureValues,
    Recomputation,
    RecomputedField,
    TakenBy,
    subjects,
)
from api.decisions.questions import OpenQuestionView, read_waiting_questions
from api.decisions.vehicle_history import PastView, read_past
from api.http.access import visible_reasons
from api.http.dependencies import TheCaller, TheService
from api.service.runtime import Runtime
from engine.audit.decision_replay import RecomputedDecision
from engine.criteria.match import KNOWN_LAWFUL
from engine.declarations.lodgings import alerts_of as declaration_alerts
from engine.domain.records import Inspection, Outcome
from engine.domain.rights import Matter, Role
from engine.domain.time_units import NEVER, rfc3339
from engine.errors import (
    ErasedError,
    LapsedProposalError,
    NotAllowedError,
    NotFoundError,
    SecondPersonError,
)
from engine.journal.batch_worker import read_stored
from engine.journal.entries import JournalRecord
from engine.journal.kinds import DECISION, INSPECTION, DecisionBody, ReviewBody
from engine.journal.power_records import read_proven
from engine.queue.expected_duty import UsualDuties, read_usual_duties
from engine.queue.match_outcomes import read_act_outcomes, select_answered
from engine.queue.mirror_alerts import alerts_of
from engine.queue.queue import (
    QueuedDecision,
    list_replacements,
    list_waiting,
    opens_decision,
    read_decision,
    waits,
)
from engine.queue.queue import list_decisions as select_decisions
from engine.queue.reviews import (
    NEEDS_SECOND,
    SECONDS,
    list_proposals,
    order_of_review,
    read_channel,
    read_reviews,
)
from engine.queue.takings import VehicleHolder, read_holder, read_holders
from engine.selection import INSPECTED, Channel, ChannelCode

_REVIEW = ("POST", "/v1/decisions/{decision_id}/reviews")


def read_duties(snapshot: Connection, caller: Caller) -> UsualDuties:
    """Return what discrepancies bring, by the acts that a caller sees."""
    return read_usual_duties(
        snapshot,
        is_seen=lambda agency: caller.covers(agency) and caller.sees(Matter.ACTS, agency),
        hidden=caller.hidden_posts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """Which decisions are listed; times in UTC microseconds, the second not included."""

    post: str | None = None
    channel: ChannelCode | None = None
    """Where the vehicle stands."""
    outcome: Outcome | None = None
    """Of the act that answered it."""
    since: int = 0
    until: int = NEVER
    before: int | None = None
    """The number of a record: those recorded earlier."""


UNREAD = {"plate": None, "plate_country": None}
"""Fields that a crossing may lack and that every page shows."""


class DecisionReader:
    """Reads decisions for one caller, each call in one snapshot."""

    def __init__(self, service: Runtime, caller: Caller) -> None:
        self._service = service
        self._caller = caller

    def locate(self, decision_id: str) -> QueuedDecision:
        """Return where a decision stands; raises ``NotFoundError``."""
        with self._service.store.read() as connection:
            return self._reachable(connection, decision_id)

    def decision(self, decision_id: str) -> dict[str, Any]:
        """Return one decision; raises ``NotFoundError``."""
        with self._service.store.read() as connection:
            known = self._reachable(connection, decision_id)
            taken = _view_holder(self._read_holder(connection, known))
            if is_blind(self._caller):
                seen = self._view(connection, known, is_blind=True) | taken
                return seen | self._read_opened_reasons(connection, known)
            seen = self._view(connection, known, is_blind=False)
            seen |= {"reviews": self._reviews(connection, known)} | taken
            body = self._service.journal.body(connection, known.seq, of=DECISION)
            seen |= {"known_lawful": self._list_lawful(body)}
            for read_notes in list_parts("decision_notes"):
                network, known_at = self._service.network, known.known_at
                seen = seen | read_notes(connection, network, body, known_at=known_at)
            return seen

    def list_decisions(self, wanted: DecisionFilter, *, most: int) -> dict[str, Any]:
        """Return decisions, the newest first, and where to read on.

        Raises ``NotAllowedError`` for a post that the caller does not reach.
        """
        caller = self._caller
        if wanted.post is not None:
            caller.must_reach(wanted.post)
        which: list[ColumnElement[bool]] = []
        if wanted.outcome is not None:
            own = [one for one in (caller.agency, None) if caller.sees(Matter.ACTS, one)]
            agencies = None if caller.sees_all(Matter.ACTS) else own
            which.append(select_answered(wanted.outcome, agencies=agencies))
        with self._service.store.read() as connection:
            known = select_decisions(
                connection,
                *which,
                post=wanted.post or caller.post,
                channel=None if wanted.channel is None else int(Channel.of(wanted.channel)),
                since=wanted.since,
                until=wanted.until,
                before=wanted.before,
                hidden=caller.hidden_posts,
                most=most + 1,
            )
            views = list(self._views(connection, known[:most]))
        read_on = known[most - 1].seq if len(known) > most else None
        return {"decisions": views, "next_before": read_on}

    def queue(self, post: str) -> dict[str, Any]:
        """Return what waits at a post, ranked as of now, in the channel where it waits now."""
        with self._service.store.read() as connection:
            as_of = self._service.journal.head(connection).as_of
            known = list_waiting(connection, post, as_of=as_of)
            holders = read_holders(connection, post, as_of=as_of)
            questions = read_waiting_questions(connection, self._caller, post, now=as_of)
            is_shown = not is_blind(self._caller)
            duties = read_duties(connection, self._caller) if is_shown else None
            views = [
                self._view(connection, one, is_blind=not is_shown, duties=duties)
                | {"channel": one.channel.code}
                | {"rank": {"position": position, "of": len(known)}}
                | _view_holder(holders.get(one.crossing_id))
                | _view_question(questions.get(one.crossing_id))
                for position, one in enumerate(known, 1)
            ]
        return {"post": post, "as_of": rfc3339(as_of), "waiting": views}

    def features(self, decision_id: str) -> FeatureValues:
        """Return the features of a decision by name."""
        with self._service.store.read() as connection:
            known = self._open(connection, decision_id)
            as_of, found = self._service.recompute.features(connection, known.seq)
        values = {name: None if math.isnan(value) else value for name, value in found.items()}
        return FeatureValues(decision_id, rfc3339(as_of), values)

    def explanation(self, decision_id: str) -> Explanation:
        """Return the reasons for and against a decision."""
        with self._service.store.read() as connection:
            known = self._open(connection, decision_id)
            return Explanation(decision_id, self._service.recompute.reasons(connection, known.seq))

    def recompute(self, decision_id: str) -> Recomputation:
        """Make a decision again and return what differs; raises ``ErasedError``."""
        with self._service.store.read() as connection:
            known = self._open(connection, decision_id)
            body = self._service.journal.body(connection, known.seq, of=DECISION)
            about: dict[str, Any] = {
                "decision_id": decision_id,
                "sequence": known.seq,
                "as_of": body["decision"]["as_of"],
                "model_version": body["decision"]["model_version"],
            }
            made, why = self._service.recompute.attempt(connection, known.seq)
        differences = [] if made is None else self._list_differences(made)
        is_same = made is not None and made.is_identical
        return Recomputation(**about, identical=is_same, why=why, differences=differences)

    def _list_differences(self, made: RecomputedDecision) -> list[RecomputedField]:
        stored, again = made.stored, made.again
        for one in (stored, again):
            one["reasons"] = visible_reasons(self._caller, one["reasons"])
        return [
            RecomputedField(name, stored.get(name), again.get(name)) for name in made.differences
        ]

    def past(self, decision_id: str) -> PastView:
        """Return what was known of a decision's vehicle and parties when it was made."""
        with self._service.store.read() as connection:
            known = self._open(connection, decision_id)
            return read_past(self._service, connection, known, self._caller)

    def _read_holder(self, connection: Connection, known: QueuedDecision) -> VehicleHolder | None:
        """Return who has taken a vehicle that waits."""
        if not waits(connection, known.decision_id):
            return None
        as_of = self._service.journal.now(connection)
        return read_holder(connection, known.crossing_id, as_of=as_of)

    def _reachable(self, connection: Connection, decision_id: str) -> QueuedDecision:
        known = read_decision(connection, decision_id)
        if not (self._caller.reaches(known.post) and self._caller.sees_post(known.post)):
            raise NotFoundError("decision", decision_id)
        return known

    def _open(self, connection: Connection, decision_id: str) -> QueuedDecision:
        known = self._reachable(connection, decision_id)
        if is_blind(self._caller):
            raise NotAllowedError("a checkpoint does not see this")
        return known

    def _read_opened_reasons(self, connection: Connection, known: QueuedDecision) -> dict[str, Any]:
        """Return what the act on a referred vehicle opens; nothing where it opens nothing."""
        if known.act_seq is None:
            return {}
        filed = read_proven(connection, known.act_seq, INSPECTION).body
        decided = self._service.journal.body(connection, known.seq, of=DECISION)
        channel = read_channel(read_reviews(connection, known), decided)
        act = Inspection.model_validate(filed["inspection"], strict=False)
        if filed["crossing_id"] != known.crossing_id or not opens_decision(act, channel):
            return {}
        return {"reasons": subjects(decided["decision"]["reasons"])}

    def _reviews(self, connection: Connection, known: QueuedDecision) -> list[dict[str, Any]]:
        reviews = read_reviews(connection, known)
        # A second word follows the first at once; a copied record's number of the first is another.
        seconds = {first.seq: one for first, one in pairwise(reviews) if SECONDS in one.body}

        def is_seen(one: JournalRecord[ReviewBody]) -> bool:
            return self._caller.sees(Matter.REVIEWS, one.body.get("agency"))

        def find_effect(one: JournalRecord[ReviewBody]) -> dict[str, Any]:
            second = seconds.get(one.seq)
            if second is None:
                return {NEEDS_SECOND: True} if one.body.get(NEEDS_SECOND) else {}
            named = {"seconded_by": second.body["person"]} if is_seen(second) else {}
            return {"seconded_at": rfc3339(second.known_at)} | named

        return [
            one.body["review"]
            | {"person": one.body["person"], "recorded_at": rfc3339(one.known_at)}
            | find_effect(one)
            for one in reviews
            if is_seen(one)
        ]

    def _list_lawful(self, body: DecisionBody) -> list[str]:
        """Return the entries of known lawful trade that fitted and that the caller may see."""
        return [
            match["code"]
            for match in body["inputs"]["matches"]
            if match["source"] == KNOWN_LAWFUL
            and self._caller.sees(Matter.WATCHLIST, match["parameters"].get("agency"))
        ]

    def _views(
        self, connection: Connection, known: Sequence[QueuedDecision]
    ) -> Iterator[dict[str, Any]]:
        """Yield decisions as listed, where they stand now, without those that are erased."""
        acts = read_act_outcomes(connection, [one.act_seq for one in known if one.act_seq])
        replaced = list_replacements(connection, known)
        for one in known:
            agency, outcome = acts.get(one.act_seq or 0, (None, None))
            newer = replaced.get(one.decision_id, [])
            is_seen = self._caller.sees(Matter.ACTS, agency)
            is_seen = is_seen and one.act_seq not in {each.act_seq for each in newer}
            with suppress(ErasedError):
                seen = self._view(connection, one, is_blind=False)
                is_sent = Channel.of(seen["channel"]) not in INSPECTED and one.channel in INSPECTED
                yield seen | {
                    "channel": one.channel.code,
                    "selected_by": "supervisor" if is_sent else seen["basis"],
                    "replaced_by": newer[-1].decision_id if newer else None,
                    "outcome": outcome if is_seen else None,
                }

    def _view(
        self,
        connection: Connection,
        known: QueuedDecision,
        *,
        is_blind: bool,
        duties: UsualDuties | None = None,
    ) -> dict[str, Any]:
        found = read_stored(connection, self._service.journal, known.seq)
        alerts = [
            one | {"known_at": rfc3339(one["known_at"])}
            for one in alerts_of(connection, known.decision_id)
        ]
        seen = self._service.answers.view_decision(found, is_blind=is_blind)
        if "reasons" in seen:
            seen["reasons"] = visible_reasons(self._caller, seen["reasons"])
        order = order_of_review(connection, known)
        seen |= {name: order[name] for name in order if name in seen}
        if duties is not None and known.channel is Channel.YELLOW:
            chance = found.body["decision"]["risk"]["p_discrepancy"]
            seen |= {"expected_duty": duties.expect(found.body["arrival"], chance)}
        later = [
            one | {"known_at": rfc3339(one["known_at"])}
            for one in declaration_alerts(connection, known.decision_id)
        ]
        seen = seen | {"declaration_alerts": later} if later else seen
        return seen | {"alerts": alerts} if alerts else seen


def _view_question(question: OpenQuestionView | None) -> dict[str, OpenQuestionView]:
    return {} if question is None else {"question": question}


def _view_holder(holder: VehicleHolder | None) -> dict[str, TakenBy]:
    """Return who has taken a vehicle; nothing if it is free."""
    if holder is None:
        return {}
    since, until = rfc3339(holder.taken_at), rfc3339(holder.until)
    return {"taken": TakenBy(holder.person, holder.team, holder.given_by, since, until, holder.seq)}


async def reader_of(caller: TheCaller, service: TheService) -> DecisionReader:
    """Return what reads decisions for the caller."""
    return DecisionReader(service, caller)


TheReading = Annotated[DecisionReader, Depends(reader_of)]


def is_blind(caller: Caller) -> bool:
    """Tell whether a caller sees where vehicles go, and never why."""
    return caller.role is Role.CHECKPOINT


def first_words(accounts: Accounts, caller: Caller) -> Callable[[str], bool]:
    """Return the test whether a caller may second a person's word."""

    def may_second(first: str) -> bool:
        try:
            accounts.must_second(Matter.REVIEWS, first=first, second=caller.person)
        except (LapsedProposalError, SecondPersonError):
            return False
        return True

    return may_second


def list_agreeable(
    service: Runtime, connection: Connection, caller: Caller, *where: ColumnElement[bool]
) -> Iterator[tuple[QueuedDecision, JournalRecord[ReviewBody]]]:
    """Yield the waiting vehicles that a caller may let go as the second person.

    Each with the review that waits for that person; ``where`` has conditions on ``DECISIONS``.
    """
    if not caller.is_person or not caller.may(*_REVIEW):
        return
    entered = caller.enter(*_REVIEW)
    may_second = first_words(service.accounts, entered)
    as_of = service.journal.now(connection)
    for known, review in list_proposals(connection, *where, as_of=as_of):
        is_near = entered.reaches(known.post) and entered.sees_post(known.post)
        is_seen = is_near and entered.sees(Matter.REVIEWS, review.body.get("agency"))
        if is_seen and may_second(review.body["person"]):
            yield known, review
