"""One training home, which takes seconds to make, and live homes that it must not reach."""

from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from api.cli.common import open_home
from api.training import maker
from api.training.maker import HomeOrder, make_home
from api.training.store import default_truth
from engine.journal.journal import Journal
from engine.journal.kinds import TICK
from engine.storage.home import Home
from experiments.faults.service_process import Forker
from experiments.training.composition import Course
from tests.support.forked_service import run_forked

CANARY = "canary-7c1f"
ORDER = HomeOrder(seed=3, crossings=3000, days=20, course=Course(20, (1, 3)), is_modelled=False)


@pytest.fixture(scope="session")
def training_home(forker: Forker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one training home with its solutions next to it."""
    root = tmp_path_factory.mktemp("training") / "home"
    with patch.object(maker, "run_service", partial(run_forked, forker)):
        make_home(Home(root), default_truth(root), ORDER, lambda *_: None)
    return root


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """Make a live home with a record."""
    with open_home(tmp_path / "live") as (home, store):
        Journal(store).append([TICK.draft("", {})])
    return home.root


def has_canary(root: Path) -> bool:
    """Tell whether a file of a home holds the canary."""
    return any(CANARY.encode() in path.read_bytes() for path in root.rglob("*") if path.is_file())
