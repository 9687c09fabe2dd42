"""Declarations ahead over HTTP: lodged, amended, cancelled, read by role, matched, too late."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import func, select

from api.auth.credentials import open_pepper
from api.decisions.answers import CheckpointView, SupervisorView
from api.declarations import AcknowledgedDeclaration, DeclarationView, ExpectedDeclarations
from engine.domain.rights import Role
from engine.storage.database import METADATA
from tests.support.people import at_desk
from tests.support.running_service import OTHER, POST, World, arrival

SAMPLES = Path(__file__).parents[4] / "docs" / "samples" / "messages"
ITEM = {"item_no": 1, "hs_code": "080620", "net_mass_kg": 900.0, "customs_value_usd": 1200.0}
RISKS = {"risk", "provisional", "p_seizure", "p_discrepancy", "propensity", "basis", "percentile"}


def moment(hours: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def advance_body(name: str, *, plate: str | None = None, **more: Any) -> dict[str, Any]:
    """Return the body of a declaration ahead for one vehicle at the post."""
    papers = {"declaration_id": name, "procedure": "import", "items": [ITEM]}
    papers |= more.pop("papers", {})
    vehicle = {"vehicle_class": "truck"} | ({} if plate is None else {"plate": plate})
    known = {"declaration": papers, "post": POST, "vehicles": [vehicle]}
    return known | {"arrives_from": moment(-2), "arrives_until": moment(4)} | more


def lodge(world: World, body: dict[str, Any], role: Role = Role.DECLARANT, **more: Any) -> Any:
    return world.post("/v1/declarations", body, role, **more)


def come(world: World, number: int, **crossing: Any) -> dict[str, Any]:
    """Return the decision on a vehicle that brings no declaration, as a supervisor sees it."""
    body = arrival(number, **crossing) | {"declaration": None}
    decided = world.decide(body)
    assert decided.status_code == 201, decided.text
    TypeAdapter(CheckpointView).validate_python(decided.json())
    return read(world, decided.json()["decision_id"])


def read(world: World, decision_id: str) -> dict[str, Any]:
    found: dict[str, Any] = world.get(f"/v1/decisions/{decision_id}").json()
    TypeAdapter(SupervisorView).validate_python(found)
    return found


def list_used(decision: dict[str, Any]) -> list[tuple[str, int]]:
    ahead = decision.get("declared_ahead") or {"uses": []}
    return [(one["declaration_id"], one["version"]) for one in ahead["uses"]]


def view(world: World, name: str, role: Role = Role.SUPERVISOR) -> dict[str, Any]:
    answer = world.get(f"/v1/declarations/{name}", role)
    assert answer.status_code == 200, answer.text
    TypeAdapter(DeclarationView).validate_python(answer.json())
    return dict(answer.json())


def is_recomputed(world: World, decision: dict[str, Any]) -> bool:
    with world.runtime.store.read() as connection:
        seq = decision["receipt"]["sequence"]
        return world.runtime.recompute.decision(connection, seq).is_identical


def test_the_same_bytes_get_the_same_answer_and_other_content_is_a_new_version(
    world: World,
) -> None:
    body = advance_body("A-1", plate="AA1")
    first = lodge(world, body)
    assert first.status_code == 201, first.text
    TypeAdapter(AcknowledgedDeclaration).validate_python(first.json())
    assert (first.json()["id"], first.json()["version"]) == ("A-1", 1)
    assert lodge(world, body).content == first.content
    amended = lodge(world, body | {"post": OTHER})
    assert amended.json()["version"] == 2
    assert lodge(world, body).content == first.content, "a late repetition reverts nothing"
    assert view(world, "A-1")["version"] == 2
    again = lodge(world, body, key="back")
    assert again.json()["version"] == 3
    assert lodge(world, body, key="back").content == again.content
    versions = view(world, "A-1")["versions"]
    assert [one["version"] for one in versions] == [1, 2, 3]
    assert versions[0]["receipt"] == first.json()["receipt"]


def test_only_its_sender_changes_a_declaration(world: World) -> None:
    body = advance_body("A-2", plate="AA2")
    assert lodge(world, body).status_code == 201
    for sent in (body, body | {"direction": "entry"}):
        assert lodge(world, sent, Role.CHECKPOINT).status_code == 409
    path = "/v1/declarations/A-2/cancellations"
    assert world.post(path, {}, Role.CHECKPOINT).status_code == 404
    done = world.post(path, {"reason": "called off"}, Role.DECLARANT)
    assert done.status_code == 201 and done.json()["version"] == 2
    assert world.post(path, {"reason": "called off"}, Role.DECLARANT).content == done.content
    assert lodge(world, body | {"direction": "exit"}).status_code == 409
    assert view(world, "A-2")["state"] == "cancelled"


def test_a_bare_declaration_is_one_without_a_vehicle(world: World) -> None:
    bare = advance_body("A-3")["declaration"]
    assert lodge(world, bare).json()["version"] == 1
    seen = view(world, "A-3")
    assert seen["post"] is None and {"no_post", "no_window", "no_vehicle"} <= set(seen["missing"])
    decision = come(world, 103, declaration_id="A-3")
    assert list_used(decision) == [("A-3", 1)] and "no_declaration" not in decision["data_gaps"]


def test_what_each_role_reads(world: World) -> None:
    lodge(world, advance_body("A-4", plate="AA4"))
    seen = view(world, "A-4")
    assert seen["provisional"]["provisional"] is True and seen["state"] == "expected"
    checkpoint = view(world, "A-4", Role.CHECKPOINT)
    assert not RISKS & set(checkpoint) and checkpoint["uses"] == []
    own = view(world, "A-4", Role.DECLARANT)
    assert own["state"] == "lodged" and own["uses"] is own["arrived"] is None
    assert not RISKS & set(own)
    come(world, 104, plate="AA4")
    assert view(world, "A-4")["state"] == "arrived"
    assert view(world, "A-4", Role.DECLARANT)["state"] == "lodged", "a sender is told no more"
    pepper = open_pepper(world.home)
    other = world.runtime.accounts.create_key(Role.DECLARANT, None, pepper=pepper).secret
    headers = {"Authorization": f"Bearer {other}"}
    assert world.client.get("/v1/declarations/A-4", headers=headers).status_code == 404
    assert world.client.get("/v1/declarations", headers=headers).json()["declarations"] == []
    far = {"Authorization": f"Bearer {world.other}"}
    assert world.client.get("/v1/declarations/A-4", headers=far).status_code == 404


@pytest.mark.parametrize(
    ("number", "papers", "crossing", "kind"),
    [
        (1, {}, {"declaration_id": "B-1"}, "declaration_id"),
        (4, {}, {"container_numbers": ["msku 0000008"]}, "container"),
        (5, {}, {"plate": "b-b 5"}, "plate"),
        (6, {}, {"trailer_plate": "TT6"}, "trailer"),
    ],
)
def test_what_leads_to_a_declaration(
    world: World, number: int, papers: dict[str, Any], crossing: dict[str, Any], kind: str
) -> None:
    body = advance_body(f"B-{number}", plate=f"BB{number}", papers=papers)
    body["vehicles"][0] |= {"trailer_plate": f"TT{number}"}
    if kind == "container":
        body["vehicles"][0]["container_numbers"] = ["MSKU0000008"]
    lodge(world, body)
    decision = come(world, 200 + number, **({"plate": None} | crossing))
    assert list_used(decision) == [(f"B-{number}", 1)]
    assert decision["declared_ahead"]["matched_by"] == kind
    assert "declared_ahead" in [fact["code"] for fact in decision["facts"]]
    assert is_recomputed(world, decision)


def test_several_that_fit_are_no_guess_unless_they_travel_together(world: World) -> None:
    for name in ("C-1", "C-2"):
        lodge(world, advance_body(name, plate="CC1"))
    decision = come(world, 301, plate="CC1")
    assert list_used(decision) == [] and "advance_ambiguous" in decision["data_gaps"]
    assert is_recomputed(world, decision)
    lodge(world, advance_body("C-3", plate="CC3", travels_with=["C-4", "C-5"]))
    lodge(world, advance_body("C-4", plate="CC3"))
    decision = come(world, 302, plate="CC3")
    assert list_used(decision) == [("C-3", 1), ("C-4", 1)]
    assert "advance_incomplete" in decision["data_gaps"], "C-5 was never lodged"
    declared = next(one for one in decision["facts"] if one["code"] == "declared")
    assert declared["parameters"]["items"] == 2
    assert is_recomputed(world, decision)


def test_one_declaration_for_two_vehicles_is_used_by_each_once(world: World) -> None:
    vehicles = [{"plate": "DD1"}, {"plate": "DD2"}]
    lodge(world, advance_body("D-1", vehicles=vehicles, papers={"cmr_number": "CMR-D1"}))
    assert list_used(come(world, 401, plate="DD2")) == [("D-1", 1)]
    assert view(world, "D-1")["uses"][0]["vehicle"] == 2
    assert list_used(come(world, 402, plate="DD2")) == []
    assert list_used(come(world, 403, declaration_id="D-1", plate="DD9")) == [("D-1", 1)]
    third = come(world, 404, declaration_id="D-1", plate="DD1")
    assert list_used(third) == [] and "advance_used" in third["data_gaps"]
    assert is_recomputed(world, third)


def test_window_post_and_contradiction(world: World) -> None:
    tomorrow = {"arrives_from": moment(30), "arrives_until": moment(40)}
    lodge(world, advance_body("E-1", plate="EE1", **tomorrow))
    assert list_used(come(world, 501, plate="EE1")) == [], "expected tomorrow"
    lodge(world, advance_body("E-2", plate="EE2", post=OTHER))
    assert list_used(come(world, 502, plate="EE2")) == [], "expected at another post"
    named = come(world, 503, plate="EE2", declaration_id="E-2")
    assert list_used(named) == [("E-2", 1)] and "advance_elsewhere" in named["data_gaps"]
    lodge(world, advance_body("E-3", plate="EE3"))
    assert list_used(come(world, 504, plate="EE3", declaration_id="another")) == []
    lodge(world, advance_body("E-4", plate="EE4", arrives_from=moment(2), arrives_until=moment(9)))
    lodge(world, advance_body("E-5", plate="EE4"))
    assert list_used(come(world, 505, plate="EE4")) == [("E-5", 1)], "the one that is due"


def test_a_declaration_that_is_brought_counts_and_a_difference_is_shown(world: World) -> None:
    brought = {
        "declaration_id": "F-1",
        "procedure": "import",
        "items": [ITEM | {"hs_code": "2402"}],
    }
    lodge(world, advance_body("F-1", plate="FF1"))
    body = arrival(601, plate="FF1") | {"declaration": brought}
    decision = read(world, world.decide(body).json()["decision_id"])
    assert decision["declared_ahead"]["is_brought"]
    assert decision["declared_ahead"]["differences"] == ["hs_code"]
    assert "advance_differs" in decision["data_gaps"]
    text = next(one["text"] for one in decision["facts"] if one["code"] == "ahead_differs")
    assert text == "Differs from what was declared ahead: HS code."
    declared = next(one for one in decision["facts"] if one["code"] == "declared")
    assert declared["parameters"]["hs_chapters"] == ["24"]
    assert is_recomputed(world, decision)


def test_what_comes_after_the_decision_raises_an_alert_and_rewrites_nothing(world: World) -> None:
    lodge(world, advance_body("G-1", plate="GG1"))
    decision = come(world, 701, plate="GG1")
    lodge(world, advance_body("G-1", plate="GG1", direction="entry"))
    world.post("/v1/declarations/G-1/cancellations", {}, Role.DECLARANT)
    after = read(world, decision["decision_id"])
    alerts = after.pop("declaration_alerts")
    assert [(one["code"], one["version"]) for one in alerts] == [("cancelled", 3), ("amended", 2)]
    assert after == decision and is_recomputed(world, decision)
    without = come(world, 702, plate="GG2")
    lodge(world, advance_body("G-2", plate="GG2"))
    late = read(world, without["decision_id"])
    assert [one["code"] for one in late.pop("declaration_alerts")] == ["late"]
    assert late == without and is_recomputed(world, without)
    assert list_used(come(world, 703, plate="GG2")) == [], "a late one is not for the next crossing"
    named = come(world, 704, plate="GG4", declaration_id="G-4")
    assert "declaration_not_received" in named["data_gaps"]
    lodge(world, advance_body("G-4", post=OTHER))
    assert read(world, named["decision_id"])["declaration_alerts"][0]["matched_by"] == (
        "declaration_id"
    )


def test_an_amended_decision_reads_the_version_of_then(world: World) -> None:
    lodge(world, advance_body("H-1", plate="HH1"))
    body = arrival(801, plate="HH1") | {"declaration": None}
    first = world.decide(body).json()
    lodge(world, advance_body("H-1", plate="HH1", direction="entry"))
    path = f"/v1/decisions/{first['decision_id']}/amendments"
    body["crossing"]["weighed_mass_kg"] = 9_999.0
    second = read(world, world.post(path, body).json()["decision_id"])
    assert list_used(second) == [("H-1", 2)] and is_recomputed(world, second)
    assert list_used(read(world, first["decision_id"])) == [("H-1", 1)]
    assert is_recomputed(world, first)
    assert len(view(world, "H-1")["uses"]) == 1


def test_the_list_is_by_time_in_pages_and_as_csv(world: World) -> None:
    for number in range(3):
        window = {"arrives_from": moment(50 + number), "arrives_until": moment(60)}
        lodge(world, advance_body(f"I-{number}", plate=f"II{number}", **window))
    asked = f"/v1/declarations?post={POST}&since={moment(49).replace('+', '%2B')}&limit=2"
    first = world.get(asked).json()
    TypeAdapter(ExpectedDeclarations).validate_python(first)
    assert [one["declaration_id"] for one in first["declarations"]] == ["I-0", "I-1"]
    assert first["declarations"][0]["provisional"]["provisional"] is True
    rest = world.get(f"{asked}&before={first['next_before']}").json()
    assert [one["declaration_id"] for one in rest["declarations"]] == ["I-2"]
    assert rest["next_before"] is None
    headers = world.headers(Role.CHECKPOINT) | {"Accept": "text/csv"}
    file = world.client.get(asked.removesuffix("&limit=2"), headers=headers)
    rows = list(csv.DictReader(file.text.splitlines()))
    assert [row["declaration_id"] for row in rows] == ["I-0", "I-1", "I-2"]
    assert not any(row[name] for row in rows for name in row if name.startswith("provisional"))


def test_a_standard_message_is_lodged_and_acknowledged_in_kind(world: World) -> None:
    document = (SAMPLES / "wco.xml").read_bytes()
    headers = world.headers(Role.DECLARANT) | {"Content-Type": "application/xml"}
    query = {"post": POST, "arrives_until": moment(5), "plate": ["JJ1", "JJ2"]}
    path = "/v1/declarations"
    first = world.client.post(path, content=document, headers=headers, params=query)
    assert first.status_code == 201, first.text
    seen = view(world, first.json()["id"])
    assert seen["plates"] == ["JJ1", "JJ2"] and seen["vehicles"] == 2
    in_kind = headers | {"Accept": "application/xml"}
    again = world.client.post(path, content=document, headers=in_kind, params=query)
    assert again.status_code == 201 and b"<FunctionCode>02</FunctionCode>" in again.content
    assert list_used(come(world, 901, plate="JJ2")) == [(first.json()["id"], 1)]
    for changed, status in (({"pst": POST}, 422), ({"post": "NOWHERE"}, 422)):
        refused = world.client.post(path, content=document, headers=headers, params=changed)
        assert refused.status_code == status, refused.text
    note = (SAMPLES / "ecmr.xml").read_bytes()
    refused = world.client.post(path, content=note, headers=headers)
    assert refused.status_code == 422 and refused.json()["fields"][0]["at"] == "declaration"


def test_a_forecast_leaves_no_trace(world: World) -> None:
    lodge(world, advance_body("K-1", plate="KK1"))

    def count_rows() -> dict[str, int]:
        with world.runtime.store.read() as connection:
            return {
                name: connection.scalar(select(func.count()).select_from(table)) or 0
                for name, table in METADATA.tables.items()
            }

    before = count_rows()
    forecast = view(world, "K-1")["provisional"]
    assert forecast["mode"] == "model" and 0.0 <= forecast["percentile"] <= 1.0
    assert count_rows() == before


def test_the_page_shows_what_is_expected_by_role(world: World) -> None:
    lodge(world, advance_body("M-1", plate="MM1"))
    supervisor = at_desk(world, "rena").get("/declarations").text
    assert "M-1" in supervisor and "Provisional" in supervisor
    checkpoint = at_desk(world, "olma", Role.CHECKPOINT).get("/declarations").text
    assert "M-1" in checkpoint and "Provisional</th>" not in checkpoint
    far = at_desk(world, "sher").get(f"/declarations?post={OTHER}").text
    assert "M-1" not in far
