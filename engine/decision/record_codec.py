"""Record codec: a decision written down, and read back to be made again.

The record holds the arrival and the inputs by value, the features by digest and the table of
percentiles by its own record's number: enough to compute the decision again, to the bit.
"""

import hashlib
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from engine.criteria.match import Match
from engine.decision.decision import Decision, Inputs
from engine.decision.inspection_minutes import Minutes
from engine.decision.role_views import flat, outcome
from engine.domain.advance_declarations import AdvanceMatch
from engine.domain.identifiers import fold
from engine.domain.records import Arrival
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.kinds import DecisionBody, dump_arrival
from engine.ports import Rows
from engine.search_orders.rates import SearchCounts
from engine.selection import Policy, RiskTables, Trial

_OTHERWISE = (
    "policy",
    "tables",
    "matches",
    "minutes",
    "searches",
    "teams",
    "trial",
    "peers",
    "advance",
)
_BY_VALUE = tuple(field.name for field in fields(Inputs) if field.name not in _OTHERWISE)
_VALUES = attrgetter(*_BY_VALUE)


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision's record, read back."""

    arrival: Arrival
    features: str
    """Digest of the row of features."""
    inputs: Inputs
    """Without tables of percentiles, which are records of their own."""
    decision: dict[str, Any]
    place: int
    """Where it queued."""


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
            "advance": None if inputs.advance is None else inputs.advance.to_json(),
        },
        "queue": {
            "decision_id": decision.decision_id,
            "crossing_id": decision.crossing_id,
            "channel": int(decision.channel),
            "place": decision.place,
            "p_seizure": decision.risk.p_seizure,
            "p_discrepancy": decision.risk.p_discrepancy,
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
    """Return what a decision's record says."""
    inputs = body["inputs"]
    arrival = Arrival.model_validate(body["arrival"], strict=False)
    searches, trial = inputs["searches"], inputs["trial"]
    return StoredDecision(
        arrival=arrival,
        features=body["features"],
        inputs=Inputs(
            **{name: inputs[name] for name in _BY_VALUE},
            policy=Policy(**inputs["policy"]),
            tables=RiskTables(),
            matches=tuple(Match(**match) for match in inputs["matches"]),
            minutes=Minutes(**inputs["minutes"]),
            searches=None if searches is None else SearchCounts.from_dict(searches),
            teams=tuple(inputs["teams"]),
            peers=tuple(inputs["peers"]),
            trial=None if trial is None else Trial(**trial, tables=RiskTables()),
            advance=AdvanceMatch.from_json(inputs["advance"]),
        ),
        decision=body["decision"],
        place=body["queue"]["place"],
    )


def _trial(trial: Trial) -> dict[str, Any]:
    """Return a trial without the other model's tables, which are a record of their own, too."""
    return {name: value for name, value in flat(trial).items() if name != "tables"}
