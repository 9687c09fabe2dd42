"""Every benchmark that the command offers declares itself; options that it lacks are refused."""

from typing import get_args

import pytest
from typer.testing import CliRunner

from api.cli.experiments import Bench
from api.cli.main import app
from experiments.benchmarks.runner import BENCHES, find_bench


def test_every_benchmark_declares_itself() -> None:
    assert set(get_args(Bench)) == set(BENCHES)
    assert all(find_bench(name).name == name for name in BENCHES)


@pytest.mark.parametrize(
    "words",
    [
        ["scale", "--crossings", "10"],
        ["quality", "--picture", "out.svg"],
        ["lookup", "--untrained"],
        ["lookup", "--crossings", "2000"],
        ["lookup", "--network", "rings"],
    ],
)
def test_other_options_are_refused(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["bench", *words]).exit_code == 2
