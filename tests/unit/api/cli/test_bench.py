"""Every benchmark that the command offers leads to a module that can run it."""

from typing import get_args

from api.cli.experiments import Bench, find_module


def test_every_benchmark_has_a_module() -> None:
    for name in get_args(Bench):
        assert callable(find_module(name).run), name
