"""Files at a vehicle before any case: who may, what is seen, and that they join the case."""

from itertools import count
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.audit.home_check import check_home
from api.audit.proposals import ERASURE, Criteria, ErasureProposal
from api.vehicle_files import steps
from api.vehicle_files.answers import VehicleFiles
from engine.domain.rights import Role
from engine.files import store as files
from engine.files.store import find_file_faults, sweep_files
from engine.journal.journal import JournalReader
from engine.journal.kinds import SENSITIVE_READ
from tests.support.people import approve, at_desk, person, propose, send, user
from tests.support.running_service import OTHER, World, arrival
from tests.unit.engine.cases.sample_photographs import take_photograph, write_png
from tests.unit.service.cases.sample_files import BAD
from tests.unit.service.reports.test_acts import act, find

NUMBERS, STARTS = count(71_000), count(141_000, 500)


def passage(world: World) -> dict[str, Any]:
    decided = world.decide(arrival(next(NUMBERS), plate=f"VF{next(NUMBERS)}"))
    assert decided.status_code == 201, decided.text
    return dict(decided.json())


def add(
    world: World,
    crossing: str,
    content: Any = None,
    role: Role = Role.CHECKPOINT,
    **about: str,
) -> Any:
    path = f"/v1/crossings/{crossing}/files"
    content = take_photograph() if content is None else content
    return world.client.post(path, params=about, content=content, headers=world.headers(role))


def listed(world: World, crossing: str, role: Role = Role.SUPERVISOR) -> dict[str, Any]:
    answer = world.get(f"/v1/crossings/{crossing}/files", role)
    assert answer.status_code == 200, answer.text
    TypeAdapter(VehicleFiles).validate_python(answer.json())
    return dict(answer.json())


def mark(world: World, crossing: str, of: int, role: Role = Role.CHECKPOINT, **body: Any) -> Any:
    return world.post(f"/v1/crossings/{crossing}/files/{of}/marks", body, role)


def test_a_picture_is_kept_once_and_handed_out_as_it_was_sent(world: World) -> None:
    crossing = passage(world)["crossing_id"]
    first = add(world, crossing, shows="scanner_image", description="lane 2")
    assert first.status_code == 201, first.text
    again = add(world, crossing, shows="scanner_image", description="lane 2")
    assert again.json() == first.json(), "the same content is the same file"
    assert add(world, crossing, shows="photograph").status_code == 409, "described otherwise"
    (one,) = listed(world, crossing)["files"]
    assert (one["shows"], one["width"], one["height"]) == ("scanner_image", 24, 40), "it was turned"
    path = f"/v1/crossings/{crossing}/files/{one['digest']}"
    taken = world.get(path, Role.CHECKPOINT)
    assert taken.content == take_photograph()
    assert taken.headers["content-security-policy"].startswith("default-src 'none'")
    with world.runtime.store.read() as connection:
        reads = [body for _, body in JournalReader(connection).bodies_of(SENSITIVE_READ)]
    assert {"kind": "vehicle_file", "sequence": one["sequence"]}.items() <= reads[-1].items()


def test_the_operator_says_what_is_seen(world: World) -> None:
    crossing = passage(world)["crossing_id"]
    of = add(world, crossing, write_png("L")).json()["sequence"]
    spot: dict[str, Any] = {"seen": "look_here", "x": 0.4, "y": 0.5, "width": 0.1, "height": 0.1}
    assert mark(world, crossing, of, **spot, note="left of the axle").status_code == 201
    assert mark(world, crossing, of, Role.SUPERVISOR, seen="nothing").status_code == 201
    (one,) = listed(world, crossing)["files"]
    assert [(m["seen"], m["x"], m["note"]) for m in one["marks"]] == [
        ("look_here", 0.4, "left of the axle"),
        ("nothing", None, None),
    ]
    warned = mark(world, crossing, of, seen="nothing", note="Karimov Anvar says so")
    assert warned.json()["warnings"] == ["note"]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"seen": "nothing", "x": 0.1, "y": 0.1}, "contradiction"),
        ({"seen": "look_here", "x": 0.1}, "missing_key"),
        ({"seen": "look_here", "width": 0.1, "height": 0.1}, "missing_key"),
        ({"seen": "look_here", "x": 0.1, "y": 0.1, "width": 0.1}, "missing_key"),
        ({"seen": "look_here", "x": 0.95, "y": 0.1, "width": 0.1, "height": 0.1}, "out_of_range"),
        ({"seen": "look_here", "x": 1.1, "y": 0.1}, "less_than_equal"),
        ({"seen": "drugs"}, "literal_error"),
    ],
)
def test_a_mark_that_is_no_place_of_the_picture_is_refused(
    world: World, body: dict[str, Any], rule: str
) -> None:
    crossing = passage(world)["crossing_id"]
    of = add(world, crossing).json()["sequence"]
    refused = mark(world, crossing, of, **body)
    assert refused.status_code == 422, refused.text
    assert rule in refused.text or refused.json()["fields"]
    assert listed(world, crossing)["files"][0]["marks"] == []


def test_a_mark_is_on_a_picture_of_its_own_vehicle(world: World) -> None:
    ours, theirs = (passage(world)["crossing_id"] for _ in range(2))
    of = add(world, ours).json()["sequence"]
    assert mark(world, theirs, of, seen="nothing").status_code == 404
    text = add(world, ours, b"weighed twice", shows="other").json()["sequence"]
    assert mark(world, ours, text, seen="nothing").status_code == 404, "text is no picture"
    decided = passage(world)["receipt"]["sequence"]
    assert mark(world, ours, decided, seen="nothing").status_code == 404


def test_who_may(world: World) -> None:
    crossing = passage(world)["crossing_id"]
    digest = add(world, crossing).json()["digest"]
    for role in (Role.ANALYST, Role.INTEGRITY, Role.ADMINISTRATOR, Role.COUNTERPART):
        assert add(world, crossing, role=role).status_code == 403
    for role in (Role.INTEGRITY, Role.ADMINISTRATOR, Role.COUNTERPART):
        for path in ("files", f"files/{digest}"):
            assert world.get(f"/v1/crossings/{crossing}/{path}", role).status_code == 403
    assert listed(world, crossing, Role.ANALYST)["files"]
    elsewhere = {"Authorization": f"Bearer {world.other}"}
    for path in ("files", f"files/{digest}"):
        found = world.client.get(f"/v1/crossings/{crossing}/{path}", headers=elsewhere)
        assert found.status_code == 404, f"{OTHER} reaches no vehicle of another post"
    sent = world.client.post(f"/v1/crossings/{crossing}/files", content=b"x", headers=elsewhere)
    assert sent.status_code == 404
    assert add(world, "c-none").status_code == 404


def test_a_checkpoint_sees_nothing_of_model_draw_or_history(world: World) -> None:
    crossing = passage(world)["crossing_id"]
    add(world, crossing)
    text = str(listed(world, crossing, Role.CHECKPOINT))
    for name in ("risk", "propensit", "basis", "chance", "reason", "profile", "channel"):
        assert name not in text


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_could_run_is_not_taken(world: World, name: str) -> None:
    crossing = passage(world)["crossing_id"]
    assert add(world, crossing, b"taken", shows="other").status_code == 201
    before = {one.name for one in world.home.files.iterdir()}
    assert add(world, crossing, BAD[name][1]()).status_code == 422
    assert {one.name for one in world.home.files.iterdir()} == before, "nothing of it is kept"
    assert len(listed(world, crossing)["files"]) == 1


def test_a_vehicle_has_room_for_so_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    crossing = passage(world)["crossing_id"]
    monkeypatch.setattr(steps, "MOST_FILES", 2)
    sent = [add(world, crossing, f"note {n}".encode(), shows="other") for n in range(3)]
    assert [one.status_code for one in sent] == [201, 201, 409]
    assert "the vehicle has no room" in sent[2].text


def seize(world: World, red: dict[str, Any], by: dict[str, str], number: int) -> str:
    """File an act with a find on a vehicle, and return the case that a person opens from it."""
    filed = act(number, red["crossing_id"], outcome="seizure")
    assert send(world, "/v1/inspections", filed, by).status_code == 201
    find_body = {
        "seizure_id": f"vf-{number}",
        "inspection_id": f"i-{number}",
        "crossing_id": red["crossing_id"],
        "substance_class": "narcotic",
        "quantity_g": 900.0,
        "place": "fuel.tank",
        "concealment": "built_in",
    }
    assert send(world, "/v1/seizures", find_body, by).status_code == 201
    opening = {"seizure_id": f"vf-{number}", "summary": "a find in the tank"}
    opened = send(world, "/v1/cases", opening, by)
    assert opened.status_code == 201, opened.text
    assert send(world, "/v1/cases", opening, by).json() == opened.json()
    return str(opened.json()["case_id"])


def test_the_files_of_a_vehicle_join_its_case_when_one_opens(world: World) -> None:
    number = next(STARTS)
    red, by = find(world, "red", number), person(world, Role.SUPERVISOR)
    sent = [
        add(world, red["crossing_id"], take_photograph(), description="the tank").json(),
        add(world, red["crossing_id"], write_png("RGB"), shows="scanner_image").json(),
    ]
    case_id = seize(world, red, by, number)
    case = world.client.get(f"/v1/cases/{case_id}", headers=by).json()
    joined = [one["content"] for one in case["events"] if one["kind"] == "file"]
    assert [one["digest"] for one in joined] == [one["digest"] for one in sent], "each once"
    assert [one["shows"] for one in joined] == ["photograph", "scanner_image"]
    taken = world.client.get(f"/v1/cases/{case_id}/files/{sent[0]['digest']}", headers=by)
    assert taken.content == take_photograph()


def test_files_that_a_case_does_not_take_are_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    monkeypatch.setattr("api.cases.steps.list_vehicle_files", lambda *_: ({}, {}))
    with pytest.raises(AssertionError):
        test_the_files_of_a_vehicle_join_its_case_when_one_opens(world)


def test_a_home_checks_and_sweeps_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    crossing = passage(world)["crossing_id"]
    digest = add(world, crossing, f"only here {crossing}".encode(), shows="other").json()["digest"]
    sweep_files(world.home, world.runtime.store)
    assert (world.home.files / digest).exists()
    kept = (world.home.files / digest).read_bytes()
    (world.home.files / digest).write_bytes(b"another content")
    with world.runtime.store.read() as connection:
        assert [one.rule for one in find_file_faults(world.home, connection)] == ["file"]
    (world.home.files / digest).write_bytes(kept)
    # Negative control: the area does not say which files its records name.
    monkeypatch.setattr(files, "load_areas", tuple)
    sweep_files(world.home, world.runtime.store)
    assert not (world.home.files / digest).exists()
    (world.home.files / digest).write_bytes(kept)


def test_an_erased_movement_takes_its_files_and_marks(world: World) -> None:
    plate = f"VFE{next(NUMBERS)}"
    decided = world.decide(arrival(next(NUMBERS), plate=plate)).json()
    crossing = decided["crossing_id"]
    sent = add(world, crossing, f"to be erased {crossing}".encode(), shows="other").json()
    picture = add(world, crossing, write_png("L")).json()
    assert mark(world, crossing, picture["sequence"], seen="nothing").status_code == 201
    for name in ("vf-ann", "vf-bob"):
        user(world, name, Role.ADMINISTRATOR)
    wanted = ErasureProposal(criteria=Criteria(subject=plate), why="asked")
    subject = propose(world.runtime, ERASURE, wanted, by="vf-ann")
    approve(world.runtime, ERASURE, subject, by="vf-bob")
    assert not (world.home.files / sent["digest"]).exists()
    assert world.get(f"/v1/crossings/{crossing}/files").status_code == 410
    assert check_home(world.home, world.runtime.store).ok


def test_the_pages(world: World) -> None:
    decided = passage(world)
    desk = at_desk(world, f"vf-desk-{next(NUMBERS)}", Role.CHECKPOINT)
    page = f"/decisions/{decided['decision_id']}/files"
    assert page in desk.get(f"/decisions/{decided['decision_id']}").text
    before = desk.get(page).text
    token = before.split('name="form_token" value="')[1].split('"')[0]
    fields = {"form_token": token, "shows": "photograph", "description": "left side"}
    sent = desk.client.post(page, data=fields, files={"file": ("x.jpg", take_photograph())})
    assert sent.status_code == 303, sent.text
    refused = desk.client.post(page, data=fields, files={"file": ("x.jpg", b"\0\1\2")})
    assert refused.status_code == 422 and 'value="left side"' in refused.text
    forged = fields | {"form_token": "0" * 64}
    assert desk.client.post(page, data=forged, files={"file": ("x", b"x")}).status_code == 403
    (one,) = listed(world, decided["crossing_id"])["files"]
    picture = f"{page}/{one['sequence']}"
    assert 'type="image" name="hit"' in desk.get(picture).text
    hit = {"once": "b" * 24, "hit.x": "320", "hit.y": "533"}
    assert desk.send(picture, f"{picture}/marks", hit).status_code == 303
    assert desk.send(picture, f"{picture}/marks", hit).status_code == 303, "sent twice"
    nothing = {"once": "c" * 24, "seen": "nothing", "note": "a shadow"}
    assert desk.send(picture, f"{picture}/marks", nothing).status_code == 303
    marks = listed(world, decided["crossing_id"])["files"][0]["marks"]
    assert [one["seen"] for one in marks] == ["look_here", "nothing"]
    assert marks[0]["x"] == pytest.approx(0.44) and marks[0]["y"] == pytest.approx(0.464, abs=0.01)
    shown = desk.get(picture).text
    assert "<rect" in shown and "a shadow" in shown
    wrong = {"once": "d" * 24, "seen": ""}
    assert desk.send(picture, f"{picture}/marks", wrong).status_code == 422
