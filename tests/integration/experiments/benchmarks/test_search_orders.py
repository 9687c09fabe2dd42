"""The measure of search orders sees the past of each load alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import search_orders
from engine.domain.time_units import NEVER
from engine.search_orders import SEARCHED_FIRST, choose_method
from experiments.benchmarks.search_orders import (
    LAST,
    Load,
    Year,
    checklist,
    compare,
    hits,
    in_hindsight,
    interval,
    list_faults,
    read_year,
    searches_known,
)
from experiments.synthetic.folder import write
from tests.support.sizes import PROOF

CROSSINGS, SEED = (250_000, 21) if PROOF else (12_000, 4)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """Make a small year that has loads in its last quarter, and acts."""
    folder: Path = tmp_path_factory.mktemp("bench") / "network"
    write(folder, crossings=CROSSINGS, seed=SEED)
    return read_year(folder)


@pytest.fixture(scope="module")
def searched_year(year: Year) -> Year:
    """Return the year with every vehicle that was searched in its last quarter as one to order."""
    since = int(year.log.known_at.max()) - LAST
    recent = {at for _, at, *_ in year.searches if year.log.known_at[at] >= since}
    rows = sorted(recent, key=lambda at: (year.log.known_at[at], at))
    return replace(year, loads=[Load(at, "", was_found=False) for at in rows])


def test_every_order_begins_with_the_best_that_its_post_can_search(searched_year: Year) -> None:
    knew = searches_known(searched_year)
    assert len(knew) > CROSSINGS // 300
    assert any(one.equipment["xray"] == 0 for one in knew), "posts without a scanner among them"
    assert list_faults(searched_year, knew) == []


def test_an_order_that_asks_for_what_does_not_work_is_a_fault(
    searched_year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeded bug: orders as if every post had everything, with their own best place first."""
    monkeypatch.setattr(search_orders, "choose_method", lambda place, _: choose_method(place, {}))
    faults = list_faults(searched_year, searches_known(searched_year))
    assert faults and all(fault.endswith("does not work at the post") for fault in faults)


def test_an_order_that_does_not_begin_with_the_best_is_a_fault(
    searched_year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeded bug: the first two places of an order change places."""
    spread = search_orders.spread

    def swap(ranked: Sequence[str]) -> list[str]:
        first, second, *others = spread(ranked)
        return [second, first, *others]

    monkeypatch.setattr(search_orders, "spread", swap)
    faults = list_faults(searched_year, searches_known(searched_year))
    assert any("has not the best stated expectation" in fault for fault in faults)


def count_hits(year: Year, *, is_equipped: bool = False) -> int:
    """Return how many loads have their place in the first three, also where everything works."""
    knew = searches_known(year)
    if is_equipped:
        knew = [replace(one, equipment={}) for one in knew]
    return int(hits([year], [knew]).sum())


def test_the_first_three_places_find_no_less_than_with_all_equipment_and_than_the_checklist(
    year: Year, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a seeded bug: an order that begins with the least expected."""
    least = max(count_hits(year, is_equipped=True), int(checklist(year).sum()))
    assert count_hits(year) >= least > 0
    monkeypatch.setattr(
        search_orders, "spread", lambda ranked: list(ranked)[: -SEARCHED_FIRST - 1 : -1]
    )
    assert count_hits(year) < least


def test_what_becomes_known_with_a_load_or_later_is_not_learnt(year: Year) -> None:
    at = [year.log.known_at[load.row] for load in year.loads]
    late = replace(year, searches=[(NEVER, *search[1:]) for search in year.searches])
    same = replace(year, searches=[(int(at[0]), *search[1:]) for search in year.searches])
    early = replace(year, searches=[(int(at[0]) - 1, *search[1:]) for search in year.searches])
    assert not any(one.counts for one in searches_known(late))
    assert not searches_known(same)[0].counts
    assert searches_known(early)[0].counts, "and what was known before is"


def test_every_row_says_what_it_must(year: Year) -> None:
    rows = {found["name"]: found["seen"] for found in compare([year])}
    loads = f"of {len(year.loads)} loads, found or not"
    assert rows[f"{loads}: checklist"] == round(float(checklist(year).mean()), 3)
    finds = f"of {sum(load.was_found for load in year.loads)} finds: learnt"
    assert rows[f"{finds}, 95 % from"] <= rows[finds] <= rows[f"{finds}, 95 % up to"]


def test_no_three_fixed_places_of_a_class_beat_those_of_hindsight(year: Year) -> None:
    assert checklist(year).sum() <= in_hindsight([year]).sum()


def test_the_interval_is_narrow_where_both_agree() -> None:
    same = np.arange(300) % 3 == 0
    assert interval(same, same) == (1.0, 1.0)
    low, high = interval(np.ones(300, np.bool_), same)
    assert 2.5 < low < 3.0 < high < 3.6
