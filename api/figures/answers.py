"""Figures of a period, each beside the same figure of the period before.

Acts count in the period in which they were filed, as in the work of a shift report; vehicles, and
what sent them to officers, in the one in which they were decided on, as in its rates. A day is
that of the post's own clocks. Acts, seizures and posts that the caller's agency does not see are
left out, of sums too. What the other side of a link searched at its own posts is in shift reports
alone.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, cast, get_args

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.http.answers import Answer, Time
from api.http.periods import PeriodAsked
from api.service.runtime import Runtime
from api.shifts.answers import ClassFigures, Stream, TakenGoods
from api.shifts.readers import STREAMS, sum_goods
from engine.domain.goods import class_of
from engine.domain.records import DiscrepancyKind, SubstanceClass, is_papers_only
from engine.domain.rights import Matter
from engine.domain.time_units import MINUTE, rfc3339
from engine.selection import RANDOM, Channel, ChannelCode
from engine.shifts.period_counts import (
    Span,
    Stage,
    StageGroup,
    count_stage,
    count_vehicles,
    list_acts,
    list_goods,
    list_posts,
)
from models.statistics.intervals import Estimate, adjust_chances, compare_counts, share

Figure = Literal["post", "corridor", "vehicle_class", "method", "place", "goods_class"]
Conclusion = Literal["new", "more", "fewer", "same", "not_knowable"]
SURE = 0.05
"""Adjusted chance below which a difference is stated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodSums(Answer):
    """What a period decided, searched and found."""

    since: Time
    until: Time
    """Not included."""
    decisions: int
    """Vehicles decided on."""
    channels: dict[ChannelCode, int]
    """Where the engine sent them."""
    standing: dict[ChannelCode, int]
    """Where they stand, after the verdicts of supervisors."""
    inspected: int
    """By an act that could find something."""
    papers_only: int
    hits: int
    """Acts that found something."""
    seizures: int
    minutes: float
    """As acts reported them; ``acts_with_minutes`` did."""
    acts_with_minutes: int
    kinds: dict[DiscrepancyKind, int]
    """Acts by what differed; one act can have several kinds."""
    duties: dict[str, float]
    """Duty and fine assessed, by currency."""
    random_hit_rate: Estimate
    """Of the vehicles that the random stream sent: what ordinary traffic carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodStream(Answer):
    """What came of the vehicles that one thing sent to officers."""

    stream: Stream
    sent: int
    inspected: int
    hits: int
    """Of the inspected."""
    seizures: int
    hit_rate: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureRow(Answer):
    """Searches and finds of one post, corridor, class, method or place, against the period before.

    ``searched`` are acts that say something of the goods: those that could find something, or did.
    Of a method or a place they name it; of a class of goods they are all.
    """

    figure: Figure
    code: str
    """A corridor is two countries, ``TJ>UZ``; empty where the declaration does not name both."""
    searched: int
    finds: int
    """Acts that found something; of a place and a class of goods, seizures."""
    before_searched: int
    before_finds: int
    chance: float | None
    """That so large a difference of finds comes of the same rate, adjusted for the number of rows;
    null where one of the periods has no search."""
    conclusion: Conclusion
    """``same``: the periods cannot be told apart. ``not_knowable``: nor could they be, as one of
    them has no search in the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTime(Answer):
    """How long vehicles took for a stage of their way, in whole minutes."""

    stage: Stage
    of: Literal["all", "post", "channel", "vehicle_class", "known_trader"]
    code: str
    """Of a known trader ``yes`` or ``no``; empty for all vehicles."""
    vehicles: int
    """That were through."""
    waiting: int
    """That still wait."""
    longest: int | None
    """Of these, the one that waits longest; null where none waits."""
    not_recorded: int
    """That neither wait nor have an act or a release on record."""
    median: int | None
    """Of all of these, as the next two; null where it lies among those that are not through."""
    within_90: int | None
    """Minutes within which 90 of 100 vehicles were through."""
    within_95: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodFigures(Answer):
    """The figures of a period."""

    tables = ("breakdown", "release_times", "streams", "goods")
    post: str | None
    """Null for all posts that the caller reaches."""
    timezone: str | None
    """Of the post's clocks; null for posts with several."""
    stated_at: str | None
    """The post by whose clocks both periods begin and end here; each counts its own days."""
    as_of: Time
    is_running: bool
    synthetic: bool
    period: PeriodSums
    before: PeriodSums
    """The period before: as many months where the period is whole months, else as long."""
    streams: list[PeriodStream]
    goods: list[ClassFigures]
    """What the acts filed in the period seized, by class and unit."""
    breakdown: list[FigureRow]
    release_times: list[ReleaseTime]
    """Of the vehicles decided on in the period."""


@dataclass(slots=True)
class _StreamSums:
    sent: int = 0
    inspected: int = 0
    hits: int = 0
    seizures: int = 0


@dataclass(slots=True)
class _Times:
    """How long vehicles took for a stage, and those that did not end it."""

    minutes: Counter[int] = field(default_factory=Counter)
    waiting: int = 0
    longest: int | None = None
    not_recorded: int = 0

    def add(self, group: StageGroup, *, now: int) -> None:
        """Count vehicles that are alike."""
        if group.minutes is not None:
            self.minutes[group.minutes] += group.vehicles
        elif group.waits:
            self.waiting += group.vehicles
            self.longest = max(self.longest or 0, (now - group.began) // MINUTE)
        else:
            self.not_recorded += group.vehicles


@dataclass(slots=True)
class _Sums:
    """What a caller sees of a period at some posts."""

    channels: Counter[int] = field(default_factory=Counter)
    standing: Counter[int] = field(default_factory=Counter)
    streams: dict[str, _StreamSums] = field(default_factory=lambda: defaultdict(_StreamSums))
    evidence: int = 0
    """Acts that say something of the goods."""
    inspected: int = 0
    papers_only: int = 0
    hits: int = 0
    seizures: int = 0
    minutes: list[float] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    duties: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    searched: Counter[tuple[Figure, str]] = field(default_factory=Counter)
    finds: Counter[tuple[Figure, str]] = field(default_factory=Counter)
    goods: list[TakenGoods] = field(default_factory=list)

    def add(self, snapshot: Connection, caller: Caller, span: Span) -> None:
        """Count a period at one post."""
        for group in count_vehicles(snapshot, span):
            is_seen = _sees_act(caller, group.agency)
            hidden = group._replace(agency=None, outcome=None, methods=None, act_basis=None)
            self._add_vehicles(group if is_seen else hidden)
        for act in list_acts(snapshot, span):
            if _sees_act(caller, act.agency):
                self._add_act(act, span.post)
        for goods in list_goods(snapshot, span):
            is_seen = caller.sees(Matter.SEIZURES, goods.agency)
            if is_seen and _sees_act(caller, goods.act_agency):
                self._add_goods(goods)

    def _add_vehicles(self, group: Any) -> None:
        count = group.vehicles
        self.channels[group.sent] += count
        self.standing[group.channel] += count
        if (stream := group.stream) is None:
            return
        sums = self.streams[stream]
        sums.sent += count
        if group.outcome is None or is_papers_only(split_codes(group.methods)):
            return
        sums.inspected += count
        sums.hits += count * (group.outcome != "clear")
        sums.seizures += count * (group.outcome == "seizure")

    def _add_act(self, act: Any, post: str) -> None:
        methods, is_hit = split_codes(act.methods), act.outcome != "clear"
        is_full = not is_papers_only(methods)
        self.inspected += is_full
        self.papers_only += not is_full
        self.hits += is_hit
        self.seizures += act.outcome == "seizure"
        self.minutes += [] if act.minutes is None else [act.minutes]
        self.kinds.update(set(split_codes(act.kinds)))
        if act.currency is not None:
            self.duties[act.currency] += act.duty or 0.0
        if not act.is_evidence:
            return
        self.evidence += 1
        named: list[tuple[Figure, str]] = [
            ("post", post),
            ("corridor", act.corridor),
            ("vehicle_class", act.vehicle_class),
            *(("method", code) for code in set(methods)),
        ]
        self.searched.update(named)
        self.searched.update(("place", code) for code in set(split_codes(act.places)))
        self.finds.update(named if is_hit else ())

    def _add_goods(self, goods: Any) -> None:
        taken = {one.name: getattr(goods, one.name) for one in fields(TakenGoods)}
        self.goods.append(TakenGoods(**taken))
        code = class_of(cast("SubstanceClass", goods.substance_class), goods.goods_class)
        self.finds["goods_class", code] += 1
        if goods.place is not None:
            self.finds["place", goods.place] += 1

    def state(self, since: int, until: int) -> PeriodSums:
        """Return the sums as they are answered."""
        random = self.streams[RANDOM]
        return PeriodSums(
            since=rfc3339(since),
            until=rfc3339(until),
            decisions=self.channels.total(),
            channels={channel.code: self.channels[channel] for channel in Channel},
            standing={channel.code: self.standing[channel] for channel in Channel},
            inspected=self.inspected,
            papers_only=self.papers_only,
            hits=self.hits,
            seizures=self.seizures,
            minutes=math.fsum(self.minutes),
            acts_with_minutes=len(self.minutes),
            kinds={code: n for code in get_args(DiscrepancyKind) if (n := self.kinds[code])},
            duties=dict(sorted(self.duties.items())),
            random_hit_rate=share(random.hits, random.inspected),
        )


def split_codes(codes: str | None) -> tuple[str, ...]:
    """Return codes that a table keeps with semicolons between them."""
    return tuple(codes.split(";")) if codes else ()


def _sees_act(caller: Caller, agency: str | None) -> bool:
    return caller.covers(agency) and caller.sees(Matter.ACTS, agency)


def read_figures(
    service: Runtime, caller: Caller, asked: PeriodAsked, post: str | None
) -> PeriodFigures:
    """Return the figures of a period at a post, or at all that the caller reaches.

    Raises ``NotAllowedError`` for a post that it does not reach, and ``RecordError`` for a period
    that is none.
    """
    if post is not None:
        caller.must_reach(post)
    network, post = service.network, post or caller.post
    now_sums, before_sums = _Sums(), _Sums()
    times: dict[tuple[Any, ...], _Times] = defaultdict(_Times)
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
        known = sorted({*network.posts, *list_posts(snapshot)}) if post is None else [post]
        posts = [one for one in known if caller.reaches(one) and caller.sees_post(one)]
        zones = {one: network.timezone(one) for one in posts or [post or ""]}
        placed = {one: asked.place(zone, now=now) for one, zone in zones.items()}
        for one in posts:
            before, since, until = placed[one]
            now_sums.add(snapshot, caller, span := Span(one, since, until))
            before_sums.add(snapshot, caller, Span(one, before, since))
            _count_times(snapshot, caller, span, times, now=now)
    stated_at, (before, since, until) = next(iter(placed.items()))
    return PeriodFigures(
        post=post,
        timezone=next(iter(zones.values())) if len(set(zones.values())) == 1 else None,
        as_of=rfc3339(now),
        stated_at=stated_at or None,
        is_running=until > now,
        synthetic=network.synthetic,
        period=now_sums.state(since, until),
        before=before_sums.state(before, since),
        streams=[_describe_stream(name, now_sums.streams[name]) for name in STREAMS],
        goods=sum_goods(now_sums.goods),
        breakdown=compare_periods(now_sums, before_sums),
        release_times=list(_list_times(times)),
    )


def _describe_stream(name: Stream, sums: _StreamSums) -> PeriodStream:
    return PeriodStream(
        stream=name,
        sent=sums.sent,
        inspected=sums.inspected,
        hits=sums.hits,
        seizures=sums.seizures,
        hit_rate=share(sums.hits, sums.inspected),
    )


def compare_periods(now: _Sums, before: _Sums) -> list[FigureRow]:
    """Return every row of both periods with how sure the difference of its finds is.

    Finds of a post are compared by the searches at it, all others by all searches: a corridor on
    which nobody searched before can then still be new.
    """
    named = sorted({*now.searched, *now.finds, *before.searched, *before.finds})
    named.sort(key=lambda one: get_args(Figure).index(one[0]))
    chances = [_compare_finds(now, before, one) for one in named]
    adjusted = iter(adjust_chances([one for one in chances if one is not None]))
    return [
        FigureRow(
            figure=figure,
            code=code,
            searched=_count_searches(now, (figure, code)),
            finds=now.finds[figure, code],
            before_searched=_count_searches(before, (figure, code)),
            before_finds=before.finds[figure, code],
            **_conclude(now, before, (figure, code), None if chance is None else next(adjusted)),
        )
        for (figure, code), chance in zip(named, chances, strict=True)
    ]


def _count_searches(sums: _Sums, at: tuple[Figure, str]) -> int:
    return sums.evidence if at[0] == "goods_class" else sums.searched[at]


def _find_exposure(sums: _Sums, at: tuple[Figure, str]) -> int:
    return sums.searched[at] if at[0] == "post" else sums.evidence


def _compare_finds(now: _Sums, before: _Sums, at: tuple[Figure, str]) -> float | None:
    exposures = _find_exposure(now, at), _find_exposure(before, at)
    if not all(exposures):
        return None
    return compare_counts(now.finds[at], exposures[0], before.finds[at], exposures[1])


def _conclude(
    now: _Sums, before: _Sums, at: tuple[Figure, str], chance: float | None
) -> dict[str, Any]:
    conclusion: Conclusion = "same"
    if chance is None:
        conclusion = "not_knowable"
    elif chance < SURE and not before.finds[at]:
        conclusion = "new"
    elif chance < SURE:
        rates = [sums.finds[at] / _find_exposure(sums, at) for sums in (now, before)]
        conclusion = "more" if rates[0] > rates[1] else "fewer"
    elif not (_count_searches(now, at) and _count_searches(before, at)):
        conclusion = "not_knowable"
    return {"chance": chance, "conclusion": conclusion}


def _count_times(
    snapshot: Connection,
    caller: Caller,
    span: Span,
    times: Mapping[tuple[Any, ...], _Times],
    *,
    now: int,
) -> None:
    """Add to the minutes of each stage, altogether and by what the times are stated."""
    sees_traders = caller.sees_all(Matter.WATCHLIST)
    for stage in get_args(Stage):
        for group in count_stage(snapshot, span, stage, as_of=now):
            if group.is_act and not _sees_act(caller, group.agency):
                continue
            named = [
                ("all", ""),
                ("post", span.post),
                ("channel", Channel(group.channel).code),
                ("vehicle_class", group.vehicle_class),
            ]
            if sees_traders:
                named.append(("known_trader", "yes" if group.is_lawful else "no"))
            for one in named:
                times[stage, *one].add(group, now=now)


def _list_times(times: Mapping[tuple[Any, ...], _Times]) -> Iterator[ReleaseTime]:
    stages = get_args(Stage)
    ways = ("all", "post", "channel", "vehicle_class", "known_trader")
    order = sorted(times, key=lambda one: (stages.index(one[0]), ways.index(one[1]), one[2]))
    for stage, way, code in order:
        counted = times[stage, way, code]
        others = counted.waiting + counted.not_recorded
        median, within_90, within_95 = find_percentiles(counted.minutes, (50, 90, 95), others)
        yield ReleaseTime(
            stage=stage,
            of=way,
            code=code,
            vehicles=counted.minutes.total(),
            waiting=counted.waiting,
            longest=counted.longest,
            not_recorded=counted.not_recorded,
            median=median,
            within_90=within_90,
            within_95=within_95,
        )


def find_percentiles(
    counts: Mapping[int, int], percents: Sequence[int], above: int = 0
) -> list[int | None]:
    """Return the least values that so many of 100 do not exceed, from counts by value.

    ``above`` more have a greater value that is not known; a percentile among them is None.

    >>> find_percentiles({1: 5, 2: 4, 9: 1}, (50, 90, 95))
    [1, 2, 9]
    >>> find_percentiles({1: 5, 2: 4}, (50, 90, 95), 1)
    [1, 2, None]
    """
    total, reached, found = sum(counts.values()) + above, 0, list[int | None]()
    wanted = list(percents)
    for value in sorted(counts):
        reached += counts[value]
        while wanted and 100 * reached >= wanted[0] * total:
            found.append(value)
            del wanted[0]
    return [*found, *(None for _ in wanted)]
