"""Outcomes: what became of movements that the other side told of, and of own ones.

An act, a find or a release of a vehicle whose manifest arrived makes an outcome due. One that
arrives is the other half of an own movement, with an act of basis ``counterpart``: history of the
other side, and no label of a draw of this one. An outcome that names no own movement names a
request: what it closes is read from its envelope (:mod:`engine.links.requests`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, func, select

from api.links.movements.context import MovementContext
from api.links.movements.manifests import is_known, list_comparable, name_partner
from engine.domain.records import Arrival, Inspection, Record, Seizure
from engine.domain.time_units import moment
from engine.journal.entries import Draft, JournalRecord, Kind
from engine.journal.idempotency import crossing_name, find_holders, inspection_name
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import CROSSING, FIND_CONFIRMED, INSPECTION, RELEASE, SEIZURE
from engine.journal.payloads import (
    ArrivalBody,
    CrossingBody,
    InspectionBody,
    LinkOriginBody,
    SeizureBody,
    dump_arrival,
)
from engine.links.inbox import ArrivedMessage
from engine.links.messages import Manifest, OutcomeReport
from engine.links.movements.movement_ledger import (
    MovementRow,
    find_received_manifest,
    find_sent_manifest,
    fold_arrival_keys,
    has_outcome,
    passed_at,
)
from engine.links.outbox import OutgoingMessage
from engine.links.state import Link, read_links
from engine.ports import Features
from engine.queue.match_outcomes import ACTS
from engine.queue.mirror_alerts import MATCHES
from engine.queue.queue import DECISIONS
from engine.queue.referrals import strictest_answered
from features.catalogue.encoder import key
from features.history.record_rows import Row, to_row
from features.online.crossing_index import PASSAGES
from features.partners.movements import LONGEST
from features.partners.partner_records import (
    Consignment,
    name_record,
    to_act,
    to_entry,
    to_exit,
    to_outcome,
)

_P = PASSAGES.c
_FOUND: tuple[Kind[Any], ...] = (INSPECTION, SEIZURE, FIND_CONFIRMED)


def list_outcomes(
    connection: Connection, link: Link, record: JournalRecord
) -> Sequence[OutgoingMessage]:
    """Return the outcome of an act, a find or a release, where a manifest told of its vehicle."""
    crossing_id = record.body.get("crossing_id") or record.body.get("linked_crossing_id")
    if crossing_id is None:
        return []
    arrival = _read_arrival(connection, crossing_id)
    if arrival is None:
        return []
    manifest = _find_manifest(connection, link, arrival, before=record.known_at)
    if manifest is None:
        return []
    if record.kind == RELEASE and _read_first_act(connection, crossing_id) is not None:
        return []
    return [_report(connection, record, arrival, manifest=manifest, due=record)]


def _read_arrival(connection: Connection, crossing_id: str) -> ArrivalBody | None:
    body = _read_holder(connection, crossing_name(crossing_id))
    return None if body is None else body["arrival"]


def _read_holder(connection: Connection, name: str) -> Mapping[str, Any] | None:
    """Return the body of the record that took a name, None without one."""
    holder = find_holders(connection, [name]).get(name)
    seqs = [] if holder is None else [holder.seq]
    return next(iter(JournalReader(connection).bodies(seqs).values()), None)


def _read_first_act(connection: Connection, crossing_id: str) -> int | None:
    """Return the number of the first act's record, None without one."""
    query = select(func.min(ACTS.c.seq)).where(ACTS.c.crossing_id == crossing_id)
    found: int | None = connection.scalar(query)
    return found


def _find_manifest(
    connection: Connection, link: Link, arrival: ArrivalBody, *, before: int
) -> MovementRow | None:
    """Return the manifest that told of an arrival, by what was known before an instant."""
    crossing = arrival["crossing"]
    for opposite in list_opposite(link, crossing["post"]) if _is_entry(arrival) else ():
        found = find_received_manifest(
            connection, arrival, opposite, longest=LONGEST, before=before
        )
        if found is not None and found.link == link.name:
            return found
    return None


def _is_entry(arrival: ArrivalBody) -> bool:
    return bool(arrival["crossing"]["direction"] == "entry")


def list_opposite(link: Link, post: str, *, is_ours: bool = True) -> list[str]:
    """Return the posts that face one of this side's, or one of the other side's."""
    ours = link.agreement.parties.index(link.us if is_ours else link.them)
    pairs = [pair.posts for pair in link.agreement.pairs]
    return [posts[1 - ours] for posts in pairs if posts[ours] == post]


def _report(
    connection: Connection,
    record: JournalRecord,
    arrival: ArrivalBody,
    *,
    manifest: MovementRow,
    due: JournalRecord,
) -> OutgoingMessage:
    act, find = _read_act(connection, record)
    crossing = arrival["crossing"]
    return OutgoingMessage(
        "outcome",
        to_outcome(
            act, find, movement=manifest.movement, post=crossing["post"], at=record.known_at
        ),
        about={
            "sequence": due.seq,
            "name": crossing["crossing_id"],
            "movement": manifest.movement,
        },
    )


def _read_act(connection: Connection, record: JournalRecord) -> tuple[Row | None, Row | None]:
    """Return the act and the find of a record as rows; None where it has none."""
    body: Mapping[str, Any] = record.body
    if record.kind == INSPECTION:
        return _act_row(body), None
    if record.kind == RELEASE:
        return None, None
    seizure = Seizure.model_validate(body["seizure"], strict=False)
    name = seizure.inspection_id
    act = None if name is None else _read_holder(connection, inspection_name(name))
    return None if act is None else _act_row(act), to_row(seizure)


def _act_row(body: Mapping[str, Any]) -> Row:
    return to_row(Inspection.model_validate(body["inspection"], strict=False))


def list_late_outcomes(
    connection: Connection, link: Link, record: JournalRecord
) -> Sequence[OutgoingMessage]:
    """Return the outcomes of acts on a vehicle whose manifest came after them."""
    origin: LinkOriginBody = record.body["message"]
    if (origin["message"], origin["link"]) != ("manifest", link.name):
        return []
    left: ArrivalBody = record.body["arrival"]
    arrival = _find_arrival(connection, link, left)
    if arrival is None or has_outcome(connection, arrival["crossing"]["crossing_id"]):
        return []
    manifest = _find_manifest(connection, link, arrival, before=record.known_at + 1)
    if manifest is None or manifest.movement != origin["movement"]:
        return []
    return [
        _report(connection, one, arrival, manifest=manifest, due=record)
        for one in _list_acts(connection, arrival["crossing"]["crossing_id"], before=record.seq)
    ]


def _list_acts(
    connection: Connection, crossing_id: str, *, before: int
) -> Iterator[JournalRecord[Any]]:
    """Yield the acts on a crossing, and finds from the first act on, before a record."""
    first = _read_first_act(connection, crossing_id)
    if first is not None:
        where = [JOURNAL.c.seq >= first, JOURNAL.c.seq < before]
        for one in JournalReader(connection).records(*_FOUND, where=where):
            if crossing_id in (one.body.get("crossing_id"), one.body.get("linked_crossing_id")):
                yield one


def _find_arrival(connection: Connection, link: Link, left: ArrivalBody) -> ArrivalBody | None:
    """Return the first arrival that continues what left, by the surest key."""
    left_at = passed_at(left)
    for here in list_opposite(link, left["crossing"]["post"], is_ours=False):
        for kind, value in fold_arrival_keys(left).items():
            query = _select_entries(here, since=left_at, until=left_at + LONGEST)
            if kind == "plate":
                query = query.where(_P.plate_key == key("plate", value))
            else:
                query = query.join(DECISIONS, DECISIONS.c.crossing_id == _P.crossing_id)
                query = query.join(MATCHES, MATCHES.c.decision_id == DECISIONS.c.decision_id)
                query = query.where(MATCHES.c.post == here, MATCHES.c.kind == kind)
                query = query.where(MATCHES.c.value == value)
            for crossing_id in connection.scalars(query).all():
                return _read_arrival(connection, crossing_id)
    return None


def _select_entries(post: str, *, since: int, until: int) -> Select[Any]:
    query = select(_P.crossing_id).where(_P.post == post, _P.is_entry)
    query = query.where(_P.arrived_at >= since, _P.arrived_at <= until)
    return query.order_by(_P.arrived_at, _P.crossing_id).limit(1)


def take_outcome(
    connection: Connection, arrived: ArrivedMessage, *, context: MovementContext
) -> Sequence[Draft]:
    """Return the records of what became of an own movement at the other side.

    None follow from the outcome of a request, or of a movement that is erased here.
    """
    outcome, link = arrived.message, arrived.link
    assert isinstance(outcome, OutcomeReport)  # noqa: S101  # the kind has this type
    links = _list_partner_links(connection, link)
    sent = find_sent_manifest(connection, outcome.outcome_of, links=links)
    own = None if sent is None else _read_own(connection, sent)
    if own is None:
        return []
    features, network = context.open()
    name = f"{name_record(name_partner(link.them), outcome.outcome_of)}:entry"
    drafts: list[Draft] = []
    if not is_known(connection, arrived, name, features=features):
        comparable = list_comparable(link.agreement, network)
        entry = to_entry(outcome, own, name=name, known_at=arrived.now, comparable=comparable)
        drafts.append(_draft_entry(entry.arrival, features, origin=_origin(arrived)))
    return [*drafts, *_draft_act(arrived, outcome, features, crossing=name)]


def _list_partner_links(connection: Connection, link: Link) -> list[str]:
    """Return the links with the same partner: it says what became of what it was told of alone."""
    known = read_links(connection, link.us.identity.fingerprint).values()
    return [one.name for one in known if one.them.identity == link.them.identity]


def _origin(arrived: ArrivedMessage) -> LinkOriginBody:
    outcome = arrived.message
    assert isinstance(outcome, OutcomeReport)  # noqa: S101  # the kind has this type
    return {"link": arrived.link.name, "message": "outcome", "movement": outcome.outcome_of}


def _draft_entry(arrival: Arrival, features: Features, *, origin: LinkOriginBody) -> Draft:
    body: CrossingBody = {"arrival": dump_arrival(arrival), "message": origin}
    event = features.record(arrival.crossing, arrival.declaration)
    return CROSSING.draft(
        arrival.crossing.crossing_id, body, post=arrival.crossing.post, extra=event
    )


def _draft_act(
    arrived: ArrivedMessage, outcome: OutcomeReport, features: Features, *, crossing: str
) -> Iterator[Draft]:
    """Yield the records of an act and of a find; neither for a vehicle that was let go."""
    about = f"{crossing}:{arrived.number}"
    inspection, seizure = to_act(outcome, crossing=crossing, name=about, known_at=arrived.now)
    if inspection is not None:
        act = _read_record(Inspection, inspection)
        filed: InspectionBody = {
            "crossing_id": crossing,
            "answers": strictest_answered(act).code,
            "inspection": act.model_dump(mode="json", exclude_none=True),
            "message": _origin(arrived),
        }
        yield INSPECTION.draft(about, filed, post=outcome.post, extra=features.act(act))
    if seizure is not None:
        find = _read_record(Seizure, seizure)
        taken: SeizureBody = {
            "seizure": find.model_dump(mode="json", exclude_none=True),
            "linked_crossing_id": crossing,
            "message": _origin(arrived),
        }
        event = features.find_in(find, crossing)
        yield SEIZURE.draft(about, taken, post=outcome.post, extra=event)


def _read_own(connection: Connection, sent: MovementRow) -> Consignment | None:
    """Return the own exit of a manifest; what travelled of it where its record has no arrival."""
    bodies = JournalReader(connection).bodies([sent.about_seq, sent.seq])
    if "arrival" in (body := bodies.get(sent.about_seq, {})):
        arrival = Arrival.model_validate(body["arrival"], strict=False)
        return Consignment.of_arrival(arrival, known_at=sent.known_at)
    if sent.seq not in bodies:
        return None
    manifest = Manifest.model_validate(bodies[sent.seq]["body"], strict=False)
    return to_exit(manifest, partner="", known_at=sent.known_at)


RecordOf = TypeVar("RecordOf", bound=Record)


def _read_record(kind: type[RecordOf], row: Row) -> RecordOf:
    """Return a record of a row that is known at a time of its own."""
    fields = {name: value for name, value in row.items() if name in kind.model_fields}
    return kind.model_validate(fields | {"recorded_at": moment(row["recorded_at"])}, strict=False)
