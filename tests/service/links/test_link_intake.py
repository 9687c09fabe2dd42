"""The benchmark of a centre's intake counts what arrived, and refuses a run that lost some."""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from api.harness.link_intake import measure
from engine.errors import NotEnoughDataError
from experiments.benchmarks import links


def test_a_centre_takes_decisions_of_two_nodes(tmp_path: Path) -> None:
    found = measure(tmp_path, 2, 2)
    assert (found["sent"], found["held"]) == (4, 4)
    assert found["processor_seconds"] > 0


@pytest.mark.parametrize(("held", "seconds"), [(100, 0.4), (100, 0.5), (99, 0.4)])
def test_a_rate_is_that_of_what_arrived(
    monkeypatch: pytest.MonkeyPatch, held: int, seconds: float
) -> None:
    times = {"seconds": 2 * seconds, "processor_seconds": seconds}
    answer = json.dumps({"nodes": 24, "sent": 100, "held": held} | times)

    def run(*_: Any, **__: Any) -> Any:
        return CompletedProcess([], 0, answer)

    monkeypatch.setattr("experiments.benchmarks.links.subprocess.run", run)
    if held < 100:
        with pytest.raises(NotEnoughDataError, match="99 of 100"):
            links.run(None)
    else:
        first, second = links.run(None)
        assert (first["seen"], second["seen"]) == (100 / seconds, 50 / seconds)
        assert (first["holds"], second["holds"]) == (seconds == 0.4, False)
