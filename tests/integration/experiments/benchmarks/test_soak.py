"""What a load under the clock shows: waiting, a queue that grows, memory that grows."""

from collections.abc import Callable

import pytest

from experiments.benchmarks.soak import A_SECOND, SENDERS, Load, count_waiting, describe
from experiments.support.processes import MemorySample

SECONDS = 100
ASKED = SENDERS * A_SECOND


def list_failing(takes: Callable[[float], float], *, grows: int = 0) -> list[str]:
    """Return the rows that do not hold; ``takes`` is the time of an answer by when it was due."""
    due = [number / ASKED for number in range(SECONDS * ASKED)]
    load = Load(
        answers=[(at, at + takes(at)) for at in due],
        weights=[MemorySample(n, (200 << 20) + grows * n) for n in range(0, len(due) + 1, ASKED)],
        processor_seconds=36.0,
    )
    return [line["name"].partition(",")[0] for line in describe(load, SECONDS) if not line["holds"]]


def test_an_even_load_holds() -> None:
    assert list_failing(lambda _: 0.005) == []
    answers = [(float(at), at + 0.004) for at in range(21, 100)]
    weights = [MemorySample(number, 1) for number in range(80)]
    rows = {line["name"]: line["seen"] for line in describe(Load(answers, weights, 0.158), SECONDS)}
    assert rows["time of an answer, p50"] == rows["time of an answer, p99"] == 4.0
    assert rows["processor time of a decision"] == 2000


@pytest.mark.parametrize(
    ("takes", "grows", "failing"),
    [
        (lambda at: 0.005 if at % 5 else 0.005 + 0.06, 0, []),  # a twelve-hundredth is slow
        (lambda at: 0.005 if at % 5 > 0.1 else 0.1, 0, ["p99 over p50"]),
        (lambda at: 0.005 + at * 0.01, 0, ["waiting"]),
        (lambda at: 0.5 * at, 0, ["240 asked a second", "waiting"]),
        (lambda _: 0.005, 2_000, ["memory", "memory"]),
        (lambda _: 0.005, 512, ["memory"]),  # below what may be grown by altogether
    ],
    ids=["rarely slow", "stalling", "slower and slower", "too slow", "leaking", "leaking a little"],
)
def test_each_row_can_fail(takes: Callable[[float], float], grows: int, failing: list[str]) -> None:
    assert list_failing(takes, grows=grows) == failing


def test_what_waits_is_counted_by_the_time_that_it_waits() -> None:
    answers = [(0.0, 1.0), (0.5, 4.0), (3.0, 3.5)]
    assert count_waiting(answers, 0.0, 4.0) == (1.0 + 3.5 + 0.5) / 4
    assert count_waiting(answers, 1.0, 2.0) == 1.0
