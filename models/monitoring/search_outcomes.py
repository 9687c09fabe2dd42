"""Outcomes of all searches of the model in force, for the sequential test.

Assumes a journal to which acts are only added: the searches of tomorrow are those of today and some
more, so that an alarm that was given once is given again by every later look. They are read again
at each look, from the record that put the model into force on, and no evidence is forgotten. A
search counts in the week in which its act was recorded, and once, however often the declaration was
changed before: for the last decision.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from engine.domain.records import Inspection
from engine.domain.time_units import WEEK
from engine.journal.journal import BODIES, JOURNAL
from engine.queue.queue import DECISIONS
from models.statistics import sequential_test
from models.statistics.intervals import share

TOGETHER = 500
_D = DECISIONS.c


@dataclass(frozen=True, slots=True)
class ObservedSearch:
    """One search that could have found something."""

    post: str
    known_at: int
    """When its act was recorded, UTC microseconds."""
    stated: float
    """Chance of a discrepancy as its decision said."""
    is_hit: bool
    is_random: bool


def searches(
    connection: Connection, version: str, *, after: int, now: int
) -> Iterator[ObservedSearch]:
    """Yield the searches of a model's decisions, as they became known.

    Parameters
    ----------
    connection : Connection
        A snapshot.
    version : str
        Whose decisions count.
    after : int
        A record's number: decisions recorded later count.
    now : int
        UTC microseconds; acts recorded before count.
    """
    act, decision = BODIES.alias(), BODIES.alias()
    query = (
        select(_D.post, _D.basis, _D.act_seq, JOURNAL.c.known_at, act.c.body, decision.c.body)
        .join(JOURNAL, JOURNAL.c.seq == _D.act_seq)
        .join(act, act.c.seq == _D.act_seq)
        .join(decision, decision.c.seq == _D.seq)
        .where(_D.model_version == version, _D.seq > after, JOURNAL.c.known_at < now)
        .order_by(_D.act_seq, _D.seq.desc())
    )
    last = None
    for post, basis, seq, known_at, done, decided in connection.execute(
        query, execution_options={"yield_per": TOGETHER}
    ):
        if seq == last:
            continue
        last = seq
        made = Inspection.model_validate(json.loads(done)["inspection"], strict=False)
        if not made.is_evidence:
            continue
        stated = json.loads(decided)["decision"]["risk"]["p_discrepancy"]
        yield ObservedSearch(post, known_at, stated, made.outcome != "clear", basis == "random")


def run_detector(
    of_model: Sequence[ObservedSearch], watch: sequential_test.EDetector
) -> dict[str, Any]:
    """Run a watch over searches in their order; an alarm stays said."""
    weeks = np.array([one.known_at // WEEK for one in of_model], np.int64)
    stated = np.array([one.stated for one in of_model], np.float64)
    hits = np.array([one.is_hit for one in of_model], np.int8)
    watch = sequential_test.over(watch, stated, hits, periods=weeks)
    return {
        "weeks": watch.periods,
        "evidence": watch.total,
        "threshold": sequential_test.THRESHOLD,
        "alarmed": watch.has_alarmed,
        "stated": float(stated.mean()) if len(stated) else None,
        "found": share(int(hits.sum()), len(hits)).as_dict(),
    }
