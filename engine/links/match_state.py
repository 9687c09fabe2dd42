"""State of the comparing of watch lists on a link, replayed from the journal's records of power.

A blinded element hides whether it is a watch-list entry or one of all plates of a country, so the
total number of answers is what bounds an enumeration. The key stays as long as the agreement, and
an element that was answered needs no second answer: an honest list uses its budget once. Both sides
signed the same limits in their agreement, so a request beyond them is no mistake; it is refused and
stops set intersections of the link until two people decide.

A hit is a token and nothing else. Details travel when two people of the asking side asked, and two
people of the side that owns them released them; one person suffices to decline or to withdraw. At
any time one side owns the next step, and every release ends: released, declined, withdrawn or, at
its deadline, expired. Nothing here writes or sends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sqlalchemy import Connection

from engine.criteria.dual_control import ApprovalState, check_person, read_approval_states
from engine.domain.time_units import DAY
from engine.errors import ConflictError, NotFoundError, SecondPersonError
from engine.journal.power_records import PowerRecord, read_records
from engine.links.agreement import MatchLimits
from engine.links.area import MATCH_ANSWERED, MATCH_ASKED, MATCH_ENQUIRED, MATCH_FOUND, MATCH_STEP

MatchRule = Literal["too_many_elements", "too_often", "budget_spent", "stopped"]


MATTER = "match"
ReleaseSide = Literal["asker", "owner"]
ReleaseState = Literal[
    "hit", "asked_once", "asked", "released_once", "released", "declined", "withdrawn", "expired"
]
ReleaseStep = Literal["ask", "release", "decline", "withdraw", "expire"]


@dataclass(frozen=True, slots=True)
class ReleaseTransition:
    """Who takes a step, what follows, and whether it needs another person than the last one."""

    side: ReleaseSide
    target: ReleaseState
    needs_other_person: bool = False


TRANSITIONS: Mapping[tuple[ReleaseState, ReleaseStep], ReleaseTransition] = {
    ("hit", "ask"): ReleaseTransition("asker", "asked_once"),
    ("hit", "withdraw"): ReleaseTransition("asker", "withdrawn"),
    ("asked_once", "ask"): ReleaseTransition("asker", "asked", needs_other_person=True),
    ("asked_once", "withdraw"): ReleaseTransition("asker", "withdrawn"),
    ("asked", "release"): ReleaseTransition("owner", "released_once"),
    ("asked", "decline"): ReleaseTransition("owner", "declined"),
    ("asked", "withdraw"): ReleaseTransition("asker", "withdrawn"),
    ("released_once", "release"): ReleaseTransition("owner", "released", needs_other_person=True),
    ("released_once", "decline"): ReleaseTransition("owner", "declined"),
    ("released_once", "withdraw"): ReleaseTransition("asker", "withdrawn"),
}
"""Every step that counts, besides the deadline, which ends every state that is not an end."""
OWNERS: Mapping[ReleaseState, ReleaseSide] = {
    "hit": "asker",
    "asked_once": "asker",
    "asked": "owner",
    "released_once": "owner",
}
"""The side that owns the next step; an end has none."""


@dataclass(frozen=True, slots=True)
class DetailRelease:
    """The release of the details behind one token."""

    token: str
    deadline: int
    """UTC microseconds, from which on it is expired."""
    state: ReleaseState = "hit"
    person: str = ""
    """Who took the last step."""

    @property
    def owner(self) -> ReleaseSide | None:
        """The side that owns the next step, None at an end."""
        return OWNERS.get(self.state)


def advance_release(
    now: DetailRelease, step: ReleaseStep, *, side: ReleaseSide, by: str, at: int
) -> DetailRelease:
    """Return the release after a person's step at UTC microseconds.

    Raises ``ConflictError`` where the step does not count, and ``SecondPersonError`` where it needs
    another person.
    """
    now = expire_release(now, at=at)
    transition = TRANSITIONS.get((now.state, step))
    if transition is None or transition.side != side:
        why = f"{step} by the {side} does not count while it is {now.state.replace('_', ' ')}"
        raise ConflictError(MATTER, now.token, why)
    if transition.needs_other_person and check_person(by, author=now.person):
        raise SecondPersonError(MATTER, "the person who took the step before cannot take this one")
    return replace(now, state=transition.target, person=by)


def expire_release(now: DetailRelease, *, at: int) -> DetailRelease:
    """Return the release as its deadline leaves it at UTC microseconds."""
    is_over = now.owner is not None and at >= now.deadline
    return replace(now, state="expired", person="") if is_over else now


UNREADABLE = "unreadable"
"""Rule of a message whose record is gone, was erased, or does not match the chain."""
MATCH_KINDS = (MATCH_ASKED, MATCH_ANSWERED, MATCH_FOUND, MATCH_ENQUIRED, MATCH_STEP)


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """A request of this side."""

    exchange: str
    asked_at: int
    by: str
    """Empty for the service itself."""
    asked: tuple[tuple[str, str], ...]
    """Entry and kind of identifier of each element."""
    answered_at: int = 0
    rule: str = ""
    """Why the other side refused it, or its answer counts for nothing."""


@dataclass(frozen=True, slots=True)
class Enquiry:
    """A request of the other side."""

    sequence: int
    asked_at: int
    exchange: str
    elements: int
    rule: str
    """Why it was refused; empty where it was answered."""
    is_alarm: bool


@dataclass(frozen=True, slots=True)
class CommonEntry:
    """An entry that both lists have, by its token, and how far the release of its details is."""

    exchange: str
    side: ReleaseSide
    entry: str
    """The entry of this side."""
    identifier: str
    found_at: int
    release: DetailRelease
    details: int | None = None
    """The record of the message that brought the details."""


@dataclass(frozen=True, slots=True)
class MatchState:
    """What was asked, answered and found on one link."""

    link: str
    sequence: int = 0
    """Its last record, 0 without one."""
    processed: int = 0
    """The last message of the other side from which a record followed."""
    asked: tuple[AskedRequest, ...] = ()
    public: str = ""
    """The other side's key, once it was shown."""
    tokens: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Own identifiers (entry and kind) that the other side evaluated, by token."""
    enquiries: tuple[Enquiry, ...] = ()
    unreadable: tuple[int, ...] = ()
    """Records of messages that could not be read: nothing followed from them."""
    hits: Mapping[tuple[ReleaseSide, str], CommonEntry] = field(default_factory=dict)
    """By side and token: each side's key makes tokens of its own."""
    resumed: frozenset[int] = frozenset()
    """Alarms after which two people went on."""
    resumption: ApprovalState | None = None
    """A proposal to go on that waits for a second person."""

    @property
    def alarm(self) -> Enquiry | None:
        """The enquiry that stops the comparing of lists now."""
        alarms = [one for one in self.enquiries if one.is_alarm]
        last = alarms[-1] if alarms else None
        return None if last is None or last.sequence in self.resumed else last

    def count_asked(self, limits: MatchLimits, *, at: int) -> int:
        """Return how many elements this side used of its own limits, with a day to spare."""
        begin = at - (limits.period_days + 1) * DAY
        recent = (one for one in self.asked if max(one.asked_at, one.answered_at) > begin)
        return sum(len(one.asked) for one in recent if one.rule in ("", "other_key"))

    def count_answered(self, limits: MatchLimits, *, at: int) -> int:
        """Return how many elements of the other side were answered, of its limit."""
        begin = at - limits.period_days * DAY
        recent = (one for one in self.enquiries if one.asked_at >= begin)
        return sum(one.elements for one in recent if not one.rule)

    def find_hit(self, token: str, *, at: int) -> CommonEntry:
        """Return the common entry of a token or of its unique beginning, as it stands at a time.

        Raises ``NotFoundError``.
        """
        found = [one for (_, full), one in self.hits.items() if token and full.startswith(token)]
        if len(found) != 1:
            raise NotFoundError("common entry", token)
        return replace(found[0], release=expire_release(found[0].release, at=at))


def judge_request(
    state: MatchState, limits: MatchLimits, *, elements: int, at: int
) -> tuple[MatchRule | None, bool]:
    """Return the rule that a request breaks, None where it is answered, and if that is an alarm.

    ``at`` is UTC microseconds, by the answering side's journal.
    """
    if state.alarm is not None:
        return "stopped", False
    if elements > limits.elements_per_request:
        return "too_many_elements", True
    if state.count_answered(limits, at=at) + elements > limits.elements_per_period:
        return "budget_spent", True
    today = sum(not one.rule and one.asked_at > at - DAY for one in state.enquiries)
    if today < limits.requests_per_day:
        return None, False
    begin, since = at - limits.period_days * DAY, max(state.resumed, default=0)
    late = (one for one in state.enquiries if one.sequence > since and one.asked_at >= begin)
    return "too_often", sum(one.rule == "too_often" for one in late) + 1 >= limits.refusals


def read_match_state(connection: Connection, link: str) -> MatchState:
    """Return the state of a link; a record that does not match the chain counts for nothing."""
    state = MatchState(link)
    for record in read_records(connection, MATCH_KINDS, subject=link):
        if record.body is not None:
            state = replace(_APPLY[record.kind](state, record, record.body), sequence=record.seq)
            state = replace(state, processed=max(state.processed, record.body.get("of", 0)))
    restarts = read_approval_states(connection, "link_resumption").values()
    alarms = {one.sequence for one in state.enquiries if one.is_alarm}
    about = [one for one in restarts if one.content["stopped"] in alarms]
    resumed = frozenset(one.content["stopped"] for one in about if one.state == "in_force")
    waiting = [one for one in about if one.content["stopped"] not in resumed]
    return replace(state, resumed=resumed, resumption=waiting[-1] if waiting else None)


def _apply_asked(state: MatchState, record: PowerRecord, body: Mapping[str, Any]) -> MatchState:
    asked = tuple((entry, kind) for entry, kind in body["asked"])
    request = AskedRequest(body["exchange"], record.known_at, body["by"], asked)
    return replace(state, asked=(*state.asked, request))


def _apply_answered(state: MatchState, record: PowerRecord, body: Mapping[str, Any]) -> MatchState:
    asked = tuple(
        replace(one, answered_at=record.known_at, rule=body["rule"])
        if one.exchange == body["exchange"]
        else one
        for one in state.asked
    )
    tokens = {token: (entry, kind) for token, (entry, kind) in body["tokens"].items()}
    public = state.public or body["public"]
    return replace(state, asked=asked, tokens={**state.tokens, **tokens}, public=public)


def _apply_enquired(state: MatchState, record: PowerRecord, body: Mapping[str, Any]) -> MatchState:
    about = body["exchange"], body["elements"], body["rule"], body["is_alarm"]
    enquiry = Enquiry(record.seq, record.known_at, *about)
    return replace(state, enquiries=(*state.enquiries, enquiry))


def _apply_found(state: MatchState, record: PowerRecord, body: Mapping[str, Any]) -> MatchState:
    side: ReleaseSide = "asker" if body["side"] == "asker" else "owner"
    hits = dict(state.hits)
    for hit in body["hits"]:
        about = body["exchange"], side, hit["entry"], hit["identifier"], record.known_at
        release = DetailRelease(hit["token"], body["deadline"])
        hits[side, hit["token"]] = CommonEntry(*about, release)
    return replace(state, hits=hits)


def _apply_step(state: MatchState, record: PowerRecord, body: Mapping[str, Any]) -> MatchState:
    """A step that the table of releases does not name counts for nothing."""
    if body.get("rule") == UNREADABLE:
        return replace(state, unreadable=(*state.unreadable, body["of"]))
    side: ReleaseSide = "asker" if body["step"] in ("ask", "withdraw") else "owner"
    is_theirs = "of" in body
    ours = side if not is_theirs else _OPPOSITE[side]
    hit = state.hits.get((ours, body["token"]))
    if hit is None or body.get("rule"):
        return state
    try:
        if is_theirs:
            release = take_their_step(hit.release, body["step"], at=record.known_at)
        else:
            step, by = body["step"], body["by"]
            release = advance_release(hit.release, step, side=side, by=by, at=record.known_at)
    except (ConflictError, SecondPersonError):
        return state
    is_detailed = is_theirs and body["step"] == "release"
    changed = replace(hit, release=release, details=body["of"] if is_detailed else hit.details)
    return replace(state, hits={**state.hits, (ours, body["token"]): changed})


_OPPOSITE: Mapping[ReleaseSide, ReleaseSide] = {"asker": "owner", "owner": "asker"}
_THEIRS: Mapping[ReleaseStep, tuple[frozenset[ReleaseState], ReleaseState]] = {
    "ask": (frozenset({"hit"}), "asked"),
    "withdraw": (frozenset({"asked", "released_once"}), "withdrawn"),
    "release": (frozenset({"asked"}), "released"),
    "decline": (frozenset({"asked"}), "declined"),
}
"""What arrives stands for all people of the other side whom its own rules asked for."""


def take_their_step(now: DetailRelease, step: ReleaseStep, *, at: int) -> DetailRelease:
    """Return a release after a step of the other side; raises ``ConflictError``."""
    now = expire_release(now, at=at)
    states, target = _THEIRS[step]
    if now.state not in states:
        raise ConflictError("match", now.token, f"{step} does not count while it is {now.state}")
    return replace(now, state=target, person="")


_APPLY: Mapping[str, Callable[[MatchState, PowerRecord, Mapping[str, Any]], MatchState]] = {
    MATCH_ASKED: _apply_asked,
    MATCH_ANSWERED: _apply_answered,
    MATCH_FOUND: _apply_found,
    MATCH_ENQUIRED: _apply_enquired,
    MATCH_STEP: _apply_step,
}
