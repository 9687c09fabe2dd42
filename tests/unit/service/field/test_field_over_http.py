"""Statements about the field, held to one running service."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from api.service.assembly import open_store
from api.shifts.readers import count_hours
from engine.domain.rights import Role
from engine.journal.journal import JournalReader
from engine.journal.kinds import DECISION
from engine.queue.mirror_alerts import MirrorProjection
from tests.integration.service.shifts.test_shift_pages import make_decision
from tests.support.people import at_desk
from tests.support.running_service import POST, World, arrival
from tests.unit.service.decisions.test_mirror_alerts import exit_of
from tests.unit.service.reports.test_acts import act, find, read_basis
from tests.unit.service.watchlist.test_counterpart import find_yellow, notice

START = 300_000
OVERRIDE = {
    "verdict": "override",
    "channel": "red",
    "reason_code": "other",
    "reason": "Fresh paint.",
}


def decide(world: World, number: int, **crossing: Any) -> Any:
    """Return the answer to an arrival, as a supervisor sees its decision."""
    made = world.decide(arrival(number, **crossing))
    assert made.status_code == 201, made.text
    return world.get(f"/v1/decisions/{made.json()['decision_id']}").json()


def declare(number: int, hs_code: str, **crossing: Any) -> dict[str, Any]:
    """Return the body of an arrival that declares goods of an HS code."""
    body = arrival(number, vehicle_class="truck", **crossing)
    item = {"item_no": 1, "hs_code": hs_code, "net_mass_kg": 500.0}
    declared = {
        "declaration_id": f"e-{number}",
        "procedure": "import",
        "consignee_id": f"n{number}",
    }
    return body | {"declaration": declared | {"items": [item]}}


def test_nothing_detains_anybody(world: World) -> None:
    for start, channel in ((START, "green"), (START + 500, "red")):
        decision = find(world, channel, start)
        assert decision["advisory"] is True
        seen = world.get(f"/v1/decisions/{decision['decision_id']}", Role.CHECKPOINT).json()
        assert seen["advisory"] is True


def test_a_shift_report_names_the_posts_zone(world: World) -> None:
    report = world.get(f"/v1/posts/{POST}/shift").json()
    assert report["timezone"] == "Asia/Tashkent"
    opens_at = datetime.fromisoformat(report["opens_at"])
    assert report["opens_at"].endswith("Z"), "an instant in UTC"
    assert opens_at.astimezone(UTC).hour in (3, 15), "08:00 or 20:00 at Oybek"
    assert "UTC+05:00 (Asia/Tashkent)" in at_desk(world, "zone").get(f"/posts/{POST}/shift").text


def test_an_exported_list_keeps_instants_in_utc(world: World) -> None:
    find(world, "red", START + 1_700)
    headers = world.headers(Role.SUPERVISOR) | {"Accept": "text/csv"}
    answer = world.client.get("/v1/decisions", headers=headers)
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows and all(row["as_of"].endswith("Z") for row in rows)


def test_an_hour_of_a_scanner_has_a_figure_with_an_interval() -> None:
    decided = [make_decision("score", ("xray",), "seizure", 60.0)] * 6
    (scanner,) = [one for one in count_hours(decided) if one.method == "xray"][:1]
    figure = scanner.hits_per_hour
    assert figure.value == 1.0 and figure.low and figure.high and figure.low < 1.0 < figure.high


def test_an_override_to_red_has_a_search_order(world: World) -> None:
    green = find(world, "green", START + 2_000)
    path = f"/v1/decisions/{green['decision_id']}"
    assert world.post(f"{path}/reviews", OVERRIDE, Role.SUPERVISOR).status_code == 201
    order = world.get(path).json()["search_order"]
    assert order and {step["kind"] for step in order} >= {"place", "papers"}


def test_a_late_exit_record_of_another_key_raises_no_alert(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mirror,) = (
        each for each in world.runtime.journal._projections if isinstance(each, MirrorProjection)
    )
    shared = find(world, "red", START + 3_000)
    assert exit_of(world, shared, driver_ref="their-name").status_code == 201
    (alert,) = world.get(f"/v1/decisions/{shared['decision_id']}").json()["alerts"]
    assert alert["code"] == "driver", "negative control: one key for all"
    monkeypatch.setattr(mirror, "_network", replace(world.runtime.network, identifiers={}))
    apart = find(world, "red", START + 3_500)
    assert exit_of(world, apart, driver_ref="their-name").status_code == 201
    assert "alerts" not in world.get(f"/v1/decisions/{apart['decision_id']}").json()


def test_an_act_on_a_notice_is_the_counterparts(world: World) -> None:
    notice(world, "party-300")
    decision = find_yellow(world, "party-300", START + 4_000)
    filed = world.post("/v1/inspections", act(300_001, decision["crossing_id"]))
    assert read_basis(world, filed) == ("counterpart", None)


def sum_figures(world: World) -> tuple[int, float]:
    """Return seizures and gravity of the running shift."""
    streams = world.get(f"/v1/posts/{POST}/shift").json()["this_shift"]["streams"]
    return sum(one["seizures"] for one in streams), sum(one["gravity"] for one in streams)


def test_a_shift_report_states_finds_and_their_gravity(world: World) -> None:
    red, (finds, gravity) = find(world, "red", START + 4_600), sum_figures(world)
    filed = act(300_004, red["crossing_id"], outcome="seizure")
    assert world.post("/v1/inspections", filed).status_code == 201
    seizure = {
        "seizure_id": "heavy-300",
        "crossing_id": red["crossing_id"],
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": "narcotic",
        "quantity_g": 2_000,
    }
    assert world.post("/v1/seizures", seizure).status_code == 201
    assert sum_figures(world) == (finds + 1, gravity + 20.0)


def test_an_unknown_hs_code_is_decided_on(world: World) -> None:
    assert world.decide(declare(START + 6_000, "9999999999")).status_code == 201
    short = world.decide(declare(START + 6_001, "29")).json()
    assert "short_hs_code" in short["data_gaps"]


def test_a_wrong_container_number_is_decided_on(world: World) -> None:
    decision = decide(world, START + 6_010, container_numbers=["CSQU3054384"])
    assert "container_check_digit" in decision["data_gaps"]


def test_a_rail_wagon_without_plate_driver_or_scale_is_decided_on(world: World) -> None:
    nothing = dict.fromkeys(("plate", "driver_ref", "carrier_id", "weighed_mass_kg"))
    decision = decide(world, START + 6_020, vehicle_class="rail_wagon", **nothing)
    assert {"no_plate", "no_driver_ref", "no_carrier", "not_weighed"} <= set(decision["data_gaps"])


def test_a_declared_precursor_is_a_fact_for_the_checkpoint(world: World) -> None:
    decision = world.decide(declare(START + 6_030, "2915240000")).json()
    seen = world.get(f"/v1/decisions/{decision['decision_id']}", Role.CHECKPOINT).json()
    assert any("acetic anhydride" in fact["text"] for fact in seen["facts"])


def test_a_referral_of_acetic_anhydride_says_that_the_consignee_is_new(world: World) -> None:
    for number in range(START + 10_000, START + 10_300):
        decision = world.decide(declare(number, "2915240000")).json()
        if decision["channel"] != "green":
            break
    reasons = world.get(f"/v1/decisions/{decision['decision_id']}").json()["reasons"]
    (found,) = [one["text"] for one in reasons if one["code"] == "precursor_declared"]
    assert "acetic anhydride" in found and "first for this consignee" in found


def test_a_nationality_is_refused_by_its_field(world: World) -> None:
    refused = world.decide(arrival(START + 6_040, nationality="TJ"))
    assert refused.status_code == 422
    assert refused.json()["fields"][0]["rule"] == "unknown_field"


def test_national_fields_are_recorded_and_none_says_something_of_a_person(world: World) -> None:
    stated = {"axles": 5, "terminal": "T-2"}
    decide(world, START + 9_100, national=stated | {"note": "N/A"})
    with open_store(world.home) as store, store.read() as connection:
        (last,) = JournalReader(connection).records(DECISION, newest=1)
    assert last.body["arrival"]["crossing"]["national"] == stated
    refused = world.decide(arrival(START + 9_101, national={"driver_sex": "x"}))
    assert refused.status_code == 422
    (fault,) = refused.json()["fields"]
    assert (fault["at"], fault["rule"]) == ("crossing.national.?", "forbidden_field")


def test_an_inland_seizure_reaches_the_next_crossing_of_its_driver(world: World) -> None:
    decide(world, START + 6_050, plate="01 X 050 XX", driver_ref="inland-300")
    seizure = {
        "seizure_id": "inland-300",
        "plate": "01х050хх",  # in Cyrillic letters
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": "narcotic",
    }
    assert world.post("/v1/seizures", seizure, Role.SUPERVISOR).status_code == 201
    again = decide(world, START + 6_051, driver_ref="inland-300")
    known = world.get(f"/v1/decisions/{again['decision_id']}/features").json()["features"]
    assert known["driver_finds_elsewhere"] == 1
