"""Outcomes of what each rule matched, by month, and what each did alone and together with others.

Outcomes by month are a projection of decisions and inspection acts. Only acts that could have found
something count as inspections, as for every hit rate: papers and scales alone are no evidence that
a vehicle carried nothing. A vehicle counts once, in the month of its first decision that matched
(UTC), however often its declaration was changed. Acts and posts that a reader does not see are left
out of every sum.

The gravity of a find follows from the class and quantity of the seizures reported
(:func:`engine.domain.network.weigh_find`). A seizure may be reported long after its act: until then
the act's outcome alone says what was found.

Since a time, a vehicle counts once for each rule that matched it. Rules are compared on the
vehicles that they matched; the score stands for the vehicles that it alone picked, because a
decision's basis names a profile or an entry before it. Known lawful trade selects nothing: it makes
no other rule one of several, and stands alone where no other rule matched the vehicle. A rule
*missed* a find where it matched the vehicle, nobody searched it, and a later find was linked to the
crossing. Acts and posts that a reader does not see are left out of every sum.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import fsum
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    Select,
    String,
    Subquery,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from engine.criteria.known_lawful import is_drawn
from engine.criteria.match import KNOWN_LAWFUL
from engine.criteria.policy import read_goods_classes
from engine.domain.network import Network, weigh_find
from engine.domain.records import Inspection
from engine.domain.time_units import DAY, NEVER, moment
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    DECISION,
    FIND_CONFIRMED,
    INSPECTION,
    INSPECTION_CORRECTED,
    PROFILE_COUNTED,
    SEIZURE,
    SEIZURE_CORRECTED,
    DecisionBody,
    InspectionBody,
)
from engine.queue.corrections import Corrections
from engine.queue.queue import DECISIONS
from engine.storage.database import (
    Int64,
    at_posts,
    declare_columns,
    execute_rows,
    insert_rows,
    record_table,
    split_in_slices,
)

MATCHES = record_table(
    "profile_matches",
    Column("code", String, primary_key=True),
    *declare_columns(String, "crossing_id"),
    *declare_columns(Boolean, "selected", "inspected", "hit"),
    *declare_columns(Float(53), "minutes"),
    Index("profile_matches_code_ix", "code"),
    Index("profile_matches_crossing_ix", "crossing_id"),
)
"""Profiles and entries that matched a decision; what of it was inspected, by acts of any agency."""
ACTS = record_table(
    "acts",
    *declare_columns(String, "post", "crossing_id"),
    Column("agency", String),
    *declare_columns(Boolean, "is_evidence", "is_hit"),
    Column("minutes", Float(53)),
    Column("duty", Float(53)),
    Column("currency", String),
    *declare_columns(String, "outcome", "basis", "methods", "places", "kinds"),
    Index("acts_crossing_ix", "crossing_id"),
    Index("acts_post_ix", "post", "seq"),
    Index("acts_currency_ix", "currency", "seq"),
)
"""Inspection acts, for sums by what their agencies let a reader see; ``duty`` is as assessed.

Methods, places searched and kinds of discrepancy are codes with semicolons between them.
"""
SEIZED_GOODS = record_table(
    "seized_goods",
    *declare_columns(String, "crossing_id"),
    Column("agency", String),
    *declare_columns(String, "substance_class"),
    Column("substance", String),
    Column("quantity_g", Float(53)),
    Column("goods_class", String),
    Column("amount", Float(53)),
    Column("unit", String),
    Column("place", String),
    Index("seized_goods_crossing_ix", "crossing_id"),
)
"""Seizures that belong to a crossing, as they were last stated; none that was withdrawn."""
COUNTS = record_table(
    "profile_counts",
    Column("code", String, primary_key=True),
    *declare_columns(Int64, "arrivals", "matches"),
)
"""What shadows would have matched, a row for each time it was recorded."""
_M, _A, _C, _S = MATCHES.c, ACTS.c, COUNTS.c, SEIZED_GOODS.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the vehicles that one profile or entry matched."""

    matches: int = 0
    selected: int = 0
    """Sent where it sends them, by its own draw; of known lawful trade, drawn at all."""
    inspected: int = 0
    """Of the matches, whatever selected them, by an act that could have found something."""
    hits: int = 0
    selected_inspected: int = 0
    selected_hits: int = 0
    minutes: float = 0.0
    """Spent on the inspected ones."""

    def __add__(self, other: "Outcome") -> "Outcome":
        """Return the outcome of both together."""
        names = [field.name for field in fields(self)]
        return Outcome(**{name: getattr(self, name) + getattr(other, name) for name in names})


Months = Mapping[str, Outcome]
"""Outcomes by month, as ``2026-11``, ascending."""


@dataclass(frozen=True, slots=True)
class OutcomeFilter:
    """What a reader sees; by default all."""

    post: str | None = None
    """The one post whose decisions it sees; None where it sees those of every post."""
    hidden_posts: frozenset[str] = frozenset()
    sees_acts_of: Callable[[str | None], bool] = lambda _: True
    """Whether it sees acts of an agency; None where an act names none."""
    since: int = 0
    """UTC microseconds of the first match, as ``until``, which is not included."""
    until: int = NEVER


def project_outcomes(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep what profiles and entries matched, what acts found, and the counts of shadows."""
    matched = [
        (entry.seq, code, body["crossing_id"], is_selected, False, False, 0.0)
        for entry, body in list_bodies(entries, DECISION)
        for code, is_selected in _matches_of(body).items()
    ]
    insert_rows(connection, MATCHES, matched)
    acts = [(entry, _act(body)) for entry, body in list_bodies(entries, INSPECTION)]
    insert_rows(connection, ACTS, [_act_row(entry.seq, entry.post, act) for entry, act in acts])
    execute_rows(connection, _ACT, [_act_values(act) for _, act in acts])
    for entry, draft in entries:
        if entry.kind == INSPECTION_CORRECTED:
            of = find_local_number(connection, draft, draft.body["of"])
            _restate(connection, draft.body, of=of, post=entry.post)
    counted = [
        (entry.seq, code, number["arrivals"], number["matches"])
        for entry, body in list_bodies(entries, PROFILE_COUNTED)
        for code, number in body["counts"].items()
    ]
    insert_rows(connection, COUNTS, counted)
    _project_goods(connection, entries)


def _project_goods(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep the goods that were seized from crossings, as they are stated."""
    seized = [
        (entry.seq, body["linked_crossing_id"], *_goods_of(body["seizure"]).values())
        for kind in (SEIZURE, FIND_CONFIRMED)
        for entry, body in list_bodies(entries, kind)
        if body["linked_crossing_id"] is not None
    ]
    insert_rows(connection, SEIZED_GOODS, seized)
    for entry, draft in entries:
        if entry.kind != SEIZURE_CORRECTED:
            continue
        of, stated = find_local_number(connection, draft, draft.body["of"]), draft.body["seizure"]
        if stated is None:
            connection.execute(delete(SEIZED_GOODS).where(_S.seq == of))
        else:
            connection.execute(update(SEIZED_GOODS).where(_S.seq == of).values(_goods_of(stated)))


def _goods_of(seizure: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that a seizure states, by name."""
    return {name: seizure.get(name) for name in _STATED_GOODS}


_STATED_GOODS = tuple(
    column.name for column in SEIZED_GOODS.columns if column.name not in ("seq", "crossing_id")
)


def _matches_of(body: DecisionBody) -> dict[str, bool]:
    """Return what matched a decision, and whether it selected the vehicle by its own draw.

    Of known lawful trade: whether the vehicle was drawn, whatever its score.
    """
    selected = body["decision"]["profiles"]
    return {
        match["code"]: match["code"] in selected
        or (match["source"] == "watchlist" and match["share"] > 0)
        or (match["source"] == KNOWN_LAWFUL and is_drawn(body["decision"]["basis"]))
        for match in body["inputs"]["matches"]
    }


def _act(body: InspectionBody) -> Inspection:
    return Inspection.model_validate(body["inspection"], strict=False)


def _act_row(seq: int, post: str, act: Inspection) -> Sequence[object]:
    is_hit = act.outcome != "clear"
    assessed = act.duty_assessed, act.currency
    codes = (act.methods, act.places_searched, act.discrepancy_kinds)
    return (
        *(seq, post, act.crossing_id, act.agency, act.is_evidence, is_hit, act.minutes, *assessed),
        *(act.outcome, act.basis, *map(";".join, codes)),
    )


def _act_values(act: Inspection) -> dict[str, object]:
    return {
        "which": act.crossing_id,
        "is_evidence": act.is_evidence,
        "is_hit": act.outcome != "clear",
        "more": act.minutes or 0.0,
    }


_ACT = (
    update(MATCHES)
    .where(_M.crossing_id == bindparam("which"))
    .values(
        inspected=_M.inspected | bindparam("is_evidence", type_=Boolean),
        hit=_M.hit | bindparam("is_hit", type_=Boolean),
        minutes=_M.minutes + bindparam("more"),
    )
)


def _restate(connection: Connection, body: Mapping[str, Any], *, of: int, post: str) -> None:
    """Let an act count as it is stated now, for all that its crossing matched.

    ``of`` is the number of its first record here.
    """
    act = Inspection.model_validate(body["inspection"], strict=False)
    names = [column.name for column in ACTS.columns]
    stated = dict(zip(names, _act_row(of, post, act), strict=True))
    connection.execute(update(ACTS).where(_A.seq == of).values(stated))
    later = (_A.crossing_id == _M.crossing_id) & (_A.seq > _M.seq)
    spent = select(func.coalesce(func.sum(_A.minutes), 0.0)).where(later).scalar_subquery()
    connection.execute(
        update(MATCHES)
        .where(_M.crossing_id == act.crossing_id)
        .values(
            inspected=exists().where(later, _A.is_evidence),
            hit=exists().where(later, _A.is_hit),
            minutes=spent,
        )
    )


def read_outcomes(
    connection: Connection, codes: Sequence[str], seen: OutcomeFilter | None = None
) -> dict[str, Months]:
    """Return what became of what each profile or entry matched, by month."""
    seen = OutcomeFilter() if seen is None else seen
    agencies = list_seen_agencies(connection, seen)
    found: dict[str, dict[str, Outcome]] = {code: defaultdict(Outcome) for code in codes}
    for some in split_in_slices(list(codes), 500):
        for code, day, *figures in connection.execute(_by_day(some, agencies, seen)):
            outcome = Outcome(**dict(zip(_FIGURES, figures, strict=True)))
            month = moment(int(day) * DAY).strftime("%Y-%m")
            found[code][month] += outcome
    return {code: dict(sorted(months.items())) for code, months in found.items()}


def read_last_matches(
    connection: Connection, codes: Sequence[str], seen: OutcomeFilter
) -> dict[str, int]:
    """Return when each profile or entry matched last, UTC microseconds; without those never."""
    found: dict[str, int] = {}
    for some in split_in_slices(list(codes), 500):
        query = (
            select(_M.code, func.max(JOURNAL.c.known_at))
            .join(JOURNAL, JOURNAL.c.seq == _M.seq)
            .where(_M.code.in_(some), *at_posts(JOURNAL.c.post, seen.post, seen.hidden_posts))
            .group_by(_M.code)
        )
        found |= {code: int(at) for code, at in connection.execute(query)}
    return found


_FIGURES = tuple(field.name for field in fields(Outcome))


def _by_day(
    codes: Sequence[str], agencies: Collection[str | None], seen: OutcomeFilter
) -> Select[Any]:
    """Return the query of outcomes by code and day of the first match, UTC."""
    found = join_acts(select_matches(seen).where(_M.code.in_(codes)), agencies).c
    both = found.selected * found.inspected
    sums = (found.selected, found.inspected, found.hit, both, found.selected * found.hit)
    return select(
        found.code, found.day, func.count(), *map(func.sum, sums), func.sum(found.minutes)
    ).group_by(found.code, found.day)


def select_matches(seen: OutcomeFilter) -> Select[Any]:
    """Return the query of what matched: code, crossing, day of the first match, and selection."""
    first = func.min(JOURNAL.c.known_at)
    day = first // DAY
    return (
        select(_M.code, _M.crossing_id, day.label("day"), _number(_M.selected).label("selected"))
        .join(JOURNAL, JOURNAL.c.seq == _M.seq)
        .where(*at_posts(JOURNAL.c.post, seen.post, seen.hidden_posts))
        .group_by(_M.code, _M.crossing_id)
        .having(first >= seen.since, first < seen.until)
    )


def join_acts(matched: Select[Any], agencies: Collection[str | None]) -> Subquery:
    """Return the same with what acts of these agencies found on each crossing, and their minutes.

    ``agencies`` holds None for acts that name no agency.
    """
    each = matched.subquery().c
    named = [agency for agency in agencies if agency is not None]
    is_seen: ColumnElement[bool] = _A.agency.in_(named)
    if None in agencies:
        is_seen = or_(is_seen, _A.agency.is_(None))
    return (
        select(
            each.code,
            each.crossing_id,
            each.day,
            each.selected,
            func.coalesce(_number(_A.is_evidence), 0).label("inspected"),
            func.coalesce(_number(_A.is_hit), 0).label("hit"),
            func.coalesce(func.sum(_A.minutes), 0.0).label("minutes"),
        )
        .outerjoin(ACTS, and_(_A.crossing_id == each.crossing_id, is_seen))
        .group_by(each.code, each.crossing_id, each.day, each.selected)
        .subquery()
    )


def select_answered(
    outcome: str, *, agencies: Collection[str | None] | None
) -> ColumnElement[bool]:
    """Return the condition that the act on a decision, of these agencies, had an outcome.

    An act is that of the last decision that it answered. ``agencies`` None means all; it holds None
    for acts that name no agency.
    """
    decided, newer = DECISIONS.c, DECISIONS.alias("newer").c
    is_stated_later = (
        select(newer.seq)
        .where(newer.crossing_id == decided.crossing_id, newer.post == decided.post)
        .where(newer.act_seq == decided.act_seq, newer.seq > decided.seq)
        .exists()
    )
    answers = select(_A.seq).where(_A.seq == decided.act_seq, _A.outcome == outcome)
    if agencies is not None:
        named = [agency for agency in agencies if agency is not None]
        is_seen: ColumnElement[bool] = _A.agency.in_(named)
        answers = answers.where(or_(is_seen, _A.agency.is_(None)) if None in agencies else is_seen)
    return and_(answers.exists(), ~is_stated_later)


def read_act_outcomes(
    connection: Connection, seqs: Sequence[int]
) -> dict[int, tuple[str | None, str]]:
    """Return the agency and the outcome of acts by the numbers of their records."""
    query = select(_A.seq, _A.agency, _A.outcome)
    return {
        row.seq: (row.agency, row.outcome)
        for some in split_in_slices(seqs, 500)
        for row in connection.execute(query.where(_A.seq.in_(some)))
    }


def list_seen_agencies(connection: Connection, seen: OutcomeFilter) -> list[str | None]:
    """Return the agencies whose acts a reader sees; None for acts that name none."""
    return [a for a in connection.scalars(select(_A.agency).distinct()) if seen.sees_acts_of(a)]


def _number(flag: ColumnElement[bool]) -> ColumnElement[int]:
    """Return 1 where a flag is set in any row of a group, else 0."""
    return func.max(cast(flag, Integer))


def count_in_shadow(connection: Connection, code: str) -> tuple[int, int]:
    """Return the arrivals that a profile saw in the shadow, and those it would have matched."""
    query = select(
        func.coalesce(func.sum(_C.arrivals), 0), func.coalesce(func.sum(_C.matches), 0)
    ).where(_C.code == code)
    arrivals, matches = connection.execute(query).one()
    return int(arrivals), int(matches)


def total(months: Iterable[Outcome]) -> Outcome:
    """Return the outcome of some months together."""
    return sum(months, start=Outcome())


class FindGravity:
    """Weighs finds of one snapshot.

    ``is_seen`` tells of an agency whether the reader sees its seizures: those of others count as
    not reported.
    """

    def __init__(
        self,
        snapshot: Connection,
        network: Network,
        *,
        is_seen: Callable[[str | None], bool],
    ) -> None:
        self._snapshot, self._network, self._is_seen = snapshot, network, is_seen
        self.classes = read_goods_classes(snapshot)

    def of(self, crossing_id: str, acts: Sequence[Inspection]) -> float:
        """Return what was found on a crossing by the acts that could find something."""
        outcomes = [act.outcome for act in acts if act.is_evidence]
        goods = self.list_goods(crossing_id) if "seizure" in outcomes else ()
        amounts = [
            (one["substance_class"], one.get("quantity_g"), one.get("goods_class")) for one in goods
        ]
        weights = (weigh_find(self._network, one, amounts, self.classes) for one in outcomes)
        return max(weights, default=0.0)

    def of_matches(self, code: str, seen: OutcomeFilter) -> float:
        """Return what was found on the matches of a profile or an entry, added up.

        Acts whose bodies were erased weigh nothing: what they found is not known any more.
        """
        matched = select_matches(seen).where(_M.code == code).subquery().c
        query = select(ACTS.c.seq, ACTS.c.crossing_id, ACTS.c.agency)
        query = query.where(ACTS.c.is_hit, ACTS.c.crossing_id.in_(select(matched.crossing_id)))
        rows = [row for row in self._snapshot.execute(query) if seen.sees_acts_of(row.agency)]
        raw = JournalReader(self._snapshot).bodies([row.seq for row in rows])
        bodies = Corrections(self._snapshot).bodies(raw)
        acts: dict[str, list[Inspection]] = defaultdict(list)
        for row in rows:
            if row.seq in bodies:
                act = Inspection.model_validate(bodies[row.seq]["inspection"], strict=False)
                acts[row.crossing_id].append(act)
        return fsum(self.of(name, found) for name, found in acts.items())

    def list_goods(self, crossing_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the seizures of a crossing as they were last stated, those that are seen."""
        query = select(SEIZED_GOODS).where(_S.crossing_id == crossing_id).order_by(_S.seq)
        rows = self._snapshot.execute(query).mappings()
        return [dict(row) for row in rows if self._is_seen(row["agency"])]


@dataclass(slots=True, kw_only=True)
class RuleFigures:
    """What became of the vehicles that one rule matched."""

    matches: int = 0
    alone: int = 0
    """Matched by no other rule."""
    shared: int = 0
    searches: int = 0
    """By an act that could have found something, whatever selected the vehicle."""
    finds: int = 0
    finds_alone: int = 0
    """Finds on vehicles that no other rule matched."""
    missed: int = 0
    """Matched, searched by nobody, and a later find was linked to the crossing."""
    minutes: float = 0.0


@dataclass(slots=True)
class _Vehicle:
    is_searched: bool = False
    is_hit: bool = False
    minutes: float = 0.0


def read_rule_figures(
    connection: Connection,
    rule_of: Mapping[str, str],
    *,
    score: str,
    since: int,
    seen: OutcomeFilter,
    gravity: FindGravity,
    lanes: Collection[str] = (),
) -> dict[str, RuleFigures]:
    """Return the figures of each rule that matched anything.

    Parameters
    ----------
    connection : Connection
    rule_of : mapping of str to str
        The rule of each code of a profile or an entry; other codes are left out.
    score : str
        The rule that stands for the score.
    since : int
        UTC microseconds.
    seen : OutcomeFilter
        What the reader sees.
    gravity : FindGravity
        Finds that were reported, as the reader sees them.
    lanes : collection of str
        Rules that stand for known lawful trade.
    """
    agencies = list_seen_agencies(connection, seen)
    vehicles: dict[str, dict[str, _Vehicle]] = defaultdict(dict)
    column = DECISIONS.c
    picked = select(
        literal(score).label("code"),
        column.crossing_id,
        (func.min(column.known_at) // DAY).label("day"),
        literal(1, Integer).label("selected"),
    ).where(
        column.basis == "score",
        column.known_at >= since,
        *at_posts(column.post, seen.post, seen.hidden_posts),
    )
    recent = select_matches(seen).where(JOURNAL.c.known_at >= since)
    known = {**rule_of, score: score}
    for matched in (recent, picked.group_by(column.crossing_id)):
        for row in connection.execute(select(join_acts(matched, agencies))):
            if row.code in known:
                one = vehicles[row.crossing_id].setdefault(known[row.code], _Vehicle())
                one.is_searched |= bool(row.inspected)
                one.is_hit |= bool(row.hit)
                one.minutes = max(one.minutes, row.minutes)
    return _sum_up(vehicles, gravity, frozenset(lanes))


def _sum_up(
    vehicles: Mapping[str, Mapping[str, _Vehicle]], gravity: FindGravity, lanes: frozenset[str]
) -> dict[str, RuleFigures]:
    found: dict[str, RuleFigures] = defaultdict(RuleFigures)
    for crossing_id, rules in vehicles.items():
        selecting = rules.keys() - lanes
        for rule, one in rules.items():
            is_alone = selecting <= {rule}
            sums = found[rule]
            sums.matches += 1
            sums.alone += is_alone
            sums.shared += not is_alone
            sums.searches += one.is_searched
            sums.finds += one.is_hit
            sums.finds_alone += one.is_hit and is_alone
            is_let_go = not (one.is_searched or one.is_hit)
            sums.missed += is_let_go and bool(gravity.list_goods(crossing_id))
            sums.minutes += one.minutes
    return dict(found)
