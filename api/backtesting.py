"""Backtests and measurements for callers of the service, each in a process of its own.

The service imports no training library and keeps its cores for decisions: a backtest runs as the
command ``darvoza profiles backtest``, a measurement of drift as ``darvoza drift``, one of each at a
time and with low priority. They read the same home and the same store.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from threading import Lock
from typing import Any

from engine.errors import BusyError, NotEnoughDataError
from engine.home import Home
from engine.profiles import Trial

PATIENCE_SECONDS = 120.0


class _OneAtATime:
    """Runs one command of ours at a time and reads its JSON."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = Lock()

    def _run(self, what: str, command: Sequence[str], options: Sequence[str]) -> dict[str, Any]:
        """Run ``darvoza`` politely; raises ``BusyError`` or ``NotEnoughDataError``."""
        if not self._lock.acquire(blocking=False):
            raise BusyError(f"another {what} is under way")
        whole = [sys.executable, "-m", "api", *command, "--home", str(self._home.root)]
        try:
            done = subprocess.run(
                [*whole, "--json", "--polite", *options],
                capture_output=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BusyError(f"the {what} took over {PATIENCE_SECONDS:.0f} seconds") from None
        finally:
            self._lock.release()
        if done.returncode:
            why = f"it cannot be run here; darvoza {' '.join(command)} says why"
            raise NotEnoughDataError(f"the {what}", why)
        found: dict[str, Any] = json.loads(done.stdout)
        return found


class Backtests(_OneAtATime):
    """Runs one backtest at a time."""

    def run(self, trial: Trial, *, days: int) -> dict[str, Any]:
        """Return the figures of :func:`models.profile_backtest.profile_backtest`.

        Raises ``BusyError`` where another one runs or this one takes too long, and
        ``NotEnoughDataError`` where the command refused.
        """
        options = ["--days", str(days), "--channel", trial.channel]
        options += ["--percentage", repr(trial.percentage)]
        if trial.post is not None:
            options += ["--post", trial.post]
        options += ["--", trial.expression]
        return self._run("backtest", ["profiles", "backtest"], options)


class Measurements(_OneAtATime):
    """Measures drift, once at a time; recording it is the caller's."""

    def run(self, *, days: int) -> dict[str, Any]:
        """Return the figures of :func:`models.watching.measured`; raises the same."""
        return self._run("measurement", ["drift"], ["--days", str(days), "--unrecorded"])
