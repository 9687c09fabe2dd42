"""Folders of jobs in a home: the files of each, and how long they stay.

A folder holds what a job read and wrote: ``input`` (the files of a bulk folder), ``output.json``
and ``log.txt`` (what the command printed), ``progress.json``, and results. Files that were sent
hold rows of vehicles; they leave with a load that took them, and every folder leaves after a week.
"""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from engine.storage.home import Home

KEPT_DAYS: Final = 7
RESULTS: Final = ("quarantine.csv", "report.json", "scores.csv")
"""Files that a job may leave, and that are handed out."""
LONGEST_LOG: Final = 64_000
"""Characters that are shown."""
_TRACE = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The folder of one job."""

    path: Path

    @property
    def input(self) -> Path:
        """The files of a bulk folder, as they were sent."""
        return self.path / "input"

    @property
    def begun(self) -> Path:
        """Holds the number of the process; absent before it."""
        return self.path / "begun"

    @property
    def cancelled(self) -> Path:
        """Holds who cancelled the job; absent where nobody did."""
        return self.path / "cancelled"

    @property
    def output(self) -> Path:
        """What the command printed."""
        return self.path / "output.json"

    @property
    def log(self) -> Path:
        """What the command said meanwhile."""
        return self.path / "log.txt"

    @property
    def progress(self) -> Path:
        """Stage, how much is done, and of how much, as JSON."""
        return self.path / "progress.json"

    def read_log(self) -> str:
        """Return what the command said, without paths, or traces: they may quote records."""
        with suppress(OSError):
            text = self.log.read_text("utf-8", "replace").partition(_TRACE)[0]
            for folder in (self.path, self.path.parents[1]):
                text = text.replace(f"{folder}/", "")
            return text[-LONGEST_LOG:].strip()
        return ""

    def read_json(self, path: Path) -> dict[str, Any]:
        """Return what a file of the folder says, nothing where it is absent or broken."""
        with suppress(OSError, ValueError):
            found = json.loads(path.read_bytes())
            return found if isinstance(found, dict) else {}
        return {}

    def remove_input(self) -> None:
        """Remove the files that were sent: they hold rows of vehicles."""
        shutil.rmtree(self.input, ignore_errors=True)

    def list_results(self) -> list[str]:
        """Return the names of the files that may be taken."""
        return [name for name in RESULTS if _has_content(self.path / name)]


def _has_content(path: Path) -> bool:
    """Tell whether a file is there, and is no table without a row."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        return path.suffix != ".csv" or len(list(islice(file, 2))) > 1
    return False


def folder_of(home: Home, name: str) -> JobFolder:
    """Return the folder of a job; ``name`` is from a record."""
    return JobFolder(home.jobs / name)


def sweep_folders(home: Home, *, now: float | None = None) -> None:
    """Remove folders that nothing has changed for some days."""
    limit = (time.time() if now is None else now) - KEPT_DAYS * 24 * 3600
    for folder in _list_folders(home):
        with suppress(OSError):
            if folder.stat().st_mtime < limit:
                shutil.rmtree(folder)


def _list_folders(home: Home) -> Iterator[Path]:
    if home.jobs.is_dir():
        yield from (one for one in home.jobs.iterdir() if one.is_dir())
