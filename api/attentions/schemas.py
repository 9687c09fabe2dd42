"""Answers about requests."""

from datetime import datetime
from typing import Literal

from api.http.schema_base import AnswerSchema
from engine.domain.records import Method, Outcome, SubstanceClass
from engine.journal.receipts import Receipt
from engine.links.codes import (
    AttentionAction,
    AttentionIdentifier,
    InformationGrade,
    QuantityBand,
    SourceGrade,
)
from engine.links.envelope import HandlingCode
from engine.links.requests.transitions import RequestKind, RequestState, RequestStep


class RequestStepView(AnswerSchema):
    """One step of either side."""

    step: RequestStep
    is_ours: bool
    at: datetime
    """By the clock of the side that took it."""
    by: str | None
    """Who took it here; None for the partner's, and where the service reported by itself."""
    reason: str | None
    delivery: Literal["waiting", "taken"] | None
    """Of our own: whether the partner has it."""


class RequestOutcomeView(AnswerSchema):
    """What became of the vehicle."""

    post: str
    recorded_at: datetime
    is_searched: bool
    methods: list[Method]
    outcome: Outcome | None
    substance_class: SubstanceClass | None
    quantity_band: QuantityBand | None


class RequestNoticeView(AnswerSchema):
    """The entry of the watch list that an accepted attention became."""

    state: Literal["in_force", "retired"]
    channel: Literal["yellow", "red"] | None
    """None for an action that selects nothing."""
    confirmed_by: list[str]


class RequestFileView(AnswerSchema):
    """A file of an offered case."""

    digest: str
    """SHA-256 of the content."""
    media_type: str
    size_bytes: int
    shows: str | None
    is_here: bool
    """The content is here: the partner's arrives once the offer is accepted."""


class RequestView(AnswerSchema):
    """A request of either side, by what this side knows."""

    tables = ("steps", "files")
    id: str
    kind: RequestKind
    link: str
    partner: str
    is_ours: bool
    """This side asks."""
    state: RequestState
    is_waiting: bool
    """A step is still to come, by ``answer_by`` or ``until``."""
    owner: Literal["us", "them"] | None
    """Who has to act, or whose case it is; None once an attention has ended."""
    asked_at: datetime
    asked_by: str | None
    """Who asked here; None for the partner's."""
    answer_by: datetime
    until: datetime
    is_erased: bool
    identifier: AttentionIdentifier | None
    value: str | None
    action: AttentionAction | None
    why: str | None
    source: SourceGrade | None
    information: InformationGrade | None
    movement: str | None
    summary: str | None
    """Of a case."""
    attentions: list[str]
    movements: list[str]
    files: list[RequestFileView]
    handling: list[HandlingCode]
    delivery: Literal["waiting", "taken", "refused"] | None
    """Of our own: whether the partner has it."""
    refused: str | None
    """The rule by which the partner's installation refused it."""
    steps: list[RequestStepView]
    outcome: RequestOutcomeView | None
    notice: RequestNoticeView | None


class RequestCounts(AnswerSchema):
    """Counts of the listed requests of one side and kind."""

    is_ours: bool
    kind: RequestKind
    requests: int
    states: dict[RequestState, int]
    searched: int
    """Whose vehicle was searched."""
    finds: int
    """With a discrepancy or a seizure."""


class Requests(AnswerSchema):
    """Requests between partners, the newest first."""

    tables = ("requests", "counts")
    requests: list[RequestView]
    counts: list[RequestCounts]


class AcknowledgedRequest(AnswerSchema):
    """A request or a step that is recorded, and sent with the next exchange."""

    id: str
    state: RequestState
    recorded_at: datetime
    receipt: Receipt
