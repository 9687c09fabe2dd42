"""The seed's find and twelve others, from report to dossier by a scripted person over HTTP.

A report is read by rules, a person confirms or corrects what was read, enters it, and takes the
dossier. At small sizes one report of each language, in full all thirteen.
"""

import csv
import io
from typing import Any

import pytest
from sqlalchemy import select

from engine.domain.rights import Role
from engine.journal.journal import BODIES
from features.seizure_reports.extraction import read_seizure_report
from tests.integration.service.cases.find_reports import CANARY, REPORTS, FindReport
from tests.integration.service.cases.test_dossier import read_pdf
from tests.support.running_service import POST, World
from tests.support.sizes import PROOF
from tests.unit.service.cases.sample_files import picture
from tests.unit.service.cases.test_cases import person

FEW = ("en-the-find", "ru-tank", "uz-floor", "tg-fridge")
ENTERED = [one for one in REPORTS if PROOF or one.name in FEW]
Headers = dict[str, str]


@pytest.fixture(scope="module")
def officer(world: World) -> Headers:
    return person(world, "officer", "customs")


def read_values(report: FindReport) -> dict[str, Any]:
    """Return the values that the rules propose, of the first substance."""
    reading = read_seizure_report(report.text)
    if not reading.seizures:
        return {}
    proposed = reading.seizures[0]
    names = ("substance_class", "substance", "quantity_g", "place", "concealment")
    cited = {name: getattr(proposed, name) for name in names}
    return {name: one.value for name, one in cited.items() if one is not None}


def send(world: World, path: str, body: dict[str, Any], by: Headers) -> dict[str, Any]:
    answer = world.client.post(path, json=body, headers=by)
    assert answer.status_code == 201, (path, answer.text)
    found: dict[str, Any] = answer.json()
    return found


def enter(world: World, report: FindReport, by: Headers) -> str:
    """Enter a report: crossing, act, seizure, case, what followed, and a photograph."""
    name, wanted = report.name, dict(report.found)
    methods, day = wanted.pop("methods"), report.vehicle["arrived_at"]
    proposed = read_values(report)
    confirmed = {key: proposed.get(key, value) for key, value in wanted.items()}
    corrected = {key: value for key, value in wanted.items() if confirmed[key] != value}
    checkpoint = world.headers(Role.CHECKPOINT)
    crossing = {"crossing_id": f"c-{name}", "post": POST} | report.vehicle
    stated = {"declaration_id": f"d-{name}"} | report.papers if report.papers else None
    body = {"crossing": crossing, "declaration": stated}
    send(world, "/v1/crossings", body, checkpoint)
    act = {"inspection_id": f"a-{name}", "crossing_id": f"c-{name}", "recorded_at": day}
    act |= {"methods": methods, "places_searched": [wanted["place"]], "outcome": "seizure"}
    send(world, "/v1/inspections", act, checkpoint)
    seizure = {"seizure_id": f"f-{name}", "inspection_id": f"a-{name}", "crossing_id": f"c-{name}"}
    seizure |= {"seized_at": day, "recorded_at": day}
    send(world, "/v1/seizures", seizure | confirmed | corrected, checkpoint)
    opening = {"seizure_id": f"f-{name}", "summary": f"find by report {name}"}
    case_id = str(send(world, "/v1/cases", opening, by)["case_id"])
    for event in report.events:
        send(world, f"/v1/cases/{case_id}/events", {"event": event}, by)
    if all(one["kind"] != "closed" for one in report.events):
        path = f"/v1/cases/{case_id}/files?shows=photograph"
        content = picture("JPEG", shade=len(name))
        assert world.client.post(path, content=content, headers=by).status_code == 201
    return case_id


def read_row(world: World, case_id: str, by: Headers) -> dict[str, str]:
    answer = world.client.get(f"/v1/cases/{case_id}", headers=by | {"Accept": "text/csv"})
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert CANARY not in answer.text
    return row


@pytest.mark.parametrize("report", ENTERED, ids=lambda one: one.name)
def test_a_find_is_entered_from_its_report_to_its_dossier(
    world: World, officer: Headers, report: FindReport
) -> None:
    case_id = enter(world, report, officer)
    language = report.name.partition("-")[0]
    path = f"/v1/cases/{case_id}/dossier.pdf?language={language}"
    answer = world.client.get(path, headers=officer)
    text = read_pdf(answer.content)
    for key in ("substance", "place", "concealment"):
        assert str(report.found[key]) in text
    assert report.vehicle["plate_country"] in text and CANARY not in text
    row = read_row(world, case_id, officer)
    for key in ("substance", "place", "concealment", "substance_class"):
        assert row[key] == report.found[key]
    assert (float(row["quantity_g"]), row["unit"]) == (report.found["quantity_g"], "g")
    assert (row["means"], row["post"]) == (report.vehicle["vehicle_class"], POST)
    assert row["detected_at"][:10] == report.vehicle["arrived_at"][:10]
    assert row["methods"] == ";".join(report.found["methods"])
    if report.papers:
        assert row["dispatch_country"] == report.papers["dispatch_country"]
        assert row["route_countries"] == ";".join(report.papers["route_countries"])
    seen = world.client.get(f"/v1/cases/{case_id}", headers=officer).json()
    stated = [one for one in seen["events"] if one["kind"] != "file"]
    assert [one["kind"] for one in stated] == [one["kind"] for one in report.events]
    for wanted, event in zip(report.events, stated, strict=True):
        assert wanted.items() <= ({"kind": event["kind"]} | event["content"]).items()


def count_records(world: World, text: str) -> int:
    with world.runtime.store.read() as connection:
        bodies = connection.scalars(select(BODIES.c.body)).all()
    return sum(text.encode() in bytes(one) for one in bodies)


def test_no_name_of_a_report_reaches_a_record(world: World, officer: Headers) -> None:
    """Negative control: a summary that repeats the report is found."""
    enter(world, FindReport("en-control", REPORTS[0].text, *_parts(REPORTS[0])), officer)
    assert all(CANARY in one.text for one in REPORTS)
    assert count_records(world, CANARY) == 0
    careless = {"post": POST, "summary": REPORTS[0].text}
    assert send(world, "/v1/cases", careless, officer)["warnings"]
    assert count_records(world, CANARY) == 1


def _parts(report: FindReport) -> tuple[dict[str, Any], dict[str, Any]]:
    return report.found, report.vehicle


def test_the_rules_read_most_of_what_is_entered() -> None:
    """A person corrects the rest: of 65 values the rules may miss or mistake one in four."""
    right = [
        read_values(one).get(key) == one.found[key]
        for one in REPORTS
        for key in ("substance_class", "substance", "quantity_g", "place", "concealment")
    ]
    assert len(REPORTS) == 13 and len(right) == 65
    assert sum(right) >= 49
