"""Features of arrivals at the barrier, read from the store.

The encoder, plan and finishers are those of a history; only the reads come from the counters.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sqlalchemy import Connection, bindparam, select

from engine.domain.network import Network
from engine.domain.records import Arrival, Crossing, Declaration, Inspection, Seizure
from engine.domain.time_units import micros
from engine.ports import ActEvent, CrossingEvent, FeatureRows, FindEvent
from engine.search_orders.search_order import SearchCounts
from engine.storage.database import fetch_rows_among
from features.catalogue.encoder import encode, key
from features.catalogue.event_measures import vehicle
from features.catalogue.plan import Plan
from features.catalogue.rate_evidence import EvidenceReader
from features.catalogue.spec import Floats
from features.online.blocks.rows import load_kernels
from features.online.counter_store import CounterReader
from features.online.crossing_index import PASSAGES, find_event, link, was_loaded
from features.online.crossing_index import epoch as counted
from features.online.search_counts import PlaceCounter
from features.online.spread.snapshots import check_made

_ENTRIES = select(PASSAGES.c.arrived_at).where(
    PASSAGES.c.post == bindparam("post"),
    PASSAGES.c.is_entry,
    PASSAGES.c.arrived_at >= bindparam("since"),
    PASSAGES.c.arrived_at < bindparam("until"),
)
_POST = select(PASSAGES.c.post).where(PASSAGES.c.crossing_id == bindparam("which"))

_AMONG = "SELECT crossing_id FROM passages WHERE crossing_id"


class OnlineFeatures:
    """Features of arrivals, read from the store; implements ``engine.ports.Features``."""

    def __init__(self, plan: Plan, network: Network) -> None:
        self._plan = plan
        self._network = network
        self._reader = CounterReader(plan)
        self._places = PlaceCounter(plan)
        self._evidence = EvidenceReader(plan)
        self.names = plan.names
        self.digest = plan.digest

    def prepare(self, connection: Connection) -> None:
        """Load what look-ups in a loaded history need, before the first decision has to wait."""
        if counted(connection, self.digest).epoch:
            load_kernels()

    def read(
        self, connection: Connection, arrivals: Sequence[Arrival], *, as_of: Sequence[int]
    ) -> FeatureRows:
        """Return one row an arrival, from what was known strictly before its cut, in one snapshot.

        ``as_of`` has n cuts in UTC microseconds. Values are float32 of shape (n, n_features), NaN
        where unknown, with the event of each. Raises StoreUnavailableError where the counters were
        filled for other definitions: ``darvoza load`` fills them again.
        """
        standing = counted(connection, self.digest)
        if self._plan.spread and standing.cut is not None:
            check_made(standing.cut, min(max(as_of, default=0), standing.head + 1))
        encoded = [encode(a.crossing, a.declaration, self._network) for a in arrivals]
        keys = [self._plan.keys(entities) for entities, _ in encoded]
        facts = np.array([self._plan.fact_row(known) for _, known in encoded], np.float64)
        cuts = np.array(as_of, np.float64)[:, None]
        reads, stood = self._reader.read_with_states(connection, keys, as_of)
        values = self._plan.finish(np.concatenate((facts, cuts, reads), axis=1))
        events = tuple(
            _event(arrival.crossing, entities, own, row, cut=cut, stood=known)
            for arrival, (entities, _), own, row, cut, known in zip(
                arrivals, encoded, keys, facts, as_of, stood, strict=True
            )
        )
        return FeatureRows(self.names, values, events, standing.epoch, self._evidence.of(reads))

    def record(self, crossing: Crossing, declaration: Declaration | None) -> CrossingEvent:
        """Return the event of a crossing that is recorded without a decision."""
        entities, facts = encode(crossing, declaration, self._network)
        row = np.array(self._plan.fact_row(facts))
        return _event(crossing, entities, self._plan.keys(entities), row)

    def act(self, act: Inspection) -> ActEvent:
        """Return the event of an inspection act."""
        return ActEvent(act.crossing_id, act.outcome, act.is_full, act.places_searched)

    def post_of(self, connection: Connection, crossing_id: str) -> str | None:
        """Return the post of a crossing that was recorded or loaded; None for an unknown one."""
        return connection.scalar(_POST, {"which": crossing_id})

    def known(self, connection: Connection, crossing_ids: Iterable[str]) -> frozenset[str]:
        """Return which of these crossings were recorded or loaded."""
        wanted = list(crossing_ids)
        if not wanted:
            return frozenset()
        rows = fetch_rows_among(connection, _AMONG, wanted)
        return frozenset(crossing_id for (crossing_id,) in rows)

    def was_loaded(self, connection: Connection, name: str) -> bool:
        """Tell whether the loaded history holds the act or seizure that takes this name."""
        return was_loaded(connection, name)

    def entries(
        self, connection: Connection, post: str, *, since: int, until: int
    ) -> Sequence[int]:
        """Return when entries known arrived at a post, ``since <= t < until``, UTC microseconds."""
        asked = {"post": post, "since": since, "until": until}
        return connection.scalars(_ENTRIES, asked).all()

    def link(self, connection: Connection, seizure: Seizure) -> str | None:
        """Return the crossing that a seizure belongs to, None where there is none."""
        return seizure.crossing_id or link(connection, seizure)

    def find(self, connection: Connection, seizure: Seizure) -> FindEvent | None:
        """Return the event of a seizure; None where it belongs to no crossing."""
        return find_event(seizure, self.link(connection, seizure))

    def find_in(self, seizure: Seizure, crossing_id: str) -> FindEvent | None:
        """Return the event of a seizure that belongs to a crossing which is known already."""
        return find_event(seizure, crossing_id)

    def searches(self, connection: Connection, event: CrossingEvent) -> SearchCounts:
        """Return counts of earlier searches by place, for a vehicle that arrives."""
        return self._places.searches(connection, vehicle(event.facts), event.keys)


def _event(
    crossing: Crossing,
    entities: Mapping[str, str | None],
    keys: Sequence[int],
    facts: Floats,
    *,
    cut: int = 0,
    stood: bytes = b"",
) -> CrossingEvent:
    plate = entities["plate"]
    return CrossingEvent(
        crossing.crossing_id,
        crossing.post,
        0 if plate is None else key("plate", plate),
        crossing.direction == "entry",
        micros(crossing.arrived_at),
        tuple(keys),
        facts,
        cut,
        stood,
    )
