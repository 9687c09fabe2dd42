"""Rates in which late inspections count more, and rates that traffic holds down, by hand."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isnan

import numpy as np
import pytest

from engine.domain.records import Crossing, Inspection
from engine.domain.time_units import DAY, HOUR, micros, moment
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.catalogue.transforms import (
    ELSEWHERE,
    HALF_LIFE,
    OPERATORS,
    PASSAGE,
    WEIGHTS,
    WINDOWS,
    step_weights,
)
from features.offline import window_queries
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix, reads
from models.learning import fit_tasks
from tests.unit.features.random_histories import EVENTFUL, START, History, tables

NAMES = [name for name, one in CATALOGUE.items() if one.operator == "recent_rate"]
PLAN = Plan({name: CATALOGUE[name] for name in NAMES})
STRENGTH = 5.0
NOW = 400
"""Day on which the vehicle comes that is looked at."""
ACTS = ((390, "discrepancy"), (350, "clear"), (200, "seizure"), (190, "clear"), (30, "seizure"))
"""Days and outcomes of its inspections: two of late, two long ago, one before all windows."""


def last_features(
    acts: Sequence[tuple[int, str]], plan: Plan = PLAN, *, clean: Sequence[int] = ()
) -> Mapping[str, float]:
    """Return the features of a vehicle's crossing on the day NOW, after these inspections.

    On the days ``clean`` it crossed without one.
    """
    crossings = [
        Crossing(
            crossing_id=f"c{day}",
            post="OYB",
            direction="entry",
            arrived_at=moment(START + day * DAY),
            vehicle_class="truck",
            plate="01A111AA",
            driver_ref="d-1",
        )
        for day in [*(day for day, _ in acts), *clean, NOW]
    ]
    inspections = [
        Inspection.model_validate(
            {
                "inspection_id": f"i{day}",
                "crossing_id": f"c{day}",
                "basis": "officer",
                "recorded_at": moment(START + day * DAY + HOUR),
                "outcome": outcome,
            },
            strict=False,
        )
        for day, outcome in acts
    ]
    history = History(
        sorted(((micros(one.known_at), one, None) for one in crossings), key=lambda row: row[0]),
        sorted(((micros(one.recorded_at), one) for one in inspections), key=lambda row: row[0]),
        [],
    )
    found = matrix(read_log(tables(history), plan), plan)
    return dict(zip(plan.names, found.values[-1].tolist(), strict=True))


def by_hand(
    acts: Sequence[tuple[int, str]], outcomes: Sequence[str], strength: float, passages: int = 0
) -> float:
    """Return the rate, inspection by inspection, held down by so many passages of a year."""
    finds = events = 0.0
    for day, outcome in acts:
        age = NOW - day
        weight = sum(w for window, w in zip(WINDOWS, WEIGHTS, strict=True) if age <= window)
        events += weight
        finds += weight * (outcome in outcomes)
    base = (sum(outcome in outcomes for _, outcome in acts) + 1.0) / (len(acts) + 50.0)
    return (finds + strength * base) / (events + PASSAGE * passages + strength)


def test_late_inspections_count_more() -> None:
    found = last_features(ACTS)
    hits = by_hand(ACTS, ("discrepancy", "seizure"), STRENGTH)
    assert found["plate_recent_hit_rate"] == pytest.approx(hits, rel=1e-6)
    seizures = by_hand(ACTS, ("seizure",), 2 * STRENGTH, passages=4)
    assert found["driver_recent_seizure_rate"] == pytest.approx(seizures, rel=1e-6)
    assert isnan(found["carrier_recent_hit_rate"]), "no carrier was named"
    late = last_features([(day + 120, outcome) for day, outcome in ACTS[2:]])
    early = last_features(ACTS[2:])
    assert late["plate_recent_hit_rate"] > early["plate_recent_hit_rate"]


def test_traffic_holds_a_rate_of_seizures_down() -> None:
    """Twice the finds of another, among many passages without an inspection, are a weaker sign."""
    acts = [(390, "seizure"), (380, "seizure")]
    days = range(100, 360)
    busy, quiet = last_features(acts, clean=days), last_features(acts[:1])
    assert busy["plate_recent_seizure_rate"] < quiet["plate_recent_seizure_rate"] / 2
    by_passages = by_hand(acts, ("seizure",), 2 * STRENGTH, passages=len(days) + len(acts))
    assert busy["plate_recent_seizure_rate"] == pytest.approx(by_passages, rel=1e-6)
    # Negative control: by inspections alone, as discrepancies are counted, it is the stronger.
    assert busy["plate_recent_hit_rate"] > quiet["plate_recent_hit_rate"]


def test_a_find_elsewhere_counts_without_an_inspection() -> None:
    """No inspection, eight passages, one find elsewhere: for arrays and for one row alike."""
    feature = CATALOGUE["plate_recent_seizure_rate"]
    own, common = [[0.0]] * 4 + [[1.0], [8.0]], [9.0, 450.0]
    operator, base = OPERATORS["recent_rate"], (9.0 + 1.0) / (450.0 + 50.0)
    (one,) = operator.of_one(own, common, *([each] for each in feature.parameters))
    assert one == (ELSEWHERE + 2 * STRENGTH * base) / (8 * PASSAGE + 2 * STRENGTH)
    rows = operator.of_rows(
        np.array(own)[:, :, None],
        np.array(common)[:, None],
        *(np.array([[each]]) for each in feature.parameters),
    )
    assert rows.tolist() == [[one]]
    # Negative control: the same find among many passages hardly counts.
    own[-1] = [800.0]
    (busy,) = operator.of_one(own, common, *([each] for each in feature.parameters))
    assert busy < base / 3


def test_weights_are_exact_in_any_order_and_follow_the_half_life() -> None:
    assert all((64 * weight).is_integer() and weight > 0.0 for weight in WEIGHTS)
    for windows in (WINDOWS, (30, 90, 180, 365)):
        weights = step_weights(HALF_LIFE, windows)
        for place, (begin, end) in enumerate(pairwise((0, *windows))):
            ages = np.linspace(begin, end, 10_001)
            mean = float(np.mean(2.0 ** (-ages / HALF_LIFE)))
            assert sum(weights[place:]) == pytest.approx(mean, abs=1 / 128 + 1e-4)


def test_every_engine_finishes_alike() -> None:
    """In bulk, by SQL, and row by row as the service does: to the bit."""
    log = read_log(tables(EVENTFUL[0]), PLAN)
    bulk, sql = reads(log, PLAN), window_queries.reads(log, PLAN)
    slots = np.full((len(log), len(PLAN.slot)), np.nan)
    for item, column in sql.items():
        slots[:, PLAN.slot[item]] = column
        assert np.array_equal(column, np.asarray(bulk[item][:]), equal_nan=True)
    one_by_one = np.concatenate([PLAN.finish(row[None]) for row in slots])
    made = matrix(log, PLAN).values
    assert np.array_equal(one_by_one.view(np.int32), made.view(np.int32))
    assert (np.nanmax(made, axis=0) > np.nanmin(made, axis=0)).all(), "each of them moves"


def test_finds_never_speak_against_a_search() -> None:
    assert set(fit_tasks.list_signs(NAMES, {}).tolist()) == {1}
