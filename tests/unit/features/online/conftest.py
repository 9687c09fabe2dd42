"""Small sizes of the log of counters: a few hundred events meet every step of its merge."""

import pytest

from tests.unit.features.online.small_logs import make_small


@pytest.fixture(autouse=True)
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze the log every few crossings, and take few events for a bulk."""
    make_small(monkeypatch.setattr)
