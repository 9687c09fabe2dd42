"""Work beside decisions: in a bounded process of its own, or at intervals on a thread of its own.

The interpreter runs one thread at a time, so that a long regular expression on one thread holds up
all others. Work on content that others sent (a file, a photograph, an old report) therefore runs in
a process that imports what the work needs and no more, has a low priority, and is killed at its
limit. One process of a kind runs at a time in a home, whatever the number of workers: a lock file
says so, and the child holds it too, so that the death of its parent frees no place.

``python -m engine.storage.worker_process MODULE:FUNCTION ROOT SECONDS`` is the child. It gives the
function the root of the home and what it reads, and writes what the function returns.
"""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from traceback import extract_tb
from typing import IO, Any

from engine import errors
from engine.errors import BusyError, RiskError, TooCostlyError

NICENESS = 10
PROGRESS_FILE = "DARVOZA_PROGRESS_FILE"
"""Environment variable: the file in which a command that a service runs says how far it is."""
MOST_MEMORY = 1 << 30
"""Bytes of address space of a child that reads content of others."""
PATIENCE = 4
"""How many times its limit of processor time a child may take on a busy machine."""
_REFUSED, _TOO_COSTLY = 3, 4
"""Exit status of a child whose function refused, and of one that ran out of memory."""


@contextmanager
def hold_place(root: Path, kind: str, *, is_patient: bool) -> Iterator[IO[bytes]]:
    """Hold the one place of a kind of work in a home.

    Raises ``BusyError`` if another process or thread holds it, unless the caller is patient.
    """
    with (root / f".{kind}.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if is_patient else fcntl.LOCK_NB))
        except BlockingIOError:
            raise BusyError(f"another {kind} is under way") from None
        yield lock


def run_bounded(
    command: Sequence[str], *, what: str, seconds: float, place: IO[bytes], given: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Run a command that holds a place; raises ``BusyError`` once it is killed at its limit."""
    try:
        return subprocess.run(
            command,
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
            pass_fds=(place.fileno(),),
        )
    except subprocess.TimeoutExpired:
        raise BusyError(f"the {what} took over {seconds:.0f} seconds") from None


def work_apart(
    root: Path, work: str, given: bytes, *, kind: str, seconds: int, is_patient: bool
) -> bytes:
    """Return what ``MODULE:FUNCTION`` makes of some bytes, in a process of its own.

    seconds : of processor time
    is_patient : whether it waits until the one place of this kind is free

    Raises the refusals of the function, ``TooCostlyError`` if it takes more time or memory than it
    may or ends its process, and ``BusyError`` if it is ended from outside, the machine gave it too
    little time, or no place is free.
    """
    with hold_place(root, kind, is_patient=is_patient) as place:
        done = start_worker(root, work, given, what=kind, seconds=seconds, place=place)
    if done.returncode == 0:
        return done.stdout
    if done.returncode == _REFUSED:
        raise _read_refusal(done.stdout)
    if done.returncode in (-signal.SIGTERM, -signal.SIGINT):  # by who stops the machine
        raise BusyError(f"the {kind} was ended before it was done")
    if done.returncode < 0 or done.returncode == _TOO_COSTLY:
        raise TooCostlyError(kind)
    raise RuntimeError(f"the {kind} failed: {done.stderr.decode('utf-8', 'replace').strip()}")


def start_worker(
    root: Path, work: str, given: bytes, *, what: str, seconds: int, place: IO[bytes]
) -> "subprocess.CompletedProcess[bytes]":
    """Run the child; its standard output is what was made, or a refusal."""
    command = [sys.executable, "-m", __name__, work, str(root), str(seconds)]
    return run_bounded(command, what=what, seconds=PATIENCE * seconds, place=place, given=given)


def _read_refusal(text: bytes) -> RiskError:
    found = json.loads(text)
    kind: Any = getattr(errors, found["error"])
    refusal: RiskError = kind(**found["facts"])
    return refusal


def _write_refusal(error: RiskError) -> bytes:
    facts = {one.name: getattr(error, one.name) for one in fields(error)}  # type: ignore[arg-type]
    return json.dumps({"error": type(error).__name__, "facts": facts}).encode()


def do_work(root: Path, work: str, given: bytes) -> tuple[int, bytes, str]:
    """Do the work of a child: return its exit status, what it writes, and why it failed."""
    module, _, name = work.partition(":")
    try:
        return 0, getattr(import_module(module), name)(root, given), ""
    except RiskError as error:
        return _REFUSED, _write_refusal(error), ""
    except MemoryError:
        return _TOO_COSTLY, b"", ""
    except Exception as error:  # its text may quote what was given
        trace = extract_tb(error.__traceback__)
        where = ", ".join(f"{Path(one.filename).name}:{one.lineno}" for one in trace)
        return 1, b"", f"{type(error).__name__} at {where}"


def _bound_process(seconds: int) -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def main(work: str, root: Path, seconds: int) -> int:
    """Do the work of this process, and return its exit status."""
    _bound_process(seconds)
    status, made, why = do_work(root, work, sys.stdin.buffer.read())
    sys.stdout.buffer.write(made)
    sys.stderr.write(why)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))


class PeriodicWorker(ABC):
    """Takes turns until it is closed; a turn that fails ends none of the later ones."""

    def __init__(self, name: str, seconds: float, *, first_after: float | None = None) -> None:
        """Turns are ``seconds`` apart; the first one begins after that time, if no other is given.

        ``name`` is that of the thread.
        """
        self._every = seconds
        self._first_after = seconds if first_after is None else first_after
        self._stop = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def run_turn(self) -> None:
        """Do what is due."""

    @abstractmethod
    def note_failure(self, error: Exception) -> None:
        """Log what a turn raised."""

    def start(self) -> None:
        """Begin to take turns."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the turn that runs."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = self._first_after
        while not self._stop.wait(wait):
            wait = self._every
            try:
                self.run_turn()
            except Exception as error:
                self.note_failure(error)
