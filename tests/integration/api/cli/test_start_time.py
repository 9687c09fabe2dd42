"""A start leaves out what is not needed yet."""

import json
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter
from typer.testing import CliRunner

from api.app import FIRST, LateRoutes, create_app, load_late_routes
from api.cli.main import app as command_line
from api.http.answers import Answer, AnswerSchema
from api.site import PAGES, ROUTERS
from tests.support import bulk_folders as folders


def answers() -> list[object]:
    """What each route answers, by the document."""
    found = [route for router in ROUTERS for route in router.routes]
    return [route.response_model for route in found if isinstance(route, APIRoute)]


def test_no_answer_is_worked_out_before_the_document_is_asked_for() -> None:
    classes = [
        one
        for one in answers()
        if isinstance(one, type) and (is_dataclass(one) or issubclass(one, BaseModel))
    ]
    assert len(set(classes)) > 25
    for one in classes:
        assert issubclass(one, Answer | AnswerSchema), one
        assert not TypeAdapter(one).pydantic_complete


def test_an_answer_of_another_kind_is_worked_out_at_once() -> None:
    """Negative control: what does not inherit it is not put off."""

    class CompleteModel(BaseModel):
        value: int

    assert TypeAdapter(CompleteModel).pydantic_complete


def list_repeated(app: FastAPI, *routers: APIRouter) -> list[str]:
    """Return the paths of routes that an application works out again when it looks for them."""
    served = set(map(id, app.routes))
    made = (route for router in routers for route in router.routes)
    return [route.path for route in made if isinstance(route, APIRoute) and id(route) not in served]


def test_no_route_is_worked_out_twice() -> None:
    app = create_app()
    load_late_routes(app)
    assert list_repeated(app, *ROUTERS, *PAGES) == []


def test_an_included_route_is_worked_out_twice() -> None:
    """Negative control."""
    app = FastAPI()
    app.include_router(ROUTERS[0])
    assert len(list_repeated(app, ROUTERS[0])) == len(ROUTERS[0].routes)


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


def test_what_a_start_leaves_out_is_there_for_the_first_request_that_asks() -> None:
    app = create_app()
    assert list_repeated(app, *FIRST) == []
    assert isinstance(app.routes[-1], LateRoutes)
    client = TestClient(app.router)  # what is around it wants a running service
    assert client.get("/static/desk.css").status_code == 200
    assert not any(isinstance(one, LateRoutes) for one in app.routes)
    assert client.delete("/healthz").status_code == 405
    assert client.get("/v1/nothing").status_code == 404


def test_routes_that_are_not_loaded_are_not_found() -> None:
    """Negative control: nothing else serves them."""
    app = create_app()
    del app.routes[-1]
    assert TestClient(app.router).get("/static/desk.css").status_code == 404


HEAVY = {"sqlalchemy", "pydantic", "numpy", "fastapi", "cryptography", "rich.progress"}


def test_help_loads_the_commands_alone(start_state: dict[str, Any]) -> None:
    assert HEAVY & set(start_state["by_commands"]) == set()


def test_a_service_loads_what_help_does_without(start_state: dict[str, Any]) -> None:
    """Negative control: these names are those of what is imported."""
    assert HEAVY - {"rich.progress"} <= set(start_state["modules"])


def test_no_garbage_is_looked_for_among_what_a_command_imports(start_state: dict[str, Any]) -> None:
    assert start_state["is_enabled"]
    assert start_state["frozen"] > 10_000
