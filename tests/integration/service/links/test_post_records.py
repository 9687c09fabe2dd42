"""Everything of a post's node arrives at its centre, each record once, and is proven there."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from api.links.answers import list_links
from api.links.post_nodes import follow_records
from engine.domain.time_units import HOUR
from engine.journal.journal import JOURNAL, Journal
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    KEY_CREATED,
    ROSTER,
    TICK,
    ClaimBody,
    RosterBody,
)
from engine.links.area import POST_RECORD
from engine.links.ledger import LinkProjection
from engine.links.posts import record_intake, record_outbox
from engine.links.posts.linked_posts import open_posts
from engine.ports import SilenceLimits
from engine.queue.queue import DECISIONS
from engine.storage.database import Store
from tests.integration.service.links.post_and_centre import (
    NAME,
    Installation,
    agree,
    make_centre,
    open_installation,
    sync,
)
from tests.support.running_service import NETWORK, OTHER, POST, arrival, make_home, serving


@pytest.fixture(scope="module")
def noon(long_shift: None) -> None:
    """Keep the machine's clock, which other processes and servers have."""


def numbers_of(node: Installation) -> list[int]:
    """Return the numbers of everything that the node recorded, but for envelopes."""
    query = select(JOURNAL.c.seq).where(JOURNAL.c.kind.not_in(record_outbox.NEVER_COPIED))
    with node.store.read() as connection:
        return list(connection.scalars(query.order_by(JOURNAL.c.seq)))


def list_happened(side: Installation) -> list[tuple[str, str]]:
    """Return kind and subject of what happened at the post, in the journal's order."""
    query = select(JOURNAL.c.kind, JOURNAL.c.subject).where(
        JOURNAL.c.kind.in_(record_intake.HAPPENED), JOURNAL.c.post.in_(("", POST))
    )
    with side.store.read() as connection:
        return [(kind, subject) for kind, subject in connection.execute(query.order_by("seq"))]


def rows_of(side: Installation) -> list[Any]:
    """Return what the queue has of each decision, but for its time and place in the journal."""
    query = select(*(c for c in DECISIONS.c if c.name not in ("seq", "known_at", "act_seq")))
    with side.store.read() as connection:
        return sorted(map(tuple, connection.execute(query)))


def test_centre_has_everything_once_and_verifies(node: Installation, centre: Installation) -> None:
    sync(node, centre)
    assert centre.copies() == numbers_of(node)
    assert rows_of(centre) == rows_of(node)
    assert list_happened(centre) == list_happened(node)
    assert len({kind for kind, _ in list_happened(centre)}) >= 6
    assert sync(node, centre).sent == 0
    assert centre.copies() == numbers_of(node)
    for side in (centre, node):
        verdict = side.verify()
        assert verdict.ok, verdict.faults
    copied = dict(centre.bodies(DECISION))
    for subject, body in node.bodies(DECISION):
        proof = copied[subject].pop("copied")
        assert copied[subject] == body
        assert set(proof) >= {"known_at", "chain", "previous", "salt", "leaf"}


def test_power_of_the_node_is_none_at_the_centre(node: Installation, centre: Installation) -> None:
    sync(node, centre)
    assert node.bodies(KEY_CREATED)
    assert not centre.bodies(KEY_CREATED)
    kept = [body["kind"] for _, body in centre.bodies(POST_RECORD)]
    assert kept.count(KEY_CREATED) == len(node.bodies(KEY_CREATED))


def send_again(node: Installation, patched: pytest.MonkeyPatch) -> None:
    """Let the node forget how far it sent its journal."""
    real = record_outbox.read_cursor
    first = True

    def forget(connection: Any, link: str) -> record_outbox.Cursor:
        nonlocal first
        cursor = real(connection, link)
        return record_outbox.Cursor(cursor.number, 0, cursor.waiting) if first else cursor

    patched.setattr(record_outbox, "read_cursor", forget)
    patched.setattr(record_outbox, "WINDOW", 1)
    exchange = node.exchange
    sent = record_outbox.send_records(exchange.store, exchange.journal, exchange.keys, node.link)
    assert sent == 1
    first = False


def count_doubled(side: Installation) -> int:
    """Return how many records of another journal stand more than once in this one."""
    place = JOURNAL.c.origin, JOURNAL.c.origin_seq
    query = select(place[0]).where(place[1].is_not(None)).group_by(*place)
    with side.store.read() as connection:
        return len(connection.execute(query.having(func.count() > 1)).all())


def test_records_that_come_again_are_known(
    node: Installation, centre: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(node, centre)
    send_again(node, monkeypatch)
    monkeypatch.undo()
    assert sync(node, centre).sent
    assert sorted(centre.copies()) == numbers_of(node)
    assert count_doubled(centre) == 0


def test_the_journal_refuses_what_no_look_up_finds(
    node: Installation, centre: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync(node, centre)
    send_again(node, monkeypatch)
    monkeypatch.setattr(record_intake, "find_copies", lambda *_, **__: {})
    with pytest.raises(IntegrityError):
        sync(node, centre)
    assert count_doubled(centre) == 0


def test_a_centre_without_the_unique_constraint_is_found_out(
    node: Installation, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "bug.sqlite"
    shutil.copy(sqlite_template, copy)
    home = make_centre(tmp_path / "centre", NETWORK)
    for bad in open_installation(home, f"sqlite:///{copy}"):
        agree(node, bad)
        with bad.store.write() as connection:
            connection.execute(text("DROP INDEX journal_origin_ix"))
        journal = Journal(bad.store, [LinkProjection()])
        bad.exchange = replace(bad.exchange, journal=journal)
        monkeypatch.setattr(record_intake, "find_copies", lambda *_, **__: {})
        sync(node, bad)
        assert count_doubled(bad) == 0
        send_again(node, monkeypatch)
        sync(node, bad)
        assert count_doubled(bad) > 40
        node.exchange.end(node.link.name, by="anna", why="the next test agrees again")


def test_only_the_node_decides_on_its_arrivals(node: Installation, tmp_path: Path) -> None:
    for served in serving(tmp_path):
        for centre in open_installation(served.home):
            agree(node, centre)
            refused = served.decide(arrival(900))
            assert refused.status_code == 409, refused.text
            assert "its own node decides there" in refused.json()["detail"]
            batch = served.post("/v1/decisions/batch", [arrival(901)])
            assert batch.json()[0]["status"] == 409
            assert served.post("/v1/crossings", arrival(902)).status_code == 409
            assert centre.bodies(DECISION, CROSSING) == []
            centre.exchange.end(centre.link.name, by="anna", why="the post has no node any more")
            assert served.decide(arrival(900)).status_code == 201
            node.exchange.end(node.link.name, by="anna", why="the same")


def records_of(side: Installation) -> dict[str, Any]:
    """Return what a side says of the records of the link."""
    found = list_links(side.home, side.store, side.exchange.journal).links[0]
    assert found.link == side.link.name and found.records is not None
    return asdict(found.records)


def test_what_is_not_at_the_centre_yet_is_said(node: Installation, centre: Installation) -> None:
    mine = len(numbers_of(node))
    before = records_of(node)
    assert before["unsent"] == mine
    assert before["unsent_since"] is not None
    follow_records(node.exchange, node.link.name)
    assert records_of(node)["unsent"] == mine, "sealed is not yet there"
    assert records_of(centre)["newest"] is None
    sync(node, centre)
    assert (records_of(node)["unsent"], records_of(node)["unsent_since"]) == (0, None)
    arrived = records_of(centre)
    assert (arrived["unsent"], arrived["newest"]) == (None, numbers_of(node)[-1])
    node.exchange.journal.append([TICK.draft("", {})])
    assert records_of(node)["unsent"] == 1


def restore_disk(side: Installation, copy: Path) -> Installation:
    """Put yesterday's file in the place of a node's store, and open it."""
    side.store.dispose()
    path = Path(side.home.database_url.removeprefix("sqlite:///"))
    for log in path.parent.glob(f"{path.name}-*"):
        log.unlink()
    shutil.copy(copy, path)
    return Installation(side.home, Store(side.home.database_url))


def test_what_a_restored_node_records_stands_next_to_what_it_lost(
    tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copy(sqlite_template, tmp_path / "centre.sqlite")
    home = make_centre(tmp_path / "centre", NETWORK)
    node_home = make_home(tmp_path / "node")
    node = Installation(node_home, Store(node_home.database_url))
    centre = Installation(home, Store(f"sqlite:///{tmp_path / 'centre.sqlite'}"))
    agree(node, centre)
    sync(node, centre)
    node.store.dispose()
    path = Path(node_home.database_url.removeprefix("sqlite:///"))
    shutil.copy(path, tmp_path / "yesterday.sqlite")
    record_roster(node, minutes=100.0)
    sync(node, centre)
    node = restore_disk(node, tmp_path / "yesterday.sqlite")
    record_roster(node, minutes=200.0)
    assert sync(node, centre).is_stopped
    assert minutes_at(centre) == [100.0]
    for side in (node, centre):
        if side.link.alarm is not None:
            side.exchange.propose_resumption(NAME, by="anna", why="the disk of yesterday")
            side.exchange.approve(NAME, by="boris")
    sync(node, centre)
    sync(node, centre)
    assert minutes_at(centre) == [100.0, 200.0]
    branches = [body["copied"]["branch"] for _, body in centre.bodies(ROSTER)]
    assert branches == [0, 1]
    assert count_doubled(centre) == 0
    for side in (node, centre):
        verdict = side.verify()
        assert verdict.ok, verdict.faults
        side.store.dispose()


def record_roster(side: Installation, *, minutes: float) -> None:
    claim: ClaimBody = {"names": [], "fingerprint": "00" * 32}
    body: RosterBody = {
        "claim": claim,
        "minutes": {"physical": minutes},
        "teams": [],
        "equipment": {},
    }
    side.exchange.journal.append([ROSTER.draft(POST, body, post=POST)])


def minutes_at(side: Installation) -> list[float]:
    """Return the minutes of every roster, in the journal's order."""
    return [body["minutes"]["physical"] for _, body in side.bodies(ROSTER)]


def test_the_overview_sees_a_node_that_is_cut_off(node: Installation, centre: Installation) -> None:
    def list_cut_off(side: Installation, *, later: int) -> set[str]:
        posts = open_posts(side.home, SilenceLimits())
        with side.store.read() as connection:
            now = Journal(side.store).head(connection).as_of + later
            links = posts.read_lines(connection, now=now)
        assert {one.name for one in links.values()} == {NAME}
        return {post for post, link in links.items() if link.is_cut_off}

    assert list_cut_off(centre, later=0) == {POST, OTHER}, "nothing has arrived yet"
    sync(node, centre)
    for side in (centre, node):
        assert list_cut_off(side, later=0) == set()
        assert list_cut_off(side, later=HOUR) == {POST, OTHER}
