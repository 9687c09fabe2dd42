"""An alarm is said whatever else is known, and says what to do."""

from typing import Any

import pytest

from api.cli.models import _print_drift


def make_measurement(*, picked: bool, random: bool) -> dict[str, Any]:
    """Few decisions of late, long after searches have been watched."""
    every = {
        "rows": 12,
        "knowable": False,
        "picked": {"alarmed": picked},
        "random": {"alarmed": random},
    }
    return {"decisions": 12, "version": "m1", "all": every}


@pytest.mark.parametrize(("picked", "random"), [(True, False), (False, True), (False, False)])
def test_an_alarm_is_said_though_few_decisions_are_new(
    picked: bool, random: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _print_drift(make_measurement(picked=picked, random=random))
    value = capsys.readouterr().out
    assert "not yet knowable" in value
    assert ("searches find less than was stated" in value) == picked
    assert ("darvoza trial VERSION --as NAME" in value) == picked
    assert ("random checks find more than was stated" in value) == random


@pytest.mark.parametrize("days", [0.01, 27.5])
def test_what_moved_in_less_than_a_week_has_its_caveat_first(
    days: float, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = make_measurement(picked=False, random=False) | {"span_days": days}
    figures["all"] |= {"knowable": True, "moved": 9, "of": 185, "families": []}
    _print_drift(figures)
    value = capsys.readouterr().out
    assert ("in less than a week" in value) == (days < 7)
    if days < 7:
        assert value.index("in less than a week") < value.index("9 of 185 features")
