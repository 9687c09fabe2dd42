"""Pages of a training home: picks, debriefings, figures, certificates; never a live home."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pypdf import PdfReader
from starlette.testclient import TestClient
from typer.testing import CliRunner

from api.auth.accounts import Accounts
from api.cli.main import app
from api.exercises.certificates import (
    Certificate,
    find_certificate,
    make_certificate,
    read_public_key,
    read_signed,
    sign_certificate,
    verify_signed,
    write_certificate,
)
from api.exercises.desk import ExerciseRuntime, default_truth
from api.exercises.service import create_exercise_app, open_exercise_runtime
from api.web.i18n import LANGUAGES, ReaderLocale
from engine.audit.file_anchors import open_network
from engine.audit.verification import verify
from engine.domain.rights import Role
from engine.errors import (
    ConflictError,
    HomeError,
    InputError,
    NotAllowedError,
    NotFoundError,
    RecordError,
)
from engine.journal import journal as journal_module
from engine.journal.journal import Journal
from engine.journal.receipts import Signer
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE
from tests.integration.api.training.training_exercises import CANARY
from tests.support.people import Desk
from tests.support.running_service import CHEAP, World
from tests.unit.service.cases.sample_files import report

BANNER = {
    "en": "nothing of it reaches a live service",
    "ru": "ничто отсюда не попадает в рабочую систему",
    "uz": "hech narsa ish tizimiga oʻtmaydi",
    "tg": "ба низоми корӣ намегузарад",
}
PLACE = re.compile(r'<option value="([a-z_]+\.[a-z_]+)"')
WRONG = re.compile(r'<div class="alert" id="wrong".*?</div>', re.DOTALL)


@pytest.fixture(scope="module")
def service(training_home: Path) -> Iterator[TestClient]:
    made = create_exercise_app(lambda: open_exercise_runtime(training_home))
    with TestClient(made, follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="module")
def runtime(service: TestClient) -> ExerciseRuntime:
    found: ExerciseRuntime = service.app.state.runtime  # type: ignore[attr-defined]
    return found


def enter(service: TestClient, name: str, role: Role = Role.SUPERVISOR) -> Desk:
    """Return the desk of a new person of a training home."""
    return enter_with_password(service, name, role)[0]


def enter_with_password(
    service: TestClient, name: str, role: Role = Role.SUPERVISOR
) -> tuple[Desk, str]:
    """Return the desk of a new person, and their password."""
    found: ExerciseRuntime = service.app.state.runtime  # type: ignore[attr-defined]
    with patch("api.auth.credentials._HASHER", CHEAP):
        secret = (
            Accounts(found.store, open_network(found.home, found.store))
            .create_user(name, role)
            .secret
        )
        desk = Desk(cast("World", SimpleNamespace(client=service)))
        assert desk.sign_in(name, secret).status_code == 303
    return desk, secret


def list_vehicles(desk: Desk, exercise: str = "shift-1") -> list[str]:
    shown = desk.get(f"/exercises/{exercise}").text
    return list(dict.fromkeys(re.findall(rf'href="(/exercises/{exercise}/vehicles/[^"]+)"', shown)))


def pick(desk: Desk, where: str, **fields: str) -> Any:
    return desk.send(where, where, fields)


def close(desk: Desk, exercise: str) -> None:
    done = desk.send(f"/exercises/{exercise}", f"/exercises/{exercise}/close", {"sure": "yes"})
    assert done.headers["location"] == f"/exercises/{exercise}/debriefing"


def test_every_page_says_that_it_is_training(service: TestClient) -> None:
    desk = enter(service, "reader")
    paths = ["/", "/skill", "/exercises/shift-1", list_vehicles(desk)[0], "/none", "/figures"]
    paths += ["/account"]
    for language in LANGUAGES:
        desk.get(f"/language/{language}")
        for path in paths:
            shown = desk.get(path, accept="text/html").text
            assert BANNER[language] in shown, (language, path)
            for live in ('href="/cases"', 'href="/posts', "/v1/", "<script>"):
                assert live not in shown
    away = Desk(cast("World", SimpleNamespace(client=service)))
    assert BANNER["en"] in away.get("/login").text
    assert away.get("/").headers["location"].startswith("/login")


def test_picks_are_made_in_a_form_and_are_final(
    service: TestClient, runtime: ExerciseRuntime
) -> None:
    desk = enter(service, "picker")
    first, second, third, *_ = list_vehicles(desk)
    for fields, words in (
        ({}, "Fill in this field"),
        ({"place-1": "cab.cellar"}, "Choose from the list"),
        ({"place-1": "papers", "place-2": "papers"}, "was used before"),
        ({"place-1": "papers", "minutes-1": "9999"}, "too large"),
        ({"place-1": "papers", "minutes-1": "0"}, "above zero"),
        ({"place-1": "papers", "minutes-1": "much"}, "in digits"),
    ):
        refused = pick(desk, first, **fields)
        assert refused.status_code == 422
        assert words in WRONG.findall(refused.text)[0]
    place = PLACE.findall(desk.get(first).text)[0]
    done = pick(desk, first, **{"place-1": place, "place-2": "papers", "minutes-2": "12"})
    assert done.status_code == 303, done.text
    again = desk.client.post(first, data={"form_token": "0" * 64})
    assert again.status_code == 403
    assert "a pick is final" in desk.get(first).text
    assert pick(desk, second, **{"place-1": "papers"}).status_code == 303
    [one, two] = runtime.desk.read_attempt("shift-1", "picker").picks
    assert [name for name, _ in one.places] == [place, "papers"]
    assert one.places[1][1] == 12.0 and two.places == (("papers", 10.0),)
    exercise = runtime.desk.read_exercise("shift-1")
    left = exercise.minutes - one.minutes - two.minutes
    too_long = {"place-1": "papers", "minutes-1": str(exercise.minutes)}
    refused = pick(desk, third, **too_long)
    assert refused.status_code == 422 and "than are left" in WRONG.findall(refused.text)[0]
    assert f"{left:g} of" in desk.get("/exercises/shift-1").text.replace(",", "")
    other = enter(service, "other-picker").get("/exercises/shift-1").text
    assert f"{exercise.minutes:g} of" in other.replace(",", "")


def test_the_truth_is_shown_once_the_exercise_is_closed(
    service: TestClient, runtime: ExerciseRuntime, training_home: Path
) -> None:
    desk = enter(service, "learner")
    truth = json.loads((default_truth(training_home) / "shift-1.json").read_bytes())["answers"]
    hidden = {name: one for name, one in truth.items() if one["place"] or one["wrong"]}
    before = {path.rpartition("/")[2]: desk.get(path).text for path in list_vehicles(desk)}
    cases = {one.crossing_id: one for one in runtime.desk.read_exercise("shift-1").cases}
    for one in truth.values():  # of what is hidden, some exercises give no reasons at all
        for reason in one["reasons"]:
            shown = [name for name, page in before.items() if reason["text"] in page]
            # A check digit that fails is a gap of its vehicle, which its page shows.
            assert all(reason["code"] in cases[name].gaps for name in shown)
    assert desk.get("/exercises/shift-1/debriefing").status_code == 403
    wanted = {known: one["place"] or "papers" for known, one in hidden.items()}
    # A post without a scanner offers no search of an axle.
    known, place = next(one for one in wanted.items() if one[1] in cases[one[0]].places)
    where = f"/exercises/shift-1/vehicles/{known}"
    assert pick(desk, where, **{"place-1": place}).status_code == 303
    unsure = desk.send("/exercises/shift-1", "/exercises/shift-1/close", {})
    assert "done=unsure" in unsure.headers["location"]
    close(desk, "shift-1")
    assert pick(desk, list_vehicles(desk)[0], **{"place-1": "papers"}).status_code in (409, 403)
    found = runtime.desk.debrief("shift-1", "learner")
    assert found["finds"]["trainee"]["value"] == 1.0
    shown = desk.get("/exercises/shift-1/debriefing").text
    for name in ("trainee", "engine", "chance", "best"):
        assert ReaderLocale("en", 0).number(found["finds"][name]["value"], 1) in shown
    assert shown.count("not picked") == len(hidden) - 1
    for language, words in (("ru", "Что вы пропустили"), ("tg", "Чиро аз даст додед")):
        desk.get(f"/language/{language}")
        translated = desk.get("/exercises/shift-1/debriefing").text
        assert words in translated and 'lang="en"' not in translated.partition("<main")[2]
    assert desk.get("/skill").status_code == 200


def finish_course(desk: Desk) -> None:
    for exercise in ("shift-1", "shift-2"):
        for where in list_vehicles(desk, exercise)[:2]:
            assert pick(desk, where, **{"place-1": "papers"}).status_code == 303
        close(desk, exercise)


def test_who_runs_the_programme_sees_all_figures_and_checks_certificates(
    service: TestClient, runtime: ExerciseRuntime
) -> None:
    trainee = enter(service, "course-1")
    assert trainee.get("/figures").status_code == 403
    assert trainee.get("/figures.csv").status_code == 403
    assert trainee.get("/certificates/course-1").status_code == 403
    with pytest.raises(NotFoundError):
        make_certificate(runtime.desk, "course-1")
    close(trainee, "shift-1")
    assert trainee.get("/certificate.pdf").status_code == 409
    with pytest.raises(ConflictError, match="shift-2"):
        make_certificate(runtime.desk, "course-1")
    close(trainee, "shift-2")
    leader = enter(service, "leader", Role.ADMINISTRATOR)
    shown = leader.get("/figures").text
    digest = make_certificate(runtime.desk, "course-1").digest
    assert "course-1" in shown and digest in shown
    assert (
        "course-1" in leader.get(f"/figures?digest={digest.upper()}").text.partition("checked")[2]
    )
    assert 'class="alert"' in leader.get(f"/figures?digest={'0' * 64}").text
    rows = leader.get("/figures.csv").text.splitlines()
    assert rows[0].startswith("person,exercise,level") and any("course-1" in one for one in rows)
    assert leader.get("/certificates/course-1").headers["content-type"] == "application/pdf"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_certificate_is_read_back_and_checked_by_its_digest(
    service: TestClient, runtime: ExerciseRuntime, language: str
) -> None:
    """Seeded change: one more find gives another digest, which belongs to no certificate."""
    name = f"certified-{language}"
    desk = enter(service, name)
    finish_course(desk)
    made = desk.get(f"/certificate.pdf?language={language}")
    assert made.headers["content-type"] == "application/pdf"
    pages = PdfReader(io.BytesIO(made.content)).pages
    text = " ".join(" ".join(page.extract_text() for page in pages).split())
    certificate = make_certificate(runtime.desk, name)
    skill = certificate.content["skill"]
    low = ReaderLocale(language, 0).number(skill["low"], 2)
    assert name in text and certificate.digest in text and "shift-2" in text
    assert low in text
    assert "?" not in text
    assert desk.get(f"/certificate.pdf?language={language}").content == made.content
    assert find_certificate(runtime.desk, certificate.digest).person == name
    better = dict(certificate.content) | {"skill": skill | {"value": 1.0}}
    with pytest.raises(NotFoundError):
        find_certificate(runtime.desk, Certificate(better).digest)
    assert verify(runtime.store, []).ok


def test_anybody_with_the_public_key_checks_a_certificate_without_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the key that the file itself names is believed."""
    value = {"value": 0.4, "low": 0.2, "high": 0.6}
    content = {
        "journal": "j", "person": "trainee-7", "closed_at": "2026-11-27T08:00:00+00:00",
        "skill": value, "finds": dict.fromkeys(("trainee", "engine", "chance", "best"), value),
        "exercises": [],
    }  # fmt: skip
    honest, forger = (Signer(Ed25519PrivateKey.generate()) for _ in range(2))
    better = content | {"skill": value | {"value": 0.9}}
    made = sign_certificate(Certificate(content), honest)
    files = {
        "honest": made,
        "better": replace(made, certificate=Certificate(better)),
        "forged": sign_certificate(Certificate(better), forger),
        "forged in its name": replace(sign_certificate(Certificate(better), forger), key=made.key),
    }
    for name, signed in files.items():
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(write_certificate(signed, ReaderLocale("tg", 300)))
        assert read_signed(path) == signed
        if name == "honest":
            assert verify_signed(path, honest.public_key).person == "trainee-7"
            continue
        with pytest.raises(RecordError) as refused:
            verify_signed(path, honest.public_key)
        assert refused.value.rule == "not_signed"
    text = PdfReader(tmp_path / "honest.pdf").pages[0].extract_text()
    assert made.certificate.digest in text and made.key in text
    (tmp_path / "other.pdf").write_bytes(report())
    with pytest.raises(InputError):
        read_signed(tmp_path / "other.pdf")
    forged = tmp_path / "forged.pdf"
    named = read_public_key(read_signed(forged).key)
    assert verify_signed(forged, named).person, "its own key says nothing"


def test_no_live_route_is_there_and_no_live_home_is_served(
    service: TestClient, live: Path, training_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/v1/decisions", "/cases", "/posts/OYB/queue", "/journal", "/openapi.json"):
        assert service.get(path).status_code == 404
        assert service.post(path).status_code in (404, 405)
    with pytest.raises(NotAllowedError, match="not a training home"):
        open_exercise_runtime(live)
    refused = CliRunner().invoke(app, ["training", "serve", "--home", str(live)])
    assert isinstance(refused.exception, NotAllowedError)
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql+psycopg://localhost/live")
    with pytest.raises(HomeError, match="unset"):
        open_exercise_runtime(training_home)


def has_canary(root: Path) -> bool:
    """Tell whether a file of a home holds the canary."""
    return any(CANARY.encode() in path.read_bytes() for path in root.rglob("*") if path.is_file())


def test_a_pick_of_the_pages_reaches_no_live_journal(
    service: TestClient, runtime: ExerciseRuntime, live: Path
) -> None:
    """A seeded bug gives the desk a live journal: the guard refuses; without it, a canary."""
    desk = enter(service, CANARY)
    first, second, *_ = list_vehicles(desk)
    assert pick(desk, first, **{"place-1": "papers"}).status_code == 303
    assert not has_canary(live)
    with Store(f"sqlite:///{live / 'darvoza.sqlite'}") as store:
        swapped = patch.object(runtime.desk, "_journal", Journal(store))
        with swapped:
            assert pick(desk, second, **{"place-1": "papers"}).status_code == 403
        assert not has_canary(live)
        with swapped, patch.object(journal_module, "require_kinds", lambda *_, **__: None):
            pick(desk, second, **{"place-1": "papers"})
        assert has_canary(live)
