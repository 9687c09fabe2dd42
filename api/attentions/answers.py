"""Answers about requests between partners, as one caller may see them.

Messages may be about any post: they are for callers who see the decisions of every post, and for
callers of one post if the agreement names it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.files.transfers import FoundFile, hand_out
from api.http.answers import Answer, Recorded, Time
from api.service.runtime import Runtime
from engine.criteria.dual_control import ApprovalState, read_approval_states
from engine.criteria.watchlist import NOTICE_CHANNEL, is_selecting
from engine.domain.field_types import HandlingCode
from engine.domain.records import Method, Outcome, SubstanceClass
from engine.domain.rights import Matter, Right, Scope
from engine.domain.time_units import rfc3339
from engine.errors import ConflictError, NotFoundError
from engine.journal.journal import JournalReader
from engine.links.envelope import read_envelope
from engine.links.messages import (
    AttentionAction,
    AttentionIdentifier,
    InformationGrade,
    QuantityBand,
    SourceGrade,
)
from engine.links.requests import (
    Delivery,
    HeldRequest,
    RequestKind,
    RequestState,
    RequestStep,
    StepRow,
    find_request,
    list_requests,
)
from engine.links.state import Link
from engine.storage.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestStepView(Answer):
    """One step of either side."""

    step: RequestStep
    is_ours: bool
    at: Time
    """By the clock of the side that took it."""
    by: str | None
    """Who took it here; None for the partner's, and where the service reported by itself."""
    reason: str | None
    delivery: Literal["waiting", "taken"] | None
    """Of our own: whether the partner has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcomeView(Answer):
    """What became of the vehicle."""

    post: str
    recorded_at: Time
    is_searched: bool
    methods: list[Method]
    outcome: Outcome | None
    substance_class: SubstanceClass | None
    quantity_band: QuantityBand | None
    goods_class: str | None


@dataclass(frozen=True, slots=True)
class RequestNoticeView(Answer):
    """The entry of the watch list that an accepted attention became."""

    state: Literal["in_force", "retired"]
    channel: Literal["yellow", "red"] | None
    """None for an action that selects nothing."""
    confirmed_by: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFileView(Answer):
    """A file of an offered case."""

    digest: str
    """SHA-256 of the content."""
    media_type: str
    size_bytes: int
    shows: str | None
    is_here: bool
    """The content is here: the partner's arrives once the offer is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestView(Answer):
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
    asked_at: Time
    asked_by: str | None
    """Who asked here; None for the partner's."""
    answer_by: Time
    until: Time
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
    delivery: Delivery | None
    """Of our own: whether the partner has it."""
    refused: str | None
    """The rule by which the partner's installation refused it."""
    steps: list[RequestStepView]
    outcome: RequestOutcomeView | None
    notice: RequestNoticeView | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCounts(Answer):
    """Counts of the listed requests of one side and kind."""

    is_ours: bool
    kind: RequestKind
    requests: int
    states: dict[RequestState, int]
    searched: int
    """Whose vehicle was searched."""
    finds: int
    """With a discrepancy or a seizure."""


@dataclass(frozen=True, slots=True)
class Requests(Answer):
    """Requests between partners, the newest first."""

    tables = ("requests", "counts")
    requests: list[RequestView]
    counts: list[RequestCounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedRequest(Recorded):
    """A request or a step that is recorded, and sent with the next exchange."""

    id: str
    state: RequestState


LISTED = 500
"""Requests in one answer, the newest."""


_FIELDS = (
    "identifier", "value", "action", "why", "source", "information", "movement", "summary",
)  # fmt: skip


def list_requests_seen(service: Runtime, caller: Caller) -> list[RequestView]:
    """Return the newest requests that a caller sees, the newest first."""
    with service.store.read() as connection:
        links = _read_links_seen(service, connection, caller)
        held = [one for one in list_requests(connection, most=LISTED) if one.link in links]
        return _describe(service, connection, held, links)


def count_requests(found: Sequence[RequestView]) -> list[RequestCounts]:
    """Return what became of these requests, by side and kind."""
    groups: dict[tuple[bool, RequestKind], list[RequestView]] = {}
    for one in found:
        groups.setdefault((one.is_ours, one.kind), []).append(one)
    counts = []
    for (is_ours, kind), some in sorted(groups.items()):
        outcomes = [one.outcome for one in some if one.outcome]
        counts.append(
            RequestCounts(
                is_ours=is_ours,
                kind=kind,
                requests=len(some),
                states=dict(sorted(Counter(one.state for one in some).items())),
                searched=sum(one.is_searched for one in outcomes),
                finds=sum(one.outcome in ("seizure", "discrepancy") for one in outcomes),
            )
        )
    return counts


def read_request(service: Runtime, name: str, caller: Caller) -> RequestView:
    """Return one request; raises ``NotFoundError``."""
    with service.store.read() as connection:
        links = _read_links_seen(service, connection, caller)
        held = find_request(connection, name)
        if held.link not in links:
            raise NotFoundError("request", name)
        return _describe(service, connection, [held], links)[0]


def list_links_open(service: Runtime, caller: Caller) -> list[str]:
    """Return the names of the agreements in force between partners that a caller sees."""
    with service.store.read() as connection:
        now = service.journal.now(connection)
        links = _read_links_seen(service, connection, caller).values()
        in_force = [link for link in links if link.phase(now) == "in_force"]
        return sorted(one.agreement.name for one in in_force if one.agreement.kind == "partner")


def must_see_link(service: Runtime, caller: Caller, name: str) -> str:
    """Return the link of an agreement that a caller sees; raises ``NotFoundError``."""
    with service.store.read() as connection:
        links = _read_links_seen(service, connection, caller)
    found = [link for link in links.values() if name in (link.name, link.agreement.name)]
    if not found or found[-1].agreement.kind != "partner":
        raise NotFoundError("link", name)
    return found[-1].name


def _read_links_seen(service: Runtime, connection: Connection, caller: Caller) -> dict[str, Link]:
    scope = caller.duties.scope(Matter.DECISIONS, Right.SEE)
    if scope in (Scope.NONE, Scope.OWN) or not service.home.link_keys.exists():
        return {}
    from api.links.exchanges import open_exchange

    exchange = open_exchange(service.home, service.store, service.journal)
    return {
        name: link
        for name, link in exchange.read_links(connection).items()
        if caller.post is None or caller.post in link.agreement.posts_of(link.us)
    }


def _describe(
    service: Runtime,
    connection: Connection,
    held: list[HeldRequest],
    links: Mapping[str, Link],
) -> list[RequestView]:
    now = service.journal.now(connection)
    seqs = [row.seq for one in held for row in (one.opened, *one.steps)]
    bodies = JournalReader(connection).bodies(seqs)
    notices: Mapping[str, ApprovalState] = {}
    if any(not one.is_ours for one in held):
        notices = read_approval_states(connection, "watchlist")
    return [
        RequestView(
            **_describe_request(one, links[one.link], bodies, now=now),
            files=_describe_files(service.home, bodies.get(one.opened.seq)),
            notice=None if one.is_ours else _describe_notice(notices.get(one.opened.name)),
        )
        for one in held
    ]


def _describe_request(
    held: HeldRequest, link: Link, bodies: Mapping[int, Mapping[str, Any]], *, now: int
) -> dict[str, Any]:
    """Return the fields of a :class:`RequestView` that its records and its link say."""
    opened, state = held.opened, held.state(now)
    record = bodies.get(opened.seq)
    body = {} if record is None else record["body"]
    owner = held.request.owner(state)
    reports = [
        bodies[row.seq]["body"] for row in held.steps if row.step == "report" and row.seq in bodies
    ]
    return {
        "id": opened.name,
        "kind": held.request.kind,
        "link": link.agreement.name,
        "partner": link.them.administration,
        "is_ours": held.is_ours,
        "state": state,
        "is_waiting": held.request.is_waiting(state),
        "owner": None if owner is None else "us" if owner == held.side else "them",
        "asked_at": rfc3339(opened.at),
        "asked_by": None if record is None else record.get("by"),
        "answer_by": rfc3339(opened.answer_by),
        "until": rfc3339(opened.until),
        "is_erased": record is None,
        **{name: body.get(name) for name in _FIELDS},
        **{name: body.get(name, []) for name in ("attentions", "movements")},
        "handling": []
        if record is None
        else [*read_envelope(record["envelope"].encode()).handling],
        "delivery": opened.status if held.is_ours else None,
        "refused": opened.rule or None,
        "steps": [_describe_step(row, held, bodies) for row in held.steps],
        "outcome": _describe_outcome(reports[-1]) if reports else None,
    }


def _describe_files(home: Home, record: Mapping[str, Any] | None) -> list[RequestFileView]:
    """Return the files of an offered case, and whether the content is here."""
    body = {} if record is None else record["body"]
    return [
        RequestFileView(
            digest=one["digest"],
            media_type=one["media_type"],
            size_bytes=one["size_bytes"],
            shows=one.get("shows"),
            is_here=(home.files / one["digest"]).is_file(),
        )
        for one in body.get("files", ())
    ]


def find_request_file(service: Runtime, caller: Caller, name: str, digest: str) -> FoundFile:
    """Return a file of an offered case, once it is recorded who takes it.

    Raises ``NotFoundError`` where the caller does not see the request or it names no such file,
    ``ConflictError`` until the content has arrived, and ``HomeError`` where it is not what was
    named.
    """
    for one in read_request(service, name, caller).files:
        if one.digest == digest:
            if not one.is_here:
                why = "it has not arrived here: the partner sends it once the offer is accepted"
                raise ConflictError("file", digest[:16], why)
            with service.store.read() as connection:
                seq = find_request(connection, name).opened.seq
            return hand_out(
                service, caller, digest, one.media_type, seq=seq, post="", kind="case_file"
            )
    raise NotFoundError("file", digest)


def _describe_step(
    row: StepRow, held: HeldRequest, bodies: Mapping[int, Mapping[str, Any]]
) -> RequestStepView:
    record = bodies.get(row.seq, {})
    step: Any = row.step
    delivery: Any = row.status if row.direction == "sent" else None
    return RequestStepView(
        step=step,
        is_ours=row.direction == "sent",
        at=rfc3339(row.at),
        by=record.get("by"),
        reason=record.get("body", {}).get("reason"),
        delivery=delivery,
    )


def _describe_outcome(body: Mapping[str, Any]) -> RequestOutcomeView:
    return RequestOutcomeView(
        post=body["post"],
        recorded_at=body["recorded_at"],
        is_searched=body["is_searched"],
        methods=body.get("methods", []),
        outcome=body.get("outcome"),
        substance_class=body.get("substance_class"),
        quantity_band=body.get("quantity_band"),
        goods_class=body.get("goods_class"),
    )


def _describe_notice(now: ApprovalState | None) -> RequestNoticeView | None:
    """Return the entry of the watch list that an accepted attention became."""
    if now is None:
        return None
    state: Any = now.state
    channel: Any = NOTICE_CHANNEL if now.is_notice else "red"
    return RequestNoticeView(
        state, channel if is_selecting(now.content) else None, list(now.approvals)
    )
