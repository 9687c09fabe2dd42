"""Records between a post's node and its centre: each once, in effect on arrival, computed again."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import IntegrityError
from typer.testing import CliRunner

from api.cli.main import app
from api.links import node_recompute
from api.links.answers import list_links
from api.links.node_recompute import CentreRecomputation, read_node_records, recompute_at_centre
from api.links.post_nodes import follow_records
from engine.criteria import dual_control
from engine.criteria.dual_control import (
    ApprovalEvent,
    ApprovalState,
    draft_approval,
    draft_proposal,
    draft_retirement,
    read_approval_state,
    to_event,
)
from engine.criteria.watchlist import (
    MOST_ROWS,
    WatchBatch,
    WatchEntry,
    WatchRow,
    entry_content,
)
from engine.domain.time_units import DAY, HOUR, moment
from engine.errors import NoModelError
from engine.journal.copies import COPIES
from engine.journal.entries import JournalRecord
from engine.journal.journal import BODIES, JOURNAL, Journal
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    KEY_CREATED,
    ROSTER,
    TICK,
    ClaimBody,
    RosterBody,
)
from engine.journal.power_records import PowerRecord
from engine.links.area import POST_RECORD
from engine.links.ledger import project_envelopes
from engine.links.posts import record_intake, record_outbox
from engine.links.posts.linked_posts import open_posts
from engine.ports import SilenceLimits
from engine.queue.queue import DECISIONS, read_decision
from engine.storage.database import Store
from tests.integration.service.links.post_and_centre import (
    NAME,
    Installation,
    agree,
    make_centre,
    open_installation,
    sync,
)
from tests.support.running_service import (
    NETWORK,
    OTHER,
    POST,
    FakeModels,
    World,
    arrival,
    make_home,
    serving,
)

pytestmark = pytest.mark.machine_clock

LOCAL = ("seq", "known_at", "act_seq", "released_at")
"""Columns of decisions that hold a number or a time of the journal in which they stand."""


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
    query = select(*(c for c in DECISIONS.c if c.name not in LOCAL))
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
        journal = Journal(bad.store, [project_envelopes])
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


def list_entry(centre: Installation, entry_id: str, **names: Any) -> None:
    """Let two people of the centre put an entry on the watch list, for days of its own clock."""
    journal = centre.exchange.journal
    with centre.store.read() as connection:
        expiry = moment(journal.now(connection) + 80 * DAY)
    kind = WatchBatch if "rows" in names else WatchEntry
    entry = kind.model_validate({"reason": "tip-off", "expiry": expiry} | names)
    journal.append_found(
        lambda _, now: [
            draft_proposal("watchlist", entry_id, by="carol", content=entry_content(entry, now=now))
        ]
    )
    approve_entry(centre, entry_id, by="dave")


def approve_entry(centre: Installation, entry_id: str, *, by: str) -> None:
    """Let a person approve what is pending of an entry."""
    centre.exchange.journal.append_found(
        lambda connection, _: [
            draft_approval(
                "watchlist", read_approval_state(connection, "watchlist", entry_id), by=by
            )
        ]
    )


def retire_entry(centre: Installation, entry_id: str) -> None:
    """Let two people of the centre withdraw an entry."""
    centre.exchange.journal.append_found(
        lambda connection, _: [
            draft_retirement(
                "watchlist",
                read_approval_state(connection, "watchlist", entry_id),
                by="carol",
                why="it was another vehicle",
            )
        ]
    )
    approve_entry(centre, entry_id, by="dave")


def read_entry(side: Installation, entry_id: str) -> ApprovalState:
    with side.store.read() as connection:
        return read_approval_state(connection, "watchlist", entry_id)


def is_listed(world: World, number: int, plate: str) -> bool:
    """Let the post decide on a plate, and tell whether the watch list selected it."""
    made = world.decide(arrival(number, plate=plate))
    assert made.status_code == 201, made.text
    found = world.get(f"/v1/decisions/{made.json()['decision_id']}").json()
    with world.runtime.store.read() as connection:
        seq = read_decision(connection, found["decision_id"]).seq
        assert world.runtime.recompute.decision(connection, seq).is_identical
    return bool(found["watchlist"])


def test_an_entry_of_the_centre_takes_effect_when_it_arrives(
    world: World,
    node: Installation,
    centre: Installation,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The decision between the approval there and its arrival here stands, and is made again."""
    sync(node, centre)
    first = 500 if "sqlite" in request.node.name else 600
    entry_id, plate = f"centre-{first}", f"77 K {first}"
    list_entry(centre, entry_id, plate=plate)
    assert not is_listed(world, first, plate)
    before = head_of(node)
    sync(node, centre)
    assert is_listed(world, first + 1, plate)
    standing = read_entry(node, entry_id)
    assert (standing.state, standing.author, standing.approvals) == ("in_force", "carol", ("dave",))
    assert before < standing.proposed_at < standing.since <= head_of(node)
    retire_entry(centre, entry_id)
    assert is_listed(world, first + 2, plate)
    sync(node, centre)
    assert not is_listed(world, first + 3, plate)
    sync(node, centre)
    for side in (centre, node):
        verdict = side.verify()
        assert verdict.ok, verdict.faults
    with monkeypatch.context() as patched:
        patched.setattr(dual_control, "to_event", to_event_of_its_origin)
        proposed_at = read_entry(node, entry_id).proposed_at
        assert not before < proposed_at <= head_of(node), "the seeded bug is found out"


def test_the_longest_list_of_the_centre_and_its_renewal_take_effect_when_they_arrive(
    world: World, node: Installation, centre: Installation, request: pytest.FixtureRequest
) -> None:
    sync(node, centre)
    first = 700 if "sqlite" in request.node.name else 800
    terms = {"list": "long", "owner": "office"}
    plates = [f"{first} K {number}" for number in range(MOST_ROWS)]
    rows = tuple(WatchRow(plate=plate, reason="r" * 100, note="n" * 100) for plate in plates)
    list_entry(centre, f"long-{first}", rows=rows, **terms)
    assert not is_listed(world, first, plates[-1])
    sync(node, centre)
    assert is_listed(world, first + 1, plates[-1])
    list_entry(centre, f"later-{first}", rows=rows[:1], instead_of=f"long-{first}", **terms)
    sync(node, centre)
    assert not is_listed(world, first + 2, plates[-1])
    assert is_listed(world, first + 3, plates[0])
    for side in (centre, node):
        verdict = side.verify()
        assert verdict.ok, verdict.faults


def head_of(side: Installation) -> int:
    """Return when the last record became known."""
    with side.store.read() as connection:
        return side.exchange.journal.head(connection).known_at


def to_event_of_its_origin(record: PowerRecord) -> ApprovalEvent:
    """Stand in for a record's effect from when it was made, not from when it arrived."""
    body = record.body or {}
    known_at = body.get("copied", {"known_at": record.known_at})["known_at"]
    return to_event(JournalRecord(record.seq, known_at, *tuple_of(record)))


def tuple_of(record: PowerRecord) -> tuple[Any, ...]:
    return record.kind, record.subject, record.post, record.body


def recompute(side: Installation, models: FakeModels, most: int = 100) -> list[CentreRecomputation]:
    about = side.home, side.store, side.link
    return recompute_at_centre(*about, models=models.load, sentences=models.sentences, most=most)


def test_decisions_of_a_node_come_out_again_at_its_centre(
    world: World, node: Installation, centre: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Features, draws and decision, bit for bit, after acts, finds and a release were recorded."""
    sync(node, centre)
    made = recompute(centre, world.models)
    assert len(made) >= 30
    assert {one.differences for one in made} == {()}
    assert all(one.is_identical for one in made)
    assert recompute(node, world.models) == [], "a node has no copies of decisions"
    without = FakeModels(broken=frozenset({"m1"}))
    for one in recompute(centre, without, most=3):
        assert not one.is_identical
        assert one.missing == (str(NoModelError("m1")),)
    with monkeypatch.context() as patched:
        patched.setattr(node_recompute, "_count_records", lambda *_: None)
        found = recompute(centre, world.models)
        assert any("features" in one.differences for one in found), "the seeded bug is found out"


def test_a_body_that_is_gone_is_named(
    node: Installation, centre: Installation, world: World
) -> None:
    sync(node, centre)
    with centre.store.write() as connection:
        gone = read_node_records(connection, node.exchange.fingerprint)
        first = next(one for one in gone if one.kind == DECISION)
        seq = select(COPIES.c.seq).where(COPIES.c.number == first.copied["sequence"])
        connection.execute(delete(BODIES).where(BODIES.c.seq.in_(seq)))
    made = recompute(centre, world.models)
    assert len(made) >= 30
    assert all(one.missing == (f"body of record {first.copied['sequence']}",) for one in made)


def test_the_command_names_what_the_centre_lacks(
    node: Installation, centre: Installation, store_url: str
) -> None:
    sync(node, centre)
    words = ["link", "recompute", NAME, "--decisions", "3", "--home", str(centre.home.root)]
    env = {"DARVOZA_DATABASE_URL": store_url}
    answered = CliRunner().invoke(app, words, env=env)
    assert answered.exit_code == 0, answered.output
    assert answered.output.count("not compared: there is no model m1") == 3
    assert "0 of 3 decisions reproduced" in answered.output
    found = json.loads(CliRunner().invoke(app, [*words, "--json"], env=env).stdout)
    assert [one["missing"] for one in found["decisions"]] == [["there is no model m1"]] * 3
    assert found["draw_faults"] == []
