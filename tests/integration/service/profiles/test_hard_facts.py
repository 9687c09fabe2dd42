"""Facts that are impossible across the line: red, said first, and rare on clean traffic."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from api.demonstration.shifts import make_show_case
from api.service.assembly import open_store
from api.service.executors import Backtests
from api.service.settings import Settings
from engine.audit.file_anchors import open_network
from engine.criteria.match import FACTS
from engine.criteria.profiles import readable_fields
from engine.criteria.profiles.profile import BacktestSubject, read_template
from engine.domain.rights import Role
from engine.domain.time_units import micros
from engine.queue.queue import last_of_crossing, read_decision
from engine.targeting.targeting import Targeting
from features.history.tables import read_event_log
from models.evaluation.profile_backtest import profile_backtest
from tests.support.backtest_figures import FIGURES
from tests.support.people import at_desk, person, send
from tests.support.running_service import (
    FakeModels,
    World,
    decide_until,
    make_home,
    make_keys,
    open_world,
)
from tests.support.sizes import PROOF
from tests.unit.service.reports.test_acts import act

EACH = 200 if PROOF else 3
FAR = "ALT"
NETWORK = """
synthetic = true
[[posts]]
code = "OYB"
name = "Oybek"
country = "UZ"
pair = "FOT"
lat = 40.5
lon = 69.1
[[posts]]
code = "FOT"
name = "Fotehobod"
country = "TJ"
pair = "OYB"
lat = 40.4
lon = 69.1
[[posts]]
code = "ALT"
name = "Altynkol"
country = "KZ"
lat = 44.2
lon = 80.3
"""
SENTENCES = {
    "load": "Left Fotehobod empty (15,600 kg) on ",
    "mass": "Weighed 20,000 kg at Fotehobod on ",
    "seals": "Left Fotehobod on ",
    "trailer": "Transit goods left Fotehobod on ",
    "two_places": "Same plate at Altynkol (1,0",
    "too_soon": "Left Fotehobod on ",
    "papers": "Papers of another line: RU, KZ, CN does not lead through ",
    "body": "A tank vehicle cannot carry the declared goods, HS ",
}


@dataclass
class Line(World):
    """A service at a line, with a key of a post far away."""

    far: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """Serve a home whose network says where its three posts lie."""
    home = make_home(tmp_path_factory.mktemp("facts"))
    home.network.write_text(NETWORK, "utf-8")
    keys, other = make_keys(home)
    with open_store(home) as store:
        accounts, pepper = Accounts(store, open_network(home, store)), open_pepper(home)
        far = accounts.create_key(Role.CHECKPOINT, FAR, pepper=pepper).secret
    models = FakeModels()
    client, app = open_world(home, models, Settings(key_seconds=0.2, model_seconds=0.05))
    with client:
        yield Line(home, models, client, app.state.runtime, keys, other, far)


@pytest.fixture(scope="module")
def facts(world: Line) -> None:
    """Put the shipped profiles into force by two people."""
    ann, bob = person(world, Role.ANALYST), person(world, Role.SUPERVISOR)
    later = (datetime.now(UTC) + timedelta(days=90)).isoformat()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backtests, "run", lambda *_, **__: FIGURES)
        for fact in FACTS:
            proposed = dict(read_template(fact)) | {"owner": "Risk unit", "review_by": later}
            made = send(world, "/v1/profiles", proposed | {"valid_until": later}, ann)
            assert made.status_code == 201, made.text
            code = proposed["code"]
            done = send(world, f"/v1/profiles/{code}/approvals", {}, bob)
            assert done.status_code == 201, done.text


def crossings(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a lawful passage: what Fotehobod records, and the arrival at Oybek two hours later."""
    now = datetime.now(UTC)
    known = {
        "vehicle_class": "truck",
        "plate": f"{number:04d}AB01",
        "trailer_plate": f"{number:04d}TT",
        "seal_numbers": [f"A{number:07d}"],
        "tir_carnet": f"XV{number:08d}",
        "weighed_mass_kg": 20_000.0,
        "is_empty": False,
        "body_type": "tilt",
    }
    left = known | {
        "crossing_id": f"out-{number}",
        "post": "FOT",
        "direction": "exit",
        "arrived_at": (now - timedelta(hours=2)).isoformat(),
    }
    came = known | {
        "crossing_id": f"in-{number}",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": (now - timedelta(seconds=number % 50)).isoformat(),
        "weighed_mass_kg": 20_240.0,
    }
    item = {"item_no": 1, "hs_code": "080620", "net_mass_kg": 9_000.0, "gross_mass_kg": 9_500.0}
    papers = {
        "declaration_id": f"e-{number}",
        "procedure": "tir",
        "dispatch_country": "TJ",
        "destination_country": "KZ",
        "route_countries": ["TJ", "UZ"],
        "items": [item],
    }
    return {"crossing": left}, {"crossing": came, "declaration": papers}


def plant(fact: str, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a passage that shows one fact."""
    left, came = crossings(number)
    at = came["crossing"]["arrived_at"]
    seal, kg = f"B{number:07d}", 26_000.0 if number % 2 else 14_000.0
    there: dict[str, dict[str, Any]] = {
        "load": {"is_empty": True, "weighed_mass_kg": 15_600.0},
        "two_places": {"post": FAR, "direction": "entry"},
        "too_soon": {"arrived_at": at},
    }
    here: dict[str, dict[str, Any]] = {
        "load": {"weighed_mass_kg": 29_200.0},
        "mass": {"weighed_mass_kg": kg},
        "seals": {"seal_numbers": [seal]},
        "trailer": {"trailer_plate": f"{number:04d}KK"},
        "body": {"body_type": "tank"},
    }
    left["crossing"] |= there.get(fact, {})
    came["crossing"] |= here.get(fact, {})
    if fact == "papers":
        ends = {"dispatch_country": "RU", "destination_country": "CN"}
        came["declaration"] |= ends | {"route_countries": ["KZ"]}
    if fact == "body":
        came["declaration"]["items"][0]["hs_code"] = "640399"
    return left, came


def decide(world: Line, pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[Any]:
    """Record what the other posts saw, then decide; return the decisions as a supervisor sees."""
    for left, _ in pairs:
        key = world.far if left["crossing"]["post"] == FAR else world.other
        headers = {"Authorization": f"Bearer {key}"}
        answer = world.client.post("/v1/crossings", json=left, headers=headers)
        assert answer.status_code == 201, answer.text
    views = []
    for begin in range(0, len(pairs), 500):
        views += world.decide_all([came for _, came in pairs[begin : begin + 500]])
    assert not any("reasons" in one for one in views), "a checkpoint is not told"
    return [world.get(f"/v1/decisions/{one['decision_id']}").json() for one in views]


@pytest.mark.usefixtures("facts")
@pytest.mark.parametrize("fact", FACTS)
def test_what_is_impossible_is_red_and_said_first(world: Line, fact: str) -> None:
    start = 1000 * (1 + FACTS.index(fact))
    found = decide(world, [plant(fact, start + number) for number in range(EACH)])
    assert {one["channel"] for one in found} == {"red"}
    first = [one["reasons"][0] for one in found]
    assert {one["code"] for one in first} == {"hard_fact"}
    assert all(one["text"].startswith(SENTENCES[fact]) for one in first), first[0]["text"]
    assert {"UTC" in one["text"] for one in first} == {fact not in ("papers", "body")}
    crossing = found[0]["crossing_id"]
    search = act(start, crossing, inspection_id=f"fact-{fact}")
    assert world.post("/v1/inspections", search).status_code == 201
    opened = world.get(f"/v1/decisions/{found[0]['decision_id']}", Role.CHECKPOINT).json()
    subjects = {"two_places": "conveyance", "papers": "documents", "body": "goods"}
    assert subjects.get(fact, "mirror") in [one["code"] for one in opened["reasons"]]


@pytest.mark.usefixtures("facts")
def test_lawful_traffic_raises_no_false_alarm(
    world: Line,
) -> None:
    pairs = [crossings(20_000 + number) for number in range(10 * EACH)]
    found = decide(world, pairs)
    assert not [one for one in found if one["reasons"][:1] and is_fact(one)]
    with world.runtime.store.read() as connection:
        tables = read_event_log(world.home, connection)
    shipped = read_template("load")
    subject = BacktestSubject(shipped["expression"], tolerance=shipped["tolerance"])
    told = profile_backtest(tables, subject)
    planted = [one for one in tables.crossings["crossing_id"].to_pylist() if is_planted_load(one)]
    assert told["matches"] == len(planted)
    assert told["matches_per_1000"] == pytest.approx(1000 * len(planted) / told["arrivals"])


@pytest.mark.usefixtures("facts")
def test_a_vehicle_that_came_twice_is_compared_with_its_own_passage(
    world: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record of an earlier passage is none of this one; without that rule it would alarm."""
    alarms: list[bool] = []
    for rule in (readable_fields._of_passage, lambda value, *_: value):
        for name in ("left_empty", "mass_gained_kg"):
            derived = readable_fields.DERIVED[name]
            changed = readable_fields.Derived(derived.inputs, rule, derived.unit, derived.meaning)
            monkeypatch.setitem(readable_fields.DERIVED, name, changed)
        world.runtime.profiles._last = 0  # compiled again
        number = 30_000 + len(alarms)
        left, came = crossings(number)
        decide(world, [(left, came)])
        again = crossings(number)[1]
        again["crossing"] |= {"crossing_id": f"again-{number}", "weighed_mass_kg": 13_000.0}
        again["crossing"]["is_empty"] = True
        again["crossing"].pop("seal_numbers")
        again["declaration"] = None
        (view,) = world.decide_all([again])
        found = world.get(f"/v1/decisions/{view['decision_id']}").json()
        alarms.append(bool(found["reasons"]) and is_fact(found))
    assert alarms == [False, True]


@pytest.mark.usefixtures("facts")
def test_a_late_record_is_judged_again_with_the_same_draws(world: Line) -> None:
    first = decide_until(world, "yellow", range(40_000, 41_000), alone)
    number = int(first["crossing_id"].removeprefix("in-"))
    report_late(world, number, is_empty=True, weighed_mass_kg=15_600.0)
    again = newest(world, first)
    assert again["amends"] == first["decision_id"] and again["channel"] == "red"
    assert again["reasons"][0]["text"].startswith(SENTENCES["load"])
    queue = world.get("/v1/posts/OYB/queue").json()["waiting"]
    waiting = [one["decision_id"] for one in queue if one["crossing_id"] == first["crossing_id"]]
    assert waiting == [again["decision_id"]]
    with world.runtime.store.read() as connection:
        both = [read_decision(connection, one["decision_id"]).seq for one in (first, again)]
        bodies = [world.runtime.journal.body(connection, seq)["inputs"] for seq in both]
        assert world.runtime.recompute.decision(connection, both[1]).is_identical
    shared = bodies[0]["draws"].keys() & bodies[1]["draws"].keys()
    assert shared and all(bodies[0]["draws"][one] == bodies[1]["draws"][one] for one in shared)
    assert {one["code"] for one in again["alerts"]} >= {"load", "mass"}
    page = at_desk(world, "bob").get(f"/decisions/{again['decision_id']}").text
    masses = page.partition('id="masses"')[2].partition("</ol>")[0]
    kg = again_mass(number)
    weighed = re.findall(r"<strong>([^<]*)</strong>", masses)
    assert weighed == ["15.6 t, empty", f"{round(kg / 1000, 1):g} t, laden"]
    assert masses.index("Fotehobod") < masses.index("Oybek") and "known to this one" in masses
    assert f'href="/decisions/{first["decision_id"]}">Yellow' in page
    replaced = at_desk(world, "rob").get(f"/decisions/{first['decision_id']}").text
    assert f'href="/decisions/{again["decision_id"]}"' in replaced.partition('id="why"')[0]
    later = {"crossing_id": f"later-{number}", "vin": "JT2BF22K1W0123456"}
    report_late(world, number, weighed_mass_kg=kg, **later)
    last = newest(world, first)
    assert last["decision_id"] != again["decision_id"] and last["channel"] == "red"
    fact, before = last["reasons"][0], again["reasons"][0]
    assert fact["code"] == "hard_fact", "a later record takes no fact away"
    assert fact["text"] == f"An earlier record said: «{before['text']}»"
    head = read_head(at_desk(world, "ned").get(f"/decisions/{last['decision_id']}").text)
    assert head[0].startswith(f"Fotehobod: {round(kg / 1000, 1):g} t, laden, "), "known now"
    assert "reported after the first" in head[0]
    assert head[1].startswith("An earlier record said: «Left Fot")


@pytest.mark.usefixtures("facts")
def test_the_show_case_of_the_demonstration_shows(world: Line) -> None:
    case = make_show_case(until=micros(datetime.now(UTC)))
    left, came, told = (
        json.loads(json.dumps(one).replace("UZ-OYB", "OYB").replace("TJ-FOT", "FOT"))
        for one in (case.left, case.came, case.told)
    )
    (first,) = decide(world, [(left, came)])
    said = first["reasons"][0]["text"]
    assert said.startswith("Left Fotehobod empty (15,600 kg) on ")
    assert "arrived laden (29,220 kg) on " in said
    answer = world.client.post(
        "/v1/crossings", json=told, headers={"Authorization": f"Bearer {world.other}"}
    )
    assert answer.status_code == 201, answer.text
    again = newest(world, first)
    assert again["amends"] == first["decision_id"]
    stated = [one["message"] for one in again["reasons"] if one["code"] == "hard_fact"]
    assert stated == ["fact_mass_lost", "fact_seals", "fact_superseded"], "known now leads"
    page = at_desk(world, "boss").get(f"/decisions/{again['decision_id']}").text
    masses = page.partition('id="masses"')[2].partition("</ol>")[0]
    weighed = re.findall(r"<strong>([\d.]+ t),", masses)
    assert weighed == ["15.6 t", "42.4 t", "29.2 t"]
    (picked,) = re.findall(r'class="pick" title="([^"]*)">hard fact<', page)
    assert "FACT-LOAD: Left the opposite post empty" in picked and "FACT-MASS: Gained" in picked
    told = read_head(page)
    assert "False alarms: " in page.partition('<dd id="facts">')[2].partition("</dd>")[0]
    named = re.findall(r"<strong>\d+</strong> ?↑?\s*([^<]+)", page.partition('id="marks"')[2])
    assert len(named) >= 3, "every number of the drawing has a name"
    assert re.fullmatch(TIMES, told[0]), told[0]
    assert not any("earlier record" in one for one in told), "the tabs have it"
    assert "An earlier record said: «Left Fotehobod empty (15,600 kg) on " in page
    before = read_head(at_desk(world, "lou").get(f"/decisions/{first['decision_id']}").text)
    assert before[0].startswith("Fotehobod: 42.4 t, laden, ")
    assert "reported after the decision" in before[0]


@pytest.mark.usefixtures("facts")
@pytest.mark.parametrize("is_broken", [False, True])
def test_a_milder_channel_after_a_late_record_is_for_a_supervisor(
    world: Line, monkeypatch: pytest.MonkeyPatch, *, is_broken: bool
) -> None:
    if is_broken:
        monkeypatch.setattr(Targeting, "_stands", lambda *_: False)
    numbers = range(42_000, 43_000) if is_broken else range(43_000, 44_000)
    first = decide_until(world, "yellow", numbers, alone)
    word = {"verdict": "override", "channel": "red", "reason_code": "officer_observation"}
    reviewed = world.post(
        f"/v1/decisions/{first['decision_id']}/reviews",
        word | {"reason": "wet paint"},
        Role.SUPERVISOR,
    )
    assert reviewed.status_code == 201, reviewed.text
    number = int(first["crossing_id"].removeprefix("in-"))
    report_late(world, number, vin="JT2BF22K1W0123456")
    again = newest(world, first)
    assert (again["decision_id"] == first["decision_id"]) is not is_broken


@pytest.mark.usefixtures("facts")
def test_a_late_record_that_differs_in_its_time_alone_is_judged(world: Line) -> None:
    lawful = decide_until(world, "yellow", range(45_000, 46_000), alone)
    report_late(world, int(lawful["crossing_id"].removeprefix("in-")))
    assert newest(world, lawful)["decision_id"] == lawful["decision_id"], "two hours are possible"

    first = decide_until(world, "yellow", range(46_000, 47_000), alone)
    at = (datetime.now(UTC) - timedelta(seconds=55)).isoformat()
    report_late(world, int(first["crossing_id"].removeprefix("in-")), arrived_at=at)
    again = newest(world, first)
    assert again["amends"] == first["decision_id"] and again["channel"] == "red"
    assert again["reasons"][0]["text"].startswith(SENTENCES["too_soon"])
    assert "alerts" not in again, "nothing else differs"
    page = at_desk(world, "eve").get(f"/decisions/{again['decision_id']}").text
    assert f'href="/decisions/{first["decision_id"]}">Yellow' in page


def alone(number: int) -> dict[str, Any]:
    """Return an arrival whose exit is not known yet."""
    came = crossings(number)[1]
    came["crossing"] |= {"vin": "JT2BF22K1W0999999", "weighed_mass_kg": 20_000.0 + number % 100}
    came["crossing"]["driver_ref"] = f"d-{number}"
    return came


TIMES = r"42,360 kg at Fotehobod \([\d:]{5}\), 29,220 kg here \([\d:]{5}\): 13,140 kg less\."


def read_head(page: str) -> list[str]:
    """Return what the head of a decision's page says, one text a line."""
    listed = page.partition('id="why"')[2].partition("</ol>")[0]
    return [
        " ".join(re.sub(r"<[^>]*>", "", one).split()) for one in re.findall(r"<li>.*?</li>", listed)
    ]


def again_mass(number: int) -> float:
    kg: float = alone(number)["crossing"]["weighed_mass_kg"]
    return kg


def report_late(world: Line, number: int, **changed: Any) -> None:
    left = crossings(number)[0]
    left["crossing"] |= {"weighed_mass_kg": None} | changed
    headers = {"Authorization": f"Bearer {world.other}"}
    answer = world.client.post("/v1/crossings", json=left, headers=headers)
    assert answer.status_code == 201, answer.text


def newest(world: Line, first: dict[str, Any]) -> Any:
    """Return the last decision on a crossing."""
    with world.runtime.store.read() as connection:
        last = last_of_crossing(connection, first["crossing_id"])
    assert last is not None
    return world.get(f"/v1/decisions/{last.decision_id}").json()


def is_fact(one: dict[str, Any]) -> bool:
    return any(each["code"] == "hard_fact" for each in one["reasons"])


def is_planted_load(crossing_id: str) -> bool:
    start = 1000 * (1 + FACTS.index("load"))
    return crossing_id in {f"in-{start + number}" for number in range(EACH)}
