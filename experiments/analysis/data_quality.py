"""Quality of the data that reach a home, by post, field and week, and what stands out in it.

Counts are what they are; a finding is a deviation from the same post's own weeks before. Thresholds
are those of the constants below, chosen on synthetic networks so that untouched data give few
findings: they say where to look, not what is wrong.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from babel import Locale

from engine.domain.network import Network
from engine.domain.records import PLACES
from experiments.analysis.home_history import HomeHistory

FindingKind = Literal[
    "missing", "late", "duplicate", "unknown_code", "clock_skew", "stuck_field", "change_point"
]
LATE: Final = pd.Timedelta(hours=24)
SAME_VEHICLE: Final = pd.Timedelta(minutes=10)
PAIRED: Final = pd.Timedelta(hours=12)
SKEW: Final = pd.Timedelta(minutes=20)
USUAL_DAYS: Final = 56
FEWEST_ROWS: Final = 15
FEWEST_DAYS: Final = 7
"""A post with fewer days before has no usual."""
FEWEST_UNKNOWN: Final = 3
_LEAST_CHANGE: Final = 0.15
_LEAST_SCORE: Final = 6.0
_STUCK_SHARE, _USUAL_SHARE = 0.5, 0.25
_CHAPTERS: Final = frozenset(f"{n:02}" for n in range(1, 98)) - {"77"}
_COUNTRIES: Final = frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2)
_GROUPS: Final = frozenset(place.partition(".")[0] for place in PLACES)
_CROSSING_FIELDS: Final = (
    "plate", "plate_country", "trailer_plate", "vin", "driver_ref", "carrier_id",
    "container_numbers", "seal_numbers", "weighed_mass_kg", "declaration_id",
)  # fmt: skip
_ITEM_FIELDS: Final = (
    "net_mass_kg", "gross_mass_kg", "customs_value_usd", "packages", "origin_country",
    "description",
)  # fmt: skip
_VARIED: Final = ("plate", "driver_ref", "seal_numbers", "weighed_mass_kg", *_ITEM_FIELDS[:3])


@dataclass(frozen=True, slots=True)
class QualityFinding:
    """A deviation at a post: the field, the first day and the last, and the rows concerned."""

    kind: FindingKind
    post: str
    field: str
    since: str
    until: str
    rows: int
    of: int
    text: str
    usual: float | None = None
    """What is usual there: a share in [0, 1], minutes for a clock, crossings for a change point."""
    seen: float | None = None
    """Minutes from the paired post, for a clock."""
    codes: tuple[str, ...] = ()
    """The unknown codes that are named most often, or the paired post of a clock."""


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Rows and missing values by post, field and week (a list of objects), and the findings."""

    weeks: list[dict[str, Any]]
    findings: list[QualityFinding]


def assess_quality(history: HomeHistory, network: Network) -> QualityReport:
    """Measure the records that a home knew at a time."""
    frames = history.frames(["crossings", "declarations", "goods_items", "inspections"])
    crossings = _with_days(frames["crossings"], "arrived_at")
    keys = crossings[["declaration_id", "post", "day", "week"]].dropna()
    items = frames["goods_items"].merge(keys, on="declaration_id")
    acts = frames["inspections"].merge(crossings[["crossing_id", "post", "day"]], on="crossing_id")
    fields = [(crossings, name) for name in _CROSSING_FIELDS]
    fields += [(items, name) for name in _ITEM_FIELDS]
    return QualityReport(
        weeks=[row for frame, name in fields for row in _count_weeks(frame, name)],
        findings=[
            *(found for frame, name in fields for found in _find_missing(frame, name)),
            *_find_late(crossings, acts),
            *_find_duplicates(crossings),
            *_find_unknown(crossings, items, acts, network),
            *_find_skew(crossings, network),
            *_find_stuck(crossings, items),
            *_find_volume(crossings),
        ],
    )


def _with_days(frame: Any, time: str) -> Any:
    instants = frame[time].astype("datetime64[us, UTC]")
    day = instants.dt.floor("D")
    week = day - pd.to_timedelta(day.dt.day_of_week, unit="D")
    return frame.assign(**{time: instants, "day": day, "week": week})


def _is_missing(values: Any) -> Any:
    lengths = values.map(lambda one: len(one) if isinstance(one, list | np.ndarray) else 1)
    return values.isna() | (lengths == 0)


def _count_weeks(frame: Any, name: str) -> Iterator[dict[str, Any]]:
    counted = frame.assign(missing=_is_missing(frame[name]).astype(int))
    weeks = counted.groupby(["post", "week"], observed=True)["missing"].agg(["size", "sum"])
    for (post, week), rows, missing in zip(weeks.index, weeks["size"], weeks["sum"], strict=True):
        yield {
            "post": post,
            "field": name,
            "week": week.date().isoformat(),
            "rows": int(rows),
            "missing": int(missing),
        }


def _find_missing(frame: Any, name: str) -> Iterator[QualityFinding]:
    days = _count_days(frame, _is_missing(frame[name]))
    for post, day, rows, of, usual in _list_changes(days):
        text = f"{name} is missing in {rows} of {of} rows, usually in {_express_share(usual)}"
        yield _make("missing", post, name, day, (rows, of), text, usual=usual)


def _find_late(crossings: Any, acts: Any) -> Iterator[QualityFinding]:
    reported = crossings.dropna(subset=["recorded_at"])
    gap = reported["recorded_at"].astype("datetime64[us, UTC]") - reported["arrived_at"]
    for post, day, rows, of, usual in _list_changes(_count_days(reported, gap > LATE)):
        text = (
            f"{rows} of {of} crossings became known more than 24 hours after they arrived, "
            f"usually {_express_share(usual)}"
        )
        yield _make("late", post, "recorded_at", day, (rows, of), text, usual=usual)
    ahead = gap < -pd.Timedelta(minutes=2)
    for post, day, rows, of in _list_days(reported, ahead):
        if rows >= 3:
            text = f"{rows} of {of} crossings were recorded before they arrived: a clock is wrong"
            yield _make("clock_skew", post, "arrived_at", day, (rows, of), text)
    ended = acts.dropna(subset=["completed_at"])
    gap = ended["recorded_at"].astype("datetime64[us, UTC]") - ended["completed_at"].astype(
        "datetime64[us, UTC]"
    )
    for post, day, rows, of, usual in _list_changes(_count_days(ended, gap > LATE)):
        text = f"{rows} of {of} acts were recorded more than 24 hours after their end, "
        text += f"usually {_express_share(usual)}"
        yield _make("late", post, "completed_at", day, (rows, of), text, usual=usual)


def _find_duplicates(crossings: Any) -> Iterator[QualityFinding]:
    seen = crossings.dropna(subset=["plate"]).sort_values("arrived_at")
    gap = seen["arrived_at"] - seen.groupby(["post", "direction", "plate"])["arrived_at"].shift()
    for post, day, rows, of in _list_days(seen, gap <= SAME_VEHICLE):
        if rows >= 5 and rows >= 0.1 * of:
            text = (
                f"{rows} of {of} crossings repeat a plate seen here in the ten minutes before: "
                "is a feed connected twice?"
            )
            yield _make("duplicate", post, "crossing_id", day, (rows, of), text)


def _find_unknown(
    crossings: Any, items: Any, acts: Any, network: Network
) -> Iterator[QualityFinding]:
    searched = acts.explode("places_searched").dropna(subset=["places_searched"])
    # Not str.partition: where no act names a place, it makes no columns.
    groups = searched["places_searched"].astype(str).str.split(".").str[0]
    checks: list[tuple[Any, str, Any]] = [
        (items, "hs_code", ~items["hs_code"].astype(str).str[:2].isin(_CHAPTERS)),
        (searched, "places_searched", ~groups.isin(_GROUPS)),
    ]
    for frame, name in ((crossings, "plate_country"), (items, "origin_country")):
        checks.append((frame, name, frame[name].notna() & ~frame[name].isin(_COUNTRIES)))
    if network.posts:
        checks.append((crossings, "post", ~crossings["post"].isin(set(network.posts))))
    for frame, name, unknown in checks:
        for (post, week), group in frame[unknown].groupby(["post", _week_of(frame[unknown])]):
            if len(group) < FEWEST_UNKNOWN:
                continue
            of = int(((frame["post"] == post) & (_week_of(frame) == week)).sum())
            codes = [str(one) for one in group[name].value_counts().index[:3]]
            text = f"{len(group)} of {of} values of {name} are in no list, most often "
            text += ", ".join(codes)
            until, counts = week + pd.Timedelta(days=6), (len(group), of)
            yield _make("unknown_code", post, name, week, counts, text, until=until, codes=codes)


def _week_of(frame: Any) -> Any:
    return frame["day"] - pd.to_timedelta(frame["day"].dt.day_of_week, unit="D")


def _find_skew(crossings: Any, network: Network) -> Iterator[QualityFinding]:
    """Find days on which vehicles took an unusual time from the paired post, all alike."""
    columns = ["post", "plate", "arrived_at", "day"]
    seen = crossings.dropna(subset=["plate"]).sort_values("arrived_at")
    for code, post in network.posts.items():
        here = seen[(seen["post"] == code) & (seen["direction"] == "entry")][columns]
        there = seen[(seen["post"] == post.pair) & (seen["direction"] == "exit")][columns]
        if here.empty or there.empty:
            continue
        paired = pd.merge_asof(
            here.astype({"plate": str}),
            there.astype({"plate": str}).assign(left_at=there["arrived_at"])[
                ["plate", "arrived_at", "left_at"]
            ],
            on="arrived_at",
            by="plate",
            direction="nearest",
            tolerance=PAIRED,
        ).dropna(subset=["left_at"])
        taken = (paired["arrived_at"] - paired["left_at"]).dt.total_seconds() / 60
        by_day = taken.groupby(paired["day"]).agg(["median", "count"])
        yield from _compare_transit(code, str(post.pair), by_day[by_day["count"] >= 5])


def _compare_transit(post: str, pair: str, days: Any) -> Iterator[QualityFinding]:
    medians = days["median"].to_numpy(np.float64)
    for place in range(FEWEST_DAYS, len(days)):
        before = medians[max(0, place - USUAL_DAYS) : place]
        usual = float(np.median(before))
        spread = float(np.median(np.abs(before - usual)))
        seen = float(medians[place])
        if abs(seen - usual) > max(SKEW.total_seconds() / 60, 8 * spread) or seen < 0:
            of = int(days["count"].iloc[place])
            text = (
                f"from {pair} to here took {seen:.0f} minutes (median of {of} vehicles), usually "
                f"{usual:.0f}: the clock of one of the two posts may be wrong"
            )
            figures: dict[str, Any] = {"usual": usual, "seen": seen, "codes": [pair]}
            day = days.index[place]
            yield _make("clock_skew", post, "arrived_at", day, (of, of), text, **figures)


def _find_stuck(crossings: Any, items: Any) -> Iterator[QualityFinding]:
    for name in _VARIED:
        frame = crossings if name in crossings.columns else items
        kept = frame[~_is_missing(frame[name])]
        by_day = [kept["post"], kept["day"]]
        values = kept[name].astype(object).map(str)  # an empty column of lists would stay one
        equal = kept.groupby([*by_day, values], observed=True).size()
        top = equal.groupby(level=[0, 1]).agg(rows="max", of="sum")
        top = top[top["of"] >= FEWEST_ROWS]
        for post, days in top.groupby(level=0):
            shares = days["rows"] / days["of"]
            for place in range(FEWEST_DAYS, len(days)):
                usual = shares.iloc[max(0, place - USUAL_DAYS) : place].median()
                if shares.iloc[place] >= _STUCK_SHARE and usual <= _USUAL_SHARE:
                    day = days.index[place][1]
                    rows, of = int(days["rows"].iloc[place]), int(days["of"].iloc[place])
                    text = (
                        f"{rows} of {of} values of {name} are one and the same, usually "
                        f"{_express_share(usual)}: a device may be stuck"
                    )
                    counts = rows, of
                    yield _make(
                        "stuck_field", str(post), name, day, counts, text, usual=float(usual)
                    )


def _find_volume(crossings: Any) -> Iterator[QualityFinding]:
    for post, group in crossings.groupby("post"):
        days = group.groupby("day").size().asfreq("D", fill_value=0)
        counts_of = days.to_numpy(np.float64)
        for place in range(4 * FEWEST_DAYS, len(days) - 1):  # the last day may not be over
            before = counts_of[max(0, place - USUAL_DAYS) : place]
            usual, seen = float(np.median(before)), int(counts_of[place])
            if usual < FEWEST_ROWS or 0.3 * usual <= seen <= 1.7 * usual:
                continue
            spread = max(float(np.median(np.abs(before - usual))) * 1.5, usual**0.5, 1.0)
            if abs(seen - usual) > _LEAST_SCORE * spread:
                text = f"{seen} crossings on a day, usually {usual:.0f}"
                day, counts = days.index[place], (seen, seen)
                yield _make(
                    "change_point", str(post), "crossing_id", day, counts, text, usual=usual
                )


def _count_days(frame: Any, is_hit: Any) -> Any:
    counted = frame.assign(hit=is_hit.astype(int))
    return counted.groupby(["post", "day"])["hit"].agg(["sum", "size"])


def _list_days(frame: Any, is_hit: Any) -> Iterator[tuple[str, Any, int, int]]:
    days = _count_days(frame, is_hit)
    for (post, day), row in days[days["sum"] > 0].iterrows():
        yield post, day, int(row["sum"]), int(row["size"])


def _list_changes(days: Any) -> Iterator[tuple[str, Any, int, int, float]]:
    """Yield days whose share is above that of the weeks before: post, day, rows, of, usual."""
    for post, group in days.groupby(level=0):
        hits, sizes = group["sum"].to_numpy(), group["size"].to_numpy()
        for place in range(FEWEST_DAYS, len(group)):
            span = slice(max(0, place - USUAL_DAYS), place)
            rows, of = int(hits[span].sum()), int(sizes[span].sum())
            if sizes[place] < FEWEST_ROWS or of < FEWEST_ROWS:
                continue
            usual = rows / of
            share = hits[place] / sizes[place]
            error = max(((usual + 0.02) * (1 - usual) / sizes[place]) ** 0.5, 1e-9)
            if share - usual >= _LEAST_CHANGE and (share - usual) / error >= _LEAST_SCORE:
                day = group.index[place][1]
                yield str(post), day, int(hits[place]), int(sizes[place]), usual


def _express_share(share: float) -> str:
    return f"{round(100 * share)} in 100"


def _make(
    kind: FindingKind,
    post: str,
    field: str,
    day: Any,
    counts: Sequence[int],
    text: str,
    *,
    until: Any = None,
    usual: float | None = None,
    seen: float | None = None,
    codes: Sequence[str] = (),
) -> QualityFinding:
    last = day if until is None else until
    since, end = day.date().isoformat(), last.date().isoformat()
    when = f"on {since}" if since == end else f"in the week of {since}"
    sentence = f"At {post} {when}: {text}" + ("" if text.endswith("?") else ".")
    return QualityFinding(
        kind,
        post,
        field,
        since,
        end,
        counts[0],
        counts[1],
        sentence,
        None if usual is None else round(usual, 4),
        None if seen is None else round(seen, 1),
        tuple(codes),
    )
