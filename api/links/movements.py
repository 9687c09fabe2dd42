"""Movements over links: manifests and outcomes, vehicles that are missing, notes on a decision.

A manifest that arrives is a crossing of the other side's post, as a person of that side could have
reported it here: features, facts, alerts and bulk readers take it as any other crossing, known from
the time at which the manifest arrived.

An act, a find or a release of a vehicle whose manifest arrived makes an outcome due. An outcome
that arrives is the other half of an own movement, with an act of basis ``counterpart``: history of
the other side, and no label of a draw of this side. An outcome that names no own movement names a
request: what it closes is read from its envelope (:mod:`engine.links.requests`).

A vehicle that was announced and did not arrive may have turned back, taken another post, or been
entered under a plate that was read otherwise. It is listed as a question to the other side, and
says nothing about the vehicle.
"""

import hmac
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, func, select

from engine.audit.file_anchors import read_network_in_force
from engine.domain.network import Network
from engine.domain.records import Arrival, Inspection, Record, Seizure
from engine.domain.time_units import DAY, moment, rfc3339
from engine.domain.validation import check_plausible
from engine.errors import RecordError
from engine.journal.entries import Draft, JournalRecord, Kind
from engine.journal.idempotency import crossing_name, find_holders, inspection_name
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    CROSSING,
    FIND_CONFIRMED,
    INSPECTION,
    RELEASE,
    SEIZURE,
    ArrivalBody,
    CrossingBody,
    InspectionBody,
    LinkOriginBody,
    SeizureBody,
    dump_arrival,
)
from engine.links.agreement import Agreement, Party
from engine.links.identity import LinkKeys
from engine.links.inbox import ArrivedMessage
from engine.links.messages import Manifest, OutcomeReport
from engine.links.movements import (
    KEYS,
    MOVEMENTS,
    MovementRow,
    find_received_manifest,
    find_sent_manifest,
    has_outcome,
    passed_at,
)
from engine.links.outbox import OutgoingMessage
from engine.links.posts.linked_posts import LateWithdrawal, list_late_withdrawals
from engine.links.state import Link, read_links
from engine.ports import Features
from engine.queue.match_outcomes import ACTS
from engine.queue.mirror_alerts import MATCHES, fold_arrival_keys
from engine.queue.queue import DECISIONS, strictest_answered
from engine.storage.home import Home
from features.catalogue.encoder import key
from features.catalogue.plan import current_plan
from features.history.record_rows import Row, to_row
from features.online.crossing_index import PASSAGES
from features.online.online_features import OnlineFeatures
from features.partners.movements import (
    LONGEST,
    Consignment,
    name_record,
    to_act,
    to_entry,
    to_exit,
    to_manifest,
    to_outcome,
)


@dataclass(slots=True)
class MovementContext:
    """Features and network of a home."""

    home: Home
    _opened: tuple[Features, Network] | None = None

    def open(self, connection: Connection) -> tuple[Features, Network]:
        """Return both; raises ``HomeError`` where the network file is not usable."""
        if self._opened is None:
            network = read_network_in_force(self.home, connection)
            self._opened = OnlineFeatures(current_plan(), network), network
        return self._opened


_PURPOSE = b"darvoza link movement 1"


def name_movement(keys: LinkKeys, crossing_id: str) -> str:
    """Return the name of an own movement for the other side: it tells nothing of the crossing."""
    key = sha256(_PURPOSE + keys.signing.private_bytes_raw()).digest()
    return hmac.new(key, crossing_id.encode("utf-8", "surrogatepass"), sha256).hexdigest()[:32]


def list_departures(keys: LinkKeys, link: Link, record: JournalRecord) -> Sequence[OutgoingMessage]:
    """Return the manifest of a recorded crossing that is an exit at an agreed post."""
    body = record.body
    is_exit = body["arrival"]["crossing"]["direction"] == "exit"
    if not is_exit or record.post not in link.agreement.posts_of(link.us):
        return []
    arrival = Arrival.model_validate(body["arrival"], strict=False)
    consignment = Consignment.of_arrival(arrival, known_at=record.known_at)
    return [make_manifest(keys, consignment, due=record)]


def make_manifest(
    keys: LinkKeys, consignment: Consignment, *, due: JournalRecord
) -> OutgoingMessage:
    """Return the manifest of an exit, which a record made due."""
    crossing_id = consignment.crossing["crossing_id"]
    movement = name_movement(keys, crossing_id)
    return OutgoingMessage(
        to_manifest(consignment, movement),
        about={"sequence": due.seq, "name": crossing_id, "movement": movement},
    )


def name_partner(party: Party) -> str:
    """Return the name under which a partner's records are kept: of it alone, with any link."""
    return f"{party.administration[:8]}.{party.identity.fingerprint[:8]}"


def take_manifest(
    connection: Connection, arrived: ArrivedMessage, *, context: MovementContext
) -> Sequence[Draft]:
    """Return the record of a vehicle that left the other side; none for one that is known.

    Raises ``RecordError`` for a time that lies in the future.
    """
    manifest, link = arrived.message, arrived.link
    features, network = context.open(connection)
    assert isinstance(manifest, Manifest)  # noqa: S101  # the kind has this type
    consignment = to_exit(manifest, partner=name_partner(link.them), known_at=arrived.now)
    arrival = _drop_foreign(consignment.arrival, link.agreement, network)
    check_time(arrival, "manifest", "left_at", now=arrived.now)
    crossing = arrival.crossing
    if is_known(connection, arrived, crossing.crossing_id, features=features):
        return []
    body: CrossingBody = {
        "arrival": dump_arrival(arrival),
        "message": {"link": link.name, "message": "manifest", "movement": manifest.movement},
    }
    event = features.record(crossing, arrival.declaration)
    return [CROSSING.draft(crossing.crossing_id, body, post=crossing.post, extra=event)]


def is_known(
    connection: Connection, arrived: ArrivedMessage, crossing_id: str, *, features: Features
) -> bool:
    """Tell whether a record of a message is there already, or comes with the same parcel."""
    if any(one.kind == CROSSING and one.subject == crossing_id for one in arrived.pending):
        return True
    return bool(features.known(connection, [crossing_id]))


def check_time(arrival: Arrival, kind: str, field: str, *, now: int) -> None:
    """Refuse a message of a time in the future; raises ``RecordError`` with the message's field."""
    try:
        check_plausible(arrival, now=now)
    except RecordError as error:
        raise RecordError(kind, field, error.rule, error.message) from None


def list_comparable(agreement: Agreement, network: Network) -> frozenset[str]:
    """Return the national identifiers that the agreement and the network file compare alike."""
    domains = network.identifiers
    agreed = agreement.identifiers.items()
    return frozenset(name for name, domain in agreed if domains.get(name, domain) == domain)


def _drop_foreign(arrival: Arrival, agreement: Agreement, network: Network) -> Arrival:
    """Leave out identifiers of which this network and the agreement name different domains."""
    foreign = agreement.identifiers.keys() - list_comparable(agreement, network)
    if not foreign:
        return arrival
    crossing, head = arrival.crossing, arrival.declaration
    crossing = crossing.model_copy(update=_fields(crossing, foreign))
    if head is not None:
        head = head.model_copy(update=_fields(head, foreign))
    return arrival.model_copy(update={"crossing": crossing, "declaration": head})


def _fields(record: Record, names: Iterable[str]) -> dict[str, Any]:
    return {name: None for name in names if name in type(record).model_fields}


_PASSAGES = PASSAGES.c
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
    for opposite in (
        list_opposite(link, crossing["post"]) if crossing["direction"] == "entry" else ()
    ):
        found = find_received_manifest(
            connection, arrival, opposite, longest=LONGEST, before=before
        )
        if found is not None and found.link == link.name:
            return found
    return None


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
                query = query.where(_PASSAGES.plate_key == key("plate", value))
            else:
                query = query.join(DECISIONS, DECISIONS.c.crossing_id == _PASSAGES.crossing_id)
                query = query.join(MATCHES, MATCHES.c.decision_id == DECISIONS.c.decision_id)
                query = query.where(MATCHES.c.post == here, MATCHES.c.kind == kind)
                query = query.where(MATCHES.c.value == value)
            for crossing_id in connection.scalars(query).all():
                return _read_arrival(connection, crossing_id)
    return None


def _select_entries(post: str, *, since: int, until: int) -> Select[Any]:
    query = select(_PASSAGES.crossing_id).where(_PASSAGES.post == post, _PASSAGES.is_entry)
    query = query.where(_PASSAGES.arrived_at >= since, _PASSAGES.arrived_at <= until)
    return query.order_by(_PASSAGES.arrived_at, _PASSAGES.crossing_id).limit(1)


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
    features, network = context.open(connection)
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


LOOKED_BACK = 14 * DAY
"""How long ago a vehicle left that is still looked for."""
_M, _K, _P = MOVEMENTS.c, KEYS.c, PASSAGES.c
_Times = dict[tuple[str, str | int], list[int]]
"""When vehicles entered, in order, by kind and value of what they are recognised by."""


def list_missing(connection: Connection, link: Link, *, now: int) -> list[MovementRow]:
    """Return the announced movements that no entry continues, the newest first.

    ``now`` is in UTC microseconds. A vehicle has :data:`LONGEST` to arrive before it is missed.
    """
    since, until = now - LOOKED_BACK, now - LONGEST
    query = (
        select(MOVEMENTS)
        .where(_M.link == link.name, _M.direction == "received", _M.kind == "manifest")
        .where(_M.passed_at >= since, _M.passed_at < until)
        .order_by(_M.passed_at.desc(), _M.seq.desc())
    )
    announced = [MovementRow(*row) for row in connection.execute(query)]
    if not announced:
        return []
    named = select(_K.seq, _K.kind, _K.value).join(MOVEMENTS, _M.seq == _K.seq)
    named = named.where(_M.link == link.name, _K.passed_at >= since, _K.passed_at < until)
    keys: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for seq, kind, value in connection.execute(named):
        keys[seq].append((kind, value))
    facing = {
        left: list_opposite(link, left, is_ours=False) for left in {one.post for one in announced}
    }
    here = {post for posts in facing.values() for post in posts}
    entered = {post: _read_entries(connection, post, since=since) for post in here}
    return [
        one
        for one in announced
        if keys[one.seq]
        and not any(_has_arrived(entered[post], one, keys[one.seq]) for post in facing[one.post])
    ]


def _read_entries(connection: Connection, post: str, *, since: int) -> _Times:
    found: _Times = defaultdict(list)
    here = (_P.post == post, _P.is_entry, _P.arrived_at >= since)
    for plate, at in connection.execute(select(_P.plate_key, _P.arrived_at).where(*here)):
        found["plate", plate].append(at)
    others = (
        select(MATCHES.c.kind, MATCHES.c.value, _P.arrived_at)
        .join(DECISIONS, DECISIONS.c.decision_id == MATCHES.c.decision_id)
        .join(PASSAGES, _P.crossing_id == DECISIONS.c.crossing_id)
        .where(*here, MATCHES.c.post == post)
    )
    for kind, value, at in connection.execute(others):
        found[kind, value].append(at)
    for times in found.values():
        times.sort()
    return found


def _has_arrived(entered: _Times, left: MovementRow, keys: Sequence[tuple[str, str]]) -> bool:
    for kind, value in keys:
        times = entered.get((kind, key("plate", value) if kind == "plate" else value), [])
        at = bisect_left(times, left.passed_at)
        if at < len(times) and times[at] <= left.passed_at + LONGEST:
            return True
    return False


_SHOWN = (
    "vehicle_class", "plate", "plate_country", "trailer_plate", "vin", "container_numbers",
    "seal_numbers", "weighed_mass_kg", "is_empty", "body_type", "tir_carnet", "cmr_number",
    "carrier_id",
)  # fmt: skip


def read_partner_manifest(
    connection: Connection, network: Network, decided: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the manifest that had arrived before a decision, None where none had.

    ``decided`` is the decision's record. Of what the agreement does not name nothing arrived.
    """
    arrival: ArrivalBody = decided["arrival"]
    opposite = network.pair(arrival["crossing"]["post"])
    if opposite is None or arrival["crossing"]["direction"] != "entry":
        return None
    as_of = decided["inputs"]["as_of"]
    row = find_received_manifest(connection, arrival, opposite, longest=LONGEST, before=as_of)
    bodies = {} if row is None else JournalReader(connection).bodies([row.seq])
    if row is None or row.seq not in bodies:
        return None
    found: ArrivalBody = bodies[row.seq]["arrival"]
    crossing, head = found["crossing"], found.get("declaration") or {}
    goods = [
        {name: item.get(name) for name in ("hs_code", "net_mass_kg", "pen_number")}
        for item in head.get("items", ())
    ]
    named = {name: crossing[name] for name in _SHOWN if crossing.get(name)}
    if crossing.get("is_empty") is not None:
        named["is_empty"] = crossing["is_empty"]
    return {
        "link": row.link,
        "post": row.post,
        "left_at": crossing["arrived_at"],
        "arrived_at": rfc3339(row.known_at),
        "sequence": row.seq,
        **named,
        "goods": goods,
    }


def read_notes(
    connection: Connection, network: Network, decided: Mapping[str, Any], *, known_at: int
) -> dict[str, Any]:
    """Return the fields that links add to a decision for those who see all of it.

    ``known_at`` is when the decision was recorded: UTC microseconds.
    """
    manifest = read_partner_manifest(connection, network, decided)
    found: dict[str, Any] = {} if manifest is None else {"partner_manifest": manifest}
    late = list_late_withdrawals(connection, decided, known_at=known_at)
    return found | ({"withdrawn": list(map(_describe_late, late))} if late else {})


def _describe_late(one: LateWithdrawal) -> dict[str, Any]:
    """Return a withdrawal; an entry of the watch list has no name in a decision."""
    return {
        "source": one.source,
        "profile": one.code if one.source == "profile" else None,
        "withdrawn_at": rfc3339(one.withdrawn_at),
        "arrived_at": rfc3339(one.arrived_at),
    }
