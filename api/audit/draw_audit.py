"""A post's shifts, what each committed to, and its numbers drawn again once the seed is revealed.

Anybody with a decision's record and the seed can do the same: HMAC-SHA-256 over purpose and
movement (:mod:`engine.selection.randomization`). A seed still secret is not read here at all.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from api.service.runtime import Runtime
from engine.audit.draw_verification import RedrawnNumbers, RevealedShift, redraw_numbers
from engine.domain.time_units import micros, rfc3339
from engine.errors import NotFoundError
from engine.journal.journal import BODIES
from engine.selection.randomization import ShiftPeriod, commitment
from engine.shifts.shift_state import SHIFTS

MOST_SHIFTS = 14
MOST_DECISIONS = 500
"""Decisions of a shift that are drawn again for a page; ``darvoza verify`` draws all."""
_S = SHIFTS.c


def draws(runtime: Runtime, post: str, shift_id: str | None) -> dict[str, Any]:
    """Return a post's last shifts, and one of them drawn again: the last revealed, or this one."""
    with runtime.store.read() as snapshot:
        as_of = runtime.journal.head(snapshot).as_of
        query = select(_S.shift_id, _S.opened_seq, _S.closed_seq).where(_S.post == post)
        rows = snapshot.execute(query.order_by(_S.closes_at.desc()).limit(MOST_SHIFTS)).all()
        shifts = [_shift(snapshot, row.opened_seq, row.closed_seq) for row in rows]
        revealed = [one for one in shifts if one["seed"] is not None]
        if shift_id is not None:
            revealed = [one for one in revealed if one["shift"] == shift_id]
            if not revealed:
                raise NotFoundError("shift", shift_id)
        shown = _redraw_numbers(snapshot, post, revealed[0]) if revealed else None
    return {
        "post": post,
        "as_of": rfc3339(as_of),
        "synthetic": runtime.network.synthetic,
        "shifts": shifts,
        "shown": shown,
    }


def _shift(snapshot: Connection, opened: int, closed: int | None) -> dict[str, Any]:
    body = _body(snapshot, opened)
    seed = None if closed is None else str(_body(snapshot, closed)["seed"])
    head = bytes.fromhex(body["head_chain"])
    holds = None if seed is None else commitment(bytes.fromhex(seed), head) == body["commitment"]
    value = ("shift", "opens_at", "closes_at", "commitment", "head_sequence")
    return {name: body[name] for name in value} | {
        "opened_sequence": opened,
        "revealed_sequence": closed,
        "seed": seed,
        "commitment_holds": holds,
    }


def _redraw_numbers(snapshot: Connection, post: str, one: Mapping[str, Any]) -> dict[str, Any]:
    times = (micros(datetime.fromisoformat(one[name])) for name in ("opens_at", "closes_at"))
    known = RevealedShift(ShiftPeriod(post, *times), bytes.fromhex(one["seed"]))
    rows = [_row(each) for each in redraw_numbers(snapshot, known, most=MOST_DECISIONS)]
    numbers = [number for row in rows for number in row["numbers"]]
    return {
        "shift": one["shift"],
        "decisions": len(rows),
        "numbers": len(numbers),
        "equal": sum(number["recorded"] == number["again"] for number in numbers),
        "is_bounded": len(rows) == MOST_DECISIONS,
        "rows": rows,
    }


def _row(one: RedrawnNumbers) -> dict[str, Any]:
    again = one.again or {}
    numbers = [
        {"purpose": purpose, "recorded": number, "again": again.get(purpose)}
        for purpose, number in one.recorded.items()
    ]
    return {"decision_id": one.decision_id, "sequence": one.seq, "numbers": numbers}


def _body(snapshot: Connection, seq: int) -> dict[str, Any]:
    found = snapshot.scalar(select(BODIES.c.body).where(BODIES.c.seq == seq))
    if found is None:
        raise NotFoundError("record", str(seq))
    return dict(json.loads(found))
