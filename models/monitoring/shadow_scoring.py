"""Scores of a shadow model for past decisions, and its agreement with the model in force.

Assumes that a decision's features can be read again as of its own cut, to the bit: nothing is added
to the path of a decision, no fault of a shadow can touch one, and no officer can see what it says.
One record a post, model and UTC day holds the quantiles of its risk; a row whose features are no
longer those of the decision is counted and left out.

A pick is one of the riskiest share of a post's day, for either model, among the decisions that both
scored. Only inspected vehicles tell anything, and those were chosen by the model in force, by
profiles and by officers: what the shadow alone wanted was inspected where something else wanted it
too. The rates say so by their numbers; only random checks, counted apart, are fair.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from engine.decision.record_codec import StoredDecision, decode_decision, digest_of
from engine.domain.records import Inspection
from engine.domain.time_units import DAY, micros, rfc3339
from engine.journal.entries import Draft
from engine.journal.journal import (
    BODIES,
    JOURNAL,
    Journal,
    JournalReader,
)
from engine.journal.kinds import (
    DECISION,
    INSPECTION,
    MODEL_SHADOWED,
    SHADOW_SCORES,
    ShadowScoresBody,
)
from engine.ports import Features, Scorer
from engine.queue.corrections import Corrections
from engine.queue.queue import DECISIONS
from engine.selection import CHALLENGER, COUNTERPART, TABLE_LEVELS, RiskTables
from models.array_types import Floats, Mask
from models.explanation.contributions import FEWEST_ROWS
from models.lifecycle.transitions import make_refusal
from models.statistics.intervals import Estimate, share

TOGETHER = 256
"""Decisions whose features are read at once."""
CAPACITY = 0.05
"""Share of a post's decisions of a day that counts as picked, one at least."""
_J = JOURNAL.c
Day = tuple[str, int]
"""A post, and a UTC day counted from 1970."""


@dataclass(frozen=True, slots=True)
class _ShadowScore:
    """Decisions with the risks of both models."""

    sequences: NDArray[np.int64]
    p_seizure: Floats
    """The shadow's."""
    p_discrepancy: Floats
    in_force: Floats
    """The chance of a seizure by the model in force; NaN where none decided."""


def shadow_scores(
    connection: Connection, journal: Journal, *, features: Features, scorer: Scorer, now: int
) -> Iterator[Draft]:
    """Yield the records of the finished days that a shadow has not scored yet.

    ``scorer`` is the model in the shadow; the day that ``now`` (UTC microseconds) falls into is not
    finished. The body of a record: ``model_version``, ``day``, ``decisions`` scored, ``left_out``,
    ``tables`` of both chances, null where no decision could be scored; and ``picks``,
    which of the decisions that a model in force scored too are the riskiest for either.

    Raises ``PromotionRefusedError`` if the model was fitted on other features than these.
    """
    if scorer.definitions != features.digest:
        raise make_refusal(scorer.version, "other_features")
    done = {day for day, _ in day_records(connection, scorer.version)}
    for (post, day), sequences in _list_decisions(connection, scorer.version, now=now).items():
        if (post, day) in done:
            continue
        parts = [
            _score_decisions(connection, journal, features, scorer, sequences[at : at + TOGETHER])
            for at in range(0, len(sequences), TOGETHER)
        ]
        whole = _ShadowScore(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in _ShadowScore.__slots__
            )
        )
        yield _draft(post, day, scorer.version, whole, among=len(sequences))


def _draft(post: str, day: int, version: str, scored: _ShadowScore, *, among: int) -> Draft:
    count = len(scored.p_seizure)
    tables = RiskTables.measure(scored.p_seizure, scored.p_discrepancy) if count else None
    body: ShadowScoresBody = {
        "model_version": version,
        "day": rfc3339(day * DAY)[:10],
        "decisions": count,
        "left_out": among - count,
        "tables": None if tables is None else tables.as_body(),
        "picks": _picks(scored),
    }
    return SHADOW_SCORES.draft(version, body, post=post)


def _picks(scored: _ShadowScore) -> dict[str, Any]:
    """Return the riskiest share of a day for either model, among what both scored."""
    both = ~np.isnan(scored.in_force)
    sequences = scored.sequences[both]
    most = max(1, round(CAPACITY * len(sequences))) if len(sequences) else 0

    def riskiest(risks: Floats) -> list[int]:
        order = np.lexsort((sequences, -risks[both]))[:most]
        return sorted(sequences[order].tolist())

    return {
        "capacity": CAPACITY,
        "scored": len(sequences),
        "shadow": riskiest(scored.p_seizure),
        "in_force": riskiest(scored.in_force),
    }


def day_records(connection: Connection, version: str) -> Iterator[tuple[Day, ShadowScoresBody]]:
    """Yield what was recorded, once a day: of two runs at the same time the first counts."""
    seen: set[Day] = set()
    of_it = [JOURNAL.c.subject == version]
    for record in JournalReader(connection).records(SHADOW_SCORES, where=of_it):
        began = datetime.fromisoformat(f"{record.body['day']}T00:00:00+00:00")
        day = record.post, micros(began) // DAY
        if day not in seen:
            seen.add(day)
            yield day, record.body


def _list_decisions(connection: Connection, version: str, *, now: int) -> dict[Day, list[int]]:
    """Return the journal's numbers of the decisions since the model went into the shadow."""
    since = connection.scalar(
        select(func.min(_J.known_at)).where(_J.kind == MODEL_SHADOWED, _J.subject == version)
    )
    found: dict[Day, list[int]] = {}
    if since is None:
        return found
    query = (
        select(_J.seq, _J.post, _J.known_at)
        .join(BODIES, BODIES.c.seq == _J.seq)  # without those that are erased
        .where(_J.kind == DECISION, _J.known_at > since, _J.known_at < now // DAY * DAY)
        .order_by(_J.seq)
    )
    for seq, post, known_at in connection.execute(query):
        found.setdefault((post, known_at // DAY), []).append(seq)
    return found


def _score_decisions(
    connection: Connection,
    journal: Journal,
    features: Features,
    scorer: Scorer,
    sequences: Sequence[int],
) -> _ShadowScore:
    """Return both risks of those decisions whose features are what they were."""
    filings = [decode_decision(journal.body(connection, seq, of=DECISION)) for seq in sequences]
    read = features.read(
        connection,
        [filing.arrival for filing in filings],
        as_of=[filing.inputs.as_of for filing in filings],
        opposite_as_of=[filing.inputs.opposite_as_of for filing in filings],
    )
    same: Mask = np.array(
        [
            digest_of(row) == filing.features
            for row, filing in zip(read.values, filings, strict=True)
        ]
    )
    scores = scorer.score(read.values[same])
    kept = [filing for filing, stays in zip(filings, same, strict=True) if stays]
    return _ShadowScore(
        np.array(sequences, np.int64)[same],
        scores.p_seizure,
        scores.p_discrepancy,
        np.array([_in_force(filing) for filing in kept], np.float64),
    )


def _in_force(filing: StoredDecision) -> float:
    """Return the risk by the model in force, also during a trial; NaN where none decided."""
    trial = filing.inputs.trial
    is_led = trial is not None and trial.leader == CHALLENGER
    value = filing.decision["trial" if is_led else "risk"]["p_seizure"]
    return float("nan") if value is None else float(value)


def seeds(connection: Connection, version: str) -> dict[str, RiskTables]:
    """Return what a model's percentiles start from: its shadow's scores, by post.

    Days weigh by their decisions. A post where the shadow scored fewer than ``FEWEST_ROWS`` is
    absent: there the bundle's own tables serve.
    """
    seen: dict[str, list[tuple[Floats, Floats]]] = {}
    levels = np.linspace(0.0, 1.0, TABLE_LEVELS)
    for (post, _), body in day_records(connection, version):
        if body["tables"] is not None:
            shares = (np.arange(body["decisions"]) + 0.5) / body["decisions"]
            day = RiskTables.from_body(body["tables"])
            spread = (
                np.interp(shares, levels, day.seizure),
                np.interp(shares, levels, day.discrepancy),
            )
            seen.setdefault(post, []).append(spread)
    every = {
        post: [np.concatenate(days) for days in zip(*one, strict=True)]
        for post, one in seen.items()
    }
    return {
        post: RiskTables.measure(*chances)
        for post, chances in every.items()
        if len(chances[0]) >= FEWEST_ROWS
    }


_LOOKED_UP = 500
"""Decisions looked up at once."""
_D = DECISIONS.c


@dataclass(frozen=True, slots=True)
class _Act:
    """What an act that could have found something found."""

    is_hit: bool
    is_random: bool


@dataclass(frozen=True, slots=True)
class Picked:
    """What became of some picks."""

    picked: int
    hit_rate: Estimate
    """Of those inspected by an act that could find something, whatever sent them."""
    random: Estimate
    """The same of random checks alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowAgreement:
    """A shadow against the models that decided meanwhile."""

    days: int
    last_day: str
    decisions: int
    """Which both scored."""
    capacity: float
    picked: int
    """By each: the riskiest share of a post's day."""
    agreement: Estimate
    """Share of its picks that the model in force picked too."""
    groups: dict[Literal["both", "shadow", "in_force"], Picked]
    """Picks of both, of the shadow alone, and of the model that decided alone."""


def measure_agreement(
    connection: Connection, journal: Journal, *, version: str
) -> ShadowAgreement | None:
    """Compare a shadow, or a model that once was one, with the models that decided meanwhile.

    None if nothing was scored next to a model in force.
    """
    days = [body for _, body in day_records(connection, version)]
    picks = [body["picks"] for body in days]
    shadow = {seq for one in picks for seq in one["shadow"]}
    decided = {seq for one in picks for seq in one["in_force"]}
    if not shadow:
        return None
    acts = _acts(connection, journal, sorted(shadow | decided))
    return ShadowAgreement(
        days=len({body["day"] for body in days}),
        last_day=max(body["day"] for body in days),
        decisions=sum(one["scored"] for one in picks),
        capacity=picks[-1]["capacity"],
        picked=len(shadow),
        agreement=share(len(shadow & decided), len(shadow)),
        groups={
            "both": _count_finds(shadow & decided, acts),
            "shadow": _count_finds(shadow - decided, acts),
            "in_force": _count_finds(decided - shadow, acts),
        },
    )


def _acts(connection: Connection, journal: Journal, sequences: Sequence[int]) -> Mapping[int, _Act]:
    """Return what acts found by the number of their decision.

    Acts of papers alone are none, and what a counterpart's notice sent says nothing of a model.
    """
    found = {}
    stated = Corrections(connection)
    for at in range(0, len(sequences), _LOOKED_UP):
        query = select(_D.seq, _D.basis, _D.act_seq).where(
            _D.seq.in_(sequences[at : at + _LOOKED_UP]),
            _D.act_seq.is_not(None),
            _D.basis.is_distinct_from(COUNTERPART),
        )
        query = query.join(BODIES, BODIES.c.seq == _D.act_seq)  # without those that are erased
        for seq, basis, act_seq in connection.execute(query):
            body = stated.read(act_seq, journal.body(connection, act_seq, of=INSPECTION))
            if body is None:
                continue
            act = Inspection.model_validate(body["inspection"], strict=False)
            if act.is_evidence:
                found[seq] = _Act(act.outcome != "clear", basis == "random")
    return found


def _count_finds(sequences: Iterable[int], acts: Mapping[int, _Act]) -> Picked:
    known = list(sequences)
    seen = [acts[seq] for seq in known if seq in acts]
    random_rows = [one for one in seen if one.is_random]
    return Picked(
        picked=len(known),
        hit_rate=share(sum(one.is_hit for one in seen), len(seen)),
        random=share(sum(one.is_hit for one in random_rows), len(random_rows)),
    )
