"""Training home of two small exercises, which takes seconds to make: tests share or copy one."""

from functools import partial
from pathlib import Path
from unittest.mock import patch

from api.training import maker
from api.training.maker import HomeOrder, make_home
from api.training.store import default_truth
from engine.storage.home import Home
from experiments.faults.service_process import Forker
from experiments.training.composition import Course
from tests.support.forked_service import run_forked

ORDER = HomeOrder(seed=3, crossings=3000, days=20, course=Course(20, (1, 3)), is_modelled=False)


def make_training_home(forker: Forker, root: Path) -> Path:
    """Make the home, with its solutions next to it."""
    with patch.object(maker, "run_service", partial(run_forked, forker)):
        make_home(Home(root), default_truth(root), ORDER, lambda *_: None)
    return root
