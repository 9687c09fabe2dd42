"""Training home of two small exercises, which takes seconds to make: tests share or copy one."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

from api.exercises import maker
from api.exercises.desk import default_truth
from api.exercises.maker import HomeOrder, make_home
from engine.errors import InputError
from engine.storage.home import Home
from experiments.exercises import Course
from experiments.faults.service_process import Forker
from tests.integration.api.training.forked_service import run_forked

ORDER = HomeOrder(seed=3, crossings=3000, days=20, course=Course(20, (1, 3)), is_modelled=False)
SPARE_SEEDS = range(4, 8)
"""Which vehicles have finds depends on the hour too: in one of a hundred hours they are too few for
so small a network."""


def make_training_home(forker: Forker, root: Path) -> Path:
    """Make the home, with its solutions next to it."""
    with patch.object(maker, "run_service", partial(run_forked, forker)):
        for seed in (ORDER.seed, *SPARE_SEEDS):
            order = replace(ORDER, seed=seed)
            try:
                make_home(Home(root), default_truth(root), order, lambda *_: None)
            except InputError as refused:
                if refused.path != "crossings":
                    raise
            else:
                return root
    raise AssertionError("every network has too few finds")
