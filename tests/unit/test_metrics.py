"""What anybody may read tells nothing of one vehicle that its checkpoint may not know."""

from typing import Any, cast

from api.metrics import Metrics
from engine.inflight import Recorded

SECRET = ("darvoza_random_checks_total", "darvoza_risk_percentile_count")


class Entry:
    def __init__(self, seq: int) -> None:
        self.seq = seq


def decided(metrics: Metrics, seq: int, *, is_random: bool = True) -> None:
    decision: dict[str, Any] = {"channel": "red", "mode": "model", "is_random": is_random}
    body = {"decision": decision | {"risk": {"percentile": 0.95}}}
    metrics.decided(Recorded(cast("Any", Entry(seq)), body))


def secrets_of(metrics: Metrics) -> tuple[float | None, ...]:
    return tuple(metrics.registry.get_sample_value(name) for name in SECRET)


def test_whoever_looks_before_and_after_learns_nothing_of_one_vehicle() -> None:
    metrics = Metrics(together=5)
    seen = []
    for seq in range(1, 31):
        decided(metrics, seq, is_random=seq % 3 == 0)
        seen.append(secrets_of(metrics))
    assert seen[:9] == [(0.0, 0.0)] * 9
    told = [observed for _, observed in seen]
    assert set(told) == {0.0, 5.0, 10.0, 15.0, 20.0, 25.0}, "never one alone"
    assert seen[-1] == (8.0, 25.0), "of the first 25, every third; the last five wait"


def test_asking_again_brings_nothing_out() -> None:
    metrics = Metrics(together=5)
    for seq in range(1, 11):
        decided(metrics, seq)
    before = secrets_of(metrics)
    assert before == (5.0, 5.0)
    for seq in [3, 7, *[7] * 20]:
        decided(metrics, seq)
    assert secrets_of(metrics) == before


def test_a_twin_that_tells_each_alone_is_caught() -> None:
    metrics = Metrics(together=1)
    for seq in range(1, 4):
        decided(metrics, seq, is_random=seq == 2)
    before = secrets_of(metrics)
    decided(metrics, 4)
    assert secrets_of(metrics) != before
