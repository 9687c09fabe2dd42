"""Backtests for callers of the service, each in a process of its own.

The service imports no training library and keeps its cores for decisions: a backtest runs as the
command ``darvoza profiles backtest``, one at a time and with low priority. It reads the same home
and the same store.
"""

import json
import subprocess
import sys
from threading import Lock
from typing import Any

from engine.errors import BusyError, NotEnoughDataError
from engine.home import Home
from engine.profiles import Trial

PATIENCE_SECONDS = 120.0


class Backtests:
    """Runs one backtest at a time."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = Lock()

    def run(self, trial: Trial, *, days: int) -> dict[str, Any]:
        """Return the figures of :func:`models.profile_backtest.profile_backtest`.

        Raises ``BusyError`` where another one runs or this one takes too long, and
        ``NotEnoughDataError`` where the command refused.
        """
        if not self._lock.acquire(blocking=False):
            raise BusyError("another backtest is under way")
        try:
            done = subprocess.run(
                self._command(trial, days),
                capture_output=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BusyError(f"the backtest took over {PATIENCE_SECONDS:.0f} seconds") from None
        finally:
            self._lock.release()
        if done.returncode:
            why = "it cannot be run here; darvoza profiles backtest says why"
            raise NotEnoughDataError("the backtest", why)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _command(self, trial: Trial, days: int) -> list[str]:
        command = [sys.executable, "-m", "api", "profiles", "backtest"]
        command += ["--home", str(self._home.root), "--json", "--polite", "--days", str(days)]
        command += ["--channel", trial.channel, "--percentage", repr(trial.percentage)]
        if trial.post is not None:
            command += ["--post", trial.post]
        return [*command, "--", trial.expression]
