"""Two homes, on SQLite and PostgreSQL, exchange over HTTPS between real processes.

The certificate is made for the test. ``tj`` runs as a service; ``uz`` works by its commands.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete, text

from api.links.exchanges import CA_FILE
from engine.storage.database import METADATA
from engine.storage.home import Home
from experiments.support.processes import find_free_port
from experiments.support.tls_line import Line, make_certificate, serve_tls
from tests.integration.service.links.installations import NAME, Installation, Service
from tests.unit.engine.links.links import manifest_body

pytestmark = pytest.mark.machine_clock

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster

AGREEMENT = """
name = "{name}"
kind = "partner"
purposes = ["smuggling"]
ground = "Protocol of November 2019"
expires = 2036-12-31T00:00:00Z
[[pairs]]
posts = ["UZ-OYB", "TJ-FOT"]
[[parties]]
name = "uz"
administration = "UZ"
signing_key = "{uz[signing_key]}"
receiving_key = "{uz[receiving_key]}"
[[parties]]
name = "tj"
administration = "TJ"
signing_key = "{tj[signing_key]}"
receiving_key = "{tj[receiving_key]}"
url = "{url}"
[[messages]]
kind = "manifest"
from = "uz"
purpose = "smuggling"
fields = ["movement", "post", "left_at", "plate"]
[[messages]]
kind = "manifest"
from = "tj"
purpose = "smuggling"
fields = ["movement", "post", "left_at", "plate"]
"""


@dataclass
class HomePair:
    """Both installations, and the line between them."""

    uz: Installation
    tj: Installation
    service: Service
    line: Line


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, cluster: "Cluster") -> Iterator[HomePair]:
    """Let two people on each side approve an agreement, and serve one side."""
    folder = tmp_path_factory.mktemp("links")
    with cluster.database() as url:
        uz = Installation(Home(folder / "uz"), None, "UZ-OYB")
        tj = Installation(Home(folder / "tj"), url, "TJ-FOT")
        uz.prepare("UZ")
        tj.prepare("TJ")
        service = Service(tj, find_free_port())
        line = Line(service.port, make_certificate(folder), kill=service.kill)
        shutil.copy(line.certificate, uz.home.root / CA_FILE)
        with serve_tls(line, folder):
            keys = {"uz": uz.run("link", "identity"), "tj": tj.run("link", "identity")}
            agreement = folder / "link.toml"
            agreement.write_text(AGREEMENT.format(**keys, url=line.url, name=NAME), "utf-8")
            for side in (uz, tj):
                side.run("link", "propose", str(agreement), by="anna")
                assert side.refuse("link", "approve", NAME, by="anna").__class__.__name__ == (
                    "SecondPersonError"
                )
                side.run("link", "approve", NAME, by="boris")
            service.start()
            try:
                uz.send("m-0")
                tj.send("t-0")
                uz.run("link", "sync")  # the day's heads go with it
                yield HomePair(uz, tj, service, line)
            finally:
                service.kill()


def test_both_sides_exchange_and_sign_for_it(pair: HomePair) -> None:
    uz, tj = pair.uz, pair.tj
    uz.run("link", "sync")  # with the heads of a day that began meanwhile
    before = tj.origins(), uz.origins()
    uz.send("m-1", "m-2")
    tj.send("t-1")
    found = uz.run("link", "sync")["links"][NAME]
    assert (found.pop("without_effect"), found.pop("stopped")) == (0, False)
    assert found == {"sent": 2, "received": 1, "refusals": []}
    assert (len(tj.origins()) - len(before[0]), len(uz.origins()) - len(before[1])) == (2, 1)
    assert [side.link()["waiting"] for side in (uz, tj)] == [0, 0]
    kinds = {(one["direction"], one["kind"]) for one in uz.link()["traffic"]}
    assert kinds >= {("sent", "head"), ("sent", "manifest"), ("received", "manifest")}
    assert tj.run("verify")["ok"]


def test_who_holds_the_wire_cannot_read(pair: HomePair) -> None:
    plate = manifest_body()["plate"].encode()
    pair.uz.send("m-wire")
    pair.uz.run("link", "sync")
    assert pair.line.seen
    assert not any(plate in body or b"m-wire" in body for body in pair.line.seen)


@pytest.mark.parametrize("fault", ["lose", "lose_answer", "double", "kill"])
def test_whatever_happens_on_the_way_each_is_recorded_once(pair: HomePair, fault: str) -> None:
    uz, tj = pair.uz, pair.tj
    uz.run("link", "sync")
    before = tj.origins()
    uz.send(f"m-{fault}-1", f"m-{fault}-2")
    pair.line.faults.append(fault)
    if fault == "double":
        uz.run("link", "sync")
    else:
        assert uz.run("link", "sync", status=3)["links"][NAME]["cause"] in ("network", "answer")
        assert uz.link()["waiting"] == 2
    if fault == "kill":
        uz.run("link", "sync", status=3)  # nothing answers
        pair.service.start()
    uz.run("link", "sync")
    last = before[-1] if before else 0
    assert tj.origins() == [*before, last + 1, last + 2]
    assert uz.link()["waiting"] == 0


def test_files_carry_the_same_and_the_other_side_is_a_witness(
    pair: HomePair, tmp_path: Path
) -> None:
    uz, tj = pair.uz, pair.tj
    tj.send("t-file")
    assert tj.run("link", "export", NAME, "--to", str(tmp_path))["file"]
    for received in (1, 0):  # the same stick again changes nothing
        (one,) = uz.run("link", "import", str(tmp_path))["files"]
        assert (one["received"] >= received, one["refused"]) == (True, "")
    back = tmp_path / "back"
    uz.run("link", "export", NAME, "--to", str(back))
    tj.run("link", "import", str(back))
    assert tj.link()["waiting"] == 0
    held = (tmp_path / "witness.jsonl").read_text().splitlines()
    assert {next(iter(json.loads(line))) for line in held} >= {"receipt", "head"}
    assert uz.run("verify", "--witness", str(tmp_path))["ok"]


def test_a_rewritten_end_of_the_journal_is_seen_by_its_witness(
    pair: HomePair, tmp_path: Path
) -> None:
    """Negative control: without the witness the shortened journal verifies."""
    uz = pair.uz
    pair.tj.run("link", "export", NAME, "--to", str(tmp_path))
    copy = Installation(Home(tmp_path / "copy"), None, uz.post)
    shutil.copytree(uz.home.root, copy.home.root)
    heads = (tmp_path / "witness.jsonl").read_text().splitlines()
    last = max(json.loads(line).get("receipt", {"sequence": 0})["sequence"] for line in heads)
    with copy.open_store() as store, store.write() as connection:
        for table in ("journal", "journal_bodies"):
            connection.execute(delete(METADATA.tables[table]).where(text(f"seq >= {last}")))
    copy.run("rebuild")
    assert copy.run("verify")["ok"]
    found = copy.run("verify", "--witness", str(tmp_path), status=1)
    assert {one["rule"] for one in found["faults"]} == {"witness"}
    assert any("no such record" in one["message"] for one in found["faults"])


def test_a_restored_disk_stops_both_sides_until_two_people_decide(
    pair: HomePair, tmp_path: Path
) -> None:
    uz, tj = pair.uz, pair.tj
    uz.run("link", "sync")
    store = uz.home.store_file
    assert store is not None
    shutil.copy(store, tmp_path / "yesterday.sqlite")
    uz.send("m-lost")
    uz.run("link", "sync")
    shutil.copy(tmp_path / "yesterday.sqlite", store)
    for log in store.parent.glob(f"{store.name}-*"):
        log.unlink()
    uz.send("m-other")
    assert uz.run("link", "sync", status=1)["links"][NAME]["stopped"]
    assert (uz.link()["phase"], tj.link()["phase"]) == ("stopped", "stopped")
    assert uz.link()["alarm"]["rule"] == "other_receipt"
    assert tj.link()["alarm"]["rule"] == "other_content"
    for side in (tj, uz):
        side.run("link", "propose", NAME, "--resume", "--why", "a disk was restored", by="boris")
        assert side.link()["alarm"]["resumption_by"] == "boris"
        side.run("link", "approve", NAME, by="anna")
    before = tj.origins()
    assert uz.run("link", "sync")["links"][NAME]["sent"] == 1
    assert tj.origins() == [*before, before[-1] + 1]
    assert tj.run("verify")["ok"]
    assert uz.run("verify")["ok"]


def test_one_person_ends_what_was_proposed(pair: HomePair, tmp_path: Path) -> None:
    uz = pair.uz
    keys = {"uz": uz.run("link", "identity"), "tj": pair.tj.run("link", "identity")}
    other = tmp_path / "other.toml"
    other.write_text(AGREEMENT.format(**keys, url=pair.line.url, name="other"), "utf-8")
    uz.run("link", "propose", str(other), by="anna")
    uz.run("link", "end", "other", "--why", "not signed by the ministry", by="boris")
    assert "ended" in str(uz.refuse("link", "approve", "other", by="boris"))
    (ended,) = [one for one in uz.run("link", "status")["links"] if one["name"] == "other"]
    assert (ended["phase"], ended["ended"]["by"]) == ("ended", "boris")


@pytest.mark.parametrize("what", [(), ("--matching",)])
def test_where_nothing_waits_an_approval_says_so(pair: HomePair, what: tuple[str, ...]) -> None:
    refused = pair.uz.refuse("link", "approve", NAME, *what, by="boris")
    assert str(refused).endswith("nothing waits for a second person")
