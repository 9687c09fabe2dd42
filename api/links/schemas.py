"""Answers about links."""

from datetime import datetime
from typing import Literal

from api.http.schema_base import AnswerSchema


class LinkAlarmView(AnswerSchema):
    """Why a link stopped."""

    sequence: int
    at: datetime
    rule: Literal["other_content", "other_history", "other_receipt", "receiver_behind"]
    number: int
    """The envelope that it is about."""
    resumption_by: str | None
    """Who proposed to resume the link; a second person decides."""


class LinkEndView(AnswerSchema):
    """Who ended a link."""

    at: datetime
    by: str
    why: str


class TrafficView(AnswerSchema):
    """Envelopes of one direction, kind and status."""

    direction: Literal["sent", "received"]
    kind: str
    status: Literal["waiting", "taken", "refused", "replaced", "lost"]
    envelopes: int
    newest: datetime
    slowest_seconds: int
    """Longest time from the sender's journal to the receipt."""


class MatchLimitsView(AnswerSchema):
    """Limits of comparing watch lists; both sides hold the same."""

    elements_per_request: int
    requests_per_day: int
    elements_per_period: int
    entries: int
    """Identifiers of the answering side that take part."""
    period_days: int
    refusals: int


class MatchAlarmView(AnswerSchema):
    """Why watch lists are not compared now: an enquiry of the other side went beyond a limit."""

    sequence: int
    at: datetime
    rule: Literal["too_many_elements", "too_often", "budget_spent"]
    resumption_by: str | None
    """Who proposed to go on; a second person decides."""


class EnquiryView(AnswerSchema):
    """One enquiry of the other side; which identifiers it asks about is not known here."""

    sequence: int
    at: datetime
    elements: int
    rule: str
    """Why it was refused; empty where it was answered."""


class CommonEntryView(AnswerSchema):
    """An entry that both watch lists have."""

    token: str
    side: Literal["asker", "owner"]
    """``asker``: this side can ask for the details of the other side's entry."""
    entry: str
    """The entry of this installation."""
    identifier: str
    found_at: datetime
    state: Literal[
        "hit",
        "asked_once",
        "asked",
        "released_once",
        "released",
        "declined",
        "withdrawn",
        "expired",
    ]
    next: Literal["asker", "owner"] | None
    """The side that owns the next step."""
    person: str
    """Who of this side took the last step."""
    deadline: datetime
    details: int | None
    """The record of the details, once they were released to this side."""


class MatchingView(AnswerSchema):
    """What was asked, answered and found by comparing watch lists."""

    limits: MatchLimitsView
    shareable: int
    """Identifiers of marked entries in force that can be compared."""
    not_comparable: int
    """Identifiers of marked entries that only this administration understands."""
    unasked: int
    asked: int
    """Elements that this side used of its limit."""
    last_asked: datetime | None
    last_rule: str
    """Why the last request was refused."""
    answered: int
    """Elements that the other side used of its limit."""
    alarm: MatchAlarmView | None
    unreadable: list[int]
    """Records of messages of the other side that are gone, erased or altered, the newest last."""
    enquiries: list[EnquiryView]
    """Newest first."""
    common: list[CommonEntryView]
    """Newest first."""


class PostRecordsView(AnswerSchema):
    """Which records a post's node and its centre lack of each other."""

    unsent: int | None
    """Records of this node for which the centre has not signed yet; None at the centre."""
    unsent_since: datetime | None
    """When the first of them was recorded."""
    newest: int | None
    """Number of the last record of the other side that is here, in its own journal."""
    newest_recorded_at: datetime | None
    """When it was recorded there."""
    newest_arrived_at: datetime | None


class LinkFailureView(AnswerSchema):
    """Why the last exchange of this process with the other side failed."""

    cause: Literal[
        "answer",
        "certificate_early",
        "certificate_expired",
        "certificate_name",
        "certificate_unknown",
        "network",
        "no_address",
        "refused",
        "timeout",
        "tls",
    ]
    why: str
    at: datetime | None
    """When the validity of its certificate ended, or begins, where that is the cause."""


class LinkView(AnswerSchema):
    """One link with its traffic."""

    link: str
    """Its name in envelopes: a digest of the agreement."""
    name: str
    kind: Literal["post", "partner"]
    phase: Literal["proposed", "in_force", "stopped", "ended", "expired"]
    us: str
    them: str
    administration: str
    their_fingerprint: str
    address: str | None
    ground: str
    purposes: list[str]
    expires: datetime
    proposed_by: str
    approved_by: list[str]
    alarm: LinkAlarmView | None
    ended: LinkEndView | None
    waiting: int
    """Own envelopes without a receipt."""
    oldest_waiting_seconds: int | None
    last_arrival: datetime | None
    traffic: list[TrafficView]
    matching: MatchingView | None
    """None where the agreement does not let both sides compare their watch lists."""
    records: PostRecordsView | None
    """None for a link between partners."""
    failure: LinkFailureView | None
    """None where the last exchange succeeded, or this process made none."""


class Links(AnswerSchema):
    """Links of this installation, and its identity."""

    tables = ("links",)
    fingerprint: str | None
    """None where it has no link identity."""
    links: list[LinkView]


class EnvelopeView(AnswerSchema):
    """One envelope; what it says stands in the record of this number."""

    sequence: int
    direction: Literal["sent", "received"]
    number: int
    kind: str
    status: Literal["waiting", "taken", "refused", "replaced", "lost"]
    rule: str
    recorded_at: datetime
    late_seconds: int | None
    """From the sender's journal to the receipt; None without one."""


class OutcomeCount(AnswerSchema):
    """Outcomes of one direction that say the same; each act and each find is one."""

    direction: Literal["sent", "received"]
    outcome: Literal["not_searched", "clear", "discrepancy", "seizure"]
    outcomes: int


class MissingVehicle(AnswerSchema):
    """A vehicle that the other side announced and that no entry here continues."""

    movement: str
    """As the other side names it."""
    crossing_id: str
    """Its exit, as it is recorded here."""
    post: str
    """The post it left."""
    left_at: datetime
    known_at: datetime
    """When its manifest arrived."""


class LinkTraffic(LinkView):
    """One link with its newest envelopes, the newest first."""

    tables = ("envelopes", "traffic", "outcomes", "missing")
    missing: list[MissingVehicle]
    """Announced 3 to 14 days ago and not arrived since, at most 100, the newest first."""
    missing_count: int
    outcomes: list[OutcomeCount]
    """What both sides told each other of movements and requests."""
    envelopes: list[EnvelopeView]
