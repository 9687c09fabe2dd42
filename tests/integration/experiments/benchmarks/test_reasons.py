"""``bench reasons``: what it counts, on decisions made here and, as proof, on a demonstration."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.domain.records import Arrival, Crossing
from engine.errors import HomeError
from engine.explanation.messages import Message
from engine.explanation.reasons import Reason, make_whole_reason, name_opposite_post
from engine.ports import Contribution, Evidence
from experiments.benchmarks import reasons as benchmarks_reasons
from experiments.benchmarks.reasons import RecordedReasons, contradicts, tally_rows
from models.explanation import reason_sentences
from models.explanation.reason_sentences import (
    NOTHING_STANDS_OUT,
    Eligibility,
    Grade,
    Sentences,
    sentences,
)
from tests.support.sizes import PROOF

GOOD = Reason("plate_crossings_30d", "x", "it crossed 14 times", "trucks: 2", 0.9, "crossings")
DRAWN = Reason("random_check", "Random check.", "f", "c", 0.0, "random_check")
RATE = Reason(
    "consignee_hit_rate", "x", "4.5% of inspections found something", "2.8%", 0.9, "inspections_hit"
)
KNOWN = {
    "plate_crossings_30d": Contribution("plate_crossings_30d", 14.0, 2.0, 0.9),
    "consignee_hit_rate": Contribution(
        "consignee_hit_rate", 0.045, 0.03, 0.9, "", Evidence(0, 0, 0.03, is_of_post=True)
    ),
}


POSTS = [f"P-{number}" for number in range(100)]
"""Each decision of its own post, so that none has a neighbour."""


def step(hours: float) -> dict[str, str]:
    why = f"one find expected in about {hours:,g} hours of search; not searched on trucks before"
    return {"why": why}


def decision(
    *reasons: Reason, is_random: bool = False, order: Any = ()
) -> tuple[Any, RecordedReasons]:
    values = [{"code": one.code, "text": one.text} for one in reasons]
    made = {"is_random": is_random, "reasons": values, "search_order": [step(n) for n in order]}
    filing = SimpleNamespace(decision=made | {"post": POSTS.pop()}, place=0)
    return filing, RecordedReasons(reasons, KNOWN)


def shares(*found: tuple[Any, RecordedReasons]) -> list[float]:
    return [one["seen"] for one in tally_rows(list(found))]


def test_good_decisions_pass_and_each_seeded_bug_is_counted() -> None:
    good = decision(GOOD, GOOD, GOOD, order=(13, 13, 1300))
    drawn = decision(DRAWN, GOOD, GOOD, is_random=True)
    assert shares(good, drawn) == [2, 0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0, 0.0]
    assert shares(decision(RATE, GOOD, GOOD))[1:3] == [1, 1.0], "the prior, stated as history"
    assert shares(decision(GOOD, GOOD))[6] == 1, "three reasons are owed"
    assert shares(decision(GOOD, GOOD, GOOD, is_random=True))[7] == 1, "a silent random pick"
    assert shares(decision(GOOD, GOOD, GOOD, order=(40, 13)))[8] == 1
    weak = Reason("plate_crossings_30d", "x", "f", "c", 0.05, "crossings")
    found = shares(decision(DRAWN, weak, GOOD, is_random=True))
    assert found[2:4] == [0.0, 0.0] and found[-1] == 1.0, "counted, in a row of its own"
    free = make_whole_reason(Message("free_place"), code="no_single_circumstance")
    counted = shares(decision(free, GOOD, GOOD))
    assert (counted[2], counted[3], counted[9]) == (0.0, 1.0, 1.0), "apart, and behind it"


DEMONSTRATION = Path(__file__).parents[3] / "data" / "demonstration-reasons.json.gz"
"""What the model of a demonstration found of the vehicles sent to officers at its six busiest
posts (``darvoza demo``, synthetic): contributions from 0.004 on, with what is usual and the
inspections behind rates, and the values of the post's vehicles. Reasons are made from it here."""


@cache
def demonstration() -> list[Any]:
    data: list[Any] = json.loads(gzip.decompress(DEMONSTRATION.read_bytes()))
    return data


def amount(value: float | None) -> float:
    return float("nan") if value is None else value


def read_contribution(name: str, value: Any, normal: Any, added: float, *rest: Any) -> Contribution:
    among, *behind = rest
    evidence = None
    if behind:
        evidence = Evidence(behind[0], behind[1], amount(behind[2]), is_of_post=behind[3])
    return Contribution(name, amount(value), amount(normal), added, among, evidence)


def referred_vehicles() -> Iterator[tuple[Any, RecordedReasons]]:
    """Yield the vehicles of the demonstration with the reasons that are made of them now."""
    for queue in demonstration():
        post = queue["post"]
        values = {name: [amount(one) for one in each] for name, each in queue["values"].items()}
        for number, vehicle in enumerate(queue["vehicles"]):
            crossing = Crossing(
                crossing_id=f"{post}-{number}",
                post=post,
                direction="entry",
                arrived_at=datetime(2026, 11, 26, tzinfo=UTC),
                vehicle_class=vehicle["class"],
            )
            known = [read_contribution(*each) for each in vehicle["contributions"]]
            made = sentences(known, Arrival(crossing=crossing, declaration=None))
            reasons = name_opposite_post(made, queue["opposite"])
            if vehicle["random"]:
                reasons = (make_whole_reason(Message("random_check")), *reasons)
            texts = [{"code": one.code, "text": one.text} for one in reasons]
            decided = {"post": post, "is_random": vehicle["random"], "reasons": texts}
            decided |= {"search_order": ()}
            filing = SimpleNamespace(decision=decided, place=vehicle["place"])
            of = {one.feature: one for one in known}
            yield filing, RecordedReasons(tuple(reasons), of, values)


def judge_demonstration() -> dict[str, float]:
    named = ("poor", "behind", "small", "alike")
    found = [one["seen"] for one in tally_rows(list(referred_vehicles()))[2:6]]
    return dict(zip(named, found, strict=True))


def test_first_reasons_of_a_demonstration_tell_vehicles_apart() -> None:
    vehicles = list(referred_vehicles())
    assert len(vehicles) >= 90 and len({one.decision["post"] for one, _ in vehicles}) == 6
    found = judge_demonstration()
    assert found["poor"] <= 0.05 and found["behind"] <= 0.05 and found["alike"] <= 0.2


@pytest.mark.parametrize("bug", ["everything tells", "weak tells", "nothing stands out"])
def test_a_seeded_bug_in_the_reasons_of_a_demonstration_is_counted(
    bug: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bug == "everything tells":
        monkeypatch.setattr(Eligibility, "_fact_grade", lambda *_: Grade.TELLING)
        assert judge_demonstration()["behind"] > 0.05
    elif bug == "weak tells":
        monkeypatch.setattr(reason_sentences, "WEAK", 0.0)
        assert judge_demonstration()["behind"] > 0.05
    else:
        monkeypatch.setattr(Sentences, "_small_signs", lambda *_: NOTHING_STANDS_OUT)
        monkeypatch.setattr(Eligibility, "_fact_grade", lambda *_: Grade.WEAK)
        assert judge_demonstration()["alike"] > 0.2


def test_a_fact_that_most_vehicles_of_the_post_share_is_no_first_reason() -> None:
    """Negative control: against the class it is rare, against the post it is not."""
    found = RecordedReasons((GOOD,), KNOWN, {"plate_crossings_30d": [14.0, 15.0, 14.0, 2.0]})
    assert benchmarks_reasons.audit([found]).faults == {"common": 1}
    rare = RecordedReasons((GOOD,), KNOWN, {"plate_crossings_30d": [14.0, 2.0, float("nan"), 2.0]})
    assert not benchmarks_reasons.audit([rare]).faults


def test_an_order_of_the_rule_before_states_no_figure() -> None:
    assert not contradicts({"search_order": [{"why": "found there 0 of 881 times"}]})


def test_a_home_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(HomeError):
        benchmarks_reasons.run(None)
    with pytest.raises(HomeError):
        benchmarks_reasons.run(tmp_path)


if PROOF:  # it makes a demonstration, which takes minutes

    def test_reasons_of_a_demonstration_hold(tmp_path: Path) -> None:
        command = [sys.executable, "-m", "api"]
        home = str(tmp_path / "home")
        subprocess.run([*command, "demo", "--once", "--home", home], check=True, timeout=900)
        bench = [*command, "bench", "reasons", "--data", home, "--json"]
        made = subprocess.run(bench, capture_output=True, timeout=300, check=False)
        assert json.loads(made.stdout)["holds"], made.stdout
