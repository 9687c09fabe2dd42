"""Every benchmark that the command offers leads to a module that can run it."""

from typing import get_args

from api.cli.experiments import Bench, Network, find_module
from experiments.benchmarks.quality.mechanisms import Make


def test_every_benchmark_has_a_module() -> None:
    for name in get_args(Bench):
        assert callable(find_module(name).run), name


def test_every_make_can_be_named() -> None:
    assert {str(network) for network in Network} == {
        name for one in get_args(Make) for name in get_args(one)
    }
