"""Two administrations, one on SQLite and one on PostgreSQL, as real services over HTTPS.

``uz`` is the side of Oybek, ``tj`` that of Fotehobod; a recording proxy stands before each. What
``uz`` may send is little, so that canaries stand in everything else that its records hold.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import MetaData, select

from api.links.exchanges import CA_FILE
from engine.links import envelope, outbox
from engine.links.messages import dump_message, list_fields
from engine.storage.home import Home
from experiments.support.processes import find_free_port
from experiments.support.tls_line import Line, make_certificate, read_wire, serve_tls
from tests.integration.service.links.installations import NAME, Installation, Service

pytestmark = pytest.mark.machine_clock

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

CANARY, OTHER = "CANARIES", "CHIRPING"
"""In what ``uz`` records, and in what ``tj`` does: long enough for no ciphertext to spell them."""
NETWORK = """
synthetic = true
[[posts]]
code = "UZ-OYB"
name = "Oybek"
country = "UZ"
pair = "TJ-FOT"
[[posts]]
code = "TJ-FOT"
name = "Fotehobod"
country = "TJ"
pair = "UZ-OYB"
"""
LITTLE = ("movement", "post", "left_at", "vehicle_class", "goods.hs_code")
"""Fields of a manifest that ``uz`` may send: no identifier at all."""
VEHICLE = ("plate", "trailer_plate", "container_numbers", "tir_carnet")
MATCH = ("exchange", "step", "elements", "proof", "answer_by")


@dataclass
class Partners:
    """Both installations with their services, and the line before each."""

    uz: Service
    tj: Service
    lines: dict[str, Line]

    def sync(self) -> None:
        """Let each side exchange with the other, which answers in the same requests."""
        for service in (self.tj, self.uz):
            found = service.installation.run("link", "sync")["links"][NAME]
            assert not found["stopped"]

    def forget_wires(self) -> None:
        """Forget what passed: other tests put plain text there."""
        for line in self.lines.values():
            line.seen.clear()

    def read_all_wires(self) -> bytes:
        """Return what passed on both lines."""
        return b"\n".join(read_wire(line) for line in self.lines.values())


def write_agreement(keys: dict[str, Any], urls: dict[str, str], path: Path) -> None:
    rules = []
    for sender, manifest in (("uz", LITTLE), ("tj", (*LITTLE, *VEHICLE))):
        asked = [one for one in list_fields("attention") if (sender, one) != ("uz", "why")]
        fields = {
            "manifest": manifest,
            "match": MATCH,
            "attention": asked,
            "answer": ("about", "answer"),
            "outcome": list_fields("outcome"),
            "withdraw": ("attention",),
        }
        rules += [(kind, sender, names) for kind, names in fields.items()]
    text = f"""
name = "{NAME}"
kind = "partner"
purposes = ["smuggling"]
ground = "Protocol of November 2019"
expires = 2036-12-31T00:00:00Z
[matching]
elements_per_request = 50
requests_per_day = 1
elements_per_period = 90
period_days = 365
entries = 1000
refusals = 3
[[pairs]]
posts = ["UZ-OYB", "TJ-FOT"]
"""
    for name in ("uz", "tj"):
        text += f"""
[[parties]]
name = "{name}"
administration = "{name.upper()}"
signing_key = "{keys[name]["signing_key"]}"
receiving_key = "{keys[name]["receiving_key"]}"
url = "{urls[name]}"
"""
    for kind, sender, names in rules:
        text += f"""
[[messages]]
kind = "{kind}"
from = "{sender}"
purpose = "smuggling"
fields = {json.dumps(list(names))}
"""
    path.write_text(text, "utf-8")


@pytest.fixture(scope="module")
def partners(tmp_path_factory: pytest.TempPathFactory, cluster: "Cluster") -> Iterator[Partners]:
    """Let two people on each side approve an agreement, and serve both sides."""
    folder = tmp_path_factory.mktemp("partners")
    with cluster.database() as url, ExitStack() as stack:
        services, lines = {}, {}
        for name, database, post in (("uz", None, "UZ-OYB"), ("tj", url, "TJ-FOT")):
            side = Installation(Home(folder / name), database, post)
            side.prepare(name.upper(), NETWORK)
            side.make_keys()
            service = Service(side, find_free_port())
            lines[name] = Line(service.port, make_certificate(side.home.root))
            services[name] = service
            stack.enter_context(serve_tls(lines[name], side.home.root))
        for name, other in (("uz", "tj"), ("tj", "uz")):
            shutil.copy(lines[other].certificate, services[name].installation.home.root / CA_FILE)
        sides = [service.installation for service in services.values()]
        keys = {name: one.installation.run("link", "identity") for name, one in services.items()}
        agreement = folder / "link.toml"
        write_agreement(keys, {name: line.url for name, line in lines.items()}, agreement)
        for side in sides:
            side.run("link", "propose", str(agreement), by="anna")
            side.run("link", "approve", NAME, by="boris")
        for service in services.values():
            stack.callback(service.kill)
            service.launch()
        for service in services.values():
            service.wait()
        yield Partners(services["uz"], services["tj"], lines)


def now(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def canary(name: str) -> str:
    return f"{CANARY}{name}"


def make_exit(post: str, number: int, *, word: str = CANARY) -> dict[str, Any]:
    """Return the body of a vehicle that leaves, with canaries in every field that takes one."""

    def canary(name: str) -> str:
        return f"{word}{name}"

    crossing = {
        "crossing_id": canary(f"crossing{number}"),
        "post": post,
        "direction": "exit",
        "arrived_at": now(-5),
        "vehicle_class": "truck",
        "plate": canary(f"plate{number}"),
        "plate_country": "UZ",
        "trailer_plate": canary("trailer"),
        "vin": canary("vin"),
        "container_numbers": [canary("container")],
        "seal_numbers": [canary("seal")],
        "tir_carnet": canary("tir"),
        "cmr_number": canary("cmr"),
        "driver_ref": canary("driver"),
        "carrier_id": canary("carrier"),
    }
    item = {
        "item_no": 1,
        "hs_code": "080610",
        "description": canary("description"),
        "net_mass_kg": 1234.0,
    }
    declaration = {
        "declaration_id": canary(f"declaration{number}"),
        "procedure": "export",
        "declarant_id": canary("declarant"),
        "consignor_id": canary("consignor"),
        "consignee_id": canary("consignee"),
        "items": [item],
    }
    return {"crossing": crossing, "declaration": declaration}


def dump_store(side: Installation) -> str:
    """Return every row of every table of a store as text."""
    with side.open_store() as store, store.read() as connection:
        tables = MetaData()
        tables.reflect(connection)
        rows = [
            f"{table.name} {tuple(row)!r}"
            for table in tables.sorted_tables
            for row in connection.execute(select(table))
        ]
    return "\n".join(rows)


def find_canaries(*texts: str | bytes, word: str = CANARY) -> list[str]:
    """Return what stands next to each canary, whatever the case that it was folded to."""
    found = []
    for text in texts:
        upper = (text if isinstance(text, str) else text.decode("latin-1")).upper()
        found += [part[:12] for part in upper.split(word)[1:]]
    return found


def add_entries(service: Service, *entries: dict[str, Any]) -> None:
    """Let two people put entries onto the watch list."""
    for entry in entries:
        body = {"reason": canary("reason"), "note": canary("note"), "expiry": now(86_400 * 30)}
        made = service.ask("/v1/watchlist", body | entry, by="supervisor", status=201)
        service.ask(f"/v1/watchlist/{made['id']}/approvals", {}, by="second", status=201)


def ask_attention(service: Service, **about: str) -> str:
    """Ask the other side for a search, and return the request's name."""
    body = {
        "link": NAME,
        "identifier": "trailer_plate",
        "action": "search",
        "answer_by": now(3_600),
        "until": now(86_400),
    }
    made = service.ask("/v1/attentions", body | about, by="supervisor", status=201)
    return str(made["id"])


def arrive(
    service: Service, number: int, *, channel: str, basis: str | None = "counterpart"
) -> dict[str, Any]:
    """Decide on the story's vehicle at Oybek until no lot picks it, as supervisors see it.

    A plate draws the same numbers all through a shift: one that is a random check stays one, so
    the trailer comes behind another tractor. The rule for a first crossing holds at the first one
    alone: the same tractor comes a second time.
    """
    for attempt in range(2 * TRACTORS):
        crossing = {
            "crossing_id": f"oyb-{number}-{attempt}",
            "post": "UZ-OYB",
            "direction": "entry",
            "arrived_at": now(-1),
            "vehicle_class": "truck",
            "plate": f"01A{777 + attempt // 2}BC",
            "trailer_plate": "TR900AA",
            "is_empty": True,
            "weighed_mass_kg": 15_000.0,
        }
        body = {"crossing": crossing, "declaration": None}
        made = service.ask("/v1/decisions", body, by="checkpoint", status=201)
        assert not NUMBERS & set(made), "no number at a checkpoint"
        seen = service.ask(f"/v1/decisions/{made['decision_id']}", by="supervisor")
        assert NUMBERS & set(seen), "a supervisor sees them"
        if seen["basis"] not in ("random", "profile"):
            assert (seen["channel"], seen["basis"]) == (channel, basis)
            return dict(seen)
    raise AssertionError("a lot picked every tractor")


TRACTORS = 10
"""With fresh secrets in each run, one in thirty is a random check."""
NUMBERS = {"score", "percentile", "propensity", "basis", "watchlist", "profiles", "reasons"}


def count_stream(service: Service, post: str) -> tuple[int, int]:
    """Return acts and seizures of the stream ``counterpart`` in a post's report."""
    found = service.ask(f"/v1/posts/{post}/shift", by="supervisor")["this_shift"]["streams"]
    return next((s["inspected"], s["seizures"]) for s in found if s["stream"] == "counterpart")


def test_the_story_of_the_seventh_of_march(partners: Partners) -> None:
    """Officers at Oybek, with their counterparts at Fotehobod, find what magnets hold."""
    uz, tj = partners.uz, partners.tj
    gone = make_exit("TJ-FOT", 7, word=OTHER)
    gone["crossing"] |= {"plate": "01A777BC", "trailer_plate": "TR900AA", "is_empty": True}
    tj.ask("/v1/decisions", gone, by="checkpoint", status=201)
    attention = ask_attention(tj, value="TR900AA", why="it left in a hurry")
    partners.sync()
    asked = uz.ask(f"/v1/attentions/{attention}", by="supervisor")
    assert (asked["state"], asked["owner"], asked["why"]) == ("open", "us", "it left in a hurry")
    arrive(uz, 0, channel="green", basis=None)  # nothing follows before a person accepts
    answers = f"/v1/attentions/{attention}/answers"
    uz.ask(answers, {"answer": "accepted"}, by="supervisor", status=201)

    yellow = arrive(uz, 1, channel="yellow")
    assert "no_mirror_record" not in yellow["data_gaps"], "the manifest is its mirror record"
    uz.ask(f"/v1/watchlist/{attention}/approvals", {}, by="second", status=201)
    red = arrive(uz, 2, channel="red")
    places = [step["place"] for step in red["search_order"] if step["place"]]
    assert any(place.startswith("chassis") for place in places), places

    act = {
        "inspection_id": "oyb-act-7",
        "crossing_id": red["crossing_id"],
        "recorded_at": now(),
        "methods": ["physical"],
        "minutes": 40,
        "places_searched": places,
        "outcome": "seizure",
    }
    uz.ask("/v1/inspections", act, by="checkpoint", status=201)
    find = {
        "seizure_id": "oyb-seizure-7",
        "inspection_id": "oyb-act-7",
        "crossing_id": red["crossing_id"],
        "recorded_at": now(),
        "substance_class": "narcotic",
        "substance": canary("hashish"),
        "quantity_g": 2_000.0,
        "place": "chassis.frame",
        "concealment": canary("magnets"),
    }
    uz.ask("/v1/seizures", find, by="checkpoint", status=201)
    partners.sync()

    closed = tj.ask(f"/v1/attentions/{attention}", by="supervisor")
    assert closed["state"] == "answered"
    assert closed["outcome"]["quantity_band"] == "up_to_10kg"
    assert closed["outcome"]["substance_class"] == "narcotic"
    assert count_stream(uz, "UZ-OYB") == (1, 1)
    assert count_stream(tj, "UZ-OYB") == (1, 1)
    held = find_canaries(dump_store(tj.installation))
    assert not [one for one in held if one.startswith(("HASHISH", "MAGNETS"))]
    assert all(side.installation.run("verify")["ok"] for side in (uz, tj))


def release_details(partners: Partners, token: str) -> list[str]:
    """Let two people of ``uz`` ask for details, and two of ``tj`` release them, by command."""
    states = []
    for side, step in ((partners.uz.installation, "ask"), (partners.tj.installation, "release")):
        side.run("link", "details", NAME, token, step, by="anna")
        refused = side.refuse("link", "details", NAME, token, step, by="anna")
        assert type(refused).__name__ == "SecondPersonError"
        states.append(side.run("link", "details", NAME, token, step, by="boris")["state"])
        partners.sync()
    return states


def test_outside_the_agreement_no_identifier_leaves(partners: Partners) -> None:
    """Not on the wire, not in the partner's store, not in a log; and the wire is unreadable."""
    uz, tj = partners.uz, partners.tj
    partners.forget_wires()
    uz.ask("/v1/decisions", make_exit("UZ-OYB", 1), by="checkpoint", status=201)
    add_entries(
        uz,
        {"plate": canary("k1")},
        {"plate": canary("s1"), "is_shareable": True},
        {"vin": "WDB9634031L000001", "is_shareable": True},
    )
    add_entries(tj, {"vin": "WDB9634031L000001", "is_shareable": True, "reason": "x", "note": "y"})
    assert uz.installation.run("link", "match", NAME, by="anna")["asked"] == 2
    attention = ask_attention(uz, value="01AGREED", why=canary("why"))
    uz.installation.run("link", "sync")
    assert tj.ask(f"/v1/attentions/{attention}", by="supervisor")["value"] == "01AGREED"
    held = dump_store(tj.installation)
    assert "080610" in held, "the manifest arrived"
    (common,) = tj.installation.link()["matching"]["common"]
    assert (common["side"], common["state"]) == ("owner", "hit"), "the comparing went through"
    assert release_details(partners, common["token"][:8]) == ["asked", "released"]
    wire = partners.read_all_wires()
    assert len(wire) > 10_000
    assert find_canaries(wire, held, tj.read_log(), uz.read_log()) == []
    # Six digits without a sign before them may stand in a digest.
    sought = (b'"080610', b"left_at", b"vehicle_class", b"blinded")
    assert not [one for one in sought if one in wire]


def test_a_field_that_the_agreement_names_is_found_by_the_same_search(partners: Partners) -> None:
    """Negative control: what is let through stands in the partner's store, and nothing else."""
    partners.forget_wires()
    gone = make_exit("TJ-FOT", 2, word=OTHER)
    partners.tj.ask("/v1/decisions", gone, by="checkpoint", status=201)
    partners.sync()
    manifests = [
        one["body"]
        for one in read_received(partners.uz.installation)
        if one["message"] == "manifest"
    ]
    found = find_canaries(json.dumps(manifests), word=OTHER)
    names = {"".join(filter(str.isalpha, part.split('"')[0])) for part in found}
    assert names == {"PLATE", "TRAILER", "CONTAINER", "TIR"}
    held = find_canaries(dump_store(partners.uz.installation), word=OTHER)
    assert not [one for one in held if one.startswith(("DRIVER", "CARRIER", "DESC", "VIN", "CMR"))]
    assert find_canaries(partners.read_all_wires(), word=OTHER) == []


def read_received(side: Installation) -> list[Any]:
    from engine.journal.journal import JournalReader
    from engine.links.area import LINK_RECEIVED

    with side.open_store() as store, store.read() as connection:
        return [one.body for one in JournalReader(connection).records(LINK_RECEIVED)]


def let_through(_agreement: Any, *, sender: Any, message: Any) -> dict[str, Any]:
    return dump_message(message)


def test_a_body_that_is_not_encrypted_is_found_on_the_wire(
    partners: Partners, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug in the sealing, with every field let through."""
    uz = partners.uz

    class Plain:
        encrypt: Callable[..., bytes] = staticmethod(lambda text, *_: text)

    monkeypatch.setattr(outbox, "select_fields", let_through)
    monkeypatch.setattr(envelope, "SUITE", Plain)
    uz.ask("/v1/decisions", make_exit("UZ-OYB", 4), by="checkpoint", status=201)
    uz.installation.run("link", "sync")
    found = find_canaries(partners.read_all_wires())
    assert [one for one in found if one.startswith("PLATE4")]
