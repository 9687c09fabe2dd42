"""One decision as its page shows it, for one reader.

What a checkpoint may not see is not read for it, so that no template can show it by mistake.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any

from sqlalchemy import Connection, select

from api.auth.callers import Caller
from api.decisions.panels import (
    SAME_TIME,
    MirrorComparison,
    Timeline,
    UsualStrip,
    WeighedMass,
    compare_sides,
    draw_strips,
    draw_timeline,
    fill_from_manifest,
    list_masses,
)
from api.decisions.readers import UNREAD, DecisionReader, is_blind, list_agreeable
from api.decisions.summary import Cargo, list_facts, name_picks, read_cargo
from api.decisions.vehicle_drawing import Drawing, draw_vehicle
from api.decisions.vehicle_history import PastOf, PastView, read_past
from api.service.runtime import Runtime
from engine.criteria.dual_control import read_approval_state
from engine.criteria.indicator_rules import QUIET
from engine.criteria.match import HARD_FACT, SUPERSEDED
from engine.criteria.policy import read_policy
from engine.decision.inspection_minutes import Minutes
from engine.decision.role_views import flat
from engine.domain.network import IdentifierField, open_time_zone
from engine.domain.records import Inspection
from engine.domain.rights import Matter
from engine.domain.time_units import moment
from engine.errors import NoModelError, TamperedBundleError
from engine.explanation.reasons import Reason
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    CORRECTION_ASKED,
    DECISION,
    INSPECTION,
    PROFILE_BACKTESTED,
    RELEASE,
    SEIZURE,
)
from engine.queue.corrections import Corrections, list_corrections, read_corrections, sort_codes
from engine.queue.mirror_alerts import late_crossings
from engine.queue.queue import (
    DECISIONS,
    QueuedDecision,
    last_of_crossing,
    list_opening_conditions,
    list_waiting,
    read_decision,
)
from engine.queue.reviews import NEEDS_SECOND
from engine.search_orders.rates import PRIOR
from engine.selection import INSPECTED, Channel
from engine.shifts.period_counts import read_minutes

MOST_LISTED = 18
"""Acts and finds that the page lists, the last of all."""


@dataclass(frozen=True, slots=True)
class ReasonBar:
    """One reason with its part of the chart."""

    reason: Mapping[str, Any]
    """As the record holds it."""
    contribution: float
    """In log-odds."""
    x: float
    width: float
    """Of 200, the middle being nothing."""


@dataclass(frozen=True, slots=True)
class DecisionPage:
    """All that a decision's page needs."""

    known: QueuedDecision
    seen: Mapping[str, Any]
    """The decision as the JSON route answers it."""
    crossing: Mapping[str, Any]
    declaration: Mapping[str, Any] | None
    declarations: Sequence[Mapping[str, Any]]
    """Each of several, whose goods ``declaration`` joins; none of one."""
    channel: str
    """Where the vehicle stands now."""
    is_waiting: bool
    is_blind: bool
    has_left: bool
    waited: float
    """Minutes since its arrival."""
    cargo: Cargo
    picks: Sequence[tuple[str, str, str]]
    """What picked it (basis, a profile's code and title); nothing for a blind reader."""
    act: Mapping[str, Any] | None
    """The act that answered its referral."""
    subjects: Sequence[str] | None
    """What the reasons are about, for a blind reader whose act opened them."""
    opening: Mapping[str, bool]
    """What an act must name to open them, and whether the filed one does; for a blind reader."""
    filed: "FiledActInfo | None"
    """Who filed it, and what was seized; None without an act."""
    release: Mapping[str, Any] | None
    """How it left without inspection: who, when, and why where that was said."""
    proposal: Mapping[str, Any] | None
    """The last review, where it waits for a second person."""
    may_agree: bool
    """The reader may be that person."""
    bars: Sequence[ReasonBar]
    reading: "ReasonsInWords"
    strips: Sequence[UsualStrip]
    """This vehicle among the usual; none for a blind reader."""
    rail: "QueueRail"
    is_recomputed: bool
    """The reasons were worked out for this page: a release is owed none."""
    sides: MirrorComparison | None
    masses: Sequence[WeighedMass]
    """Of this passage, in the order in which they were weighed; none for a blind reader."""
    facts: Sequence[str]
    """Codes of the profiles of hard facts that picked it; none for a blind reader."""
    false_alarms: float | None
    """Of 1,000 arrivals, the most that matched one of these in its backtest here; None without."""
    reported_later: WeighedMass | None
    """Of these, the last that became known after the decision, if no first reason states it."""
    successor: Mapping[str, str] | None
    """Identifier and channel of the last decision on the vehicle, where that is a later one."""
    before_told: Mapping[str, str] | None
    """Identifier and channel of the decision before, where a late record led to this one."""
    drawing: Drawing
    places: Sequence[str]
    """What may be searched, the order's places first, and a hidden place that has no code."""
    numbers: Mapping[str, int]
    """Of each place, the step of the order."""
    teams: Sequence[str]
    """Who is on, as the roster names them; the one drawn for the vehicle may not be who did it."""
    before: "PastPanel | None"
    """What was known of its past; None for a blind reader, for whom it is not read."""


@dataclass(frozen=True, slots=True)
class ReasonsInWords:
    """Reasons as the page leads with them."""

    first: Sequence[ReasonBar]
    """What picked the vehicle, and at most three that raise its risk."""
    favour: ReasonBar | None
    """What speaks most for the trader."""


@dataclass(frozen=True, slots=True)
class QueueRail:
    """The queue next to a decision: who waits around it, and who comes before and after."""

    entries: Sequence[tuple[int, str, str, str]]
    """Position, decision, channel and plate as it was read for matching."""
    before: str | None
    after: str | None
    """The decisions before and after it; of one that does not wait, the first that does."""
    position: int | None
    of: int


@dataclass(frozen=True, slots=True)
class FiledActInfo:
    """Who filed an act and when, and the seizures reported with it."""

    by: str | None
    """None in an act that a partner told of."""
    team: str | None
    at: datetime
    seizures: Sequence[Mapping[str, Any]]
    taken_by: str | None
    """Who had taken the vehicle, where that was another."""
    corrections: Sequence[Mapping[str, Any]]
    """Of the act and of these seizures, the oldest first: who, when, why, and each field that
    changed with what it said before and since, its units, and the number and the goods of its
    find."""
    requests: Sequence[Mapping[str, Any]]
    """What a supervisor was asked to correct and did not yet: who, when, why, and the amount."""


@dataclass(frozen=True, slots=True)
class PastPanel:
    """The past of a vehicle and its parties, and its drawings."""

    past: PastView
    timeline: Timeline
    events: Sequence[Mapping[str, Any]]
    """Acts and finds of all of them, the newest first."""


def read_page(service: Runtime, decision_id: str, caller: Caller) -> DecisionPage:
    """Return a decision; raises ``NotFoundError``."""
    reading = DecisionReader(service, caller)
    known = reading.locate(decision_id)
    seen = reading.decision(decision_id)
    blind = is_blind(caller)
    with service.store.read() as snapshot:
        body = service.journal.body(snapshot, known.seq, of=DECISION)
        acted = known.act_seq
        act = None if acted is None else _read_act(service, snapshot, acted)
        if act is not None and not caller.sees(Matter.ACTS, act["inspection"].get("agency")):
            act = None
        filed = None if act is None else _read_filing(snapshot, known, act, caller)
        first = None if act is None or acted is None else _read_first(service, snapshot, acted)
        stands = _stands(snapshot, decision_id)
        release = _release(snapshot, known) if stands["left"] else None
        reasons: Sequence[Reason] = []
        is_recomputed, before = False, None
        strips: Sequence[UsualStrip] = ()
        masses: Sequence[WeighedMass] = ()
        before_told = false_alarms = None
        facts = [] if blind else list_facts(body)
        successor = _find_successor(snapshot, known)
        now = service.journal.now(snapshot)
        rail = read_rail(snapshot, known, as_of=now)
        this = DECISIONS.c.decision_id == decision_id
        may_agree = any(list_agreeable(service, snapshot, caller, this))
        _, features = service.recompute.features(snapshot, known.seq)
        both = compare_sides(
            body["arrival"]["crossing"], features, apart=_apart(service, known.post)
        )
        if not blind:
            before_told = _before_told(snapshot, known, body["inputs"])
            false_alarms = _bound_false_alarms(service, snapshot, facts)
            reasons = [Reason(**one) for one in seen["reasons"]]
            if both is not None and (manifest := seen.get("partner_manifest")) is not None:
                both = fill_from_manifest(both, manifest)
            records = [features]
            if before_told is not None:
                seq = read_decision(snapshot, before_told["decision_id"]).seq
                records.append(service.recompute.features(snapshot, seq)[1])
            masses = list_masses(
                body["arrival"]["crossing"],
                records,
                network=service.network,
                late=late_crossings(snapshot, decision_id),
                told_at=body["inputs"]["told_at"],
            )
            before = _before(service, read_past(service, snapshot, known, caller), known.post)
            if not reasons:
                reasons, is_recomputed = _recompute_reasons(service, snapshot, known), True
            strips = draw_strips(snapshot, known, body["arrival"]["crossing"], features, reasons)
    crossing: dict[str, Any] = UNREAD | body["arrival"]["crossing"]
    order = [step["place"] for step in seen["search_order"]]
    others = sorted(PRIOR[crossing["vehicle_class"]])
    charted = bars(reasons)
    told = put_in_words(charted)
    if late := find_untold(masses, told.first):
        told = put_in_words(charted, most=MOST_TOLD - 1)
    arrived = datetime.fromisoformat(crossing["arrived_at"])
    subjects = [one["code"] for one in seen["reasons"]] if blind and "reasons" in seen else None
    return DecisionPage(
        known=known,
        seen=seen,
        crossing=crossing,
        declaration=body["arrival"].get("declaration"),
        declarations=body["arrival"].get("declarations") or (),
        channel=stands["channel"],
        is_waiting=stands["waiting"],
        is_blind=blind,
        waited=max((moment(now) - arrived).total_seconds() / 60.0, 0.0),
        cargo=read_cargo(body["arrival"]),
        picks=() if blind else name_picks(body),
        subjects=subjects,
        opening=list_opening_conditions(first, Channel.of(stands["channel"])) if blind else {},
        has_left=stands["left"],
        act=None if act is None else act["inspection"],
        filed=filed,
        release=release,
        proposal=_proposal(seen),
        may_agree=may_agree,
        bars=charted,
        reading=told,
        strips=strips,
        rail=rail,
        is_recomputed=is_recomputed,
        sides=both,
        masses=masses,
        facts=facts,
        false_alarms=false_alarms,
        reported_later=late,
        successor=successor,
        before_told=before_told,
        drawing=draw_vehicle(crossing["vehicle_class"], order),
        places=[*dict.fromkeys([*filter(None, order), *others, _hidden_place(others)])],
        numbers={place: number for number, place in enumerate(order, 1) if place is not None},
        teams=body["inputs"]["teams"],
        before=before,
    )


def _before_told(
    snapshot: Connection, known: QueuedDecision, inputs: Mapping[str, Any]
) -> dict[str, str] | None:
    """Return the decision before, where a late record of the opposite post led to this one."""
    if inputs["told_at"] is None:
        return None
    column = DECISIONS.c
    query = (
        select(column.decision_id, column.channel)
        .where(column.crossing_id == known.crossing_id, column.post == known.post)
        .where(column.seq < known.seq)
        .order_by(column.seq.desc())
    )
    row = snapshot.execute(query.limit(1)).one_or_none()
    if row is None:
        return None
    return {"decision_id": row.decision_id, "channel": Channel(row.channel).code}


def _bound_false_alarms(
    service: Runtime, snapshot: Connection, codes: Sequence[str]
) -> float | None:
    """Return of 1,000 arrivals the most that one of these profiles matched in its last backtest."""
    found = []
    for code in codes:
        sequence = read_approval_state(snapshot, "profile", code).evidence
        if sequence:
            figures = service.journal.body(snapshot, sequence, of=PROFILE_BACKTESTED)["figures"]
            found += [float(figures["matches_per_1000"])] if figures["arrivals"] else []
    return max(found) if codes and len(found) == len(codes) else None


@dataclass(frozen=True, slots=True)
class Displacement:
    """What sending a vehicle to a channel takes of that channel's minutes."""

    minutes: float
    plates: tuple[str, ...]
    """Vehicles of the channel for which no time is left then, and was before."""


def find_displaced(service: Runtime, sent: QueuedDecision) -> dict[str, Displacement]:
    """Return what an override to each channel of officers would take, by channel."""
    column = DECISIONS.c
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
        shift = read_policy(snapshot).plan_shifts(service.network).shift(sent.post, now)
        spent = read_minutes(snapshot, shift, service.network, {}, now=now)
        inputs = service.journal.body(snapshot, sent.seq, of=DECISION)["inputs"]
        waiting = [one for one in list_waiting(snapshot, sent.post, as_of=now) if one != sent]
        query = select(column.seq, column.minutes, column.plate).where(
            column.seq.in_([one.seq for one in waiting])
        )
        known = {seq: (minutes, plate) for seq, minutes, plate in snapshot.execute(query)}
        found: dict[str, Displacement] = {}
        for channel in set(INSPECTED) - {sent.channel}:
            place = service.recording.draw_place(snapshot, sent, channel)
            minutes = Minutes(**inputs["minutes"]).of(channel)
            free = spent[channel].free
            plates = []
            for one in waiting:
                if one.channel == channel:
                    free -= known[one.seq][0]
                    if one.place < place and 0.0 <= free < minutes:
                        plates.append(known[one.seq][1] or "")
            found[channel.code] = Displacement(minutes, tuple(plates))
        return found


def _find_successor(snapshot: Connection, known: QueuedDecision) -> dict[str, str] | None:
    last = last_of_crossing(snapshot, known.crossing_id)
    if last is None or last.seq <= known.seq or last.post != known.post:
        return None
    return {"decision_id": last.decision_id, "channel": last.channel.code}


def _hidden_place(places: Sequence[str]) -> str:
    return "trailer.hidden" if "trailer.floor" in places else "chassis.hidden"


def bars(reasons: Sequence[Reason]) -> list[ReasonBar]:
    """Return reasons with bars to both sides of a middle, all on one scale."""
    most = max((abs(one.contribution) for one in reasons), default=0.0) or 1.0
    found = []
    for one in reasons:
        width = 100.0 * abs(one.contribution) / most
        x = 100.0 if one.contribution >= 0 else 100.0 - width
        found.append(ReasonBar(flat(one), one.contribution, round(x, 1), round(width, 1)))
    return found


def list_named(
    crossing: Mapping[str, Any], declarations: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Return what of a vehicle and its parties an entry of the watch list may name, by kind."""
    one = (("plate", "plate"), ("trailer", "trailer_plate"), ("vin", "vin"))
    known = [(kind, crossing.get(name)) for kind, name in one]
    known += [("container", number) for number in crossing.get("container_numbers") or ()]
    known += [("carrier", crossing.get("carrier_id"))]
    parties = ("consignor", "consignee", "declarant")
    known += [(kind, papers.get(f"{kind}_id")) for papers in declarations for kind in parties]
    known += [("driver_ref", crossing.get("driver_ref"))]
    return list(dict.fromkeys((kind, value) for kind, value in known if value))


MOST_TOLD = 3
"""Reasons that the page leads with, what speaks for the trader among them."""
SUPPORT = frozenset({"nothing_else_stands_out"})
"""Sentences that complete the number of reasons and tell nothing of this vehicle."""


def put_in_words(made: Sequence[ReasonBar], *, most: int = MOST_TOLD) -> ReasonsInWords:
    """Return what the page leads with: what tells this vehicle apart, and what speaks for it.

    ``most`` reasons at most, what picked the vehicle apart.

    Where a hard fact holds the other side's record against a vehicle, no comparison with that
    record speaks for it.
    """
    weak = ("weak_sign", "nothing_known")
    told = [
        one
        for one in made
        if one.contribution >= 0.0
        and one.reason["code"] not in SUPPORT
        and one.reason["parameters"].get("strength") not in weak
        and one.reason["message"] not in _DRAWN
        and not one.reason["message"].endswith(QUIET)
    ]
    facts = {one.reason["message"] for one in told if one.reason["code"] == HARD_FACT}
    if facts > {SUPERSEDED}:  # what is known now leads; the tabs have the rest
        told = [one for one in told if one.reason["message"] != SUPERSEDED]
    picks = [one for one in told if one.contribution == 0.0]
    open_to = [one for one in made if not (facts and "opposite" in one.reason["parameters"])]
    favour = min(open_to, key=lambda one: one.contribution, default=None)
    if favour is not None and favour.contribution >= 0.0:
        favour = None
    room = max(len(picks), most - (favour is not None))
    first = [*picks, *(one for one in told if one.contribution > 0.0)][:room]
    return ReasonsInWords(first, favour)


def find_untold(masses: Sequence[WeighedMass], told: Sequence[ReasonBar]) -> WeighedMass | None:
    """Return what the opposite post reported last after the decision, unless a reason tells it."""
    late = [one for one in masses if one.known_at is not None]
    last = max(late, key=lambda one: one.known_at or one.weighed_at, default=None)
    left = [one.reason["parameters"].get("left_at") for one in told]
    times = [datetime.fromisoformat(at) for at in left if at]
    if last is None or any(abs(at - last.weighed_at) < SAME_TIME for at in times):
        return None
    return last


_DRAWN = frozenset({"random_check", "random_check_and_more", "random_papers_check"})
"""Reasons that say again what a pick says."""


MOST_NEXT = 20
"""Vehicles of the queue that the rail shows before and after the one of the page."""


def read_rail(snapshot: Connection, known: QueuedDecision, *, as_of: int) -> QueueRail:
    """Return the queue around a decision, in its order; the same for every reader of the queue."""
    waiting = list_waiting(snapshot, known.post, as_of=as_of)
    names = [one.decision_id for one in waiting]
    if known.decision_id not in names:
        near = slice(0, 2 * MOST_NEXT)
        before, after, at = None, next(iter(names), None), None
    else:
        at = names.index(known.decision_id)
        near = slice(max(at - MOST_NEXT, 0), at + MOST_NEXT + 1)
        before = names[at - 1] if at else None
        after = names[at + 1] if at + 1 < len(names) else None
    column = DECISIONS.c
    query = select(column.decision_id, column.plate).where(column.decision_id.in_(names[near]))
    plates = {row.decision_id: row.plate for row in snapshot.execute(query)}
    entries = [
        (position, one.decision_id, one.channel.code, plates[one.decision_id])
        for position, one in list(enumerate(waiting, 1))[near]
    ]
    return QueueRail(entries, before, after, None if at is None else at + 1, len(names))


def _apart(service: Runtime, post: str) -> Sequence[str]:
    """Return which rows of the comparison name by identifiers that only their own post has."""
    network = service.network
    pair = network.pair(post)
    fields: Mapping[str, IdentifierField] = {"driver": "driver_ref", "consignee": "consignee_id"}
    return [code for code, name in fields.items() if not network.are_comparable(name, post, pair)]


def _before(service: Runtime, found: PastView, post: str) -> PastPanel:
    known = service.network.posts.get(post)
    offset = timezone(timedelta(minutes=service.settings.utc_offset_minutes))
    local = offset if known is None else open_time_zone(known.timezone)
    until = datetime.fromisoformat(found.as_of).astimezone(local)
    drawn = draw_timeline(found.entities, until)
    return PastPanel(found, drawn, _by_day(found.entities, local)[:MOST_LISTED])


def _by_day(entities: Sequence[PastOf], local: tzinfo) -> list[dict[str, Any]]:
    """Return acts and finds, those of one kind, day and entity as one, the newest first."""
    found: Counter[tuple[str, str, str]] = Counter()
    for one in entities:
        for event in one.events:
            day = datetime.fromisoformat(event.known_at).astimezone(local).date().isoformat()
            found[day, one.whose, event.kind] += event.count
    newest = sorted(found, key=lambda key: key[0], reverse=True)
    return [{"day": d, "whose": w, "kind": k, "count": found[d, w, k]} for d, w, k in newest]


def _stands(snapshot: Connection, decision_id: str) -> dict[str, Any]:
    column = DECISIONS.c
    query = select(column.channel, column.waiting, column.left)
    row = snapshot.execute(query.where(column.decision_id == decision_id)).one()
    return {"channel": Channel(row.channel).code, "waiting": row.waiting, "left": row.left}


def _read_filing(
    snapshot: Connection, known: QueuedDecision, act: Mapping[str, Any], caller: Caller
) -> FiledActInfo:
    """Return who filed an act, and what was seized in it or reported of its crossing since."""
    inspection = act["inspection"]
    corrected = list_corrections(snapshot, known.act_seq or 0)
    seizures = []
    later = [JOURNAL.c.seq > known.seq, JOURNAL.c.post.in_((known.post, ""))]
    for record in JournalReader(snapshot).records(SEIZURE, where=later):
        first = record.body["seizure"]
        is_of_it = first.get("crossing_id") == known.crossing_id
        is_of_it |= first.get("inspection_id") == inspection["inspection_id"]
        if not (is_of_it and caller.sees(Matter.SEIZURES, first.get("agency"))):
            continue
        corrected += list_corrections(snapshot, record.seq)
        body = Corrections(snapshot).read(record.seq, record.body)
        if body is not None and inspection["outcome"] == "seizure":
            seizures.append(body["seizure"] | {"by": body.get("by")})
    at = datetime.fromisoformat(inspection["recorded_at"])
    finds = {one["seizure_id"]: number for number, one in enumerate(seizures, 1)}
    corrections = _read_corrections(snapshot, sorted(corrected), finds)
    taken_by = act.get("taken_by")
    asked = [JOURNAL.c.seq > max([known.seq, *corrected]), JOURNAL.c.subject == known.crossing_id]
    requests = [
        one.body | {"at": moment(one.known_at)}
        for one in JournalReader(snapshot).records(CORRECTION_ASKED, where=asked)
    ]
    return FiledActInfo(
        act.get("by"), act.get("team"), at, seizures, taken_by, corrections, requests
    )


def _read_act(service: Runtime, snapshot: Connection, seq: int) -> dict[str, Any] | None:
    body = service.journal.body(snapshot, seq, of=INSPECTION)
    return Corrections(snapshot).read(seq, body)


def _read_first(service: Runtime, snapshot: Connection, seq: int) -> Inspection:
    """Return an act as it was filed: a correction opens nothing."""
    body = service.journal.body(snapshot, seq, of=INSPECTION)
    return Inspection.model_validate(body["inspection"], strict=False)


def _read_corrections(
    snapshot: Connection, seqs: Sequence[int], finds: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return what corrections changed; ``finds`` are the numbers of the finds on the page."""
    found: list[dict[str, Any]] = []
    for record in read_corrections(snapshot, seqs):
        was, now, at = record.was, record.now or {}, moment(record.known_at)
        goods = (record.now or was) if record.of == "seizure" else None
        changes = [
            {
                "field": field,
                "was": was.get(field),
                "now": now.get(field),
                "units": [each.get(UNIT_OF.get(field, "")) for each in (was, now)],
                "name": record.name,
                "find": finds.get(record.name),
                "goods": goods,
            }
            for field in STATED_FIELDS
            if sort_codes(was.get(field)) != sort_codes(now.get(field))
        ]
        if "g" in (was.get("unit"), now.get("unit")):  # said once, as a quantity
            changes = [one for one in changes if one["field"] not in ("amount", "unit")]
        one: dict[str, Any] = {
            "by": record.by,
            "at": at,
            "reason": record.reason,
            "changes": changes,
        }
        last = found[-1] if found else one
        is_of_one_form = (last["by"], last["reason"]) == (one["by"], one["reason"])
        if found and is_of_one_form and at - last["at"] < ONE_FORM:
            last["changes"] += changes
        else:
            found.append(one)
    return found


STATED_FIELDS = (
    "outcome", "methods", "places_searched", "minutes", "discrepancy_kinds", "duty_assessed",
    "currency", "goods_class", "substance_class", "substance", "quantity_g", "amount", "unit",
    "place", "concealment",
)  # fmt: skip
"""Fields of an act and of a seizure, in the order of their form."""
UNIT_OF = {"amount": "unit", "duty_assessed": "currency"}
"""Fields of numbers, each with the field of its unit."""
ONE_FORM = timedelta(minutes=1)
"""Within this, corrections of one person for one reason were sent by one form."""


def _release(snapshot: Connection, known: QueuedDecision) -> dict[str, Any] | None:
    """Return how a vehicle left without inspection: who, when, and why where that was said."""
    later = [JOURNAL.c.seq > known.seq, JOURNAL.c.subject == known.crossing_id]
    record = next(JournalReader(snapshot).records(RELEASE, where=later, oldest=1), None)
    if record is None:
        return None
    # Records before decision 22 hold no reason, and not always who it was.
    unknown = {"by": None, "reason_code": None, "reason": None}
    return unknown | dict(record.body) | {"at": moment(record.known_at)}


def _proposal(seen: Mapping[str, Any]) -> Mapping[str, Any] | None:
    last: Mapping[str, Any] = next(reversed(seen.get("reviews") or ()), {})
    return last if last.get(NEEDS_SECOND) else None


def _recompute_reasons(
    service: Runtime, snapshot: Connection, known: QueuedDecision
) -> Sequence[Reason]:
    """Work out what speaks for and against a vehicle that was let go; nothing without its model."""
    try:
        return service.recompute.reasons(snapshot, known.seq)
    except (NoModelError, TamperedBundleError):
        return ()
