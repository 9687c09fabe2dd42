"""Corrections of acts and seizures: what a person states instead, and the record of it.

A correction that takes back what was found (a milder outcome, less or nothing seized) is owed
another person than the one who filed it, and a supervisor: alone, an officer could let a find
disappear. What counters add and take away follows in the same transaction.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection

from engine.domain.records import (
    Identifier,
    Inspection,
    InspectionAct,
    Methods,
    Minutes,
    Outcome,
    PlaceCode,
    Places,
    Record,
    Seizure,
    SubstanceClass,
    Text,
)
from engine.errors import ConflictError, NotAllowedError, NotFoundError
from engine.journal.entries import Draft
from engine.journal.idempotency import (
    IdempotencyClaim,
    claim,
    find_holders,
    inspection_name,
    seizure_name,
)
from engine.journal.kinds import INSPECTION, INSPECTION_CORRECTED, SEIZURE, SEIZURE_CORRECTED
from engine.journal.payloads import InspectionCorrectedBody, SeizureCorrectedBody
from engine.journal.power_records import read_proven
from engine.ports import CorrectionEvent, Features
from engine.queue.corrections import Corrections, compensate_find, list_corrections
from engine.queue.referrals import strictest_answered

_GRAVITY = ("clear", "discrepancy", "seizure")


class ActCorrection(Record):
    """An inspection act as it should read, and why; its identifiers, times and agency stay."""

    outcome: Outcome
    methods: Methods = ()
    places_searched: Places = ()
    minutes: Minutes | None = None
    reason: Annotated[Text, Field(min_length=1)]
    """In words."""


class SeizureCorrection(Record):
    """A seizure as it should read, or that it is withdrawn, and why."""

    withdrawn: bool = False
    substance_class: SubstanceClass | None = None
    substance: Identifier | None = None
    quantity_g: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)] | None = None
    place: PlaceCode | None = None
    concealment: Identifier | None = None
    reason: Annotated[Text, Field(min_length=1)]
    """In words."""

    @model_validator(mode="after")
    def _require_substance(self) -> Self:
        if not self.withdrawn and self.substance_class is None:
            why, at = "what was seized, or that it is withdrawn", {"field": "substance_class"}
            raise PydanticCustomError("missing_key", why, at)
        return self


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
    if _GRAVITY.index(act.outcome) < _GRAVITY.index(was["outcome"]):
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
        "answers": strictest_answered(InspectionAct(**_of_act(act))).code,
    }
    if by.agency is not None:
        body["agency"] = by.agency
    event = CorrectionEvent(act.crossing_id)
    return INSPECTION_CORRECTED.draft(known.name, body, post=known.post, extra=event)


_RESTATED = frozenset(ActCorrection.model_fields)


def _of_act(act: Inspection) -> dict[str, Any]:
    return act.model_dump(include=set(InspectionAct.model_fields))


def draft_seizure_correction(
    known: StatedReport,
    correction: SeizureCorrection,
    asked: IdempotencyClaim,
    *,
    by: Corrector,
    features: Features,
) -> Draft:
    """Return the record that states a seizure again, or withdraws it; raises as that of an act."""
    was: dict[str, Any] = known.body["seizure"]
    now = None if correction.withdrawn else _restate(was, correction)
    _refuse_same("seizure", known.name, was, now)
    is_less = now is None or (now.get("quantity_g") or 0.0) < (was.get("quantity_g") or 0.0)
    if is_less:
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
    event = None
    if crossing_id is not None:
        before, after = (
            None
            if one is None
            else features.find_in(Seizure.model_validate(one, strict=False), crossing_id)
            for one in (was, now)
        )
        event = compensate_find(crossing_id, before, after)
    return SEIZURE_CORRECTED.draft(known.name, body, post=known.post, extra=event)


def _restate(was: dict[str, Any], correction: SeizureCorrection) -> dict[str, Any]:
    stated = correction.model_dump(mode="json", exclude_none=True, exclude={"reason", "withdrawn"})
    kept = {name: one for name, one in was.items() if name not in SeizureCorrection.model_fields}
    made = Seizure.model_validate(kept | stated, strict=False)
    return made.model_dump(mode="json", exclude_none=True)


def _refuse_same(kind: str, name: str, was: object, now: object) -> None:
    if was == now:
        raise ConflictError(kind, name, "the correction changes nothing")


def _require_other_person(known: StatedReport, by: Corrector) -> None:
    """Refuse to take back a find alone."""
    if not by.may_take_back(known.body["by"]):
        why = "what was found is taken back by a supervisor, another person than who filed it"
        raise NotAllowedError(why, "second_person")
