"""Withdrawals of a centre that its node did not know yet when it decided.

The decision stands: it was right by what its node knew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from engine.criteria.dual_control import read_approval_states
from engine.criteria.match import Source
from engine.journal.payloads import COPIED
from engine.journal.power_records import read_record


@dataclass(frozen=True, slots=True)
class LateWithdrawal:
    """A profile or an entry of the watch list that was withdrawn before it selected a vehicle."""

    source: Source
    code: str
    withdrawn_at: int
    """When two people withdrew it, by the journal that this happened in: UTC microseconds."""
    arrived_at: int
    """When that became known here."""


def list_late_withdrawals(
    connection: Connection, decided: Mapping[str, Any], *, known_at: int
) -> list[LateWithdrawal]:
    """Return what selected a decision and was withdrawn before it.

    ``decided`` is its record, ``known_at`` that record's time here (UTC microseconds).
    """
    decided_at = decided.get(COPIED, {}).get("known_at", known_at)
    found = [
        _find_withdrawal(connection, match["source"], match["code"])
        for match in decided["inputs"].get("matches", ())
        if _is_selected_by(decided["decision"], match)
    ]
    return [one for one in found if one is not None and one.withdrawn_at <= decided_at]


def _is_selected_by(decision: Mapping[str, Any], match: Mapping[str, Any]) -> bool:
    if match["source"] == "watchlist":
        return bool(decision["watchlist"]) and match["share"] > 0
    return match["code"] in decision["profiles"]


def _find_withdrawal(connection: Connection, source: Source, code: str) -> LateWithdrawal | None:
    state = read_approval_states(connection, source, code).get(code)
    if state is None or state.state != "retired":
        return None
    record = read_record(connection, state.sequence)
    copied = {} if record is None or record.body is None else record.body.get(COPIED, {})
    return LateWithdrawal(source, code, copied.get("known_at", state.since), state.since)
