"""The answers of the service as data: what OpenAPI says, and what tests hold them to."""

from datetime import datetime
from typing import Literal

from api.http.schema_base import AnswerSchema
from engine.decision.decision import Mode, Rank, Risk
from engine.domain.advance_declarations import MatchKind
from engine.domain.records import Basis
from engine.explanation.facts import Fact
from engine.explanation.reasons import Reason
from engine.journal.receipts import Receipt
from engine.search_orders.search_order import SearchStep
from engine.selection.champion_challenger import Tried
from models.explanation.similar_seizures import SimilarSeizure

ChannelCode = Literal["green", "blue", "yellow", "red"]


class MirrorAlert(AnswerSchema):
    """What the paired post's record, known after the decision, says otherwise."""

    code: Literal["mass", "plate", "trailer", "driver", "vin", "seals", "load"]
    decided: str
    told: str
    known_at: datetime
    matched_by: list[Literal["plate", "vin", "tir", "cmr", "trailer"]]
    """What both records agree on; the first led to it."""


class UsedDeclaration(AnswerSchema):
    """A version of a declaration ahead, and which of its vehicles this is."""

    declaration_id: str
    version: int
    sequence: int
    """The journal's record of the version."""
    vehicle: int


class DeclaredAhead(AnswerSchema):
    """The declarations ahead that a vehicle was matched with."""

    matched_by: MatchKind | Literal[""]
    """Empty where none was used; the data gaps say why."""
    uses: list[UsedDeclaration]
    differences: list[str]
    """Fields in which the vehicle, or the declaration that it brought, differs from them."""
    is_brought: bool
    """It brought a declaration of its own, which was decided with."""


class DeclarationAlert(AnswerSchema):
    """A declaration ahead that came, or was changed, after the decision."""

    code: Literal["late", "amended", "cancelled"]
    declaration_id: str
    version: int
    matched_by: MatchKind
    known_at: datetime


class TakenBy(AnswerSchema):
    """Who has taken a waiting vehicle."""

    by: str
    team: str | None
    since: datetime
    until: datetime
    """When it ends by itself."""
    sequence: int
    """The record of the taking, for ``over``."""


class CheckpointView(AnswerSchema):
    """A decision as its checkpoint sees it, before its inspection act and after it."""

    decision_id: str
    crossing_id: str
    post: str
    decided_at: datetime
    as_of: datetime
    channel: ChannelCode
    """Release; release with audit afterwards; documents and scan; physical inspection."""
    rank: Rank
    search_order: list[SearchStep]
    """Where to look first; on red."""
    team: str | None
    """Who inspects it, drawn at random from the roster; null where the roster names no team."""
    facts: list[Fact]
    data_gaps: list[str]
    mode: Mode
    advisory: Literal[True]
    receipt: Receipt
    amends: str | None = None
    """The first decision of its movement, where its declaration was changed since."""
    alerts: list[MirrorAlert] | None = None
    """Where the paired post's record came after the decision and differs."""
    declared_ahead: DeclaredAhead | None = None
    """Where declarations ahead led to it, or to nothing that could be used."""
    declaration_alerts: list[DeclarationAlert] | None = None
    """Where a declaration ahead came, or was changed, after the decision."""
    taken: TakenBy | None = None
    """Where an officer has taken the waiting vehicle; in a queue, and where one is asked for."""


class Subject(AnswerSchema):
    """What a reason is about, in words: neither a figure nor whether it raises the risk."""

    code: str
    text: str


class OpenedView(CheckpointView):
    """The same, once an act that is what the channel asks for was filed on a referred vehicle."""

    reasons: list[Subject]


class ReviewSaid(AnswerSchema):
    """A supervisor's word on a decision."""

    verdict: Literal["uphold", "override"]
    channel: ChannelCode | None = None
    reason_code: str
    reason: str | None = None
    person: str
    recorded_at: datetime
    needs_second_person: bool | None = None
    """It changes nothing until another supervisor says the same; absent where it took effect."""


class ManifestGoods(AnswerSchema):
    """One goods item of a manifest."""

    hs_code: str
    net_mass_kg: float | None


class PartnerManifest(AnswerSchema):
    """What a partner's manifest said of the vehicle, before the decision."""

    link: str
    post: str
    left_at: datetime
    arrived_at: datetime
    """When the manifest was known here."""
    sequence: int
    """The record of it."""
    vehicle_class: str
    plate: str | None = None
    plate_country: str | None = None
    trailer_plate: str | None = None
    vin: str | None = None
    container_numbers: list[str] | None = None
    seal_numbers: list[str] | None = None
    weighed_mass_kg: float | None = None
    is_empty: bool | None = None
    tir_carnet: str | None = None
    cmr_number: str | None = None
    carrier_id: str | None = None
    goods: list[ManifestGoods]


class LateWithdrawal(AnswerSchema):
    """A profile or an entry of the watch list that a centre withdrew before the decision."""

    source: Literal["profile", "watchlist"]
    profile: str | None
    """Its code; null for an entry of the watch list."""
    withdrawn_at: datetime
    arrived_at: datetime
    """When the withdrawal became known here."""


class SupervisorView(CheckpointView):
    """A decision with why it was made."""

    risk: Risk
    propensity: float
    """Probability with which the engine could have sent it to officers at all."""
    propensities: dict[ChannelCode, float]
    """For each inspected channel, the probability of that channel or a stricter one."""
    basis: Basis | None
    is_random: bool
    """Member of the random stream, whatever else selected it."""
    profiles: list[str]
    watchlist: bool
    """Selected by an entry of the watch list."""
    reasons: list[Reason]
    model_version: str | None
    trial: Tried | None
    """What a trial of two models made of it, where one ran."""
    reviews: list[ReviewSaid] | None = None
    """What supervisors said about it, where one decision is asked for."""
    partner_manifest: PartnerManifest | None = None
    """Where one had arrived before, and one decision is asked for."""
    withdrawn: list[LateWithdrawal] | None = None
    """What selected it although the centre had withdrawn it, where one decision is asked for."""


class Decisions(AnswerSchema):
    """Decisions, the newest first."""

    tables = ("decisions",)
    decisions: list[SupervisorView]
    next_before: int | None
    """For ``before``, to read on; null where these are all."""


class FeatureValues(AnswerSchema):
    """The features of a decision, read again as of its time; null where nothing was known."""

    decision_id: str
    as_of: datetime
    features: dict[str, float | None]


class Explanation(AnswerSchema):
    """What speaks for and against, the strongest first, for any channel."""

    tables = ("reasons",)
    decision_id: str
    reasons: list[Reason]


Whose = Literal["plate", "trailer", "driver", "carrier", "consignee", "declarant"]
EventKind = Literal["clear", "find", "seizure", "elsewhere", "passed"]


class PastEvent(AnswerSchema):
    """An act, a find elsewhere, or a hit of a linked entity that was passed on."""

    known_at: datetime
    kind: EventKind
    count: int


class PastOf(AnswerSchema):
    """What was known of one entity of the crossing."""

    whose: Whose
    name: str | None
    crossings_by_week: list[int]
    """Of the last 52 weeks, the oldest first."""
    crossings_ever: int
    totals: dict[EventKind, int]
    """Within these weeks, listed or not; a trailer's or declarant's seizures count as finds."""
    events: list[PastEvent]
    """The last of them, the newest first."""


class EarlierCrossing(AnswerSchema):
    """An earlier crossing of the vehicle."""

    crossing_id: str
    post: str
    direction: Literal["entry", "exit"]
    arrived_at: datetime
    decision_id: str | None
    """Its decision, where this service made one."""


class CrossedTogether(AnswerSchema):
    """Two entities of the crossing, and how often they had crossed together before."""

    one: Whose
    other: Whose
    crossings: int


class LinkedEntity(AnswerSchema):
    """An entity linked to an entity of the crossing."""

    name: str | None
    """None where only the loaded history knows it."""
    mark: str
    """Short and the same wherever it is shown; not a name."""
    since: datetime
    crossings: int
    inspected: int
    hits: int


class LinkedEntities(AnswerSchema):
    """All that one entity of the crossing links to others."""

    via: Whose
    to: Whose
    known: int
    """How many, of the 32 linked last."""
    is_bounded: bool
    """There may be more than 32."""
    passed: int
    """Hits passed along these links to the crossing's own."""
    fellows: list[LinkedEntity]
    """Those with most finds first, at most three."""


class PastView(AnswerSchema):
    """What was known of a decision's vehicle and parties when it was made."""

    tables = ("entities", "crossings", "together", "ties", "similar")
    decision_id: str
    as_of: datetime
    synthetic: bool
    is_as_decided: bool
    """False where history was loaded since: it is then in what is shown."""
    entities: list[PastOf]
    crossings: list[EarlierCrossing]
    together: list[CrossedTogether]
    ties: list[LinkedEntities]
    similar: list[SimilarSeizure] | None
    """None where no model can say."""
