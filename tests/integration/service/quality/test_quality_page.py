"""The page of data quality says what the command says, in every language, of the caller's posts."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from api.cli.main import app
from api.quality import QualityAnswer
from engine.audit.file_anchors import parse_network
from engine.domain.rights import Role
from experiments.analysis import data_quality
from experiments.analysis.data_quality import QualityReport, assess_quality
from tests.integration.experiments.analysis import test_data_quality as faulty
from tests.support.people import Desk, user
from tests.support.running_service import OTHER, POST, World

FAULTS = (
    faulty.skew_clock, faulty.stick_scale, faulty.double_feed, faulty.lose_seals,
    faulty.delay_records, faulty.send_unknown_codes,
)  # fmt: skip
KINDS = {"clock_skew", "stuck_field", "duplicate", "missing", "late", "unknown_code"}


@pytest.fixture(scope="module")
def report() -> QualityReport:
    """Assess data with every fault, each on the last day."""
    frames = faulty.make_frames()
    for fault in FAULTS:
        fault(frames)
    network = parse_network(faulty.NETWORK)
    return assess_quality(faulty.KnownFrames(frames), network)  # type: ignore[arg-type]


def run_quality(home: Path, *options: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["quality", "--home", str(home), "--json", *options])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def desk_of(world: World, name: str, role: Role, language: str = "en") -> Desk:
    desk = Desk(world)
    desk.sign_in(name, user(world, name, role))
    desk.client.cookies.set("darvoza_language", language)
    return desk


@pytest.fixture
def assessment(
    world: World, report: QualityReport, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Keep the assessment in the home, as the nightly timer does; return it."""
    posts = {"UZ-OYB": POST, "TJ-FOT": OTHER}
    given = QualityReport(
        [{**one, "post": posts[one["post"]]} for one in report.weeks],
        [replace(one, post=posts[one.post]) for one in report.findings],
    )
    monkeypatch.setattr(data_quality, "assess_quality", lambda *_: given)
    world.home.quality.unlink(missing_ok=True)
    unkept = run_quality(world.home.root)
    assert world.get("/v1/quality").json() == {"assessed": None}, "kept only where asked for"
    found = run_quality(world.home.root, "--keep")
    assert found["findings"] == unkept["findings"]
    return found


def test_the_page_shows_what_the_command_kept(world: World, assessment: dict[str, Any]) -> None:
    answer = world.get("/v1/quality", Role.ANALYST)
    TypeAdapter(QualityAnswer).validate_python(answer.json())
    assert answer.json()["assessed"] == assessment
    assert {one["kind"] for one in assessment["findings"]} >= KINDS
    ann = desk_of(world, "ann", Role.ANALYST)
    text = ann.get("/quality").text
    assert len(re.findall("data-finding=", text)) == len(assessment["findings"])
    stuck = next(one for one in assessment["findings"] if one["kind"] == "stuck_field")
    assert (
        f"{stuck['rows']} of {stuck['of']} values of weighed_mass_kg are one and the same" in text
    )
    asked = world.headers(Role.ANALYST, Accept="text/csv")
    lines = world.client.get("/v1/quality", headers=asked).text.splitlines()
    assert len(lines) == 1 + len(assessment["findings"])
    for bad in ("{", "[]", json.dumps({"findings": 3})):
        world.home.quality.write_text(bad, "utf-8")
        assert world.get("/v1/quality").json() == {"assessed": None}
    assert "darvoza quality --keep" in ann.get("/quality").text


def test_a_caller_has_the_command_assess_it(
    world: World, assessment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.home.quality.unlink()

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        asked = [word for word in command[3:] if word != "--polite"]  # this process keeps its own
        done = CliRunner().invoke(app, asked)
        return subprocess.CompletedProcess(command, done.exit_code, done.stdout_bytes, b"")

    monkeypatch.setattr(subprocess, "run", run)
    answer = world.post("/v1/quality/assessments", None, Role.ANALYST)
    assert answer.status_code == 200 and answer.json() == world.get("/v1/quality").json()
    assert answer.json()["assessed"]["findings"] == assessment["findings"]
    lee = desk_of(world, "lee", Role.SUPERVISOR)
    sent = lee.send("/quality", "/quality/assessments", {})
    assert sent.headers["location"] == "/quality?done=assessed"
    assert "It is recorded." in lee.get(sent.headers["location"]).text


def test_an_assessment_that_does_not_end_leaves_the_last_one(
    world: World, assessment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: what did not run is not said to have run."""

    def run(command: list[str], **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout=1.0)

    monkeypatch.setattr(subprocess, "run", run)
    assert world.post("/v1/quality/assessments", None, Role.ANALYST).status_code == 503
    assert world.get("/v1/quality").json()["assessed"] == assessment
    mia = desk_of(world, "mia", Role.INTEGRITY)
    sent = mia.send("/quality", "/quality/assessments", {})
    assert sent.headers["location"] == "/quality?done=busy"
    assert "could not be done now" in mia.get(sent.headers["location"]).text
