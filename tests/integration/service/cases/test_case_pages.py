"""Pages of cases: opened, reported, agreed to by two people; and the form that adds a file."""

import hashlib
import re
from dataclasses import replace
from itertools import chain
from typing import Any
from unittest.mock import patch

import pytest

from api.auth.accounts import Accounts
from api.cases import page, steps
from api.cases.event_forms import OFFERED
from api.cases.readers import describe_case
from api.files import form
from engine.cases.area import CASE_EVENT
from engine.domain.rights import Role
from engine.journal.journal import JournalReader
from tests.support.people import TOKEN, Desk, at_desk
from tests.support.running_service import CHEAP, POST, World
from tests.unit.service.auth.test_refusals import is_problem
from tests.unit.service.cases.sample_files import BAD, HTML, SVG, picture, report
from tests.unit.service.cases.test_cases import file_the_find, open_case, person, read, records_with

CASE = re.compile(r"/cases/(case-[0-9a-f]{12})")
ONCE = re.compile(r'name="once" value="([0-9a-f]{24})"')
HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
FIGURES = ("risk", "propensit", "is_random", "basis", "contribution", "percentile")


def desk_of(world: World, name: str, agency: str | None, role: Role = Role.SUPERVISOR) -> Desk:
    """Return the desk of a new user of an agency."""
    accounts = Accounts(world.runtime.store, world.runtime.network)
    with patch("api.auth.credentials._HASHER", CHEAP):
        made = accounts.create_user(name, role, agency=agency)
    desk = Desk(world)
    assert desk.sign_in(name, made.secret).status_code == 303
    return desk


def once_on(desk: Desk, path: str) -> str:
    found = ONCE.search(desk.get(path).text)
    assert found is not None, path
    return found[1]


def open_by_hand(desk: Desk, **fields: str) -> str:
    sent = {"once": once_on(desk, "/cases/new"), "post": POST, "event-summary": "a find"}
    answer = desk.send("/cases/new", "/cases", sent | fields)
    assert answer.status_code == 303, answer.text
    found = CASE.match(answer.headers["location"])
    assert found is not None
    return found[1]


def review(desk: Desk, case_id: str, kind: str, **fields: Any) -> Any:
    """Send the form of an event, and return the page that shows it as it was read."""
    form = f"/cases/{case_id}/events?kind={kind}"
    typed = {f"event-{name.replace('__', '-')}": value for name, value in fields.items()}
    about = {"once": once_on(desk, form), "kind": kind}
    return desk.send(form, f"/cases/{case_id}/events", about | typed)


def confirm(desk: Desk, case_id: str, shown: Any) -> Any:
    """Confirm what a page shows, with the fields that it holds."""
    assert shown.status_code == 200, shown.text
    form = shown.text.partition('id="confirm"')[2].partition("</form>")[0]
    fields: dict[str, list[str]] = {}
    for name, value in HIDDEN.findall(form):
        fields.setdefault(name, []).append(value)
    return desk.send(f"/cases/{case_id}", f"/cases/{case_id}/events", fields | {"step": "confirm"})


def report_by_form(desk: Desk, case_id: str, kind: str, **fields: Any) -> Any:
    return confirm(desk, case_id, review(desk, case_id, kind, **fields))


@pytest.fixture(scope="module")
def desks(world: World) -> dict[str, Desk]:
    known = (("p-ann", "customs"), ("p-cem", "drug_control"), ("p-dia", "customs"))
    return {name: desk_of(world, name, agency) for name, agency in known}


@pytest.fixture(scope="module")
def find_case(world: World, desks: dict[str, Desk]) -> tuple[str, str, str]:
    """Open a case in one step from the page of the seed's find.

    With the decision that it came from, and its page before anything else happens to it.
    """
    file_the_find(world)
    ann = desks["p-ann"]
    decision = re.search(r"/decisions/(dec-\w+)", ann.get("/search?q=c-0703").text)
    assert decision is not None
    where = f"/decisions/{decision[1]}"
    shown = ann.get(where).text
    form = shown.partition('class="open-case"')[2].partition("</form>")[0]
    fields = dict(HIDDEN.findall(form)) | {"event-summary": "heroin in the tank"}
    fields.pop("form_token")
    answer = ann.send(where, "/cases", fields)
    assert answer.status_code == 303, answer.text
    found = CASE.match(answer.headers["location"])
    assert found is not None
    assert CASE.search(ann.get(where).text), "the page of the decision leads to its case"
    again = ann.send(where, "/cases", fields | {"once": "a" * 24})
    assert again.headers["location"] == f"/cases/{found[1]}?done=exists#done"
    return found[1], decision[1], ann.get(f"/cases/{found[1]}").text


def test_a_find_is_a_case_with_links_in_one_step(
    find_case: tuple[str, str, str],
) -> None:
    _, decision, shown = find_case
    for expected in ("heroin in the tank", "2,300 g", "01A123BC", "act-0703", "e-0703"):
        assert expected in shown
    assert f'href="/decisions/{decision}"' in shown
    assert 'href="/search?q=01A123BC"' in shown
    assert "take a sample" in shown and "report to CEN" in shown


FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("stop", {"place": "lane 2, after the scales", "happened_at": "2026-10-14T11:30"}),
    ("second_search", {"outcome": "clear", "methods": ["physical", "canine"]}),
    ("sample", {"sample": "s-1", "quantity_g": "1.5"}),
    ("laboratory_result", {"sample": "s-1", "laboratory": "central", "substance_class": "narcotic",
                           "substance": "heroin", "purity_percent": "61"}),
    ("report_sent", {"to": "caricc", "reference": "R-17"}),
    ("link", {"of": "vehicle", "id": "01B456CD"}),
    ("assignment", {"owner": "p-dia", "deadline": "2026-10-20T18:00"}),
    ("hand_over", {"to_agency": "interior", "reference": "K-3"}),
    ("note", {"text": "the tank is sealed", "handling": ["H1"]}),
    ("closed", {"outcome": "handed_over", "reason": "all is with the court"}),
    ("reopened", {"reason": "a second packet"}),
)  # fmt: skip


def test_every_event_is_reported_by_form(
    world: World, desks: dict[str, Desk], find_case: tuple[str, str, str]
) -> None:
    case_id, *_ = find_case
    ann = desks["p-ann"]
    before = records_with(world, case_id)
    for kind, fields in FORMS:
        shown = review(ann, case_id, kind, **fields)
        assert shown.status_code == 200 and 'id="read"' in shown.text, (kind, shown.text)
        answer = confirm(ann, case_id, shown)
        assert answer.headers["location"] == f"/cases/{case_id}?done=recorded#done", kind
    assert records_with(world, case_id) == before + len(FORMS)
    seen = world.client.get(f"/v1/cases/{case_id}", headers=world.headers(Role.SUPERVISOR)).json()
    found = {one["kind"]: one for one in seen["events"]}
    assert found["stop"]["happened_at"] == "2026-10-14T06:30:00Z"  # typed at a post in UTC+5
    assert found["second_search"]["content"]["methods"] == ["physical", "canine"]
    assert (found["sample"]["content"]["quantity_g"], seen["owner"]) == (1.5, "p-dia")
    assert found["note"]["handling"] == ["H1"]
    assert [one["duty"] for one in seen["next_steps"]] == ["closure"]
    assert {*chain.from_iterable(OFFERED.values())} - {kind for kind, _ in FORMS} == {
        "custody",
        "controlled_delivery",
    }
    page_text = ann.get(f"/cases/{case_id}").text
    for expected in ("lane 2, after the scales", "CARICC", "61", "the tank is sealed", "K-3"):
        assert expected in page_text


def test_a_checkpoint_works_on_its_cases_and_sees_no_figure(
    world: World, find_case: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: an answer that holds a figure is found."""
    case_id, *_ = find_case
    desk = at_desk(world, "p-umed", Role.CHECKPOINT)
    paths = ("/cases", "/cases?view=all", f"/cases/{case_id}", "/cases/new",
             f"/cases/{case_id}/events?kind=note")  # fmt: skip

    def figures() -> set[str]:
        shown = "".join(desk.get(path).text for path in paths)
        return {word for word in FIGURES if word in shown}

    assert [desk.get(path).status_code for path in paths] == [200] * len(paths)
    assert figures() == set()
    assert report_by_form(desk, case_id, "note", text="from the lane").status_code == 303
    own = open_by_hand(desk)
    cash = {"event-goods_class": "currency", "event-amount": "500", "event-unit": "EUR"}
    assert "EUR" in desk.get(f"/cases/{open_by_hand(desk, **cash)}").text
    assert own in desk.get("/cases?view=mine").text
    with monkeypatch.context() as patched:
        patched.setattr(
            page,
            "describe_case",
            lambda *of: replace(describe_case(*of), summary="propensity 0.4"),
        )
        assert figures() == {"propensit"}


def test_custody_goes_to_an_agency_that_somebody_here_is_of(desks: dict[str, Desk]) -> None:
    ann, cem = desks["p-ann"], desks["p-cem"]
    drugs = {"event-goods_class": "narcotics", "event-amount": "900"}
    case_id = open_by_hand(ann, **drugs)
    path = f"/cases/{case_id}"
    form = ann.get(f"{path}/events?kind=custody").text
    offered = form.partition('id="event-to_agency"')[2].partition("</select>")[0]
    assert ">drug_control</option>" in offered and ">customs<" not in offered, "customs holds it"
    refused = review(ann, case_id, "custody", to_agency="snb", item="all")
    assert refused.status_code == 422 and "Choose from the list" in refused.text
    more = review(ann, case_id, "custody", to_agency="drug_control", item="all", quantity_g="901")
    assert more.status_code == 422, "the check says what recording would"
    less = review(ann, case_id, "custody", to_agency="drug_control", item="all", quantity_g="850")
    assert "differs by -50 g" in less.text and ">Find<" not in less.text
    sent = confirm(ann, case_id, less)
    assert sent.status_code == 303
    waiting = cem.get(path).text
    assert "To be taken over by: drug_control" in waiting and "Taken over by" not in waiting
    agree = waiting.partition('class="agree"')[2].partition("</form>")[0]
    agreed = confirm(cem, case_id, cem.send(path, f"{path}/events", dict(HIDDEN.findall(agree))))
    assert agreed.status_code == 303
    passed = ann.get(path).text
    assert "Taken over by: drug_control" in passed and "differs by -50 g" in passed


def test_a_form_sent_twice_counts_once(desks: dict[str, Desk]) -> None:
    ann = desks["p-ann"]
    case_id = open_by_hand(ann)
    shown = review(ann, case_id, "note", text="seen once")
    assert [confirm(ann, case_id, shown).status_code for _ in range(2)] == [303, 303]
    assert ann.get(f"/cases/{case_id}").text.count("seen once") == 2, "timeline and notes"


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
    assert "the tank, opened" in refused.text.partition('id="upload"')[2]
    assert b"<script>alert" not in refused.content
    assert list_digests(world, case_id) == []


def test_a_file_that_is_too_large_or_has_no_room_is_refused_clearly(
    world: World, desk: Desk, case_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("api.files.transfers.LARGEST_FILE", 4096)
        refused = upload(desk, case_id, b"w" * 200_000)
        assert refused.status_code == 422 and "32 MB" in WRONG.findall(refused.text)[0]
    assert upload(desk, case_id, b"first").status_code == 303
    path, by = f"/v1/cases/{case_id}/files?shows=other", world.headers(Role.SUPERVISOR)
    for name, most in (("MOST_FILES", 1), ("MOST_BYTES", 9)):
        with monkeypatch.context() as patched:
            patched.setattr(steps, name, most)
            refused = upload(desk, case_id, b"second")
            assert (
                refused.status_code == 422
                and "as many files as there may be" in WRONG.findall(refused.text)[0]
            )
            assert is_problem(world.client.post(path, content=b"third", headers=by), 409)
            assert upload(desk, case_id, b"first").status_code == 303, "it is there already"
    assert len(list_digests(world, case_id)) == 1
    assert (steps.MOST_FILES, steps.MOST_BYTES) == (200, 512 << 20)


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
    assert 'enctype="multipart/form-data"' in shown and "as many files as" not in shown
    assert form.MOST_TEXT < form._LONGEST
    other = person(world, "file-closer", None)
    closed = {"event": {"kind": "closed", "outcome": "reported", "reason": "all is sent"}}
    path = f"/v1/cases/{case_id}/events"
    assert world.client.post(path, json=closed, headers=other).status_code == 201
    assert 'enctype="multipart/form-data"' not in desk.get(f"/cases/{case_id}").text
