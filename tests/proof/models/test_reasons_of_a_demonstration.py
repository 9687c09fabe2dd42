"""First reasons of a demonstration tell vehicles apart, by a judge with its own arithmetic."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.explanation.messages import Message
from engine.explanation.reasons import Reason, make_whole_reason
from engine.ports import Contribution, Evidence
from engine.storage.database import Store
from engine.storage.home import Home
from tests.proof.models.reason_audit import RecordedReasons, audit, read_referrals, summarise

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


def decision(
    *reasons: Reason, is_random: bool = False, order: Any = ()
) -> tuple[Any, RecordedReasons]:
    values = [{"code": one.code, "text": one.text} for one in reasons]
    figures = [{"hours_per_find": hours} for hours in order]
    made = {"is_random": is_random, "reasons": values, "search_figures": figures}
    filing = SimpleNamespace(decision=made | {"post": POSTS.pop()}, place=0)
    return filing, RecordedReasons(reasons, KNOWN)


def judge(*found: tuple[Any, RecordedReasons]) -> dict[str, float]:
    """Return what is wrong, by name."""
    return {name: seen for name, seen in summarise(list(found)).items() if seen}


def test_good_decisions_pass_and_each_seeded_bug_is_counted() -> None:
    good = decision(GOOD, GOOD, GOOD, order=(13, 13, 1300))
    drawn = decision(DRAWN, GOOD, GOOD, is_random=True)
    assert judge(good, drawn) == {}
    found = judge(decision(RATE, GOOD, GOOD))
    assert found["rates without inspections"] == 1, "the prior, stated as history"
    assert found["poor first"] == 1.0
    assert judge(decision(GOOD, GOOD)) == {"fewer than three": 1}
    assert judge(decision(GOOD, GOOD, GOOD, is_random=True)) == {"silent random checks": 1}
    assert judge(decision(GOOD, GOOD, GOOD, order=(40, 13))) == {"contradicting orders": 1}
    weak = Reason("plate_crossings_30d", "x", "f", "c", 0.05, "crossings")
    apart = {"poor behind, random checks counted": 1.0}
    assert judge(decision(DRAWN, weak, GOOD, is_random=True)) == apart
    free = make_whole_reason(Message("free_place"), code="no_single_circumstance")
    assert judge(decision(free, GOOD, GOOD)) == apart | {"poor behind": 1.0, "free places": 1.0}


def test_a_fact_that_most_vehicles_of_the_post_share_is_no_first_reason() -> None:
    """Negative control: against the class it is rare, against the post it is not."""
    found = RecordedReasons((GOOD,), KNOWN, {"plate_crossings_30d": [14.0, 15.0, 14.0, 2.0]})
    assert audit([found]).faults == {"common": 1}
    habit = replace(GOOD, code="plate_crossings_30d", message="inspected_at_this_post_share")
    assert audit([RecordedReasons((habit,), KNOWN)]).faults == {"habit": 1}
    rare = RecordedReasons((GOOD,), KNOWN, {"plate_crossings_30d": [14.0, 2.0, float("nan"), 2.0]})
    assert not audit([rare]).faults


def test_reasons_of_a_demonstration_hold(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "api"]
    subprocess.run(
        [*command, "demo", "--once", "--home", str(tmp_path / "home")], check=True, timeout=900
    )
    home = Home(tmp_path / "home")
    with Store(home.database_url) as store:
        found = summarise(list(read_referrals(home, store)))
    assert found["poor first"] <= 0.01, "random checks and free places set apart"
    assert found["poor behind"] - found["free places"] <= 0.05
    assert found["like neighbours"] <= 0.2 and found["small signs"] <= 0.2
    wrong = ("rates without inspections", "fewer than three", "silent random checks")
    assert not any(found[name] for name in (*wrong, "contradicting orders"))
