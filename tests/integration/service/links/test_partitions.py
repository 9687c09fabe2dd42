"""Nodes and a centre whose lines, processes, clocks and disks fail: once each, and no fork unseen.

hypothesis draws the histories. What they must catch is seeded next to them: a store without its
constraint, a fork without an alarm, a parcel that leaves an envelope out.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import engine.links.exchange
import engine.links.inbox
import engine.links.outbox
from api.links.exchanges import exchange_all
from engine.journal.entries import Draft
from engine.journal.kinds import TICK
from engine.links.outbox import read_waiting
from engine.storage.home import DATABASE_VARIABLE
from experiments.faults.installations import Deployment, Line, prepare_deployment
from experiments.faults.partitions import Outcome, Outcomes, PartitionMachine
from tests.support.sizes import PROOF

pytestmark = pytest.mark.machine_clock

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

TRIALS = 1_000 if PROOF else 3
NODE, CENTRE = (0, "node"), (0, "centre")


def count_faults(*words: str, database: str = "") -> dict[str, Any]:
    """Return what the command prints; it is a process of its own, which is forked for each kill."""
    environment = os.environ | {DATABASE_VARIABLE: database}
    command = [sys.executable, "-m", "api", "faults", "partition", "--json", *words]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["holds"] else 1)
    return found


def test_what_was_acknowledged_is_at_the_other_side_once(cluster: "Cluster") -> None:
    url = cluster.url(scheme="postgresql+psycopg")
    found = count_faults("--trials", str(TRIALS), database=url)
    assert found["holds"], found
    assert found["trials"] >= TRIALS and found["acknowledged"] > 3 * TRIALS


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Prepare installations in this process; nothing in it is killed."""
    made = prepare_deployment(tmp_path_factory.mktemp("partitions"), nodes=2)
    yield made
    made.close()


class History:
    """A history told by its steps, as a failing one is typed in."""

    def __init__(self, deployment: Deployment) -> None:
        self.outcomes = Outcomes()
        self.machine = PartitionMachine(deployment, exchange_all, self.outcomes)
        self.machine.begin(nodes=2)

    def judge(self) -> Outcome:
        """Mend everything and return what came of it."""
        try:
            self.machine.teardown()
        except AssertionError:
            assert self.outcomes.failed is not None
        return self.outcomes.found[-1]


def test_without_the_constraint_it_is_there_twice(tmp_path: Path) -> None:
    """The negative control of the command, by the shortest history that fails."""
    made = prepare_deployment(tmp_path, nodes=2, is_unique=False)
    history = History(made)
    history.machine.lose_answered_rows(CENTRE)
    assert history.judge().doubled > 0
    made.close()


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
    history = History(deployment)
    history.machine.restore_disk(NODE, 3)
    history.machine.send(NODE, 1, [])
    found = history.judge()
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
    history = History(deployment)
    history.machine.record(NODE, 2)
    assert history.judge().holds == is_caught


@pytest.mark.parametrize("is_caught", [True, False])
def test_what_a_node_recorded_after_its_disk_was_restored_arrives(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, *, is_caught: bool
) -> None:
    """A batch that waited is of the next branch; with a seeded bug it is refused and sent again."""
    if not is_caught:
        monkeypatch.setattr(engine.links.outbox, "move_branch", lambda _, body: body)
    made = deployment.prepare(2)
    node, centre = made.nodes[0], made.centre
    line = Line(node, centre, lambda _: None)

    def exchange() -> bool:
        return exchange_all(node.exchange, node.link(line.name), line.carry_from(node)).is_stopped

    exchange()
    node.keep_disk()
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
