"""Corrections of inspection acts and seizures: who may state them, and what holds since.

A correction restates one earlier record as a whole and says why. Both stay in the journal. Its
statement is known from its own record on: features as of an earlier time stay what they were, and
everything that is read as of now (labels, reports, pages) has the last statement. Counters change
in the same transaction.

A correction that takes back a find (a milder outcome, less or nothing seized, a class that teaches
no load, less duty) needs a supervisor other than the person who filed the record: alone, an officer
could let a find disappear.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Column, ColumnElement, Connection, Index, func, select

from engine.domain.field_types import (
    MASSES,
    Code,
    Identifier,
    KnownCurrency,
    Minutes,
    PlaceCode,
    Places,
    Text,
    Unit,
    Value,
)
from engine.domain.goods import GoodsClasses, class_of
from engine.domain.records import (
    SUBSTANCES,
    Amount,
    DiscrepancyKinds,
    Inspection,
    InspectionAct,
    Methods,
    Outcome,
    Record,
    Seizure,
    SubstanceClass,
    check_assessment,
    complete_goods,
)
from engine.errors import ConflictError, NotAllowedError, NotFoundError
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, JournalRecord, Kind
from engine.journal.idempotency import (
    IdempotencyClaim,
    claim,
    find_holders,
    inspection_name,
    seizure_name,
)
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    CORRECTION_ASKED,
    INSPECTION,
    INSPECTION_CORRECTED,
    SEIZURE,
    SEIZURE_CORRECTED,
    CorrectionAskedBody,
    InspectionCorrectedBody,
    Json,
    SeizureCorrectedBody,
)
from engine.journal.power_records import read_proven
from engine.ports import CorrectionEvent
from engine.queue.queue import strictest_answered
from engine.storage.database import Int64, insert_rows, record_table

CORRECTIONS = record_table(
    "corrections",
    Column("of", Int64, nullable=False),
    Index("corrections_of_ix", "of"),
)
"""Records that correct another one, by its number."""
CORRECTED_KINDS: tuple[Kind[Any], ...] = (INSPECTION_CORRECTED, SEIZURE_CORRECTED)
_C = CORRECTIONS.c


def project_corrections(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep which record corrects which."""
    found = [
        (entry.seq, find_local_number(connection, draft, draft.body["of"]))
        for entry, draft in entries
        if entry.kind in CORRECTED_KINDS
    ]
    insert_rows(connection, CORRECTIONS, [row for row in found if row[1]])


class Corrections:
    """What earlier acts and seizures say as of the snapshot, or as of a record's number."""

    def __init__(self, connection: Connection, *, upto: int | None = None) -> None:
        last = select(_C.of, func.max(_C.seq)).group_by(_C.of)
        if upto is not None:
            last = last.where(_C.seq <= upto)
        self._connection = connection
        self._last: dict[int, int] = {row[0]: row[1] for row in connection.execute(last)}

    def read(self, seq: int, body: Mapping[str, Any]) -> Json | None:
        """Return a record's body as it was last stated; None for a seizure that was withdrawn."""
        by = self._last.get(seq)
        if by is None:
            return dict(body)
        stated = JournalReader(self._connection).bodies([by]).get(by)
        if stated is None:  # erased with what it corrects
            return None
        name = "inspection" if "inspection" in stated else "seizure"
        if stated[name] is None:
            return None
        return dict(body) | {name: stated[name]}

    def bodies(self, bodies: Mapping[int, Mapping[str, Any]]) -> dict[int, Json]:
        """Return bodies of acts or seizures by number, as they were last stated."""
        found = {seq: self.read(seq, body) for seq, body in bodies.items()}
        return {seq: body for seq, body in found.items() if body is not None}


def read_stated(
    connection: Connection,
    *kinds: Kind[Any],
    where: Sequence[ColumnElement[bool]] = (),
    newest: int | None = None,
) -> Iterator[JournalRecord[Any]]:
    """Yield records of acts and seizures in the journal's order, as they were last stated."""
    known = Corrections(connection)
    for record in JournalReader(connection).records(*kinds, where=where, newest=newest):
        body = known.read(record.seq, record.body)
        if body is not None:
            yield replace(record, body=body)


def list_corrections(connection: Connection, seq: int) -> list[int]:
    """Return the numbers of the records that correct one, the oldest first."""
    return list(connection.scalars(select(_C.seq).where(_C.of == seq).order_by(_C.seq)))


@dataclass(frozen=True, slots=True)
class StatedCorrection:
    """What one correction of an act or a seizure stated, and what stood before it."""

    of: Literal["act", "seizure"]
    name: str
    """Of the act or the seizure."""
    known_at: int
    by: str
    reason: str
    was: dict[str, Any]
    now: dict[str, Any] | None
    """None for a seizure that was withdrawn."""


def read_corrections(connection: Connection, seqs: Iterable[int]) -> list[StatedCorrection]:
    """Return corrections by the numbers of their records, the oldest first, without erased ones."""
    where = [JOURNAL.c.seq.in_(sorted(seqs))]
    found = []
    for record in JournalReader(connection).records(*CORRECTED_KINDS, where=where):
        is_act = record.kind == INSPECTION_CORRECTED
        body = record.body
        found.append(
            StatedCorrection(
                "act" if is_act else "seizure",
                record.subject,
                record.known_at,
                body["by"],
                body["reason"],
                body["was"],
                body["inspection" if is_act else "seizure"],
            )
        )
    return found


_GRAVITY = ("clear", "discrepancy", "seizure")


class ActCorrection(Record):
    """An inspection act as it should read, and why; its identifiers, times and agency stay."""

    outcome: Outcome
    methods: Methods = ()
    places_searched: Places = ()
    minutes: Minutes | None = None
    discrepancy_kinds: DiscrepancyKinds = ()
    duty_assessed: Value | None = None
    currency: KnownCurrency | None = None
    reason: Annotated[Text, Field(min_length=1)]
    """In words."""

    @model_validator(mode="after")
    def _assessed(self) -> Self:
        check_assessment(self.outcome, self.discrepancy_kinds, self.duty_assessed, self.currency)
        return self

    EXAMPLE: ClassVar = {
        "outcome": "seizure",
        "methods": ["canine", "physical"],
        "places_searched": ["chassis.frame"],
        "minutes": 45.0,
        "reason": "The floor of the trailer was not searched.",
    }


class SeizureCorrection(Record):
    """A seizure as it should read, or that it is withdrawn, and why."""

    withdrawn: bool = False
    substance_class: SubstanceClass | None = None
    substance: Identifier | None = None
    quantity_g: Amount | None = None
    place: PlaceCode | None = None
    concealment: Identifier | None = None
    goods_class: Code | None = None
    amount: Amount | None = None
    unit: Unit | None = None
    reason: Annotated[Text, Field(min_length=1)]
    """In words."""

    EXAMPLE: ClassVar = {
        "substance_class": "narcotic",
        "substance": "hashish",
        "quantity_g": 2300.0,
        "place": "chassis.frame",
        "reason": "Weighed again on the laboratory's scales.",
    }

    @model_validator(mode="after")
    def _require_substance(self) -> Self:
        if not self.withdrawn and self.substance_class is None:
            why, at = "what was seized, or that it is withdrawn", {"field": "substance_class"}
            raise PydanticCustomError("missing_key", why, at)
        self.__dict__.update(complete_goods(self))
        return self


class CorrectionRequest(Record):
    """What a supervisor is asked to correct in an act, and why."""

    amount: Amount | None = None
    """Of what was seized, as it should read."""
    unit: Unit | None = None
    reason: Annotated[Text, Field(min_length=1)]
    """In words."""

    EXAMPLE: ClassVar = {"amount": 1200.0, "unit": "g", "reason": "Weighed without the wrapping."}


@dataclass(frozen=True, slots=True)
class Corrector:
    """The person who corrects."""

    person: str
    may_take_back: Callable[[str], bool]
    """Whether a supervisor answers, as a person who is known and another than the one named."""
    agency: str | None = None


@dataclass(frozen=True, slots=True)
class StatedReport:
    """An act or a seizure in the journal, as it was last stated."""

    seq: int
    """Of its first record."""
    post: str
    name: str
    corrections: int
    body: dict[str, Any]

    def claim(self, correction: Record, kind: str, *, key: str | None) -> IdempotencyClaim:
        """Return the claim of its next correction: there is one."""
        name = f"{kind}:{self.name}:{self.corrections + 1}"
        return claim(kind, correction, post=self.post, name=name, key=key, about=self.name)


def read_stated_act(connection: Connection, inspection_id: str) -> StatedReport:
    """Return an act as it was last stated; raises ``NotFoundError`` and ``ErasedError``."""
    return _read_stated(connection, "inspection", inspection_id)


def read_stated_seizure(connection: Connection, seizure_id: str) -> StatedReport:
    """Return the same of a seizure; raises ``ConflictError`` where it waits, or was withdrawn."""
    return _read_stated(connection, "seizure", seizure_id)


def _read_stated(connection: Connection, kind: str, identifier: str) -> StatedReport:
    name = (inspection_name if kind == "inspection" else seizure_name)(identifier)
    holder = find_holders(connection, [name]).get(name)
    if holder is None:
        raise NotFoundError(kind, identifier)
    record = read_proven(connection, holder.seq, INSPECTION if kind == "inspection" else SEIZURE)
    if record.subject != identifier:
        raise NotFoundError(kind, identifier)
    first = record.body
    if "pending_crossing_id" in first:
        raise ConflictError(kind, identifier, "a find of another post is confirmed, not corrected")
    body = Corrections(connection).read(holder.seq, first)
    if body is None:
        raise ConflictError(kind, identifier, "it was withdrawn")
    count = len(list_corrections(connection, holder.seq))
    return StatedReport(holder.seq, record.post, identifier, count, body)


def draft_correction_request(
    known: StatedReport, request: CorrectionRequest, asked: IdempotencyClaim, *, by: str
) -> Draft:
    """Return the record that asks for a correction of an act."""
    crossing_id: str = known.body["crossing_id"]
    body: CorrectionAskedBody = {
        "claim": asked.as_dict(),
        "by": by,
        "of": known.seq,
        "crossing_id": crossing_id,
        "reason": request.reason,
    }
    if request.amount is not None:
        body["amount"] = request.amount
    if request.unit is not None:
        body["unit"] = request.unit
    return CORRECTION_ASKED.draft(crossing_id, body, post=known.post)


def list_open_requests(
    connection: Connection, *, since: int
) -> list[JournalRecord[CorrectionAskedBody]]:
    """Return the requests since then after which nothing of their crossing was corrected."""
    reader, is_late = JournalReader(connection), [JOURNAL.c.known_at >= since]
    corrected: dict[str | None, int] = {
        one.body["crossing_id"]: one.seq for one in reader.records(*CORRECTED_KINDS, where=is_late)
    }
    return [
        one
        for one in reader.records(CORRECTION_ASKED, where=is_late)
        if corrected.get(one.body["crossing_id"], 0) < one.seq
    ]


def draft_act_correction(
    known: StatedReport, correction: ActCorrection, asked: IdempotencyClaim, *, by: Corrector
) -> Draft:
    """Return the record that states an act again.

    Raises ``ConflictError`` where nothing would change, and ``NotAllowedError`` where a find would
    be taken back by a person who may not.
    """
    was: dict[str, Any] = known.body["inspection"]
    stated = correction.model_dump(mode="json", exclude_none=True, exclude={"reason"})
    kept = {name: one for name, one in was.items() if name not in _RESTATED}
    act = Inspection.model_validate(kept | stated, strict=False)
    now = act.model_dump(mode="json", exclude_none=True)
    _refuse_same("inspection", known.name, was, now)
    is_milder = _GRAVITY.index(act.outcome) < _GRAVITY.index(was["outcome"])
    if is_milder or _is_less_duty(was, now):
        _require_other_person(known, by)
    body: InspectionCorrectedBody = {
        "claim": asked.as_dict(),
        "by": by.person,
        "of": known.seq,
        "crossing_id": act.crossing_id,
        "vehicle_class": known.body.get("vehicle_class"),
        "reason": correction.reason,
        "was": was,
        "inspection": now,
        "answers": strictest_answered(
            InspectionAct(**act.model_dump(include=set(InspectionAct.model_fields)))
        ).code,
    }
    if by.agency is not None:
        body["agency"] = by.agency
    event = CorrectionEvent(act.crossing_id)
    return INSPECTION_CORRECTED.draft(known.name, body, post=known.post, extra=event)


def _is_less_duty(was: Json, now: Json) -> bool:
    """Tell whether less is assessed than before; a sum in another currency counts as less."""
    if (before := was.get("duty_assessed")) is None:
        return False
    return bool(now.get("currency") != was["currency"] or now["duty_assessed"] < before)


_RESTATED = frozenset(ActCorrection.model_fields)


def draft_seizure_correction(
    known: StatedReport,
    correction: SeizureCorrection,
    asked: IdempotencyClaim,
    *,
    by: Corrector,
    classes: GoodsClasses,
) -> Draft:
    """Return the record that states a seizure again, or withdraws it; raises as that of an act.

    Raises ``RecordError`` for goods that do not fit their class.
    """
    was: dict[str, Any] = known.body["seizure"]
    now = None if correction.withdrawn else _restate(was, correction)
    _refuse_same("seizure", known.name, _name_class(was), now)
    if now is not None:
        classes.check(Seizure.model_validate(now, strict=False))
    if _is_less(was, now, classes):
        _require_other_person(known, by)
    crossing_id: str | None = known.body["linked_crossing_id"]
    body: SeizureCorrectedBody = {
        "claim": asked.as_dict(),
        "by": by.person,
        "of": known.seq,
        "crossing_id": crossing_id,
        "reason": correction.reason,
        "was": was,
        "seizure": now,
    }
    if by.agency is not None:
        body["agency"] = by.agency
    event = None if crossing_id is None else CorrectionEvent(crossing_id)
    return SEIZURE_CORRECTED.draft(known.name, body, post=known.post, extra=event)


def _is_less(was: Json, now: Json | None, classes: GoodsClasses) -> bool:
    """Tell whether a correction takes back a find, or a part of one.

    Amounts in two units that are no masses cannot be compared: the new one counts as less.
    """
    if now is None or (now.get("quantity_g") or 0.0) < (was.get("quantity_g") or 0.0):
        return True
    loads = [classes.teaches_load(one.get("goods_class")) for one in (was, now)]
    if loads == [True, False]:
        return True
    if was.get("unit") in (None, *MASSES):
        return False
    return bool(now.get("unit") != was["unit"] or now["amount"] < was["amount"])


def _restate(was: dict[str, Any], correction: SeizureCorrection) -> dict[str, Any]:
    stated = correction.model_dump(mode="json", exclude_none=True, exclude={"reason", "withdrawn"})
    kept = {name: one for name, one in was.items() if name not in SeizureCorrection.model_fields}
    made = Seizure.model_validate(kept | stated, strict=False)
    return made.model_dump(mode="json", exclude_none=True)


def _name_class(was: Json) -> Json:
    """Return a seizure as one states it that names the class of its substance."""
    code = class_of(was["substance_class"], was.get("goods_class"))
    if code not in SUBSTANCES:
        return was
    made = Seizure.model_validate(was | {"goods_class": code}, strict=False)
    return made.model_dump(mode="json", exclude_none=True)


def _refuse_same(kind: str, name: str, was: Json, now: Json | None) -> None:
    if now is not None and all(
        sort_codes(was.get(key)) == sort_codes(now.get(key)) for key in was.keys() | now.keys()
    ):
        raise ConflictError(kind, name, "the correction changes nothing")


def sort_codes(stated: Any) -> Any:
    """Return a list of places or methods without an order, which says nothing."""
    return sorted(stated) if isinstance(stated, list | tuple) else stated


def _require_other_person(known: StatedReport, by: Corrector) -> None:
    """Refuse to take back a find alone."""
    if not by.may_take_back(known.body["by"]):
        why = "what was found is taken back by a supervisor, another person than who filed it"
        raise NotAllowedError(why, "second_person")
