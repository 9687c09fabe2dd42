"""Acts and finds of one crossing as the journal states them, as of a record's number.

Read inside the writer's transaction when one of them is corrected, which is rare. Acts of the
loaded history are not corrected, and not read here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from engine.domain.records import Inspection
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import FIND_CONFIRMED, SEIZURE
from engine.queue.corrections import CORRECTIONS, Corrections
from engine.queue.match_outcomes import ACTS
from features.catalogue.event_measures import LabelStep, StatedAct, label_steps


@dataclass(frozen=True, slots=True)
class StatedCrossing:
    """A crossing as its acts and finds state it."""

    steps: Sequence[LabelStep]
    searched: frozenset[str]
    """Places, those of finds among them."""
    found: frozenset[str]


def read_stated_crossing(connection: Connection, crossing_id: str, *, upto: int) -> StatedCrossing:
    """Return what is stated of a crossing by records up to a number, corrections among them."""
    column = ACTS.c
    query = select(column.seq).where(column.crossing_id == crossing_id, column.seq <= upto)
    seqs = list(connection.scalars(query))
    first = JournalReader(connection).bodies(seqs)
    of = CORRECTIONS.c
    later = select(of.seq).where(of.of.in_(seqs), of.seq <= upto)
    bodies = first | JournalReader(connection).bodies(list(connection.scalars(later)))
    times = select(JOURNAL.c.seq, JOURNAL.c.known_at).where(JOURNAL.c.seq.in_(list(bodies)))
    known_at = {row.seq: row.known_at for row in connection.execute(times)}
    acts = [_to_stated_act(known_at[seq], bodies[seq]) for seq in sorted(bodies)]
    known = Corrections(connection, upto=upto)
    last = known.bodies(first).values()
    found = _read_find_places(connection, known, crossing_id, upto=upto)
    searched = {place for body in last for place in body["inspection"].get("places_searched", ())}
    return StatedCrossing(tuple(label_steps(acts)), frozenset(searched | found), frozenset(found))


def _to_stated_act(known_at: int, body: dict[str, Any]) -> StatedAct:
    act = Inspection.model_validate(body["inspection"], strict=False)
    return known_at, act.inspection_id, act.outcome, act.is_full


def _read_find_places(
    connection: Connection, known: Corrections, crossing_id: str, *, upto: int
) -> set[str]:
    records = JournalReader(connection).records(
        SEIZURE, FIND_CONFIRMED, where=[JOURNAL.c.seq <= upto]
    )
    bodies = (
        known.read(one.seq, one.body)
        for one in records
        if one.body["linked_crossing_id"] == crossing_id
    )
    places = (body["seizure"].get("place") for body in bodies if body is not None)
    return {place for place in places if place is not None}
