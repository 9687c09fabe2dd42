"""The measure of search orders sees the past of each load alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmarks.search_orders import (
    Year,
    checklist,
    compare,
    in_hindsight,
    interval,
    read_year,
    searches_known,
)
from experiments.synthetic.records.writer import write
from features.history.labels import NEVER


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """Make a small year that has loads in its last quarter, and acts."""
    folder: Path = tmp_path_factory.mktemp("bench") / "network"
    write(folder, crossings=12_000, seed=4)
    return read_year(folder)


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
