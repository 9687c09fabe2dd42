"""A start leaves out what is not needed yet."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from typer.testing import CliRunner

from api.cli.main import app as command_line
from api.site import ROUTERS
from tests.unit.features.intake import bulk_folders as folders


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
