"""The paired post's record is found by any key that leads to it, in a window that is learnt."""

import math
from typing import Any

import pytest

from engine.domain.records import Crossing, Declaration, GoodsItem
from engine.domain.time_units import HOUR, moment
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.mirror_features import FEWEST, GRID, KEYS
from features.catalogue.plan import Plan
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from tests.unit.features.random_histories import START, History, tables

MIRROR = {name: one for name, one in CATALOGUE.items() if one.family == "mirror"}
PLAN = Plan(MIRROR)
VIN, OTHER_VIN = "1M8GDM9AXKP042788", "1M8GDM9AXKP042789"


def passage(number: int, hours: float, **fields: Any) -> tuple[int, Crossing, Declaration | None]:
    """Return a passage so many hours after the start; at OYB they enter, at FOT they leave."""
    at = START + round(hours * HOUR)
    papers = {name: fields.pop(name) for name in ("tir_carnet", "cmr_number") if name in fields}
    goods = fields.pop("goods", {})
    declaration = None
    if papers or goods:
        item = GoodsItem(**{"item_no": 1, "hs_code": "0701"} | goods)
        declaration = Declaration(
            declaration_id=f"d{number}", procedure="tir", items=(item,), **papers
        )
    known = {"post": "OYB", "direction": "entry", "vehicle_class": "truck"} | fields
    crossing = Crossing(
        crossing_id=f"c{number:05d}",
        arrived_at=moment(at),
        declaration_id=None if declaration is None else declaration.declaration_id,
        **known,
    )
    return at, crossing, declaration


def make_exit(number: int, hours: float, **fields: Any) -> tuple[int, Crossing, Declaration | None]:
    return passage(number, hours, post="FOT", direction="exit", **fields)


def last(*passages: tuple[int, Crossing, Declaration | None]) -> dict[str, float]:
    """Return the mirror features of the last of some passages."""
    ordered = sorted(passages, key=lambda each: (each[0], each[1].crossing_id))
    found = matrix(read_log(tables(History(ordered, (), ())), PLAN), PLAN)
    return dict(zip(PLAN.names, found.values[-1].tolist(), strict=True))


BY_KEY = {
    "plate": {"plate": "01A123BC"},
    "vin": {"vin": VIN},
    "tir": {"tir_carnet": "XB1234"},
    "cmr": {"cmr_number": "C-77"},
    "trailer": {"trailer_plate": "T1"},
}


@pytest.mark.parametrize("key", KEYS)
def test_each_key_alone_finds_the_record(key: str) -> None:
    seen = last(
        make_exit(1, 0.0, weighed_mass_kg=10_000.0, **BY_KEY[key]),
        passage(2, 5.0, weighed_mass_kg=12_000.0, **BY_KEY[key]),
    )
    assert seen["mirror_mass_ratio"] == pytest.approx(1.2)
    assert seen["transit_us"] == pytest.approx(5 * HOUR)
    found = {name.removeprefix("mirror_by_") for name in seen if seen[name] == 1.0}
    assert found & set(KEYS) == {key}


def test_the_surer_key_wins_and_the_others_confirm_it_or_not() -> None:
    seen = last(
        make_exit(
            1, 0.0, plate="01A123BC", trailer_plate="T1", vin=OTHER_VIN, weighed_mass_kg=8_000.0
        ),
        make_exit(2, 3.0, vin=VIN, plate="40 777 AAA", weighed_mass_kg=30_000.0),
        passage(3, 5.0, plate="01А123ВС", trailer_plate="T1", vin=VIN, weighed_mass_kg=8_000.0),
    )
    assert seen["mirror_mass_ratio"] == 1.0, "by the plate, Cyrillic or not"
    assert [seen[f"mirror_by_{key}"] for key in ("plate", "vin", "trailer")] == [1.0, 0.0, 1.0]
    assert seen["mirror_vin_differs"] == 1.0


def test_another_plate_is_a_difference_where_the_vin_found_the_record() -> None:
    seen = last(
        make_exit(1, 0.0, plate="01A123BC", vin=VIN), passage(2, 5.0, plate="01A999ZZ", vin=VIN)
    )
    assert seen["mirror_plate_differs"] == 1.0 and seen["mirror_vin_differs"] == 0.0


def test_papers_of_both_sides_are_held_against_each_other() -> None:
    potatoes = {"hs_code": "070190", "net_mass_kg": 20_000.0, "customs_value_usd": 9_000.0}
    shoes = {"hs_code": "640299", "net_mass_kg": 15_000.0, "customs_value_usd": 4_500.0}
    gone = make_exit(1, 0.0, plate="01A123BC", goods=potatoes)
    seen = last(gone, passage(2, 5.0, plate="01A123BC", goods=shoes))
    assert (seen["mirror_goods_differ"], seen["mirror_value_ratio"]) == (1.0, 0.5)
    assert seen["mirror_net_mass_ratio"] == 0.75
    same = last(gone, passage(2, 5.0, plate="01A123BC", goods=potatoes))
    assert (same["mirror_goods_differ"], same["mirror_value_ratio"]) == (0.0, 1.0)
    bare = last(gone, passage(2, 5.0, plate="01A123BC"))
    assert math.isnan(bare["mirror_goods_differ"]) and math.isnan(bare["mirror_value_ratio"])


def test_an_old_record_is_of_another_movement_and_the_next_key_is_tried() -> None:
    old = make_exit(1, 0.0, plate="01A123BC", weighed_mass_kg=1_000.0)
    seen = last(old, passage(2, 90.0, plate="01A123BC"))
    assert math.isnan(seen["mirror_days"]) and math.isnan(seen["mirror_by_plate"])
    assert seen["mirror_window"] == GRID[-1]
    fresh = make_exit(3, 85.0, trailer_plate="T1", weighed_mass_kg=9_000.0)
    seen = last(old, fresh, passage(4, 90.0, plate="01A123BC", trailer_plate="T1"))
    assert seen["mirror_days"] == pytest.approx(5 / 24) and seen["mirror_by_trailer"] == 1.0
    assert seen["mirror_by_plate"] == 0.0


def line(transit: float, number: int = 40) -> list[tuple[int, Crossing, Declaration | None]]:
    """Return vehicles that each took about so many hours, one after the other."""
    found = []
    for each in range(number):
        begin = each * 10.0
        spread = transit * (0.5 + each / number)
        found += [make_exit(2 * each, begin, plate=f"P{each}")]
        found += [passage(2 * each + 1, begin + spread, plate=f"P{each}")]
    return found


@pytest.mark.parametrize(("transit", "window"), [(1.0, 2.0), (4.0, 6.0), (8.0, 12.0)])
def test_the_window_is_learnt_from_the_lines_own_past(transit: float, window: float) -> None:
    seen = last(*line(transit), make_exit(900, 410.0, plate="X"), passage(901, 410.5, plate="X"))
    assert seen["mirror_window"] == window
    assert seen["mirror_by_plate"] == 1.0
    late = last(
        *line(transit), make_exit(900, 410.0, plate="X"), passage(901, 410.1 + window, plate="X")
    )
    assert math.isnan(late["mirror_days"]), "longer than this line ever takes"


def test_how_soon_others_came_is_a_share_of_the_line() -> None:
    shares = [
        last(*line(4.0), make_exit(900, 410.0, plate="X"), passage(901, 410.0 + hours, plate="X"))[
            "transit_share"
        ]
        for hours in (0.5, 2.0, 3.0, 4.0, 5.9)
    ]
    assert shares == sorted(shares) and shares[0] < 0.1 and shares[-1] > 0.9
    few = line(4.0, number=round(FEWEST) - 5)
    seen = last(*few, make_exit(900, 410.0, plate="X"), passage(901, 414.0, plate="X"))
    assert math.isnan(seen["transit_share"]) and seen["mirror_window"] == GRID[-1]


def test_another_lines_past_teaches_nothing() -> None:
    """Vehicles of the same post that go the other way are another line's direction."""
    back = [
        (at, each.model_copy(update={"direction": {"entry": "exit", "exit": "entry"}[d]}), papers)
        for at, each, papers in line(1.0)
        for d in [each.direction]
    ]
    seen = last(*back, make_exit(900, 410.0, plate="X"), passage(901, 420.0, plate="X"))
    assert seen["mirror_window"] == GRID[-1] and seen["mirror_by_plate"] == 1.0
