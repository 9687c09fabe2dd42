"""Commands in processes of their own: how fast they start, and what their caller is told."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from typer.testing import CliRunner

from api.cli.main import app as command_line
from api.service.executors import KEPT_CHARACTERS, SHOWN_CHARACTERS, Backtests
from api.site import ROUTERS
from engine.criteria.profiles.profile import BacktestSubject
from engine.errors import NotEnoughDataError
from engine.storage.home import Home
from tests.unit.features.intake import bulk_folders as folders

PLATE = "01A777BC"


def read_failure(home: Path, stderr: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is said where the command fails with these words."""

    def run(*words: Any, **options: Any) -> Any:
        return subprocess.CompletedProcess(words, 1, b"", stderr)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(NotEnoughDataError) as refused:
        Backtests(Home(home)).run(BacktestSubject("is_empty", "red", 100.0, None), days=7)
    return str(refused.value)


def test_a_refusal_is_passed_on_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = b"progress 1/2\nrefused the backtest: no crossing\n\x1b[31mis known \xff yet\n"
    result = read_failure(tmp_path, stderr, monkeypatch)
    assert (
        "no crossing [31mis known" in result and "\x1b" not in result and "progress" not in result
    )


def test_a_fault_is_kept_in_the_home_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = f"Traceback\n  ValueError: {PLATE}\n".encode()
    result = read_failure(tmp_path, stderr, monkeypatch)
    assert PLATE not in result and "backtest-error.log" in result
    kept = tmp_path / "backtest-error.log"
    assert PLATE in kept.read_text() and kept.stat().st_mode & 0o077 == 0


def test_both_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = read_failure(tmp_path, b"refused " + b"x" * 10**6, monkeypatch)
    assert len(result) < SHOWN_CHARACTERS + 100
    assert (tmp_path / "backtest-error.log").stat().st_size == KEPT_CHARACTERS


def test_a_real_command_that_refuses_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotEnoughDataError, match="not a home: it holds no store"):
        Backtests(Home(tmp_path)).run(BacktestSubject("is_empty", "red", 100.0, None), days=7)


def answers() -> list[object]:
    """What each route answers, by the document."""
    found = [route for router in ROUTERS for route in router.routes]
    return [route.response_model for route in found if isinstance(route, APIRoute)]


@pytest.fixture(scope="module")
def start_state() -> dict[str, Any]:
    """Import the commands, then the service, in a process of its own; return what it has then."""
    code = """
import gc, json, sys
import api.cli.main
known = {"is_enabled": gc.isenabled(), "frozen": gc.get_freeze_count()}
known["by_commands"] = sorted(sys.modules)
import api.app
api.app.create_app()
print(json.dumps(known | {"modules": sorted(sys.modules)}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_service_starts_without_what_few_requests_want(start_state: dict[str, Any]) -> None:
    """Pages and most routes load after it; messages, scipy, sign-on and dossiers at first use."""
    slow = {
        "api.site",
        "api.web.page_route",
        "jinja2",
        "babel",
        "api.models.routes",
        "api.acts.routes",
    }
    slow |= {"lxml", "features.messages", "scipy.special", "scipy.optimize", "numpy.testing"}
    slow |= {"authlib", "joserfc", "httpx2", "api.oidc.provider"}
    slow |= {"fpdf", "PIL", "fontTools"}
    slow |= {"duckdb", "pyarrow", "pandas", "sklearn", "skops", "mlflow", "matplotlib", "numba"}
    assert slow & set(start_state["modules"]) == set()


def test_a_service_of_a_loaded_home_starts_without_the_compiler(tmp_path: Path) -> None:
    """With a negative control: what it loads once it answers is the compiler, for its history."""
    folders.write(folders.clean(30), tmp_path / "in")
    asked = ["load", str(tmp_path / "in"), "--home", str(tmp_path / "home")]
    assert CliRunner().invoke(command_line, asked).exit_code == 0
    code = """
import sys
from pathlib import Path
from types import SimpleNamespace
from api.service.assembly import open_runtime
from api.service.settings import Settings
from engine.storage.home import Home
none = SimpleNamespace(wanted=lambda _: None, trial=lambda _: None, load=None, sentences=None)
runtime = open_runtime(Home(Path(sys.argv[1])), Settings(), none)
print("numba" in sys.modules)
runtime.prepare()
print("numba" in sys.modules)
runtime.close()
"""
    line = [sys.executable, "-c", code, str(tmp_path / "home")]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


HEAVY = {"sqlalchemy", "pydantic", "numpy", "fastapi", "cryptography", "rich.progress"}


def test_help_loads_the_commands_alone(start_state: dict[str, Any]) -> None:
    assert HEAVY & set(start_state["by_commands"]) == set()


def test_a_service_loads_what_help_does_without(start_state: dict[str, Any]) -> None:
    """Negative control: these names are those of what is imported."""
    assert HEAVY - {"rich.progress"} <= set(start_state["modules"])
