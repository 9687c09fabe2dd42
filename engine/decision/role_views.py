"""Views of a decision by role, from the record alone.

A checkpoint sees where a vehicle goes and where to search it, never why it was picked: its view has
only what a scored and a random pick share, before its act and after it. The record's ``decision``
is the full view; the checkpoint's is a subset of its names.
"""

from collections.abc import Mapping
from typing import Any

from engine.criteria.match import WATCHLIST
from engine.decision.decision import Decision
from engine.domain.time_units import rfc3339
from engine.journal.receipts import Receipt
from engine.search_orders.order import SearchOrder
from engine.selection import COUNTERPART, Tried

BLIND = (
    "decision_id",
    "crossing_id",
    "post",
    "as_of",
    "channel",
    "rank",
    "search_order",
    "unreached",
    "precautions",
    "team",
    "facts",
    "data_gaps",
    "mode",
    "advisory",
)
"""What a checkpoint may see."""


def outcome(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON values: what the journal keeps and a supervisor may see."""
    selection = decision.selection
    return {
        "decision_id": decision.decision_id,
        "crossing_id": decision.crossing_id,
        "post": decision.post,
        "as_of": rfc3339(decision.as_of),
        "channel": decision.channel.code,
        "rank": None if decision.rank is None else flat(decision.rank),
        **order_fields(decision.search),
        "precautions": list(decision.precautions),
        "team": decision.team,
        "facts": [flat(fact) for fact in decision.facts],
        "data_gaps": list(decision.data_gaps),
        "mode": decision.mode,
        "advisory": True,
        "risk": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in flat(decision.risk).items()
        },
        "propensity": decision.propensity,
        "propensities": {c.code: p for c, p in selection.propensities.items()},
        "basis": selection.basis,
        "is_random": selection.is_random,
        "profiles": [name.partition(":")[2] for name in selection.fired if ":" in name],
        "watchlist": any(each in selection.fired for each in (WATCHLIST, COUNTERPART)),
        "reasons": [flat(reason) for reason in decision.reasons],
        "model_version": decision.model_version,
        "trial": None if decision.trial is None else _trial_view(decision.trial),
    }


def order_fields(order: SearchOrder) -> dict[str, Any]:
    """Return a search order as a decision or a review keeps it."""
    return {
        "search_order": [flat(step) for step in order.steps],
        "unreached": dict(order.unreached),
        "search_figures": [flat(figures) for figures in order.figures],
    }


def _trial_view(trial: Tried) -> dict[str, Any]:
    return flat(trial) | {"wanted": list(trial.wanted)}


def flat(data: Any) -> dict[str, Any]:
    """Return a slotted dataclass of plain values as a dict; ``asdict`` would copy each deeply."""
    return {name: getattr(data, name) for name in data.__slots__}


def view(
    found: Mapping[str, Any], *, decided_at: int, receipt: Receipt, is_blind: bool
) -> dict[str, Any]:
    """Return the answer for one reader; ``found`` is a record's ``decision``."""
    seen = {name: found[name] for name in BLIND} if is_blind else dict(found)
    return seen | {"decided_at": rfc3339(decided_at), "receipt": receipt.to_json()}
