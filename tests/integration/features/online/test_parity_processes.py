"""Four processes decide and record at once; their journal, in bulk, gives what each was served."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from engine.audit.verification import verify
from engine.domain.time_units import HOUR
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.plan import Rows
from features.history.tables import read_event_log, read_records
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from tests.integration.features.online import decision_process
from tests.integration.features.online.decision_process import (
    Decider,
    LateCut,
    UnlockedProcess,
    decide,
    prepare,
)
from tests.support.sizes import PROOF
from tests.unit.features.online.replay import PLAN, Step, batches, bits, steps
from tests.unit.features.random_histories import NETWORK, history

PROCESSES = 4
CROSSINGS = 54_000 if PROOF else 100
"""With their acts and finds twice as many events, dealt out to the processes."""
FEW = 10
MOST = 100 if PROOF else FEW
"""Records in a batch; a control needs many batches, so that the processes meet."""
TWICE = 40
"""One crossing in so many is told by two processes."""


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Start four processes that share nothing but a gate, all from one that has imported all."""
    context = get_context("forkserver")
    context.set_forkserver_preload([decision_process.__name__])
    gate = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(
        PROCESSES, mp_context=context, initializer=prepare, initargs=(gate,)
    ) as pool:
        yield pool


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Make a home whose network is the one of the histories, without any history."""
    made = Home(tmp_path / "home").prepare()
    shared = [f'{name} = "{domain}"' for name, domain in NETWORK.identifiers.items()]
    lines = ["[identifiers]", *shared]
    lines += ["[[posts]]\n" + "".join(_fields(code)) for code in NETWORK.posts]
    made.network.write_text("\n".join(lines), "utf-8")
    return made


def _fields(code: str) -> Iterator[str]:
    post = NETWORK.posts[code]
    for name in ("code", "name", "country", "pair", "timezone", "administration"):
        if (value := getattr(post, name)) is not None:
            yield f'{name} = "{value}"\n'
    for name in ("lat", "lon"):
        if (degrees := getattr(post, name)) is not None:
            yield f"{name} = {degrees}\n"


@dataclass(frozen=True)
class ProcessRun:
    """What four processes served, by the number of each decision's record."""

    served: dict[int, Rows]
    process: dict[int, int]


def live(
    pool: ProcessPoolExecutor,
    url: str,
    *,
    kind: type[Decider] = Decider,
    crossings: int = CROSSINGS,
    most: int = MOST,
) -> ProcessRun:
    """Deal a history out to the processes, and let them live it."""
    order = steps(history(17, crossings, step=HOUR, crowd=crossings // 4))
    each = [list(batches(dealt(order, number), most, seed=number)) for number in range(PROCESSES)]
    together = min(len(own) for own in each)
    asked = [
        pool.submit(decide, kind, url, own, number=number, together=together)
        for number, own in enumerate(each)
    ]
    served: dict[int, Rows] = {}
    process: dict[int, int] = {}
    for number, future in enumerate(asked):
        numbers, rows = future.result()
        served.update(zip(numbers, rows, strict=True))
        process.update(dict.fromkeys(numbers, number))
    return ProcessRun(served, process)


def dealt(order: list[Step], number: int) -> list[Step]:
    """Every fourth record, so that the acts on a crossing fall to others; some crossings twice."""
    return [
        step
        for at, step in enumerate(order)
        if at % PROCESSES == number
        or (step[1] == 0 and at % TWICE == 0 and (at + 1) % PROCESSES == number)
    ]


def unlike_bulk(home: Home, store: Store, lived: ProcessRun) -> int:
    """Rebuild from the journal, and count the served values that it does not give."""
    first: dict[str, int] = {}
    with store.read() as snapshot:
        tables = read_event_log(home, snapshot)
        for record in read_records(snapshot):
            if record.kind == "decision":
                crossing = record.body["arrival"]["crossing"]
                first.setdefault(crossing["crossing_id"], record.seq)
    bulk = matrix(read_log(tables, PLAN), PLAN)
    served = np.array([lived.served[first[name]] for name in bulk.crossing_id])
    return bits(served, bulk.values)


def test_what_four_processes_served_is_what_their_journal_gives(
    pool: ProcessPoolExecutor, store: Store, store_url: str, home: Home
) -> None:
    lived = live(pool, store_url)
    assert unlike_bulk(home, store, lived) == 0
    assert verify(store).ok
    assert len(lived.served) > CROSSINGS
    by_turns = [lived.process[seq] for seq in sorted(lived.process)]
    # One after the other they would change three times; it is 21 to 29 times on two busy cores.
    assert np.count_nonzero(np.diff(by_turns)) > 10


@pytest.mark.parametrize("kind", [UnlockedProcess, LateCut])
def test_a_process_that_does_not_wait_for_the_others_is_caught(
    pool: ProcessPoolExecutor, store: Store, store_url: str, home: Home, kind: type[Decider]
) -> None:
    lived = live(pool, store_url, kind=kind, crossings=160, most=FEW)
    assert unlike_bulk(home, store, lived) > 0
