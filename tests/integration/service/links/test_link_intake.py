"""The benchmark of a centre's intake counts what arrived, and refuses a run that lost some."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from api.harness.link_intake import compare, measure
from engine.errors import NotEnoughDataError
from experiments.benchmarks import links


def test_a_centre_takes_decisions_of_two_nodes(tmp_path: Path) -> None:
    found = measure(tmp_path, 2, 2)
    assert (found["sent"], found["held"]) == (4, 4)
    assert found["processor_seconds"] > 0


def test_a_node_decides_as_one_without_a_link_and_sends_up(tmp_path: Path) -> None:
    found = compare(tmp_path, 2, 2)
    assert {kind: len(seconds) for kind, seconds in found.items()} == {
        "alone": 2,
        "node": 2,
        "sealing": 2,
    }
    kinds = {name: list_kinds(tmp_path / name / "darvoza.sqlite") for name in ("alone", "node")}
    assert kinds["node"] >= {"decision", "seeds_committed", "link_sent"}, "of a node alone"
    assert not kinds["alone"] & {"seeds_committed", "link_sent"}


def list_kinds(path: Path) -> set[str]:
    """Return the kinds of records in the journal of a SQLite store."""
    with closing(sqlite3.connect(path)) as store:
        return {kind for (kind,) in store.execute("SELECT DISTINCT kind FROM journal")}


@pytest.mark.parametrize(("held", "seconds"), [(100, 0.4), (100, 0.5), (99, 0.4)])
def test_a_rate_is_that_of_what_arrived(
    monkeypatch: pytest.MonkeyPatch, held: int, seconds: float
) -> None:
    times: dict[str, Any] = {"seconds": 2 * seconds, "processor_seconds": seconds}
    times |= {"alone": [1.0, 1.0, 9.0], "node": [2.5 * seconds] * 2 + [9.0]}
    times |= {"sealing": [0.22 * seconds] * 3}
    answer = json.dumps({"nodes": 24, "sent": 100, "held": held} | times)

    def run(*_: Any, **__: Any) -> Any:
        return CompletedProcess([], 0, answer)

    monkeypatch.setattr("experiments.benchmarks.links.subprocess.run", run)
    if held < 100:
        with pytest.raises(NotEnoughDataError, match="99 of 100"):
            links.run(None)
    else:
        found = links.run(None)
        assert [one["seen"] for one in found] == pytest.approx(
            [100 / seconds, 50 / seconds, max(2.5 * seconds, 1.0), 2_200 * seconds]
        )
        is_quick = seconds == 0.4
        assert [one["holds"] for one in found] == [is_quick, False, is_quick, is_quick]
