"""Backtests, measurements, assessments for callers of the service, each in its own process.

The service imports no training library and keeps its cores for decisions: a backtest runs as the
command ``darvoza profiles backtest``, a measurement of drift as ``darvoza drift``, an assessment of
the data as ``darvoza quality``, one of each at a time for all workers of a service and with low
priority. They read the same home and the same store.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from api.service.executors import ASSESSMENTS, BACKTESTS, MEASUREMENTS, Bounds, run_command
from engine.criteria.profiles.profile import BacktestSubject
from engine.errors import NotEnoughDataError
from engine.storage.home import Home

REFUSED = "refused "
"""What the command line begins a refusal with."""
SHOWN_CHARACTERS, KEPT_CHARACTERS = 500, 64_000
"""How much of a command's standard error a caller sees, and how much the home keeps."""


class _CommandJob:
    """Runs one command of ours at a time and reads its JSON."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def _run(self, bounds: Bounds, command: Sequence[str], options: Sequence[str]) -> Any:
        """Run ``darvoza`` politely; raises ``BusyError`` or ``NotEnoughDataError``."""
        whole = [sys.executable, "-m", "api", *command, "--home", str(self._home.root)]
        done = run_command(self._home, bounds, [*whole, "--json", "--polite", *options])
        if done.returncode:
            failure = self._failure(bounds.what, done.stderr)
            raise NotEnoughDataError(f"the {bounds.what}", failure)
        return json.loads(done.stdout)

    def _failure(self, what: str, stderr: bytes) -> str:
        """Return why a command failed, in its own words where it refused; keep all that it said.

        A fault of ours is not shown: its text may quote records. It is kept in the home instead.
        """
        text = stderr.decode("utf-8", "replace")
        kept = self._home.root / f"{what}-error.log"
        with suppress(OSError):
            kept.write_text(text[-KEPT_CHARACTERS:], "utf-8")
            kept.chmod(0o600)
        _, mark, sentence = text.rpartition(REFUSED)
        if not mark:
            return f"the command failed; {kept.name} in the home says how"
        plain = " ".join("".join(c if c.isprintable() else " " for c in sentence).split())
        return plain[:SHOWN_CHARACTERS]


class Backtests(_CommandJob):
    """Runs one backtest at a time."""

    def run(self, trial: BacktestSubject, *, days: int) -> dict[str, Any]:
        """Return the figures of :func:`models.evaluation.profile_backtest.profile_backtest`.

        Raises ``BusyError`` where another one runs or this one takes too long, and
        ``NotEnoughDataError`` where the command refused.
        """
        options = ["--days", str(days), "--channel", trial.channel]
        options += ["--percentage", repr(trial.percentage)]
        if trial.post is not None:
            options += ["--post", trial.post]
        options += ["--", trial.expression]
        found: dict[str, Any] = self._run(BACKTESTS, ["profiles", "backtest"], options)
        return found


class Measurements(_CommandJob):
    """Measures drift, once at a time; recording it is the caller's."""

    def run(self, *, days: int) -> dict[str, Any]:
        """Return the figures of :func:`models.monitoring.drift_monitor.measure_drift`.

        Raises the same.
        """
        options = ["--days", str(days), "--unrecorded"]
        found: dict[str, Any] = self._run(MEASUREMENTS, ["drift"], options)
        return found


class Assessments(_CommandJob):
    """Assesses the quality of the data, once at a time; the command keeps it in the home."""

    def run(self) -> None:
        """Replace the last assessment; raises the same."""
        self._run(ASSESSMENTS, ["quality"], ["--keep"])
