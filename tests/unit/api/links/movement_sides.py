"""Two installations with stores, features and a link, to which records are reported by hand."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select

from api.links.announcements import announce_movements
from api.links.exchanges import list_handlers
from api.service.assembly import projections
from engine.domain.network import read_home_network
from engine.domain.records import Arrival, Inspection, Seizure
from engine.journal.entries import Kind
from engine.journal.idempotency import crossing_name, inspection_name
from engine.journal.journal import JOURNAL, Journal, JournalReader
from engine.journal.kinds import (
    CROSSING,
    INSPECTION,
    RELEASE,
    SEIZURE,
    ClaimBody,
    CrossingBody,
    InspectionBody,
    ReleaseBody,
    SeizureBody,
    dump_arrival,
)
from engine.links.agreement import parse_agreement
from engine.links.exchange import LinkExchange
from engine.links.identity import LinkKeys
from engine.links.messages import list_fields
from engine.links.state import Link
from engine.queue.queue import strictest_answered
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan, Rows
from features.history.tables import Tables, read_event_log
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from features.online.online_features import OnlineFeatures
from features.online.spread_snapshots import SpreadSnapshots
from features.partners.linked_history import MANIFEST_FIELDS
from tests.unit.api.links.facing_posts import EAST, NETWORK_FILE, WEST
from tests.unit.engine.links.links import party_content
from tests.unit.features.online.replay import SetClock
from tests.unit.features.random_histories import START

PLAN = Plan(CATALOGUE)
NAME = "facing"


@dataclass
class MovementSide:
    """One installation."""

    url: str
    home: Home
    keys: LinkKeys = field(default_factory=LinkKeys.generate)
    clock: SetClock = field(default_factory=SetClock)
    served: dict[str, Rows] = field(default_factory=dict)
    """Features of what was reported, by crossing."""

    def __post_init__(self) -> None:
        self.home.prepare()
        self.home.network.write_text(NETWORK_FILE, "utf-8")
        self.clock.time = START
        self.store = Store(self.url)
        self.open()

    def open(self) -> None:
        """Open the store, as a process that starts does; the one before has ended."""
        network = read_home_network(self.home.network)
        self.store.dispose()
        self.store = Store(self.url)
        self.features = OnlineFeatures(PLAN, network)
        self.snapshots = SpreadSnapshots(PLAN)
        self.journal = Journal(self.store, projections(PLAN, network), self.clock)
        handlers = list_handlers(self.home)
        self.exchange = LinkExchange(self.store, self.journal, self.keys, handlers)

    @property
    def link(self) -> Link:
        """The link as it stands here."""
        return self.exchange.find_link(NAME)

    def report(self, arrival: Arrival, *, at: int) -> int:
        """Record a crossing at UTC microseconds, and keep the features of that time."""
        self.clock.time = at
        while self.snapshots.make_early(self.store, self.journal):
            pass  # the service's thread does, within the hour after a cut
        with self.store.read() as connection:
            now = self.journal.now(connection)
            read = self.features.read(connection, [arrival], as_of=[now])
        self.served[arrival.crossing.crossing_id] = read.values[0]
        crossing = arrival.crossing
        body: CrossingBody = {
            "claim": _claim(crossing_name(crossing.crossing_id)),
            "arrival": dump_arrival(arrival),
        }
        draft: Any = CROSSING.draft(
            crossing.crossing_id, body, post=crossing.post, extra=read.events[0]
        )
        (entry,) = self.journal.append([draft])
        assert entry.known_at == now
        return entry.seq

    def file(self, record: Inspection | Seizure, *, at: int) -> None:
        """Record an act or a find at UTC microseconds, as its checkpoint reports it."""
        self.clock.time = at
        content = record.model_dump(mode="json", exclude_none=True)
        draft: Any
        if isinstance(record, Inspection):
            act: InspectionBody = {
                "claim": _claim(inspection_name(record.inspection_id)),
                "crossing_id": record.crossing_id,
                "answers": strictest_answered(record).code,
                "inspection": content,
            }
            event = self.features.act(record)
            draft = INSPECTION.draft(record.inspection_id, act, post="", extra=event)
        else:
            assert record.crossing_id is not None
            find: SeizureBody = {"seizure": content, "linked_crossing_id": record.crossing_id}
            found = self.features.find_in(record, record.crossing_id)
            draft = SEIZURE.draft(record.seizure_id, find, post="", extra=found)
        self.journal.append([draft])

    def release(self, crossing_id: str, *, at: int) -> None:
        """Record at UTC microseconds that a vehicle was let go."""
        self.clock.time = at
        body: ReleaseBody = {
            "claim": {"names": [], "fingerprint": "00" * 32},
            "crossing_id": crossing_id,
            "by": "farid",
            "team": None,
        }
        self.journal.append([RELEASE.draft(crossing_id, body, post="")])

    def announce(self, **more: Any) -> int:
        """Record the manifests that are due."""
        return announce_movements(self.exchange, self.link, **more)

    def sync(self, other: "MovementSide") -> None:
        """Exchange parcels with the other side, as a client does."""
        parcel = self.exchange.make_parcel(self.link).seal(self.keys)
        answer = other.exchange.answer_parcel(parcel, name=other.link.name)
        self.exchange.take_parcel(answer)

    def bodies(self, kind: Kind[Any]) -> list[Any]:
        """Return the bodies of one kind of record."""
        with self.store.read() as connection:
            return [one.body for one in JournalReader(connection).records(kind)]

    def partner_crossings(self) -> list[Any]:
        """Return the crossings that the other side told of."""
        return [body for body in self.bodies(CROSSING) if "message" in body]

    def origins(self) -> list[tuple[str, str, int]]:
        """Return kind, origin and number of what came from elsewhere, in the journal's order."""
        columns = JOURNAL.c.kind, JOURNAL.c.origin, JOURNAL.c.origin_seq
        query = select(*columns).where(JOURNAL.c.origin_seq.is_not(None)).order_by(JOURNAL.c.seq)
        with self.store.read() as connection:
            return [(kind, origin, number) for kind, origin, number in connection.execute(query)]

    def read_log(self) -> Tables:
        """Return the journal as one event log."""
        with self.store.read() as connection:
            return read_event_log(self.home, connection)

    def compute_bulk(self) -> dict[str, Rows]:
        """Return the features that bulk readers make of the same journal, by crossing."""
        found = matrix(read_log(self.read_log(), PLAN), PLAN)
        names = [str(name) for name in found.crossing_id]
        return dict(zip(names, found.values, strict=True))

    def count_unlike(self) -> int:
        """Count the values that bulk readers give otherwise than they were served."""
        bulk = self.compute_bulk()
        return sum(
            int((bulk[name].view(np.int32) != row.view(np.int32)).sum())
            for name, row in self.served.items()
        )


def _claim(name: str) -> ClaimBody:
    return {"names": [name], "fingerprint": "00" * 32}


def open_movement_sides(west_url: str, east_url: str, folder: Path) -> tuple[Any, Any]:
    """Return two sides whose posts face each other, with an agreement that is in force."""
    west = MovementSide(west_url, Home(folder / "west"))
    east = MovementSide(east_url, Home(folder / "east"))
    fields = {"manifest": [*MANIFEST_FIELDS, "carrier_id"], "outcome": [*list_fields("outcome")]}
    content = {
        "name": NAME,
        "kind": "partner",
        "purposes": ["smuggling"],
        "ground": "Protocol",
        "expires": "2200-01-01T00:00:00Z",
        "parties": [
            party_content("west", west.keys.identity, administration=WEST),
            party_content("east", east.keys.identity, administration=EAST),
        ],
        "pairs": [{"posts": ["W1", "E1"]}, {"posts": ["W2", "E2"]}],
        "identifiers": {"carrier_id": "TIR"},
        "messages": [
            {"kind": kind, "from": sender, "purpose": "smuggling", "fields": names}
            for sender in ("west", "east")
            for kind, names in fields.items()
        ],
    }
    agreement = parse_agreement(content)
    for side in (west, east):
        side.exchange.propose(agreement, by="anna")
        side.exchange.approve(NAME, by="boris")
    return west, east
