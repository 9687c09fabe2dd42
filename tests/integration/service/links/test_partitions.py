"""Nodes and a centre whose lines, processes, clocks and disks fail: once each, and no fork unseen.

The centre stands on PostgreSQL, its nodes on SQLite. What the trials must catch is seeded next to
them: a store without its constraint, a fork without an alarm, a parcel that leaves an envelope out.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import engine.links.exchange
import engine.links.inbox
import engine.links.outbox
from api.harness.partition_runner import run_partitions
from api.links.exchanges import exchange_all
from engine.journal.entries import Draft
from engine.journal.kinds import TICK
from engine.links.outbox import read_waiting
from engine.storage.home import DATABASE_VARIABLE
from experiments.faults.ledger_check import Counts
from experiments.faults.partitions.installations import Deployment, prepare_deployment
from experiments.faults.partitions.judgement import TrialOutcome, judge
from experiments.faults.partitions.line import Line
from experiments.faults.partitions.trial import PartitionTrial
from tests.support.sizes import PROOF

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

TRIALS = 1_000 if PROOF else 2
CONTROLS = 20 if PROOF else 2
RESTORED = 15
"""A trial in which the disk of an installation is restored that had sent more meanwhile."""


@pytest.fixture(scope="module")
def noon(long_shift: None) -> None:
    """Keep the machine's clock, which other processes and servers have."""


def count_faults(trials: int, *, has_bug: bool = False) -> Counts:
    return run_partitions(range(trials), has_bug=has_bug, report_progress=lambda done, of: None)


def test_what_was_acknowledged_is_at_the_other_side_once(
    cluster: "Cluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, cluster.url(scheme="postgresql+psycopg"))
    counts = count_faults(TRIALS)
    assert counts.holds, counts.why
    assert counts.acknowledged > 5 * TRIALS


def test_without_the_constraint_it_is_there_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    counts = count_faults(CONTROLS, has_bug=True)
    assert counts.doubled > 0
    assert not counts.holds
    failed = counts.failed_trials
    assert sum(one.doubled for one in failed) == counts.doubled
    assert {one.trial for one in failed} <= set(range(CONTROLS))
    assert all("everything is mended" in one.plan for one in failed)


@pytest.fixture(scope="module")
def deployment(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Prepare installations in this process; nothing in it is killed."""
    folder = tmp_path_factory.mktemp("partitions")

    def migrate(url: str) -> None:
        Path(url.removeprefix("sqlite:///")).write_bytes(sqlite_template.read_bytes())

    made = prepare_deployment(folder, nodes=2, migrate=migrate)
    yield made
    made.close()


def try_once(deployment: Deployment, number: int) -> TrialOutcome:
    trial = PartitionTrial(
        deployment.prepare(2), random.Random(number), exchange_all, has_kills=False
    )
    trial.run()
    return judge(trial)


@pytest.mark.parametrize("is_caught", [True, False])
def test_a_restored_disk_is_noticed(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, is_caught: bool
) -> None:
    """With a seeded bug: what raises an alarm records something else."""

    def draft_none(*_: Any, **__: Any) -> Draft[Any]:
        return TICK.draft("", {})

    if not is_caught:
        for module in (engine.links.outbox, engine.links.inbox):
            monkeypatch.setattr(module, "draft_alarm", draft_none)
    found = try_once(deployment, RESTORED)
    assert found.figures["disks_restored"] == 1
    assert (found.broken.get("forks without an alarm", 0) == 0) == is_caught
    assert (found.figures.get("links_stopped", 0) > 0) == is_caught


@pytest.mark.parametrize("is_caught", [True, False])
def test_what_never_arrives_is_lost(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, is_caught: bool
) -> None:
    """With a seeded bug: parcels leave the last envelope out."""
    if not is_caught:
        monkeypatch.setattr(
            engine.links.exchange, "read_waiting", lambda *about: read_waiting(*about)[:-1]
        )
    found = try_once(deployment, 0)
    assert (found.lost == 0 and not found.broken) == is_caught


@pytest.mark.parametrize("is_caught", [True, False])
def test_what_a_node_recorded_after_its_disk_was_restored_arrives(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, is_caught: bool
) -> None:
    """A batch that waited is of the next branch; with a seeded bug it is refused and sent again."""
    if not is_caught:
        monkeypatch.setattr(engine.links.outbox, "move_branch", lambda _, body: body)
    made = deployment.prepare(2)
    node, centre = made.nodes[0], made.centre
    line = Line(node, centre, random.Random(0), lambda _: None, is_faultless=True)

    def exchange() -> bool:
        return exchange_all(node.exchange, node.link(line.name), line.carry_from(node)).is_stopped

    exchange()
    node.close()
    node.disk.keep()
    node.open()
    node.record(line.name, "before")
    exchange()
    node.close()
    node.disk.restore()
    node.open()
    node.record(line.name, "after")
    assert exchange()
    for one in (node, centre):
        one.resume(line.name)
    exchange()
    assert sorted(centre.list_received()) == ["after", "before"]
    assert list(centre.list_refused()) == ([] if is_caught else ["other_history"])
