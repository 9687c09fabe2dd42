"""Drift of traffic from the reference of the model in force, and the hit rate of its searches.

Assumes decisions of the last weeks made by the model in force. Their features are read again as of
each decision's own cut, a sample of each post's, and held against the bundle's reference; a row
whose features are no longer those of its decision is left out. Scores are what the decisions said.
Searches are all those since the model came into force. Drift needs no label and does not say that a
model is wrong; that, only searches can.

Acts are only added to a journal: the searches of tomorrow are those of today and some more, so that
an alarm that was given once is given again by every later look. They are read again at each look,
from the record that put the model into force on, and no evidence is forgotten. A search counts in
the week in which its act was recorded, and once, however often the declaration was changed before:
for the last decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, select

from engine.decision.record_codec import decode_decision, digest_of
from engine.domain.identifiers import fold
from engine.domain.records import Arrival, Inspection
from engine.domain.time_units import DAY, RECENT_DAYS, WEEK, rfc3339
from engine.journal.journal import BODIES, JOURNAL, Journal, JournalReader
from engine.journal.kinds import DECISION
from engine.ports import Features
from engine.queue.queue import DECISIONS
from engine.selection import COUNTERPART, INSPECTED
from engine.storage.database import split_in_slices
from features.catalogue.catalogue import CATALOGUE
from models.array_types import Floats, Rows
from models.bundle import BundleDocuments
from models.lifecycle.states import came_into_force
from models.lifecycle.transitions import make_refusal
from models.statistics import drift
from models.statistics.drift import FeatureShift, Reference, score_shift, shifts
from models.statistics.intervals import share
from models.statistics.ranking_metrics import measure_concentration

MOST_EACH = 400
"""Decisions of a post whose features are read again, the last ones spread evenly."""
FEWEST = 200
"""Below so many nothing is said: what moved and what chance did cannot be told apart."""
MOST_PICKS = 1000
"""Picks of a channel whose parties are counted, the last of all."""
TOGETHER = 256
_D = DECISIONS.c
_FETCHED = 500


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

    Decisions recorded later than the record numbered ``after`` count, and acts recorded before
    ``now``, UTC microseconds. What a counterpart's notice sent is no evidence about the model.
    """
    query = (
        select(_D.seq, _D.post, _D.basis, _D.act_seq, JOURNAL.c.known_at)
        .join(JOURNAL, JOURNAL.c.seq == _D.act_seq)
        .where(_D.model_version == version, _D.seq > after, JOURNAL.c.known_at < now)
        .where(_D.basis.is_distinct_from(COUNTERPART))
        .order_by(_D.act_seq, _D.seq)
    )
    last = {row.act_seq: row for row in connection.execute(query)}  # the last decision of each act
    for rows in split_in_slices(list(last.values()), _FETCHED):
        seqs = [seq for row in rows for seq in (row.seq, row.act_seq)]
        bodies = JournalReader(connection).bodies(seqs)
        for row in rows:
            if row.seq not in bodies or row.act_seq not in bodies:
                continue  # erased
            act = Inspection.model_validate(bodies[row.act_seq]["inspection"], strict=False)
            if act.is_evidence:
                stated = bodies[row.seq]["decision"]["risk"]["p_discrepancy"]
                is_hit, is_random = act.outcome != "clear", row.basis == "random"
                yield ObservedSearch(row.post, row.known_at, stated, is_hit, is_random)


def run_detector(of_model: Sequence[ObservedSearch], watch: drift.EDetector) -> dict[str, Any]:
    """Run a watch over searches in their order; an alarm stays said."""
    weeks = np.array([one.known_at // WEEK for one in of_model], np.int64)
    stated = np.array([one.stated for one in of_model], np.float64)
    hits = np.array([one.is_hit for one in of_model], np.int8)
    watch = drift.over(watch, stated, hits, periods=weeks)
    return watch.as_dict() | {
        "stated": float(stated.mean()) if len(stated) else None,
        "found": share(int(hits.sum()), len(hits)).as_dict(),
    }


@dataclass(frozen=True, slots=True)
class _RereadDecision:
    """One decision that was read again."""

    post: str
    is_entry: bool
    as_of: int
    values: Rows
    risk: float


def measure_drift(
    connection: Connection,
    journal: Journal,
    *,
    features: Features,
    papers: BundleDocuments,
    version: str,
    now: int,
    days: int = RECENT_DAYS,
) -> dict[str, Any]:
    """Measure drift of the decisions of one model, in a snapshot.

    ``papers`` are of the bundle in force: its reference, its quantiles, and whether it is
    synthetic. Features and scores count of the ``days`` back from ``now`` (UTC microseconds),
    searches since the model came into force (all of its decisions' where it does not decide now),
    however long ago.

    The answer holds JSON values: the period, ``decisions`` in it, how many were read again
    (``sampled``) and ``left_out``, over how many days they spread (``span_days``: in less than a
    week, hours and days of the week move by themselves); ``in_force_since``, null where it does not
    decide; and for ``all`` and for each of ``posts``: ``rows``, whether that is enough
    (``knowable``), ``families`` with the number of features that moved and the farthest of them,
    ``score``, and the two watches over searches, ``picked`` and ``random``. ``largest_party`` has,
    by channel, :func:`models.statistics.ranking_metrics.measure_concentration` of the last vehicles
    that the score sent there in the period.

    Raises ``PromotionRefusedError`` if the model was fitted on other features than these.
    """
    known = Reference.from_dict(papers.reference)
    if papers.card.get("definitions") != features.digest:
        raise make_refusal(version, "other_features")
    since = now - days * DAY
    decided = _list_decisions(connection, version, since=since, now=now)
    chosen = {post: _spread(rows) for post, rows in decided.items()}
    wanted = [seq for rows in chosen.values() for seq in rows]
    seen = list(_reread_decisions(connection, journal, features, wanted, names=known.names))
    began = came_into_force(connection, version)
    found = list(searches(connection, version, after=began or 0, now=now))

    def part(post: str | None) -> dict[str, Any]:
        return _part(
            known,
            papers.quantiles,
            [one for one in seen if post in (None, one.post)],
            [one for one in found if post in (None, one.post)],
            post=post,
            capacity=float(papers.report.get("capacity", 0.05)),
        )

    return {
        "version": version,
        "synthetic": bool(papers.report.get("synthetic", False)),
        "since": rfc3339(since),
        "until": rfc3339(now),
        "in_force_since": began and rfc3339(journal.entry(connection, began).known_at),
        "decisions": sum(len(rows) for rows in decided.values()),
        "sampled": len(seen),
        "left_out": len(wanted) - len(seen),
        "span_days": _span(seen),
        "reference_rows": known.rows,
        "largest_party": _measure_parties(connection, version, since=since, now=now),
        "all": part(None),
        "posts": {post: part(post) for post in sorted({*decided, *(one.post for one in found)})},
    }


def _measure_parties(
    connection: Connection, version: str, *, since: int, now: int
) -> dict[str, dict[str, Any]]:
    """Return how much of what the score sent to each channel falls on one party."""
    picked = [_D.model_version == version, _D.known_at >= since, _D.known_at < now]
    return {
        channel.code: measure_parties(connection, [*picked, _D.channel == int(channel)])
        for channel in INSPECTED
    }


def measure_parties(connection: Connection, where: Sequence[ColumnElement[bool]]) -> dict[str, Any]:
    """Return :func:`models.statistics.ranking_metrics.measure_concentration` of the score's picks.

    ``where`` are conditions on ``DECISIONS``; the last ``MOST_PICKS`` that fit count.
    """
    records = JournalReader(connection).records(
        DECISION, where=[*where, _D.basis == "score"], join=DECISIONS, newest=MOST_PICKS
    )
    filings = [decode_decision(record.body) for record in records]
    shifts = np.array([one.inputs.shift_id for one in filings], np.str_)
    parties = [_name_parties(one.arrival) for one in filings]
    names = parties[0] if parties else {}
    by_kind = {name: np.array([one[name] for one in parties], np.str_) for name in names}
    return measure_concentration(by_kind, shifts)


def _name_parties(arrival: Arrival) -> dict[str, str]:
    """Return whose vehicle it is, by kind of party; empty where that is not known."""
    crossing, papers = arrival.crossing, arrival.declaration
    return {
        "plate": fold(crossing.plate or ""),
        "driver": crossing.driver_ref or "",
        "carrier": crossing.carrier_id or "",
        "consignee": (papers.consignee_id or "") if papers else "",
    }


def _list_decisions(
    connection: Connection, version: str, *, since: int, now: int
) -> dict[str, list[int]]:
    query = (
        select(_D.post, _D.seq)
        .join(BODIES, BODIES.c.seq == _D.seq)  # without those that are erased
        .where(_D.model_version == version, _D.known_at >= since, _D.known_at < now)
        .order_by(_D.seq)
    )
    found: dict[str, list[int]] = {}
    for post, seq in connection.execute(query):
        found.setdefault(post, []).append(seq)
    return found


def _spread(rows: Sequence[int]) -> list[int]:
    """Return at most ``MOST_EACH`` of these, evenly spread."""
    if len(rows) <= MOST_EACH:
        return list(rows)
    return [rows[int(at)] for at in np.linspace(0, len(rows) - 1, MOST_EACH)]


def _reread_decisions(
    connection: Connection,
    journal: Journal,
    features: Features,
    sequences: Sequence[int],
    *,
    names: Sequence[str],
) -> Iterator[_RereadDecision]:
    """Yield decisions with the features of these names, unless their features are others now."""
    columns = [features.names.index(name) for name in names]
    for at in range(0, len(sequences), TOGETHER):
        filings = [
            decode_decision(journal.body(connection, seq, of=DECISION))
            for seq in sequences[at : at + TOGETHER]
        ]
        read = features.read(
            connection,
            [filing.arrival for filing in filings],
            as_of=[filing.inputs.as_of for filing in filings],
            opposite_as_of=[filing.inputs.opposite_as_of for filing in filings],
        )
        for row, filing in zip(read.values, filings, strict=True):
            if digest_of(row) == filing.features:
                crossing, as_of = filing.arrival.crossing, filing.inputs.as_of
                is_entry = crossing.direction == "entry"
                risk = float(filing.decision["risk"]["p_seizure"])
                yield _RereadDecision(crossing.post, is_entry, as_of, row[columns], risk)


def _span(seen: Sequence[_RereadDecision]) -> float:
    times = [one.as_of for one in seen] or [0]
    return round((max(times) - min(times)) / DAY, 2)


def _part(
    known: Reference,
    quantiles: Mapping[str, Mapping[str, Sequence[float]]],
    seen: Sequence[_RereadDecision],
    searches: Sequence[ObservedSearch],
    *,
    post: str | None,
    capacity: float,
) -> dict[str, Any]:
    """Return what is known of one post, or of all; exits count only where such taught too."""
    seen = [one for one in seen if one.is_entry or not known.of_entries]
    random_rows = [one for one in searches if one.is_random]
    others = [one for one in searches if not one.is_random]
    made: dict[str, Any] = {
        "rows": len(seen),
        "knowable": len(seen) >= FEWEST,
        "families": [],
        "moved": None,
        "of": len(known.names),
        "score": None,
        "picked": run_detector(others, drift.EDetector()),
        "random": run_detector(random_rows, drift.watch_more()),
    }
    if made["knowable"]:
        found = shifts(known, np.stack([one.values for one in seen]))
        made["families"] = _families(found)
        made["moved"] = sum(one.has_moved for one in found)
        table = quantiles.get(post or "*", quantiles["*"])["quantiles"]
        made["score"] = _score(table, known.rows, seen, capacity=capacity)
    return made


def _families(found: Sequence[FeatureShift]) -> list[dict[str, Any]]:
    """Return the farthest of each family, the farthest family first."""
    families: dict[str, list[FeatureShift]] = {}
    for one in found:
        families.setdefault(CATALOGUE[one.name].family, []).append(one)
    return [
        {
            "family": family,
            "features": len(shifted),
            "moved": sum(one.has_moved for one in shifted),
            "farthest": shifted[0].name,
            "psi": shifted[0].psi,
            "noise": shifted[0].noise,
            "is_moved": shifted[0].has_moved,
        }
        for family, shifted in families.items()
    ]


def _score(
    table: Sequence[float], rows: int, seen: Sequence[_RereadDecision], *, capacity: float
) -> dict[str, Any]:
    """Compare scores with the bundle's quantiles, read as so many rows evenly spread."""
    levels = (np.arange(rows) + 0.5) / rows
    before: Floats = np.interp(levels, np.linspace(0.0, 1.0, len(table)), np.array(table, float))
    now = np.array([one.risk for one in seen])
    return score_shift(before, now, capacity=capacity).as_dict()
