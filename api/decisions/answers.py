"""Types of answers about decisions, and what a reason is about.

Decisions are a hot path: routes answer them as dictionaries made from their records, without keys
for what a decision does not have. :class:`CheckpointView` and its kin describe these dictionaries.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from api.decisions.questions import OpenQuestionView
from api.http.answers import Answer, Time
from engine.criteria.match import HARD_FACT
from engine.decision.decision import Mode, Rank, Risk
from engine.domain.advance_declarations import MatchKind, UsedVersion
from engine.domain.records import Basis, Method, Outcome
from engine.explanation.facts import Fact
from engine.explanation.reasons import CODE, Reason
from engine.journal.receipts import Receipt
from engine.queue.expected_duty import ExpectedDuty
from engine.search_orders.order import SearchStep, StepFigures
from engine.search_orders.rates import Precaution
from engine.selection import ChannelCode, Tried
from features.catalogue.catalogue import CATALOGUE


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorAlert(Answer):
    """What the paired post's record, known after the decision, says otherwise."""

    code: Literal["mass", "plate", "trailer", "driver", "vin", "seals", "load"]
    decided: str
    told: str
    known_at: Time
    matched_by: list[Literal["plate", "vin", "tir", "cmr", "trailer"]]
    """What both records agree on; the first led to it."""


@dataclass(frozen=True, slots=True)
class DeclaredAhead(Answer):
    """The declarations ahead that a vehicle was matched with."""

    matched_by: MatchKind | Literal[""]
    """Empty where none was used; the data gaps say why."""
    uses: list[UsedVersion]
    differences: list[str]
    """Fields in which the vehicle, or the declaration that it brought, differs from them."""
    is_brought: bool
    """It brought a declaration of its own, which was decided with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclarationAlert(Answer):
    """A declaration ahead that came, or was changed, after the decision."""

    code: Literal["late", "amended", "cancelled"]
    declaration_id: str
    version: int
    matched_by: MatchKind
    known_at: Time


@dataclass(frozen=True, slots=True)
class TakenBy(Answer):
    """Who has taken a waiting vehicle."""

    by: str
    team: str | None
    given_by: str | None
    """The supervisor who gave it to them; null where they took it."""
    since: Time
    until: Time
    """When it ends by itself."""
    sequence: int
    """The record of the taking, for ``over``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointView(Answer):
    """A decision as its checkpoint sees it, before its inspection act and after it."""

    decision_id: str
    crossing_id: str
    post: str
    decided_at: Time
    as_of: Time
    channel: ChannelCode
    """Release; release with audit afterwards; documents and scan; physical inspection."""
    rank: Rank
    search_order: list[SearchStep]
    """Where to look, and what to do with goods and papers, in this order; on red and yellow."""
    unreached: dict[str, Method]
    """Places that would be among the first if the equipment for them worked at the post."""
    precautions: list[Precaution]
    """What officers protect themselves from, by the goods that are declared."""
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
    question: OpenQuestionView | None = None
    """Documents that were asked for on it, in a queue."""


@dataclass(frozen=True, slots=True)
class Subject(Answer):
    """What a reason is about, in words: neither a figure nor whether it raises the risk."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedView(CheckpointView):
    """The same, once an act that is what the channel asks for was filed on a referred vehicle."""

    reasons: list[Subject]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSaid(Answer):
    """A supervisor's word on a decision."""

    verdict: Literal["uphold", "override"]
    channel: ChannelCode | None = None
    reason_code: str
    reason: str | None = None
    person: str
    recorded_at: Time
    needs_second_person: bool | None = None
    """It changes nothing until another supervisor says the same; absent where it took effect."""
    seconded_by: str | None = None
    """The other supervisor, who said the same; absent without one, and where the caller does not
    see that review."""
    seconded_at: Time | None = None
    """When it took effect by that review."""


@dataclass(frozen=True, slots=True)
class ManifestGoods(Answer):
    """One goods item of a manifest."""

    hs_code: str
    net_mass_kg: float | None
    pen_number: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerManifest(Answer):
    """What a partner's manifest said of the vehicle, before the decision."""

    link: str
    post: str
    left_at: Time
    arrived_at: Time
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
    body_type: str | None = None
    tir_carnet: str | None = None
    cmr_number: str | None = None
    carrier_id: str | None = None
    goods: list[ManifestGoods]


@dataclass(frozen=True, slots=True)
class LateWithdrawal(Answer):
    """A profile or an entry of the watch list that a centre withdrew before the decision."""

    source: Literal["profile", "watchlist"]
    profile: str | None
    """Its code; null for an entry of the watch list."""
    withdrawn_at: Time
    arrived_at: Time
    """When the withdrawal became known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
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
    search_figures: list[StepFigures]
    """What each place of the search order stands on, in its order."""
    reasons: list[Reason]
    model_version: str | None
    trial: Tried | None
    """What a trial of two models made of it, where one ran."""
    reviews: list[ReviewSaid] | None = None
    """What supervisors said about it, where one decision is asked for."""
    known_lawful: list[str] | None = None
    """Entries of known lawful trade that fitted, where one decision is asked for."""
    partner_manifest: PartnerManifest | None = None
    """Where one had arrived before, and one decision is asked for."""
    withdrawn: list[LateWithdrawal] | None = None
    """What selected it although the centre had withdrawn it, where one decision is asked for."""
    expected_duty: ExpectedDuty | None = None
    """Of a yellow vehicle in the queue, as far as acts taught it; it ranks nothing."""
    selected_by: Basis | Literal["supervisor"] | None = None
    """``basis``, or a supervisor who sent to officers what the engine did not; where decisions are
    listed."""
    replaced_by: str | None = None
    """The newest decision of its movement, where that is another and decisions are listed."""
    outcome: Outcome | None = None
    """What the act on it found, where decisions are listed; null without one, and where a newer
    decision states it."""


@dataclass(frozen=True, slots=True)
class Decisions(Answer):
    """Decisions, the newest first."""

    tables = ("decisions",)
    decisions: list[SupervisorView]
    next_before: int | None
    """For ``before``, to read on; null where these are all."""


@dataclass(frozen=True, slots=True)
class FeatureValues(Answer):
    """The features of a decision, read again as of its time; null where nothing was known."""

    decision_id: str
    as_of: Time
    features: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Explanation(Answer):
    """What speaks for and against, the strongest first, for any channel."""

    tables = ("reasons",)
    decision_id: str
    reasons: Sequence[Reason]


@dataclass(frozen=True, slots=True)
class RecomputedField(Answer):
    """What differs when a decision is made again; both values as JSON."""

    field: str
    """``features``, ``place`` or ``declaration`` of what the decision was made of, which have no
    values here; else a field of the decision."""
    stored: Any
    again: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputation(Answer):
    """A decision made again from its record, and what differs from it."""

    tables = ("differences",)
    decision_id: str
    sequence: int
    """The decision's record."""
    as_of: Time
    """The features were read again as they were known then."""
    model_version: str | None
    identical: bool
    why: str
    """Why it cannot be made again here; empty where it was."""
    differences: list[RecomputedField]


TEXTS: Final[Mapping[str, str]] = {
    "timing": "When it came, and when it was recorded.",
    "conveyance": "The vehicle itself.",
    "documents": "Its papers.",
    "declared": "What was declared.",
    "parties": "Its parties: earlier crossings and inspections.",
    "links": "Links to other vehicles and parties.",
    "mirror": "What the paired post recorded.",
    "route": "Its route.",
    "goods": "The goods.",
    "fingerprints": "Goods like these, seen before.",
    "other": "Other facts.",
}
"""One sentence a family of features."""
_OF_RULES: Final[Mapping[str, str]] = {
    "linked_find": "links",
    "mass_unlike_exit": "mirror",
    "seal_changed": "mirror",
    "trailer_changed": "mirror",
    "empty_but_declared": "documents",
    "laden_undeclared": "documents",
    "container_check_digit": "documents",
    "new_driver_at_night": "links",
    "first_crossing": "parties",
}
_OF_FACTS: Final[Mapping[str, str]] = {
    "fact_two_places": "conveyance",
    "fact_elsewhere": "conveyance",
    "fact_papers": "documents",
    "fact_body": "goods",
}
"""Hard facts that are no comparison with the paired post, by message."""
_FAMILIES: Final[Mapping[str, str]] = {
    **{name: feature.family for name, feature in CATALOGUE.items()},
    **_OF_RULES,
    CODE: "goods",
}


def subjects(reasons: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return what these reasons are about, each subject once, in an order of their own.

    Codes of neither a feature, an indicator rule nor a hard fact say what selected a vehicle, and
    are left out.
    """
    known = {
        _OF_FACTS.get(one["message"], "mirror")
        if one["code"] == HARD_FACT
        else _FAMILIES.get(one["code"])
        for one in reasons
    }
    return [{"code": one, "text": TEXTS[one]} for one in TEXTS if one in known] or [
        {"code": "other", "text": TEXTS["other"]}
    ]


def name_family(code: str) -> str:
    """Return what a reason is about, by its code or by that of its subject."""
    return code if code in TEXTS else _FAMILIES.get(code, "other")
