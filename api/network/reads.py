"""Overview of all posts for one caller: where they stand, and what the last weeks found.

Where posts stand is read for each request; what the weeks decided and found is counted once for all
callers (:mod:`api.network.history`). Acts, seizures and posts that the caller's agency does not see
are left out, of sums too. Rates are of acts that could find something, as in the shift's report.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, literal_column, select

from api.auth.callers import Caller
from api.network.history import ActCell, ActCounts, NetworkHistory, read_history
from api.service.runtime import Runtime
from api.shifts.reads import median
from engine.decision.inspection_minutes import CHANNEL_STEP
from engine.domain.rights import Matter
from engine.domain.time_units import DAY, rfc3339
from engine.ports import PostLine
from engine.queue.queue import DECISIONS
from engine.selection.policy import INSPECTED, Channel
from engine.shifts.rosters import read_roster
from engine.shifts.running_totals import picks
from engine.shifts.workload import METHODS
from models.statistics.intervals import share

_D = DECISIONS.c


@dataclass(slots=True)
class _WaitingCounts:
    """The vehicles that wait at a post."""

    of: Counter[Channel] = field(default_factory=Counter)
    oldest: int | None = None
    """When the first of them was decided on."""


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


def overview(service: Runtime, caller: Caller) -> dict[str, Any]:
    """Return the overview of the posts that a caller reaches, as JSON values."""
    network = service.network
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
        waiting = _read_waiting(snapshot, now=now)
        links = service.posts.read_lines(snapshot, now=now)
        history = read_history(service.store, snapshot, network, now=now)
        codes = sorted({*network.posts, *history.last, *waiting})
        posts = [one for one in codes if caller.reaches(one) and caller.sees_post(one)]
        minutes = [row for post in posts for row in _read_minutes(service, snapshot, post, now=now)]
    seen, total = _add_up(history, posts, caller)
    scopes = [*((post, seen[post]) for post in posts), (None, total)]
    return {
        "as_of": rfc3339(now),
        "counted_at": rfc3339(history.counted_at),
        "since": history.weeks[0].isoformat(),
        "synthetic": network.synthetic,
        "posts": [
            _describe_place(service, post)
            | _describe_standing(
                waiting.get(post, _WaitingCounts()),
                [row for row in minutes if row["post"] == post],
                link=links.get(post),
                last=history.last.get(post),
            )
            | _describe_finds(seen[post])
            | {"overrides": history.overrides[post] if caller.sees_all(Matter.REVIEWS) else None}
            for post in posts
        ],
        "minutes": minutes,
        "weeks": [row for post, one in scopes for row in _list_weeks(history, post, one)],
        "hours": [row for post in posts for row in _list_hours(post, seen[post])],
        "funnel": [_describe_funnel(post, one) for post, one in scopes],
        "places": _list_places(history, posts, caller),
    }


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


def _describe_place(service: Runtime, post: str) -> dict[str, Any]:
    network = service.network
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
    waiting: _WaitingCounts,
    minutes: Sequence[Mapping[str, Any]],
    *,
    link: PostLine | None,
    last: int | None,
) -> dict[str, Any]:
    """Return where a post stands now."""
    rosters = [row["roster"] for row in minutes if row["roster"] is not None]
    red = next(row for row in minutes if row["channel"] == Channel.RED.code)
    state = "open"
    if link is not None and link.is_cut_off:
        state = "cut_off"
    elif last is None:
        state = "no_data"
    elif red["left"] is not None and red["left"] <= 0.0:
        state = "full"
    oldest = waiting.oldest
    return {
        "state": state,
        "waiting_red": waiting.of[Channel.RED],
        "waiting_yellow": waiting.of[Channel.YELLOW],
        "waiting_since": None if oldest is None else rfc3339(oldest),
        "roster_minutes": sum(rosters) if rosters else None,
        "used_minutes": sum(row["used"] for row in minutes),
        "last_decision_at": None if last is None else rfc3339(last),
        "link": None if link is None else link.name,
        "silent_minutes": None if link is None else link.silent_minutes,
    }


def _describe_finds(seen: _PostCounts) -> dict[str, Any]:
    return {
        "decisions": seen.decisions.total(),
        "inspected": seen.acts.inspected,
        "hits": seen.acts.hits,
        "hit_rate": share(seen.acts.hits, seen.acts.inspected).as_dict(),
        "random_hit_rate": share(seen.random.hits, seen.random.inspected).as_dict(),
        "delay_of_lawful": median(sorted(seen.delays)),
    }


def _list_weeks(
    history: NetworkHistory, post: str | None, seen: _PostCounts
) -> list[dict[str, Any]]:
    found = []
    for week in history.weeks:
        acts, random = seen.acts_of_week[week], seen.random_of_week[week]
        found.append(
            {
                "post": post,
                "week": week.isoformat(),
                "decisions": seen.by_week[week],
                "inspected": acts.inspected,
                "hits": acts.hits,
                "seizures": acts.seizures,
                "hit_rate": share(acts.hits, acts.inspected).as_dict(),
                "random_inspected": random.inspected,
                "random_hits": random.hits,
                "random_hit_rate": share(random.hits, random.inspected).as_dict(),
            }
        )
    return found


def _list_hours(post: str, seen: _PostCounts) -> list[dict[str, Any]]:
    return [
        {
            "post": post,
            "weekday": weekday,
            "hour": hour,
            "arrivals": number,
            "inspected": seen.acts_of_hour[weekday, hour].inspected,
            "hits": seen.acts_of_hour[weekday, hour].hits,
        }
        for (weekday, hour), number in sorted(seen.by_hour.items())
    ]


def _describe_funnel(post: str | None, seen: _PostCounts) -> dict[str, Any]:
    return {
        "post": post,
        "arrivals": seen.decisions.total(),
        **{channel.code: seen.decisions[channel] for channel in Channel},
        "inspected": seen.acts.inspected,
        "papers_only": seen.acts.papers_only,
        "hits": seen.acts.hits,
        "seizures": seen.acts.seizures,
    }


def _list_places(
    history: NetworkHistory, posts: Sequence[str], caller: Caller
) -> list[dict[str, Any]]:
    searched: Counter[tuple[str, str]] = Counter()
    found: Counter[tuple[str, str]] = Counter()
    for cell, number in history.searched.items():
        if cell.post in posts and _sees_acts(caller, cell.agency):
            searched[cell.vehicle_class, cell.place] += number
    for cell, number in history.found.items():
        if cell.post in posts and caller.sees(Matter.SEIZURES, cell.agency):
            found[cell.vehicle_class, cell.place] += number
    return [
        {
            "vehicle_class": vehicle_class,
            "place": place,
            "searched": searched[vehicle_class, place],
            "seizures": found[vehicle_class, place],
        }
        for vehicle_class, place in sorted({*searched, *found})
    ]


def _read_minutes(
    service: Runtime, snapshot: Connection, post: str, *, now: int
) -> list[dict[str, Any]]:
    """Return the minutes of a post's running shift, of red first."""
    shift = service.settings.shifts_of(service.network).shift(post, now)
    roster = read_roster(snapshot, post, service.network).minutes
    rows = picks(snapshot, post, shift.opens_at)
    found = []
    for channel in reversed(INSPECTED):
        known = [roster[method] for method in METHODS[channel] if method in roster]
        here = [row for row in rows if row.channel == channel]
        used = sum(row.minutes for row in here)
        found.append(
            {
                "post": post,
                "channel": channel.code,
                "roster": sum(known) if known else None,
                "vehicles": sum(row.decisions for row in here),
                "used": used,
                "left": sum(known) - used if known else None,
            }
        )
    return found


def _read_waiting(snapshot: Connection, *, now: int) -> dict[str, _WaitingCounts]:
    """Return the vehicles that wait, by post."""
    channel: ColumnElement[int] = literal_column(f"place / {CHANNEL_STEP}")
    query = (
        select(_D.post, channel, func.count(), func.min(_D.known_at))
        .where(literal_column("decisions.waiting"), _D.known_at >= now - DAY)
        .group_by(_D.post, channel)
    )
    found: dict[str, _WaitingCounts] = defaultdict(_WaitingCounts)
    for post, code, number, oldest in snapshot.execute(query):
        one = found[post]
        one.of[Channel(code)] += number
        one.oldest = oldest if one.oldest is None else min(one.oldest, oldest)
    return found
