"""The area of links: signed envelopes between installations, and what follows from them."""

from typing import Final, NotRequired

from typing_extensions import TypedDict

from engine.domain.rights import Matter, Scope
from engine.journal.areas import (
    Area,
    RecordRule,
    TableRule,
    group_alone,
    raise_fault,
    rule_steps,
)
from engine.journal.entries import Kind
from engine.journal.kinds import ApprovalBody, ClaimBody, CopiedBody, Json


class LinkEndedBody(TypedDict):
    """Who ended a link, and why."""

    by: str
    why: str


class LinkStoppedBody(TypedDict):
    """What both sides of a link disagree about; digests in hex."""

    link: str
    rule: str
    number: int
    digest: str
    receipt: NotRequired[Json]
    """What the other side signed."""


class LinkResumedBody(TypedDict):
    """What a resumption changes; ``stopped`` is the number of the alarm's record."""

    link: str
    stopped: int
    after: NotRequired[int]
    """Envelopes that wait are sealed again with numbers after this one of the other side."""
    digest: NotRequired[str]
    resend: NotRequired[int]
    """Envelopes from this number on are sent again as they are."""


class LinkSubjectBody(TypedDict):
    """What of this house a message is about; never part of what travels."""

    sequence: int
    """The record that made the message due."""
    name: str
    """Of the crossing."""
    movement: str


class PostRecordBody(TypedDict):
    """A record of another journal that has no effect here; ``content`` is its body.

    Without one its body is erased there, or that of this journal's own record ``origin_seq``.
    """

    copied: CopiedBody
    kind: str
    subject: str
    post: str
    content: NotRequired[Json]
    foreign: NotRequired[str]
    """What it names that is not of its own journal's installation, where that took its effect."""


class LinkSentBody(TypedDict):
    """An envelope that leaves."""

    link: str
    number: int
    message: str
    """Kind of the message."""
    body: Json
    envelope: str
    """The bytes that travel, which are UTF-8 text."""
    digest: str
    expires: int
    """UTC microseconds."""
    about: NotRequired[LinkSubjectBody]
    """Of a message that a record made due by itself."""
    by: NotRequired[str]
    """Who sent it; absent where the service did by itself."""
    claim: NotRequired[ClaimBody]


class LinkReceivedBody(TypedDict):
    """An envelope that arrived."""

    link: str
    number: int
    message: str
    handling: list[str]
    sent_at: int
    """UTC microseconds, by the sender's journal."""
    body: Json
    envelope: str
    digest: str


class LinkRefusedBody(TypedDict):
    """An envelope that was refused; ``number`` stands where it takes its place in the order."""

    link: str
    number: NotRequired[int]
    message: str
    sent_at: int
    digest: str
    field: str
    rule: str


class LinkReceiptedBody(TypedDict):
    """A receipt, as the other side signed it."""

    link: str
    receipt: Json


class MatchAskedBody(TypedDict):
    """What a request to compare watch lists asks about; ``by`` is empty for the service itself."""

    exchange: str
    by: str
    asked: list[list[str]]
    """Entry and kind of identifier of each element, in the order of the request."""


class MatchAnsweredBody(TypedDict):
    """The other side's answer; ``of`` is the record of its message, here and below."""

    exchange: str
    of: int
    rule: str
    """Why it counts for nothing, empty where it counts."""
    public: str
    """The other side's key of the link, in hex."""
    tokens: dict[str, list[str]]
    """Entry and kind of identifier by token."""


class MatchFoundBody(TypedDict):
    """Common entries of both lists."""

    exchange: str
    of: int
    side: str
    """``asker`` or ``owner`` of the details."""
    deadline: int
    """UTC microseconds."""
    hits: list[Json]
    """``token``, and the ``entry`` and kind of ``identifier`` here."""


class MatchEnquiredBody(TypedDict):
    """An enquiry of the other side: how many elements, and the rule where it was refused."""

    exchange: str
    of: int
    elements: int
    rule: str
    is_alarm: bool
    """It stops the comparing of lists on this link until two people resume it."""


class MatchStepBody(TypedDict):
    """A step about the details of a hit, by a person here or, with ``of``, by the other side."""

    token: str
    step: str
    by: str
    why: NotRequired[str]
    of: NotRequired[int]
    rule: NotRequired[str]
    """Why a step of the other side counts for nothing."""


LINK_PROPOSED: Final = Kind[ApprovalBody]("link_proposed")
"""The agreement of a link, proposed by a first person; the subject is the link."""
LINK_APPROVED: Final = Kind[ApprovalBody]("link_approved")
"""A second person of this installation approves the agreement."""
LINK_ENDED: Final = Kind[LinkEndedBody]("link_ended", "link ended")
"""One person declares the end of a link."""
LINK_STOPPED: Final = Kind[LinkStoppedBody]("link_stopped", "link stopped by an alarm")
"""An alarm: both sides no longer hold the same envelopes. Nothing moves until two people decide."""
LINK_RESUMPTION_PROPOSED: Final = Kind[ApprovalBody]("link_resumption_proposed")
LINK_RESUMPTION_APPROVED: Final = Kind[ApprovalBody]("link_resumption_approved")
LINK_RESUMED: Final = Kind[LinkResumedBody]("link_resumed", "link resumed")
"""Which envelopes are sent again, or count no more; follows the approval of a resumption."""
LINK_SENT: Final = Kind[LinkSentBody]("link_sent", "envelope sent")
"""An envelope that leaves, with what it says."""
LINK_RECEIVED: Final = Kind[LinkReceivedBody]("link_received", "envelope received")
"""An envelope that arrived; its origin is link and sender, its number there the envelope's."""
LINK_REFUSED: Final = Kind[LinkRefusedBody]("link_refused", "envelope refused")
"""An envelope that arrived and was refused, without what it says."""
LINK_RECEIPTED: Final = Kind[LinkReceiptedBody]("link_receipted", "envelope receipted")
"""The other side's receipt of an envelope."""
MATCH_ASKED: Final = Kind[MatchAskedBody]("match_asked", "common entries asked about")
"""A request to compare watch lists; the subject of this and the next four kinds is the link."""
MATCH_ANSWERED: Final = Kind[MatchAnsweredBody](
    "match_answered", "answer about common entries read"
)
MATCH_FOUND: Final = Kind[MatchFoundBody]("match_found", "common entries found")
MATCH_ENQUIRED: Final = Kind[MatchEnquiredBody]("match_enquired", "enquiry about common entries")
"""An enquiry of the other side, answered or refused."""
MATCH_STEP: Final = Kind[MatchStepBody]("match_step", "step about the details of a common entry")
"""A step of the release of details about a common entry."""
POST_RECORD: Final = Kind[PostRecordBody]("post_record")
"""A record of the other side of a link of kind ``post`` that has no effect here."""


_ANY_AGENCY = frozenset({Scope.NONE, Scope.OWN})
"""What travels may be about any post, and a common entry may be any agency's."""
_PEOPLE = RecordRule(matter=Matter.PEOPLE)
_MATCH = RecordRule(matter=Matter.WATCHLIST, hidden=_ANY_AGENCY)
_ENVELOPE = RecordRule(
    matter=Matter.DECISIONS, hidden=_ANY_AGENCY, group=group_alone, is_frequent=True
)
AREA: Final = Area(
    name="links",
    keys={"link.pem": LINK_PROPOSED},
    records={
        **rule_steps(
            "link",
            {"proposed": LINK_PROPOSED, "approved": LINK_APPROVED},
            matter=Matter.PEOPLE,
        ),
        LINK_ENDED: _PEOPLE,
        LINK_STOPPED: RecordRule(
            matter=Matter.PEOPLE, events=raise_fault, is_of_restored_disk=True
        ),
        **rule_steps(
            "link_resumption",
            {"proposed": LINK_RESUMPTION_PROPOSED},
            matter=Matter.PEOPLE,
        ),
        **rule_steps(
            "link_resumption",
            {"approved": LINK_RESUMPTION_APPROVED},
            matter=Matter.PEOPLE,
            is_of_restored_disk=True,
        ),
        LINK_RESUMED: _PEOPLE,
        LINK_SENT: _ENVELOPE,
        LINK_RECEIVED: _ENVELOPE,
        LINK_REFUSED: RecordRule(matter=Matter.DECISIONS),
        LINK_RECEIPTED: RecordRule(matter=Matter.DECISIONS, is_frequent=True),
        **dict.fromkeys(
            (
                MATCH_ASKED,
                MATCH_ANSWERED,
                MATCH_FOUND,
                MATCH_ENQUIRED,
                MATCH_STEP,
            ),
            _MATCH,
        ),
        POST_RECORD: RecordRule(is_wrapper=True, is_frequent=True),
    },
    tables={
        "link_envelopes": TableRule(
            kept="numbers, kinds, times and digests: what both sides of a link agree on"
        ),
        "link_movements": TableRule(
            kept="names of movements, and identifiers of crossings that the journal keeps too"
        ),
        "link_movement_keys": TableRule(erased_by=("seq",)),
        "request_steps": TableRule(
            kept="names, steps and deadlines of requests: what both sides of a link agree on"
        ),
    },
    projections=(
        "engine.links.ledger:project_envelopes",
        "engine.links.movements:project_movements",
        "engine.links.requests:project_requests",
    ),
    key_carrier="engine.links.posts.linked_posts:NodeKeys",
    check="engine.links.witness:check_links",
    authority="engine.links.posts.linked_posts:open_posts",
    held="engine.links.ledger:select_unsettled",
)
