"""The overview of all posts for one caller: where they stand, and what the last weeks found.

Where posts stand is read for each request. What the weeks decided and found is counted once for all
callers and kept for some seconds: by post, week, day of the week and hour of the post's own clocks,
and by the agency of the act, so that what one caller may see is added up from counts and no caller
reads the journal again. A decision counts at the time at which it was made, and what its act found
counts there too.

Acts, seizures and posts that the caller's agency does not see are left out, of sums too. Rates are
of acts that could find something, as in the shift report.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, distinct, func, literal_column, select

from api.auth.callers import Caller
from api.http.answers import Answer, Date, Time
from api.service.runtime import Runtime
from api.shifts.answers import Median
from api.shifts.readers import median
from engine.criteria.policy import read_policy
from engine.domain.network import Network, open_time_zone
from engine.domain.records import is_papers_only
from engine.domain.rights import Matter
from engine.domain.time_units import DAY, MINUTE, micros, moment, rfc3339
from engine.journal.entries import JournalRecord
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import FIND_CONFIRMED, INSPECTION, SEIZURE
from engine.ports import PostLine
from engine.queue.corrections import Corrections, read_stated
from engine.queue.queue import DECISIONS, WaitingCount, count_waiting
from engine.queue.reviews import REVIEWS
from engine.selection import Channel, ChannelCode
from engine.shifts.period_counts import read_minutes, read_repeats
from engine.shifts.workload import picks
from engine.storage.database import Store, split_in_slices
from models.statistics.intervals import Estimate, share

PostState = Literal["open", "full", "cut_off", "no_data"]
"""Full is a post without minutes left for physical inspection, cut off one whose link is silent or
not in force, and without data one that decided nothing in the weeks that are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPost(Answer):
    """One post: where it stands now, and what the weeks counted decided and found there."""

    post: str
    name: str
    country: str | None
    kind: str | None
    """``road`` or ``rail``; null, as the country, for a post in no network file."""
    lat: float | None
    lon: float | None
    pair: str | None
    """The opposite post, where the network file names it."""
    timezone: str
    state: PostState
    waiting_red: int
    waiting_yellow: int
    waiting_since: Time | None
    """When the first of the vehicles that wait was decided on; null where none waits."""
    roster_minutes: float | None
    """Of the running shift, all channels; null without a roster."""
    used_minutes: float
    """Of the acts of the running shift, as stated or else as expected."""
    needed_minutes: float
    """Expected of the vehicles that wait, whenever they were decided on."""
    decisions: int
    """Vehicles decided on; one that was decided on again counts once."""
    inspected: int
    hits: int
    hit_rate: Estimate
    """Of all inspections."""
    random_hit_rate: Estimate
    """Of the random stream alone: what ordinary traffic carries."""
    delay_of_lawful: Median
    overrides: int | None
    """Decisions overridden; null for a caller who does not see reviews of every agency."""
    last_decision_at: Time | None
    """Null where none was made in the weeks counted."""
    link: str | None
    """The link of the post's own node, or of this node to its centre."""
    silent_minutes: float | None
    """Since that link last brought something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkMinutes(Answer):
    """Minutes of one channel of a post in its running shift."""

    post: str
    channel: ChannelCode
    roster: float | None
    vehicles: int
    """Sent to the channel in the shift."""
    used: float
    """Minutes of the acts of the shift, as stated or else as expected."""
    needed: float
    """Expected minutes of the vehicles that wait, whenever they came."""
    lost: float
    """Minutes of the roster that nobody can work before the shift ends."""
    left: float | None
    """What is left of the roster; negative where minutes are missing, None without a roster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkWeek(Answer):
    """One week of a post, from Monday by the post's own clocks; the last week still runs."""

    post: str | None
    """Null for all posts together."""
    week: Date
    """Its Monday."""
    decisions: int
    inspected: int
    hits: int
    seizures: int
    hit_rate: Estimate
    random_inspected: int
    random_hits: int
    random_hit_rate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkHour(Answer):
    """One hour of one day of the week with arrivals, by the post's own clocks."""

    post: str
    weekday: int
    """1 is Monday."""
    hour: int
    arrivals: int
    """Decisions made in the hour."""
    inspected: int
    hits: int
    """Of these arrivals, whenever they were searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFunnel(Answer):
    """What became of the arrivals of a post."""

    post: str | None
    """Null for all posts together."""
    arrivals: int
    green: int
    """Where each vehicle was last sent, by the engine or a supervisor."""
    blue: int
    yellow: int
    red: int
    inspected: int
    papers_only: int
    hits: int
    seizures: int


@dataclass(frozen=True, slots=True)
class NetworkPlace(Answer):
    """One place of a vehicle class: how often it was searched, and things were seized there."""

    vehicle_class: str
    place: str
    searched: int
    seizures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOverview(Answer):
    """All posts that the caller reaches."""

    tables = ("posts", "minutes", "weeks", "hours", "funnel", "places")
    as_of: Time
    counted_at: Time
    """When weeks, hours, funnel and places were counted: at most some seconds before."""
    since: Date
    """The first Monday of the weeks that are counted."""
    synthetic: bool
    posts: list[NetworkPost]
    minutes: list[NetworkMinutes]
    weeks: list[NetworkWeek]
    hours: list[NetworkHour]
    funnel: list[NetworkFunnel]
    places: list[NetworkPlace]


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

    @property
    def hit_rate(self) -> Estimate:
        """Finds of these acts, of the inspected."""
        return share(self.hits, self.inspected)

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
    """Count the vehicles that were decided on, each once."""
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
    for group, post, known_at in read_repeats(snapshot, _D.known_at >= since):
        cell = DecisionCell(post, calendar.slot(known_at, post), Channel(group.channel))
        found.decisions[cell] -= cell in found.decisions


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


@dataclass(slots=True)
class _PostCounts:
    """What a caller sees of the counts of one post, or of all posts that they reach."""

    decisions: Counter[Channel] = field(default_factory=Counter)
    by_week: Counter[Any] = field(default_factory=Counter)
    by_hour: Counter[tuple[int, int]] = field(default_factory=Counter)
    acts: ActCounts = field(default_factory=ActCounts)
    random: ActCounts = field(default_factory=ActCounts)
    acts_of_week: dict[Any, ActCounts] = field(default_factory=lambda: defaultdict(ActCounts))
    random_of_week: dict[Any, ActCounts] = field(default_factory=lambda: defaultdict(ActCounts))
    acts_of_hour: dict[tuple[int, int], ActCounts] = field(
        default_factory=lambda: defaultdict(ActCounts)
    )
    delays: list[float] = field(default_factory=list)


def overview(service: Runtime, caller: Caller) -> NetworkOverview:
    """Return the overview of the posts that a caller reaches."""
    network = service.network
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
        waiting = count_waiting(snapshot, as_of=now)
        links = service.posts.read_lines(snapshot, now=now)
        history = read_history(service.store, snapshot, network, now=now)
        codes = sorted({*network.posts, *history.last, *waiting})
        posts = [one for one in codes if caller.reaches(one) and caller.sees_post(one)]
        minutes = [
            row
            for post in posts
            for row in _read_minutes(service, snapshot, post, waiting.get(post, {}), now=now)
        ]
    seen, total = _add_up(history, posts, caller)
    scopes = [*((post, seen[post]) for post in posts), (None, total)]
    sees_reviews = caller.sees_all(Matter.REVIEWS)
    return NetworkOverview(
        as_of=rfc3339(now),
        counted_at=rfc3339(history.counted_at),
        since=history.weeks[0].isoformat(),
        synthetic=network.synthetic,
        posts=[
            NetworkPost(
                **_describe_place(network, post),
                **_describe_standing(
                    waiting.get(post, {}),
                    [row for row in minutes if row.post == post],
                    link=links.get(post),
                    last=history.last.get(post),
                ),
                decisions=seen[post].decisions.total(),
                inspected=seen[post].acts.inspected,
                hits=seen[post].acts.hits,
                hit_rate=seen[post].acts.hit_rate,
                random_hit_rate=seen[post].random.hit_rate,
                delay_of_lawful=median(sorted(seen[post].delays)),
                overrides=history.overrides[post] if sees_reviews else None,
            )
            for post in posts
        ],
        minutes=minutes,
        weeks=[row for post, one in scopes for row in _list_weeks(history, post, one)],
        hours=[row for post in posts for row in _list_hours(post, seen[post])],
        funnel=[_describe_funnel(post, one) for post, one in scopes],
        places=_list_places(history, posts, caller),
    )


def _add_up(
    history: NetworkHistory, posts: Sequence[str], caller: Caller
) -> tuple[Mapping[str, _PostCounts], _PostCounts]:
    """Return what a caller sees of the counts, by post and altogether."""
    seen, total = {post: _PostCounts() for post in posts}, _PostCounts()
    for cell, number in history.decisions.items():
        if cell.post in seen:
            for one in (seen[cell.post], total):
                one.decisions[cell.channel] += number
                one.by_week[cell.slot.week] += number
                one.by_hour[cell.slot.weekday, cell.slot.hour] += number
    for act, counts in history.acts.items():
        if act.post in seen and _sees_acts(caller, act.agency):
            _add_acts(seen[act.post], act, counts)
            _add_acts(total, act, counts)
    for (post, agency), delays in history.delays.items():
        if post in seen and _sees_acts(caller, agency):
            seen[post].delays += delays
    return seen, total


def _add_acts(one: _PostCounts, cell: ActCell, counts: ActCounts) -> None:
    sums = [one.acts, one.acts_of_week[cell.slot.week]]
    sums.append(one.acts_of_hour[cell.slot.weekday, cell.slot.hour])
    if cell.is_random:
        sums += [one.random, one.random_of_week[cell.slot.week]]
    for each in sums:
        each.add(counts)


def _sees_acts(caller: Caller, agency: str | None) -> bool:
    return caller.covers(agency) and caller.sees(Matter.ACTS, agency)


def _describe_place(network: Network, post: str) -> dict[str, Any]:
    """Return the fields of a :class:`NetworkPost` that say where it is."""
    known = network.posts.get(post)
    return {
        "post": post,
        "name": "" if known is None else known.name,
        "country": None if known is None else known.country,
        "kind": None if known is None else known.kind,
        "lat": None if known is None else known.lat,
        "lon": None if known is None else known.lon,
        "pair": network.pair(post),
        "timezone": network.timezone(post),
    }


def _describe_standing(
    waiting: Mapping[Channel, WaitingCount],
    minutes: Sequence[NetworkMinutes],
    *,
    link: PostLine | None,
    last: int | None,
) -> dict[str, Any]:
    """Return the fields of a :class:`NetworkPost` that say where it stands now."""
    rosters = [row.roster for row in minutes if row.roster is not None]
    red = next(row for row in minutes if row.channel == Channel.RED.code)
    state = "open"
    if link is not None and link.is_cut_off:
        state = "cut_off"
    elif last is None:
        state = "no_data"
    elif red.left is not None and red.left <= 0.0:
        state = "full"
    red_waiting, yellow_waiting = (waiting.get(one) for one in (Channel.RED, Channel.YELLOW))
    oldest = min((one.oldest for one in waiting.values()), default=None)
    return {
        "state": state,
        "waiting_red": red_waiting.vehicles if red_waiting else 0,
        "waiting_yellow": yellow_waiting.vehicles if yellow_waiting else 0,
        "waiting_since": None if oldest is None else rfc3339(oldest),
        "roster_minutes": sum(rosters) if rosters else None,
        "used_minutes": sum(row.used for row in minutes),
        "needed_minutes": sum(one.minutes for one in waiting.values()),
        "last_decision_at": None if last is None else rfc3339(last),
        "link": None if link is None else link.name,
        "silent_minutes": None if link is None else link.silent_minutes,
    }


def _list_weeks(history: NetworkHistory, post: str | None, seen: _PostCounts) -> list[NetworkWeek]:
    found = []
    for week in history.weeks:
        acts, random = seen.acts_of_week[week], seen.random_of_week[week]
        found.append(
            NetworkWeek(
                post=post,
                week=week.isoformat(),
                decisions=seen.by_week[week],
                inspected=acts.inspected,
                hits=acts.hits,
                seizures=acts.seizures,
                hit_rate=acts.hit_rate,
                random_inspected=random.inspected,
                random_hits=random.hits,
                random_hit_rate=random.hit_rate,
            )
        )
    return found


def _list_hours(post: str, seen: _PostCounts) -> list[NetworkHour]:
    return [
        NetworkHour(
            post=post,
            weekday=weekday,
            hour=hour,
            arrivals=number,
            inspected=seen.acts_of_hour[weekday, hour].inspected,
            hits=seen.acts_of_hour[weekday, hour].hits,
        )
        for (weekday, hour), number in sorted(seen.by_hour.items())
    ]


def _describe_funnel(post: str | None, seen: _PostCounts) -> NetworkFunnel:
    channels: dict[str, int] = {one.code: seen.decisions[one] for one in Channel}
    return NetworkFunnel(
        post=post,
        arrivals=seen.decisions.total(),
        inspected=seen.acts.inspected,
        papers_only=seen.acts.papers_only,
        hits=seen.acts.hits,
        seizures=seen.acts.seizures,
        **channels,
    )


def _list_places(
    history: NetworkHistory, posts: Sequence[str], caller: Caller
) -> list[NetworkPlace]:
    searched: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    for cell, number in history.searched.items():
        if cell.post in posts and _sees_acts(caller, cell.agency):
            searched[cell.vehicle_class, cell.place] += number
    for cell, number in history.found.items():
        if cell.post in posts and caller.sees(Matter.SEIZURES, cell.agency):
            found[cell.vehicle_class, cell.place] += number
    return [
        NetworkPlace(
            vehicle_class, place, searched[vehicle_class, place], found[vehicle_class, place]
        )
        for vehicle_class, place in sorted({*searched, *found})
    ]


def _read_minutes(
    service: Runtime,
    snapshot: Connection,
    post: str,
    waiting: Mapping[Channel, WaitingCount],
    *,
    now: int,
) -> list[NetworkMinutes]:
    """Return the minutes of a post's running shift, of red first."""
    shift = read_policy(snapshot).plan_shifts(service.network).shift(post, now)
    rows = picks(snapshot, post, shift.opens_at)
    return [
        NetworkMinutes(
            post=post,
            channel=channel.code,
            roster=one.roster,
            vehicles=sum(row.decisions for row in rows if row.channel == channel),
            used=one.used,
            needed=one.needed,
            lost=one.lost,
            left=one.left,
        )
        for channel, one in read_minutes(snapshot, shift, service.network, waiting, now=now).items()
    ]
