"""Processes that append to a journal until they are stopped or killed; run as a script.

``killed URL TRIALS`` forks one appender after another, kills each at a random moment and prints
what was acknowledged to it. It forks from a process with one thread and no connection: that is
safe, and takes milliseconds where a new interpreter takes a second. ``batches URL NAME N`` appends
N batches and ends.
"""

import os
import random
import select
import signal
import sys
import time
from collections.abc import Sequence

from sqlalchemy import Connection

from engine.journal.batch_worker import Writer
from engine.journal.entries import Draft, Entry
from engine.journal.journal import Journal
from engine.storage.database import Store

BATCH = 3
LONGEST_SECONDS = 0.06
STALLED_SECONDS = 60.0


def drafts(name: str, batch: int) -> list[Draft]:
    return [Draft("roster", f"{name}-{batch}-{n}", "OYB", {"n": n}) for n in range(BATCH)]


class Hasty:
    """The seeded bug: acknowledges from within the transaction, before the commit."""

    def __init__(self, pipe: int) -> None:
        self.pipe = pipe

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        acknowledge(self.pipe, [entry for entry, _ in entries])
        time.sleep(STALLED_SECONDS)  # a commit that takes its time: the kill comes first


def acknowledge(pipe: int, entries: Sequence[Entry]) -> None:
    os.write(pipe, "".join(f"{entry.seq} {entry.subject}\n" for entry in entries).encode())


def append_forever(url: str, name: str, *, pipe: int, has_bug: bool) -> None:
    store = Store(url)
    writer = Writer(Journal(store, [Hasty(pipe)] if has_bug else []))
    for batch in range(1_000_000):
        futures = [writer.submit(draft) for draft in drafts(name, batch)]
        entries = [future.result() for future in futures]
        if not has_bug:
            acknowledge(pipe, entries)


def kill_children(url: str, trials: int, *, has_bug: bool) -> None:
    """Fork, wait for a first acknowledgement and a moment more, kill; print what was heard."""
    dice = random.Random(trials)
    for trial in range(trials):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            append_forever(url, f"trial{trial}", pipe=writing, has_bug=has_bug)
        os.close(writing)
        select.select([reading], [], [])
        time.sleep(dice.random() * LONGEST_SECONDS)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reading) as acknowledged:
            sys.stdout.write(acknowledged.read())


def batches(url: str, name: str, *, number: int) -> None:
    """Append that many batches, each as one, and print what was acknowledged."""
    with Store(url) as store:
        journal = Journal(store)
        for batch in range(number):
            acknowledge(sys.stdout.fileno(), journal.append(drafts(name, batch)))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["killed", url, trials, *has_bug]:
            kill_children(url, int(trials), has_bug=bool(has_bug))
        case ["batches", url, name, number]:
            batches(url, name, number=int(number))
