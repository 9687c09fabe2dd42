"""What anybody may read tells nothing of one vehicle that its checkpoint may not know."""

import math
from typing import Any, cast

import pytest

from api.service.metrics import BOUND, REDS_TOGETHER, Metrics
from engine.journal.batch_worker import StoredRecord
from engine.selection import RANDOM_SHARE

SECRET = ("darvoza_random_checks_total", "darvoza_risk_percentile_count")


class Entry:
    def __init__(self, seq: int) -> None:
        self.seq = seq


def count_decision(
    metrics: Metrics, seq: int, *, is_random: bool = True, channel: str = "red"
) -> None:
    decision: dict[str, Any] = {"channel": channel, "mode": "model", "is_random": is_random}
    body = {"decision": decision | {"risk": {"percentile": 0.95}}, "inputs": {"advance": None}}
    metrics.count_decision(StoredRecord(cast("Any", Entry(seq)), body))


def secrets_of(metrics: Metrics) -> tuple[float | None, ...]:
    return tuple(metrics.registry.get_sample_value(name) for name in SECRET)


def test_a_reader_before_and_after_learns_nothing_of_one_vehicle() -> None:
    metrics = Metrics(together=5)
    seen = []
    for seq in range(1, 31):
        count_decision(metrics, seq, is_random=seq % 3 == 0)
        seen.append(secrets_of(metrics))
    assert seen[:9] == [(0.0, 0.0)] * 9
    values = [observed for _, observed in seen]
    assert set(values) == {0.0, 5.0, 10.0, 15.0, 20.0, 25.0}, "never one alone"
    assert seen[-1] == (8.0, 25.0), "of the first 25, every third; the last five wait"


def compute_move_probability(reds: int, share: float) -> float:
    """Return the probability that a batch moves a red vehicle's by more than the bound.

    Of ``reds`` vehicles in the batch each is a random check with probability ``share`` beforehand,
    and with ``k / reds`` once it is known that ``k`` of them are.
    """
    return math.fsum(
        math.comb(reds, k) * share**k * (1.0 - share) ** (reds - k)
        for k in range(reds + 1)
        if abs(k / reds - share) > BOUND
    )


SHARES = [
    random_share / (random_share + (1.0 - random_share) * other)
    for random_share in RANDOM_SHARE
    for other in (0.0, 0.01, 0.04, 0.1, 0.15, 0.3, 0.5, 0.9)
] + [step / 20 for step in range(21)]
"""Of random checks among red vehicles: by the settings' bounds, with profiles or none, and any."""


def test_no_batch_tells_a_lone_post_what_a_red_vehicle_is() -> None:
    assert BOUND <= 0.1
    assert max(compute_move_probability(REDS_TOGETHER, share) for share in SHARES) < 0.001


@pytest.mark.parametrize("together", [1, 3, 50])
def test_a_batch_that_is_too_small_is_caught(together: int) -> None:
    """Negative control: one at a time, the three red ones of fifty decisions, or fifty red ones."""
    assert max(compute_move_probability(together, share) for share in SHARES) > 0.1


def test_a_batch_is_counted_in_red_vehicles() -> None:
    metrics = Metrics(together=5)
    for seq in range(1, 100):
        count_decision(metrics, seq, is_random=False, channel="green")
    for seq in range(100, 109):
        count_decision(metrics, seq)
    assert secrets_of(metrics) == (0.0, 0.0), "nine red ones are not two batches"
    count_decision(metrics, 109)
    assert secrets_of(metrics) == (5.0, 104.0), "the ninety-nine before them came along"


def test_asking_again_brings_nothing_out() -> None:
    metrics = Metrics(together=5)
    for seq in range(1, 11):
        count_decision(metrics, seq)
    before = secrets_of(metrics)
    assert before == (5.0, 5.0)
    for seq in [3, 7, *[7] * 20]:
        count_decision(metrics, seq)
    assert secrets_of(metrics) == before


def test_a_metric_that_tells_each_alone_is_caught() -> None:
    metrics = Metrics(together=1)
    for seq in range(1, 4):
        count_decision(metrics, seq, is_random=seq == 2)
    before = secrets_of(metrics)
    count_decision(metrics, 4)
    assert secrets_of(metrics) != before
