"""Past of a vehicle for reviewers: its own, its parties', and seizures like it.

As of the decision, from what its features could know and nothing later. Names are those that came
with this decision, and those of records made with this service; an entity known from the loaded
history alone has a short mark instead, because the store keeps no names of it. A caller bound to a
post is shown neither other posts' crossings nor names that others' records brought.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from sqlalchemy import Connection, select

from api.auth.callers import Caller
from api.http.answers import Answer, Time
from api.service.runtime import Runtime
from engine.decision.record_codec import StoredDecision
from engine.domain.records import Arrival
from engine.domain.time_units import rfc3339
from engine.errors import NoModelError, TamperedBundleError
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import CROSSING, DECISION
from engine.ports import Rows
from engine.queue.queue import DECISIONS, QueuedDecision
from features.catalogue.encoder import encode, key
from features.online import entity_history
from features.online.entity_history import (
    CoOccurrence,
    EntityHistory,
    EntityHistoryReader,
    Kind,
    TieGroup,
    Whose,
    count_co_occurrences,
    passages,
    read_tie_groups,
)
from models.explanation.similar_seizures import SimilarSeizure

_J = JOURNAL.c
Names = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class PastEvent(Answer):
    """An act, a find elsewhere, or a hit of a linked entity that was passed on."""

    known_at: Time
    kind: Kind
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastOf(Answer):
    """What was known of one entity of the crossing."""

    whose: Whose
    name: str | None
    crossings_by_week: list[int]
    """Of the last 52 weeks, the oldest first."""
    crossings_ever: int
    totals: dict[Kind, int]
    """Within these weeks, listed or not; a trailer's or declarant's seizures count as finds."""
    events: list[PastEvent]
    """The last of them, the newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierCrossing(Answer):
    """An earlier crossing of the vehicle."""

    crossing_id: str
    post: str
    direction: Literal["entry", "exit"]
    arrived_at: Time
    decision_id: str | None
    """Its decision, where this service made one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiedEntity(Answer):
    """An entity linked to an entity of the crossing."""

    name: str | None
    """None where only the loaded history knows it."""
    mark: str
    """Short and the same wherever it is shown; not a name."""
    since: Time
    crossings: int
    inspected: int
    hits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TiedEntities(Answer):
    """All that one entity of the crossing links to others."""

    via: Whose
    to: Whose
    known: int
    """How many, of the 32 linked last."""
    is_bounded: bool
    """There may be more than 32."""
    passed: int
    """Hits passed along these links to the crossing's own."""
    fellows: list[TiedEntity]
    """Those with most finds first, at most three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastView(Answer):
    """What was known of a decision's vehicle and parties when it was made."""

    tables = ("entities", "crossings", "together", "ties", "similar")
    decision_id: str
    as_of: Time
    synthetic: bool
    is_as_decided: bool
    """False where history was loaded since: it is then in what is shown."""
    entities: list[PastOf]
    crossings: list[EarlierCrossing]
    together: list[CoOccurrence]
    ties: list[TiedEntities]
    similar: Sequence[SimilarSeizure] | None
    """None where no model can say."""


def read_past(
    service: Runtime, snapshot: Connection, known: QueuedDecision, caller: Caller
) -> PastView:
    """Return the past of a decision's vehicle and parties."""
    filing, rows = service.recompute.filed(snapshot, known.seq)
    looking, as_of = EntityHistoryReader(service.plan), filing.inputs.as_of
    network = service.network
    entities, _ = encode(filing.arrival.crossing, filing.arrival.declaration, network)
    keys, names, plate = service.plan.keys(entities), names_of(filing.arrival), entities["plate"]
    linked = read_tie_groups(looking, snapshot, keys, as_of=as_of)
    fields = {} if caller.post or caller.hidden_posts else _read_names(service, snapshot, linked)
    earlier = [] if plate is None else passages(snapshot, key("plate", plate), as_of=as_of)
    return PastView(
        decision_id=known.decision_id,
        as_of=rfc3339(as_of),
        synthetic=network.synthetic,
        is_as_decided=rows.epoch == filing.inputs.epoch,
        entities=[
            _describe_entity(one, names) for one in looking.past(snapshot, keys, as_of=as_of)
        ],
        crossings=_describe_crossings(
            snapshot, [one for one in earlier if caller.reaches(one.post)]
        ),
        together=count_co_occurrences(looking, snapshot, keys, as_of=as_of),
        ties=[_describe_ties(one, fields) for one in linked],
        similar=_find_similar(service, filing, rows.values[0]),
    )


def _describe_entity(one: EntityHistory, names: Names) -> PastOf:
    return PastOf(
        whose=one.whose,
        name=names[one.whose],
        crossings_by_week=list(one.weeks),
        crossings_ever=one.ever,
        totals=dict(one.totals),
        events=[PastEvent(rfc3339(each.known_at), each.kind, each.count) for each in one.events],
    )


def names_of(arrival: Arrival) -> Names:
    """Return what a vehicle and its parties are called, as they were reported."""
    crossing, papers = arrival.crossing, arrival.declaration
    return {
        "plate": crossing.plate,
        "trailer": crossing.trailer_plate,
        "driver": crossing.driver_ref,
        "carrier": crossing.carrier_id,
        "consignee": papers.consignee_id if papers else None,
        "declarant": papers.declarant_id if papers else None,
    }


def _describe_crossings(
    snapshot: Connection, earlier: Sequence[entity_history.EarlierCrossing]
) -> list[EarlierCrossing]:
    column = DECISIONS.c
    query = select(column.crossing_id, column.decision_id).where(
        column.crossing_id.in_([one.crossing_id for one in earlier]), column.amends.is_(None)
    )
    decided = {row.crossing_id: row.decision_id for row in snapshot.execute(query)}
    return [
        EarlierCrossing(
            crossing_id=one.crossing_id,
            post=one.post,
            direction="entry" if one.is_entry else "exit",
            arrived_at=rfc3339(one.arrived_at),
            decision_id=decided.get(one.crossing_id),
        )
        for one in earlier
    ]


def _describe_ties(one: TieGroup, names: Mapping[int, str]) -> TiedEntities:
    return TiedEntities(
        via=cast("Whose", one.via),
        to=cast("Whose", one.to),
        known=one.known,
        is_bounded=one.is_bounded,
        passed=one.passed,
        fellows=[
            TiedEntity(
                name=names.get(fellow.key),
                mark=f"{fellow.key & 0xFFFFFF:06x}",
                since=rfc3339(fellow.since),
                crossings=fellow.crossings,
                inspected=fellow.inspected,
                hits=fellow.hits,
            )
            for fellow in one.fellows
        ],
    )


def _read_names(
    service: Runtime, snapshot: Connection, linked: Sequence[TieGroup]
) -> dict[int, str]:
    """Return the names of fellows that a record of this journal linked, by their keys."""
    since = sorted({fellow.since for tie in linked for fellow in tie.fellows})
    found: dict[int, str] = {}
    network = service.network
    linked_by = [JOURNAL.c.known_at.in_(since)]
    for record in JournalReader(snapshot).records(DECISION, CROSSING, where=linked_by):
        arrival = Arrival.model_validate(record.body["arrival"], strict=False)
        entities, _ = encode(arrival.crossing, arrival.declaration, network)
        for whose, name in names_of(arrival).items():
            folded = entities[whose]
            if name is not None and folded is not None:
                found[key(whose, folded)] = name
    return found


def _find_similar(
    service: Runtime, filing: StoredDecision, row: Rows
) -> Sequence[SimilarSeizure] | None:
    """Return seizures whose reasons were like these; None where no model can say."""
    try:
        scorer = service.recompute.scorer(filing)
    except (NoModelError, TamperedBundleError):
        return None
    find_similar = getattr(scorer, "similar", None)  # a model need not remember seizures
    if find_similar is None:
        return None
    found: Sequence[SimilarSeizure] = find_similar(row, as_of=filing.inputs.as_of)
    return found
