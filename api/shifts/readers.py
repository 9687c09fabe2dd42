"""Readers of what a shift found, left and has left of its minutes.

The shift report counts what a shift found for its minutes, by what picked each vehicle, with exact
intervals. Every act that could find something counts once, for what sent the vehicle there; an act
of papers or scales alone is no evidence that a vehicle carried nothing. A vehicle that the engine
let go and a supervisor sent to officers counts as the supervisor's. The same figures of the last 28
days stand next to the shift's, because one shift seldom has enough acts.

Acts are those filed with this service, and those of which the other side of a link told at its own
posts; loaded history is not among them.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, get_args

from sqlalchemy import Connection, select

from api.auth.callers import Caller
from api.service.runtime import Runtime
from api.shifts.answers import (
    AgencyFigures,
    ClassFigures,
    CrowdedPicks,
    EquipmentFigures,
    FoundInShift,
    HandoverView,
    HourlyMethod,
    Median,
    NamedDecisions,
    RosterSide,
    ShiftFigures,
    ShiftFind,
    ShiftMinutes,
    ShiftReport,
    ShiftRoster,
    ShiftWork,
    Stream,
    StreamFigures,
    TakenGoods,
)
from engine.criteria.policy import read_policy
from engine.domain.field_types import MASSES
from engine.domain.goods import class_of
from engine.domain.network import ShiftPeriod
from engine.domain.records import DiscrepancyKind, Inspection, SubstanceClass
from engine.domain.rights import Matter
from engine.domain.time_units import MINUTE, RECENT_WINDOW, rfc3339
from engine.journal.journal import BODIES, JOURNAL, JournalReader
from engine.journal.kinds import INSPECTION, ShiftBalance
from engine.queue.corrections import read_stated
from engine.queue.match_outcomes import FindGravity
from engine.queue.queue import DECISIONS, WaitingCount, count_waiting, read_plates
from engine.selection import INSPECTED, Channel
from engine.shifts.handovers import FiledAct, Handover, list_filed_acts, read_handover
from engine.shifts.period_counts import ChannelMinutes, name_stream, read_minutes
from engine.storage.database import split_in_slices
from models.monitoring.drift_monitor import measure_parties
from models.statistics.intervals import rate, share


def view_handover(caller: Caller, handover: Handover | None) -> HandoverView | None:
    """Return a handover without sums of acts or verdicts that are hidden from a caller."""
    if handover is None:
        return None
    left, taken = handover.left, handover.taken
    return HandoverView(
        sequence=left.seq,
        shift=handover.shift,
        left_by=left.by,
        left_at=rfc3339(left.known_at),
        note=left.note,
        taken_by=None if taken is None else taken.by,
        taken_at=None if taken is None else rfc3339(taken.known_at),
        taken_note=None if taken is None else taken.note,
        **view_balance(caller, handover.post, handover.balance),
    )


def view_balance(caller: Caller, post: str, balance: ShiftBalance) -> dict[str, Any]:
    """Return what a shift leaves, with None for what the caller's agency does not see."""
    sees_acts = caller.sees_all(Matter.ACTS) and caller.sees_all(Matter.SEIZURES)
    found = FoundInShift(**balance["found"]) if sees_acts else None
    seen = {
        "waiting": caller.sees_post(post),
        "without_act": caller.sees_post(post) and sees_acts,
        "overridden": caller.sees_all(Matter.REVIEWS),
    }
    named: dict[str, Any] = {**balance}
    return {"found": found} | {
        name: NamedDecisions(**named[name]) if is_seen else None for name, is_seen in seen.items()
    }


STREAMS: tuple[Stream, ...] = get_args(Stream)
HOURLY: tuple[HourlyMethod, ...] = get_args(HourlyMethod)
"""Methods whose hours the report counts: what equipment is asked for by."""
FEWEST_DELAYS = 6
"""Below this many no interval of a median exists at 95 %."""
_D = DECISIONS.c


@dataclass(frozen=True, slots=True)
class ReportedDecision:
    """One decision of the period, and the act that answered it."""

    channel: Channel
    """Where the engine sent it."""
    stands: Channel
    """Where it was last sent: by the engine, or by a supervisor."""
    basis: str | None
    known_at: int
    minutes: float
    act: Inspection | None
    acted_at: int | None
    crossing_id: str = ""
    gravity: float = 0.0
    """What the act found, in discrepancies."""

    @property
    def stream(self) -> str | None:
        """Name what sent it to officers, None where nothing did."""
        act_basis = None if self.act is None else self.act.basis
        return name_stream(self.channel, self.stands, self.basis, act_basis=act_basis)

    @property
    def delay(self) -> float | None:
        """Minutes from the decision to the act of a vehicle on which nothing was found."""
        if self.act is None or self.acted_at is None or self.act.outcome != "clear":
            return None
        return (self.acted_at - self.known_at) / MINUTE


def read_now(service: Runtime) -> int:
    """Return the time of the journal, UTC microseconds."""
    with service.store.read() as connection:
        return service.journal.now(connection)


def read_shift_report(service: Runtime, post: str, at: int, caller: Caller) -> ShiftReport:
    """Return the report of the shift that a time falls into.

    Acts that the caller's agency does not see are left out, of sums too.
    """
    shift = service.shifts.shift(post, at)
    with service.store.read() as snapshot:
        as_of = service.journal.head(snapshot).as_of
        until = min(shift.closes_at, as_of)
        since = until - RECENT_WINDOW
        gravity = FindGravity(
            snapshot,
            service.network,
            is_seen=lambda agency: caller.sees(Matter.SEIZURES, agency),
        )
        period = [
            _with_gravity(_without_hidden(one, caller), gravity)
            for one in _read_decisions(snapshot, post, since=since, until=until)
        ]
        of_partner = [
            _with_gravity(one, gravity)
            for one in _read_partner_acts(snapshot, post, since=since, until=until)
        ]
        of_shift = [one for one in period if one.known_at >= shift.opens_at]
        partner_of_shift = [one for one in of_partner if one.known_at >= shift.opens_at]
        acts = [
            one
            for one in list_filed_acts(snapshot, shift)
            if caller.covers(one.act.agency) and caller.sees(Matter.ACTS, one.act.agency)
        ]
        is_running = as_of < shift.closes_at
        queue = count_waiting(snapshot, as_of=as_of, post=post).get(post, {}) if is_running else {}
        work = _sum_work(snapshot, shift, acts, gravity, queue, as_of=as_of)
        minutes = _minutes(service, snapshot, shift, of_shift, acts, queue, as_of=as_of)
        handover = read_handover(snapshot, post, shift.shift_id)
        crowded = _find_crowded(snapshot, shift, until=until)
    return ShiftReport(
        post=post,
        shift=shift.shift_id,
        as_of=rfc3339(as_of),
        opens_at=rfc3339(shift.opens_at),
        closes_at=rfc3339(shift.closes_at),
        timezone=service.network.timezone(post) if post in service.network.posts else None,
        is_running=as_of < shift.closes_at,
        synthetic=service.network.synthetic,
        work=work,
        this_shift=_figures(of_shift, partner_of_shift),
        crowded=crowded,
        last_28_days=_figures(period, of_partner),
        minutes=minutes,
        handover=view_handover(caller, handover),
    )


def _find_crowded(snapshot: Connection, shift: ShiftPeriod, *, until: int) -> CrowdedPicks | None:
    """Return the party that has most of the score's picks in a shift, if one has."""
    picked = [_D.post == shift.post, _D.known_at >= shift.opens_at, _D.known_at < until]
    picked.append(_D.channel.in_(INSPECTED))
    found = measure_parties(snapshot, picked)
    return CrowdedPicks(found["kind"], found["share"], found["picks"]) if found["beyond"] else None


def _figures(
    decided: Sequence[ReportedDecision], of_partner: Sequence[ReportedDecision]
) -> ShiftFigures:
    """Return the figures of decisions; what the other side told is in its stream alone."""
    of: dict[str, list[ReportedDecision]] = defaultdict(list)
    for one in (*decided, *of_partner):
        if one.stream is not None:
            of[one.stream].append(one)
    delays = sorted(one.delay for one in decided if one.delay is not None)
    return ShiftFigures(
        decisions=len(decided),
        channels={
            channel.code: sum(one.channel is channel for one in decided) for channel in Channel
        },
        streams=[
            StreamFigures(stream=name, sent=len(of[name]), **_sum_acts(of[name]))
            for name in STREAMS
        ],
        agencies=_by_agency(decided),
        equipment=count_hours(decided),
        delay_of_lawful=median(delays),
    )


def _without_hidden(one: ReportedDecision, caller: Caller) -> ReportedDecision:
    agency = None if one.act is None else one.act.agency
    is_seen = caller.covers(agency) and caller.sees(Matter.ACTS, agency)
    return one if is_seen else replace(one, act=None, acted_at=None)


def _with_gravity(one: ReportedDecision, gravity: FindGravity) -> ReportedDecision:
    acts = [] if one.act is None else [one.act]
    return replace(one, gravity=gravity.of(one.crossing_id, acts)) if acts else one


def _by_agency(decided: Sequence[ReportedDecision]) -> list[AgencyFigures]:
    """Return what the acts of each agency found, in the order of their codes."""
    of: dict[str, list[ReportedDecision]] = defaultdict(list)
    for one in decided:
        if one.act is not None:
            of[one.act.agency or ""].append(one)
    return [AgencyFigures(agency=code or None, **_sum_acts(of[code])) for code in sorted(of)]


def count_hours(decided: Sequence[ReportedDecision]) -> list[EquipmentFigures]:
    """Return what an hour of a scanner and of a dog found: in all acts, and in random checks."""
    acts = [one.act for one in decided if one.act]
    random = [one.act for one in decided if one.act and one.stream == "random"]
    return [
        row
        for method in HOURLY
        for row in (_sum_hours(acts, method, "all"), _sum_hours(random, method, "random"))
    ]


def _sum_hours(
    given: Sequence[Inspection], method: HourlyMethod, stream: Literal["all", "random"]
) -> EquipmentFigures:
    """Return finds in an hour of a method; an act without minutes has no part in the rate."""
    acts = [act for act in given if method in act.methods]
    timed = [act for act in acts if act.minutes]
    hours = math.fsum(act.minutes or 0.0 for act in timed) / 60.0
    hits = sum(act.outcome != "clear" for act in timed)
    seizures = sum(act.outcome == "seizure" for act in timed)
    return EquipmentFigures(
        method=method,
        stream=stream,
        acts=len(acts),
        acts_with_minutes=len(timed),
        hours=hours,
        hits=hits,
        seizures=seizures,
        hits_per_hour=rate(hits, hours, n=len(timed)),
        seizures_per_hour=rate(seizures, hours, n=len(timed)),
    )


def _sum_acts(decided: Sequence[ReportedDecision]) -> dict[str, Any]:
    """Return the fields of :class:`ActFigures` about the acts that answered decisions."""
    acts = [one.act for one in decided if one.act is not None]
    full = [act for act in acts if act.is_full]
    hits = sum(act.outcome != "clear" for act in full)
    seizures = sum(act.outcome == "seizure" for act in full)
    values = [act.minutes for act in acts if act.minutes is not None]
    return {
        "inspected": len(full),
        "papers_only": len(acts) - len(full),
        "hits": hits,
        "seizures": seizures,
        "gravity": math.fsum(one.gravity for one in decided if one.act and one.act.is_full),
        "hit_rate": share(hits, len(full)),
        "seizure_rate": share(seizures, len(full)),
        "minutes": math.fsum(values),
        "acts_with_minutes": len(values),
    }


def median(values: Sequence[float]) -> Median:
    """Return the median of sorted values with an interval that covers it in 95 % of samples.

    The interval lies between order statistics, chosen by the binomial distribution of how many
    values fall below the median; it assumes nothing about the distribution of the values.
    """
    n = len(values)
    if n < FEWEST_DELAYS:
        why = f"fewer than {FEWEST_DELAYS} vehicles"
        return Median(value=None, low=None, high=None, n=n, knowable=False, why=why)
    below, rank = 0.0, 0
    while below + (chance := math.comb(n, rank) / 2**n) <= 0.025:
        below, rank = below + chance, rank + 1
    middle = (values[(n - 1) // 2] + values[n // 2]) / 2
    low, high = values[rank - 1], values[n - rank]
    return Median(value=middle, low=low, high=high, n=n, knowable=True, why="")


def _sum_work(
    snapshot: Connection,
    shift: ShiftPeriod,
    acts: Sequence[FiledAct],
    gravity: FindGravity,
    queue: Mapping[Channel, WaitingCount],
    *,
    as_of: int,
) -> ShiftWork:
    hits = [one for one in acts if one.act.outcome != "clear"]
    plates = read_plates(snapshot, [one.decision_id for one in hits])
    finds = [
        ShiftFind(
            decision_id=one.decision_id,
            plate=plates.get(one.decision_id),
            outcome=one.act.outcome,
            is_from_earlier_shift=one.decided_at < shift.opens_at,
            goods=[
                TakenGoods(
                    substance_class=taken["substance_class"],
                    substance=taken.get("substance"),
                    quantity_g=taken.get("quantity_g"),
                    goods_class=taken.get("goods_class"),
                    amount=taken.get("amount"),
                    unit=taken.get("unit"),
                    place=taken.get("place"),
                )
                for taken in gravity.list_goods(one.crossing_id)
                if one.act.outcome == "seizure"
            ],
        )
        for one in hits
    ]
    full = sum(one.act.is_full for one in acts)
    kinds = Counter(code for one in acts for code in set(one.act.discrepancy_kinds))
    duties: dict[str, float] = defaultdict(float)
    for one in acts:
        if one.act.currency is not None:
            duties[one.act.currency] += one.act.duty_assessed or 0.0
    return ShiftWork(
        inspected=full,
        papers_only=len(acts) - full,
        minutes=math.fsum(one.act.minutes or 0.0 for one in acts),
        finds=finds,
        goods=sum_goods(taken for one in finds for taken in one.goods),
        kinds={code: count for code in get_args(DiscrepancyKind) if (count := kinds[code])},
        duties=dict(sorted(duties.items())),
        longest_wait=max(((as_of - one.oldest) / MINUTE for one in queue.values()), default=None),
    )


def sum_goods(taken: Iterable[TakenGoods]) -> list[ClassFigures]:
    """Return finds and amounts by class of goods and unit; masses are in grams."""
    found: dict[tuple[str, str | None], list[TakenGoods]] = defaultdict(list)
    for one in taken:
        code = class_of(cast("SubstanceClass", one.substance_class), one.goods_class)
        is_mass = one.quantity_g is not None and one.unit in (None, *MASSES)
        unit = "g" if is_mass else one.unit
        found[code, unit].append(one)
    by_name = sorted(found.items(), key=lambda one: (one[0][0], one[0][1] or ""))
    return [_sum_class(code, unit, some) for (code, unit), some in by_name]


def _sum_class(code: str, unit: str | None, some: Sequence[TakenGoods]) -> ClassFigures:
    amounts = [one.quantity_g if unit == "g" else one.amount for one in some]
    return ClassFigures(
        goods_class=code,
        substance_class=some[0].substance_class,
        unit=unit,
        finds=len(some),
        amount=None if unit is None else math.fsum(one for one in amounts if one is not None),
    )


def _minutes(
    service: Runtime,
    snapshot: Connection,
    shift: ShiftPeriod,
    decided: Sequence[ReportedDecision],
    acts: Sequence[FiledAct],
    queue: Mapping[Channel, WaitingCount],
    *,
    as_of: int,
) -> list[ShiftMinutes]:
    """Return what each channel's minutes went to; only a running shift knows its roster."""
    is_running = as_of < shift.closes_at
    known = read_minutes(snapshot, shift, service.network, queue, now=as_of) if is_running else {}
    found = []
    for channel in reversed(INSPECTED):
        spent = known.get(channel, ChannelMinutes(None, 0.0, 0.0))
        here = [one for one in decided if one.stands is channel]
        filed = [one.act.minutes for one in acts if one.channel is channel]
        values = [minutes for minutes in filed if minutes is not None]
        waiting = queue.get(channel)
        found.append(
            ShiftMinutes(
                channel=channel.code,
                roster=spent.roster,
                vehicles=len(here),
                expected=math.fsum(one.minutes for one in here),
                inspected=len(filed),
                reported=math.fsum(values),
                acts_with_minutes=len(values),
                waiting=0 if waiting is None else waiting.vehicles,
                needed=spent.needed,
                used=spent.used,
                lost=spent.lost,
                left=spent.left,
            )
        )
    return found


def _read_decisions(
    snapshot: Connection, post: str, *, since: int, until: int
) -> list[ReportedDecision]:
    query = (
        select(_D.sent, _D.channel, _D.basis, _D.known_at, _D.minutes, _D.act_seq, _D.crossing_id)
        .where(_D.post == post, _D.known_at >= since, _D.known_at < until)
        .join(BODIES, BODIES.c.seq == _D.seq)  # what is erased is in no report
        .order_by(_D.known_at)
    )
    rows = snapshot.execute(query).all()
    acts = _acts(snapshot, [row.act_seq for row in rows if row.act_seq is not None])
    decided = [
        ReportedDecision(
            channel=Channel(row.sent),
            stands=Channel(row.channel),
            basis=row.basis,
            known_at=row.known_at,
            minutes=row.minutes,
            act=acts[row.act_seq][0] if row.act_seq is not None else None,
            acted_at=acts[row.act_seq][1] if row.act_seq is not None else None,
            crossing_id=row.crossing_id,
        )
        for row in rows
    ]
    vehicles: dict[str, ReportedDecision] = {}
    for one in decided:  # a vehicle that is decided on again counts once, by what first sent it
        if (before := vehicles.get(one.crossing_id)) is None or before.stream is None:
            vehicles[one.crossing_id] = one
    return list(vehicles.values())


def _read_partner_acts(
    snapshot: Connection, post: str, *, since: int, until: int
) -> list[ReportedDecision]:
    """Return the vehicles that the other side of a link searched at its post, each once."""
    columns = JOURNAL.c
    where = [columns.origin_seq.is_not(None), columns.post == post]
    where += [columns.known_at >= since, columns.known_at < until]
    found = {}
    for record in JournalReader(snapshot).records(INSPECTION, where=where):
        if "message" in record.body:
            act = Inspection.model_validate(record.body["inspection"], strict=False)
            found[act.crossing_id] = ReportedDecision(
                channel=Channel.GREEN,
                stands=Channel.GREEN,
                basis=None,
                known_at=record.known_at,
                minutes=0.0,
                act=act,
                acted_at=None,
                crossing_id=act.crossing_id,
            )
    return list(found.values())


def _acts(snapshot: Connection, seqs: Sequence[int]) -> dict[int, tuple[Inspection, int]]:
    """Return acts with the time at which they became known."""
    found = {}
    for some in split_in_slices(seqs, 500):
        acts = [JOURNAL.c.seq.in_(some)]
        for record in read_stated(snapshot, INSPECTION, where=acts):
            act = Inspection.model_validate(record.body["inspection"], strict=False)
            found[record.seq] = act, record.known_at
    return found


def read_shift_roster(service: Runtime, post: str, *, is_blind: bool) -> ShiftRoster:
    """Return the minutes of the running shift; a blind reader gets no figure of what was picked."""
    with service.store.read() as snapshot:
        as_of = service.journal.head(snapshot).as_of
        shift = read_policy(snapshot).plan_shifts(service.network).shift(post, as_of)
        running = service.workload.read_load(snapshot, shift, now=as_of)
    sides = [
        RosterSide(
            channel=channel.code,
            minutes=side.minutes,
            picked=None if is_blind else side.spent.ours,
            mandated=None if is_blind else side.spent.mandated,
            left=side.left,
            arrivals_expected=side.outlook.arrivals,
            oversubscribed=None if is_blind else side.is_oversubscribed,
        )
        for channel, side in running.sides().items()
    ]
    return ShiftRoster(
        post=post,
        shift=shift.shift_id,
        as_of=rfc3339(as_of),
        closes_at=rfc3339(shift.closes_at),
        channels=sides,
        equipment=dict(running.equipment),
    )
