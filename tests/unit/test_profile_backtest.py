"""What a backtest counts is what one counts by hand, with what was known then."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.profiles import Trial
from engine.times import DAY, rfc3339
from features.catalogue import CATALOGUE
from features.history import Tables
from features.log import arrivals, read_log
from features.plan import Plan
from models import profile_backtest as module
from models.profile_backtest import profile_backtest
from tests.histories import history, tables

DAYS = 90


@pytest.fixture(scope="module")
def past() -> Tables:
    return tables(history(7, 600))


def known(past: Tables) -> np.ndarray[Any, Any]:
    return np.asarray(past.crossings["known_at"].to_numpy(), np.int64)


def recent(past: Tables) -> np.ndarray[Any, Any]:
    at = known(past)
    return np.flatnonzero(at >= max(at[-1] + 1 - DAYS * DAY, at[0]))


def of_all(past: Tables, *names: str) -> dict[str, Any]:
    """Return features of every crossing, from the whole history."""
    from features.bulk import matrix

    plan = Plan({name: CATALOGUE[name] for name in CATALOGUE if name in names})
    found = matrix(read_log(past, plan), plan)
    return {name: found.values[:, place] for place, name in enumerate(plan.names)}


def test_it_counts_what_one_counts_by_hand(past: Tables) -> None:
    told = profile_backtest(past, Trial('crossing.vehicle_class == "truck"', post="OYB"))
    rows = [
        row
        for row, (crossing, _) in enumerate(arrivals(past))
        if crossing.vehicle_class == "truck" and crossing.post == "OYB"
    ]
    rows = [row for row in rows if row in set(recent(past).tolist())]
    ids = {past.crossings["crossing_id"][row].as_py() for row in rows}
    assert told["matches"] == len(rows) > 5
    acts = [a for a in past.inspections.to_pylist() if a["crossing_id"] in ids]
    papers = {"documents", "weighing"}
    found = {a["crossing_id"] for a in acts if a["outcome"] != "clear"}
    full = {a["crossing_id"] for a in acts if not a["methods"] or set(a["methods"]) - papers}
    assert told["inspected"] == len(full | found)
    assert told["hits"] == len(found) and told["hit_rate"]["n"] == len(full | found)
    assert told["hit_rate"]["low"] <= told["hit_rate"]["value"] <= told["hit_rate"]["high"]


@pytest.mark.parametrize(
    "name",
    [
        "carrier_crossings_30d",
        "plate_days_since",
        "carrier_hit_rate",
        "night",
        "plate_new_drivers_90d",
    ],
)
def test_features_are_those_of_the_whole_history(past: Tables, name: str) -> None:
    """The history may be cut where nothing reaches back, and only there."""
    values = of_all(past, name)[name][recent(past)]
    middle = float(np.nanmedian(values))
    told = profile_backtest(past, Trial(f"features.{name} >= {middle!r}"))
    assert told["matches"] == int((values >= np.float32(middle)).sum()) > 0


def test_a_history_cut_too_short_is_found(past: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: without what lies before the window, counts come out lower."""
    values = of_all(past, "carrier_crossings_365d")["carrier_crossings_365d"][recent(past)]
    trial = Trial(f"features.carrier_crossings_365d >= {float(np.nanmax(values))!r}")
    right = profile_backtest(past, trial)["matches"]
    assert right == int((values >= np.nanmax(values)).sum())

    def planted(found: Tables, _plan: Plan, window: Any) -> Tables:
        return module._slice(found, window.first)

    monkeypatch.setattr(module, "_counted", planted)
    assert profile_backtest(past, trial)["matches"] < right


def test_what_comes_later_changes_nothing_in_the_window(past: Tables) -> None:
    expression = "features.carrier_crossings_30d >= 1 && features.carrier_hit_rate >= 0"
    end = int(known(past)[450])
    count = int(np.searchsorted(known(past), end, side="right"))
    short = replace(past, crossings=past.crossings.slice(0, count))
    told = profile_backtest(short, Trial(expression), days=60)
    features = of_all(past, "carrier_crossings_30d", "carrier_hit_rate")
    at = known(past)[:count]
    rows = np.flatnonzero(at >= end + 1 - 60 * DAY)
    fits = (features["carrier_crossings_30d"] >= 1) & (features["carrier_hit_rate"] >= 0)
    assert told["until"] == rfc3339(end + 1)
    assert told["matches"] == int(fits[rows].sum()) > 0


def test_the_percentage_and_the_channel_make_the_load(past: Tables) -> None:
    whole = profile_backtest(past, Trial("features.is_entry == 1"))
    half = profile_backtest(past, Trial("features.is_entry == 1", percentage=50.0))
    blue = profile_backtest(past, Trial("features.is_entry == 1", channel="blue"))
    assert half["matches"] == whole["matches"]
    assert half["minutes_per_day"] == pytest.approx(whole["minutes_per_day"] / 2)
    assert half["selected_per_day"] == pytest.approx(whole["selected_per_day"] / 2)
    assert whole["minutes_per_day"] > 0 == blue["minutes_per_day"]


def test_a_home_that_knows_nothing_says_so(past: Tables) -> None:
    nothing = replace(
        past,
        **{
            name: getattr(past, name).slice(0, 0)
            for name in ("crossings", "declarations", "goods_items", "inspections", "seizures")
        },
    )
    told = profile_backtest(nothing, Trial("features.carrier_crossings_30d == 0"))
    assert (told["arrivals"], told["matches"], told["since"]) == (0, 0, None)
    assert not told["hit_rate"]["knowable"] and not told["random"]["share_matched"]["knowable"]


def test_possible_proxies_of_origin_are_named(past: Tables) -> None:
    expression = 'crossing.plate_country == "ZZ" || features.origin_hit_rate > 2'
    told = profile_backtest(past, Trial(expression))
    assert told["proxies"] == ["crossing.plate_country", "features.origin_hit_rate"]
