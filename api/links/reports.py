"""Outcomes of accepted attentions: each is reported by itself once its vehicle was acted upon.

The entry of an accepted attention matches decisions under its own name. A vehicle with an act is
reported with what the act found; one that no longer waits and has none, as not searched. The report
closes the request on both sides. A vehicle at a post that the agreement does not name is not told
of. Nothing on the path of a decision or a report works for this: it is read when links are
exchanged.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, func, select

from engine.domain.records import Inspection, Seizure
from engine.domain.time_units import HOUR, moment
from engine.errors import ConflictError, RecordError
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import FIND_CONFIRMED, SEIZURE
from engine.links.exchange import LinkExchange
from engine.links.messages import OutcomeReport, band_of
from engine.links.requests.facts import HeldRequest, list_requests
from engine.links.requests.request_desk import RequestDesk, RequestSender
from engine.links.state import Link
from engine.queue.match_outcomes import ACTS, MATCHES
from engine.queue.queue import last_of_crossing, waits

FIND_HOURS = 6
"""How long the report of a seizure waits for its find, which names class and quantity."""
MOST = 1_000
"""Requests that are looked through, the newest."""


def report_attentions(exchange: LinkExchange, link: Link) -> int:
    """Report on the accepted attentions of a link that are due; returns how many it reported."""
    if link.agreement.rule("outcome", link.us) is None:
        return 0
    with exchange.store.read() as connection:
        now = exchange.journal.now(connection)
        if link.phase(now) != "in_force":
            return 0
        due = list(_list_due(connection, link, now=now))
    desk, reported = RequestDesk(exchange), 0
    for name, message in due:
        with suppress(ConflictError, RecordError):  # another process came first; not agreed
            desk.take_step(name, message, RequestSender())
            reported += 1
    return reported


def _list_due(
    connection: Connection, link: Link, *, now: int
) -> Iterator[tuple[str, OutcomeReport]]:
    for held in list_requests(connection, most=MOST, ends_after=now):
        if _is_due(held, link, now=now):
            report = _find_report(connection, held.opened.name, link, now=now)
            if report is not None:
                yield held.opened.name, report


def _is_due(held: HeldRequest, link: Link, *, now: int) -> bool:
    is_asked = held.link == link.name and not held.is_ours and held.request.kind == "attention"
    return is_asked and held.state(now) == "accepted"


def _find_report(
    connection: Connection, name: str, link: Link, *, now: int
) -> OutcomeReport | None:
    """Return the report on the first vehicle of an attention that was acted upon."""
    posts = link.agreement.posts_of(link.us)
    query = select(MATCHES.c.crossing_id, func.min(MATCHES.c.seq)).where(MATCHES.c.code == name)
    query = query.group_by(MATCHES.c.crossing_id).order_by(func.min(MATCHES.c.seq))
    for crossing_id, since in connection.execute(query).all():
        decided = last_of_crossing(connection, crossing_id)
        if decided is None or decided.post not in posts:
            continue
        about: dict[str, Any] = {"outcome_of": name, "post": decided.post}
        act = _read_act(connection, crossing_id, since=since)
        if act is not None:
            return _report_act(connection, *act, about=about, now=now)
        if not waits(connection, decided.decision_id):
            return OutcomeReport(**about, recorded_at=moment(now), is_searched=False)
    return None


def _read_act(
    connection: Connection, crossing_id: str, *, since: int
) -> tuple[int, Inspection] | None:
    query = select(func.min(ACTS.c.seq)).where(ACTS.c.crossing_id == crossing_id)
    seq = connection.scalar(query.where(ACTS.c.seq > since))
    body = {} if seq is None else JournalReader(connection).bodies([seq]).get(seq, {})
    if seq is None or "inspection" not in body:
        return None
    return seq, Inspection.model_validate(body["inspection"], strict=False)


def _report_act(
    connection: Connection, seq: int, act: Inspection, *, about: Mapping[str, Any], now: int
) -> OutcomeReport | None:
    """Return the report of an act; None while the find of its seizure is still to come."""
    known_at = connection.scalar(select(JOURNAL.c.known_at).where(JOURNAL.c.seq == seq)) or 0
    find: Seizure | None = None
    if act.outcome == "seizure":
        find = _read_find(connection, act, since=seq)
        if find is None and now < known_at + FIND_HOURS * HOUR:
            return None
    grams = None if find is None else find.quantity_g
    return OutcomeReport(
        **about,
        recorded_at=moment(known_at),
        is_searched=True,
        methods=act.methods,
        outcome=act.outcome,
        substance_class=None if find is None else find.substance_class,
        quantity_band=None if grams is None else band_of(grams),
    )


def _read_find(connection: Connection, act: Inspection, *, since: int) -> Seizure | None:
    """Return the first find of an act, or of its crossing after it."""
    where = [JOURNAL.c.seq > since]
    for record in JournalReader(connection).records(SEIZURE, FIND_CONFIRMED, where=where):
        find = Seizure.model_validate(record.body["seizure"], strict=False)
        linked = record.body.get("linked_crossing_id")
        if act.inspection_id == find.inspection_id or linked == act.crossing_id:
            return find
    return None
