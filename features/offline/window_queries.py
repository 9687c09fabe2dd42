"""A history as relations, and the reads of a plan as SQL over them.

``crossings`` numbers the crossings in the order in which they became known and holds for each the
cut of its features (``as_of``), the keys it looks up and is counted under (0 if not known), what it
adds to each counter and the facts it carries. Every other stream is a relation of its own, one row
an event, under the keys of its crossing. Nothing else is needed to read features as of a time.
Assumes that all acts and seizures of a crossing are in the same part as the crossing. A history can
then be encoded part by part, in the memory of one part.

For each group of counters, events and cuts are laid on one line of time, entity by entity. Time is
cut into buckets, what was counted in earlier buckets is carried forward, and a read is what had
been counted at its cut less what had been counted when its window began. Every event is in exactly
one bucket: nothing overlaps, so no window is ever wider than an overlap. A frame for each window
(``RANGE BETWEEN window PRECEDING AND 1 PRECEDING``) says the same in fewer words, but one worker
has to walk through all events of an entity, and Spark adds up each frame again.

Derived measures and passed-on hits are not taken from the encoder: every SQL engine computes them
from crossings and inspections. So a checker checks them too, and a national history, encoded part
by part, needs no part that knows all others. Standard SQL, BIGINT and DOUBLE; ``%`` only ever cuts
times into buckets, so what it does below zero does not matter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.domain.time_units import DAY
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS, PASSED, SPREAD, STREAMS
from features.catalogue.find_spread import known_since
from features.catalogue.plan import Group, Plan
from features.catalogue.spec import (
    EVER,
    FAN_OUT,
    Floats,
    PriorSighting,
    Read,
    Stream,
    Tie,
    window_name,
)
from features.offline.encoded_history import EncodedHistory, Events

RELATIONS = (CROSSINGS.name, INSPECTIONS.name, FINDS.name, SPREAD.name)


def key_column(of: tuple[str, ...], by: tuple[str, ...]) -> str:
    """Return the column that holds the key of ``of``, to be looked up among those of ``by``."""
    counted = "by_" + ("__".join(by) or "all")
    return counted if of == by else "of_" + "__".join(of) + "_" + counted


def read_column(read: Read) -> str:
    """Return the column in which a query answers a read."""
    if read.is_last:
        return f"last_{read.measure}"
    return f"{read.measure}_{window_name(read.window)}"


def relations(log: EncodedHistory, plan: Plan, *, first: int = 0) -> dict[str, pa.Table]:
    """Lay out an encoded history of n crossings as relations, by name.

    ``crossings`` has n rows: ``crossing`` (int64, ascending from ``first``: how many there are in
    earlier parts), ``crossing_id``, ``known_at``, ``as_of`` (int64, UTC microseconds), ``by_*`` and
    ``of_*`` (int64 keys), ``add_*`` (int64) and ``fact_*`` (float64, NaN where unknown).
    Inspections and finds: ``crossing``, ``known_at``, ``by_*`` and ``add_*``. What is derived from
    them SQL makes itself, but for ``spread``: each step of a snapshot stands on the one before.
    """
    keys = {key_column(*lookup): log.keys[place] for lookup, place in plan.column.items()}
    crossings = {
        "crossing": np.arange(first, first + len(log)),
        "crossing_id": pa.array(log.crossing_id[:], pa.string()),
        "known_at": log.known_at,
        "as_of": log.as_of,
        **keys,
        **_measure_columns(CROSSINGS, log.streams[CROSSINGS.name]),
        **{f"fact_{name}": log.facts[place] for place, name in enumerate(FACTS)},
    }
    out = {CROSSINGS.name: pa.table(crossings)}
    for name in (INSPECTIONS.name, FINDS.name):
        events = log.streams[name]
        counted = {group.by for group in plan.groups if group.stream == name}
        if name == INSPECTIONS.name:
            counted |= {(end,) for link in plan.links for end in (link.via, link.to)}
        columns = sorted(key_column(by, by) for by in counted)
        fields = {"crossing": first + events.row, "known_at": events.known_at}
        under = {column: keys[column][events.row] for column in columns}
        if name == INSPECTIONS.name:
            fields["hit_at"] = _read_hit_times(events)
        out[name] = pa.table(fields | under | _measure_columns(STREAMS[name], events))
    return out | {SPREAD.name: spread_relation(log.streams[SPREAD.name])}


def spread_relation(events: Events) -> pa.Table:
    """Return snapshots of finds spread along ties as a relation."""
    under = {key_column(by, by): key for by, key in (events.keys or {}).items()}
    added = {f"add_{name}": events.measures[name] for name in SPREAD.measures}
    return pa.table({"known_at": events.known_at, **under, **added})


def _read_hit_times(events: Events) -> NDArray[np.int64]:
    """Return as of when the links of each event's hit are followed; its own time without one."""
    hit = np.asarray(events.measures["hit"])
    changed, found = np.flatnonzero(hit), events.known_at.copy()
    found[changed] = known_since(events.known_at[changed], events.row[changed], hit[changed])
    return found


def _measure_columns(stream: Stream, events: Events) -> dict[str, NDArray[np.int64]]:
    amounts = {"n": np.ones(len(events.row), np.int64)} | dict(events.measures)
    return {f"add_{name}": amounts[name] for name in ("n", *stream.measures)}


# ruff: noqa: S608 - texts are put together from names of the catalogue and integers alone


@dataclass(frozen=True, slots=True)
class Question:
    """All reads of one group under one combination of entities looked up: one query."""

    group: Group
    of: tuple[str, ...]
    reads: tuple[Read, ...]

    @property
    def name(self) -> str:
        """A name that no other question of a plan has, fit for a folder."""
        return f"{self.group.stream}__{key_column(self.of, self.group.by)}"

    @property
    def columns(self) -> list[str]:
        """The answer's columns after ``crossing``, one a read."""
        return [read_column(read) for read in self.reads]

    @property
    def sums(self) -> list[Read]:
        """The reads that are sums."""
        return [read for read in self.reads if not read.is_last]

    @property
    def measures(self) -> list[str]:
        """What is summed."""
        return sorted({read.measure for read in self.sums})

    @property
    def spans(self) -> list[int]:
        """The windows, the one that reaches back to the beginning left out."""
        return sorted({read.window for read in self.sums if read.window < EVER})

    @property
    def facts(self) -> list[str]:
        """What is asked of the last crossing, its time left out."""
        return [read.measure for read in self.reads if read.is_last and read.measure != "known_at"]

    @property
    def last_columns(self) -> list[str]:
        """Columns of an event that reads of the last event need: its crossing, its time."""
        asks_time = any(read.is_last and read.measure == "known_at" for read in self.reads)
        return ["last_event"] * bool(self.facts) + ["last_event_at"] * asks_time


def questions(plan: Plan) -> list[Question]:
    """Return the questions that together answer every read of a plan."""
    out = []
    for group in plan.groups:
        reads = [read for read in plan.reads if (read.stream, read.by) == (group.stream, group.by)]
        for of in sorted({read.of for read in reads}):
            asked = tuple(read for read in reads if read.of == of)
            out.append(Question(group, of, asked))
    return out


def write_query(question: Question, *, bucket: int = DAY) -> str:
    """Write a question, with counters carried along buckets of microseconds.

    The query has the columns ``crossing`` and those of the question; no row for a crossing whose
    entity is not known, NULL where there is no last event.
    """
    added, value = [f"add_{name}" for name in question.measures], question.last_columns
    running = [f"COALESCE(SUM({name}) OVER w, 0) AS {name}" for name in added]
    standing = [f"before.{name} + inside.{name} AS {name}" for name in added]
    found = [f"{_difference(read)} AS {read_column(read)}" for read in question.sums]
    return _QUERY.format(
        line=_line(question, [0, *question.spans]),
        bucket=bucket,
        totals=_list([f"SUM({c}) AS {c}" for c in added] + [f"MAX({c}) AS {c}" for c in value]),
        running=_list(running + [f"MAX({name}) OVER w AS {name}" for name in value]),
        standing=_list(standing + [f"COALESCE(inside.{c}, before.{c}) AS {c}" for c in value]),
        found=_list(found + [f"MAX(CASE WHEN look = 0 THEN {c} END) AS {c}" for c in value]),
        answer=_answer(question),
    )


_QUERY = """WITH line AS (
{line}
), bucketed AS (
  SELECT line.*, moment - moment % {bucket} AS bucket FROM line WHERE entity <> 0
), totals AS (
  SELECT entity, bucket,
    {totals}
  FROM bucketed GROUP BY entity, bucket
), before AS (
  SELECT entity, bucket,
    {running}
  FROM totals
  WINDOW w AS (
    PARTITION BY entity ORDER BY bucket ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  )
), inside AS (
  SELECT asks, look, entity, bucket,
    {running}
  FROM bucketed
  WINDOW w AS (
    PARTITION BY entity, bucket ORDER BY moment
    RANGE BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  )
), standing AS (
  SELECT asks, look,
    {standing}
  FROM inside JOIN before ON before.entity = inside.entity AND before.bucket = inside.bucket
  WHERE asks IS NOT NULL
), found AS (
  SELECT asks AS crossing,
    {found}
  FROM standing GROUP BY asks
)
{answer}"""


def _line(question: Question, looks: Sequence[int]) -> str:
    """Events and cuts on one line of time; a cut looks once for each window back."""
    by = question.group.by
    added = [f"add_{name}" for name in question.measures]
    fields = {"last_event": "crossing", "last_event_at": "known_at"}
    events = [
        "CAST(NULL AS BIGINT) AS asks",
        "CAST(0 AS BIGINT) AS look",
        f"{key_column(by, by)} AS entity",
        "known_at AS moment",
        *(f"{fields[name]} AS {name}" for name in question.last_columns),
        *added,
    ]
    branches = [
        f"  SELECT {', '.join(events)} FROM {_event_source(question.group, question.measures)}"
    ]
    for window in looks:
        look = f"CAST({window} AS BIGINT)"
        cut = ["crossing", look, key_column(question.of, by), f"as_of - {window}"]
        nothing = ["NULL"] * len(question.last_columns) + ["0"] * len(added)
        branches.append(f"  SELECT {', '.join(cut + nothing)} FROM {CROSSINGS.name}")
    return "\n  UNION ALL\n".join(branches)


def _difference(read: Read) -> str:
    amount = f"add_{read.measure}"
    then = "" if read.window >= EVER else f" WHEN look = {read.window} THEN -{amount}"
    return f"CAST(SUM(CASE WHEN look = 0 THEN {amount}{then} ELSE 0 END) AS BIGINT)"


def _answer(question: Question) -> str:
    """Fetch what the last crossing carried, and leave one row a crossing."""
    columns = [f"found.{read_column(read)}" for read in question.sums]
    for read in question.reads:
        if read.is_last:
            is_time = read.measure == "known_at"
            column = "found.last_event_at" if is_time else f"latest.fact_{read.measure}"
            columns.append(f"{column} AS {read_column(read)}")
    join = f"\nLEFT JOIN {CROSSINGS.name} AS latest ON latest.crossing = found.last_event"
    return (
        f"SELECT {_list(['found.crossing', *columns])}\nFROM found"
        f"{join if question.facts else ''}\nWHERE found.crossing IS NOT NULL"
    )


def _list(columns: Sequence[str]) -> str:
    return ",\n    ".join(columns)


def _event_source(group: Group, measures: Sequence[str]) -> str:
    """Return the relation or subquery of a group's events, one column ``add_`` a measure."""
    if group.stream == PASSED.name:
        links = [link for link in PASSED.links if (link.to,) == group.by]
        return _passed_columns([link for link in links if link.measure in measures])
    derived = [m for m in measures if group.stream == CROSSINGS.name and m in CROSSINGS.derived]
    return _seen_columns(derived) if derived else group.stream


def _seen_columns(measures: Sequence[str]) -> str:
    before = [_before(CROSSINGS.derived[m]) + f" AS before_{m}" for m in measures]
    added = [_seen_flag(m, CROSSINGS.derived[m]) + f" AS add_{m}" for m in measures]
    return (
        f"(SELECT known.*, {', '.join(added)} FROM "
        f"(SELECT crossings.*, {', '.join(before)} FROM crossings) AS known) AS crossings"
    )


def _before(seen: PriorSighting) -> str:
    """When the combination was last seen; crossings without one do not meet in one partition."""
    key = key_column(seen.by, seen.by)
    reach = "UNBOUNDED" if seen.window >= EVER else str(seen.window)
    return (
        f"MAX(known_at) OVER (PARTITION BY CASE WHEN {key} = 0 THEN -1 - crossing ELSE {key} END "
        f"ORDER BY known_at RANGE BETWEEN {reach} PRECEDING AND 1 PRECEDING)"
    )


def _seen_flag(measure: str, seen: PriorSighting) -> str:
    asked = "IS NOT NULL" if seen.wanted else "IS NULL"
    key = key_column(seen.by, seen.by)
    return f"CASE WHEN {key} <> 0 AND before_{measure} {asked} THEN 1 ELSE 0 END"


def _passed_columns(links: Sequence[Tie]) -> str:
    branches = []
    for link in links:
        added = [f"{int(link is each)} * add_hit AS add_{each.measure}" for each in links]
        key = key_column((link.to,), (link.to,))
        branches.append(
            f"SELECT known_at, other AS {key}, {', '.join(added)} FROM (\n{_one_way(link)}\n) "
            f"AS ranked WHERE place <= {FAN_OUT}"
        )
    return "(" + "\nUNION ALL\n".join(branches) + f") AS {PASSED.name}"


def _one_way(link: Tie) -> str:
    via, to = key_column((link.via,), (link.via,)), key_column((link.to,), (link.to,))
    return f"""  SELECT hit.known_at, hit.add_hit, pair.other, ROW_NUMBER() OVER (
    PARTITION BY hit.crossing, hit.known_at ORDER BY pair.since DESC, pair.other DESC) AS place
  FROM (SELECT * FROM {INSPECTIONS.name} WHERE add_hit <> 0 AND {via} <> 0) AS hit
  JOIN (
    SELECT {via} AS via, {to} AS other, MIN(known_at) AS since
    FROM {CROSSINGS.name} WHERE {via} <> 0 AND {to} <> 0 GROUP BY {via}, {to}
  ) AS pair ON pair.via = hit.{via} AND pair.since < hit.hit_at AND pair.other <> hit.{to}"""


def reads(
    log: EncodedHistory, plan: Plan, text: Callable[[Question], str] = write_query
) -> dict[Read, Floats]:
    """Compute every read of the plan for the n crossings of a log, by DuckDB.

    It checks the kernels: it shares definitions with them, and neither how events are traversed nor
    how a read becomes a column of numbers. As of :func:`features.offline.feature_matrix.reads`, the
    answer is by read a float64 array of shape (n,): exact integers; NaN where the entity looked up
    is not known, or has no last event.
    """
    import duckdb  # here, since the environment of Spark has none

    out = {read: np.full(len(log), np.nan) for read in plan.reads}
    with duckdb.connect() as connection:
        for name, relation in relations(log, plan).items():
            connection.register(name, relation)
        for question in questions(plan):
            answer = connection.sql(text(question)).to_arrow_table()
            rows = answer["crossing"].to_numpy()
            for read in question.reads:
                out[read][rows] = answer[read_column(read)].to_numpy()
    return out
