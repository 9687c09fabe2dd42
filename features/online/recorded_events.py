"""Events of the counters, from records that were made elsewhere or earlier."""

from collections.abc import Mapping
from typing import Any

from engine.domain.records import Arrival, Inspection, Seizure
from engine.journal.entries import ProjectionInput
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    FIND_CONFIRMED,
    INSPECTION,
    INSPECTION_CORRECTED,
    SEIZURE,
    SEIZURE_CORRECTED,
)
from engine.ports import CorrectionEvent, Features
from features.online.crossing_index import correction_event, find_event


def event_of(features: Features, kind: str, body: Mapping[str, Any]) -> ProjectionInput | None:
    """Return what the counters get of a record; None of one that they do not count."""
    if kind == INSPECTION:
        return features.act(Inspection.model_validate(body["inspection"], strict=False))
    if kind == INSPECTION_CORRECTED:
        return CorrectionEvent(body["crossing_id"])
    if kind == SEIZURE_CORRECTED:
        return correction_event(body)
    if kind in (SEIZURE, FIND_CONFIRMED):
        seizure = Seizure.model_validate(body["seizure"], strict=False)
        return find_event(seizure, body["linked_crossing_id"])
    if kind not in (DECISION, CROSSING):
        return None
    arrival = Arrival.model_validate(body["arrival"], strict=False)
    return features.record(arrival.crossing, arrival.declaration)
