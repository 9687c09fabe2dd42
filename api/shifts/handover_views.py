"""Handovers as a caller sees them."""

from typing import Any

from api.auth.callers import Caller
from engine.domain.rights import Matter
from engine.domain.time_units import rfc3339
from engine.journal.payloads import ShiftBalance
from engine.shifts.handovers import Handover


def view_handover(caller: Caller, handover: Handover | None) -> dict[str, Any] | None:
    """Return a handover as JSON values, without sums of acts or verdicts hidden from a caller."""
    if handover is None:
        return None
    left, taken = handover.left, handover.taken
    return {
        "sequence": left.seq,
        "shift": handover.shift,
        "left_by": left.by,
        "left_at": rfc3339(left.known_at),
        "note": left.note,
        "taken_by": None if taken is None else taken.by,
        "taken_at": None if taken is None else rfc3339(taken.known_at),
        "taken_note": None if taken is None else taken.note,
        **view_balance(caller, handover.post, handover.balance),
    }


def view_balance(caller: Caller, post: str, balance: ShiftBalance) -> dict[str, Any]:
    """Return what a shift leaves, with None for what the caller's agency does not see."""
    sees_acts = caller.sees_all(Matter.ACTS) and caller.sees_all(Matter.SEIZURES)
    return {
        "waiting": balance["waiting"] if caller.sees_post(post) else None,
        "without_act": balance["without_act"] if caller.sees_post(post) and sees_acts else None,
        "overridden": balance["overridden"] if caller.sees_all(Matter.REVIEWS) else None,
        "found": balance["found"] if sees_acts else None,
    }
