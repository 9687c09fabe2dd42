"""The catalogue says what it means in code and on its page; transforms are the same to the bit."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from engine.domain.network import Network
from engine.domain.records import Crossing, Declaration
from engine.domain.time_units import HOUR
from features.catalogue.catalogue import CATALOGUE, feature
from features.catalogue.encoder import ENTITIES, FACTS, encode
from features.catalogue.event_streams import CROSSINGS, INSPECTIONS
from features.catalogue.mirror_features import GRID, within
from features.catalogue.plan import Plan
from features.catalogue.spec import Floats, count, own_fact, total
from features.offline.encoded_history import read_log
from tests.unit.features.random_histories import history, tables

PERSONAL = re.compile("national|ethnic|religio|sex|gender|(^|_)age$|birth|name$")


def test_nothing_about_a_person_is_an_entity_or_a_fact() -> None:
    assert not [name for name in (*ENTITIES, *FACTS, *CATALOGUE) if PERSONAL.search(name)]


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        feature("timing", "hour", own_fact("hour", "hour", "again"))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (own_fact("nothing", "", ""), "no fact"),
        (count(replace(CROSSINGS, name="rumours"), "plate", 30), "no stream"),
        (total(replace(INSPECTIONS, measures={"kg": ("x", 1)}), "kg", "plate", 30), "no 'kg'"),
        (count(CROSSINGS, "plate", 0), "over 0 us"),
        (count(CROSSINGS, ("plate", "post"), 30, ("plate",)), "looks up"),
    ],
)
def test_a_feature_of_what_does_not_exist_is_refused(bad: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Plan({"bad": bad})  # type: ignore[dict-item]


def goods(**cells: object) -> Mapping[str, float]:
    """Return the facts of a crossing with one goods item."""
    item = {"item_no": 1, "hs_code": "0101", **cells}
    head = {"declaration_id": "d", "procedure": "import", "dispatch_country": "KZ"}
    declaration = Declaration.model_validate(head | {"items": (item,)})
    arrived = datetime(2026, 3, 1, tzinfo=UTC)
    crossing = Crossing(
        crossing_id="c", post="OYB", direction="entry", arrived_at=arrived, vehicle_class="truck"
    )
    return encode(crossing, declaration, Network())[1]


@pytest.mark.parametrize(
    ("mass", "whole", "tens"), [(120.0, 1.0, 1.0), (125.0, 1.0, 0.0), (120.5, 0.0, 0.0)]
)
def test_a_round_mass_is_seen(mass: float, whole: float, tens: float) -> None:
    facts = goods(net_mass_kg=mass)
    assert (facts["mass_is_whole"], facts["mass_is_round"]) == (whole, tens)


def test_what_a_declaration_leaves_out_is_not_known() -> None:
    nothing = goods()
    assert math.isnan(nothing["mass_is_whole"]) and math.isnan(nothing["dispatch_not_origin"])
    assert nothing["hs_number"] == 10_100.0  # a heading stands before all that is in it
    values = [goods(origin_country=country)["dispatch_not_origin"] for country in ("KZ", "CN")]
    assert values == [0.0, 1.0]


def test_one_line_makes_a_feature() -> None:
    """A new combination of entities needs nothing but its declaration."""
    plan = Plan({"seen_together": count(CROSSINGS, ("carrier", "driver", "hs2"), 90)})
    log = read_log(tables(history(1, 60)), plan)
    by = ("carrier", "driver", "hs2")
    assert plan.lookups == ((by, by),)
    assert log.keys[0].any()


def test_the_digest_is_that_of_the_definitions() -> None:
    plan = Plan(CATALOGUE)
    renamed = {f"{name}_": found for name, found in CATALOGUE.items()}
    longer = CATALOGUE | {"plate_crossings_30d": count(CROSSINGS, "plate", 31)}
    reworded = CATALOGUE | {"hour": replace(CATALOGUE["hour"], meaning="in other words")}
    digests = [Plan(each).digest for each in (renamed, longer, reworded)]
    assert [digest == plan.digest for digest in digests] == [False, False, True]


PLAN = Plan(CATALOGUE)
ROWS = 600


def draw_slots(seed: int = 6) -> Floats:
    """Return slots as reads and facts may give them: every finisher meets what it treats apart.

    Times are some hours apart, lines have been crossed up to fifty times, three in ten are unknown;
    of the last row nothing is known.
    """
    draw = np.random.default_rng(seed)
    slots = draw.integers(0, 4, (ROWS, len(PLAN.slot))).astype(np.float64)
    hours = draw.integers(0, 90, slots.shape) * float(HOUR)
    followed = np.sort(draw.integers(0, 50, (len(GRID), ROWS)), axis=0)
    for item, place in PLAN.slot.items():
        name = getattr(item, "measure", getattr(item, "name", ""))
        if name in {"known_at", "arrived_at", "as_of"}:
            slots[:, place] = hours[:, place]
        elif name.endswith("_kg") or "value" in name:
            slots[:, place] += draw.random(ROWS)
        for reached, grid in zip(followed, GRID, strict=True):
            if name == within(grid):
                slots[:, place] = reached
    slots[draw.random(slots.shape) < 0.3] = np.nan
    slots[-1] = np.nan
    return slots


def bits(plan: Plan, slots: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Return the bits of what a plan makes of slots."""
    return plan.finish(slots).view(np.int32)


def alone(plan: Plan, slots: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Return the same, made row by row."""
    return np.concatenate([bits(plan, row[None]) for row in slots])


def test_a_row_alone_is_finished_as_among_others() -> None:
    slots = draw_slots()
    together = bits(PLAN, slots)
    assert np.array_equal(alone(PLAN, slots), together)
    values = together.view(np.float32)
    assert (np.nanmax(values, axis=0) > np.nanmin(values, axis=0)).all(), "each feature moves"
    always = [
        name
        for name, column in zip(PLAN.names, values.T, strict=True)
        if not np.isnan(column).any()
    ]
    assert always == ["mirror_window"]
