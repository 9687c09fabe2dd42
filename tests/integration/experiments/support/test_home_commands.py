"""What a command took is its own: the memory of the process that starts it does not count."""

from pathlib import Path

import numpy as np

from experiments.support.processes import HomeCommands


def test_the_peak_of_a_command_is_not_that_of_the_process_that_starts_it(tmp_path: Path) -> None:
    held = np.ones(700 << 17)  # 700 MB, several times what the command takes
    cost = HomeCommands(tmp_path / "home").run("users", "create", "anna", "--role", "supervisor")
    assert cost.printed["password"]
    assert 0 < cost.peak < held.nbytes / 2
    assert cost.seconds > 0
