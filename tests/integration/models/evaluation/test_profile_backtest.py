"""What a backtest counts is what one counts by hand, with what was known then."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.criteria.profiles.profile import BacktestSubject
from engine.domain.time_units import DAY, rfc3339
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.tables import SCHEMAS, Tables
from features.offline.encoded_history import arrivals, read_log
from models.evaluation import profile_backtest as module
from models.evaluation.profile_backtest import profile_backtest
from tests.unit.features.random_histories import history, tables

DAYS = 90


@pytest.fixture(scope="module")
def past() -> Tables:
    return tables(history(7, 600))


def read_known_times(past: Tables) -> np.ndarray[Any, Any]:
    return np.asarray(past.crossings["known_at"].to_numpy(), np.int64)


def recent(past: Tables) -> np.ndarray[Any, Any]:
    at = read_known_times(past)
    return np.flatnonzero(at >= max(at[-1] + 1 - DAYS * DAY, at[0]))


def of_all(past: Tables, *names: str) -> dict[str, Any]:
    """Return features of every crossing, from the whole history."""
    from features.offline.feature_matrix import matrix

    plan = Plan({name: CATALOGUE[name] for name in CATALOGUE if name in names})
    found = matrix(read_log(past, plan), plan)
    return {name: found.values[:, place] for place, name in enumerate(plan.names)}


def test_it_counts_what_one_counts_by_hand(past: Tables) -> None:
    result = profile_backtest(
        past, BacktestSubject('crossing.vehicle_class == "truck"', post="OYB")
    )
    rows = [
        row
        for row, (crossing, _) in enumerate(arrivals(past))
        if crossing.vehicle_class == "truck" and crossing.post == "OYB"
    ]
    rows = [row for row in rows if row in set(recent(past).tolist())]
    ids = {past.crossings["crossing_id"][row].as_py() for row in rows}
    assert result["matches"] == len(rows) > 5
    acts = [a for a in past.inspections.to_pylist() if a["crossing_id"] in ids]
    papers = {"documents", "weighing"}
    found = {a["crossing_id"] for a in acts if a["outcome"] != "clear"}
    full = {a["crossing_id"] for a in acts if not a["methods"] or set(a["methods"]) - papers}
    assert result["inspected"] == len(full | found)
    assert result["hits"] == len(found) and result["hit_rate"]["n"] == len(full | found)
    assert result["hit_rate"]["low"] <= result["hit_rate"]["value"] <= result["hit_rate"]["high"]


def test_it_lists_finds_that_it_does_not_match_and_clear_searches(past: Tables) -> None:
    trial = BacktestSubject('crossing.vehicle_class == "truck"')
    result = profile_backtest(past, trial)
    names = {name: past.crossings["crossing_id"][name].as_py() for name in recent(past).tolist()}
    kinds = {
        crossing.crossing_id: crossing.vehicle_class
        for row, (crossing, _) in enumerate(arrivals(past))
        if row in names
    }
    acts = past.inspections.to_pylist()
    found = {a["crossing_id"] for a in acts if a["outcome"] != "clear"}
    missed = [one["crossing_id"] for one in result["missed"]]
    cleared = [one["crossing_id"] for one in result["cleared"]]
    assert missed and {kinds[one] for one in missed}.isdisjoint({"truck"})
    linked = {one["linked_crossing_id"] for one in past.seizures.to_pylist()}
    assert set(missed) <= found | linked
    assert cleared and {kinds[one] for one in cleared} == {"truck"}
    assert found.isdisjoint(cleared)
    assert set(cleared) <= {a["crossing_id"] for a in acts}
    every = profile_backtest(past, BacktestSubject('crossing.post != ""'))
    assert every["missed"] == []


def test_each_condition_is_counted_alone_and_with_those_before_it(past: Tables) -> None:
    texts = ['crossing.vehicle_class == "truck"', 'crossing.plate_country == "ZZ"']
    result = profile_backtest(past, BacktestSubject(" && ".join(texts)))
    alone = [profile_backtest(past, BacktestSubject(text))["matches"] for text in texts]
    assert [one["condition"] for one in result["conditions"]] == texts
    assert [one["alone"] for one in result["conditions"]] == alone == [alone[0], 0]
    assert [one["together"] for one in result["conditions"]] == [alone[0], 0]
    assert alone[0] > 5 and result["matches"] == 0
    assert profile_backtest(past, BacktestSubject(texts[0]))["conditions"] == []


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
    result = profile_backtest(past, BacktestSubject(f"features.{name} >= {middle!r}"))
    assert result["matches"] == int((values >= np.float32(middle)).sum()) > 0


def test_a_history_cut_too_short_is_found(past: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: without what lies before the window, counts come out lower."""
    values = of_all(past, "carrier_crossings_365d")["carrier_crossings_365d"][recent(past)]
    trial = BacktestSubject(f"features.carrier_crossings_365d >= {float(np.nanmax(values))!r}")
    right = profile_backtest(past, trial)["matches"]
    assert right == int((values >= np.nanmax(values)).sum())

    def seeded_bug(found: Tables, _plan: Plan, window: Any) -> Tables:
        return module._slice(found, window.first)

    monkeypatch.setattr(module, "_trim_history", seeded_bug)
    assert profile_backtest(past, trial)["matches"] < right


def test_what_comes_later_changes_nothing_in_the_window(past: Tables) -> None:
    expression = "features.carrier_crossings_30d >= 1 && features.carrier_hit_rate >= 0"
    end = int(read_known_times(past)[450])
    count = int(np.searchsorted(read_known_times(past), end, side="right"))
    short = replace(past, crossings=past.crossings.slice(0, count))
    result = profile_backtest(short, BacktestSubject(expression), days=60)
    features = of_all(past, "carrier_crossings_30d", "carrier_hit_rate")
    at = read_known_times(past)[:count]
    rows = np.flatnonzero(at >= end + 1 - 60 * DAY)
    fits = (features["carrier_crossings_30d"] >= 1) & (features["carrier_hit_rate"] >= 0)
    assert result["until"] == rfc3339(end + 1)
    assert result["matches"] == int(fits[rows].sum()) > 0


def draw_searches(past: Tables, *, seed: int) -> tuple[Tables, dict[str, float], float]:
    """Let an engine draw searches of a history, trucks rarely and the more often the heavier.

    Returns the history with those acts alone, the propensity of each crossing, and how often
    trucks truly hold something.
    """
    draw = np.random.default_rng(seed)
    rows = past.crossings.to_pylist()
    truck = np.array([row["vehicle_class"] == "truck" for row in rows])
    known = draw.random(len(rows))
    chance = np.where(truck, 0.1 + 0.5 * known, 0.05)
    propensity = np.where(truck, 0.08 + 0.8 * known, 0.5)
    holds, drawn = draw.random(len(rows)) < chance, draw.random(len(rows)) < propensity
    acts = [
        {
            "inspection_id": f"i-{at}", "crossing_id": row["crossing_id"], "outcome":
            "discrepancy" if holds[at] else "clear", "methods": ["physical"], "minutes": 30.0,
            "basis": "score", "propensity": float(propensity[at]),
            "recorded_at": row["known_at"], "known_at": row["known_at"],
        }
        for at, row in enumerate(rows) if drawn[at]
    ]  # fmt: skip
    made = replace(
        past,
        inspections=pa.Table.from_pylist(acts, SCHEMAS["inspections"]),
        seizures=past.seizures.slice(0, 0),
    )
    names = past.crossings["crossing_id"].to_pylist()
    return made, dict(zip(names, propensity.tolist(), strict=True)), float(chance[truck].mean())


def test_what_it_would_have_found_is_covered_as_often_as_it_says() -> None:
    """Negative control: the hit rate of what was inspected is misled by who was inspected."""
    past, covered, misled = tables(history(11, 1500, span=80 * DAY)), 0, 0
    for seed in range(20):
        made, _, truth = draw_searches(past, seed=seed)
        result = profile_backtest(
            made, BacktestSubject('crossing.vehicle_class == "truck"', percentage=50.0)
        )
        value = result["had_it_chosen"]
        assert value["searches"] == result["matches"] / 2 and not value["diagnostics"]["faults"]
        rate, plain = value["self_normalised"], result["hit_rate"]
        covered += rate["low"] <= truth <= rate["high"]
        misled += not plain["low"] <= truth <= plain["high"]
        assert value["hits"]["value"] == pytest.approx(rate["value"] * value["searches"])
        assert value["hits_per_hour"]["value"] == pytest.approx(2 * rate["value"])
    assert covered >= 17 and misled >= 10


def test_draws_that_decisions_tell_of_and_no_act_followed_are_counted() -> None:
    made, propensity, _ = draw_searches(tables(history(11, 1500, span=80 * DAY)), seed=1)
    acted = set(made.inspections["crossing_id"].to_pylist())
    trial = BacktestSubject('crossing.vehicle_class == "truck"')
    skipped = {name: (one, False) for name, one in propensity.items() if name not in acted}
    value = profile_backtest(made, trial, sent=skipped)["had_it_chosen"]
    assert value["diagnostics"]["not_carried_out"] > 0.3
    assert not value["self_normalised"]["knowable"] and "carried out" in value["hits"]["why"]


def test_random_checks_left_undone_widen_what_they_say_of_a_profile(past: Tables) -> None:
    trial = BacktestSubject("features.is_entry == 1", post="OYB")
    whole = profile_backtest(past, trial)
    names = past.crossings["crossing_id"].to_pylist()
    acted = set(past.inspections["crossing_id"].to_pylist())
    few = dict.fromkeys([one for one in names if one not in acted][-40:-10], (0.03, True))
    result = profile_backtest(past, trial, sent=few)
    lost = result["random"]["not_carried_out"] - whole["random"]["not_carried_out"]
    assert lost > 0
    assert result["random"]["inspected"] == whole["random"]["inspected"]
    assert result["base_rate"]["high"] > whole["base_rate"]["high"]
    assert result["random"]["share_matched"]["n"] == whole["random"]["share_matched"]["n"] + lost


def test_possible_proxies_of_origin_are_named(past: Tables) -> None:
    expression = 'crossing.plate_country == "ZZ" || features.origin_hit_rate > 2'
    result = profile_backtest(past, BacktestSubject(expression))
    assert result["proxies"] == ["crossing.plate_country", "features.origin_hit_rate"]
