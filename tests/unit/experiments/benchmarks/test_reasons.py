"""``bench reasons``: what it counts, on decisions made here and, as proof, on a demonstration."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import HomeError
from engine.explanation.reasons import Reason
from engine.ports import Contribution, Evidence
from experiments.benchmarks import reasons as benchmarks_reasons
from experiments.benchmarks.reasons import RecordedReasons, contradicts, tally_rows

GOOD = Reason("plate_crossings_30d", "x", "it crossed 14 times", "trucks: 2", 0.9)
DRAWN = Reason("random_check", "Random check.", "f", "c", 0.0)
RATE = Reason("consignee_hit_rate", "x", "4.5% of inspections found something", "2.8%", 0.9)
KNOWN = {
    "plate_crossings_30d": Contribution("plate_crossings_30d", 14.0, 2.0, 0.9),
    "consignee_hit_rate": Contribution(
        "consignee_hit_rate", 0.045, 0.03, 0.9, "", Evidence(0, 0, 0.03, is_of_post=True)
    ),
}


def step(hours: float) -> dict[str, str]:
    why = f"one find expected in about {hours:,g} hours of search; not searched on trucks before"
    return {"why": why}


def decision(
    *reasons: Reason, is_random: bool = False, order: Any = ()
) -> tuple[Any, RecordedReasons]:
    values = [{"code": one.code} for one in reasons]
    made = {"is_random": is_random, "reasons": values, "search_order": [step(n) for n in order]}
    return SimpleNamespace(decision=made), RecordedReasons(reasons, KNOWN)


def shares(*found: tuple[Any, RecordedReasons]) -> list[float]:
    return [one["seen"] for one in tally_rows(list(found))]


def test_good_decisions_pass_and_each_seeded_bug_is_counted() -> None:
    good = decision(GOOD, GOOD, GOOD, order=(13, 13, 1300))
    drawn = decision(DRAWN, GOOD, GOOD, is_random=True)
    assert shares(good, drawn) == [2, 0, 0.0, 0.0, 0, 0, 0]
    assert shares(decision(RATE, GOOD, GOOD))[1:3] == [1, 1.0], "the prior, stated as history"
    assert shares(decision(GOOD, GOOD))[4] == 1, "three reasons are owed"
    assert shares(decision(GOOD, GOOD, GOOD, is_random=True))[5] == 1, "a silent random pick"
    assert shares(decision(GOOD, GOOD, GOOD, order=(40, 13)))[6] == 1
    weak = Reason("plate_crossings_30d", "x", "f", "c", 0.05)
    assert shares(decision(DRAWN, weak, GOOD, is_random=True))[2:4] == [0.0, 1.0]


def test_an_order_of_the_rule_before_states_no_figure() -> None:
    assert not contradicts({"search_order": [{"why": "found there 0 of 881 times"}]})


def test_a_home_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(HomeError):
        benchmarks_reasons.run(None)
    with pytest.raises(HomeError):
        benchmarks_reasons.run(tmp_path)


if os.environ.get("DARVOZA_PROOF"):  # it makes a demonstration, which takes minutes

    def test_reasons_of_a_demonstration_hold(tmp_path: Path) -> None:
        command = [sys.executable, "-m", "api"]
        home = str(tmp_path / "home")
        subprocess.run([*command, "demo", "--once", "--home", home], check=True, timeout=900)
        bench = [*command, "bench", "reasons", "--data", home, "--json"]
        made = subprocess.run(bench, capture_output=True, timeout=300, check=False)
        assert json.loads(made.stdout)["holds"], made.stdout
