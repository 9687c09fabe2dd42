"""Past of a vehicle for reviewers: its own, its parties', and seizures like it.

As of the decision, from what its features could know and nothing later. Names are those that came
with this decision, and those of records made with this service; an entity known from the loaded
history alone has a short mark instead, because the store keeps no names of it. A caller bound to a
post is shown neither other posts' crossings nor names that others' records brought.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol, runtime_checkable

from sqlalchemy import Connection, select

from api.auth.callers import Caller
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
from features.online.entity_history import (
    EarlierCrossing,
    EntityHistoryReader,
    TiedEntity,
    TieGroup,
    count_co_occurrences,
    passages,
    read_tie_groups,
)
from models.explanation.similar_seizures import SimilarSeizure

_J = JOURNAL.c
Names = Mapping[str, str | None]


@runtime_checkable
class RemembersSeizures(Protocol):
    """A model that remembers seizures."""

    def similar(self, row: Rows, *, as_of: int) -> Sequence[SimilarSeizure]:
        """Return those known before a time whose reasons were most like this row's, shape (f,)."""
        ...


def past(
    service: Runtime, snapshot: Connection, known: QueuedDecision, caller: Caller
) -> dict[str, Any]:
    """Return the past of a decision's vehicle and parties, as JSON values."""
    filing, rows = service.recompute.filed(snapshot, known.seq)
    looking, as_of = EntityHistoryReader(service.plan), filing.inputs.as_of
    network = service.network
    entities, _ = encode(filing.arrival.crossing, filing.arrival.declaration, network)
    keys, names, plate = service.plan.keys(entities), names_of(filing.arrival), entities["plate"]
    linked = read_tie_groups(looking, snapshot, keys, as_of=as_of)
    fields = {} if caller.post or caller.hidden_posts else _read_names(service, snapshot, linked)
    earlier = [] if plate is None else passages(snapshot, key("plate", plate), as_of=as_of)
    return {
        "decision_id": known.decision_id,
        "as_of": rfc3339(as_of),
        "synthetic": service.network.synthetic,
        "is_as_decided": rows.epoch == filing.inputs.epoch,
        "entities": [
            {
                "whose": one.whose,
                "name": names[one.whose],
                "crossings_by_week": list(one.weeks),
                "crossings_ever": one.ever,
                "totals": dict(one.totals),
                "events": [
                    {"known_at": rfc3339(event.known_at), "kind": event.kind, "count": event.count}
                    for event in one.events
                ],
            }
            for one in looking.past(snapshot, keys, as_of=as_of)
        ],
        "crossings": _crossings(snapshot, [one for one in earlier if caller.reaches(one.post)]),
        "together": [
            asdict(one) for one in count_co_occurrences(looking, snapshot, keys, as_of=as_of)
        ],
        "ties": [_ties(one, fields) for one in linked],
        "similar": _similar(service, filing, rows.values[0]),
    }


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


def _crossings(snapshot: Connection, earlier: Sequence[EarlierCrossing]) -> list[dict[str, Any]]:
    column = DECISIONS.c
    query = select(column.crossing_id, column.decision_id).where(
        column.crossing_id.in_([one.crossing_id for one in earlier]), column.amends.is_(None)
    )
    decided = {row.crossing_id: row.decision_id for row in snapshot.execute(query)}
    return [
        {
            "crossing_id": one.crossing_id,
            "post": one.post,
            "direction": "entry" if one.is_entry else "exit",
            "arrived_at": rfc3339(one.arrived_at),
            "decision_id": decided.get(one.crossing_id),
        }
        for one in earlier
    ]


def _ties(one: TieGroup, names: Mapping[int, str]) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in ("via", "to", "known", "is_bounded", "passed")}
    return plain | {"fellows": [_fellow(fellow, names.get(fellow.key)) for fellow in one.fellows]}


def _fellow(one: TiedEntity, name: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "mark": f"{one.key & 0xFFFFFF:06x}",
        "since": rfc3339(one.since),
        "crossings": one.crossings,
        "inspected": one.inspected,
        "hits": one.hits,
    }


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


def _similar(service: Runtime, filing: StoredDecision, row: Rows) -> list[dict[str, Any]] | None:
    """Return seizures whose reasons were like these; None where no model can say."""
    try:
        scorer = service.recompute.scorer(filing)
    except (NoModelError, TamperedBundleError):
        return None
    if not isinstance(scorer, RemembersSeizures):
        return None
    found = scorer.similar(row, as_of=filing.inputs.as_of)
    return [asdict(one) | {"shared": list(one.shared)} for one in found]
