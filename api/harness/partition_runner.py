"""Fault run of links: trials in processes of their own, and their counts.

``python -m api.harness.partition_runner FOLDER SERVER BUG`` is such a process. It prepares
installations in the folder, with the centre on the PostgreSQL server of that URL if it is not
empty, reads the number of a trial from each line, and answers each with a line of JSON. It has one
thread, so that what is to be killed can be forked from it.
"""

import json
import os
import random
import secrets
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any, Self

from api.links.exchanges import exchange_all
from api.migrations.upgrade import upgrade
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE
from experiments.faults.ledger_check import Counts, FailedTrial
from experiments.faults.partitions.installations import DatabaseDisk, prepare_deployment
from experiments.faults.partitions.judgement import judge
from experiments.faults.partitions.trial import (
    FEWEST_NODES,
    KILLS_SHARE,
    MOST_NODES,
    PartitionTrial,
)

FAULT = "partition"
TRIALS = 200
"""Default number of trials."""
FEW = 40
"""Trials that one process does: another takes longer to start."""
PROCESSES = 2


def run_partitions(
    trials: Sequence[int], *, has_bug: bool, report_progress: Callable[[int, int], None]
) -> Counts:
    """Run the trials of these seeds; with ``has_bug`` without the unique constraint."""
    numbers: SimpleQueue[int] = SimpleQueue()
    for number in trials:
        numbers.put(number)
    done: list[dict[str, Any]] = []

    def work(worker: "_Worker") -> None:
        while True:
            try:
                number = numbers.get_nowait()
            except Empty:
                return
            done.append(worker.run(number) | {"trial": number})
            report_progress(len(done), len(trials))

    with ExitStack() as stack:
        number = 1 if len(trials) <= FEW else PROCESSES
        workers = [stack.enter_context(_Worker(has_bug=has_bug)) for _ in range(number)]
        list(stack.enter_context(ThreadPoolExecutor(number)).map(work, workers))
    return _sum(sorted(done, key=lambda one: one["trial"]))


def _sum(done: Sequence[Mapping[str, Any]]) -> Counts:
    why: Counter[str] = Counter()
    figures: Counter[str] = Counter()
    for one in done:
        why.update(one["broken"])
        figures.update(one["figures"])
    slowest = max(one["slowest"] for one in done)
    return Counts(
        fault=FAULT,
        trials=len(done),
        acknowledged=sum(one["acknowledged"] for one in done),
        lost=sum(one["lost"] for one in done),
        doubled=sum(one["doubled"] for one in done),
        failed=sum(why.values()),
        why=why,
        figures={name: str(times) for name, times in sorted(figures.items())}
        | {"slowest_mending": f"{slowest:.2f} times what the line needs"},
        failed_trials=[
            FailedTrial(*(one[name] for name in FailedTrial.__dataclass_fields__))
            for one in done
            if one["plan"]
        ],
    )


class _Worker:
    """A process that runs trials, one at a time."""

    def __init__(self, *, has_bug: bool) -> None:
        self._folder = TemporaryDirectory(prefix="darvoza-links-")
        server = os.environ.get(DATABASE_VARIABLE, "")
        words = [self._folder.name, server, "bug" if has_bug else ""]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "api.harness.partition_runner", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._folder, self._process:  # closes its pipes, which ends it
            pass

    def run(self, number: int) -> dict[str, Any]:
        """Run one trial and return its outcome."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process that runs trials has no pipes")
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        text = self._process.stdout.readline()
        if not text:
            raise RuntimeError("the process that runs trials has ended")
        found: dict[str, Any] = json.loads(text)
        return found


def _migrate(url: str) -> None:
    with Store(url) as store:
        upgrade(store)


@contextmanager
def _centre(server: str) -> Iterator[DatabaseDisk | None]:
    """Make a database of the run's own where a server is named, and drop it."""
    if not server:
        yield None
        return
    disk = DatabaseDisk(server, f"darvoza_links_{secrets.token_hex(4)}")
    try:
        yield disk
    finally:
        disk.drop()


def main(folder: Path, server: str, *, has_bug: bool) -> None:
    """Run the trials that standard input names."""
    with _centre(server) as centre:
        deployment = prepare_deployment(
            folder, nodes=MOST_NODES, migrate=_migrate, centre=centre, is_unique=not has_bug
        )
        for line in sys.stdin:
            dice = random.Random(int(line))  # noqa: S311  # trials are drawn again by their number
            made = deployment.prepare(dice.randint(FEWEST_NODES, MOST_NODES))
            has_kills = dice.random() < KILLS_SHARE
            trial = PartitionTrial(made, dice, exchange_all, has_kills=has_kills)
            trial.run()
            sys.stdout.write(json.dumps(judge(trial).to_json()) + "\n")
            sys.stdout.flush()
        deployment.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], has_bug=bool(sys.argv[3]))
