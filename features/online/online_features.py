"""Features of arrivals at the barrier, read from the store, and the evidence behind them.

The encoder, plan and finishers are those of a history; only the reads come from the counters.

The smoothed rate of an entity that was never inspected is its prior, and no history. A sentence
about a rate therefore states the inspections behind it. They are the as-of reads of the decision
itself, so that a recomputed decision has the same ones. Assumes that a rate's first inputs are own
finds, own inspections, all finds and all inspections (``features.catalogue.spec.Feature.is_rate``).
An index of finds spread along ties is one party's value if it is the largest or the second of a
crossing's: the reads tell whose, and a sentence names that party.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, select

from engine.domain.network import Network
from engine.domain.records import Arrival, Crossing, Declaration, Inspection, Seizure
from engine.domain.time_units import micros
from engine.ports import ActEvent, CrossingEvent, Evidence, FeatureRows, FindEvent
from engine.search_orders.rates import SearchCounts
from engine.storage.database import fetch_rows_among
from features.catalogue.encoder import encode, key
from features.catalogue.event_streams import vehicle
from features.catalogue.find_spread import ENTITIES
from features.catalogue.plan import Plan
from features.catalogue.spec import SPREAD_PARTS, Floats
from features.online.counter_states import load_kernels
from features.online.counter_store import CounterReader
from features.online.crossing_index import PASSAGES, find_event, find_last_entry, was_loaded
from features.online.crossing_index import read_standing as counted
from features.online.search_counts import read_searches
from features.online.spread_snapshots import check_made

OF_POST = "post_hit_rate"
"""The rate whose inspections are those of the post in the last year."""
FEWEST = 50
"""Inspections from which on finds per inspection are called usual."""


class EvidenceReader:
    """Finds the reads behind the rates, and behind the indices of finds, of a plan."""

    def __init__(self, plan: Plan) -> None:
        facts = len(plan.facts)
        rates = {name: f for name, f in plan.catalogue.items() if f.is_rate}
        self._places = {name: place for place, name in enumerate(rates)}
        self._columns = np.array(
            [[plan.slot[item] - facts for item in rate.inputs[:4]] for rate in rates.values()],
            np.intp,
        ).reshape(-1, 4)
        self._finds_hits = frozenset(
            name for name, rate in rates.items() if getattr(rate.inputs[0], "measure", "") == "hit"
        )
        indices = {
            name: feature
            for name, feature in plan.catalogue.items()
            if feature.operator == "spread" and SPREAD_PARTS[int(feature.parameters[0])] != "sum"
        }
        self._ranks = {name: int(f.parameters[0]) for name, f in indices.items()}
        self._values = np.array(
            [[plan.slot[item] - facts for item in f.inputs] for f in indices.values()], np.intp
        ).reshape(-1, len(ENTITIES))

    def of(self, reads: Floats) -> tuple[Mapping[str, Evidence], ...]:
        """Return the evidence of each arrival by feature, computed on demand.

        Parameters
        ----------
        reads : float64 array of shape (n, n_reads)
            Exact integers, NaN where the entity looked up is not known.
        """
        return tuple(
            _OfArrival(self._places, self._finds_hits, sums, self._ranks, values)
            for sums, values in zip(reads[:, self._columns], reads[:, self._values], strict=True)
        )


class _OfArrival(Mapping[str, Evidence]):
    """Evidence of one arrival, computed on demand because few arrivals are referred."""

    __slots__ = ("_evidence", "_hits", "_places", "_ranks", "_sums", "_values")

    def __init__(
        self,
        places: Mapping[str, int],
        hits: frozenset[str],
        sums: NDArray[np.float64],
        ranks: Mapping[str, int],
        values: NDArray[np.float64],
    ) -> None:
        self._places, self._hits, self._sums = places, hits, sums
        self._ranks, self._values = ranks, values
        self._evidence: Mapping[str, Evidence] | None = None

    def __getitem__(self, name: str) -> Evidence:
        return self._load()[name]

    def _load(self) -> Mapping[str, Evidence]:
        if self._evidence is None:
            self._evidence = {**self._compute(), **self._parties()}
        return self._evidence

    def _compute(self) -> Mapping[str, Evidence]:
        sums = dict(zip(self._places, self._sums.tolist(), strict=True))
        here, searched = sums.get(OF_POST, (0.0, 0.0))[:2]
        of_post = _usual(here, searched)
        is_post_known = not math.isnan(of_post)
        made = {}
        for name, (finds, inspections, all_finds, all_inspections) in sums.items():
            is_of_post = is_post_known and name in self._hits and name != OF_POST
            usual = of_post if is_of_post else _usual(all_finds, all_inspections)
            made[name] = Evidence(_round_count(finds), _round_count(inspections), usual, is_of_post)
        return made

    def _parties(self) -> dict[str, Evidence]:
        """Return whose value each index of finds is; none where it is zero or not known."""
        found = {}
        for (name, rank), values in zip(self._ranks.items(), self._values.tolist(), strict=True):
            known = sorted((-value, kind) for kind, value in enumerate(values) if value > 0.0)
            if rank < len(known):
                party = ENTITIES[known[rank][1]]
                found[name] = Evidence(0, 0, math.nan, is_of_post=False, party=party)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._load())

    def __len__(self) -> int:
        return len(self._load())


def _usual(finds: float, inspections: float) -> float:
    return finds / inspections if inspections >= FEWEST else math.nan


def _round_count(count: float) -> int:
    """Return a count; of an entity that is not known nothing was inspected."""
    return 0 if math.isnan(count) else int(count)


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
        self._evidence = EvidenceReader(plan)
        self.names = plan.names
        self.digest = plan.digest
        families = [plan.catalogue[name].family for name in plan.names]
        self._mirror = [place for place, family in enumerate(families) if family == "mirror"]

    def prepare(self, connection: Connection) -> None:
        """Load what look-ups in a loaded history need, before the first decision has to wait."""
        if counted(connection, self.digest).epoch:
            load_kernels()

    def read(
        self,
        connection: Connection,
        arrivals: Sequence[Arrival],
        *,
        as_of: Sequence[int],
        opposite_as_of: Sequence[int] | None = None,
    ) -> FeatureRows:
        """Return one row an arrival, from what was known strictly before its cut, in one snapshot.

        ``as_of`` has n cuts in UTC microseconds; ``opposite_as_of`` those of the features of the
        opposite post's record, where they differ. Values are float32 of shape (n, n_features), NaN
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
        if opposite_as_of is not None and list(opposite_as_of) != list(as_of):
            cuts = np.array(opposite_as_of, np.float64)[:, None]
            later, _ = self._reader.read_with_states(connection, keys, opposite_as_of)
            told = self._plan.finish(np.concatenate((facts, cuts, later), axis=1))
            values[:, self._mirror] = told[:, self._mirror]
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
        return seizure.crossing_id or find_last_entry(connection, seizure)

    def find(self, connection: Connection, seizure: Seizure) -> FindEvent | None:
        """Return the event of a seizure; None where it belongs to no crossing."""
        return find_event(seizure, self.link(connection, seizure))

    def find_in(self, seizure: Seizure, crossing_id: str) -> FindEvent | None:
        """Return the event of a seizure that belongs to a crossing which is known already."""
        return find_event(seizure, crossing_id)

    def searches(self, connection: Connection, event: CrossingEvent) -> SearchCounts:
        """Return counts of earlier searches by place, for a vehicle that arrives."""
        return read_searches(connection, vehicle(event.facts))


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
