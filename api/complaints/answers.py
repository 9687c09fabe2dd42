"""Answers about complaints: the list of a period with its counts, and what was recorded."""

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from api.auth.callers import Caller
from api.decisions.readers import DecisionReader
from api.http.answers import Acknowledged, Answer, Time, acknowledge
from api.http.periods import PeriodAsked
from api.notifications.answers import NotificationView
from api.service.runtime import Runtime
from engine.complaints import (
    COMPLAINT_ANSWERED,
    COMPLAINT_FILED,
    Complaint,
    ComplaintAnswer,
    Ground,
    Verdict,
    draft_answer,
    draft_complaint,
    list_complaints,
    read_complaint,
)
from engine.domain.rights import Matter
from engine.domain.time_units import NEVER, rfc3339
from engine.domain.validation import looks_like_name
from engine.errors import NotFoundError
from engine.journal.idempotency import claim
from engine.journal.journal import JOURNAL, JournalReader
from engine.storage.database import split_in_slices

MOST = 500
_ANSWER = ("POST", "/v1/complaints/{sequence}/answers")
_SEE = ("GET", "/v1/complaints")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintView(Answer):
    """A complaint, and its answer; null while there is none."""

    sequence: int
    """Of its record, by which it is answered."""
    decision_id: str
    post: str
    filed_at: Time
    filed_by: str
    ground: Ground
    text: str
    reference: str | None
    """Of the trader's letter."""
    names_person: bool
    """One of the texts looks as if it named a person."""
    verdict: Verdict | None
    answer: str | None
    answered_at: Time | None
    answered_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplaintCount(Answer):
    """Complaints of one ground."""

    ground: Ground
    filed: int
    open: int
    upheld: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaints(Answer):
    """The complaints that were filed in a period, the newest first, 500 at most."""

    tables = ("complaints", "counts")
    since: Time | None
    """Null for all that were filed."""
    until: Time | None
    complaints: list[ComplaintView]
    counts: list[ComplaintCount]
    """Of the complaints listed."""


def read_complaints(
    service: Runtime,
    caller: Caller,
    asked: PeriodAsked,
    post: str | None = None,
    decision_id: str | None = None,
    *,
    is_open: bool = False,
) -> Complaints:
    """Return the complaints of a period, or all without days; ``is_open`` those without an answer.

    Raises ``NotAllowedError`` for a post that the caller does not reach, and ``RecordError``.
    """
    if post is not None:
        caller.must_reach(post)
    post = post or caller.post
    since, until = 0, NEVER
    with service.store.read() as snapshot:
        if asked != PeriodAsked():
            now, zone = service.journal.now(snapshot), service.network.timezone(post or "")
            _, since, until = asked.place(zone, now=now)
        rows = list_complaints(
            snapshot,
            post,
            since=since,
            until=until,
            decision_id=decision_id,
            is_open=is_open,
            hidden=caller.hidden_posts,
            most=MOST,
        )
        seen = [row for row in rows if caller.sees(Matter.REVIEWS, row.agency)]
        numbers = [seq for row in seen for seq in (row.seq, row.answered_seq) if seq is not None]
        records = {
            one.seq: one
            for some in split_in_slices(numbers, MOST)
            for one in JournalReader(snapshot).records(
                COMPLAINT_FILED, COMPLAINT_ANSWERED, where=[JOURNAL.c.seq.in_(some)]
            )
        }
    found = [_describe(row, records) for row in seen if row.seq in records]
    is_all = asked == PeriodAsked()
    return Complaints(
        since=None if is_all else rfc3339(since),
        until=None if is_all else rfc3339(until),
        complaints=found,
        counts=_count(found),
    )


def _describe(row: Any, records: Mapping[int, Any]) -> ComplaintView:
    filed, answered = records[row.seq], records.get(row.answered_seq)
    texts = [one.body["text"] for one in (filed, answered) if one is not None]
    return ComplaintView(
        sequence=row.seq,
        decision_id=row.decision_id,
        post=row.post,
        filed_at=rfc3339(filed.known_at),
        filed_by=filed.body["by"],
        ground=filed.body["ground"],
        text=filed.body["text"],
        reference=filed.body.get("reference"),
        names_person=any(map(looks_like_name, texts)),
        verdict=None if answered is None else answered.body["verdict"],
        answer=None if answered is None else answered.body["text"],
        answered_at=None if answered is None else rfc3339(answered.known_at),
        answered_by=None if answered is None else answered.body["by"],
    )


def _count(found: list[ComplaintView]) -> list[ComplaintCount]:
    counts = Counter((one.ground, one.verdict) for one in found)
    return [
        ComplaintCount(
            ground=ground,
            filed=sum(counts[ground, verdict] for verdict in (None, *get_args(Verdict))),
            open=counts[ground, None],
            upheld=counts[ground, "upheld"],
            rejected=counts[ground, "rejected"],
        )
        for ground in get_args(Ground)
        if any(one.ground == ground for one in found)
    ]


def file_complaint(
    service: Runtime, caller: Caller, complaint: Complaint, key: str | None
) -> Acknowledged:
    """Record a complaint; raises ``NotFoundError`` for a decision that the caller does not see."""
    known = DecisionReader(service, caller).locate(complaint.decision_id)
    name, own = f"{COMPLAINT_FILED}:{secrets.token_hex(12)}", caller.own(key)
    asked = claim(COMPLAINT_FILED, complaint, post=known.post, name=name, key=own)
    done = service.recording.once_here(
        asked,
        lambda _: draft_complaint(
            complaint,
            asked,
            crossing_id=known.crossing_id,
            by=str(caller.person),
            agency=caller.agency,
        ),
    )
    return acknowledge(service, done, str(done.entry.seq))


def answer_complaint(
    service: Runtime, caller: Caller, sequence: int, answer: ComplaintAnswer, key: str | None
) -> Acknowledged:
    """Record an answer, by another person than the one who filed the complaint.

    Raises ``NotFoundError``, ``ConflictError`` and ``SecondPersonError``.
    """
    with service.store.read() as snapshot:
        row = read_complaint(snapshot, sequence)
        body = service.journal.body(snapshot, sequence, of=COMPLAINT_FILED)
    is_seen = caller.reaches(row.post) and caller.sees(Matter.REVIEWS, row.agency)
    if not (is_seen and caller.covers(row.agency)):
        raise NotFoundError("complaint", str(sequence))
    first, second = str(body["by"]), caller.person
    # Nothing lapses: a trader is owed an answer though the supervisor who filed it has left.
    service.accounts.must_be_two(Matter.REVIEWS, first=first, second=second)
    name = f"{COMPLAINT_ANSWERED}:{sequence}"
    asked = claim(
        COMPLAINT_ANSWERED, answer, post=row.post, name=name, key=caller.own(key), about=name
    )
    done = service.recording.once_here(
        asked,
        lambda snapshot: draft_answer(
            snapshot, sequence, answer, asked, crossing_id=body["crossing_id"], by=second
        ),
    )
    return acknowledge(service, done, str(sequence))


def list_waiting(service: Runtime, caller: Caller) -> Iterator[NotificationView]:
    """Yield the complaints that wait for an answer that the caller may give, as notifications."""
    if not (caller.may(*_ANSWER) and caller.may(*_SEE)):
        return
    seen = caller.enter(*_SEE)
    for one in read_complaints(service, seen, PeriodAsked(), is_open=True).complaints:
        if one.filed_by != caller.person:
            yield NotificationView(
                kind="answer_waiting",
                about="complaint",
                id=one.decision_id,
                post=one.post,
                at=one.filed_at,
            )
