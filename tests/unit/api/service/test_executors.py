"""Places of the matters whose work can be long."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from api.service import executors
from api.service.executors import (
    TEXTS,
    Assessments,
    Backtests,
    BoundedExecutor,
    Bounds,
    Executors,
    Measurements,
    run_apart,
)
from engine.criteria.profiles.profile import BacktestSubject
from engine.errors import BusyError, TooCostlyError
from engine.storage.home import Home
from engine.storage.worker_process import hold_place

SUBJECT = BacktestSubject("is_empty", "red", 100.0, None)


def test_every_declared_matter_has_places_and_a_bound() -> None:
    declared = [one for one in vars(executors).values() if isinstance(one, Bounds)]
    assert len({one.what for one in declared}) == len(declared) == 12
    for one in declared:
        assert one.at_once >= 1 and one.waiting <= 64
        if one.seconds:
            assert one.at_once == 1, "one process of a kind at a time"


def test_no_matter_takes_the_places_of_another() -> None:
    async def run() -> tuple[int, str]:
        own, door = Executors(), threading.Event()
        texts = [asyncio.create_task(own.texts.run(door.wait, 20)) for _ in range(40)]
        await asyncio.sleep(0)
        refused = sum(isinstance(one.exception(), BusyError) for one in texts if one.done())
        done = await asyncio.wait_for(own.files.run(lambda: "done"), 10)
        door.set()
        await asyncio.wait([one for one in texts if not one.done()])
        own.close()
        return refused, done

    assert asyncio.run(run()) == (40 - TEXTS.at_once - TEXTS.waiting, "done")


def test_work_that_has_waited_for_long_is_refused_and_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> list[str]:
        own = BoundedExecutor(TEXTS)
        done = await asyncio.gather(*(own.run(str) for _ in range(3)), return_exceptions=True)
        own.close()
        return [type(one).__name__ for one in done]

    assert asyncio.run(run()) == ["str"] * 3
    monkeypatch.setattr(executors, "LONGEST_WAIT_SECONDS", -1.0)
    assert asyncio.run(run()) == ["BusyError"] * 3


def test_work_of_too_many_bytes_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "work_apart", pytest.fail)
    with pytest.raises(TooCostlyError):
        run_apart(Home(tmp_path), TEXTS, "os:fsencode", b"x" * (TEXTS.most_bytes + 1))


def run_job(kind: type[Any], home: Path) -> Any:
    """Run a job as another worker of the service would."""
    made = kind(Home(home))
    options: dict[type[Any], Any] = {
        Backtests: lambda: made.run(SUBJECT, days=7),
        Measurements: lambda: made.run(days=7),
        Assessments: made.run,
    }
    return options[kind]()


@pytest.mark.parametrize("kind", [Backtests, Measurements, Assessments])
def test_one_job_of_a_kind_runs_for_all_workers_of_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Any]
) -> None:
    """With a seeded bug: places of each worker alone."""
    begun: list[bool] = []

    def run(command: list[str], **_: object) -> CompletedProcess[bytes]:
        begun.append(True)
        if len(begun) == 1:  # while it runs, another worker is asked for the same
            with suppress(BusyError):
                run_job(kind, tmp_path)
        return CompletedProcess(command, 0, b"{}", b"")

    def count() -> int:
        begun.clear()
        run_job(kind, tmp_path)
        return len(begun)

    @contextmanager
    def hold_own(root: Path, kind: str, *, is_patient: bool) -> Iterator[object]:
        with hold_place(root, f"{kind}-{len(begun)}", is_patient=is_patient) as place:
            yield place

    monkeypatch.setattr(executors, "run_bounded", run)
    assert count() == 1
    monkeypatch.setattr(executors, "hold_place", hold_own)
    assert count() == 2
