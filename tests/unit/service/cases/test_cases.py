"""Cases over HTTP: from a find to its end, who sees them, and which changes webhooks get."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from sqlalchemy import select

from api.audit import erasure
from api.audit.erasure import _Selection
from api.audit.home_verification import ProjectionCheck
from api.audit.proposals import Criteria
from api.auth.accounts import Accounts
from api.auth.authority import Authority
from api.auth.credentials import open_pepper
from api.auth.tables import StoredSecrets
from api.cases import readers as reads
from api.cases.steps import CaseWriter
from api.notifications.event_bodies import EventBodies, types_for
from api.service.assembly import projections
from api.webhooks.steps import receiver
from engine.audit.erasures import RecordGroups
from engine.audit.projection_replay import open_scratch_store
from engine.cases import case_ledger, case_state
from engine.cases.area import CASE_EVENT
from engine.cases.case_events import Agreement, Note, find_name_signs
from engine.cases.case_ledger import Reporter, draft_event
from engine.cases.case_state import OPEN, CaseState, read_case
from engine.domain.rights import Role
from engine.domain.time_units import SystemClock
from engine.domain.validation import looks_like_name
from engine.errors import ConflictError
from engine.events.webhooks import Endpoint
from engine.journal.areas import EventType
from engine.journal.entries import Draft, JournalFault
from engine.journal.idempotency import claim
from engine.journal.journal import BODIES
from tests.support.people import at_desk, send
from tests.support.running_service import CHEAP, OTHER, POST, World, arrival
from tests.unit.service.auth.test_refusals import is_problem

NAME = "Zzcanaryov Anvar"
Headers = dict[str, str]


def person(world: World, name: str, agency: str | None, role: Role = Role.SUPERVISOR) -> Headers:
    """Return the headers of a key of a new person of an agency."""
    accounts = Accounts(world.runtime.store, world.runtime.network)
    with patch("api.auth.credentials._HASHER", CHEAP):
        accounts.create_user(name, role, agency=agency)
    pepper = open_pepper(world.home)
    made = accounts.create_key(role, None, pepper=pepper, owner=name, agency=agency)
    return {"Authorization": f"Bearer {made.secret}"}


@pytest.fixture(scope="module")
def people(world: World) -> dict[str, Headers]:
    known = (("ann", "customs"), ("bob", "customs"), ("cem", "drug_control"), ("dia", "interior"))
    return {name: person(world, name, agency) for name, agency in known}


def open_case(world: World, by: Headers, **changes: Any) -> str:
    answer = send(world, "/v1/cases", {"post": POST, "summary": "a find"} | changes, by)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["case_id"])


def report(world: World, case_id: str, by: Headers, event: dict[str, Any], **more: Any) -> Any:
    return send(world, f"/v1/cases/{case_id}/events", {"event": event} | more, by)


def read(world: World, case_id: str, by: Headers) -> dict[str, Any]:
    found = world.client.get(f"/v1/cases/{case_id}", headers=by)
    assert found.status_code == 200, found.text
    seen: dict[str, Any] = found.json()
    return seen


def file_the_find(world: World) -> str:
    """Report the find of 7 March 2024 of the seed: 2.3 kg of heroin in the fuel tank of a truck."""
    sent = arrival(3, crossing_id="c-0703", vehicle_class="truck", plate="01A123BC")
    papers = {"declaration_id": "e-0703", "procedure": "transit"}
    papers["items"] = [{"item_no": 1, "hs_code": "080620", "origin_country": "AF"}]  # type: ignore[assignment]
    assert world.decide(sent | {"declaration": papers}).status_code == 201
    at = datetime.now(UTC).isoformat()
    act = {
        "inspection_id": "act-0703",
        "crossing_id": "c-0703",
        "recorded_at": at,
        "methods": ["canine", "physical"],
        "places_searched": ["fuel.tank"],
        "outcome": "seizure",
    }
    assert world.post("/v1/inspections", act).status_code == 201
    seizure = {
        "seizure_id": "find-0703",
        "inspection_id": "act-0703",
        "crossing_id": "c-0703",
        "recorded_at": at,
        "substance_class": "narcotic",
        "substance": "heroin",
        "quantity_g": 2300.0,
        "place": "fuel.tank",
        "concealment": "built_in",
    }
    assert world.post("/v1/seizures", seizure).status_code == 201
    return "find-0703"


TOBACCO = {"substance_class": "other", "goods_class": "tobacco", "amount": 40, "unit": "pieces"}
EVENTS: tuple[dict[str, Any], ...] = (
    {"kind": "stop", "place": "lane 2, after the scales"},
    {"kind": "second_search", "methods": ["physical"], "outcome": "clear"},
    {"kind": "sample", "sample": "s-1", "quantity_g": 1.5},
    {
        "kind": "laboratory_result",
        "sample": "s-1",
        "laboratory": "central",
        "substance_class": "narcotic",
        "substance": "heroin",
        "purity_percent": 61.0,
    },
    {"kind": "link", "of": "act", "id": "act-0703"},
    {"kind": "link", "of": "vehicle", "id": "01A123BC"},
    {"kind": "report_sent", "to": "caricc", "reference": "R-17"},
    {"kind": "assignment", "owner": "bob", "deadline": "2026-12-24T00:00:00+05:00"},
    {"kind": "hand_over", "to_agency": "interior", "reference": "K-3"},
    {"kind": "note", "text": f"the clerk wrote {NAME} on the slip"},
)


@pytest.fixture(scope="module")
def find_case(world: World, people: dict[str, Headers]) -> str:
    """Open a case from the seed's find, and let everything happen in it once."""
    seizure = file_the_find(world)
    case_id = open_case(world, people["ann"], post=None, seizure_id=seizure, handling=["H1"])
    for event in EVENTS:
        answer = report(world, case_id, people["ann"], event)
        assert answer.status_code == 201, answer.text
        assert bool(answer.json()["warnings"]) == (event["kind"] == "note")
    return case_id


def test_the_find_of_the_seed_is_a_case(
    world: World, people: dict[str, Headers], find_case: str
) -> None:
    seen = read(world, find_case, people["bob"])
    assert [one["kind"] for one in seen["events"]] == [one["kind"] for one in EVENTS]
    (find,) = seen["finds"]
    expected = {"substance": "heroin", "quantity_g": 2300.0, "place": "fuel.tank"}
    expected |= {"concealment": "built_in", "means": "truck", "cover_goods": ["080620"]}
    expected |= {"methods": ["canine", "physical"], "origin_countries": ["AF"], "post": POST}
    assert expected.items() <= find.items()
    assert (seen["owner"], seen["is_overdue"], seen["age_days"]) == ("bob", False, 0)
    assert {"of": "act", "id": "act-0703"} in seen["links"]
    listed = world.client.get("/v1/cases?state=open", headers=people["ann"]).json()["cases"]
    assert find_case in [one["case_id"] for one in listed]


def test_a_find_has_one_case(world: World, people: dict[str, Headers], find_case: str) -> None:
    again = {"seizure_id": "find-0703", "summary": "once more"}
    assert is_problem(send(world, "/v1/cases", again, people["bob"]), 409)
    again["seizure_id"] = "find-none"
    assert is_problem(send(world, "/v1/cases", again, people["bob"]), 404)


def records_with(world: World, text: str) -> int:
    with world.runtime.store.read() as connection:
        bodies = connection.scalars(select(BODIES.c.body)).all()
    return sum(text.encode() in bytes(one) for one in bodies)


def test_a_name_is_in_no_record_but_the_note(world: World, find_case: str) -> None:
    """Negative control: what was typed into the note is found there."""
    assert records_with(world, NAME) == 1
    assert records_with(world, "find-0703") > 1


def test_nothing_of_a_case_shows_a_figure_of_the_engine(world: World, find_case: str) -> None:
    found = world.get(f"/v1/cases/{find_case}", Role.CHECKPOINT)
    assert found.status_code == 200
    for word in ("risk", "propensit", "is_random", "basis", "contribution"):
        assert word not in found.text


def test_custody_passes_when_the_receiving_agency_agrees(
    world: World, people: dict[str, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the check of the second person left out lets one person take the goods."""
    case_id = open_case(world, people["ann"], substance_class="narcotic")
    custody = {"kind": "custody", "to_agency": "drug_control", "item": "2 packets, seal 0041"}
    assert is_problem(report(world, case_id, people["cem"], custody), 403), "customs holds it"
    of = report(world, case_id, people["ann"], custody).json()["sequence"]
    agreement = {"kind": "agreement", "of": of}
    waiting = read(world, case_id, people["cem"])
    assert (waiting["custody"], waiting["waiting"]) == ("customs", [of])
    for wrong in ("ann", "bob", "dia"):
        assert is_problem(report(world, case_id, people[wrong], agreement), 403)
    assert report(world, case_id, people["cem"], agreement).status_code == 201
    seen = read(world, case_id, people["ann"])
    assert (seen["custody"], seen["waiting"]) == ("drug_control", [])
    (sample,) = (one for one in seen["next_steps"] if one["duty"] == "sample")
    assert (sample["person"], sample["agency"]) == (None, "drug_control"), "who holds the goods"
    assert (seen["events"][0]["agreed_by"], seen["events"][0]["is_effective"]) == ("cem", True)
    assert is_problem(report(world, case_id, people["dia"], agreement), 409)
    monkeypatch.setattr(CaseWriter, "_check_people", lambda *_: None)
    monkeypatch.setattr(case_state, "check_person", lambda *_, **__: None)
    back = {"kind": "custody", "to_agency": "drug_control", "item": "all"}
    of = report(world, case_id, people["cem"], back).json()["sequence"]
    alone = report(world, case_id, people["cem"], {"kind": "agreement", "of": of})
    assert alone.status_code == 201


def test_custody_that_waits_is_told_to_who_may_agree_to_it(
    world: World, people: dict[str, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: with a rule that hides the case nobody is told."""
    case_id = open_case(world, people["ann"], summary="two packets for another agency")

    def list_told(name: str) -> list[tuple[str, str]]:
        told = world.client.get("/v1/notifications", headers=people[name]).json()["notifications"]
        return [(one["about"], one["name"]) for one in told if one["id"] == case_id]

    custody = {"kind": "custody", "to_agency": "drug_control", "item": "2 packets"}
    of = report(world, case_id, people["ann"], custody).json()["sequence"]
    waits = [("custody", "two packets for another agency")]
    assert [list_told(name) for name in ("ann", "bob", "dia", "cem")] == [[], [], [], waits]
    with monkeypatch.context() as seeded:
        seeded.setattr(reads, "sees_case", lambda *_: False)
        assert list_told("cem") == []
    assert report(world, case_id, people["cem"], {"kind": "agreement", "of": of}).status_code == 201
    assert list_told("cem") == []


def test_what_waits_is_withdrawn_or_declined_by_one(
    world: World, people: dict[str, Headers]
) -> None:
    case_id = open_case(world, people["ann"])
    custody = {"kind": "custody", "to_agency": "drug_control", "item": "all"}
    unknown = report(world, case_id, people["ann"], custody | {"to_agency": "snb"})
    assert is_problem(unknown, 422) and "to_agency" in unknown.text
    for by in ("ann", "cem"):
        of = report(world, case_id, people["ann"], custody).json()["sequence"]
        gone = {"kind": "withdrawal", "of": of}
        assert report(world, case_id, people[by], gone).status_code == 201
        seen = read(world, case_id, people["ann"])
        assert (seen["waiting"], seen["custody"]) == ([], "customs")
        assert is_problem(report(world, case_id, people[by], gone | {"of": of + 10_000}), 409)
        late = report(world, case_id, people["cem"], {"kind": "agreement", "of": of})
        assert is_problem(late, 409), "nothing waits any more"


def test_grams_of_goods_add_up(world: World, people: dict[str, Headers]) -> None:
    case_id = open_case(world, people["ann"], substance_class="narcotic", quantity_g=2300.0)
    sample = {"kind": "sample", "sample": "s-1", "quantity_g": 20.0}
    assert report(world, case_id, people["ann"], sample).status_code == 201
    over = {"kind": "sample", "sample": "s-2", "quantity_g": 2280.5}
    refused = report(world, case_id, people["ann"], over)
    assert is_problem(refused, 422) and "quantity_g" in refused.text
    bag = {"kind": "custody", "to_agency": "drug_control", "item": "bag 7", "quantity_g": 2250.0}
    of = report(world, case_id, people["ann"], bag).json()["sequence"]
    assert len(read(world, case_id, people["ann"])["goods"]) == 1, "it passes once it is agreed to"
    report(world, case_id, people["cem"], {"kind": "agreement", "of": of})
    seen = read(world, case_id, people["ann"])
    rows = [(one["quantity_g"], one["remains_g"], one["differs_g"]) for one in seen["goods"]]
    assert seen["found_g"] == 2300.0 and rows == [(20.0, 2280.0, 0.0), (2250.0, 2280.0, -30.0)]


def test_a_transfer_takes_over_the_find_of_its_agency_and_grams_leave_out_pieces(
    world: World, people: dict[str, Headers]
) -> None:
    case_id = open_case(world, people["ann"])
    known = world.decide(arrival(8)).json()
    goods = ({"substance_class": "narcotic", "quantity_g": 2400.0}, TOBACCO)
    for number, one in enumerate(goods):
        find = {"seizure_id": f"two-{number}", "recorded_at": datetime.now(UTC).isoformat()}
        filed = world.post("/v1/seizures", find | {"crossing_id": known["crossing_id"]} | one)
        assert filed.status_code == 201, filed.text
        link = {"kind": "link", "of": "seizure", "id": f"two-{number}"}
        assert report(world, case_id, people["ann"], link).status_code == 201
    bag = {"kind": "custody", "to_agency": "drug_control", "item": "bag 8", "quantity_g": 2300.0}
    bag["seizure_id"] = "two-0"
    of = report(world, case_id, people["ann"], bag).json()["sequence"]
    report(world, case_id, people["cem"], {"kind": "agreement", "of": of})
    seen = read(world, case_id, people["ann"])
    finds = [(one["goes_to"], one["taken_over_by"]) for one in seen["finds"]]
    assert finds == [("drug_control", "drug_control"), ("customs", None)]
    assert [(one["remains_g"], one["differs_g"]) for one in seen["goods"]] == [(2400.0, -100.0)]


def test_a_transfer_takes_over_the_find_that_it_names(
    world: World, people: dict[str, Headers]
) -> None:
    """A case of two finds: each keeps its holder and its grams; one that is alone is filled in."""
    decided = world.decide(arrival(4, crossing_id="c-two"))
    assert decided.status_code == 201
    at, desk = datetime.now(UTC).isoformat(), at_desk(world, "two-finds")
    act = {"inspection_id": "act-two", "crossing_id": "c-two", "recorded_at": at,
           "outcome": "seizure"}  # fmt: skip
    assert world.post("/v1/inspections", act).status_code == 201
    finds = ("f-hashish", "narcotic", 2400.0), ("f-tobacco", "other", None)
    for name, kind, grams in finds:
        find = {"seizure_id": name, "inspection_id": "act-two", "crossing_id": "c-two",
                "recorded_at": at, "substance_class": kind}  # fmt: skip
        answer = world.post("/v1/seizures", find | ({"quantity_g": grams} if grams else {}))
        assert answer.status_code == 201, answer.text
    ann, cem = people["ann"], people["cem"]
    case_id = open_case(world, ann, post=None, seizure_id="f-hashish")
    sample = {"kind": "sample", "sample": "s-1", "quantity_g": 10.0}
    assert report(world, case_id, ann, sample).status_code == 201
    link = {"kind": "link", "of": "seizure", "id": "f-tobacco"}
    assert report(world, case_id, ann, link).status_code == 201
    custody = {"kind": "custody", "to_agency": "drug_control", "item": "one parcel",
               "quantity_g": 2300.0}  # fmt: skip
    for unnamed in ({}, {"seizure_id": "f-other"}):
        refused = report(world, case_id, ann, custody | unnamed)
        assert is_problem(refused, 422) and "seizure_id" in refused.text
    other = report(world, case_id, ann, custody | {"seizure_id": "f-tobacco"}).json()["sequence"]
    of = report(world, case_id, ann, custody | {"seizure_id": "f-hashish"}).json()["sequence"]
    assert report(world, case_id, cem, {"kind": "agreement", "of": of}).status_code == 201
    seen = read(world, case_id, ann)
    assert (seen["waiting"], seen["custody"]) == ([other], "customs"), "the other still waits"
    taken = {one["seizure_id"]: (one["taken_over_by"], one["remains_g"]) for one in seen["finds"]}
    assert taken == {"f-hashish": ("drug_control", 2390.0), "f-tobacco": (None, None)}
    rows = [(one["seizure_id"], one["remains_g"], one["differs_g"]) for one in seen["goods"]]
    assert rows == [("f-hashish", 2390.0, 0.0), ("f-hashish", 2390.0, -90.0)]
    form, page = (desk.get(f"/cases/{case_id}{at}").text for at in ("/events?kind=custody", ""))
    assert '<option value="f-tobacco">' in form and page.count("Taken over by: drug_control") == 1
    again = custody | {"to_agency": "interior", "seizure_id": "f-hashish"}
    assert is_problem(report(world, case_id, ann, again), 403), "drug_control holds it"
    assert report(world, case_id, cem, {"kind": "agreement", "of": other}).status_code == 201
    assert read(world, case_id, ann)["custody"] == "drug_control", "all is with it"


def test_a_controlled_delivery_needs_another_person(
    world: World, people: dict[str, Headers]
) -> None:
    case_id = open_case(world, people["ann"])
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    event = {"kind": "controlled_delivery", "route_countries": ["TJ", "UZ"], "until": until}
    machine = report(world, case_id, world.headers(Role.CHECKPOINT), event)
    assert is_problem(machine, 403)
    of = report(world, case_id, people["ann"], event).json()["sequence"]
    agreement = {"kind": "agreement", "of": of}
    assert is_problem(report(world, case_id, people["ann"], agreement), 403)
    assert read(world, case_id, people["ann"])["events"][0]["is_effective"] is False
    assert report(world, case_id, people["dia"], agreement).status_code == 201
    assert read(world, case_id, people["ann"])["events"][0]["agreed_by"] == "dia"
    note = report(world, case_id, people["ann"], {"kind": "note", "text": "it left"}).json()
    other = {"kind": "agreement", "of": note["sequence"]}
    assert is_problem(report(world, case_id, people["dia"], other), 409)


def draft_on_open(case: CaseState, event: dict[str, Any], **more: Any) -> Draft:
    """Draft an event as if the case were open: another process closes it meanwhile."""
    return draft_event(replace(case, state=OPEN), event, **more)


def test_a_closed_case_takes_no_event_but_its_reopening(
    world: World, people: dict[str, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the early check is left out, the projection refuses it under the writer's lock."""
    case_id, ann = open_case(world, people["ann"]), people["ann"]
    note = {"kind": "note", "text": "seen"}
    reopening = {"kind": "reopened", "reason": "a second packet"}
    assert is_problem(report(world, case_id, ann, reopening), 409)
    closed = {"kind": "closed", "outcome": "reported", "reason": "all is sent"}
    assert report(world, case_id, ann, closed).status_code == 201
    assert is_problem(report(world, case_id, ann, note), 409)
    monkeypatch.setattr("api.cases.steps.draft_event", draft_on_open)
    assert is_problem(report(world, case_id, ann, note), 409)
    monkeypatch.undo()
    assert report(world, case_id, ann, reopening).status_code == 201
    assert report(world, case_id, ann, note).status_code == 201


def test_a_case_not_to_be_passed_on_is_for_its_agencies(
    world: World, people: dict[str, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the handling code is not asked."""
    case_id = open_case(world, people["ann"], handling=["H2"])
    path = f"/v1/cases/{case_id}"
    assert read(world, case_id, people["bob"])["handling"] == ["H2"]
    for by in (people["dia"], world.headers(Role.SUPERVISOR)):
        assert is_problem(world.client.get(path, headers=by), 404)
        assert is_problem(report(world, case_id, by, {"kind": "note", "text": "x"}), 404)
        assert case_id not in world.client.get("/v1/cases", headers=by).text
    far = {"Authorization": f"Bearer {world.other}"}
    assert is_problem(world.client.get(path, headers=far), 404)
    monkeypatch.setattr(reads, "is_party", lambda *_: True)
    assert world.client.get(path, headers=people["dia"]).status_code == 200


def test_an_event_not_to_be_passed_on_is_withheld(world: World, people: dict[str, Headers]) -> None:
    case_id = open_case(world, people["ann"])
    note = {"kind": "note", "text": "from a source"}
    sent = report(world, case_id, people["ann"], note, handling=["H2"])
    assert sent.status_code == 201
    assert read(world, case_id, people["bob"])["events"][0]["content"] == {"text": note["text"]}
    (seen,) = read(world, case_id, people["dia"])["events"]
    assert (seen["is_withheld"], seen["content"], seen["handling"]) == (True, {}, ["H2"])


def test_a_case_past_its_deadline_is_overdue(world: World, people: dict[str, Headers]) -> None:
    early = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    case_id = open_case(world, people["ann"], deadline=early)
    assert read(world, case_id, people["ann"])["is_overdue"] is True
    stray = {"kind": "assignment", "owner": "no-account"}
    assert is_problem(report(world, case_id, people["ann"], stray), 422)


def test_a_step_sent_twice_counts_once(world: World, people: dict[str, Headers]) -> None:
    ann = people["ann"] | {"Idempotency-Key": "k-1"}
    case_id = open_case(world, ann)
    assert open_case(world, ann) == case_id
    note = {"kind": "note", "text": "once"}
    both = [report(world, case_id, ann, note).json()["sequence"] for _ in range(2)]
    assert both[0] == both[1]
    assert len(read(world, case_id, people["ann"])["events"]) == 1


@pytest.mark.parametrize(
    "text",
    ["водитель Рахимов", "Anvar Karimov", "Саидова М.", "Rustam Jo'rayev", "Ali Valiyev o'g'li",
     "Шарифзода", "сын: Абдулло Исмоил"],
)  # fmt: skip
def test_what_looks_like_a_name_is_found(text: str) -> None:
    assert looks_like_name(text)
    assert list(find_name_signs({"event": {"text": text}, "remark": None})) == ["event.text"]


def test_a_case_is_erased_once_it_is_closed(
    world: World, people: dict[str, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: open cases are not held back."""
    case_id, ann = open_case(world, people["ann"]), people["ann"]
    selection = _Selection(Criteria(before=2**62), RecordGroups())
    now = SystemClock().now()

    def chosen() -> list[tuple[str, str]]:
        with world.runtime.store.read() as connection:
            return [one.key for one in selection.choose(connection, proposed_at=now, now=now)]

    assert ("case", case_id) not in chosen()
    with monkeypatch.context() as patched:
        patched.setattr(erasure, "list_held", lambda *_: set())
        assert ("case", case_id) in chosen()
    closed = {"kind": "closed", "outcome": "reported", "reason": "all is sent"}
    assert report(world, case_id, ann, closed).status_code == 201
    assert ("case", case_id) in chosen()


def draft_agreement(world: World, case_id: str, of: int, by: Reporter) -> Draft:
    """Return the record of an agreement, as it stands before anything else is recorded."""
    with world.runtime.store.read() as connection:
        case = read_case(connection, case_id).case
    event = Agreement(kind="agreement", of=of)
    asked = claim(CASE_EVENT, event, post=POST, name=f"case_event:{case_id}:agreed:{of}")
    return draft_event(case, event.model_dump(), by=by, claim=asked)


def agree_at_once(world: World, people: dict[str, Headers]) -> tuple[list[bool], str]:
    """Agree to two transfers of the same goods in one batch; return what was taken, and custody."""
    case_id = open_case(world, people["ann"])
    drafts = []
    for person_of, agency in (("cem", "drug_control"), ("dia", "interior")):
        event = {"kind": "custody", "to_agency": agency, "item": "2 packets"}
        of = report(world, case_id, people["ann"], event).json()["sequence"]
        drafts.append((of, Reporter(person_of, agency)))
    made = [draft_agreement(world, case_id, of, by) for of, by in drafts]
    answers = [world.runtime.writer.submit(one) for one in made]
    taken = [answer.exception() is None for answer in answers]
    return taken, str(read(world, case_id, people["ann"])["custody"])


def test_of_two_transfers_agreed_in_one_batch_the_second_is_refused(
    world: World, people: dict[str, Headers], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the projection does not ask where the case stands; its check finds the record."""
    before = find_replay_faults(world)  # those of other seeded bugs
    assert agree_at_once(world, people) == ([True, False], "drug_control")
    assert find_replay_faults(world) == before
    with monkeypatch.context() as patched:
        patched.setattr(case_ledger, "advance_case", lambda case, _: case)
        assert agree_at_once(world, people)[0] == [True, True]
    assert len(find_replay_faults(world)) == len(before) + 1


def find_replay_faults(world: World) -> list[JournalFault]:
    """Return the records that a replay of the journal refuses."""
    with world.runtime.store.read() as connection, open_scratch_store() as target:
        own = projections(world.runtime.plan, world.runtime.network)
        checked = ProjectionCheck(connection, world.runtime.network, own)
        restore = StoredSecrets(connection).restorers()
        return list(checked.replay(restore).advance(connection, target))


@pytest.mark.parametrize("about", [{"post": OTHER}, {"agency": "interior"}])
def test_an_event_of_another_post_or_agency_than_its_case_is_refused(
    world: World, people: dict[str, Headers], about: dict[str, Any]
) -> None:
    case_id = open_case(world, people["ann"])
    with world.runtime.store.read() as connection:
        case = read_case(connection, case_id).case
    note = Note(kind="note", text="seen")
    asked = claim(CASE_EVENT, note, post=POST, name=f"case_event:{case_id}:stray")
    by = Reporter("ann", "customs")
    stray = draft_event(replace(case, **about), note.model_dump(), by=by, claim=asked)
    answer = world.runtime.writer.submit(stray)
    assert isinstance(answer.exception(), ConflictError)


def list_pages(world: World, by: Headers, **asked: Any) -> list[list[str]]:
    """Return the cases of each page of a list, until it ends."""
    pages, before = [], None
    while True:
        query = asked | ({} if before is None else {"before": before})
        found = world.client.get("/v1/cases", params=query, headers=by).json()
        pages.append([one["case_id"] for one in found["cases"]])
        if (before := found["next_before"]) is None:
            return pages


def test_the_list_reads_on_to_every_case(world: World, people: dict[str, Headers]) -> None:
    made = [open_case(world, people["ann"], handling=["H2"] if n % 2 else []) for n in range(7)]
    pages = list_pages(world, people["ann"], limit=3)
    assert [one for page in pages for one in page][: len(made)] == made[::-1]
    assert max(map(len, pages)) == 3
    seen = [one for page in list_pages(world, people["dia"], limit=3) for one in page]
    assert seen[: len(made[::2])] == made[::2][::-1], "a page without those that are hidden"


def tell(
    world: World,
    role: Role,
    seq: int,
    kind: EventType,
    *,
    post: str | None = None,
    agency: Any = None,
) -> dict[str, Any] | None:
    """Return what an endpoint of a role, post and agency is sent about a record."""
    endpoint = Endpoint("w-1", "", (kind,), role, post, agency, "ann", 1, 0, ())
    with world.runtime.store.read() as connection:
        authority = Authority().look(connection)
        made = EventBodies(world.runtime, connection, receiver(endpoint, authority))
        body = made.build(seq, kind)
    return None if body is None else orjson.loads(body)


def test_a_change_goes_to_those_who_see_the_case(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: without the check of the case, one that is not passed on is sent."""
    ann = person(world, "sent-ann", "customs")
    case_id = open_case(world, ann, handling=["H2"])
    custody = {"kind": "custody", "to_agency": "drug_control", "item": "2 packets"}
    seq = report(world, case_id, ann, custody).json()["sequence"]
    for agency in ("customs", "drug_control"):
        sent = tell(world, Role.SUPERVISOR, seq, "case.changed", agency=agency)
        assert sent is not None
        assert sent["data"] == {
            "change": "custody", "case_id": case_id, "post": POST, "sequence": seq,
        }  # fmt: skip
        waits = tell(world, Role.SUPERVISOR, seq, "approval.waiting", agency=agency)
        assert waits is not None
        assert waits["data"] == {"matter": "case", "id": case_id, "step": "case_event"}
    hidden: dict[str, Any] = {"agency": "interior"}
    for kind in ("case.changed", "approval.waiting"):
        assert tell(world, Role.SUPERVISOR, seq, kind, **hidden) is None
        assert tell(world, Role.CHECKPOINT, seq, kind, post=OTHER, agency="customs") is None
        assert tell(world, Role.ANALYST, seq, kind, agency="customs") is None
    assert tell(world, Role.CHECKPOINT, seq, "case.changed", post=POST, agency="customs")
    monkeypatch.setattr(reads, "sees_case", lambda *_: True)
    assert tell(world, Role.SUPERVISOR, seq, "case.changed", **hidden) is not None


def test_roles_that_read_cases_may_ask_for_their_changes() -> None:
    asking = {role for role in Role if "case.changed" in types_for(role)}
    assert asking == {Role.CHECKPOINT, Role.SUPERVISOR}


@pytest.mark.parametrize(
    ("goods", "amount", "unit", "name"),
    [
        ({"goods_class": "tobacco", "amount": 9000, "unit": "pieces"}, 9000, "pieces", "tobacco"),
        ({"goods_class": "currency", "amount": 12000, "unit": "USD"}, 12000, "USD", "currency"),
        ({"quantity_g": 250.0}, 250, "g", None),
    ],
)
def test_a_case_by_hand_holds_goods_of_every_class(
    world: World,
    people: dict[str, Headers],
    goods: dict[str, Any],
    amount: float,
    unit: str,
    name: str | None,
) -> None:
    case_id = open_case(world, people["bob"], substance_class="other", **goods)
    (find,) = read(world, case_id, people["bob"])["finds"]
    assert (find["amount"], find["unit"], find["goods_class"]) == (amount, unit, name)
    assert name is None or find["class_names"]["en"]


@pytest.mark.parametrize(
    ("goods", "field"),
    [
        ({"goods_class": "tobacco", "amount": 5, "unit": "l"}, "unit"),
        ({"goods_class": "cigars", "amount": 5, "unit": "pieces"}, "goods_class"),
        ({"amount": 5, "unit": "pieces"}, "goods_class"),
        ({"goods_class": "narcotics"}, "substance_class"),
        ({"goods_class": "persons", "substance": "anna"}, "substance"),
    ],
)
def test_goods_of_a_case_that_fit_no_class_are_refused(
    world: World, people: dict[str, Headers], goods: dict[str, Any], field: str
) -> None:
    body = {"post": POST, "summary": "a find", "substance_class": "other"} | goods
    answer = send(world, "/v1/cases", body, people["bob"])
    assert answer.status_code == 422, answer.text
    assert [one["at"].rpartition(".")[2] for one in answer.json()["fields"]] == [field]
