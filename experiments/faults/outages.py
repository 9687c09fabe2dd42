"""Outages of the store while checkpoints send: a server that stops, a disk that is full.

The service itself lives on: it must answer all the while, ask for patience as long as it cannot
record, and record again by itself once it can. Each outage begins right after an answer: one that
left before its record was durable is then lost.

The disk is a small file system of the run's own, filled to the last byte. In a user namespace every
user may mount a tmpfs, on a fresh Debian without being root; the kernel then refuses to write as on
any full disk (ENOSPC). Where namespaces are closed, as in many containers, the kernel forbids the
service's files to grow any more (RLIMIT_FSIZE): it refuses in the middle of a write as well, only
under another name (EFBIG).
"""

import asyncio
import os
import random
import resource
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.faults.senders import Book, FaultTrials, wait_next
from experiments.faults.service_process import Service
from experiments.support.postgres import Cluster

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
