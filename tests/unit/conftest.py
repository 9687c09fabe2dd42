"""Intervals of few draws at small sizes: they are most of what a report takes."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from models.statistics import intervals

DRAWS, MORE_DRAWS = 30, 60
"""A report wants an interval for every figure, and its tests hardly ever one that is narrow."""
OF_INTERVALS = ("test_ranking_metrics",)
OF_COVERAGE = ("test_report",)


@pytest.fixture(scope="module", autouse=True)
def _few_draws(request: pytest.FixtureRequest) -> Iterator[None]:
    bootstrap = intervals.bootstrap
    most = MORE_DRAWS if request.path.stem in OF_COVERAGE else DRAWS

    def quick(*given: Any, draws: int = intervals.DRAWS, **more: Any) -> Any:
        return bootstrap(*given, draws=min(draws, most), **more)

    with pytest.MonkeyPatch.context() as patched:
        if not os.environ.get("DARVOZA_PROOF") and request.path.stem not in OF_INTERVALS:
            patched.setattr(intervals, "bootstrap", quick)
        yield
