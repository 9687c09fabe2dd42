"""What ``bench views`` says of three views of the same entries."""

from pathlib import Path

import numpy as np
import pytest

from engine.errors import InputError
from experiments.benchmarks.quality import views
from experiments.benchmarks.quality.views import ViewComparison, ViewRanking, bound_share
from experiments.support.benchmark_harness import Row, result
from models.training.view_backtest import View
from tests.support.sizes import PROOF

ENTRIES, CHOSEN, FOUND = 2_000, 100, 80
GAINS = {f"the link gains{end}" for end in ("", ", low end", ", high end")}
"""In hits and in AP alike."""


def compare(hits: dict[View, int]) -> ViewComparison:
    """Return views that choose the same number of entries, with so many hits each."""
    is_found = np.arange(ENTRIES) < FOUND
    rankings = {}
    for view, count in hits.items():
        chosen = np.arange(ENTRIES) < count
        chosen |= (np.arange(ENTRIES) >= FOUND) & (np.arange(ENTRIES) < FOUND + CHOSEN - count)
        rankings[view] = ViewRanking(chosen, chosen.astype(np.float64))
    return ViewComparison(is_found, rankings)


def run_with(monkeypatch: pytest.MonkeyPatch, **hits: int) -> list[Row]:
    given: dict[View, int] = {view: hits[view] for view in ("pooled", "linked", "isolated")}
    monkeypatch.setattr(views, "DRAWS", 20)
    monkeypatch.setattr(views, "compare_views", lambda *_, **__: compare(given))
    return views.run(None)


def test_a_link_that_brings_what_one_database_knows_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = run_with(monkeypatch, pooled=60, linked=59, isolated=40)
    assert result("views", rows)["holds"], rows
    seen = {
        one["name"].partition(": ")[2]: one["seen"]
        for one in rows
        if "seeds" in one["name"] and one["unit"] != "AP"
    }
    assert seen["linked over pooled"] == pytest.approx(59 / 60, abs=1e-3)
    assert seen["the link gains"] == 3 * 19
    assert seen["the link gains, low end"] <= 57 <= seen["the link gains, high end"]


@pytest.mark.parametrize(
    ("linked", "isolated", "missed"),
    [(50, 40, {"linked over pooled"}), (60, 65, GAINS)],
)
def test_a_link_that_falls_short_or_brings_nothing_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, linked: int, isolated: int, missed: set[str]
) -> None:
    """Negative controls: hits are lost, or isolated administrations have as many."""
    rows = run_with(monkeypatch, pooled=60, linked=linked, isolated=isolated)
    missing = {one["name"].partition(": ")[2] for one in rows if not one["holds"]}
    assert missing == missed


def test_an_interval_of_a_share_is_paired() -> None:
    ours, theirs = np.arange(400) < 200, (np.arange(400) >= 10) & (np.arange(400) < 210)
    low, high = bound_share(ours, theirs)
    assert low < 1 < high < 1.1
    assert bound_share(ours, ours) == (1.0, 1.0)


def test_a_folder_has_no_truth() -> None:
    with pytest.raises(InputError, match="truth"):
        views.run(Path("folder"))


if PROOF:  # a quarter of an hour of processor time

    @pytest.mark.timeout(7_200)
    def test_linked_administrations_find_nearly_what_one_database_does() -> None:
        made = result("views", views.run(None))
        assert made["holds"], made["rows"]
