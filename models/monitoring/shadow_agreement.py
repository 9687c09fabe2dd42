"""Agreement of a shadow model with the model in force, and finds of its own picks.

Assumes the days that :mod:`models.monitoring.shadow_scoring` scored. A pick is one of the riskiest
share of a post's day, for either model, among the decisions that both scored. Only inspected
vehicles tell anything, and those were chosen by the model in force, by profiles and by officers:
what the shadow alone wanted was inspected where something else wanted it too. The rates say so by
their numbers; only random checks, counted apart, are fair.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from engine.domain.records import Inspection
from engine.journal.journal import Journal
from engine.queue.queue import DECISIONS
from models.monitoring.shadow_scoring import day_records
from models.statistics.intervals import share

TOGETHER = 500
"""Decisions looked up at once."""
_D = DECISIONS.c


@dataclass(frozen=True, slots=True)
class _Act:
    """What an act that could have found something found."""

    is_hit: bool
    is_random: bool


def measure_agreement(
    connection: Connection, journal: Journal, *, version: str
) -> dict[str, Any] | None:
    """Compare a shadow, or a model that once was one, with the models that decided meanwhile.

    The answer holds JSON values: ``days`` and the ``last_day`` scored, ``decisions`` that both
    scored, ``capacity``, ``picked`` by each, ``agreement`` (share of its picks that the model in
    force picked too, with its interval); and for the picks of ``both``, the ``shadow`` alone and
    the model ``in_force`` alone: how many, ``hit_rate`` of those inspected by an act that could
    find something, and the same of ``random`` checks. None where nothing was scored next to a model
    in force.
    """
    days = [body for _, body in day_records(connection, version) if body.get("picks")]
    picks = [kept for body in days if (kept := body.get("picks"))]
    shadow = {seq for one in picks for seq in one["shadow"]}
    decided = {seq for one in picks for seq in one["in_force"]}
    if not shadow:
        return None
    acts = _acts(connection, journal, sorted(shadow | decided))
    return {
        "days": len({body["day"] for body in days}),
        "last_day": max(body["day"] for body in days),
        "decisions": sum(one["scored"] for one in picks),
        "capacity": picks[-1]["capacity"],
        "picked": len(shadow),
        "agreement": share(len(shadow & decided), len(shadow)).as_dict(),
        "groups": {
            "both": _count_finds(shadow & decided, acts),
            "shadow": _count_finds(shadow - decided, acts),
            "in_force": _count_finds(decided - shadow, acts),
        },
    }


def _acts(connection: Connection, journal: Journal, sequences: Sequence[int]) -> Mapping[int, _Act]:
    """Return what acts found by the number of their decision; acts of papers alone are none."""
    found = {}
    for at in range(0, len(sequences), TOGETHER):
        query = select(_D.seq, _D.basis, _D.act_seq).where(
            _D.seq.in_(sequences[at : at + TOGETHER]), _D.act_seq.is_not(None)
        )
        for seq, basis, act_seq in connection.execute(query):
            body = journal.body(connection, act_seq)["inspection"]
            act = Inspection.model_validate(body, strict=False)
            if act.is_evidence:
                found[seq] = _Act(act.outcome != "clear", basis == "random")
    return found


def _count_finds(sequences: Iterable[int], acts: Mapping[int, _Act]) -> dict[str, Any]:
    known = list(sequences)
    seen = [acts[seq] for seq in known if seq in acts]
    random_rows = [one for one in seen if one.is_random]
    return {
        "picked": len(known),
        "hit_rate": share(sum(one.is_hit for one in seen), len(seen)).as_dict(),
        "random": share(sum(one.is_hit for one in random_rows), len(random_rows)).as_dict(),
    }
