"""Looks: records of who looked for whom, and why; and whose looks are unusual.

The journal records the reader, the purpose and the records that are shown before an answer leaves;
if that cannot be recorded, nothing is shown. What was looked for is not recorded, because it would
outlive the erasure of what it names: looks at one vehicle again and again are known by the records
that they showed.
"""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from fastapi import Query
from sqlalchemy import ColumnElement, Connection, select

from api.auth.callers import Caller
from api.http.answers import Answer
from api.service.runtime import Runtime
from engine.domain.rights import Matter
from engine.domain.time_units import DAY, HOUR
from engine.journal.areas import list_rules
from engine.journal.entries import JournalRecord, Kind
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    RELEASE,
    SENSITIVE_READ,
    VEHICLE_TAKEN,
    SensitiveReadBody,
)
from engine.queue.queue import DECISIONS
from engine.storage.database import at_posts, split_in_slices

if TYPE_CHECKING:
    from models.monitoring.unusual_looks import MarkedLook

Purpose = Literal["inspection", "case", "request", "analysis", "audit", "other"]
"""Why somebody looks: a vehicle that is inspected, a case, a request of another agency or partner,
an analysis of risk, an audit."""
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
AskedPurpose = Annotated[Purpose, Query(description="Why it is asked; recorded with the look.")]
PagePurpose = Annotated[Purpose | Literal[""], Query()]
"""Of a page: it asks for a purpose where none came."""
LookKind = Literal["search", "entity", "connections"]


def record_look(
    service: Runtime, caller: Caller, kind: LookKind, found: Iterable[int], purpose: Purpose | None
) -> None:
    """Record a look, with the numbers of the records that it shows."""
    body: SensitiveReadBody = {
        "by": caller.person,
        "role": caller.role.value,
        "sequence": 0,
        "kind": kind,
        "found": sorted(set(found), reverse=True),
    }
    if purpose is not None:
        body["purpose"] = purpose
    service.writer.submit(SENSITIVE_READ.draft("0", body, post=caller.post or "")).result()


@dataclass(frozen=True, slots=True, kw_only=True)
class LookFinding(Answer):
    """A figure of one person above that of the others of the role."""

    person: str
    role: str
    measure: Literal["many", "unfollowed", "idle", "repeated", "no_purpose"]
    """All looks; looks after and before which the person did nothing about what they showed; looks
    around which the person did no other work; looks that showed again what an earlier day's look
    had shown; looks without a purpose."""
    seen: int
    looks: int
    expected: float
    """Looks that the others' share, or mean, would give."""
    p_value: float
    """Adjusted for every figure looked at."""
    alarm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LookReport(Answer):
    """Looks of the period, and whose are unusual."""

    looks: int
    persons: int
    knowable: bool
    """False while no role has looks and persons enough to compare."""
    alarm_at: float
    alarms: int
    findings: list[LookFinding]
    """Figures above those of the others, ``MOST_FINDINGS`` at most, alarms first."""


MOST_FINDINGS = 20
WORK = frozenset({Matter.ACTS, Matter.SEIZURES, Matter.REVIEWS, Matter.CASES, Matter.WATCHLIST})
"""Records of these matters are work about what was looked for."""
NEAR, AROUND = DAY, 8 * HOUR
"""How far from a look the work about what it showed is, and any other work of the person."""
_D, _J = DECISIONS.c, JOURNAL.c
LOOKS = frozenset(get_args(LookKind))


def read_look_report(snapshot: Connection, caller: Caller, *, since: int) -> LookReport:
    """Return whose looks since a time (UTC microseconds) are unusual, at the caller's posts.

    Reads the records of the period alone.
    """
    from models.monitoring.unusual_looks import ALARM_AT, find_unusual, list_knowable

    where = [_J.known_at >= since, *at_posts(_J.post, caller.post, caller.hidden_posts)]
    reader = JournalReader(snapshot)
    looks = [
        one for one in reader.records(SENSITIVE_READ, where=where) if one.body["kind"] in LOOKS
    ]
    marked = _mark_looks(snapshot, looks, _read_work(reader, where))
    found = find_unusual(marked)
    listed = [LookFinding(**asdict(one), alarm=one.is_alarm) for one in found]
    listed.sort(key=lambda one: not one.alarm)
    return LookReport(
        looks=len(marked),
        persons=len({one.person for one in marked}),
        knowable=bool(list_knowable(marked)),
        alarm_at=ALARM_AT,
        alarms=sum(one.alarm for one in listed),
        findings=[one for one in listed if one.p_value < 1][:MOST_FINDINGS],
    )


@dataclass(slots=True)
class _Work:
    """What one person recorded, in the order of time."""

    times: list[int]
    by_name: defaultdict[str, list[int]]
    """Times by what a record is about."""


def _read_work(reader: JournalReader, where: Sequence[ColumnElement[bool]]) -> Mapping[str, _Work]:
    kinds: list[Kind[Any]] = [RELEASE, VEHICLE_TAKEN]
    kinds += [kind for kind, rule in list_rules().items() if rule.matter in WORK]  # type: ignore[misc]
    found: defaultdict[str, _Work] = defaultdict(lambda: _Work([], defaultdict(list)))
    for one in reader.records(*kinds, where=where):
        person = one.body.get("by") or one.body.get("person")
        if not isinstance(person, str):
            continue
        work = found[person]
        work.times.append(one.known_at)
        opening = one.body.get("opening") or {}
        names = {one.subject, one.body.get("crossing_id"), one.body.get("decision_id")}
        for name in {*names, opening.get("seizure_id")} - {None, ""}:
            work.by_name[name].append(one.known_at)
    return found


def _mark_looks(
    snapshot: Connection,
    looks: Sequence[JournalRecord[SensitiveReadBody]],
    work: Mapping[str, _Work],
) -> "list[MarkedLook]":
    from models.monitoring.unusual_looks import Mark, MarkedLook

    names = _read_names(snapshot, {seq for one in looks for seq in one.body.get("found", ())})
    shown: dict[tuple[str, str], int] = {}
    marked = []
    for one in looks:
        person, marks = one.body["by"], set[Mark]()
        own = work.get(person)
        about = {name for seq in one.body.get("found", ()) for name in names.get(seq, ())}
        if own is None or not any(
            _is_near(own.by_name[name], one.known_at, NEAR) for name in about & own.by_name.keys()
        ):
            marks.add("unfollowed")
            first = min((shown.get((person, name), one.known_at) for name in about), default=0)
            if about and one.known_at - first >= DAY:
                marks.add("repeated")
        if own is None or not _is_near(own.times, one.known_at, AROUND):
            marks.add("idle")
        if one.body.get("purpose") is None:
            marks.add("no_purpose")
        for name in about:
            shown.setdefault((person, name), one.known_at)
        marked.append(MarkedLook(person, one.body["role"], frozenset(marks)))
    return marked


def _is_near(times: Sequence[int], at: int, reach: int) -> bool:
    place = bisect.bisect_left(times, at - reach)
    return place < len(times) and times[place] <= at + reach


def _read_names(snapshot: Connection, seqs: Iterable[int]) -> dict[int, set[str]]:
    """Return what records are about: their subject, and the crossing of a decision."""
    found: dict[int, set[str]] = {}
    for some in split_in_slices(sorted(seqs), 500):
        query = (
            select(_J.seq, _J.subject, _D.crossing_id)
            .outerjoin(DECISIONS, _D.seq == _J.seq)
            .where(_J.seq.in_(some))
        )
        for seq, subject, crossing_id in snapshot.execute(query):
            found[seq] = {name for name in (subject, crossing_id) if name}
    return found
