"""The catalogue says what it means, in code, on its page, and in what it leaves out."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engine.domain.network import Network
from engine.domain.records import Crossing, Declaration
from features.catalogue.catalogue import CATALOGUE, feature
from features.catalogue.encoder import ENTITIES, FACTS, encode
from features.catalogue.event_streams import CROSSINGS, INSPECTIONS
from features.catalogue.plan import Plan
from features.catalogue.spec import count, own_fact, total
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
