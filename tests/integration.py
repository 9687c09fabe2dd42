"""Which tests ``make integration`` runs, and ``make test`` does not.

``make test`` shows every promise at small sizes in one process, on SQLite. ``make integration``
runs what needs more than that: a test that starts another process (a browser, a server of
PostgreSQL, an identity provider, a service that is killed, a command), and those that let whole
systems play. What a test is follows from its fixtures, its store or its folder; a test that starts
a process by itself, or reads every page of a core file, has the marker ``integration``. Nothing
else is listed; ``.ci/run`` runs both.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from os import getpid
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MARKER = "integration"
STARTING = frozenset({"browser", "cluster", "forker", "identity_provider", "training_home"})
"""Fixtures that start a process, or need one that does."""
SERVER = "postgresql"
"""A parameter of tests that run on both stores."""
WHOLE: Mapping[str, str] = {
    "browser/": "a real browser",
    "service/analysis/": "another engine, DuckDB",
    "service/attentions/": "two installations that exchange records",
    "service/audit/test_history_erasure.py": "histories that are loaded while a service runs",
    "service/audit/test_home_rebuild.py": "homes whose tables are made again from their journals",
    "service/audit/test_journal_history.py": "histories that are loaded while a service runs",
    "service/audit/test_network_change.py": "histories that are loaded while a service runs",
    "service/cases/test_dossier.py": "documents as they are printed",
    "service/cases/test_finds_to_dossiers.py": "documents as they are printed",
    "service/drift/": "weeks of a simulated network",
    "service/http/test_connection_limits.py": "a server on a port, and clients that stall",
    "service/http/test_csv_lists.py": "every list in each form and language, as its readers get it",
    "service/links/": "two installations that exchange records",
    "service/models/": "models that are trained, put into force, served and taken back",
    "service/service/test_backup.py": "homes that are copied while they serve",
    "service/web/": "pages, as their readers get them",
    "service/webhooks/": "receivers, which are servers of their own",
    "spark/": "a real Spark",
    "store/api/links/": "two installations that exchange records",
    "store/api/webhooks/": "receivers, which are servers of their own",
    "store/engine/declarations/test_declarations_at_size.py": "a simulated day of vehicles",
    "store/engine/links/": "two installations that exchange records",
    "unit/engine/selection/test_champion_challenger.py": "two models on a simulated network",
    "unit/engine/selection/test_champion_challenger_fairness.py": "two models on such a network",
    "unit/experiments/": "measuring tools, on networks that they make",
    "unit/features/offline/sql/": "another engine, DuckDB",
    "unit/features/offline/test_export.py": "files of whole histories",
    "unit/features/online/test_history_anchor.py": "histories that are loaded, by commands",
    "unit/features/partners/": "histories of two installations",
    "unit/features/seizure_reports/": "reports of many authors, read by the hundred",
    "unit/models/data/": "what trainings learn from",
    "unit/models/evaluation/": "whole reports about models",
    "unit/models/learning/": "learners, as trainings call them",
    "unit/models/monitoring/": "months of simulated networks",
    "unit/models/statistics/test_drift.py": "weeks of simulated networks",
    "unit/models/training/": "whole trainings, and MLflow",
    "unit/test_notebooks.py": "notebooks, from a folder of data to a model",
}
"""Beginnings of names of files with what is played there; each test below them is one."""
OF_PAGES = re.compile(r"service/\w+/test_\w*pages?\.py")
"""Files about pages next to what they show, as their readers get them."""
STARTS = frozenset(
    {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "fork_exec"}
)
"""Events of Python's audit hooks (PEP 578), and what pools of processes call, which has none."""
_ABOUT_THE_MACHINE = ["uname", "-p"]
"""What :func:`platform.uname` asks once in a process, for libraries that report it."""
_MAY_NEED = re.compile(rf"\b({'|'.join(sorted({*STARTING, SERVER, MARKER}))})\b|\bstore(_url)?: ")
_OF_THE_MODULE = re.compile(r"^pytestmark = .*\bmark\.integration\b", re.MULTILINE)


def is_integration(item: pytest.Item) -> bool:
    """Tell whether a collected test belongs to ``make integration``."""
    if item.get_closest_marker(MARKER) or is_whole(item.path):
        return True
    given = getattr(getattr(item, "callspec", None), "params", {})
    return SERVER in map(str, given.values()) or bool(STARTING & names_of(item))


def names_of(item: pytest.Item) -> frozenset[str]:
    """Return the names of all fixtures that a test needs."""
    return frozenset(getattr(item, "fixturenames", ()))


@cache
def is_whole(path: Path) -> bool:
    """Tell whether all tests of a file or folder are integration's, without an import."""
    name = path.relative_to(HERE).as_posix() + "/" * path.is_dir()
    if name.startswith(tuple(WHOLE)) or OF_PAGES.fullmatch(name):
        return True
    return path.suffix == ".py" and bool(_OF_THE_MODULE.search(path.read_text("utf-8")))


@cache
def may_hold(path: Path) -> bool:
    """Tell whether a file names anything that makes a test one of ``make integration``.

    What its folders share counts as its own. Each run without these tests compares it with what was
    collected, so a file that it overlooks fails that run.
    """
    if is_whole(path):
        return True
    shared = (folder / "conftest.py" for folder in path.parents if HERE in folder.parents)
    texts = (one.read_text("utf-8") for one in (path, *shared) if one.is_file())
    return any(_MAY_NEED.search(text) for text in texts)


def is_left_out(path: Path, markers: str) -> bool:
    """Tell whether a run of ``-m integration``, or of all others, needs nothing of a path."""
    if markers == f"not {MARKER}" and (path.is_dir() or path.name.startswith("test_")):
        return is_whole(path)
    if not (path.suffix == ".py" and path.name.startswith("test_")):
        return False
    return markers == MARKER and not may_hold(path)


def list_overlooked(items: Iterable[pytest.Item]) -> list[str]:
    """Return the files with marked tests that a run of ``make integration`` would not import."""
    marked = {item.path for item in items if MARKER in item.keywords}
    return sorted(path.name for path in marked if not may_hold(path))


class StartedProcesses:
    """Commands and forks of this process since they were last asked for."""

    def __init__(self) -> None:
        self._process = getpid()
        self._started: list[str] = []

    def watch(self) -> None:
        """Begin, for the life of this process."""

        def look(event: str, given: tuple[Any, ...]) -> None:
            if event in STARTS:  # millions are of another kind
                self.note(event, given)

        sys.addaudithook(look)
        module: Any = import_module("_posixsubprocess")
        start = module.fork_exec

        def fork_exec(*given: Any) -> Any:
            self.note("fork_exec", ("", given[0]))
            return start(*given)

        module.fork_exec = fork_exec

    def note(self, event: str, given: tuple[Any, ...]) -> None:
        """Note a start; a child that was forked inherits the hook and notes nothing."""
        if getpid() == self._process:
            command = given[1] if len(given) > 1 else ""
            if command != _ABOUT_THE_MACHINE:
                self._started.append(f"{event} {command}".strip())

    def take(self) -> list[str]:
        """Return what was started, once."""
        started, self._started = self._started, []
        return started


def refuse_start(report: pytest.TestReport, started: Iterable[str], *, is_marked: bool) -> None:
    """Fail a test that started a process and does not say so."""
    if report.passed and not is_marked and (listed := "; ".join(started)):
        report.outcome = "failed"
        report.longrepr = f"starts another process, so it needs the marker {MARKER}: {listed}"
