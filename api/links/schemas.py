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


class LinkTraffic(LinkView):
    """One link with its newest envelopes, the newest first."""

    tables = ("envelopes", "traffic")
    envelopes: list[EnvelopeView]
