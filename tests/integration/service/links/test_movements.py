"""Manifests, alerts and outcomes with a partner; exits that came as files are announced too."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli.main import app
from api.links import movements
from api.links.loaded_exits import announce_all
from api.links.worker import LinkWorker
from api.service.assembly import open_store, projections
from engine.audit.file_anchors import open_network
from engine.domain.rights import Role
from engine.domain.time_units import HOUR, SystemClock
from engine.journal.journal import Journal, JournalReader
from engine.journal.kinds import DECISION, INSPECTION
from engine.links.agreement import parse_agreement
from engine.links.area import LINK_SENT
from engine.links.envelope import Envelope, Position
from engine.links.exchange import LinkExchange
from engine.links.identity import open_link_keys
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from tests.support.people import at_desk
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.engine.links.links import LinkSides, attention_body, manifest_body, partner_content

CANARY = "CANARY"


@dataclass
class Partner:
    """The other side, which sends what it likes."""

    world: World
    sides: LinkSides
    last: Position = field(default_factory=Position)

    def send(self, kind: str, body: dict[str, Any]) -> None:
        """Hand one message over; it must be taken."""
        now = int(datetime.now(UTC).timestamp() * 1_000_000)
        about = {"sent_at": now, "expires": now + HOUR, "kind": kind}
        sealed: Envelope = self.sides.seal(body, after=self.last, **about)
        self.last = Position(sealed.number, sealed.digest)
        raw = self.sides.parcel((sealed.raw.decode(),), at=now)
        path = f"/v1/links/{self.sides.agreement.link}/parcels"
        assert self.world.client.post(path, content=raw).status_code == 200

    def manifest(self, movement: str, plate: str, **more: Any) -> None:
        """Tell of a truck that left an hour ago."""
        left_at = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        body = manifest_body(movement=movement, post=OTHER, left_at=left_at, plate=plate)
        self.send("manifest", body | more)


@pytest.fixture(scope="module")
def partner(world: World) -> Partner:
    sides = LinkSides(tj=open_link_keys(world.home))
    pairs = [{"posts": [OTHER, POST]}]
    content = partner_content(sides.uz.identity, sides.tj.identity, pairs=pairs)
    sides.agreement = parse_agreement(content)
    exchange = LinkExchange(world.runtime.store, world.runtime.journal, sides.tj)
    exchange.propose(sides.agreement, by="ann")
    exchange.approve(sides.agreement.name, by="bob")
    return Partner(world, sides)


def announce(world: World) -> list[Any]:
    """Let the service's own worker run a turn, and return what was sent."""
    LinkWorker(world.runtime, seconds=60).run_turn()
    with world.runtime.store.read() as connection:
        return [one.body for one in JournalReader(connection).records(LINK_SENT)]


def truck(number: int, **crossing: Any) -> dict[str, Any]:
    about = {"vehicle_class": "truck", "is_empty": False, "weighed_mass_kg": 20_000.0}
    return arrival(number, **about | crossing)


def test_a_decided_exit_leaves_as_a_manifest_of_the_agreed_fields(
    world: World, partner: Partner
) -> None:
    body = truck(70_000, direction="exit", driver_ref=CANARY)
    body["declaration"] |= {"consignee_id": CANARY, "payment_type": CANARY}
    body["declaration"]["items"][0]["description"] = CANARY
    assert world.decide(body).status_code == 201
    sent = announce(world)[-1]
    assert announce(world)[-1] == sent
    assert sent["about"]["name"] == body["crossing"]["crossing_id"]
    agreed = {path.partition(".")[0] for path in partner.sides.agreement.messages[0].fields}
    assert sent["message"] == "manifest"
    assert sent["body"].keys() <= agreed
    assert sent["body"]["plate"] == body["crossing"]["plate"]
    travels = str(sent["body"]) + sent["envelope"]
    assert CANARY not in travels
    assert body["crossing"]["crossing_id"] not in travels


def test_a_manifest_is_compared_and_shown_as_of_the_decision(
    world: World, partner: Partner
) -> None:
    plate = "01A71000BC"
    item = {"hs_code": "291814", "net_mass_kg": 18_000.0, "pen_number": "PEN-71"}
    said = {"seal_numbers": ["S-1"], "body_type": "tank", "goods": [item]}
    partner.manifest("m-71", plate, weighed_mass_kg=15_000.0, **said)
    made = world.decide(truck(71_000, plate=plate, seal_numbers=["S-2"])).json()
    path = f"/v1/decisions/{made['decision_id']}"
    features = world.get(f"{path}/features").json()["features"]
    assert features["mirror_seals_differ"] == 1.0
    assert features["mirror_mass_gap"] == 5_000.0
    assert features["mirror_driver_differs"] is None, "not comparable is no difference"
    manifest = world.get(path).json()["partner_manifest"]
    assert (manifest["post"], manifest["seal_numbers"]) == (OTHER, ["S-1"])
    assert (manifest["body_type"], manifest["goods"]) == ("tank", [item])
    assert "partner_manifest" not in world.get(path, Role.CHECKPOINT).json()
    page = at_desk(world, "reader_of_manifests").get(path.removeprefix("/v1")).text
    assert "≠ S-1" in page


def test_an_act_tells_the_partner_the_outcome_and_no_more(world: World, partner: Partner) -> None:
    plate = "01A73000BC"
    partner.manifest("m-73", plate)
    made = world.decide(truck(73_000, plate=plate)).json()
    before = len(announce(world))
    at = datetime.now(UTC).isoformat()
    act = {
        "inspection_id": f"{CANARY}-73",
        "crossing_id": made["crossing_id"],
        "recorded_at": at,
        "methods": ["physical"],
        "minutes": 30,
        "places_searched": ["trailer.doors"],
        "outcome": "seizure",
    }
    assert world.post("/v1/inspections", act).status_code == 201
    find = {
        "seizure_id": f"{CANARY}-z",
        "inspection_id": act["inspection_id"],
        "crossing_id": made["crossing_id"],
        "recorded_at": at,
        "substance_class": "narcotic",
        "substance": CANARY,
        "quantity_g": 777.0,
    }
    assert world.post("/v1/seizures", find).status_code == 201
    of_act, of_find = announce(world)[before:]
    assert of_act["body"] == {
        "outcome_of": "m-73",
        "post": POST,
        "recorded_at": of_act["body"]["recorded_at"],
        "is_searched": True,
        "methods": ["physical"],
        "outcome": "seizure",
    }
    assert of_find["body"] == of_act["body"] | {
        "recorded_at": of_find["body"]["recorded_at"],
        "substance_class": "narcotic",
        "quantity_band": "up_to_1kg",
    }
    for body in (of_act["body"], of_find["body"]):
        assert datetime.fromisoformat(body["recorded_at"]).tzinfo is not None


def test_an_outcome_of_an_own_exit_is_an_act_of_the_counterpart(
    world: World, partner: Partner
) -> None:
    body = truck(74_000, direction="exit")
    assert world.decide(body).status_code == 201
    movement = announce(world)[-1]["body"]["movement"]
    outcome = {
        "outcome_of": movement,
        "post": OTHER,
        "recorded_at": datetime.now(UTC).isoformat(),
        "is_searched": True,
        "methods": ["physical"],
        "outcome": "seizure",
        "substance_class": "narcotic",
    }
    partner.send("outcome", outcome)
    partner.send("outcome", outcome | {"outcome_of": "a-request"})
    with world.runtime.store.read() as connection:
        acts = list(JournalReader(connection).records(INSPECTION))
    told = [one.body for one in acts if "message" in one.body]
    (filed,) = [one["inspection"] for one in told if one["message"]["movement"] == movement]
    assert filed["basis"] == "counterpart"
    assert "propensity" not in filed
    again = truck(74_500, plate=body["crossing"]["plate"])
    made = world.decide(again).json()
    features = world.get(f"/v1/decisions/{made['decision_id']}/features").json()["features"]
    assert features["plate_inspections_365d"] >= 1.0


@pytest.fixture
def second(world: World, partner: Partner) -> Iterator[Partner]:
    """Agree with another partner about other posts."""
    sides = LinkSides(tj=partner.sides.tj)
    content = partner_content(sides.uz.identity, sides.tj.identity)
    content |= {"name": "second", "pairs": [{"posts": ["KZ-1", "KZ-2"]}]}
    sides.agreement = parse_agreement(content)
    exchange = LinkExchange(world.runtime.store, world.runtime.journal, sides.tj)
    exchange.propose(sides.agreement, by="ann")
    exchange.approve(sides.agreement.name, by="bob")
    yield Partner(world, sides)
    exchange.end(sides.agreement.link, by="ann", why="the next test agrees again")


def test_a_partner_acts_on_no_movement_of_another_partner(
    world: World, partner: Partner, second: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a seeded bug: an outcome counts of whatever movement it names."""
    assert world.decide(truck(74_600, direction="exit")).status_code == 201
    outcome = {
        "outcome_of": announce(world)[-1]["body"]["movement"],
        "post": "KZ-1",
        "recorded_at": datetime.now(UTC).isoformat(),
        "is_searched": True,
        "methods": ["physical"],
        "outcome": "seizure",
    }

    def count_acts() -> int:
        with world.runtime.store.read() as connection:
            return len(list(JournalReader(connection).records(INSPECTION)))

    before = count_acts()
    second.send("outcome", outcome)
    assert count_acts() == before
    others = [partner.sides.agreement.link]
    monkeypatch.setattr(movements, "_list_partner_links", lambda *_: others)
    second.send("outcome", outcome | {"recorded_at": datetime.now(UTC).isoformat()})
    assert count_acts() == before + 1


def test_a_request_by_the_name_of_another_is_refused(
    world: World, partner: Partner, second: Partner
) -> None:
    """A withdrawal by that name would end what the other partner asked for."""
    body = attention_body(SystemClock().now())
    partner.send("attention", body)
    second.send("attention", body)
    second.send("attention", body | {"attention": "of-its-own"})
    path = f"/v1/links/{second.sides.agreement.link}"
    came = world.get(path, Role.INTEGRITY).json()["envelopes"]
    rules = [one["rule"] for one in came if one["direction"] == "received"]
    assert rules == ["", "name_taken"]


def test_a_home_with_manifests_verifies_recomputes_and_is_rebuilt(
    world: World, partner: Partner
) -> None:
    partner.manifest("m-75", "01A75000BC")
    assert world.decide(truck(75_000, plate="01A75000BC")).status_code == 201
    with world.runtime.store.read() as connection:
        made = [
            world.runtime.recompute.decision(connection, one.seq)
            for one in JournalReader(connection).records(DECISION)
        ]
    assert made
    assert all(one.is_identical for one in made)
    for command in ("verify", "rebuild", "verify"):
        found = CliRunner().invoke(app, [command, "--home", str(world.home.root)])
        assert found.exit_code == 0, (command, found.output)


NETWORK = '[[posts]]\ncode = "TJ-FOT"\nname = "Fotehobod"\ncountry = "TJ"\n'
HEAD = "crossing_id,post,direction,arrived_at,vehicle_class,plate,seal_numbers\n"


def load(home: Home, folder: Path, *rows: str) -> None:
    """Load crossings from a folder."""
    folder.mkdir()
    (folder / "network.toml").write_text(NETWORK, "utf-8")
    (folder / "crossings.csv").write_text(HEAD + "".join(f"{row}\n" for row in rows), "utf-8")
    found = CliRunner().invoke(app, ["load", str(folder), "--home", str(home.root)])
    assert found.exit_code == 0, found.output


def row(number: int, hours: float, way: str = "exit") -> str:
    at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    return f"c{number},TJ-FOT,{way},{at},truck,01A00{number}BC,S-{number}"


def announce_due(home: Home) -> list[str]:
    """Announce what is due, and return the plates of all manifests."""
    with open_store(home) as store:
        journal = Journal(store, projections(Plan(CATALOGUE), open_network(home, store)))
        sides = LinkSides(tj=open_link_keys(home), uz=UZ)
        exchange = LinkExchange(store, journal, sides.tj)
        if not journal_has_link(exchange):
            exchange.propose(sides.agreement, by="ann")
            exchange.approve(sides.agreement.name, by="bob")
        announce_all(exchange, exchange.find_link(sides.agreement.name), home)
        with store.read() as connection:
            sent = [one.body["body"] for one in JournalReader(connection).records(LINK_SENT)]
    assert all(one["seal_numbers"] for one in sent)
    return [one["plate"] for one in sent]


UZ = LinkSides().uz


def journal_has_link(exchange: LinkExchange) -> bool:
    with exchange.store.read() as connection:
        return bool(exchange.read_links(connection))


def test_exits_of_a_load_are_announced_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()
    load(home, tmp_path / "before", row(1, 1))
    assert announce_due(home) == [], "what was loaded before the agreement is not of it"
    rows = [row(2, 1), row(3, 80), row(4, 2, "entry"), row(5, 3)]
    load(home, tmp_path / "first", *rows)
    first = announce_due(home)
    assert sorted(first) == ["01A002BC", "01A005BC"]
    load(home, tmp_path / "second", *rows, row(6, 1))
    assert announce_due(home) == [*first, "01A006BC"]
    assert announce_due(home) == [*first, "01A006BC"]
