"""Decisions and finds of the last weeks, counted once and kept for some seconds.

Counted by post, week, day of the week and hour of the post's own clocks, and by the agency of the
act, so that what one caller may see is added up from counts and no caller reads the journal again.
A decision counts at the time at which it was made, and what its act found counts there too.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, distinct, func, literal_column, select

from engine.domain.network import Network
from engine.domain.records import is_papers_only
from engine.domain.time_units import DAY, MINUTE, micros, moment
from engine.domain.time_zones import open_time_zone
from engine.journal.entries import JournalRecord
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import FIND_CONFIRMED, INSPECTION, SEIZURE
from engine.queue.corrections import Corrections, read_stated
from engine.queue.queue import DECISIONS
from engine.queue.reviews import REVIEWS
from engine.selection.policy import Channel
from engine.storage.database import Store, split_in_slices

WEEKS = 8
"""Weeks that are counted, the running one included."""
KEPT_SECONDS = 15.0
"""How long a count is used again."""
_AT_ONCE = 500
"""Acts that one statement reads, by their numbers: a plan that both stores find."""
_QUARTER = 15 * MINUTE
"""Every time zone is a whole number of quarters of an hour from UTC."""
_D, _R = DECISIONS.c, REVIEWS.c


class Slot(NamedTuple):
    """An hour of the post's own clocks in one week."""

    week: date
    """Its Monday."""
    weekday: int
    """1 is Monday."""
    hour: int


class DecisionCell(NamedTuple):
    """Decisions of one post in one hour that stand in one channel."""

    post: str
    slot: Slot
    channel: Channel


class ActCell(NamedTuple):
    """Acts of one agency that answered decisions of one post and hour."""

    post: str
    agency: str | None
    slot: Slot
    is_random: bool
    """The random stream sent the vehicle."""


@dataclass(slots=True)
class ActCounts:
    """What some acts found."""

    inspected: int = 0
    """By an act that could find something."""
    papers_only: int = 0
    hits: int = 0
    seizures: int = 0

    def add_act(self, outcome: str, *, is_full: bool) -> None:
        """Count one act; a full one could have found something."""
        self.papers_only += not is_full
        self.inspected += is_full
        self.hits += is_full and outcome != "clear"
        self.seizures += is_full and outcome == "seizure"

    def add(self, other: "ActCounts") -> None:
        """Count what others counted."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))


class PlaceCell(NamedTuple):
    """One place of one vehicle class, as acts or seizures of an agency at a post name it."""

    post: str
    agency: str | None
    vehicle_class: str
    place: str


@dataclass(slots=True)
class NetworkHistory:
    """Counts of the last weeks at all posts."""

    counted_at: int
    """UTC microseconds."""
    weeks: tuple[date, ...]
    """Their Mondays, the oldest first."""
    decisions: Counter[DecisionCell] = field(default_factory=Counter)
    acts: dict[ActCell, ActCounts] = field(default_factory=lambda: defaultdict(ActCounts))
    delays: dict[tuple[str, str | None], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Minutes from the decision to the act where nothing was found, by post and agency."""
    overrides: Counter[str] = field(default_factory=Counter)
    """Decisions that a supervisor overrode, by post."""
    searched: Counter[PlaceCell] = field(default_factory=Counter)
    """Acts that searched a place."""
    found: Counter[PlaceCell] = field(default_factory=Counter)
    """Seizures in a place."""
    last: dict[str, int] = field(default_factory=dict)
    """When the last decision of each post was made."""


@dataclass(frozen=True, slots=True)
class _CachedHistory:
    """A count, and when it was made by the monotonic clock."""

    at: float
    history: NetworkHistory


_KEPT: WeakKeyDictionary[Store, _CachedHistory] = WeakKeyDictionary()
_LOCK = Lock()


def read_history(
    store: Store, snapshot: Connection, network: Network, *, now: int
) -> NetworkHistory:
    """Return the counts of a store, at most ``KEPT_SECONDS`` old; one caller at a time counts."""
    with _LOCK:
        kept = _KEPT.get(store)
        if kept is None or time.monotonic() - kept.at >= KEPT_SECONDS:
            began = time.monotonic()
            kept = _KEPT[store] = _CachedHistory(began, count_history(snapshot, network, now=now))
        return kept.history


def count_history(snapshot: Connection, network: Network, *, now: int) -> NetworkHistory:
    """Count what was decided and found in the last weeks, by each post's own clocks."""
    calendar = _PostCalendar(network)
    newest = max(calendar.monday(now, post) for post in (*network.posts, ""))
    weeks = tuple(newest - timedelta(weeks=back) for back in reversed(range(WEEKS)))
    since = micros(datetime.fromisoformat(f"{weeks[0]}T00:00:00+00:00")) - DAY
    found = NetworkHistory(now, weeks)
    _count_decisions(snapshot, found, calendar, since=since)
    _count_acts(snapshot, found, calendar, since=since)
    overridden = (
        select(_R.post, func.count(distinct(_R.decision_id)))
        .where(_R.verdict == "override", _R.known_at >= since)
        .group_by(_R.post)
    )
    found.overrides.update({row[0]: row[1] for row in snapshot.execute(overridden)})
    return found


class _PostCalendar:
    """Hours of the posts' own clocks."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._slots: dict[tuple[str, int], Slot] = {}

    def slot(self, instant: int, post: str) -> Slot:
        """Return the hour that a time falls into."""
        key = self._network.timezone(post), instant // _QUARTER
        found = self._slots.get(key)
        if found is None:
            local = moment(key[1] * _QUARTER).astimezone(open_time_zone(key[0]))
            monday = local.date() - timedelta(days=local.weekday())
            found = self._slots[key] = Slot(monday, local.isoweekday(), local.hour)
        return found

    def monday(self, instant: int, post: str) -> date:
        """Return the Monday of the week that a time falls into."""
        return self.slot(instant, post).week


def _count_decisions(
    snapshot: Connection, found: NetworkHistory, calendar: _PostCalendar, *, since: int
) -> None:
    quarter: ColumnElement[int] = literal_column(f"known_at / {_QUARTER}")
    query = (
        select(_D.post, quarter, _D.channel, func.count(), func.max(_D.known_at))
        .where(_D.known_at >= since)
        .group_by(_D.post, quarter, _D.channel)
    )
    for post, number, channel, count, last in snapshot.execute(query):
        found.last[post] = max(last, found.last.get(post, 0))
        slot = calendar.slot(number * _QUARTER, post)
        if slot.week >= found.weeks[0]:
            found.decisions[DecisionCell(post, slot, Channel(channel))] += count


def _count_acts(
    snapshot: Connection, found: NetworkHistory, calendar: _PostCalendar, *, since: int
) -> None:
    query = select(_D.act_seq, _D.post, _D.known_at, _D.basis, _D.vehicle_class, _D.crossing_id)
    answered = query.where(_D.known_at >= since, _D.act_seq.is_not(None))
    decided: dict[int, Any] = {row.act_seq: row for row in snapshot.execute(answered)}
    searched: dict[str, Any] = {}
    for record, act in _read_acts(snapshot, sorted(decided)):
        row = decided[record.seq]
        slot = calendar.slot(row.known_at, row.post)
        if slot.week < found.weeks[0]:
            continue
        searched[row.crossing_id] = row
        agency, outcome = act.get("agency"), act["outcome"]
        is_full = not is_papers_only(act.get("methods"))
        found.acts[ActCell(row.post, agency, slot, row.basis == "random")].add_act(
            outcome, is_full=is_full
        )
        if outcome == "clear":
            minutes = (record.known_at - row.known_at) / MINUTE
            found.delays[row.post, agency].append(minutes)
        for place in act.get("places_searched", ()):
            found.searched[PlaceCell(row.post, agency, row.vehicle_class, place)] += 1
    for seizure, row in _read_seizures(snapshot, searched, since=since):
        cell = PlaceCell(row.post, seizure.get("agency"), row.vehicle_class, seizure["place"])
        found.found[cell] += 1


def _read_acts(
    snapshot: Connection, seqs: Sequence[int]
) -> Iterator[tuple[JournalRecord[Any], Mapping[str, Any]]]:
    """Yield the records of acts by their numbers, with the act as it was last stated."""
    reader, corrections = JournalReader(snapshot), Corrections(snapshot)
    for some in split_in_slices(seqs, _AT_ONCE):
        for record in reader.records(INSPECTION, where=[JOURNAL.c.seq.in_(some)]):
            body = corrections.read(record.seq, record.body)
            if body is not None:
                yield record, body["inspection"]


def _read_seizures(
    snapshot: Connection, searched: Mapping[str, Any], *, since: int
) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Yield the seizures that name a place, each with the decision of the vehicle searched."""
    later = [JOURNAL.c.known_at >= since]
    for record in read_stated(snapshot, SEIZURE, FIND_CONFIRMED, where=later):
        row = searched.get(record.body["linked_crossing_id"] or "")
        if row is not None and record.body["seizure"].get("place"):
            yield record.body["seizure"], row
