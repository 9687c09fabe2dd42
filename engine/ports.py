"""Protocols that the layers above the engine implement, and the data that passes through them.

``features`` implements ``Features``, ``models`` implements ``Scorer``. The engine imports neither.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from engine.domain.records import Arrival, Crossing, Declaration, Inspection, Seizure
from engine.domain.time_units import DAY, HOUR
from engine.journal.areas import load_areas, load_part
from engine.journal.entries import ProjectionInput
from engine.search_orders.rates import SearchCounts
from engine.selection import RankedTarget, RiskTables
from engine.storage.home import Home

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CrossingEvent(ProjectionInput):
    """A crossing, ready to be counted."""

    crossing_id: str
    post: str
    plate_key: int
    is_entry: bool
    arrived_at: int
    """UTC microseconds."""
    keys: tuple[int, ...]
    """Keys of its entities, 0 where not known, in the order of the catalogue's plan."""
    facts: Floats
    """Shape (n_facts,); NaN where not known."""
    cut: int = 0
    """As of when its features were read, 0 where they were not: UTC microseconds."""
    stood: bytes = b""
    """States at the cut of the counters that it adds to, packed in the order of their groups."""


@dataclass(frozen=True, slots=True)
class ActEvent(ProjectionInput):
    """Inspection act on a crossing."""

    crossing_id: str
    outcome: str
    is_full: bool
    places: tuple[str, ...] = ()
    """Where it searched."""


@dataclass(frozen=True, slots=True)
class FindEvent(ProjectionInput):
    """Goods found in a vehicle, or elsewhere and linked back to its crossing."""

    crossing_id: str
    grams: int
    place: str | None = None
    """Place in the vehicle, None where it is not reported."""
    is_elsewhere: bool = True
    """False for a find of an inspection act: it is that act's outcome, and counts with it."""
    goods_class: str | None = None


@dataclass(frozen=True, slots=True)
class CorrectionEvent(ProjectionInput):
    """An act or a seizure is stated again; what it changes follows from all records so far."""

    crossing_id: str


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Features of some arrivals as known at one instant."""

    names: tuple[str, ...]
    values: Rows
    """Shape (n_arrivals, n_features); NaN where nothing was known."""
    events: tuple[CrossingEvent, ...]
    """What the counters will append for each arrival."""
    epoch: str = ""
    """Digest of the loaded history that the counters started from; empty without one."""
    evidence: tuple[Mapping[str, "Evidence"], ...] = ()
    """For each arrival, the inspections behind every rate; empty where none were counted."""

    def by_name(self, index: int) -> Mapping[str, float]:
        """Return one arrival's features by their names."""
        return _Named(_places(self.names), self.values[index])


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is behind a rate (inspections, finds, the usual rate) or an index of finds (a party)."""

    finds: int
    inspections: int
    """0 where no inspection is known: the rate then is the prior alone."""
    usual: float
    """Finds per inspection to compare with; NaN where too few inspections are known."""
    is_of_post: bool
    """``usual`` is of the post in the last year; else of all posts so far."""
    party: str = ""
    """The party of the crossing whose value is stated, of an index of finds; empty for a rate."""


class _Named(Mapping[str, float]):
    """A row of features by name, without a copy: a decision reads only a few of them."""

    __slots__ = ("_places", "_row")

    def __init__(self, places: Mapping[str, int], row: Rows) -> None:
        self._places = places
        self._row = row

    def __getitem__(self, name: str) -> float:
        return float(self._row[self._places[name]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@lru_cache(maxsize=8)
def _places(names: tuple[str, ...]) -> Mapping[str, int]:
    return {name: place for place, name in enumerate(names)}


@dataclass(frozen=True, slots=True)
class Scores:
    """Calibrated probabilities, each of shape (n,), and how far they may be off."""

    p_seizure: Floats
    p_discrepancy: Floats
    seizure_between: Floats | None = None
    """95 % intervals, shape (n, 2); None where the chances tell an order and no number."""
    discrepancy_between: Floats | None = None

    def read_row(self, index: int) -> "Chances":
        """Return what is stated of one row."""
        ends = [
            None if each is None else (float(each[index, 0]), float(each[index, 1]))
            for each in (self.seizure_between, self.discrepancy_between)
        ]
        return Chances(float(self.p_seizure[index]), float(self.p_discrepancy[index]), *ends)


class Chances(NamedTuple):
    """Calibrated probabilities of one arrival, and their 95 % intervals.

    Where an interval is None the chance tells an order and no number: too few random checks found
    anything to set its level.
    """

    seizure: float
    discrepancy: float
    seizure_between: tuple[float, float] | None = None
    discrepancy_between: tuple[float, float] | None = None


class Contribution(NamedTuple):
    """Contribution of one feature to the risk of one arrival, in log-odds, and its comparison."""

    feature: str
    value: float
    """The feature's value; NaN where unknown."""
    normal: float
    """The usual value among comparable crossings; NaN where none is known."""
    log_odds: float
    among: str = ""
    """The comparable crossings: ``class post``, ``class``, ``*``; empty for those of its class."""
    evidence: Evidence | None = None
    """What is behind it; None where it is neither a rate of inspections nor an index of finds."""


class Features(Protocol):
    """Computes features of arrivals from what was known strictly before ``as_of``."""

    names: tuple[str, ...]
    digest: str
    """Digest of the definitions; a bundle fitted on others must not score these."""

    def read(
        self,
        connection: Connection,
        arrivals: Sequence[Arrival],
        *,
        as_of: Sequence[int],
        opposite_as_of: Sequence[int] | None = None,
    ) -> FeatureRows:
        """Return one row an arrival; ``as_of`` (UTC microseconds) has one cut an arrival.

        ``opposite_as_of`` has the cuts of what the opposite post recorded, where that is another.
        """
        ...

    def record(self, crossing: Crossing, declaration: Declaration | None) -> CrossingEvent:
        """Return the event of a crossing that is recorded without a decision."""
        ...

    def act(self, act: Inspection) -> ActEvent:
        """Return the event of an inspection act."""
        ...

    def post_of(self, connection: Connection, crossing_id: str) -> str | None:
        """Return the post of a crossing that was recorded or loaded; None for an unknown one."""
        ...

    def known(self, connection: Connection, crossing_ids: Iterable[str]) -> frozenset[str]:
        """Return which of these crossings were recorded or loaded."""
        ...

    def was_loaded(self, connection: Connection, name: str) -> bool:
        """Tell whether the loaded history holds an act or seizure.

        See :mod:`engine.journal.idempotency`.
        """
        ...

    def entries(
        self, connection: Connection, post: str, *, since: int, until: int
    ) -> Sequence[int]:
        """Return arrival times of known entries at a post, ``since <= t < until``, microseconds."""
        ...

    def link(self, connection: Connection, seizure: Seizure) -> str | None:
        """Return the crossing that a seizure names, else the last entry of its plate before it."""
        ...

    def find(self, connection: Connection, seizure: Seizure) -> FindEvent | None:
        """Return the event of goods found; None where they belong to no crossing."""
        ...

    def find_in(self, seizure: Seizure, crossing_id: str) -> FindEvent | None:
        """Return the find event of a seizure whose crossing is known already."""
        ...

    def searches(self, connection: Connection, event: CrossingEvent) -> SearchCounts:
        """Return searches and finds by place in vehicles similar to the one of ``event``."""
        ...


class Scorer(Protocol):
    """A model in force."""

    version: str
    definitions: str
    """Digest of the feature definitions it was fitted on."""

    def score(self, values: Rows) -> Scores:
        """Return probabilities for rows of shape (n, n_features)."""
        ...

    def tables(self, post: str) -> RiskTables:
        """Return the quantiles of both chances, of this post's entries or else of all.

        They seed the post's percentiles until its own decisions under this model outnumber them.
        """
        ...

    def explain(
        self, row: Rows, target: RankedTarget, *, vehicle_class: str, post: str
    ) -> Sequence[Contribution]:
        """Return the contributions to one row of shape (n_features,), largest magnitude first.

        They are to the log-odds of ``target``. Values are compared with what is usual for the class
        at the post.
        """
        ...


@dataclass(frozen=True, slots=True)
class SilenceLimits:
    """From which silence of a centre something follows: microseconds."""

    stale: int = HOUR
    """Longer than this, decisions say it."""
    random: int = DAY
    """Longer than this, the random share is at its upper bound; not below ``stale``."""

    def __post_init__(self) -> None:
        """Refuse a share that would rise without a word in the answer."""
        if self.random < self.stale:
            raise ValueError("link_random_hours must not be below link_stale_hours")


CUT_OFF_MINUTES = 15.0
"""Silence of a post's link from which on it counts as cut off."""


@dataclass(frozen=True, slots=True)
class PostLine:
    """The link of a post's node and its centre, as one of them sees it."""

    name: str
    is_in_force: bool
    silent_minutes: float | None
    """Since the other side was last heard; None if it never was."""
    newest: str | None = None
    """At the centre: when its node recorded what arrived here last; RFC 3339."""

    @property
    def is_cut_off(self) -> bool:
        """Tell whether what is shown of the post may be out of date."""
        silent = self.silent_minutes
        return not self.is_in_force or silent is None or silent >= CUT_OFF_MINUTES


@dataclass(slots=True)
class PostAuthority:
    """Which installation decides at a post, and for how long the other one was silent.

    Without links an installation decides at every post of its network. Times are UTC microseconds
    by the journal here, silences microseconds.
    """

    limits: SilenceLimits = field(default_factory=SilenceLimits)

    def check_post(self, connection: Connection, post: str, *, now: int) -> None:
        """Raise ``ConflictError`` if another installation decides at a post."""

    def has_centre(self, connection: Connection, post: str) -> bool:
        """Tell whether another installation governs a post at which this one decides."""
        return False

    def measure_silences(
        self, connection: Connection, posts: Iterable[str], *, now: int
    ) -> Mapping[str, int]:
        """Return for how long the centre of each post was silent, 0 for a post without one."""
        return dict.fromkeys(posts, 0)

    def measure_longest(self, connection: Connection, *, now: int) -> int:
        """Return the longest silence of a centre, 0 without one."""
        return 0

    def measure_since(self, expected: Mapping[str, int], *, now: int) -> int:
        """Return the longest silence of some links, each counted since an instant."""
        return 0

    def read_lines(self, connection: Connection, *, now: int) -> Mapping[str, PostLine]:
        """Return the line of each post whose node and centre are two installations."""
        return {}

    def note_heard(self, link: str, at: int, /) -> None:
        """Remember that the other side of a link was there after an instant."""


def open_authority(home: Home, limits: SilenceLimits) -> PostAuthority:
    """Return which installation decides at the posts of a home, by the area that knows it."""
    for area in load_areas():
        if area.authority:
            authority: PostAuthority = load_part(area.authority)(home, limits)
            return authority
    return PostAuthority(limits)
