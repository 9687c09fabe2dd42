"""Live homes that a training home must not reach."""

from pathlib import Path

import pytest

from api.cli.common import open_home
from engine.journal.journal import Journal
from engine.journal.kinds import TICK


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """Make a live home with a record."""
    with open_home(tmp_path / "live") as (home, store):
        Journal(store).append([TICK.draft("", {})])
    return home.root
