"""Places for work that must not hold up decisions, each matter with its own.

Every matter whose work can be long is declared here: how many pieces are done together and how
many wait, how many bytes one may have, and how long it may take. A piece that cannot even wait, or
has waited for long, is refused with ``BusyError``, which a service answers by 503 and Retry-After.
So no matter takes the places of another, and none takes the threads of ordinary requests.

Work of a matter with a limit of time runs in a process of its own, one at a time for all workers of
a service (:mod:`engine.storage.worker_process`); other work runs on threads of its matter. Keys and
sessions are looked up on threads that nothing else takes.

The service imports no training library and keeps its cores for decisions: a backtest runs as the
command ``darvoza profiles backtest``, a measurement of drift as ``darvoza drift``, an assessment of
the data as ``darvoza quality``, each on the same home and store and with low priority.

Work of other threads is awaited on the event loop with one wake-up for all that is done together,
because every wake-up is a system call and a change of threads. Work is shared by all who asked for
it, so a caller that stops waiting does not cancel it.
"""

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from subprocess import CompletedProcess
from time import monotonic
from typing import Any, TypeVar

from engine.criteria.profiles.profile import BacktestSubject
from engine.errors import BusyError, NotEnoughDataError, TooCostlyError
from engine.storage.home import Home
from engine.storage.worker_process import hold_place, run_bounded, work_apart

Result = TypeVar("Result")

LONGEST_WAIT_SECONDS = 30.0
"""After which work is refused instead of begun: who asked for it may be gone."""
LOOK_UPS = 2
"""Keys and sessions that are looked up together; what waits is bounded by the connections."""
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the work of one matter may take."""

    what: str
    """One piece of it, as a refusal names it; also the name of its lock file."""
    at_once: int = 1
    waiting: int = 0
    most_bytes: int = 0
    """Of one piece; 0 where it is given no content."""
    seconds: int = 0
    """Until its process is killed; 0 where it runs on a thread, which nothing can end."""


SIGN_INS = Bounds("sign-in", waiting=8)
"""Passwords: each costs 64 MB and a core for a moment, and anybody may send one."""
SIGN_ONS = Bounds("sign-on", at_once=4, waiting=16)
"""People for whom the identity provider is asked."""
PARCELS = Bounds("parcel", waiting=8, most_bytes=12 * MEGABYTE)
"""Parcels of links: each may cost hundreds of megabytes."""
MESSAGES = Bounds("message", waiting=64, most_bytes=MEGABYTE // 4)
"""Standard messages, which a barrier waits for: few have more than a hundred kilobytes."""
LARGE_MESSAGES = Bounds("large message", waiting=3, most_bytes=24 * MEGABYTE, seconds=10)
"""Longer ones, from the first byte: each is held in memory until it is read."""
FILES = Bounds("file", waiting=8, most_bytes=32 * MEGABYTE, seconds=10)
"""Files of cases, from the first byte until the record stands."""
DOSSIERS = Bounds("dossier", waiting=8, most_bytes=8 * MEGABYTE, seconds=20)
"""Cases in words; photographs are read from the home, 24 MB of them."""
TEXTS = Bounds("text", waiting=8, most_bytes=MEGABYTE, seconds=10)
"""Old reports."""
CHECKS = Bounds("check", most_bytes=MEGABYTE, seconds=60)
"""Checks of the journal."""
BACKTESTS = Bounds("backtest", seconds=120)
MEASUREMENTS = Bounds("measurement", seconds=120)
"""Of drift."""
ASSESSMENTS = Bounds("assessment", seconds=120)
"""Of the quality of the data."""


class BoundedExecutor:
    """Runs the work of one matter within its bounds, for one event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self._most = bounds.at_once + bounds.waiting
        self._taken = 0
        self._threads = ThreadPoolExecutor(bounds.at_once, bounds.what)

    @property
    def is_full(self) -> bool:
        """Tell whether no more work may even wait."""
        return self._taken >= self._most

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold a place, to work or to wait; raises ``BusyError`` where none is free."""
        if self.is_full:
            raise BusyError(f"too many at once: {self.bounds.what}")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    async def do(self, work: Callable[..., Result], *given: object) -> Result:
        """Return what the work of a held place returns; raises ``BusyError`` if it waits long."""
        loop, asked = asyncio.get_running_loop(), monotonic()
        return await loop.run_in_executor(self._threads, self._begin, asked, work, given)

    def _begin(self, asked: float, work: Callable[..., Result], given: Sequence[object]) -> Result:
        if monotonic() - asked > LONGEST_WAIT_SECONDS:
            raise BusyError(f"too long a wait: {self.bounds.what}")
        return work(*given)

    async def run(self, work: Callable[..., Result], *given: object) -> Result:
        """Return what the work returns; raises ``BusyError`` where it cannot even wait."""
        with self.hold():
            return await self.do(work, *given)

    def close(self) -> None:
        """Finish the work that runs and drop what waits."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class SharedWork:
    """Work that is done once for all who ask for it while it runs. For one event loop."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Any]] = {}

    async def run(self, name: str, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return what the work of this name returns; a caller that leaves does not end it."""
        task = self._running.get(name)
        if task is None:
            task = self._running[name] = asyncio.create_task(work())
            task.add_done_callback(lambda _: self._running.pop(name))
        return await asyncio.shield(task)


class Executors:
    """The executors of a service."""

    def __init__(self) -> None:
        self.sign_in = BoundedExecutor(SIGN_INS)
        self.oidc = BoundedExecutor(SIGN_ONS)
        self.parcels = BoundedExecutor(PARCELS)
        self.messages = BoundedExecutor(MESSAGES)
        self.large_messages = BoundedExecutor(LARGE_MESSAGES)
        self.files = BoundedExecutor(FILES)
        self.dossiers = BoundedExecutor(DOSSIERS)
        self.texts = BoundedExecutor(TEXTS)
        self.checks = BoundedExecutor(CHECKS)
        self._look_ups = ThreadPoolExecutor(LOOK_UPS, "look-up")
        self._keys = SharedWork()

    async def look_up(self, work: Callable[..., Result], *given: object) -> Result:
        """Look a key or a session up."""
        return await asyncio.get_running_loop().run_in_executor(self._look_ups, work, *given)

    async def look_up_once(self, work: Callable[[str], Result], key: str) -> Result:
        """Look a key up; all requests that show it meanwhile wait for the one look-up."""
        return await self._keys.run(key, lambda: self.look_up(work, key))

    def close(self) -> None:
        """End all threads once their work is done."""
        for executor in vars(self).values():
            if isinstance(executor, BoundedExecutor):
                executor.close()
        self._look_ups.shutdown(wait=False, cancel_futures=True)


def run_apart(home: Home, bounds: Bounds, work: str, given: bytes) -> bytes:
    """Return what ``MODULE:FUNCTION`` makes of the home and some bytes, in a process of its own.

    Raises what the function raises, ``BusyError``, and ``TooCostlyError`` for too many bytes too.
    """
    if len(given) > bounds.most_bytes:
        raise TooCostlyError(bounds.what)
    what, seconds = bounds.what, bounds.seconds
    is_patient = bounds.waiting > 0
    return work_apart(home.root, work, given, kind=what, seconds=seconds, is_patient=is_patient)


def run_command(
    home: Home, bounds: Bounds, command: Sequence[str], *, given: bytes = b""
) -> "CompletedProcess[bytes]":
    """Run a command in a process of its own; raises ``BusyError``."""
    what, seconds = bounds.what, bounds.seconds
    with hold_place(home.root, what, is_patient=bounds.waiting > 0) as place:
        return run_bounded(command, what=what, seconds=seconds, place=place, given=given)


class LoopBridge:
    """Wakes the loop in which it is asked to."""

    def __init__(self) -> None:
        self._done: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._is_waking = False

    def wait(self, work: "Future[Result]") -> "asyncio.Future[Result]":
        """Return what will hold the result or the error of this work, on the running loop."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Result] = loop.create_future()

        def done(_: object) -> None:
            self._done.append((waiting, work))
            if not self._is_waking:
                self._is_waking = True
                with suppress(RuntimeError):  # the loop was closed: no caller waits any more
                    loop.call_soon_threadsafe(self._answer)

        work.add_done_callback(done)
        return waiting

    def _answer(self) -> None:
        self._is_waking = False  # before the look: what is done after it wakes the loop again
        while self._done:
            waiting, work = self._done.popleft()
            if waiting.done():  # the caller has gone
                continue
            error = work.exception()
            if error is None:
                waiting.set_result(work.result())
            else:
                waiting.set_exception(error)


REFUSED = "refused "
"""What the command line begins a refusal with."""
SHOWN_CHARACTERS, KEPT_CHARACTERS = 500, 64_000
"""How much of a command's standard error a caller sees, and how much the home keeps."""


class CommandJob:
    """Runs one command of ours at a time and reads its JSON."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def execute(
        self, bounds: Bounds, command: Sequence[str], options: Sequence[str], *, given: bytes = b""
    ) -> Any:
        """Run ``darvoza`` politely, with ``given`` as its standard input.

        Raises ``BusyError`` or ``NotEnoughDataError``.
        """
        what, home = bounds.what, str(self._home.root)
        whole = [sys.executable, "-m", "api", *command, "--home", home, "--json", "--polite"]
        done = run_command(self._home, bounds, [*whole, *options], given=given)
        if done.returncode:
            kept = self._home.root / f"{what}-error.log"
            text = done.stderr.decode("utf-8", "replace")
            with suppress(OSError):
                kept.write_text(text[-KEPT_CHARACTERS:], "utf-8")
                kept.chmod(0o600)
            why = read_refusal(text) or f"the command failed; {kept.name} in the home says how"
            raise NotEnoughDataError(f"the {what}", why)
        return json.loads(done.stdout)


def read_refusal(text: str) -> str:
    """Return why a command refused, by what it wrote to its standard error; empty if it did not.

    A fault of ours is not shown: its text may quote records.
    """
    _, _, sentence = text.rpartition(REFUSED)
    shown = sentence if REFUSED in text else ""
    return " ".join("".join(c if c.isprintable() else " " for c in shown).split())[
        :SHOWN_CHARACTERS
    ]


@dataclass(frozen=True, slots=True)
class TriedProfile:
    """The last profile that was tried out, and what came of it."""

    trial: BacktestSubject
    days: int
    figures: dict[str, Any]
    ended: float
    """By the monotonic clock, seconds."""


KEPT_SECONDS = 600.0
"""How long a proposal takes the figures of its trial, in place of a run of its own."""


class Backtests(CommandJob):
    """Runs one backtest at a time."""

    _tried: TriedProfile | None = None

    def try_out(self, trial: BacktestSubject, *, days: int) -> dict[str, Any]:
        """Run a backtest and keep its figures for the proposal; raises what :meth:`run` raises."""
        figures = self.run(trial, days=days)
        self._tried = TriedProfile(trial, days, figures, monotonic())
        return figures

    def run_once(self, trial: BacktestSubject, *, days: int) -> dict[str, Any]:
        """Return the figures of the last trial if it was of the same profile, else of a new run."""
        last = self._tried
        is_same = last is not None and (last.trial, last.days) == (trial, days)
        if last is not None and is_same and monotonic() - last.ended < KEPT_SECONDS:
            return last.figures
        return self.run(trial, days=days)

    def run(self, trial: BacktestSubject, *, days: int) -> dict[str, Any]:
        """Return the figures of :func:`models.evaluation.profile_backtest.profile_backtest`.

        Raises ``BusyError`` where another one runs or this one takes too long, and
        ``NotEnoughDataError`` where the command refused.
        """
        options = ["--days", str(days), "--channel", trial.channel]
        options += ["--percentage", repr(trial.percentage)]
        if trial.post is not None:
            options += ["--post", trial.post]
        if trial.tolerance is not None:
            options += ["--tolerance", repr(trial.tolerance)]
        for post, tolerance in trial.tolerances.items():
            options += ["--tolerance-at", f"{post}={tolerance!r}"]
        options += ["--", trial.expression]
        found: dict[str, Any] = self.execute(BACKTESTS, ["profiles", "backtest"], options)
        return found


class Measurements(CommandJob):
    """Measures drift, once at a time; recording it is the caller's."""

    def run(self, *, days: int) -> dict[str, Any]:
        """Return the figures of :func:`models.monitoring.drift_monitor.measure_drift`.

        Raises the same.
        """
        options = ["--days", str(days), "--unrecorded"]
        found: dict[str, Any] = self.execute(MEASUREMENTS, ["drift"], options)
        return found


class Assessments(CommandJob):
    """Assesses the quality of the data, once at a time; the command keeps it in the home."""

    def run(self) -> None:
        """Replace the last assessment; raises the same."""
        self.execute(ASSESSMENTS, ["quality"], ["--keep"])
