"""Models at the desk: side by side, why one is refused, two people, the way back; and drift."""

import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.models import steps
from api.models.answers import ModelComparison, ModelStandings, ModelView
from api.service.executors import Measurements
from engine.domain.rights import Role
from engine.errors import NotEnoughDataError
from engine.storage.home import file_digest
from tests.integration.service.models.signed_bundles import JUDGED, register
from tests.support.people import Desk, at_desk
from tests.support.running_service import World, serving


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a home with bundles of papers; approving reads no model in them."""

    def verify_bundle(home: Any, _store: Any, version: str) -> Any:
        digest = file_digest(home.bundles / version / "manifest.json")
        return steps.VerifiedBundle(digest, JUDGED, fits=True)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(steps, "_verify_bundle", verify_bundle)
        yield from serving(tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="module")
def ann(world: World) -> Desk:
    return at_desk(world, "ann", Role.ANALYST)


@pytest.fixture(scope="module")
def bob(world: World) -> Desk:
    return at_desk(world, "bob")


@pytest.fixture(scope="module")
def cem(world: World) -> Desk:
    return at_desk(world, "cem")


def candidate(world: World, version: str, *, by: str = "ann", **more: Any) -> str:
    register(world.runtime.journal, world.home, version, by=by, **more)
    return f"/models/{version}"


def step(desk: Desk, path: str, what: str, page: str = "", **fields: str) -> Any:
    return desk.send(page or path, f"{path}/{what}", fields)


def test_two_people_put_it_into_force_and_one_takes_it_back(
    world: World, ann: Desk, bob: Desk, cem: Desk
) -> None:
    first, second = candidate(world, "m-a"), candidate(world, "m-b")
    own = ann.get(first).text
    assert "You trained it" in own and 'id="approve"' not in own
    assert step(ann, first, "approvals").status_code == 409
    assert step(ann, first, "shadow").status_code == 303
    for path in (first, second):
        assert "0 of 2 approvals" in bob.get(path).text
        assert step(bob, path, "approvals").status_code == 303
        assert "You approved it" in bob.get(path).text
        refused = step(bob, path, "approvals")
        assert refused.status_code == 409 and "what stands against it" in refused.text
        assert step(cem, path, "approvals").status_code == 303
    listed = world.get("/v1/models").json()
    TypeAdapter(ModelStandings).validate_python(listed)
    assert (listed["in_force"], listed["before"]) == ("m-b", "m-a")
    assert "put into force" in bob.get(second).text

    for to in ("rollback", "rules-only"):
        assert step(bob, "/models", to, reason="").status_code == 422
    assert step(bob, "/models", "rollback", reason="It flags empty trucks.").status_code == 303
    assert world.get("/v1/models").json()["in_force"] == "m-a"
    assert "It flags empty trucks." in bob.get(first).text
    assert step(ann, "/models", "rules-only", reason="The scale is off.").status_code == 303
    assert world.get("/v1/models").json()["in_force"] is None


def test_why_a_model_is_refused_stands_next_to_it(world: World, bob: Desk) -> None:
    candidate(world, "m-unjudged", evaluation="")
    candidate(world, "m-doubted", doubts=["The results entered at OYB look turned."])
    candidate(world, "m-blind", targets={}, cannot_tell=["Not yet knowable, too few finds."])
    candidate(world, "m-changed")
    card = world.home.bundles / "m-changed" / "card.json"
    card.write_text(card.read_text("utf-8").replace("crossings", "people"), "utf-8")
    text = bob.get("/models").text
    blind = "it could not be judged: Not yet knowable, too few finds."
    for why in ("no stored evaluation", "look turned", "card.json was changed", blind):
        assert why in text
    page = bob.get("/models/m-changed").text
    assert "refused" in page and 'id="approve"' not in page and "Ranks people" not in page
    assert bob.get("/models/m-changed/report").status_code == 503
    against = {one["version"]: one["against"] for one in world.get("/v1/models").json()["models"]}
    assert all(against[version] for version in ("m-unjudged", "m-doubted", "m-changed"))
    page = bob.get("/models/m-blind").text
    assert blind in page and 'id="approve"' not in page and 'id="challenge"' not in page


def test_a_process_that_refuses_what_is_in_force_says_so(
    world: World, bob: Desk, cem: Desk
) -> None:
    world.models.broken = frozenset({"m-broken"})
    path = candidate(world, "m-broken")
    for who in (bob, cem):
        assert step(who, path, "approvals").status_code == 303
    assert "refuses its bundle" not in bob.get("/models").text
    world.models.version = "m-broken"
    world.runtime.watch.look()
    assert world.get("/v1/models").json()["is_refused"] is True
    assert "m-broken is in force, but this process refuses its bundle" in bob.get("/models").text
    world.models.version = "m1"
    world.runtime.watch.look()
    step(bob, "/models", "rules-only", reason="It cannot be loaded.")


def test_every_figure_has_an_interval_a_population_and_says_it_is_made_up(
    world: World, bob: Desk
) -> None:
    one, other = candidate(world, "m-one"), candidate(world, "m-other")
    text = bob.get(f"/models/comparison?version={one[8:]}&version={other[8:]}").text
    answer = world.get("/v1/models/comparison?version=m-one&version=m-other").json()
    TypeAdapter(ModelComparison).validate_python(answer)
    cells = text.split("<td>")[1:]
    assert len(cells) == 2 * (2 * 3 * 5 + 2)
    for cell in cells:
        assert "between" in cell or 'class="unknown"' in cell or "mean over" in cell, cell
        assert "rows" in cell or "mean over" in cell, cell
    assert text.count('class="made-up"') == 4
    page = bob.get(one).text
    assert page.count('class="made-up"') >= 2
    TypeAdapter(ModelView).validate_python(world.get("/v1/models/m-one").json())
    many = "&".join(f"version=m-{n}" for n in range(4))
    assert bob.get(f"/models/comparison?{many}").status_code == 422
    assert bob.get("/models/m-none").status_code == 404


def test_a_report_is_drawn_by_us_and_a_stored_page_is_sealed(world: World, bob: Desk) -> None:
    path = candidate(world, "m-report")
    page = bob.get(f"{path}/report")
    assert page.status_code == 200 and len(page.content) < 150_000
    assert "<style" not in page.text and " style=" not in page.text
    assert page.text.count('<svg class="plot"') == 4 and "report.html" not in page.text
    assert world.get("/v1/models/m-report/report").json()["synthetic"] is True
    assert bob.get(f"{path}/report.html").status_code == 404
    kept = world.home.reports / "m-report" / "report.html"
    kept.parent.mkdir(parents=True)
    kept.write_text("<script>alert(1)</script>", "utf-8")
    sealed = bob.get(f"{path}/report.html")
    assert sealed.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert bob.get("/models/..%2F..%2Fkeys/report.html").status_code == 404


CALM: dict[str, Any] = {
    "weeks": 2, "evidence": 0.4, "threshold": 520.0, "alarmed": False, "stated": 0.21,
    "found": {"value": 0.2, "low": 0.11, "high": 0.32, "n": 60, "positives": 12,
              "knowable": True, "why": ""},
}  # fmt: skip
UNDRAWN: dict[str, Any] = CALM | {
    "stated": None,
    "found": {"value": None, "low": None, "high": None, "n": 0, "positives": 0,
              "knowable": False, "why": "nothing was counted"},
}  # fmt: skip
SCORE = {"psi": 0.3, "noise": 0.02, "moved": True, "above_cut": CALM["found"], "expected": 0.05}
FAMILY = {"family": "mirror", "features": 11, "moved": 2, "farthest": "mirror_days", "psi": 0.4,
          "noise": 0.02, "is_moved": True}  # fmt: skip
SMALL = {"rows": 12, "knowable": False, "families": [], "moved": None, "of": 185, "score": None,
         "picked": UNDRAWN, "random": UNDRAWN}  # fmt: skip
LARGE = {"rows": 900, "knowable": True, "families": [FAMILY], "moved": 2, "of": 185,
         "score": SCORE, "picked": CALM | {"alarmed": True}, "random": CALM}  # fmt: skip
MEASURED: dict[str, Any] = {
    "version": "m-one", "synthetic": True, "since": "2026-02-01T00:00:00Z",
    "until": "2026-03-01T00:00:00Z", "in_force_since": "2025-11-05T09:00:00Z",
    "decisions": 5000, "sampled": 912, "left_out": 3, "span_days": 27.5,
    "reference_rows": 40000, "all": LARGE,
    "largest_party": {
        "red": {"picks": 200, "kind": "consignee", "share": 0.63, "shifts": 40, "beyond": 12},
        "yellow": {"picks": 0, "kind": None, "share": None, "shifts": 0, "beyond": 0},
    },
    "posts": {"FOT": SMALL, "OYB": LARGE},
}  # fmt: skip
"""As ``darvoza drift`` answers; what it computes is tested where it is made."""


def test_a_measurement_runs_as_a_command_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(command)
        fault = b"Traceback: secret"
        return subprocess.CompletedProcess(command, len(asked) - 1, b'{"moved": 0}', fault)

    monkeypatch.setattr(subprocess, "run", run)
    measurements = Measurements(world.home)
    assert measurements.run(days=7) == {"moved": 0}
    assert asked[0][3:] == [
        "drift", "--home", str(world.home.root), "--json", "--polite",
        "--days", "7", "--unrecorded",
    ]  # fmt: skip
    with pytest.raises(NotEnoughDataError, match=r"measurement-error\.log in the home") as failed:
        measurements.run(days=7)
    assert "secret" not in str(failed.value)  # a fault of ours may quote records


def test_a_figure_of_a_model_is_the_same_on_every_page(world: World, ann: Desk) -> None:
    """Negative control: other figures in a report, and every page of it states them."""
    path, other = candidate(world, "m-figure"), candidate(world, "m-figure-2")
    compared = "/models/comparison?version=m-figure&version=m-figure-2"
    pages = ("/models", path, f"{path}/report", compared)
    assert all(state_figure(ann, path) in read_words(ann, page) for page in pages)
    changed = ann.get(f"/v1{other}/report").json()["targets"]
    found = changed["discrepancy"]["random_stream"]["hit_rate_at_capacity"]
    found |= {"positives": 7, "n": 29, "value": 7 / 29}
    found |= {"high": 0.45, "low": 0.1, "knowable": True}
    register(world.runtime.journal, world.home, "m-figure-3", by="ann", targets=changed)
    third = "/models/m-figure-3"
    pages = ("/models", third, f"{third}/report", compared.replace("figure-2", "figure-3"))
    stated = state_figure(ann, third)
    assert stated != state_figure(ann, path)
    assert all(stated in read_words(ann, page) for page in pages)
    assert stated not in read_words(ann, path)


def state_figure(desk: Desk, path: str) -> str:
    """Return how pages state the hits of the riskiest part, by random checks."""
    report = desk.get(f"/v1{path}/report").json()["targets"]["discrepancy"]
    figure = report["random_stream"]["hit_rate_at_capacity"]
    if figure["knowable"] and figure["positives"]:
        return f"{figure['value']:.1%}"
    return f"{figure['positives']:,} of {figure['n']:,}"


def read_words(desk: Desk, path: str) -> str:
    answer = desk.get(path)
    assert answer.status_code == 200, (path, answer.text)
    return " ".join(re.sub(r"<[^>]+>|\s+", " ", answer.text).split())
