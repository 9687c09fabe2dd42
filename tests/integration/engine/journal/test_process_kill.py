"""What was acknowledged survives the death of the process that acknowledged it, once."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from sqlalchemy import select

from engine.audit.verification import verify
from engine.journal.journal import JOURNAL
from engine.storage.database import Store
from tests.integration.engine.journal.append_process import BATCH
from tests.support.sizes import PROOF

ROOT = Path(__file__).parents[4]
TRIALS, BATCHES = (200, 20) if PROOF else (3, 6)
SECONDS = 600


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.integration.engine.journal.append_process", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def list_acknowledged(process: subprocess.Popen[str]) -> list[tuple[int, str]]:
    """Return sequences and subjects; a lost sequence is given again, so they are no dictionary."""
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    pairs = [line.split() for line in output.splitlines()]
    return [(int(seq), subject) for seq, subject in pairs]


def list_stored(store: Store) -> dict[int, str]:
    with store.read() as connection:
        rows = connection.execute(select(JOURNAL.c.seq, JOURNAL.c.subject)).all()
    return {row.seq: row.subject for row in rows}


def test_killed_writers_lose_and_double_nothing(store: Store, store_url: str) -> None:
    seen = list_acknowledged(start("killed", store_url, str(TRIALS)))
    found = list_stored(store)

    assert len({subject.split("-")[0] for _, subject in seen}) == TRIALS
    assert [pair for pair in seen if found.get(pair[0]) != pair[1]] == []
    assert max(Counter(found.values()).values()) == 1
    assert verify(store).ok


def test_an_answer_before_the_commit_is_caught(store: Store, store_url: str) -> None:
    seen = list_acknowledged(start("killed", store_url, "3", "has_bug"))
    found = list_stored(store)

    assert [pair for pair in seen if found.get(pair[0]) != pair[1]] != []


def test_processes_that_write_at_once_make_one_chain(store: Store, store_url: str) -> None:
    processes = [start("batches", store_url, name, str(BATCHES)) for name in ("one", "two")]
    seen = [list_acknowledged(process) for process in processes]

    assert list_stored(store) == dict(seen[0] + seen[1])
    assert len(list_stored(store)) == 2 * BATCHES * BATCH
    assert verify(store).ok
