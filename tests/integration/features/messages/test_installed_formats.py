"""A format of a package that is built, installed and used; broken ones beside it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.unit.features.messages.test_messages import read_example

ROOT = Path(__file__).parents[4]
UV = ROOT / ".tools" / "bin" / "uv"
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
DOCUMENT, MODULE = read_example()
ASYCUDA = ROOT / "docs" / "samples" / "messages" / "asycuda.xml"
PROJECT = """[project]
name = "{name}-format"
version = "1.0"

[project.entry-points."darvoza.formats"]
{name} = "{name}:FORMAT"

[build-system]
requires = ["uv_build>=0.9,<0.15"]
build-backend = "uv_build"

[tool.uv.build-backend]
module-root = ""
module-name = "{name}"
"""
PACKAGES = {
    "waybill": MODULE,
    "broken": f"import nothing_of_this_name\n{MODULE}",
    "thief": MODULE.replace('("urn:example:waybill", "Waybill")', '("", "ASYCUDA")').replace(
        'name="waybill"', 'name="thief"'
    ),
}
RULES = {"waybill": None, "broken": "not_loaded", "thief": "root_taken"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a wheel of each package, and install all into a folder."""
    folder = tmp_path_factory.mktemp("packages")
    for name, module in PACKAGES.items():
        source = folder / name
        (source / name).mkdir(parents=True)
        (source / "pyproject.toml").write_text(PROJECT.format(name=name))
        (source / name / "__init__.py").write_text(module)
        run_uv("build", "--wheel", "--out-dir", str(folder / "wheels"), str(source))
    wheels = sorted(map(str, (folder / "wheels").glob("*.whl")))
    run_uv("pip", "install", "--no-deps", "--target", str(folder / "installed"), *wheels)
    return folder / "installed"


def run_uv(*words: str) -> None:
    """Run uv without a network."""
    known = os.environ | {"UV_OFFLINE": "true"}
    known |= {"VIRTUAL_ENV": str(Path(sys.executable).parents[1])}
    subprocess.run([UV, *words, "--quiet"], env=known, check=True)


def environment(installed: Path, home: Path) -> dict[str, str]:
    path = os.pathsep.join([str(installed), str(ROOT)])
    return os.environ | {"PYTHONPATH": path, "DARVOZA_HOME": str(home)}


def run(installed: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api", *words],
        env=environment(installed, home),
        capture_output=True,
        text=True,
        check=False,
    )


def write_folder(folder: Path) -> Path:
    """Write a folder of messages: one document and its crossing."""
    folder.mkdir()
    (folder / "waybill.xml").write_bytes(DOCUMENT)
    (folder / "crossings.csv").write_text(
        "document,crossing_id,post,direction,arrived_at,vehicle_class\n"
        "waybill.xml,w-1,OYB,entry,2026-09-16T11:00:00Z,truck\n"
    )
    return folder


def test_commands_read_it_and_name_the_others(installed: Path, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", write_folder(tmp_path / "folder")
    listed = run(installed, home, "formats", "--json")
    found = {one["format"]: one for one in json.loads(listed.stdout)["formats"]}
    assert listed.returncode == 1
    assert {name: found[name]["rule"] for name in PACKAGES} == RULES
    assert all(found[name]["package"] == f"{name}-format 1.0" for name in PACKAGES)
    assert "No module named 'nothing_of_this_name'" in found["broken"]["why"]
    shown = run(installed, home, "formats", "waybill")
    assert "- crossing.`plate`: " in shown.stdout and shown.returncode == 0

    translated = run(installed, home, "translate", str(folder), "--out", str(tmp_path / "out"))
    assert translated.returncode == 0, translated.stderr
    (line,) = map(json.loads, (tmp_path / "out" / "records.jsonl").read_text().splitlines())
    assert (line["format"], line["status"], line["unread"]) == (
        "waybill",
        "accepted",
        {"Line/Colour": 1},
    )
    assert line["declaration"]["items"] == [
        {"item_no": 1, "hs_code": "110100", "net_mass_kg": 20400.0}
    ]
    loaded = run(installed, home, "load", str(folder), "--format", "waybill", "--json")
    assert loaded.returncode == 0, loaded.stderr
    assert json.loads(loaded.stdout)["accepted"] == {"crossings.csv": 1, "documents": 1}
    refused = run(installed, home, "load", str(folder), "--format", "broken")
    assert refused.returncode == 1
    assert "this format of broken-format 1.0 is not read: not_loaded" in refused.stderr


def test_a_service_starts_reads_it_and_logs_the_others(installed: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = ("keys", "create", "--role", "checkpoint", "--post", "OYB", "--json")
    made = run(installed, home, *words)
    assert made.returncode == 0, made.stderr
    bearer = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
    serve = [sys.executable, "-m", "api", "serve", "--port", "0"]
    known = environment(installed, home)
    lines: list[str] = []
    with subprocess.Popen(serve, env=known, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            address = next(filter(None, map(ADDRESS.search, process.stderr)))[0]
            with httpx2.Client(base_url=address, timeout=60, headers=bearer) as client:
                for number, data in enumerate((DOCUMENT, ASYCUDA.read_bytes())):
                    at = {"crossing_id": f"w-{number}", "post": "OYB", "direction": "entry"}
                    at |= {"arrived_at": "2026-10-14T06:55:00Z", "vehicle_class": "truck"}
                    answer = client.post(
                        "/v1/decisions",
                        content=data,
                        params=at,
                        headers={"Content-Type": "application/xml"},
                    )
                    assert answer.status_code == 201, answer.text
                    assert "-format 1.0" not in answer.text
                assert client.get("/v1/jobs").status_code == 403
            for line in process.stderr:
                lines += [line] if '"event": "format_' in line else []
                if len(lines) == len(PACKAGES):
                    break
        finally:
            process.terminate()
    said = {one["kind"]: (one["event"], one.get("why")) for one in map(json.loads, lines)}
    assert said == {
        f"{name} ({name}-format 1.0)": ("format_refused" if rule else "format_added", rule)
        for name, rule in RULES.items()
    }
