"""How a decision is written down, and read back to be made again.

The record holds the arrival and the inputs by value, the features by digest and the table of
percentiles by its own record's number: enough to compute the decision again, to the bit.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from engine.answers import Claim
from engine.decision import Decision, Inputs
from engine.identifiers import fold
from engine.matches import Match
from engine.minutes import Minutes
from engine.places import Searches
from engine.ports import Rows
from engine.records import Arrival
from engine.selection import Policy
from engine.views import flat, outcome

_POLICY = tuple(field.name for field in fields(Policy))
_OTHERWISE = ("policy", "table", "matches", "minutes", "searches")
_BY_VALUE = tuple(field.name for field in fields(Inputs) if field.name not in _OTHERWISE)


@dataclass(frozen=True, slots=True)
class Filing:
    """A decision's record, read back."""

    arrival: Arrival
    features: str
    """Digest of the row of features."""
    inputs: Inputs
    """Without the table of percentiles, which is a record of its own."""
    decision: dict[str, Any]


def digest_of(row: Rows) -> str:
    """Return the SHA-256 of a row of features, byte by byte (little-endian float32)."""
    return hashlib.sha256(row.astype("<f4").tobytes()).hexdigest()


def written(
    decision: Decision, inputs: Inputs, *, arrival: Arrival, row: Rows, claim: Claim
) -> dict[str, Any]:
    """Return the body of a decision's record."""
    return {
        "claim": claim.as_dict(),
        "crossing_id": decision.crossing_id,
        "arrival": arrival.model_dump(mode="json", exclude_none=True),
        "features": digest_of(row),
        "inputs": {name: getattr(inputs, name) for name in _BY_VALUE}
        | {
            "policy": {name: getattr(inputs.policy, name) for name in _POLICY},
            "matches": [flat(match) for match in inputs.matches],
            "minutes": flat(inputs.minutes),
            "searches": None if inputs.searches is None else inputs.searches.as_dict(),
        },
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
        },
        "decision": outcome(decision),
    }


def read_back(body: Mapping[str, Any]) -> Filing:
    """Return what a decision's record says."""
    inputs = body["inputs"]
    by_value = {name: inputs[name] for name in _BY_VALUE}
    return Filing(
        arrival=Arrival.model_validate(body["arrival"], strict=False),
        features=body["features"],
        inputs=Inputs(
            **by_value,
            policy=Policy(**inputs["policy"]),
            table=(),
            matches=tuple(Match(**match) for match in inputs["matches"]),
            minutes=Minutes(**inputs["minutes"]),
            searches=None if (said := inputs["searches"]) is None else Searches.from_dict(said),
        ),
        decision=body["decision"],
    )
