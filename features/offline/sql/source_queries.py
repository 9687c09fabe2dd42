"""Where a question's events come from: a relation, or what SQL makes of relations.

Derived measures and passed-on hits are not taken from the encoder but made anew by every SQL engine
out of crossings and inspections: so a checker checks them too, and a national history, encoded part
by part, needs no part that knows all others.
"""

# ruff: noqa: S608 - texts are put together from names of the catalogue and integers alone

from collections.abc import Sequence

from features.catalogue.event_streams import CROSSINGS, INSPECTIONS, PASSED
from features.catalogue.plan import Group
from features.catalogue.spec import EVER, FAN_OUT, Link, Seen
from features.offline.sql.relations import key_column


def source(group: Group, measures: Sequence[str]) -> str:
    """Return what to select a group's events from, with a column ``add_`` for each measure."""
    if group.stream == PASSED.name:
        links = [link for link in PASSED.links if (link.to,) == group.by]
        return _passed_columns([link for link in links if link.measure in measures])
    derived = [m for m in measures if group.stream == CROSSINGS.name and m in CROSSINGS.derived]
    return _seen_columns(derived) if derived else group.stream


def _seen_columns(measures: Sequence[str]) -> str:
    before = [_before(CROSSINGS.derived[m]) + f" AS before_{m}" for m in measures]
    added = [_answer(m, CROSSINGS.derived[m]) + f" AS add_{m}" for m in measures]
    return (
        f"(SELECT told.*, {', '.join(added)} FROM "
        f"(SELECT crossings.*, {', '.join(before)} FROM crossings) AS told) AS crossings"
    )


def _before(seen: Seen) -> str:
    """When the combination was last seen; crossings without one do not meet in one partition."""
    key = key_column(seen.by, seen.by)
    reach = "UNBOUNDED" if seen.window >= EVER else str(seen.window)
    return (
        f"MAX(known_at) OVER (PARTITION BY CASE WHEN {key} = 0 THEN -1 - crossing ELSE {key} END "
        f"ORDER BY known_at RANGE BETWEEN {reach} PRECEDING AND 1 PRECEDING)"
    )


def _answer(measure: str, seen: Seen) -> str:
    asked = "IS NOT NULL" if seen.wanted else "IS NULL"
    key = key_column(seen.by, seen.by)
    return f"CASE WHEN {key} <> 0 AND before_{measure} {asked} THEN 1 ELSE 0 END"


def _passed_columns(links: Sequence[Link]) -> str:
    branches = []
    for link in links:
        added = [f"{int(link is each)} AS add_{each.measure}" for each in links]
        key = key_column((link.to,), (link.to,))
        branches.append(
            f"SELECT known_at, other AS {key}, {', '.join(added)} FROM (\n{_one_way(link)}\n) "
            f"AS ranked WHERE place <= {FAN_OUT}"
        )
    return "(" + "\nUNION ALL\n".join(branches) + f") AS {PASSED.name}"


def _one_way(link: Link) -> str:
    via, to = key_column((link.via,), (link.via,)), key_column((link.to,), (link.to,))
    return f"""  SELECT hit.known_at, pair.other, ROW_NUMBER() OVER (
    PARTITION BY hit.crossing ORDER BY pair.since DESC, pair.other DESC) AS place
  FROM (SELECT * FROM {INSPECTIONS.name} WHERE add_hit = 1 AND {via} <> 0) AS hit
  JOIN (
    SELECT {via} AS via, {to} AS other, MIN(known_at) AS since
    FROM {CROSSINGS.name} WHERE {via} <> 0 AND {to} <> 0 GROUP BY {via}, {to}
  ) AS pair ON pair.via = hit.{via} AND pair.since < hit.known_at AND pair.other <> hit.{to}"""
