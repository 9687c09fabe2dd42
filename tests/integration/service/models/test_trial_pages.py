"""A trial at the desk: put on by two, read in four languages with its share and counts, ended."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import TypeAdapter

from api.models import steps
from api.models.answers import ModelView
from engine.domain.rights import Role
from engine.storage.home import file_digest
from models.lifecycle.states import find_trial
from models.monitoring.trials import measure_trial, measurement
from tests.integration.service.models.signed_bundles import JUDGED
from tests.integration.service.models.test_model_pages import candidate, step
from tests.support.people import Desk, at_desk
from tests.support.running_service import World, serving

TITLES = {
    "en": "Champion and challenger",
    "ru": "Действующая модель и претендент",
    "uz": "Amaldagi model va daʼvogar",
    "tg": "Модели амалкунанда ва довталаб",
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve a home of this test's own, with bundles of papers; approving reads no model in them."""

    def verify_bundle(home: Any, _store: Any, version: str) -> Any:
        digest = file_digest(home.bundles / version / "manifest.json")
        return steps.VerifiedBundle(digest, JUDGED, fits=True)

    monkeypatch.setattr(steps, "_verify_bundle", verify_bundle)
    yield from serving(tmp_path / "papers")


def record_measurement(world: World, **figures: Any) -> None:
    """Record a measurement of the trial that says this."""
    with world.runtime.store.read() as connection:
        running = find_trial(connection)
        assert running is not None
        now = world.runtime.journal.head(connection).as_of
        found = measure_trial(connection, running, now=now)
    world.runtime.journal.append([measurement(cast("Any", {**found, **figures}), by="every-night")])


def begun(world: World) -> tuple[Desk, Desk]:
    """Let two people put m-new on trial next to m-old, from its page."""
    ann, bob, cem = (at_desk(world, name, Role.ANALYST) for name in ("ann", "bob", "cem"))
    old, new = candidate(world, "m-old"), candidate(world, "m-new")
    assert 'id="challenge"' not in ann.get(new).text, "she trained it"
    refused = step(bob, new, "challenges")
    assert refused.status_code == 409, "nothing to challenge"
    for desk in (bob, cem):
        assert step(desk, old, "approvals").status_code == 303
    for desk in (bob, cem):
        assert 'id="challenge"' in desk.get(new).text
        assert step(desk, new, "challenges").status_code == 303
        assert 'id="challenge"' not in desk.get(new).text
        assert step(desk, new, "challenges").status_code == 409
    return bob, cem


def test_a_trial_stands_on_both_pages_with_its_share_and_counts(world: World) -> None:
    bob, _ = begun(world)
    assert "not yet knowable" in bob.get("/models/m-new").text
    sides = {
        "champion": {"sent": 71, "searched": 66, "found": 4},
        "challenger": {"sent": 58, "searched": 53, "found": 19},
    }
    record_measurement(world, sides=sides, better=0.97, share=0.9)
    for version in ("m-old", "m-new"):
        TypeAdapter(ModelView).validate_python(world.get(f"/v1/models/{version}").json())
        for code, title in TITLES.items():
            bob.get(f"/language/{code}?back=/")
            text = bob.get(f"/models/{version}").text
            for value in (title, ">71<", ">66<", ">58<", ">53<", ">19<", "m-new", "m-old"):
                assert value in text, (version, code, value)
    bob.get("/language/en?back=/")
    page = bob.get("/models/m-new").text
    assert "the challenger decides on 90" in page and "not yet knowable" in page
    record_measurement(world, sides=sides, better=0.995, share=0.9, winner="challenger")
    assert "two people may put it into force" in bob.get("/models/m-new").text
    record_measurement(world, sides=sides, better=0.005, share=0.1, winner="champion")
    assert "the model in force finds more" in bob.get("/models/m-new").text
    assert "trial measured" in at_desk(world, "dan", Role.INTEGRITY).get("/journal").text


def test_one_person_ends_it_with_a_reason(world: World) -> None:
    bob, cem = begun(world)
    assert "on trial" in cem.get("/models").text
    assert step(cem, "/models", "end-trial", reason="").status_code == 422
    assert step(cem, "/models", "end-trial", reason="It finds less.").status_code == 303
    assert "It finds less." in bob.get("/models/m-new").text
    assert TITLES["en"] not in bob.get("/models/m-new").text
    assert 'id="end-trial"' not in bob.get("/models").text
    assert world.get("/v1/models").json()["challenger"] is None
