"""Exits that came as files are announced too: those of the last days, each once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from typer.testing import CliRunner

from api.cli.main import app
from api.links.loaded_exits import announce_all
from api.service.assembly import open_network, open_store, projections
from engine.journal.journal import Journal, JournalReader
from engine.links.area import LINK_SENT
from engine.links.exchange import LinkExchange
from engine.links.identity import open_link_keys
from engine.storage.home import Home
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from tests.unit.engine.links.link_agreements import LinkSides

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


def announce(home: Home) -> list[str]:
    """Announce what is due, and return the plates of all manifests."""
    with open_store(home) as store:
        journal = Journal(store, projections(Plan(CATALOGUE), open_network(home)))
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
    assert announce(home) == [], "what was loaded before the agreement is not of it"
    rows = [row(2, 1), row(3, 80), row(4, 2, "entry"), row(5, 3)]
    load(home, tmp_path / "first", *rows)
    first = announce(home)
    assert sorted(first) == ["01A002BC", "01A005BC"]
    load(home, tmp_path / "second", *rows, row(6, 1))
    assert announce(home) == [*first, "01A006BC"]
    assert announce(home) == [*first, "01A006BC"]
