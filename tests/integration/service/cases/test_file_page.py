"""Form of a case's page that adds a file: what it takes, what it refuses, and how it says so."""

import hashlib
import re
from typing import Any

import pytest

from api.cases import page, steps
from engine.cases.area import CASE_EVENT
from engine.domain.rights import Role
from engine.journal.journal import JournalReader
from tests.support.page_session import TOKEN, Desk, at_desk
from tests.support.running_service import World
from tests.unit.service.auth.test_refusals import is_problem
from tests.unit.service.cases.sample_files import BAD, HTML, SVG, picture, report
from tests.unit.service.cases.test_cases import open_case, person, read

FILE_NAME = "Karimov Anvar.jpg"
WRONG = re.compile(r'id="event-file-wrong">([^<]+)<')


@pytest.fixture(scope="module")
def desk(world: World) -> Desk:
    return at_desk(world, "file-sender")


@pytest.fixture
def case_id(world: World) -> str:
    return open_case(world, world.headers(Role.SUPERVISOR))


def upload(desk: Desk, case_id: str, content: bytes, **fields: Any) -> Any:
    """Send a file from the page of its case, as a browser does."""
    token = TOKEN.search(desk.get(f"/cases/{case_id}").text)
    assert token is not None
    data = {"form_token": token[1], "event-shows": "photograph"} | fields
    sent = {"file": (FILE_NAME, content, "text/html")}
    return desk.client.post(f"/cases/{case_id}/files", data=data, files=sent)


def list_digests(world: World, case_id: str) -> list[str]:
    events = read(world, case_id, world.headers(Role.SUPERVISOR))["events"]
    return [one["content"]["digest"] for one in events if one["kind"] == "file"]


def test_files_are_added_by_the_form(world: World, desk: Desk, case_id: str) -> None:
    made = [picture("JPEG", shade=31), report("exhibit 7"), "Бак, 2,3 кг".encode()]
    for number, content in enumerate(made):
        about = {"event-sample": f"s-{number}", "event-handling": ["H1", "H3"]}
        done = upload(desk, case_id, content, **about, **{"event-happened_at": "2024-03-07T04:20"})
        assert done.status_code == 303, done.text
        assert done.headers["location"] == f"/cases/{case_id}?done=file_added#done"
    assert list_digests(world, case_id) == [hashlib.sha256(one).hexdigest() for one in made]
    event = read(world, case_id, world.headers(Role.SUPERVISOR))["events"][0]
    assert (event["content"]["sample"], event["handling"]) == ("s-0", ["H1", "H3"])
    assert event["happened_at"].startswith("2024-03-06T23:20"), "by the clocks of the post"
    with world.runtime.store.read() as connection:
        bodies = str(list(JournalReader(connection).bodies_of(CASE_EVENT)))
    assert FILE_NAME not in bodies and "Karimov" not in bodies


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SVG, "markup or a script"),
        (HTML, "markup or a script"),
        (BAD["PDF with script"][1](), "print it to a new PDF"),
        (BAD["JPEG and archive"][1](), "second one of another type"),
        (b"", "not empty"),
    ],
    ids=["svg", "html", "pdf", "polyglot", "empty"],
)
def test_a_refused_file_is_said_at_its_field(
    world: World, desk: Desk, case_id: str, content: bytes, words: str
) -> None:
    refused = upload(desk, case_id, content, **{"event-description": "the tank, opened"})
    assert refused.status_code == 422
    assert words in WRONG.findall(refused.text)[0]
    assert "the tank, opened" in refused.text and "<details open>" in refused.text
    assert b"<script>alert" not in refused.content
    assert list_digests(world, case_id) == []


def test_a_file_that_is_too_large_or_has_no_room_is_refused_clearly(
    world: World, desk: Desk, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(steps, "LARGEST_FILE", 4096)
        refused = upload(desk, case_id, b"w" * 200_000)
        assert refused.status_code == 422 and "32 MB" in WRONG.findall(refused.text)[0]
    assert upload(desk, case_id, b"first").status_code == 303
    path, by = f"/v1/cases/{case_id}/files?shows=other", world.headers(Role.SUPERVISOR)
    for name, most in (("MOST_FILES", 1), ("MOST_BYTES", 9)):
        with monkeypatch.context() as patched:
            patched.setattr(steps, name, most)
            refused = upload(desk, case_id, b"second")
            assert refused.status_code == 422 and "200 files" in WRONG.findall(refused.text)[0]
            assert is_problem(world.client.post(path, content=b"third", headers=by), 409)
            assert upload(desk, case_id, b"first").status_code == 303, "it is there already"
    assert len(list_digests(world, case_id)) == 1
    assert (steps.MOST_FILES, steps.MOST_BYTES) == (200, 512 << 20), "as the sentence says"


def test_a_form_of_another_session_is_refused_before_its_file_is_kept(
    world: World, desk: Desk, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the token is not asked for."""
    path, sent = f"/cases/{case_id}/files", {"file": (FILE_NAME, b"foreign", "text/plain")}
    fields = {"event-shows": "other", "form_token": "0" * 64}
    assert desk.client.post(path, data=fields, files=sent).status_code == 403
    fields.pop("form_token")
    assert desk.client.post(path, data=fields, files=sent).status_code == 403
    origin = {"Origin": "https://elsewhere.example"}
    assert desk.client.post(path, data=fields, files=sent, headers=origin).status_code == 403
    assert list_digests(world, case_id) == []
    monkeypatch.setattr(type(world.runtime.sessions), "is_form_token", lambda *_: True)
    assert desk.client.post(path, data=fields, files=sent).status_code == 303


def test_the_page_offers_the_form_where_the_role_and_the_case_permit_it(
    world: World, desk: Desk, case_id: str
) -> None:
    shown = desk.get(f"/cases/{case_id}").text
    assert 'enctype="multipart/form-data"' in shown and "200 files" not in shown
    assert page.MOST_TEXT < page._LONGEST
    other = person(world, "file-closer", None)
    closed = {"event": {"kind": "closed", "outcome": "reported", "reason": "all is sent"}}
    path = f"/v1/cases/{case_id}/events"
    assert world.client.post(path, json=closed, headers=other).status_code == 201
    assert 'enctype="multipart/form-data"' not in desk.get(f"/cases/{case_id}").text
