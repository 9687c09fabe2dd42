"""Every benchmark that the command offers leads to a module that can run it."""

import importlib
from typing import get_args

from api.cli.bench import MODULES, Bench


def test_every_benchmark_has_a_module() -> None:
    assert set(MODULES) == set(get_args(Bench))
    for module in MODULES.values():
        assert callable(importlib.import_module(module).run), module
