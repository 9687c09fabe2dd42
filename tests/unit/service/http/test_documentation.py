"""The pages on the service name every route, role, problem, setting and data gap."""

import re
from pathlib import Path
from typing import get_args

import pytest

from api.auth.permissions import MAY, OPEN
from api.http.problems import STATUS, TITLES
from api.service.metrics import Metrics
from api.service.settings import Settings
from api.service.structured_logging import ALLOWED
from api.web.labels import TABLES
from engine.domain.records import Arrival, DocumentField
from engine.explanation.facts import data_gaps
from tests.support.running_service import arrival

DOCS = Path(__file__).parents[4] / "docs"
PAGE = "".join((DOCS / f"{name}.md").read_text("utf-8") for name in ("api", "operations"))
ROWS = {line.split("|")[1].strip(): line for line in PAGE.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize("route", sorted({*MAY, *OPEN}), ids=" ".join)
def test_every_route_and_its_roles_are_documented(route: tuple[str, str]) -> None:
    row = ROWS[f"`{route[0]} {route[1]}`"]
    for role in MAY.get(route, ()):
        assert role in row


def test_every_problem_is_documented_with_its_status() -> None:
    for error, status in STATUS.items():
        name = error.__name__.removesuffix("Error")
        assert f"| {int(status)} |" in ROWS[f"`/problems/{name}`"]
    for title in ("Malformed", "MethodNotAllowed", "Internal"):
        assert title in TITLES.values() and f"`/problems/{title}`" in ROWS


def test_every_setting_is_documented_with_its_default() -> None:
    for name, field in Settings.model_fields.items():
        row = ROWS[f"`DARVOZA_{name.upper()}`"]
        shown, default = row.split("|")[2].strip(), field.default
        assert shown == default if isinstance(default, str) else float(shown) == float(default)


def test_every_data_gap_is_documented() -> None:
    """Of declarations ahead, whose codes begin with ``advance_``, the labels of pages name all."""
    absent = ("plate", "driver_ref", "carrier_id", "weighed_mass_kg")
    bare = arrival(
        3, **dict.fromkeys(absent), declaration_id="e-3", container_numbers=["TOO SHORT"]
    )
    short = arrival(1) | {"document_differences": get_args(DocumentField)}
    short["declaration"]["items"][0]["hs_code"] = "29"
    named = [Arrival.model_validate(body, strict=False) for body in (bare, short)]
    codes = {code for one in named for code in data_gaps(one, {}, is_stale=True)}
    assert codes == {code for code in TABLES["gap"] if not code.startswith("advance_")}
    for code in TABLES["gap"]:
        assert f"`{code}`" in PAGE


def test_every_metric_and_every_name_in_a_log_is_documented() -> None:
    page = (DOCS / "monitoring.md").read_text("utf-8")
    for family in Metrics().registry.collect():
        total = "_total" if family.type == "counter" else ""
        assert re.search(rf"`{family.name}{total}[`{{]", page), family.name
    for name in ALLOWED:
        assert f"`{name}`" in page


def test_every_test_that_threats_name_exists() -> None:
    page = (DOCS / "threats.md").read_text("utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`((?:[:,]\s+`test_\w+`)*)", page)
    assert len(named) > 50
    assert all(entry.count("`tests/") for entry in page.split("\nTests:\n")[1:])
    for path, test, further in named:
        text = (DOCS.parent / path).read_text("utf-8")
        for name in filter(None, (test, *re.findall(r"`(\w+)`", further))):
            assert f"def {name}(" in text, (path, name)
