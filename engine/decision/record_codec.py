"""Record codec: a decision written down, and read back to be made again.

The record holds the arrival and the inputs by value, the features by digest and the table of
percentiles by its own record's number: enough to compute the decision again, to the bit.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from operator import attrgetter
from typing import Any

from engine.criteria.match import Match
from engine.decision.decision import Decision, Inputs
from engine.decision.inspection_minutes import PRIOR, Minutes
from engine.decision.role_views import flat, outcome
from engine.domain.advance_declarations import AdvanceMatch
from engine.domain.identifiers import fold
from engine.domain.records import Arrival
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.payloads import DecisionBody, dump_arrival
from engine.ports import Rows
from engine.search_orders.search_order import SearchCounts
from engine.selection.champion_challenger import Trial
from engine.selection.policy import Policy

_OTHERWISE = (
    "policy",
    "table",
    "matches",
    "minutes",
    "searches",
    "teams",
    "trial",
    "peers",
    "advance",
    "silence_seconds",
)
_BY_VALUE = tuple(field.name for field in fields(Inputs) if field.name not in _OTHERWISE)
_VALUES = attrgetter(*_BY_VALUE)
_LATER = frozenset(field.name for field in fields(Inputs) if field.default is not MISSING)
"""Inputs that came after the first records: one without them has what their default says."""


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision's record, read back."""

    arrival: Arrival
    features: str
    """Digest of the row of features."""
    inputs: Inputs
    """Without tables of percentiles, which are records of their own."""
    decision: dict[str, Any]
    place: int | None
    """Where it queued; None in records that do not name the rule of it."""
    has_learnt_order: bool
    """False in records made before search orders were learnt: theirs is kept as it stands."""


def digest_of(row: Rows) -> str:
    """Return the SHA-256 of a row of features, shape (f,), byte by byte (little-endian float32)."""
    return hashlib.sha256(row.astype("<f4").tobytes()).hexdigest()


def encode_decision(
    decision: Decision, inputs: Inputs, *, arrival: Arrival, row: Rows, claim: IdempotencyClaim
) -> DecisionBody:
    """Return the body of a decision's record; ``row`` has shape (f,)."""
    return {
        "claim": claim.as_dict(),
        "crossing_id": decision.crossing_id,
        "arrival": dump_arrival(arrival),
        "features": digest_of(row),
        "inputs": dict(zip(_BY_VALUE, _VALUES(inputs), strict=True))
        | {
            "policy": flat(inputs.policy),
            "matches": [flat(match) for match in inputs.matches],
            "minutes": flat(inputs.minutes),
            "searches": None if inputs.searches is None else inputs.searches.as_dict(),
            "teams": list(inputs.teams),
            "peers": list(inputs.peers),
            "trial": None if inputs.trial is None else _trial(inputs.trial),
        }
        | ({} if inputs.advance is None else {"advance": inputs.advance.to_json()})
        | ({"silence_seconds": inputs.silence_seconds} if inputs.silence_seconds else {}),
        "queue": {
            "decision_id": decision.decision_id,
            "crossing_id": decision.crossing_id,
            "channel": int(decision.channel),
            "place": decision.place,
            "risk": decision.merit,
            "basis": decision.selection.basis,
            "minutes": decision.minutes,
            "model_version": decision.model_version,
            "waiting": decision.is_referred,
            "amends": inputs.amends,
            "plate": fold(arrival.crossing.plate or ""),
            "vehicle_class": arrival.crossing.vehicle_class,
        },
        "decision": outcome(decision),
    }


def decode_decision(body: DecisionBody) -> StoredDecision:
    """Return what a decision's record says; what it is too old to say has its default."""
    inputs = body["inputs"]
    arrival = Arrival.model_validate(body["arrival"], strict=False)
    by_value = {name: inputs[name] for name in _BY_VALUE if name in inputs or name not in _LATER}
    searches, trial = inputs.get("searches"), inputs.get("trial")
    return StoredDecision(
        arrival=arrival,
        features=body["features"],
        inputs=Inputs(
            **by_value,
            policy=Policy(**inputs["policy"]),
            table=(),
            matches=tuple(Match(**match) for match in inputs.get("matches", ())),
            minutes=_minutes(inputs.get("minutes"), arrival),
            searches=None if searches is None else SearchCounts.from_dict(searches),
            teams=tuple(inputs.get("teams", ())),
            peers=tuple(inputs.get("peers", ())),
            trial=None if trial is None else Trial(**trial, table=()),
            advance=AdvanceMatch.from_json(inputs.get("advance")),
            silence_seconds=inputs.get("silence_seconds", 0),
        ),
        decision=body["decision"],
        place=body["queue"]["place"] if "placement" in inputs else None,
        has_learnt_order="searches" in inputs,
    )


def _trial(trial: Trial) -> dict[str, Any]:
    """Return a trial without the other model's table, which is a record of its own, too."""
    return {name: value for name, value in flat(trial).items() if name != "table"}


def _minutes(said: Mapping[str, float] | None, arrival: Arrival) -> Minutes:
    """Return the expected minutes of a record, or what was judged before acts taught any."""
    if said is not None:
        return Minutes(**said)
    prior = PRIOR[arrival.crossing.vehicle_class]
    return Minutes(red=prior, yellow=prior / 3.0)
