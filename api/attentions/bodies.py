"""Bodies of requests to partners, of answers and of withdrawals."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from engine.domain.records import (
    Hex32,
    Identifier,
    Identifiers,
    Methods,
    Outcome,
    PostCode,
    Record,
    SubstanceClass,
    Text,
    Time,
)
from engine.links.codes import (
    MOST_FILES,
    AttentionAction,
    AttentionIdentifier,
    InformationGrade,
    QuantityBand,
    SourceGrade,
)
from engine.links.envelope import HandlingCode

Handling = Annotated[tuple[HandlingCode, ...], Field(max_length=3)]
Words = Annotated[Text, Field(min_length=1)]


class AttentionRequest(Record):
    """A request to a partner about one identifier; never an order."""

    link: Identifier
    """Name of the agreement."""
    identifier: AttentionIdentifier
    value: Identifier
    action: AttentionAction
    answer_by: Time
    until: Time
    """At most 30 days ahead."""
    why: Words | None = None
    source: SourceGrade | None = None
    information: InformationGrade | None = None
    movement: Identifier | None = None
    """The sender's manifest of the vehicle."""
    handling: Handling = ()


class CaseRequest(Record):
    """The offer of a common case; it stays with the one who offers it until it is accepted."""

    link: Identifier
    """Name of the agreement."""
    answer_by: Time
    """At most 30 days ahead."""
    summary: Words | None = None
    attentions: Identifiers = ()
    movements: Identifiers = ()
    handling: Handling = ()
    case: Identifier | None = None
    """An own case, whose files can be named; its name does not travel."""
    files: Annotated[tuple[Hex32, ...], Field(max_length=MOST_FILES)] = ()
    """Files of that case by their SHA-256: their content leaves once the offer is accepted."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.files and self.case is None:
            raise PydanticCustomError("missing_key", "of the files", {"field": "case"})
        return self


class OutcomeRequest(Record):
    """Outcome of a vehicle, as a person reports it."""

    post: PostCode
    is_searched: bool
    methods: Methods = ()
    outcome: Outcome | None = None
    """Of a search."""
    substance_class: SubstanceClass | None = None
    quantity_band: QuantityBand | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.is_searched and self.outcome is None:
            raise PydanticCustomError("missing_key", "of a search", {"field": "outcome"})
        if not self.is_searched and (self.outcome or self.methods):
            why = "only of a search"
            raise PydanticCustomError("unknown_field", "{why}", {"field": "outcome", "why": why})
        return self


class RequestAnswer(Record):
    """An answer to a request of a partner."""

    answer: Literal["accepted", "declined", "returned", "reported"]
    """``reported`` closes an attention, ``returned`` gives an accepted case back."""
    reason: Words | None = None
    """Owed with ``declined`` and ``returned``."""
    report: OutcomeRequest | None = None
    """Owed with ``reported``."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.answer in ("declined", "returned") and self.reason is None:
            raise PydanticCustomError("missing_key", "say why", {"field": "reason"})
        if (self.answer == "reported") != (self.report is not None):
            raise PydanticCustomError("missing_key", "with reported alone", {"field": "report"})
        return self


class RequestWithdrawal(Record):
    """The end of a request before its time, by the side that asks."""

    reason: Words | None = None
