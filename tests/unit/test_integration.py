"""A test that starts a process is one of ``make integration``, and none of them is overlooked."""

import _posixsubprocess
import os
import subprocess
from multiprocessing import util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.integration import (
    HERE,
    MARKER,
    WHOLE,
    StartedProcesses,
    is_integration,
    is_left_out,
    is_whole,
    list_overlooked,
    may_hold,
    refuse_start,
)

CORE = (
    "service/audit/test_decision_replay.py",
    "service/auth/test_agency_matrix.py",
    "service/auth/test_refusals.py",
    "service/decisions/test_checkpoint_view.py",
    "store/api/migrations/test_migrations.py",
    "store/engine/audit/test_verification.py",
    "store/engine/journal/test_journal.py",
    "store/features/online/test_parity_replay.py",
    "unit/engine/journal/test_receipts.py",
    "unit/engine/links/test_envelope.py",
    "unit/engine/selection/test_propensity.py",
    "unit/engine/selection/test_randomization.py",
    "unit/features/offline/test_leakage.py",
    "unit/models/bundle/test_bundle.py",
)
"""The safety promises: a journal that shows edits, exact reads, chances, signatures, rights."""
PARTS = HERE / "unit" / "test_integration.py"


def make_item(*fixtures: str, path: Path = PARTS, marker: str = "", **params: str) -> Any:
    return SimpleNamespace(
        path=path,
        fixturenames=fixtures,
        callspec=SimpleNamespace(params=params),
        get_closest_marker=lambda name: name == marker or None,
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (make_item("tmp_path"), False),
        (make_item("tmp_path", "forker"), True),
        (make_item("store", store_url="sqlite"), False),
        (make_item("store", store_url="postgresql"), True),
        (make_item(marker=MARKER), True),
        (make_item(path=HERE / "browser" / "test_forms.py"), True),
        (make_item(path=HERE / "service" / "queue" / "test_queue_page.py"), True),
        (make_item(path=HERE / "service" / "queue" / "test_takings.py"), False),
    ],
)
def test_fixtures_store_folder_or_marker_tell(item: Any, expected: bool) -> None:
    assert is_integration(item) is expected


def test_every_folder_is_there_and_says_why() -> None:
    assert all((HERE / name).exists() and why for name, why in WHOLE.items())


@pytest.mark.parametrize("name", CORE)
def test_every_change_shows_the_core_in_one_process(name: str) -> None:
    assert (HERE / name).is_file()
    assert not is_left_out(HERE / name, f"not {MARKER}")


def test_a_file_whose_tests_are_all_left_out_is_not_imported() -> None:
    whole = HERE / "store" / "features" / "online" / "test_parity_processes.py"
    assert is_whole(whole) and is_left_out(whole, f"not {MARKER}")
    assert not is_left_out(whole, MARKER) and not is_left_out(whole, "")
    assert is_left_out(HERE / "browser", f"not {MARKER}")
    assert not is_left_out(HERE / "unit", f"not {MARKER}")
    mixed = HERE / "unit" / "features" / "intake" / "test_load.py"
    assert not is_whole(mixed) and may_hold(mixed)
    plain = HERE / "unit" / "test_maps.py"
    assert not may_hold(plain) and is_left_out(plain, MARKER)
    assert not is_left_out(plain, f"not {MARKER}")


def test_a_file_that_names_nothing_of_the_kind_is_overlooked() -> None:
    """Negative control: a marker that came in by another way than those that are looked for."""
    plain, named = HERE / "unit" / "test_maps.py", HERE / "unit" / "test_notebooks.py"
    items: list[Any] = [SimpleNamespace(path=one, keywords={MARKER}) for one in (plain, named)]
    assert list_overlooked(items) == ["test_maps.py"]
    assert list_overlooked(items[1:]) == []


def test_what_a_change_must_pass_runs_both() -> None:
    """Between them the two expressions select every test."""
    commands = (HERE.parent / ".ci" / "run").read_text("utf-8").splitlines()
    makefile = (HERE.parent / "Makefile").read_text("utf-8")
    for target, markers in (("test", f'"not {MARKER}"'), ("integration", MARKER)):
        assert f"make {target}" in commands
        assert f"\n{target}: $(READY)" in makefile
        assert f"-m pytest $(WORKERS) -m {markers} $(ARGS)" in makefile


@pytest.mark.integration
def test_a_start_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command, and a worker of a pool as :mod:`multiprocessing` starts it."""
    started = StartedProcesses()
    monkeypatch.setattr(_posixsubprocess, "fork_exec", _posixsubprocess.fork_exec)
    started.watch()
    subprocess.run(["true"], check=True)
    os.waitpid(util.spawnv_passfds(b"/bin/true", ["true"], ()), 0)
    events = [one.partition(" ")[0] for one in started.take()]
    assert events == ["subprocess.Popen", "fork_exec"]
    assert started.take() == []


@pytest.mark.parametrize(
    ("started", "is_marked", "outcome"),
    [([], False, "passed"), (["os.fork"], True, "passed"), (["os.fork"], False, "failed")],
)
def test_a_start_without_the_marker_fails(
    started: list[str], is_marked: bool, outcome: str
) -> None:
    """Negative control."""
    report: Any = SimpleNamespace(passed=True, outcome="passed", longrepr=None)
    refuse_start(report, started, is_marked=is_marked)
    assert report.outcome == outcome
    assert outcome == "passed" or MARKER in report.longrepr


def test_a_child_that_was_forked_notes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    started = StartedProcesses()
    monkeypatch.setattr("tests.integration.getpid", lambda: 0)
    started.note("os.fork", ())
    assert started.take() == []


def test_a_question_about_the_machine_is_no_start() -> None:
    started = StartedProcesses()
    for command in (["uname", "-p"], ["uname", "-a"]):
        started.note("subprocess.Popen", ("uname", command, None, None))
    assert started.take() == ["subprocess.Popen ['uname', '-a']"]
