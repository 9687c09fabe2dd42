"""Bundles changed on disk: each is refused, and decisions go on with the last good model.

The changed bundle is in force throughout and never intact: the next byte is flipped, and refused,
before the last one is restored, so that every read finds a changed byte. Intact again at the end,
the bundle must serve, which proves that the bytes were the reason for the refusals.

Then pickles that leave a mark when they run replace files of other bundles, under a signature of
the home's own key.
"""

import asyncio
import io
import itertools
import json
import os
import pickle
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.faults.senders import (
    LOOK_SECONDS,
    PATIENCE_SECONDS,
    Book,
    FaultTrials,
    counter,
    ready,
    until,
)
from experiments.support.deployment import PATH
from experiments.support.processes import HttpConnection, encode_post
from experiments.support.throwaway_models import Analysts
from models.bundle import MANIFEST, SIGNATURE

REFUSED = "darvoza_models_refused_total"
MARK = "a-pickle-ran"
Spot = tuple[Path, int, int]
"""A file, a byte in it, and the bits that are flipped there."""


class Bomb:
    """Object that leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        """Name the function that unpickling calls."""
        return os.makedirs, (str(self._mark), 0o700, True)


async def bundle(run: FaultTrials, *, analysts: Analysts) -> None:
    """Flip a byte in each trial, one after the other, and ask for a decision on each."""
    service, trials, bad = run.service, run.trials, analysts.make()
    with service:
        service.start()
        async with HttpConnection(service.port) as line:
            await until(service.port, lambda now: now["mode"] == "model")
            good = (await ready(line))["model_version"]
            spots = _spots(bad, random.Random(trials))
            spot = next(spots)
            analysts.promote(bad, then=lambda: _flip(spot))
            for trial in range(trials):
                if not await _wait_refusal(line, bad.name):
                    run.book.broken["a changed bundle decides"] += 1
                    break
                await _check_decision(run, line, wanted=("last_good", good))
                following = next(spots)
                _flip(following)
                await _wait_refusal(line, bad.name)  # so that no look began before it was flipped
                _flip(spot)
                spot = following
                run.report_progress(trial + 1, trials)
            _flip(spot)
            await until(service.port, lambda now: now["model_version"] == bad.name)
            await _check_pickles(line, analysts, run.book)


def _spots(folder: Path, dice: random.Random) -> Iterator[Spot]:
    """Yield places without end, file by file, never the same twice in a row."""
    for path in itertools.cycle(sorted(folder.iterdir())):
        yield path, dice.randrange(path.stat().st_size), 1 << dice.randrange(8)


def _flip(spot: Spot) -> None:
    path, at, bits = spot
    with path.open("r+b", buffering=0) as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ bits]))


async def _wait_refusal(line: HttpConnection, bad: str) -> bool:
    """Wait until the service has read the bundle again and refused it; False where it loaded it.

    The first refusal counted may belong to a read that had begun before.
    """
    before = await counter(line, REFUSED)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await counter(line, REFUSED) < before + 2:
            if (await ready(line))["model_version"] == bad:
                return False
            await asyncio.sleep(LOOK_SECONDS)
    return True


async def _check_decision(
    run: FaultTrials, line: HttpConnection, *, wanted: tuple[str, str]
) -> None:
    """Request one decision and check its mode and the version of the model in force."""
    sent = next(run.waiting)
    status, raw = await line.ask(encode_post(PATH, sent.body, key=run.keys[sent.post]))
    run.book.note(sent.crossing_id, status, raw)
    value = json.loads(raw).get("mode"), (await ready(line))["model_version"]
    if value != wanted:
        run.book.broken["not by the last good model, or not said"] += 1


async def _check_pickles(line: HttpConnection, analysts: Analysts, book: Book) -> None:
    """Replace each file of a bundle by a pickle, under a valid signature."""
    names = sorted(path.name for path in analysts.make().iterdir())
    for name in names:
        if name in (MANIFEST, SIGNATURE):
            continue
        made = analysts.make()
        mark = made.parent.parent / MARK
        (made / name).write_bytes(_pickle_as(name, Bomb(mark)))
        analysts.sign_again(made)
        before = await counter(line, REFUSED)
        analysts.promote(made)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await counter(line, REFUSED) == before:
                if (await ready(line))["model_version"] == made.name:
                    break  # a file that the service does not read
                await asyncio.sleep(LOOK_SECONDS)
        if mark.exists():
            book.broken["a pickle ran"] += 1
            mark.rmdir()


def _pickle_as(name: str, bomb: Bomb) -> bytes:
    """Return a pickle as a file of this name could hold one."""
    if not name.endswith(".npz"):
        return pickle.dumps(bomb)
    content = io.BytesIO()
    np.savez(content, size=np.array([bomb], object))
    return content.getvalue()
