"""History of an administration: its own, and with what its partners' messages brought.

A record belongs to the administration of the post of its crossing. A find that names a plate alone
belongs to that of the crossing that it was attributed to; a find without a crossing, and a crossing
at a post that no network names, belong to no administration.

The receiver's history holds its own records, exits that manifests told of, and the entries, acts
and finds that outcomes told of, each known when its message arrived. Features read it as they read
any history. A history has no record of a release, which a service has and tells: a vehicle on which
no act is known within ``SEARCHED_WITHIN`` of its record is taken to have been let go ``LET_GO``
after it.

Administrations that state no agreement are taken to have the standard one. Both send manifests and
outcomes with the fields that cooperation between customs services names today: identifiers of
vehicle and load, mass, HS codes and net mass, not values, descriptions or origins. National
identifiers travel if the network file states a domain of both.

The messages of two administrations are replayed in the order in which each knew its records. A
vehicle that leaves for the other side is a manifest at once. An act or a find on a vehicle whose
manifest has arrived is an outcome at once; if the manifest comes later, it is an outcome then. So
is the word that a vehicle was let go, unless its manifest comes later. Every message is an
envelope's bytes and arrives ``LINE_DELAY`` later: that is when the receiver knows it, whatever
times it names. Requests for attention are not replayed: they are a person's, and no history holds
them.

Nothing but the bytes of envelopes passes from one side to the other, through agreement, envelope
and checks, so what comes out is what would have travelled: fields that the agreement does not name
are gone.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from itertools import combinations, count
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.domain.network import Network
from engine.domain.records import Record
from engine.domain.time_units import DAY, HOUR, MINUTE
from engine.errors import EnvelopeRefusedError
from engine.links.agreement import Agreement, Party, check_body, parse_agreement, select_fields
from engine.links.envelope import (
    Envelope,
    EnvelopeHead,
    Position,
    open_body,
    read_envelope,
    seal_envelope,
)
from engine.links.identity import LinkIdentity, LinkKeys
from engine.links.messages import Manifest, OutcomeReport, list_fields
from features.history.record_rows import Row
from features.history.tables import SCHEMAS, Tables, arrange_table, content_digest
from features.partners.movements import (
    Consignment,
    Passage,
    PassageIndex,
    name_record,
    to_act,
    to_entry,
    to_exit,
    to_manifest,
    to_outcome,
)


@dataclass(slots=True)
class MessageSender:
    """The side that writes envelopes, with its keys."""

    agreement: Agreement
    party: Party
    keys: LinkKeys
    last: Position = field(default_factory=Position)
    _link: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the link's name once."""
        self._link = self.agreement.link

    def may_send(self, kind: str) -> bool:
        """Tell whether the agreement lets this side send a kind of message."""
        return self.agreement.rule(kind, self.party) is not None

    def write(self, kind: str, message: Record, *, at: int) -> bytes:
        """Return the envelope of a message, sent at UTC microseconds; raises ``RecordError``."""
        body = select_fields(self.agreement, sender=self.party, message=message)
        rule = self.agreement.rule(kind, self.party)
        hours = 0 if rule is None else rule.expires_hours  # select_fields refuses None
        receiver = self.agreement.other(self.party).identity
        head = EnvelopeHead(
            link=self._link,
            sender=self.party.identity.fingerprint,
            receiver=receiver.fingerprint,
            number=self.last.number + 1,
            previous=self.last.digest,
            sent_at=at,
            expires=at + hours * HOUR,
            kind=kind,
        )
        envelope = seal_envelope(head, body, keys=self.keys, receiver=receiver)
        self.last = Position(envelope.number, envelope.digest)
        return envelope.raw


@dataclass(slots=True)
class MessageReceiver:
    """The side that reads the other's envelopes, with its own keys."""

    agreement: Agreement
    party: Party
    keys: LinkKeys
    last: Position = field(default_factory=Position)
    _address: tuple[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Compute what every envelope must name once."""
        self._address = self.agreement.link, self.party.identity.fingerprint

    def read(self, raw: bytes, *, at: int) -> Record:
        """Return the message of an envelope that arrived at UTC microseconds.

        Raises ``EnvelopeRefusedError`` and ``RecordError`` naming the broken rule.
        """
        envelope = read_envelope(raw)
        self._check(envelope, at)
        body = open_body(envelope, self.keys)
        sender = self.agreement.other(self.party)
        message = check_body(self.agreement, kind=envelope.kind, sender=sender, body=body)
        self.last = Position(envelope.number, envelope.digest)
        return message

    def _check(self, envelope: Envelope, at: int) -> None:
        head, sender = envelope, self.agreement.other(self.party).identity
        if not envelope.is_signed_by(sender):
            raise EnvelopeRefusedError("signature", "signature", "is not the partner's")
        if (head.link, head.receiver) != self._address:
            raise EnvelopeRefusedError("link", "wrong_receiver", "is not for this link and side")
        if (head.number, head.previous) != (self.last.number + 1, self.last.digest):
            raise EnvelopeRefusedError("number", "out_of_order", "is not the next envelope")
        if at >= head.expires:
            raise EnvelopeRefusedError("expires", "expired", "arrived after its time")


LINE_DELAY = MINUTE
"""Microseconds from a record to the partner's knowledge of it."""


@dataclass(frozen=True, slots=True)
class VehicleLeft:
    """An exit towards the other side."""

    consignment: Consignment


@dataclass(frozen=True, slots=True)
class VehicleSearched:
    """An act, or a find, on an arrival from the other side; neither where it was let go."""

    arrival: Passage
    act: Row | None
    find: Row | None


Event = VehicleLeft | VehicleSearched | bytes
"""What happens at one side; bytes are an envelope that arrives."""


@dataclass(slots=True)
class LinkSide:
    """One administration within one link: what it sent, what reached it, what it made of that."""

    partner: str
    opposite: Mapping[str, str]
    """The post that faces each of its own."""
    sender: MessageSender
    receiver: MessageReceiver
    received: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """Rows of partner messages, by table."""
    _sent: dict[str, Consignment] = field(default_factory=dict)
    _manifests: PassageIndex = field(default_factory=PassageIndex)
    _searched: PassageIndex = field(default_factory=PassageIndex)
    _waiting: dict[str, list[VehicleSearched]] = field(default_factory=lambda: defaultdict(list))
    _entries: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def take(self, event: Event, *, at: int) -> list[bytes]:
        """Return the envelopes that an event makes this side send at UTC microseconds."""
        if isinstance(event, VehicleLeft):
            return self._announce(event.consignment, at)
        if isinstance(event, VehicleSearched):
            return self._report(event, at)
        message = self.receiver.read(event, at=at)
        if isinstance(message, Manifest):
            return self._expect(message, at)
        if isinstance(message, OutcomeReport):
            self._learn(message, at)
        return []

    def _announce(self, consignment: Consignment, at: int) -> list[bytes]:
        if not self.sender.may_send("manifest"):
            return []
        movement = f"m-{len(self._sent) + 1}"
        self._sent[movement] = consignment
        return [self.sender.write("manifest", to_manifest(consignment, movement), at=at)]

    def _report(self, searched: VehicleSearched, at: int) -> list[bytes]:
        arrival = searched.arrival
        movement = self._manifests.find_left(arrival, self.opposite[arrival.post])
        if movement is None:
            if searched.act is None and searched.find is None:
                return []  # as in a service: of a release before the manifest nothing is told
            self._searched.add(arrival)
            self._waiting[arrival.name].append(searched)
            return []
        return self._tell(searched, movement, at)

    def _expect(self, manifest: Manifest, at: int) -> list[bytes]:
        consignment = to_exit(manifest, partner=self.partner, known_at=at)
        self._keep(consignment)
        left = consignment.passage(manifest.movement)
        self._manifests.add(left)
        here = next(own for own, other in self.opposite.items() if other == manifest.post)
        arrival = self._searched.find_arrived(left, here)
        late = [] if arrival is None else self._waiting.pop(arrival, [])
        return [raw for one in late for raw in self._tell(one, manifest.movement, at)]

    def _tell(self, searched: VehicleSearched, movement: str, at: int) -> list[bytes]:
        if not self.sender.may_send("outcome"):
            return []
        post = searched.arrival.post
        about = to_outcome(searched.act, searched.find, movement=movement, post=post, at=at)
        return [self.sender.write("outcome", about, at=at)]

    def _learn(self, outcome: OutcomeReport, at: int) -> None:
        entry = f"{name_record(self.partner, outcome.outcome_of)}:entry"
        self._entries[entry] += 1
        if self._entries[entry] == 1:
            own = self._sent[outcome.outcome_of]
            comparable = frozenset(self.sender.agreement.identifiers)
            self._keep(to_entry(outcome, own, name=entry, known_at=at, comparable=comparable))
        name = f"{entry}:{self._entries[entry]}"
        inspection, seizure = to_act(outcome, crossing=entry, name=name, known_at=at)
        for table, row in (("inspections", inspection), ("seizures", seizure)):
            if row is not None:
                self.received[table].append(row)

    def _keep(self, consignment: Consignment) -> None:
        self.received["crossings"].append(consignment.crossing)
        if consignment.declaration is not None:
            self.received["declarations"].append(consignment.declaration)
            self.received["goods_items"].extend(consignment.items)


def replay_messages(
    sides: tuple[LinkSide, LinkSide], events: Iterable[tuple[int, int, Event]]
) -> None:
    """Play (UTC microseconds, side, event) of both sides, and the messages that follow from them.

    Raises ``RecordError`` and ``EnvelopeRefusedError`` where a message breaks the agreement.
    """
    numbers = count()
    queue = [(at, next(numbers), side, event) for at, side, event in events]
    heapify(queue)
    while queue:
        at, _, side, event = heappop(queue)
        for raw in sides[side].take(event, at=at):
            heappush(queue, (at + LINE_DELAY, next(numbers), 1 - side, raw))


TABLE_NAMES = ("crossings", "declarations", "goods_items", "inspections", "seizures")


def list_administrations(network: Network) -> dict[str, frozenset[str]]:
    """Return the posts of each administration of a network, in the order of their names.

    >>> list_administrations(Network())
    {}
    """
    found: dict[str, set[str]] = {}
    for code, post in network.posts.items():
        found.setdefault(post.administration, set()).add(code)
    return {name: frozenset(found[name]) for name in sorted(found)}


def list_facing_posts(network: Network, one: str, other: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of posts at which two administrations face each other, first one's first.

    It suffices that one of two posts names the other as its pair.
    """
    found = set()
    for code in network.posts:
        pair = network.pair(code)
        if pair is not None:
            found |= {(code, pair), (pair, code)}
    sides = {code: post.administration for code, post in network.posts.items()}
    return tuple(sorted(pair for pair in found if (sides[pair[0]], sides[pair[1]]) == (one, other)))


def select_own(tables: Tables, posts: Iterable[str]) -> Tables:
    """Return what an administration recorded itself, with a network of its posts alone."""
    own = pa.array(sorted(posts), pa.string())
    crossings = tables.crossings.filter(pc.is_in(tables.crossings["post"], value_set=own))
    ids = crossings["crossing_id"].combine_chunks()
    declared = crossings["declaration_id"].drop_null().combine_chunks()

    def keep(name: str, column: str, values: Any) -> Any:
        table = tables.table(name)
        return table.filter(pc.is_in(table[column], value_set=values))

    return join_rows(
        replace(
            tables,
            crossings=crossings,
            declarations=keep("declarations", "declaration_id", declared),
            goods_items=keep("goods_items", "declaration_id", declared),
            inspections=keep("inspections", "crossing_id", ids),
            seizures=keep("seizures", "linked_crossing_id", ids),
        ),
        network=restrict_network(tables.network, posts),
    )


def restrict_network(network: Network, posts: Iterable[str]) -> Network:
    """Return a network in which only these posts report."""
    kept = set(posts)
    left = {code: post for code, post in network.posts.items() if code in kept}
    return replace(network, posts=MappingProxyType(left))


def join_rows(
    tables: Tables, *, network: Network, added: Mapping[str, Any] | None = None
) -> Tables:
    """Return a history with more rows by table, each of the schema of its table; keys are new."""
    made = {
        name: arrange_table(
            name, pa.concat_tables([arrange_table(name, tables.table(name)), added[name]])
        )
        if added and name in added
        else tables.table(name).combine_chunks()
        for name in TABLE_NAMES
    }
    return Tables(**made, network=network, digest=content_digest(made))


MANIFEST_FIELDS = (
    "movement", "post", "left_at", "vehicle_class", "plate", "plate_country", "trailer_plate",
    "vin", "container_numbers", "seal_numbers", "weighed_mass_kg", "is_empty", "body_type",
    "tir_carnet", "cmr_number", "goods.hs_code", "goods.net_mass_kg", "goods.pen_number",
)  # fmt: skip
PURPOSE = "smuggling"


def make_standard_agreement(
    network: Network,
    pairs: Sequence[tuple[str, str]],
    *,
    administrations: tuple[str, str],
    identities: tuple[LinkIdentity, LinkIdentity],
) -> Agreement:
    """Return the agreement of two administrations whose posts face each other in ``pairs``."""
    names = ("one", "other")
    parties = [
        {
            "name": name,
            "administration": administration,
            "signing_key": identity.signing_key.hex(),
            "receiving_key": identity.receiving_key.hex(),
        }
        for name, administration, identity in zip(names, administrations, identities, strict=True)
    ]
    national = sorted(network.identifiers)
    fields = {
        "manifest": [*MANIFEST_FIELDS, *national],
        "outcome": list(list_fields("outcome")),
    }
    rules: list[dict[str, Any]] = [
        {"kind": kind, "from": name, "purpose": PURPOSE, "fields": agreed}
        for name in names
        for kind, agreed in fields.items()
    ]
    return parse_agreement(
        {
            "name": "standard",
            "kind": "partner",
            "purposes": [PURPOSE],
            "ground": "assumed for a backtest",
            "expires": "2200-01-01T00:00:00Z",
            "parties": parties,
            "pairs": [{"posts": list(pair)} for pair in pairs],
            "identifiers": dict(network.identifiers),
            "messages": rules,
        }
    )


SEARCHED_WITHIN, LET_GO = DAY, HOUR
"""Microseconds from the record of an arrival; assumed."""
Progress = Callable[[int, int], None]


def isolate_histories(tables: Tables) -> dict[str, Tables]:
    """Return what each administration of a history recorded itself, by its name."""
    found = list_administrations(tables.network)
    return {name: select_own(tables, posts) for name, posts in found.items()}


def link_histories(tables: Tables, *, progress: Progress | None = None) -> dict[str, Tables]:
    """Return what each administration knows by itself and by its partners' messages.

    Administrations are partners where posts of theirs face each other. ``progress`` is called with
    how many links are done, and how many there are.
    """
    own = isolate_histories(tables)
    received: dict[str, dict[str, list[Row]]] = {name: defaultdict(list) for name in own}
    posts = {name: set(found.network.posts) for name, found in own.items()}
    couples = list(combinations(own, 2))
    for done, couple in enumerate(couples):
        if progress is not None:
            progress(done, len(couples))
        if not (pairs := list_facing_posts(tables.network, *couple)):
            continue
        sides = _open_link(tables.network, couple, pairs)
        events = [(at, 0, event) for at, event in _list_events(own[couple[0]], sides[0].opposite)]
        events += [(at, 1, event) for at, event in _list_events(own[couple[1]], sides[1].opposite)]
        replay_messages(sides, events)
        for name, side in zip(couple, sides, strict=True):
            posts[name].update(side.opposite.values())
            for table, rows in side.received.items():
                received[name][table].extend(rows)
    return {
        name: _join(found, received[name], restrict_network(tables.network, posts[name]))
        for name, found in own.items()
    }


def _join(own: Tables, received: dict[str, list[Row]], network: Network) -> Tables:
    added = {name: _to_table(name, received[name]) for name in TABLE_NAMES if received[name]}
    return join_rows(own, network=network, added=added)


def _to_table(name: str, rows: list[Row]) -> Any:
    schema = SCHEMAS[name]
    blank: Row = {field.name: [] for field in schema if pa.types.is_list(field.type)}
    return pa.Table.from_pylist([blank | row for row in rows], schema=schema)


def _open_link(
    network: Network, couple: tuple[str, str], pairs: tuple[tuple[str, str], ...]
) -> tuple[LinkSide, LinkSide]:
    """Return both sides of a link under the standard agreement, with keys of their own."""
    keys = LinkKeys.generate(), LinkKeys.generate()
    identities = keys[0].identity, keys[1].identity
    agreement = make_standard_agreement(
        network, pairs, administrations=couple, identities=identities
    )

    def side(at: int) -> LinkSide:
        party = agreement.parties[at]
        return LinkSide(
            partner=couple[1 - at],
            opposite={pair[at]: pair[1 - at] for pair in pairs},
            sender=MessageSender(agreement, party, keys[at]),
            receiver=MessageReceiver(agreement, party, keys[at]),
        )

    return side(0), side(1)


def _list_events(own: Tables, posts: Any) -> Iterator[tuple[int, Event]]:
    """Yield what one side came to know of vehicles at some of its posts, with the times."""
    here = pc.is_in(own.crossings["post"], value_set=pa.array(sorted(posts), pa.string()))
    exits = own.crossings.filter(pc.and_(here, pc.equal(own.crossings["direction"], "exit")))
    for consignment in read_consignments(own, exits):
        yield consignment.crossing["known_at"], VehicleLeft(consignment)
    entries = own.crossings.filter(pc.and_(here, pc.equal(own.crossings["direction"], "entry")))
    known_at, arrivals = {}, {}
    for one in read_consignments(own, entries):
        name = one.crossing["crossing_id"]
        known_at[name], arrivals[name] = one.crossing["known_at"], one.passage(name)
    acts = own.inspections.to_pylist()
    yield from _list_released(acts, known_at, arrivals)
    by_act = {act["inspection_id"]: act for act in acts}
    for act in acts:
        if act["crossing_id"] in arrivals:
            yield act["known_at"], VehicleSearched(arrivals[act["crossing_id"]], act, None)
    for find in own.seizures.to_pylist():
        if find["linked_crossing_id"] in arrivals:
            about = arrivals[find["linked_crossing_id"]]
            act = by_act.get(find["inspection_id"])
            yield find["known_at"], VehicleSearched(about, act, find)


def _list_released(
    acts: list[Row], known_at: dict[str, int], arrivals: dict[str, Passage]
) -> Iterator[tuple[int, Event]]:
    """Yield the arrivals that are taken to have been let go, with the times."""
    searched = {
        act["crossing_id"]
        for act in acts
        if act["known_at"] <= known_at.get(act["crossing_id"], 0) + SEARCHED_WITHIN
    }
    for name, arrival in arrivals.items():
        if name not in searched:
            yield known_at[name] + LET_GO, VehicleSearched(arrival, None, None)


def read_consignments(own: Tables, crossings: Any) -> Iterator[Consignment]:
    """Yield some crossings of a history, each with its declaration and items."""
    wanted = pc.unique(crossings["declaration_id"].drop_null())

    def about(table: Any) -> list[Row]:
        found: list[Row] = table.filter(
            pc.is_in(table["declaration_id"], value_set=wanted)
        ).to_pylist()
        return found

    heads = {head["declaration_id"]: head for head in about(own.declarations)}
    items: dict[str, list[Row]] = defaultdict(list)
    for item in about(own.goods_items):
        items[item["declaration_id"]].append(item)
    for crossing in crossings.to_pylist():
        name = crossing["declaration_id"]
        yield Consignment(crossing, heads.get(name), tuple(items.get(name, ())))
