"""Rates per unit of exposure: their intervals cover as often as they say."""

import math

import pytest

from models.statistics import intervals
from models.statistics.intervals import normal, rate

MEANS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
EXPOSURE = 4.0


def miss(mean: float) -> float:
    """Return how often the interval of a Poisson count misses its mean."""
    chance, missed = math.exp(-mean), 0.0
    for events in range(80):
        made = rate(events, EXPOSURE, n=10)
        assert made.low is not None and made.high is not None
        if not made.low <= mean / EXPOSURE <= made.high:
            missed += chance
        chance *= mean / (events + 1)
    return missed


@pytest.mark.parametrize("mean", MEANS)
def test_the_interval_of_a_rate_covers_as_often_as_it_says(mean: float) -> None:
    assert miss(mean) <= 0.05


def test_an_interval_that_is_too_narrow_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: the normal interval, which knows nothing where nothing was found."""

    def narrow(total: float, variance: float, *, widest: float) -> tuple[float, float]:
        return normal(total, variance)

    monkeypatch.setattr(intervals, "weighted_sum", narrow)
    assert max(map(miss, MEANS)) > 0.2


def test_a_rate_of_few_events_is_not_yet_knowable_and_of_no_exposure_unknown() -> None:
    assert rate(5, 2.0, n=9).knowable and rate(5, 2.0, n=9).value == 2.5
    assert not rate(4, 2.0, n=9).knowable and rate(4, 2.0, n=9).low is not None
    assert rate(0, 0.0, n=0).high is None
