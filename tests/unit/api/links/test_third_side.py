"""What a partner reported goes to no one else, whatever posts another agreement names."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from api.links import announcements
from api.links.announcements import announce_movements
from api.links.movements import list_departures
from engine.journal.entries import JournalRecord
from engine.links.agreement import parse_agreement
from engine.links.area import LINK_SENT
from engine.links.identity import LinkKeys
from engine.links.outbox import OutgoingMessage
from engine.links.state import Link
from features.partners.linked_history import MANIFEST_FIELDS
from tests.unit.api.links.facing_posts import EAST
from tests.unit.api.links.movement_sides import MovementSide
from tests.unit.api.links.test_movements import Sides, open_sides, play
from tests.unit.engine.links.link_agreements import party_content

THIRD, FOURTH = "third", "fourth"


@pytest.fixture
def sides(sqlite_template: Path, tmp_path: Path) -> Iterator[Sides]:
    with open_sides(None, sqlite_template, tmp_path) as found:
        yield found


def agree_with(name: str, east: MovementSide) -> None:
    """Let ``east`` have an agreement with a further side, in which it names posts of ``west``."""
    content = {
        "name": name,
        "kind": "partner",
        "purposes": ["smuggling"],
        "ground": "Protocol",
        "expires": "2200-01-01T00:00:00Z",
        "parties": [
            party_content("east", east.keys.identity, administration=EAST),
            party_content(name, LinkKeys.generate().identity, administration=name.upper()),
        ],
        "pairs": [{"posts": ["E1", "T1"]}, {"posts": ["W1", "T2"]}, {"posts": ["W2", "T3"]}],
        "messages": [
            {
                "kind": "manifest",
                "from": "east",
                "purpose": "smuggling",
                "fields": [*MANIFEST_FIELDS],
            }
        ],
    }
    east.exchange.propose(parse_agreement(content), by="anna")
    east.exchange.approve(name, by="boris")


def list_announced(name: str, east: MovementSide) -> list[str]:
    """Return the crossings that are announced to a further side."""
    link = east.exchange.find_link(name)
    announce_movements(east.exchange, link)
    return [
        body["about"]["name"]
        for body in east.bodies(LINK_SENT)
        if body["link"] == link.name and body["message"] == "manifest"
    ]


def test_what_a_partner_reported_is_not_passed_on(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MISP: events reached an organisation outside the group. Seeded bug: any exit is announced."""
    _, east = sides
    for name in (THIRD, FOURTH):
        agree_with(name, east)
    play(sides, trips=8)
    names = list_announced(THIRD, east)
    assert names
    assert all(name.startswith("CANARY-E") for name in names)

    def pass_on(_: Connection, link: Link, record: JournalRecord) -> Sequence[OutgoingMessage]:
        post = record.body["arrival"]["crossing"]["post"]
        return list_departures(east.keys, link, replace(record, post=post))

    monkeypatch.setattr(announcements, "list_late_outcomes", pass_on)
    assert any(name.startswith("link:") for name in list_announced(FOURTH, east))
