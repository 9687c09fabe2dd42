"""A training home of two small exercises, made by a service that is forked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

from api.exercises import maker
from api.exercises.desk import default_truth
from api.exercises.maker import HomeOrder, make_home
from engine.errors import InputError
from engine.storage.home import VARIABLE, Home
from experiments.exercises import Course
from experiments.support.processes import Forker, Service, wait_until_ready


@contextmanager
def run_forked(forker: Forker, home: Path, port: int) -> Iterator[None]:
    """Stand in for :func:`experiments.support.processes.run_service`."""
    known = {name: os.environ[name] for name in os.environ if name.startswith("DARVOZA_")}
    service = Service(forker, known | {VARIABLE: str(home)}, port)
    service.start()
    try:
        wait_until_ready(port)
        yield
    finally:
        service.stop()


CANARY = "canary-7c1f"
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
