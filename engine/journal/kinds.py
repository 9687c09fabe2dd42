"""Kinds of the core's records, each named once for all layers, and the bodies of these records.

:mod:`engine.core_area` states what the core must know of each kind; an area has kinds of its own
(:mod:`engine.journal.areas`). A kind is part of the bytes that the chain commits to: it never
changes.

A body is a JSON object. A key that is not required is there only if it has something to say. A
value that :mod:`engine.domain.records` or :mod:`engine.decision.record_codec` reads back is a plain
object here.
"""

from typing import Any, Final, NotRequired, cast

from typing_extensions import TypedDict

from engine.domain.records import Arrival, VehicleClass
from engine.journal.entries import Kind

Json = dict[str, Any]


class ClaimBody(TypedDict):
    """The names that a request takes, and the digest of its content."""

    names: list[str]
    fingerprint: str
    """SHA-256 in hex."""


class ReportBody(TypedDict):
    """Anything that was reported by a request of its own."""

    claim: ClaimBody
    by: str | None


class StatementBody(TypedDict):
    """What was reported by a request of its own, or follows from a partner's message."""

    claim: NotRequired[ClaimBody]
    by: NotRequired[str | None]


class TickBody(TypedDict):
    """States nothing but the time of its record."""


class ClockBody(TypedDict):
    """The journal's time, and the wall clock's, which a person accepts."""

    held_at: str
    accepted_at: str
    by: str
    why: str


class ErasureGrounds(TypedDict, total=False):
    """Who proposed an erasure, when, and what was to be erased; of a subject, that alone."""

    proposed_by: str
    proposed_at: str
    criteria: Json | str


class ErasureBody(ErasureGrounds):
    """Records whose bodies are erased, each with its leaf in hex, under a signature."""

    by: str
    why: str
    sequences: list[int]
    leaves: list[str]
    key_id: str
    signature: str


class SensitiveReadBody(TypedDict):
    """Who opened which record; ``sequence`` is 0 where a subject's export found none.

    A search, a page of a vehicle or a party and what is connected with it have the kinds
    ``search``, ``entity`` and ``connections``, the number 0, and in ``found`` the records that were
    shown. What was looked for is not kept: it would outlive the erasure of what it names.
    """

    by: str
    role: str
    sequence: int
    kind: str
    found: NotRequired[list[int]]
    purpose: NotRequired[str]


class JournalFindings(TypedDict):
    """What a check of a journal walked, and what it found."""

    after: int
    upto: int
    checked: int
    drawn: int
    compared: int
    erased: int
    found: int
    faults: list[Json]


class VerifiedBody(ReportBody, JournalFindings):
    """A verification from the pages."""


class FailedProfileBody(TypedDict):
    """The error of a profile that could not be evaluated."""

    error: str


class DroppedSecretsBody(TypedDict):
    """Rows of secrets that a rebuild could not keep, each by table and key."""

    rows: list[dict[str, str]]


class ArrivalBody(TypedDict):
    """``engine.domain.records.Arrival``."""

    crossing: Json
    declaration: NotRequired[Json | None]
    declarations: NotRequired[list[Json] | None]
    document_differences: list[str]


def dump_arrival(arrival: Arrival) -> ArrivalBody:
    """Return an arrival as a body holds it."""
    return cast("ArrivalBody", arrival.model_dump(mode="json", exclude_none=True))


class LinkOriginBody(TypedDict):
    """What a partner's message told, where a record follows from it."""

    link: str
    message: str
    """Kind of the message."""
    movement: str
    """As the side that it left names it."""


class CrossingBody(StatementBody):
    """A crossing with its declaration."""

    arrival: ArrivalBody
    message: NotRequired[LinkOriginBody]
    """Where it is known from a partner's message alone."""


class DecisionBody(CrossingBody):
    """A decision, as ``engine.decision.record_codec`` writes it."""

    crossing_id: str
    features: str
    inputs: Json
    queue: Json
    """A row of ``engine.queue.queue.DECISIONS``, as far as the decision says it."""
    decision: Json
    """``engine.decision.role_views.outcome``."""


class LodgedBody(ReportBody):
    """A version of a declaration ahead, as ``engine.domain.advance_declarations`` has it."""

    version: int
    """Counted from 1."""
    replaces: int | None
    """The number of the record of the version before."""
    lodged: Json


class CancelledBody(ReportBody):
    """A declaration ahead that is withdrawn; the last version of it."""

    version: int
    replaces: int
    reason: NotRequired[str]


class HandlingBody(ReportBody):
    """A report of what a team did, its own or the one that was drawn."""

    team: str | None


class InspectionBody(StatementBody):
    """An inspection act, with the engine's own basis and propensity."""

    team: NotRequired[str | None]
    crossing_id: str
    inspection: Json
    vehicle_class: NotRequired[VehicleClass | None]
    answers: str
    """The strictest channel that it answers."""
    taken_by: NotRequired[str]
    """Who had taken the vehicle, where that was another than who files the act."""
    message: NotRequired[LinkOriginBody]


class SeizureBody(StatementBody):
    """Goods found; the crossing they belong to, or the one that waits for a confirmation."""

    seizure: Json
    linked_crossing_id: str | None
    pending_crossing_id: NotRequired[str]
    pending_post: NotRequired[str | None]
    message: NotRequired[LinkOriginBody]


class ConfirmationBody(SeizureBody):
    """A find that a second person confirms; ``of`` is the number of the seizure's record."""

    of: int
    person: str


class CorrectionBody(ReportBody):
    """A correction of an act or a seizure: ``of`` is the number of the first record of it."""

    of: int
    crossing_id: str | None
    reason: str
    agency: NotRequired[str]
    """Of the person who corrects."""


class InspectionCorrectedBody(CorrectionBody):
    """The act as it was stated until now (``was``), and as it is stated instead."""

    was: Json
    inspection: Json
    vehicle_class: VehicleClass | None
    answers: str


class SeizureCorrectedBody(CorrectionBody):
    """The seizure as it was stated until now, and instead; None where it is withdrawn."""

    was: Json | None
    seizure: Json | None


class CorrectionAskedBody(ReportBody):
    """A correction that its asker may not record; ``of`` is the number of the act's record."""

    of: int
    crossing_id: str
    reason: str
    amount: NotRequired[float]
    unit: NotRequired[str]


class ReleaseBody(HandlingBody):
    """A vehicle that left the queue, with a reason where one was given."""

    crossing_id: str
    agency: NotRequired[str]
    reason_code: NotRequired[str]
    reason: NotRequired[str]


class VehicleTakenBody(HandlingBody):
    """A waiting vehicle that a person, or a team, has taken, or that a supervisor gave them."""

    crossing_id: str
    to: NotRequired[str]
    """The officer to whom it was given; absent where its sender takes it."""
    until: int
    """When the taking ends by itself: UTC microseconds."""
    over: int | None
    """The record of the taking that it takes over."""
    agency: NotRequired[str]


class VehicleGivenBackBody(HandlingBody):
    """A vehicle that is free again; ``of`` is the record by which it was taken."""

    crossing_id: str
    of: int
    agency: NotRequired[str]


class AuditClosedBody(ReportBody):
    """An audit after release that will not be made, and why."""

    decision_id: str
    crossing_id: str
    reason_code: str
    reason: str


class DocumentsAskedBody(ReportBody):
    """Documents that were asked for; ``due_at`` in UTC microseconds."""

    crossing_id: str
    due_at: int
    inspection: Json
    """As it was reported, with the outcome ``documents_asked``."""


class DocumentsCameBody(ReportBody):
    """What came; ``of`` is the number of the record that asked for it."""

    of: int
    crossing_id: str
    documents: list[str]
    note: NotRequired[str]


class ExpiryBody(TypedDict):
    """A vehicle whose day in the queue has passed; ``decision`` is its record's number."""

    crossing_id: str
    decision: int
    decided_at: str


class QueueStep(TypedDict, total=False):
    """How a review moves the queue; keys of a step stand where there is one."""

    place: int
    """Drawn among the scored picks."""
    needs_second_person: bool
    seconds: int
    """The record of the review that it is the second word to."""
    agency: str
    search_order: list[Json]
    unreached: Json
    search_figures: list[Json]
    searches: Json


class ReviewBody(QueueStep):
    """A supervisor's verdict."""

    claim: ClaimBody
    decision_id: str
    crossing_id: str
    person: str
    review: Json


class ReasonJudgedBody(ReportBody):
    """What a person says of one reason of a decision."""

    decision_id: str
    crossing_id: str
    code: str
    """Of a feature or a rule, or what the reason is about where words alone are shown."""
    verdict: str


class RosterBody(TypedDict):
    """Inspection minutes of a shift by method, its teams, and what equipment works."""

    claim: ClaimBody
    minutes: dict[str, float]
    teams: list[str]
    equipment: dict[str, int]


class ShiftBalance(TypedDict):
    """What a shift leaves: counts with the decisions that each names, and acts by what they found.

    ``waiting``, ``without_act`` (referred, gone and not inspected) and ``overridden`` have
    ``count`` and ``decisions``; ``found`` has ``inspected``, ``discrepancies``, ``seizures``.
    """

    waiting: Json
    without_act: Json
    overridden: Json
    found: dict[str, int]


class HandoverBody(ReportBody):
    """The first signature of a handover, and what it is about."""

    note: str
    balance: ShiftBalance


class HandoverTakenBody(ReportBody):
    """The second signature; ``of`` is the number of the first one's record."""

    note: str
    of: int


class SeedsCommittedBody(TypedDict):
    """The last value of a chain of seeds, in hex, before any shift of its post drew from it."""

    post: str
    nonce: str
    """The root of the chain is made from it and a secret of the home."""
    anchor: str
    length: int
    """Shifts that may draw from it."""


class SeedPlaceBody(TypedDict):
    """Place of a shift's seed in a chain."""

    sequence: int
    """The record that committed to the chain."""
    index: int
    """Counted from 1: so often hashed the seed is the chain's last value."""
    next: NotRequired[int]
    """The record that committed to the chain that follows."""


class ShiftOpenedBody(TypedDict):
    """The commitment to a shift's seed, on the journal's head of that moment."""

    shift: str
    opens_at: str
    closes_at: str
    commitment: str
    head_sequence: int
    head_chain: str
    chain: NotRequired[SeedPlaceBody]
    """Where the seed stands in a chain that was committed to ahead; absent without one."""


class ShiftClosedBody(TypedDict):
    """A shift's seed in hex."""

    shift: str
    seed: str


class PercentilesBody(TypedDict):
    """The 101 quantiles of both chances that a shift's decisions under one model refer to."""

    shift: str
    model_version: str
    decisions: int
    quantiles: list[float]
    discrepancy_quantiles: list[float]


class ApprovalBody(TypedDict):
    """One step of dual control; ``of`` is the number of the record that it approves."""

    by: str
    claim: NotRequired[ClaimBody]
    state: str
    content: NotRequired[Json]
    of: NotRequired[int | None]
    shadow: NotRequired[bool]
    note: NotRequired[str | None]
    why: NotRequired[str]
    withdrawn: NotRequired[bool]
    """A notice ends with the word on which it stands."""
    instead_of: NotRequired[int]
    figures: NotRequired[Json]


class RuleReviewedBody(StatementBody):
    """A review of one rule of the register."""

    rule: str
    code: str
    agency: str | None
    """Of a named list the agency whose list it is."""
    owner: str
    threat: str
    reason: str
    review_by: str


class PolicyDeclaredBody(TypedDict):
    """First values of settings by name; ``copied`` of those of a centre."""

    values: dict[str, Json]


class ProfileCountsBody(TypedDict):
    """By code of a shadow profile: ``arrivals`` and ``matches``."""

    counts: dict[str, dict[str, int]]
    until: str


class ModelBody(TypedDict):
    """One step in the life of a model; digests of its files where it is registered."""

    by: str
    why: NotRequired[str]
    manifest: NotRequired[str]
    evaluation: NotRequired[str]
    card: NotRequired[str]
    dismissed: NotRequired[list[str]]


class FiguresBody(TypedDict):
    """A measurement, and the person who asked for it."""

    by: str
    figures: Json


class ShadowScoresBody(TypedDict):
    """Scores of a shadow model on one day of a post."""

    model_version: str
    day: str
    decisions: int
    left_out: int
    tables: Json | None
    picks: Json


class TrialFigures(TypedDict):
    """Results of a trial; ``trial`` is the number of the record that began it."""

    trial: int
    champion: str
    challenger: str
    since: str
    until: str
    sides: dict[str, dict[str, int]]
    weeks: list[dict[str, dict[str, int]]]
    better: float | None
    share: float
    winner: str | None


class TrialBody(TrialFigures):
    """Results of a trial, and the person who measured them."""

    by: str


class LoadBody(TypedDict):
    """A load, with the digests of its tables and of its quarantine file."""

    digest: str
    quarantine: str
    rows: dict[str, int]
    """By table of the history."""
    note: str


class HistoryBody(TypedDict):
    """What the counters start from again, and the definitions that they serve."""

    load: LoadBody | None
    """What is new in the history; None where nothing is."""
    epoch: str
    definitions: str
    upto: int
    """The last record that was counted with it."""
    reads_from: int
    """UTC microseconds: states of counters that no read as of then or later sees are left out."""


class ErasedHistoryBody(TypedDict):
    """Digests of a load from which rows were erased, of what is ``instead`` of it, of its faults.

    The load no longer has a folder.
    """

    load: str
    instead: str
    quarantine: str


class NetworkBody(TypedDict):
    """The network file and its SHA-256."""

    digest: str
    file: str


class AccountBody(TypedDict):
    """A key, a person or a session, with the commitment to its secret."""

    role: NotRequired[str]
    owner: NotRequired[str]
    agency: NotRequired[str]
    until: NotRequired[str]
    commitment: NotRequired[str]
    claim: NotRequired[ClaimBody]
    by: NotRequired[str]
    """The administrator who removed, revoked or withdrew it on a page."""
    grant: NotRequired[str]
    """What two administrators granted, and by which alone this record counts."""
    label: NotRequired[str]
    """What a key is for, in words."""
    replaces: NotRequired[str]
    """The key whose place a new one takes."""
    link: NotRequired[str]
    """Fingerprint of the centre that made it, at the node of its post."""
    on_machine: NotRequired[bool]
    """True where one account of the machine made or ended it for a person, although people work
    with the home already: an alarm."""
    oidc: NotRequired[Json]
    """Of a session that an identity provider opened: ``mapping`` and ``attempt``."""


class OidcGrantBody(TypedDict):
    """What a subject may do; without ``role`` nothing, as the claims no longer grant any."""

    mapping: int
    """The record that put the mapping into force."""
    rules: list[int | None]
    """The rules of the mapping that hold: of the role, the post and the agency."""
    role: NotRequired[str]
    agency: NotRequired[str]


COPIED = "copied"
"""Key of the body of a copy, which no record of this installation's own has."""


class CopiedBody(TypedDict):
    """What a copy says of the record of another journal, under ``copied``; bytes as hex."""

    journal_id: str
    branch: int
    """How often that journal went on from an older state of its disk."""
    sequence: int
    known_at: int
    """UTC microseconds, by that journal."""
    leaf: str
    previous: str
    """Chain value of the record before it."""
    chain: str
    salt: NotRequired[str]
    origin: NotRequired[str]
    origin_seq: NotRequired[int]


TICK: Final = Kind[TickBody]("tick", "tick of the clock")
"""States only the time."""
CLOCK_ACCEPTED: Final = Kind[ClockBody]("clock_accepted", "clock accepted")
"""A person accepts the wall clock."""
ERASURE: Final = Kind[ErasureBody]("erasure", "erasure")
"""Names earlier records, in ``sequences``, whose bodies were erased."""

ERASURE_PROPOSED: Final = Kind[ApprovalBody]("erasure_proposed")
"""A first person proposes what is to be erased; the erasure takes this body too."""
ERASURE_APPROVED: Final = Kind[ApprovalBody]("erasure_approved")
"""A second person approves; the erasures follow in the same transaction."""

LOAD_WITHDRAWAL_PROPOSED: Final = Kind[ApprovalBody]("load_withdrawal_proposed")
"""A first person proposes that a load be taken out of the history; the content names the load."""
LOAD_WITHDRAWAL_APPROVED: Final = Kind[ApprovalBody]("load_withdrawal_approved")
"""A second person approves: from this record on the load is no part of the history."""

DECISION: Final = Kind[DecisionBody]("decision", "decision")
CROSSING: Final = Kind[CrossingBody]("crossing", "crossing")
"""A crossing that was reported without a request for a decision."""
DECLARATION_LODGED: Final = Kind[LodgedBody](
    "declaration_lodged", "declaration ahead lodged or amended"
)
"""A version of a declaration ahead of its vehicle; the subject is the declaration."""
DECLARATION_CANCELLED: Final = Kind[CancelledBody](
    "declaration_cancelled", "declaration ahead cancelled"
)
"""A declaration ahead is withdrawn by its sender."""
INSPECTION: Final = Kind[InspectionBody]("inspection", "inspection act")
SEIZURE: Final = Kind[SeizureBody]("seizure", "seizure")
INSPECTION_CORRECTED: Final = Kind[InspectionCorrectedBody](
    "inspection_corrected", "inspection act corrected"
)
"""An inspection act is stated again as a whole; the subject is the act."""
SEIZURE_CORRECTED: Final = Kind[SeizureCorrectedBody]("seizure_corrected", "seizure corrected")
"""A seizure is stated again, or withdrawn; the subject is the seizure."""
CORRECTION_ASKED: Final = Kind[CorrectionAskedBody]("correction_asked", "a correction is asked for")
"""A supervisor is asked to record a correction; the subject is the crossing."""
FIND_CONFIRMED: Final = Kind[ConfirmationBody]("find_confirmed", "find confirmed")
"""A second person confirms to which crossing a find belongs."""
RELEASE: Final = Kind[ReleaseBody]("release", "release from the queue")
"""A vehicle is released from the queue."""
VEHICLE_TAKEN: Final = Kind[VehicleTakenBody]("vehicle_taken", "vehicle taken")
"""An officer takes a waiting vehicle, or takes it over; the subject is the crossing."""
VEHICLE_GIVEN_BACK: Final = Kind[VehicleGivenBackBody]("vehicle_given_back", "vehicle given back")
"""The officer who took it gives it back."""
AUDIT_CLOSED: Final = Kind[AuditClosedBody]("audit_closed", "audit after release closed")
"""An audit after release will not be made; the subject is the decision."""
DOCUMENTS_ASKED: Final = Kind[DocumentsAskedBody]("documents_asked", "documents asked for")
"""Documents are asked for, in place of an act; the subject is what the act would be called."""
DOCUMENTS_CAME: Final = Kind[DocumentsCameBody]("documents_came", "documents came")
"""What came of what was asked for; the subject is the crossing."""
QUEUE_EXPIRED: Final = Kind[ExpiryBody]("queue_expired", "left the queue after a day")
"""A vehicle left the queue after a day."""
REVIEW: Final = Kind[ReviewBody]("review", "verdict of a supervisor")
"""A supervisor's verdict on a decision."""

REASON_JUDGED: Final = Kind[ReasonJudgedBody]("reason_judged", "word on a reason")
"""An officer says that a reason helped or was wrong; the subject is the decision."""

ROSTER: Final = Kind[RosterBody]("roster", "roster")
HANDOVER: Final = Kind[HandoverBody]("handover", "shift handed over")
"""The supervisor who leaves signs what a shift leaves open; the subject is the shift."""
HANDOVER_TAKEN: Final = Kind[HandoverTakenBody]("handover_taken", "shift taken over")
"""The one who takes over signs the same."""
SEEDS_COMMITTED: Final = Kind[SeedsCommittedBody]("seeds_committed", "seeds committed ahead")
"""Commits to the seeds of a post's next shifts; the subject is the post."""
SHIFT_OPENED: Final = Kind[ShiftOpenedBody]("shift_opened", "shift opened")
SHIFT_CLOSED: Final = Kind[ShiftClosedBody]("shift_closed", "shift's seed revealed")
"""Reveals the seed of a shift."""
PERCENTILES: Final = Kind[PercentilesBody]("percentiles", "table of percentiles")
"""The table of percentiles that decisions of a shift refer to."""

PROFILE_PROPOSED: Final = Kind[ApprovalBody]("profile_proposed")
PROFILE_NOTICED: Final = Kind[ApprovalBody]("profile_noticed")
PROFILE_BACKTESTED: Final = Kind[ApprovalBody]("profile_backtested", "profile's backtest")
PROFILE_APPROVED: Final = Kind[ApprovalBody]("profile_approved")
PROFILE_LEAVING: Final = Kind[ApprovalBody]("profile_leaving")
PROFILE_LEFT: Final = Kind[ApprovalBody]("profile_left")
PROFILE_COUNTED: Final = Kind[ProfileCountsBody]("profile_counted", "profiles' hits counted")
"""Counts of what shadow profiles would have matched."""
PROFILE_FAILED: Final = Kind[FailedProfileBody]("profile_failed", "profile failed")
"""A profile could not be evaluated."""
RULE_REVIEWED: Final = Kind[RuleReviewedBody]("rule_reviewed", "rule reviewed")
"""Who answers for a rule, what it is there to find and when it is to be reviewed again."""

POLICY_DECLARED: Final = Kind[PolicyDeclaredBody]("policy_declared", "first policy recorded")
"""First values of settings that steer selection, of which the journal has none yet."""
POLICY_PROPOSED: Final = Kind[ApprovalBody]("policy_proposed")
POLICY_APPROVED: Final = Kind[ApprovalBody]("policy_approved")
"""A second person puts a value of a setting into force."""
WATCHLIST_PROPOSED: Final = Kind[ApprovalBody]("watchlist_proposed")
WATCHLIST_NOTICED: Final = Kind[ApprovalBody]("watchlist_noticed", "notice of a counterpart")
WATCHLIST_BACKTESTED: Final = Kind[ApprovalBody]("watchlist_backtested")
WATCHLIST_APPROVED: Final = Kind[ApprovalBody]("watchlist_approved")
WATCHLIST_LEAVING: Final = Kind[ApprovalBody]("watchlist_leaving")
WATCHLIST_LEFT: Final = Kind[ApprovalBody]("watchlist_left")

KNOWN_LAWFUL_PROPOSED: Final = Kind[ApprovalBody]("known_lawful_proposed")
KNOWN_LAWFUL_APPROVED: Final = Kind[ApprovalBody]("known_lawful_approved")
KNOWN_LAWFUL_LEAVING: Final = Kind[ApprovalBody]("known_lawful_leaving")
KNOWN_LAWFUL_LEFT: Final = Kind[ApprovalBody]("known_lawful_left")
KNOWN_LAWFUL_SUSPENDED: Final = Kind[ApprovalBody](
    "known_lawful_suspended", "known lawful trade suspended"
)
"""A rule ends an entry for the loads that were found; ``figures`` are what it counted."""

MODEL_REGISTERED: Final = Kind[ModelBody]("model_registered")
MODEL_SHADOWED: Final = Kind[ModelBody]("model_shadowed")
MODEL_APPROVED: Final = Kind[ModelBody]("model_approved")
MODEL_IN_FORCE: Final = Kind[ModelBody]("model_in_force")
MODEL_RETIRED: Final = Kind[ModelBody]("model_retired")
MODEL_CHALLENGED: Final = Kind[ModelBody]("model_challenged")
SHADOW_SCORES: Final = Kind[ShadowScoresBody]("shadow_scores", "shadow's scores")
"""Shadow scores of one day at a post; the subject is the version."""
DRIFT_MEASURED: Final = Kind[FiguresBody]("drift_measured", "change of data measured")
"""One measurement of drift; the subject is the version."""
TRIAL_MEASURED: Final = Kind[TrialBody]("trial_measured", "trial measured")
"""Results of both sides of a trial; the subject is the challenger."""

HISTORY_LOADED: Final = Kind[HistoryBody]("history", "history loaded")
"""Anchors a load, with which the counters started again."""
HISTORY_ERASED: Final = Kind[ErasedHistoryBody]("history_erased", "rows of loaded history erased")
"""Anchors what is left of a load, which was put in the place of the load."""
LOAD_BEGUN: Final = Kind[LoadBody]("load_begun", "load of history begun")
"""Names a load before its folder is in place. Without the record of the load after it, the load
was not finished."""
NETWORK_DECLARED: Final = Kind[NetworkBody]("network_declared", "network file declared")
"""Anchors the network file."""

KEY_CREATED: Final = Kind[AccountBody]("key_created", "key made")
KEY_REVOKED: Final = Kind[AccountBody]("key_revoked", "key revoked")
USER_CREATED: Final = Kind[AccountBody]("user_created", "user made")
USER_LEFT: Final = Kind[AccountBody]("user_left", "user removed")
PASSWORD_CHANGED: Final = Kind[AccountBody]("password_changed", "password changed")
SIGNED_IN: Final = Kind[AccountBody]("signed_in", "sign-in")
SIGNED_OUT: Final = Kind[AccountBody]("signed_out", "sign-out")
AGENCIES_PROPOSED: Final = Kind[ApprovalBody]("agencies_proposed")
"""A table of what each role of each agency may do, proposed by a first person."""
AGENCIES_APPROVED: Final = Kind[ApprovalBody]("agencies_approved")
"""A second person puts the table into force."""
OIDC_PROPOSED: Final = Kind[ApprovalBody]("oidc_proposed")
"""An identity provider and what its claims grant, proposed by a first person."""
OIDC_APPROVED: Final = Kind[ApprovalBody]("oidc_approved")
"""A second person puts the identity provider into force."""
OIDC_GRANTED: Final = Kind[OidcGrantBody](
    "oidc_granted", "account changed by the identity provider"
)
"""What the claims of a subject grant from now on; the subject is a keyed digest."""
OIDC_LINKED: Final = Kind[AccountBody]("oidc_linked", "accounts of one person linked")
"""A subject and the owner of a local account are one person."""
ACCOUNT_PROPOSED: Final = Kind[ApprovalBody]("account_proposed")
"""A person, a key, a role or a password that a first administrator asks a second one to grant."""
ACCOUNT_APPROVED: Final = Kind[ApprovalBody]("account_approved")
"""A second administrator grants it; of a role its ``content`` again, for the table of users."""
ACCOUNT_WITHDRAWN: Final = Kind[AccountBody](
    "account_withdrawn", "proposal of an account withdrawn"
)
"""One administrator ends a proposal, or a grant that no one redeemed yet."""


SECRETS_DROPPED: Final = Kind[DroppedSecretsBody]("secrets_dropped", "secrets dropped by a rebuild")
"""Names the secrets that a rebuild could not keep."""
SENSITIVE_READ: Final = Kind[SensitiveReadBody]("sensitive_read", "record opened")
"""A person opened a record."""
JOURNAL_VERIFIED: Final = Kind[VerifiedBody]("verified", "journal checked")
"""The journal was verified from the pages."""
