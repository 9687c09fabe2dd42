"""What a test that skips is under CI, and elsewhere."""

import pytest

from tests.support.refused_skips import refuse_skip

SKIP = ("a file", 7, "Skipped: no browser")


def report(phase: str, outcome: str) -> pytest.TestReport:
    where = ("a file", 7, "a test")
    why = SKIP if outcome == "skipped" else None
    return pytest.TestReport("a test", where, {}, outcome, why, phase)  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", ["setup", "call"])
def test_a_skip_fails_under_ci_and_says_why(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    made = report(phase, "skipped")
    refuse_skip(made)
    assert made.failed and "no browser" in str(made.longrepr)


def test_elsewhere_it_is_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    made = report("setup", "skipped")
    refuse_skip(made)
    assert made.skipped


def test_what_passed_and_what_was_expected_to_fail_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    passed, expected = report("call", "passed"), report("call", "skipped")
    expected.wasxfail = "known"
    for one in (passed, expected):
        refuse_skip(one)
    assert passed.passed and expected.skipped
