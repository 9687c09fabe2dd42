"""SQLite's file is read ahead whole, where it fits, and no lock on it is lost by that."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from engine.storage import files as module
from engine.storage.files import read_ahead

PART = 8 << 20
_WRITE = """
import sqlite3, sys
sqlite3.connect(sys.argv[1], timeout=0).execute("CREATE TABLE u (a)")
"""


@pytest.fixture(autouse=True)
def _least(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a small file be worth a process."""
    monkeypatch.setattr(module, "SMALLEST_READ_AHEAD", 1)


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Processes that would have been started."""
    found: list[object] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: found.append(command[-1]))
    return found


def test_a_file_that_fits_is_read(tmp_path: Path, processes: list[object]) -> None:
    (tmp_path / "a").write_bytes(b"1")
    read_ahead(tmp_path / "a")
    assert processes == [str(tmp_path / "a")]


def test_what_is_not_there_too_large_or_too_small_is_left(
    tmp_path: Path, processes: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_ahead(None)
    read_ahead(tmp_path / "a")
    monkeypatch.setattr(module, "MEMORY_PARTS", 1 << 62)
    (tmp_path / "a").write_bytes(b"1")
    read_ahead(tmp_path / "a")
    monkeypatch.setattr(module, "MEMORY_PARTS", 1)
    monkeypatch.setattr(module, "SMALLEST_READ_AHEAD", 2)
    read_ahead(tmp_path / "a")
    assert processes == []


def test_a_process_that_cannot_be_started_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError("no more processes")

    (tmp_path / "a").write_bytes(b"1")
    monkeypatch.setattr(subprocess, "run", refuse)
    read_ahead(tmp_path / "a")


def test_every_part_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[tuple[int, int]] = []
    with (tmp_path / "a").open("wb") as file:
        file.truncate(2 * PART + 1)
    monkeypatch.setattr(sys, "argv", ["-c", str(tmp_path / "a")])
    monkeypatch.setattr(os, "posix_fadvise", lambda _, at, size, how: parts.append((at, size)))
    exec(module._PROGRAM, {})  # noqa: S102
    assert parts == [(0, PART), (PART, PART), (2 * PART, PART)]
