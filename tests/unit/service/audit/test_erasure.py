"""Erasure by two people: what is left of a subject, what still answers, and what a crash leaves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, select

from api.audit import erasure
from api.audit.erasure import ErasedRows, export_subject, read_schedule
from api.audit.home_check import check_home
from api.audit.proposals import ERASURE, Criteria, ErasureProposal
from engine.audit.erasures import RecordGroup, RecordGroups
from engine.domain.rights import Role
from engine.domain.time_units import DAY
from engine.errors import InputError, NotAllowedError, RiskError, SecondPersonError
from engine.events.webhooks import CURSORS, DELIVERIES
from engine.journal.areas import list_tables
from engine.journal.journal import JOURNAL
from engine.journal.kinds import SENSITIVE_READ
from engine.queue.queue import DECISIONS
from engine.storage.database import METADATA
from tests.support.people import at_desk, desk_of, person, send, user
from tests.support.running_service import STORE, World, arrival

pytestmark = pytest.mark.machine_clock


@dataclass
class Story:
    """A home in which one subject was erased, and what was seen before and after."""

    world: World
    bob: str
    """A password."""
    one: Any
    """The decision about the subject that was inspected."""
    refused: list[type[Exception]]
    """What each attempt of one person, or of another role, met."""
    forgotten: dict[str, set[str]]
    """By table that an erasure would forget, the tables that still name the subject then."""
    held: dict[str, Any]
    read: set[str]
    """The numbers of the records whose reading was recorded with the export."""
    features: tuple[Any, Any]
    """Of the other decisions, before and after."""
    result: Any
    left: set[str]
    """The tables that name the subject afterwards."""


@pytest.fixture(scope="module")
def story(eventful_world: World) -> Story:
    return tell(eventful_world)


def tell(world: World) -> Story:
    """Let one person try alone, then two erase a subject."""
    retire(world, "01A0005BC")
    user(world, "ann", Role.ADMINISTRATOR)
    user(world, "eve", Role.ANALYST)
    bob = user(world, "bob", Role.ADMINISTRATOR)
    one = next(one for one in list_decided(world) if one.act_seq is not None)
    assert one.plate == "01A0005BC"
    criteria, store = Criteria(subject=" 01а0005-bc"), world.runtime.store  # a Cyrillic a, folded
    with store.read() as connection:
        since = world.runtime.journal.head(connection).seq
    caller = desk_of(world.runtime, "ann").caller
    held = export_subject(world.runtime, caller, criteria.subject or "")
    with store.read() as connection:
        opened = JOURNAL.c.kind == SENSITIVE_READ, JOURNAL.c.seq > since
        read = set(connection.scalars(select(JOURNAL.c.subject).where(*opened)))
    assert erase(world, "ann", criteria, "on request").state == "proposed"
    refused = [refusal(world, criteria, by) for by in ("ann", "eve")]
    kept = [row for row in every_decision(world) if row.decision_id != one.decision_id]
    forgotten, features = forget_tables(world, one), features_of(world, kept)
    result = erase(world, "bob", criteria, "")
    with store.read() as connection:
        left = places_of(connection) | list_leading_tables(connection, one)
    after = features_of(world, kept)
    return Story(world, bob, one, refused, forgotten, held, read, (features, after), result, left)


def refusal(world: World, criteria: Criteria, by: str) -> type[Exception]:
    with pytest.raises(RiskError) as met:
        erase(world, by, criteria, "")
    return met.type


def forget_tables(world: World, one: Any) -> dict[str, set[str]]:
    """Erase as often as there are tables to forget, and undo it each time."""
    groups, found = RecordGroups(one.plate), {}
    with world.runtime.store.read() as connection:
        groups.read(connection)
    named = [group for group in groups.groups.values() if group.names_subject]
    sequences = [seq for group in named for seq in group.sequences]
    crossings = [group.key[1] for group in named]
    for name in ("", "journal_bodies", "decisions", "mirror_keys", "passages"):
        with pytest.MonkeyPatch.context() as patched:
            left = {table: rule for table, rule in list_tables().items() if table != name}
            patched.setattr(erasure, "list_tables", lambda left=left: left)
            with world.runtime.store.write() as connection:
                ErasedRows(world.runtime.plan, sequences, crossings)(connection, [])
                found[name] = places_of(connection) | list_leading_tables(connection, one)
                connection.rollback()
    return found


TEXTS = ("01A0005BC", "01а0005-bc")
"""The subject, as vehicle and as its proposal name it."""


def retire(world: World, plate: str) -> None:
    """Take a plate from the watch list, by two people."""
    listed = world.get("/v1/watchlist").json()["entries"]
    entry = next(one["id"] for one in listed if one["names"] == {"plate": plate})
    path = f"/v1/watchlist/{entry}"
    for step in ("retirements", "approvals"):
        by = person(world, Role.SUPERVISOR)
        answer = send(
            world, f"{path}/{step}", {"reason": "over"} if step == "retirements" else {}, by
        )
        assert answer.status_code == 201, answer.text


def erase(world: World, by: str, criteria: Criteria, why: str = "") -> Any:
    """Let a person propose an erasure, or approve the one that waits."""
    same = {"criteria": criteria.model_dump(mode="json", exclude_none=True)}
    proposed = ErasureProposal(criteria=criteria, why=why)
    return desk_of(world.runtime, by).propose_or_approve(ERASURE, proposed, same)


def values(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield every value of every table as text, with the table's name."""
    for table in METADATA.sorted_tables:
        for row in connection.execute(select(table)):
            for value in row:
                yield (
                    table.name,
                    value.decode("latin-1") if isinstance(value, bytes) else str(value),
                )


def derived_values(connection: Connection) -> list[tuple[str, str]]:
    """Return every value of every table, sorted; the sender of events goes on with its own two."""
    own = (CURSORS.name, DELIVERIES.name)
    return sorted(one for one in values(connection) if one[0] not in own)


def places_of(connection: Connection) -> set[str]:
    """Return the tables that hold the subject."""
    return {name for name, value in values(connection) if any(text in value for text in TEXTS)}


def list_decided(world: World, *, waiting: bool = False) -> list[Any]:
    with world.runtime.store.read() as connection:
        query = select(DECISIONS).where(DECISIONS.c.waiting == waiting)
        return list(connection.execute(query.order_by(DECISIONS.c.seq)))


def every_decision(world: World) -> list[Any]:
    return [*list_decided(world), *list_decided(world, waiting=True)]


def list_leading_tables(connection: Connection, one: Any) -> set[str]:
    """Return the tables that still lead from an erased decision to its vehicle by a key."""
    keys, passages = METADATA.tables["mirror_keys"].c, METADATA.tables["passages"].c
    queries = {
        "mirror_keys": select(keys.value).where(keys.decision_id == one.decision_id),
        "passages": select(passages.plate_key).where(
            passages.crossing_id == one.crossing_id, passages.plate_key != 0
        ),
    }
    return {name for name, query in queries.items() if connection.execute(query).first()}


def features_of(world: World, decisions: list[Any]) -> list[Any]:
    found = [world.get(f"/v1/decisions/{one.decision_id}/features") for one in decisions]
    assert {one.status_code for one in found} == {200}
    return [one.json() for one in found]


def test_every_table_has_a_rule() -> None:
    assert sorted(list_tables()) == sorted(METADATA.tables)
    for name, rule in list_tables().items():
        assert bool(rule.erased_by) + rule.is_counted + bool(rule.kept) == 1, name


def test_one_person_alone_erases_nothing(story: Story) -> None:
    assert story.refused == [SecondPersonError, NotAllowedError]


def test_a_subject_that_two_people_erase_is_nowhere(story: Story) -> None:
    result, world = story.result, story.world
    assert (result.state, result.by, result.is_overwritten) == ("erased", ("ann", "bob"), True)
    assert (result.in_force, story.left) == (0, set())
    if world.runtime.store.dialect.is_sqlite:
        files = list(world.home.root.glob(f"{STORE}*"))
        assert files
        assert not any(t.encode() in file.read_bytes() for file in files for t in TEXTS)


def test_an_erasure_that_forgets_a_table_is_seen(story: Story) -> None:
    """Negative control of the search of the test before."""
    assert story.forgotten.pop("") <= {"journal_bodies"}  # the proposal's own
    for name, found in story.forgotten.items():
        assert name in found
    story.forgotten[""] = set()


def test_features_of_what_is_kept_stay_exact(story: Story) -> None:
    before, after = story.features
    assert before == after
    runtime = story.world.runtime
    kept = [one.seq for one in every_decision(story.world) if one.plate]
    with runtime.store.read() as connection:
        assert all(runtime.recompute.decision(connection, seq).is_identical for seq in kept)
    assert kept


def test_an_export_names_every_record_and_each_reading_is_recorded(story: Story) -> None:
    named = {one["kind"] for one in story.held["records"] if one["names_subject"]}
    assert {"decision", "crossing", "seizure", "watchlist_proposed"} <= named
    assert {str(one["sequence"]) for one in story.held["records"]} == story.read
    assert {"inspection", "watchlist_approved"} <= {one["kind"] for one in story.held["records"]}
    runtime = story.world.runtime
    ann, eve = (desk_of(runtime, name).caller for name in ("ann", "eve"))
    with pytest.raises(NotAllowedError):
        export_subject(runtime, eve, "x")
    assert export_subject(runtime, ann, TEXTS[0])["records"] == []


def test_the_journal_and_the_tables_still_verify(story: Story) -> None:
    verdict = check_home(story.world.home, story.world.runtime.store)
    assert verdict.faults == ()
    assert verdict.journal.erased >= story.result.records
    assert verdict.journal.erasures


def test_a_decision_whose_body_is_gone_says_so(story: Story) -> None:
    world, erased = story.world, story.one
    path = f"/v1/decisions/{erased.decision_id}"
    for call in (path, f"{path}/features", f"{path}/explanation", f"{path}/past"):
        answer = world.get(call, Role.ANALYST)
        assert (answer.status_code, answer.json()["title"]) == (410, "Erased"), call
    review = {"verdict": "uphold", "reason_code": "agreed"}
    for body, way in (
        (arrival(5), "/v1/decisions"),
        ({}, f"/v1/crossings/{erased.crossing_id}/release"),
        (review, f"{path}/reviews"),
    ):
        role = Role.SUPERVISOR if "reviews" in way else Role.CHECKPOINT
        answer = world.post(way, body, role)
        assert answer.status_code in (409, 410), (way, answer.text)
    page = at_desk(world, "sue").get(f"/decisions/{erased.decision_id}")
    assert (page.status_code, "erased by two people" in page.text) == (410, True)
    opened = world.get(f"/v1/journal/{erased.seq}", Role.INTEGRITY).json()
    assert opened["body"] is None
    assert opened["receipt"]["sequence"] == erased.seq


def test_lists_and_reports_go_on_without_what_is_erased(story: Story) -> None:
    listed = story.world.get("/v1/decisions?limit=100")
    assert listed.status_code == 200
    kept = {one.decision_id for one in every_decision(story.world) if one.plate}
    assert {one["decision_id"] for one in listed.json()["decisions"]} == kept
    for name, role in (("queue", Role.SUPERVISOR), ("shift", Role.ANALYST)):
        assert story.world.get(f"/v1/posts/OYB/{name}", role).status_code == 200
    for path in ("/v1/watchlist", "/v1/profiles", "/v1/finds", "/v1/posts/FOT/queue"):
        assert story.world.get(path).status_code == 200, path
    desk = at_desk(story.world, "tom")
    for path in ("/", "/posts/OYB/queue", "/posts/OYB/shift", "/watchlist", "/finds"):
        assert desk.get(path).status_code in (200, 303), path
    for name in ("integrity", "draws"):
        assert story.world.get(f"/v1/posts/OYB/{name}", Role.INTEGRITY).status_code == 200


def test_the_schedule_is_read_by_name_and_rule(story: Story) -> None:
    file = story.world.home.retention
    for text, why in (
        ("decision = 0", "at least 1"),
        ("key_created = 5", "not a kind"),
        ("", "names no kind"),
        ("decision", "not a TOML"),
    ):
        file.write_text(text, "utf-8")
        with pytest.raises(InputError, match=why):
            read_schedule(story.world.home)
    file.write_text("decision = 400\nqueue_expired = 400\n", "utf-8")
    assert read_schedule(story.world.home) == {"decision": 400, "queue_expired": 400}


def test_a_group_is_due_when_all_its_records_are() -> None:
    group = RecordGroup(("movement", "c"), [1, 2], {"decision": 5 * DAY, "inspection": 6 * DAY})
    criteria = Criteria(schedule={"decision": 4, "inspection": 2})
    assert criteria.takes(group, 10 * DAY)
    assert not criteria.takes(group, 8 * DAY)  # the act is young
    assert not Criteria(schedule={"decision": 1}).takes(group, 99 * DAY)  # acts are kept for ever
