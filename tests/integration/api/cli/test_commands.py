"""Commands in processes of their own: what their caller is told."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.service.executors import KEPT_CHARACTERS, SHOWN_CHARACTERS, Backtests
from engine.criteria.profiles.profile import BacktestSubject
from engine.errors import NotEnoughDataError
from engine.storage.home import Home

PLATE = "01A777BC"


def read_failure(home: Path, stderr: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is said where the command fails with these words."""

    def run(*words: Any, **options: Any) -> Any:
        return subprocess.CompletedProcess(words, 1, b"", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(NotEnoughDataError) as refused:
        Backtests(Home(home)).run(BacktestSubject("is_empty", "red", 100.0, None), days=7)
    return str(refused.value)


def test_a_refusal_is_passed_on_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = b"progress 1/2\nrefused the backtest: no crossing\n\x1b[31mis known \xff yet\n"
    result = read_failure(tmp_path, stderr, monkeypatch)
    assert (
        "no crossing [31mis known" in result and "\x1b" not in result and "progress" not in result
    )


def test_a_fault_is_kept_in_the_home_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = f"Traceback\n  ValueError: {PLATE}\n".encode()
    result = read_failure(tmp_path, stderr, monkeypatch)
    assert PLATE not in result and "backtest-error.log" in result
    kept = tmp_path / "backtest-error.log"
    assert PLATE in kept.read_text() and kept.stat().st_mode & 0o077 == 0


def test_both_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = read_failure(tmp_path, b"refused " + b"x" * 10**6, monkeypatch)
    assert len(result) < SHOWN_CHARACTERS + 100
    assert (tmp_path / "backtest-error.log").stat().st_size == KEPT_CHARACTERS


def test_a_real_command_that_refuses_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match="not a home: it holds no store"):
        Backtests(Home(tmp_path)).run(BacktestSubject("is_empty", "red", 100.0, None), days=7)
