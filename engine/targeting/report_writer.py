"""Writer of what is reported without a decision: crossings, acts, seizures, releases.

Each report is one record, once. The reporter does not say why a vehicle was inspected: if the
engine referred it, basis and propensity are the engine's, so that no reporter can talk a pick out
of the random stream. Only for a vehicle that the engine let go does the reporter's word count.

A find moves features at once and labels at the next training, so a checkpoint's key writes finds of
its own post alone. A find by plate whose last entry lies elsewhere is recorded without a crossing;
a supervisor or an integrity officer who reaches that post confirms it, in a record of its own, and
the find becomes known with that record. A find that is never confirmed is no label and no feature.
"""

from collections.abc import Callable, Collection
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from engine.criteria.policy import read_goods_classes
from engine.criteria.profiles.profile import read_profiles, scale_tolerances
from engine.decision.decision import MOST_PEERS
from engine.decision.record_codec import decode_decision
from engine.decision.role_views import order_fields
from engine.domain.field_types import Identifier, Text
from engine.domain.network import Network
from engine.domain.records import (
    Arrival,
    Inspection,
    InspectionAct,
    Record,
    ReportedSeizure,
    Seizure,
)
from engine.domain.time_units import moment
from engine.errors import ConflictError, NotFoundError, RecordError
from engine.journal.batch_worker import StoredRecord, read_stored
from engine.journal.copies import find_local_number, find_origin
from engine.journal.entries import Draft, Entry
from engine.journal.idempotency import (
    ClaimHolder,
    IdempotencyClaim,
    crossing_name,
    find_answer,
    find_holders,
    inspection_name,
    refuse_taken_name,
)
from engine.journal.idempotency import (
    claim as claim_request,
)
from engine.journal.journal import Journal, JournalReader
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    FIND_CONFIRMED,
    INSPECTION,
    RELEASE,
    ROSTER,
    SEIZURE,
    VEHICLE_GIVEN_BACK,
    VEHICLE_TAKEN,
    CrossingBody,
    DecisionBody,
    InspectionBody,
    QueueStep,
    ReleaseBody,
    RosterBody,
    SeizureBody,
    dump_arrival,
)
from engine.journal.power_records import read_proven
from engine.ports import Features, PostAuthority
from engine.queue.corrections import Corrections
from engine.queue.documents_asked import DocumentsAsked, draft_question
from engine.queue.pending_finds import PendingFind, confirmation_body
from engine.queue.queue import (
    QueuedDecision,
    last_of_crossing,
    merits_of_scored,
    strictest_answered,
)
from engine.queue.reviews import (
    PLACE,
    Review,
    Reviewer,
    read_channel,
    read_reviews,
    review_draft,
    second_step,
)
from engine.queue.takings import (
    GivingRequest,
    TakingRequest,
    TakingStep,
    draft_return,
    draft_taking,
    last_step,
    read_holder,
)
from engine.search_orders.order import search_order
from engine.search_orders.rates import find_signs
from engine.selection import COUNTERPART, INSPECTED, Channel, Handling, RiskTables
from engine.shifts.workload import Roster, read_roster, require_known_equipment
from engine.storage.database import (
    Store,
)

SaidBasis = Literal["officer", "counterpart"]


ReleaseCode = Literal[
    "capacity", "known_lawful", "papers_sufficient", "handed_over", "ordered", "drove_off", "other"
]


class ReleaseReason(Record):
    """Why a vehicle left without inspection, as a sender may say it; both fields, or none."""

    reason_code: ReleaseCode | None = None
    reason: Annotated[Text, Field(min_length=1)] | None = None
    """In words."""

    EXAMPLE: ClassVar = {"reason_code": "capacity", "reason": "No bay was free until midnight."}

    @model_validator(mode="after")
    def _both(self) -> Self:
        missing = [name for name in ("reason_code", "reason") if getattr(self, name) is None]
        if len(missing) == 1:
            why, at = "a reason has a code and words", {"field": missing[0]}
            raise PydanticCustomError("missing_key", why, at)
        return self

    def about(self, crossing_id: str) -> "Release":
        """Return the release of a crossing for this reason."""
        if self.reason_code is None or self.reason is None:
            return Release(crossing_id=crossing_id)
        return ExplainedRelease(
            crossing_id=crossing_id, reason_code=self.reason_code, reason=self.reason
        )


class Release(Record):
    """That a vehicle has left the queue."""

    crossing_id: Identifier


class ExplainedRelease(Release):
    """The same, with why it left without inspection.

    A class of its own: an idempotent request without a reason keeps the fingerprint that it had
    before reasons existed.
    """

    reason_code: ReleaseCode
    reason: Annotated[Text, Field(min_length=1)]
    """In words."""


class ReportWriter:
    """Records what is reported; each call waits for the durable commit."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        submit: Callable[[Draft], "Future[Entry]"],
        features: Features,
        network: Network,
        posts: PostAuthority | None = None,
    ) -> None:
        self._posts = posts or PostAuthority()
        self._network = network
        self._store = store
        self._journal = journal
        self._submit = submit
        self._features = features

    @property
    def features(self) -> Features:
        """What makes events of records."""
        return self._features

    def crossing(self, arrival: Arrival, claim: IdempotencyClaim) -> StoredRecord:
        """Record a crossing that asks for no decision."""
        crossing = arrival.crossing
        event = self._features.record(crossing, arrival.declaration)

        def draft(connection: Connection) -> Draft:
            self._check_node(connection, claim)
            if self._features.known(connection, [crossing.crossing_id]):
                raise refuse_taken_name(CROSSING, claim.names[-1])
            body: CrossingBody = {"claim": claim.as_dict(), "arrival": dump_arrival(arrival)}
            return CROSSING.draft(crossing.crossing_id, body, post=claim.post, extra=event)

        return self.once(claim, draft)

    def inspection(
        self, act: InspectionAct, claim: IdempotencyClaim, *, said: SaidBasis | None, by: Handling
    ) -> StoredRecord:
        """Record an inspection act, with the engine's own basis and propensity."""

        def draft(connection: Connection) -> Draft:
            self._refuse_loaded(connection, claim)
            self._check_node(connection, claim)
            decided = self._last_decision(connection, act.crossing_id)
            basis, propensity = _basis(decided, said)
            known = act.model_dump(include=set(InspectionAct.model_fields))
            known["recorded_at"] = self._recorded_at(connection, act)
            known["is_audit"] = self._was_released(connection, act.crossing_id) or None
            full = Inspection(**known, basis=basis, propensity=propensity)
            crossing = {} if decided is None else decided["arrival"]["crossing"]
            body: InspectionBody = {
                "claim": claim.as_dict(),
                "crossing_id": act.crossing_id,
                "vehicle_class": crossing.get("vehicle_class"),
                "answers": strictest_answered(act).code,
                "by": by.person,
                "team": _find_team(decided, by),
                "inspection": full.model_dump(mode="json", exclude_none=True),
            }
            as_of = self._journal.now(connection)
            holder = read_holder(connection, act.crossing_id, as_of=as_of)
            if holder is not None and not holder.is_same(by):
                body["taken_by"] = holder.name
            event = self._features.act(full)
            return INSPECTION.draft(act.inspection_id, body, post=claim.post, extra=event)

        return self.once(claim, draft)

    def ask_for_documents(
        self, asked: DocumentsAsked, claim: IdempotencyClaim, *, person: str
    ) -> StoredRecord:
        """Record that documents were asked for; the vehicle stays where it is."""

        def draft(connection: Connection) -> Draft:
            self._refuse_loaded(connection, claim)
            self._check_node(connection, claim)
            return draft_question(asked, claim, by=person, now=self._journal.now(connection))

        return self.once(claim, draft)

    def seizure(
        self,
        reported: ReportedSeizure,
        claim: IdempotencyClaim,
        *,
        person: str,
        within: str | None = None,
        hidden: Collection[str] = (),
    ) -> StoredRecord:
        """Record goods taken, at a post or inland.

        ``within`` is the one post that the sender reaches, ``hidden`` are posts of other agencies
        that it does not: a find on a vehicle of another post belongs to no crossing until it is
        confirmed.
        """

        def draft(connection: Connection) -> Draft:
            self._refuse_loaded(connection, claim)
            names_methods = self._find_act(connection, reported, within)
            at = {"recorded_at": self._recorded_at(connection, reported)}
            seizure = Seizure(**reported.model_dump() | at)
            read_goods_classes(connection).check(seizure, names_methods=names_methods)
            linked = self._features.link(connection, seizure)
            body: SeizureBody = {
                "claim": claim.as_dict(),
                "by": person,
                "seizure": seizure.model_dump(mode="json", exclude_none=True),
                "linked_crossing_id": linked,
            }
            post = None if linked is None else self._read_post(connection, linked)
            is_far = post in hidden or within not in (None, post)
            if linked is not None and is_far:
                body["linked_crossing_id"] = None
                body["pending_crossing_id"], body["pending_post"] = linked, post
                return SEIZURE.draft(seizure.seizure_id, body, post=claim.post)
            event = self._features.find(connection, seizure)
            return SEIZURE.draft(seizure.seizure_id, body, post=claim.post, extra=event)

        return self.once(claim, draft)

    def confirm(self, find: PendingFind, claim: IdempotencyClaim, *, person: str) -> StoredRecord:
        """Record that a find belongs to the crossing it waits for; it is known from then on."""

        def draft(_: Connection) -> Draft:
            body = confirmation_body(find, claim.as_dict(), person=person)
            seizure = Seizure.model_validate(body["seizure"], strict=False)
            event = self._features.find_in(seizure, find.crossing_id)
            return FIND_CONFIRMED.draft(seizure.seizure_id, body, post=claim.post, extra=event)

        return self.once(claim, draft)

    def release(self, release: Release, claim: IdempotencyClaim, *, by: Handling) -> StoredRecord:
        """Record that a vehicle has left the queue."""

        def draft(connection: Connection) -> Draft:
            self._check_node(connection, claim)
            crossing_id = release.crossing_id
            found = _find_reported(connection, crossing_id)
            if found is None or found.kind != DECISION:
                raise NotFoundError("decision", crossing_id)
            body: ReleaseBody = {
                "claim": claim.as_dict(),
                "crossing_id": crossing_id,
                "by": by.person,
                "team": _find_team(self._last_decision(connection, crossing_id), by),
            }
            if isinstance(release, ExplainedRelease):
                body |= {"reason_code": release.reason_code, "reason": release.reason}
            if by.agency is not None:
                body["agency"] = by.agency
            return RELEASE.draft(crossing_id, body, post=claim.post)

        return self.once(claim, draft)

    def hold(
        self,
        taking: TakingRequest | None,
        crossing_id: str,
        *,
        post: str,
        by: Handling,
        minutes: float,
        key: str | None = None,
    ) -> StoredRecord:
        """Record that a vehicle is taken, given to an officer, or free where ``taking`` is None.

        Raises ``ConflictError`` where another person holds it and ``taking`` does not name that.
        """
        over = None if taking is None else taking.over
        to = taking.to if isinstance(taking, GivingRequest) else None
        step = TakingStep(crossing_id=crossing_id, person=by.person, team=by.team, over=over, to=to)
        kind = VEHICLE_GIVEN_BACK if taking is None else VEHICLE_TAKEN
        with self._store.read() as connection:
            name = f"{kind}:{crossing_id}:{last_step(connection, crossing_id)}"
        asked = claim_request(kind, step, post=post, name=name, key=key)

        def draft(connection: Connection) -> Draft:
            self._check_node(connection, asked)
            as_of = self._journal.now(connection)
            if taking is None:
                return draft_return(connection, step, by=by, claim=asked, as_of=as_of)
            return draft_taking(connection, step, by=by, claim=asked, as_of=as_of, minutes=minutes)

        return self.once(asked, draft)

    def review(
        self,
        decision: QueuedDecision,
        review: Review,
        claim: IdempotencyClaim,
        *,
        by: Reviewer,
        may_second: Callable[[str], bool],
    ) -> StoredRecord:
        """Record a supervisor's word on a decision."""

        def draft(connection: Connection) -> Draft:
            fields, as_of = claim.as_dict(), self._journal.now(connection)
            decided = self._journal.body(connection, decision.seq)  # what is erased is not reviewed
            step = second_step(
                connection, review, decision, decided, as_of=as_of, by=by, may_second=may_second
            )
            channel = None if review.channel is None else Channel.of(review.channel)
            if channel in INSPECTED:
                step |= {PLACE: self.draw_place(connection, decision, channel)}
            if by.agency is not None:
                step |= {"agency": by.agency}
            if review.sends_to_red:
                step |= self._order(connection, decision)
            return review_draft(review, decision, person=by.name, claim=fields, step=step)

        return self.once(claim, draft)

    def _order(self, connection: Connection, decision: QueuedDecision) -> QueueStep:
        """Return a search order as of now for a vehicle that the engine made none for."""
        body = self._journal.body(connection, decision.seq, of=DECISION)
        if body["decision"]["channel"] == Channel.RED.code:
            return {}
        arrival = Arrival.model_validate(body["arrival"], strict=False)
        as_of = self._journal.now(connection)
        rows = self._features.read(connection, [arrival], as_of=[as_of])
        profiles = read_profiles(connection).values()
        scales = scale_tolerances(profiles, decision.post, as_of=as_of)
        searches = replace(
            self._features.searches(connection, rows.events[0]),
            equipment=read_roster(connection, decision.post, self._network).equipment,
            signs=find_signs(
                arrival, rows.by_name(0), load_kg=scales.load_kg, mass_kg=scales.mass_kg
            ),
        )
        order = search_order(arrival, searches, is_physical=True)
        return cast("QueueStep", order_fields(order) | {"searches": searches.as_dict()})

    def roster(self, roster: Roster, claim: IdempotencyClaim) -> StoredRecord:
        """Record the inspection minutes of a post's shift; raises ``RecordError``."""
        require_known_equipment(roster, claim.post, self._network)

        def draft(_: Connection) -> Draft:
            body = cast("RosterBody", roster.model_dump(mode="json"))
            body["claim"] = claim.as_dict()
            return ROSTER.draft(claim.post, body, post=claim.post)

        return self.once(claim, draft)

    def post_of(self, crossing_id: str) -> str:
        """Return the post of a crossing, reported or loaded; raises ``NotFoundError``."""
        with self._store.read() as connection:
            post = self._read_post(connection, crossing_id)
        if post is None:
            raise NotFoundError("crossing", crossing_id)
        return post

    def _read_post(self, connection: Connection, crossing_id: str) -> str | None:
        """Return the post of a crossing as its record states it; of a loaded one, as it was loaded.

        Raises ``ErasedError``.
        """
        holder = _find_reported(connection, crossing_id)
        if holder is None:
            return self._features.post_of(connection, crossing_id)
        record = read_proven(connection, holder.seq, DECISION, CROSSING)
        if record.body["arrival"]["crossing"]["crossing_id"] != crossing_id:
            raise NotFoundError("crossing", crossing_id)
        return record.post

    def before(self, claim: IdempotencyClaim) -> StoredRecord | None:
        """Return what was recorded for this claim, None for a new one; raises ``ConflictError``."""
        with self._store.read() as connection:
            seq = find_answer(claim, find_holders(connection, claim.names))
            return None if seq is None else read_stored(connection, self._journal, seq)

    def once_here(
        self, claim: IdempotencyClaim, draft: Callable[[Connection], Draft]
    ) -> StoredRecord:
        """Do the same as :meth:`once`, for what the node of a post would record itself.

        Raises ``ConflictError`` where the post has one.
        """

        def check(connection: Connection) -> Draft:
            self._check_node(connection, claim)
            return draft(connection)

        return self.once(claim, check)

    def once(self, claim: IdempotencyClaim, draft: Callable[[Connection], Draft]) -> StoredRecord:
        """Record, or return what was recorded before; another process may win the race once."""
        for _ in range(2):
            with self._store.read() as connection:
                seq = find_answer(claim, find_holders(connection, claim.names))
                if seq is not None:
                    return read_stored(connection, self._journal, seq)
                wanted = draft(connection)
            try:
                return StoredRecord(self._submit(wanted).result(), dict(wanted.body))
            except IntegrityError:
                continue
        raise ConflictError(claim.kind, claim.names[-1], "another request is recording it")

    def _recorded_at(
        self, connection: Connection, reported: InspectionAct | ReportedSeizure
    ) -> datetime:
        """Return when a report became known: as it says, else now; raises ``RecordError``."""
        if reported.recorded_at is not None:
            return reported.recorded_at
        now = moment(self._journal.now(connection))
        if isinstance(reported, InspectionAct) and (reported.started_at or now) > now:
            why = "later than the service's clock: state recorded_at, or correct the clock"
            raise RecordError("inspection", "started_at", "in_the_future", why)
        return now

    def _find_act(
        self, connection: Connection, seizure: ReportedSeizure, within: str | None
    ) -> bool | None:
        """Tell whether the act that made a seizure names its methods; None where none made it.

        Refuses a seizure in an act that was never filed: its find would count nowhere. An act of
        another post does not exist for a sender that is bound to one. Loaded acts are not read.
        """
        if seizure.inspection_id is None:
            return None
        name = inspection_name(seizure.inspection_id)
        act = find_holders(connection, [name]).get(name)
        if act is not None and within in (None, act.post):
            stated = Corrections(connection).bodies(JournalReader(connection).bodies([act.seq]))
            return bool(stated.get(act.seq, {}).get("inspection", {}).get("methods"))
        if act is not None or not self._features.was_loaded(connection, name):
            raise NotFoundError("inspection", seizure.inspection_id)
        return True

    def _check_node(self, connection: Connection, claim: IdempotencyClaim) -> None:
        """Refuse what the node of a post records; raises ``ConflictError``."""
        self._posts.check_post(connection, claim.post, now=self._journal.now(connection))

    def _refuse_loaded(self, connection: Connection, claim: IdempotencyClaim) -> None:
        """Refuse what the loaded history holds already: it would count twice."""
        name = claim.names[-1]
        if self._features.was_loaded(connection, name):
            raise refuse_taken_name(claim.kind, name)

    def draw_place(self, connection: Connection, decision: QueuedDecision, channel: Channel) -> int:
        """Return a place among the scored picks for a vehicle that is sent to officers."""
        body = self._journal.body(connection, decision.seq, of=DECISION)
        filing = decode_decision(body)
        inputs, crossing = filing.inputs, filing.arrival.crossing
        peers = merits_of_scored(
            connection,
            decision.post,
            channel=channel,
            vehicle_class=crossing.vehicle_class,
            model_version=inputs.model_version,
            most=MOST_PEERS,
        )
        origin = find_origin(connection, decision.seq)
        decided = DECISION.draft(decision.decision_id, body, post=decision.post)
        tables = _read_tables(connection, replace(decided, origin=origin), inputs.table_sequence)
        return replace(inputs, peers=peers, tables=tables).drawn_place(channel)

    def _was_released(self, connection: Connection, crossing_id: str) -> bool:
        """Tell whether a vehicle was released with an audit afterwards."""
        filed = last_of_crossing(connection, crossing_id)
        if filed is None:
            return False
        body = self._journal.body(connection, filed.seq, of=DECISION)
        return read_channel(read_reviews(connection, filed), body) is Channel.BLUE

    def _last_decision(self, connection: Connection, crossing_id: str) -> DecisionBody | None:
        """Return the record of the last decision on a crossing, None where there is none."""
        filed = last_of_crossing(connection, crossing_id)
        if filed is not None:
            return self._journal.body(connection, filed.seq, of=DECISION)
        holder = _find_reported(connection, crossing_id)
        if holder is not None and holder.kind == DECISION:
            raise NotFoundError("decision", crossing_id)
        return None


def _read_tables(connection: Connection, decided: Draft[Any], number: int | None) -> RiskTables:
    """Return the quantiles that a decision names; of a copy, as its node's record states them.

    Empty where it names none, or where that record of the node is not here.
    """
    seq = 0 if number is None else find_local_number(connection, decided, number)
    if not seq:
        return RiskTables()
    stored = JournalReader(connection).body(seq)
    body = stored.get("content", stored)
    return RiskTables.from_body(body) if "quantiles" in body else RiskTables()


def _basis(decided: DecisionBody | None, said: SaidBasis | None) -> tuple[Any, float | None]:
    """Return why an act took place, by the engine's own record where it asked for it.

    No propensity is known of a search on a counterpart's word, nor of an audit after release: which
    of the blue vehicles are audited is a person's choice.
    """
    decision = {} if decided is None else decided["decision"]
    basis = decision.get("basis")
    if basis is None:
        return said or "officer", None
    is_drawn = basis != COUNTERPART and Channel.of(decision["channel"]) in INSPECTED
    return basis, decision["propensity"] if is_drawn else None


def _find_team(decided: DecisionBody | None, by: Handling) -> str | None:
    """Return which team did it: as the report says, else the one that was drawn."""
    drawn = None if decided is None else decided["decision"].get("team")
    return by.team or drawn


def _find_reported(connection: Connection, crossing_id: str) -> ClaimHolder | None:
    name = crossing_name(crossing_id)
    return find_holders(connection, [name]).get(name)
