"""Trials of one service under requests: kills, models, duplicates, memory, bundles, outages.

Kill -9 at random moments: one pool of senders lives through all trials. Most services die a moment
after their first answer, every second one right after an answer (what was answered before its
commit is then lost), some while they still start. What was sent and not answered is sent again to
the next one.

Change of model and restart of the process: no request is refused. Assumes that the listening socket
outlives the process, as a service manager or the parent of several workers keeps it
(:mod:`api.http.server`): a connection that comes between two processes waits for the next one.
Checkpoints do not try again here: a connection that breaks under a request, a request for patience
and any other answer than a decision count as failed, and so does a decision without the model.

Duplicate requests: one request a hundred times at once, each over its own connection. A gateway
that timed out sends again while the first request is still in progress; two lanes read one plate.
All of them must receive the same answer, byte for byte.

Memory over hours of requests: the service holds no more at the end than after warming up. Every
vehicle is new, so that caches keyed by name fill, or grow without a bound. Caches of a fixed size
fill first.

Bundles changed on disk: each is refused, and decisions go on with the last good model. The changed
bundle is in force throughout and never intact: the next byte is flipped, and refused, before the
last one is restored, so that every read finds a changed byte. Intact again at the end, the bundle
must serve, which proves that the bytes were the reason for the refusals. Then pickles that leave a
mark when they run replace files of other bundles, under a signature of the home's own key.

Outages of the store, a server that stops or a disk that is full: the service itself lives on. It
must answer all the while, ask for patience as long as it cannot record, and record again by itself
once it can. Each outage begins right after an answer: one that left before its record was durable
is then lost. The disk is a small file system of the run's own, filled to the last byte. In a user
namespace every user may mount a tmpfs, on a fresh Debian without being root; the kernel then
refuses to write as on any full disk (ENOSPC). Where namespaces are closed, as in many containers,
the kernel forbids the service's files to grow any more (RLIMIT_FSIZE): it refuses in the middle of
a write as well, only under another name (EFBIG).
"""

import asyncio
import io
import itertools
import json
import os
import pickle
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
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
    wait_next,
)
from experiments.support.deployment import PATH, Analysts
from experiments.support.postgres import Cluster
from experiments.support.processes import (
    BROKEN,
    HttpConnection,
    MemorySample,
    Service,
    encode_post,
    find_growth,
    measure_memory,
)
from models.bundle import MANIFEST, SIGNATURE

LONGEST_LIFE_SECONDS = 0.4
"""The longest a service lives after its first answer."""
EARLY = 0.1
"""Share of the services that are killed before they answered."""


async def kill_service(run: FaultTrials) -> None:
    """Kill and start the service as often as is to be tried."""
    service, dice = run.service, random.Random(run.trials)
    with service:
        async with run.send():
            for trial in range(run.trials):
                service.start()
                is_early = dice.random() < EARLY
                if not is_early:
                    await wait_next(run.book.heard)
                await asyncio.sleep(dice.random() * LONGEST_LIFE_SECONDS)
                if trial % 2 == 1 and not is_early:
                    await wait_next(run.book.heard)
                service.kill()
                run.report_progress(trial + 1, run.trials)
            service.planted = ""  # the seeded bug has had its trials; answer the waiting requests
            service.start()
            await wait_next(run.book.heard)


LONGEST_PAUSE_SECONDS = 0.3
"""The longest between two changes."""
FEWEST_CHANGES = 4
"""Two models and both kinds of restart, however few requests are asked for."""


async def swap_models(run: FaultTrials, *, analysts: Analysts) -> None:
    """Change model and process in turn until as many requests as are to be tried are answered."""
    service, book, dice, changes = run.service, run.book, random.Random(run.trials), 0
    book.is_patient = False
    with service:
        service.start()
        async with run.send():
            while len(book.acknowledged) < run.trials or changes < FEWEST_CHANGES:
                await asyncio.sleep(dice.random() * LONGEST_PAUSE_SECONDS)
                version = await asyncio.to_thread(_change, service, analysts, changes)
                await until(service.port, partial(_serves, version))
                changes += 1
                run.report_progress(min(len(book.acknowledged), run.trials), run.trials)
    for raw in book.acknowledged.values():
        if json.loads(raw)["mode"] != "model":
            book.broken["decided without the model"] += 1


def _change(service: Service, analysts: Analysts, number: int) -> str | None:
    """Put another model into force, restart, put another into force, hand over; and so on.

    Returns the version that is to serve, None where it stays.
    """
    if number % 2 == 0:
        return analysts.promote(analysts.make())
    if number % 4 == 1:
        service.stop()
        service.start()
    else:
        service.relieve()
    return None


def _serves(wanted: str | None, now: Mapping[str, Any]) -> bool:
    return now["mode"] == "model" and wanted in (None, now["model_version"])


COPIES = 100
_BROKEN = 0
"""Stands for a status where the connection broke."""


async def duplicate_requests(run: FaultTrials) -> None:
    """Send as many requests as are to be tried, a hundred times each."""
    lines = [HttpConnection(run.service.port) for _ in range(COPIES)]
    with run.service:
        run.service.start()
        await until(run.service.port, lambda now: now["mode"] != "")
        for trial in range(run.trials):
            sent = next(run.waiting)
            request = encode_post(PATH, sent.body, key=run.keys[sent.post])
            answers = await asyncio.gather(*(_ask(line, request) for line in lines))
            for status, raw in answers:
                run.book.note(sent.crossing_id, status, raw)
            run.report_progress(trial + 1, run.trials)
        for line in lines:
            line.close()


async def _ask(line: HttpConnection, request: bytes) -> tuple[int, bytes]:
    try:
        return await line.ask(request)
    except BROKEN:
        return _BROKEN, b""


_PAUSE_SECONDS = 0.05


async def watch_memory(run: FaultTrials) -> None:
    """Request decisions, each on a new vehicle, and measure the process's memory."""
    service, weights = run.service, list[MemorySample]()
    with service:
        service.start()
        async with run.send():
            while (answered := len(run.book.acknowledged)) < run.trials:
                await asyncio.sleep(_PAUSE_SECONDS)
                run.report_progress(answered, run.trials)
                weights.append(MemorySample(answered, measure_memory(service.pid)))
            weights.append(MemorySample(answered, measure_memory(service.pid)))
    run.report_progress(run.trials, run.trials)
    for why in find_growth(weights, run.trials):
        run.book.broken[why] += 1


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


BACK_SECONDS = 5.0
"""The longest between the store's return and the first decision recorded."""
BITES_SECONDS = 10.0
"""The longest that a service may go on as if its store were there: a full disk has some slack."""
LONGEST_SECONDS = 0.3
"""The longest that a store is there before it is taken, and away before it comes back."""
VARIABLE = "DARVOZA_SMALL_DISK"
"""Set within the namespace: where the small file system is."""
SIZE_MB = 192
_BLOCK = 1 << 20
_MOUNT = 'mount -t tmpfs -o "size=$1m" darvoza "$2" && shift 2 && exec "$@"'


class StoppedServer:
    """Database server that stops as if its machine lost power, and replays its log at start."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def begin(self, service: Service) -> None:
        """Stop the server at once: connections break, no transaction ends."""
        self._cluster.stop(signal.SIGQUIT)

    def end(self, service: Service) -> None:
        """Start the server and wait until it accepts connections."""
        self._cluster.start()


class FilledDisk:
    """A small file system whose free space a file of the run takes up."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def begin(self, service: Service) -> None:
        """Fill the disk; nothing that was there is touched."""
        block = _BLOCK
        with self._ballast.open("wb", buffering=0) as file:
            while block:
                try:
                    file.write(b"\0" * block)
                except OSError:
                    block //= 2

    def end(self, service: Service) -> None:
        """Free what was taken."""
        self._ballast.unlink()


class BoundFiles:
    """A service none of whose files may grow beyond what its store has now."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, service: Service) -> None:
        """Let the store's files grow no more."""
        largest = max(path.stat().st_size for path in self._folder.glob("darvoza.sqlite*"))
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))

    def end(self, service: Service) -> None:
        """Let them grow again."""
        endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, endless)


def small_disk() -> Path | None:
    """Return where the small file system is, where this process runs in its namespace."""
    found = os.environ.get(VARIABLE)
    return None if found is None else Path(found)


def on_a_small_disk(command: Sequence[str]) -> int | None:
    """Run a command with a small file system for its scratch; None where no namespace is to be had.

    Returns its exit status.
    """
    with tempfile.TemporaryDirectory(prefix="darvoza-disk-") as folder:
        enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh"]
        enter += [str(SIZE_MB), folder]
        try:
            subprocess.run([*enter, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        inside = {VARIABLE: folder, "TMPDIR": folder}
        return subprocess.run([*enter, *command], env={**os.environ, **inside}).returncode


async def outages(run: FaultTrials, *, outage: StoppedServer | FilledDisk | BoundFiles) -> None:
    """Take the store away as often as is to be tried."""
    service, book, dice = run.service, run.book, random.Random(run.trials)
    with service:
        service.start()
        async with run.send():
            await wait_next(book.heard)
            for trial in range(run.trials):
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
                await wait_next(book.heard)
                await asyncio.to_thread(outage.begin, service)
                await _bites(book)
                await asyncio.sleep(dice.random() * LONGEST_SECONDS)
                await asyncio.to_thread(outage.end, service)
                await _back(book)
                run.report_progress(trial + 1, run.trials)


async def _bites(book: Book) -> None:
    """Wait until a sender receives a 503; an outage without one does not count."""
    try:
        await wait_next(book.turned_away, seconds=BITES_SECONDS)
    except TimeoutError:
        book.broken["no sender received a 503 in the outage"] += 1


async def _back(book: Book) -> None:
    """Wait for a decision, and note where it took too long."""
    returned = time.monotonic()
    await wait_next(book.heard)
    if time.monotonic() - returned > BACK_SECONDS:
        book.broken["not back in time"] += 1
