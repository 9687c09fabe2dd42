"""Corrections, handovers and cases of a post's node stand at its centre as they do there."""

import secrets
from collections.abc import Mapping
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, select

from api.acts.corrections import correct_act
from api.cases.steps import CaseWriter, find_file
from engine.cases.area import CASE_EVENT, CASE_OPENED
from engine.cases.case_events import CaseOpening
from engine.cases.case_ledger import CASE_EVENTS, CASES, Reporter, draft_event, draft_opening
from engine.cases.case_state import read_case
from engine.domain.rights import Role
from engine.errors import ConflictError
from engine.journal.entries import Draft
from engine.journal.idempotency import claim
from engine.journal.journal import JOURNAL
from engine.journal.kinds import DECISION, HANDOVER, INSPECTION, INSPECTION_CORRECTED, SEIZURE
from engine.links.posts.linked_posts import LinkedPosts
from engine.queue import corrections, match_outcomes, projection
from engine.queue.corrections import CORRECTIONS, ActCorrection, read_stated
from engine.queue.match_outcomes import ACTS
from engine.queue.queue import DECISIONS, read_decision
from engine.selection import Channel
from engine.shifts.handovers import read_handover
from engine.targeting import report_writer
from engine.targeting.report_writer import ReportWriter
from tests.integration.service.links.post_and_centre import Installation, sync
from tests.support.running_service import POST
from tests.unit.service.cases.sample_files import picture

BY = Reporter("ann", "customs")
CONTENT = picture("PNG", shade=33)
DIGEST = sha256(CONTENT).hexdigest()


def read_subjects(connection: Connection, table: Any) -> list[tuple[str, str]]:
    """Return the subjects of records that correct one another, pair by pair."""
    first, later = JOURNAL.alias("first"), JOURNAL.alias("later")
    query = (
        select(first.c.subject, later.c.subject)
        .join(table, table.c.of == first.c.seq)
        .join(later, later.c.seq == table.c.seq)
        .order_by(table.c.seq)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def describe_reports(side: Installation) -> dict[str, Any]:
    """Return what acts and seizures say now, what corrects them, and what acts answered."""
    with side.store.read() as connection:
        subjects = dict(connection.execute(select(JOURNAL.c.seq, JOURNAL.c.subject)).all())
        stated = {
            one.subject: one.body["inspection" if one.kind == INSPECTION else "seizure"]
            for one in read_stated(connection, INSPECTION, SEIZURE)
        }
        acts = select(ACTS.c.seq, ACTS.c.crossing_id, ACTS.c.is_evidence, ACTS.c.minutes)
        answered = select(DECISIONS.c.decision_id, DECISIONS.c.act_seq)
        answered = answered.where(DECISIONS.c.act_seq.is_not(None))
        return {
            "stated": stated,
            "corrections": read_subjects(connection, CORRECTIONS),
            "acts": sorted((subjects[row[0]], *row[1:]) for row in connection.execute(acts)),
            "answered": sorted((row[0], subjects[row[1]]) for row in connection.execute(answered)),
        }


def test_corrected_acts_and_seizures_stand_at_the_centre(
    node: Installation, centre: Installation
) -> None:
    sync(node, centre)
    found = describe_reports(centre)
    assert found == describe_reports(node)
    assert found["corrections"] == [("act-1", "act-1"), ("find-1", "find-1")]
    assert found["stated"]["find-1"]["quantity_g"] == 2350.0
    verdict = centre.verify()
    assert verdict.ok, verdict.faults


def test_a_number_of_the_other_journal_is_none_of_this_one(
    node: Installation, centre: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: what a correction names is looked for under the node's number."""
    for module in (corrections, match_outcomes, projection):
        monkeypatch.setattr(module, "find_local_number", lambda _connection, _draft, number: number)
    sync(node, centre)
    assert describe_reports(centre) != describe_reports(node)


def test_a_handover_is_read_at_the_centre(node: Installation, centre: Installation) -> None:
    sync(node, centre)
    (shift,) = [subject for subject, _ in node.bodies(HANDOVER)]
    read = []
    for side in (node, centre):
        with side.store.read() as connection:
            found = read_handover(connection, POST, shift)
        assert found is not None and found.taken is not None
        read.append((found.balance, found.left.by, found.left.note, found.taken.by))
    assert read[0] == read[1]


def append(side: Installation, draft: Draft) -> int:
    """Record a draft, and return its number."""
    return side.exchange.journal.append([draft])[0].seq


def open_case(node: Installation, **more: Any) -> str:
    """Open a case at the node."""
    known = {"post": POST, "summary": "packets", "agency": "customs"}
    opening = CaseOpening.model_validate(known | more)
    asked = claim(CASE_OPENED, opening, post=POST, name=f"case_opened:{secrets.token_hex(4)}")
    draft = draft_opening(opening, post=POST, by=BY, claim=asked)
    append(node, draft)
    return draft.subject


def add_event(
    side: Installation,
    case_id: str,
    event: Mapping[str, Any],
    about: Mapping[str, Any] | None = None,
    by: Reporter = BY,
) -> int:
    """Record an event of a case."""
    name = f"case_event:{case_id}:{secrets.token_hex(4)}"
    asked = claim(CASE_EVENT, CaseOpening(post=POST, summary=name), post=POST, name=name)
    with side.store.read() as connection:
        case = read_case(connection, case_id).case
    return append(side, draft_event(case, event, by=by, claim=asked, about=about))


def describe_case(side: Installation, case_id: str) -> dict[str, Any]:
    """Return what a side knows of a case, without numbers and times of its own journal."""
    with side.store.read() as connection:
        history = read_case(connection, case_id)
        table, of_case = CASES.c, CASE_EVENTS.c.case_id == case_id
        row = select(table.post, table.agency, table.custody, table.owner, table.state)
        stands = tuple(connection.execute(row.where(table.case_id == case_id)).one())
        kinds = select(CASE_EVENTS.c.kind).where(of_case).order_by(CASE_EVENTS.c.seq)
        events = list(connection.scalars(kinds))
    case = history.case
    assert stands == (case.post, case.agency, case.custody, case.owner, case.state)
    assert events == [one.event["kind"] for one in history.steps]
    return {
        "stands": stands,
        "receivers": case.receivers,
        "events": [(one.event["kind"], one.seq in case.agreed) for one in history.steps],
        "waiting": [one.event["kind"] for one in case.waiting.values()],
    }


def test_a_case_goes_on_at_the_node_and_stands_at_the_centre(
    node: Installation, centre: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = open_case(node)
    passed = {"kind": "custody", "to_agency": "drug_control", "item": "2 packets"}
    of = add_event(node, case_id, passed)
    add_event(node, case_id, passed | {"to_agency": "interior"})
    sync(node, centre)
    receiver = Reporter("cem", "drug_control")
    add_event(node, case_id, {"kind": "agreement", "of": of}, by=receiver)
    node.home.files.mkdir(exist_ok=True)
    (node.home.files / DIGEST).write_bytes(CONTENT)
    file = {"kind": "file", "digest": DIGEST, "media_type": "image/png", "size_bytes": len(CONTENT)}
    add_event(node, case_id, file | {"shows": "goods"})
    add_event(node, case_id, {"kind": "closed", "outcome": "reported", "reason": "sent"})
    sync(node, centre)
    found = describe_case(centre, case_id)
    assert found == describe_case(node, case_id)
    assert found["stands"] == (POST, "customs", "drug_control", "ann", "closed")
    assert found["waiting"] == [], "the goods passed on: the other transfer lapsed"
    with pytest.raises(AttributeError, match="writer"):  # it is there, and its reading recorded
        find_file(service_of(centre), READER, case_id, DIGEST)
    assert (centre.home.files / DIGEST).read_bytes() == CONTENT
    for side in (node, centre):
        verdict = side.verify()
        assert verdict.ok, verdict.faults
    # Seeded bug: an agreement names a number of the node's journal.
    monkeypatch.setattr("engine.cases.case_state.renumber_steps", list)
    with pytest.raises(AssertionError):
        describe_case(centre, case_id)


READER: Any = SimpleNamespace(
    sees=lambda *_: True, reaches=lambda *_: True, covers=lambda *_: True,
    sees_all=lambda *_: True, sees_post=lambda *_: True, may=lambda *_: True,
    agency="customs", person="ann", role=Role.CHECKPOINT, is_person=True, post=None,
    own=lambda key: key,
)  # fmt: skip


def test_a_review_at_the_centre_draws_by_the_table_of_the_node(
    node: Installation, centre: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a seeded bug: the number of the node's table is looked for in the centre's journal."""
    sync(node, centre)
    decided = [
        name for name, body in node.bodies(DECISION) if body["inputs"]["table_sequence"] is not None
    ]

    def draw(side: Installation) -> list[int]:
        recording = service_of(side).recording
        with side.store.read() as connection:
            known = [read_decision(connection, name) for name in decided[:5]]
            return [recording.draw_place(connection, one, Channel.YELLOW) for one in known]

    assert decided
    assert draw(centre) == draw(node)
    monkeypatch.setattr(report_writer, "find_local_number", lambda _, __, number: number)
    with pytest.raises(AssertionError):
        assert draw(centre) == draw(node)


def service_of(side: Installation) -> Any:
    """Return as much of a service as reports need."""
    journal = side.exchange.journal
    fingerprint = side.exchange.fingerprint
    recording = ReportWriter.__new__(ReportWriter)
    recording._store, recording._journal = side.store, journal
    recording._posts = LinkedPosts(fingerprint=lambda: fingerprint)
    return SimpleNamespace(
        home=side.home, store=side.store, journal=journal, recording=recording,
        network=SimpleNamespace(), answers=None,
    )  # fmt: skip


def test_the_centre_corrects_nothing_of_a_node_and_adds_to_no_case_of_it(
    node: Installation, centre: Installation
) -> None:
    case_id = open_case(node)
    sync(node, centre)
    correction = ActCorrection.model_validate(
        {"outcome": "seizure", "methods": ["physical"], "reason": "misread"}
    )
    with pytest.raises(ConflictError, match="its own node decides there"):
        correct_act(service_of(centre), READER, "act-1", correction)
    with centre.store.read() as connection:
        case = read_case(connection, case_id).case
    asked = claim(INSPECTION_CORRECTED, correction, post=POST, name="any")
    writer = CaseWriter(service_of(centre), READER, None)
    with pytest.raises(ConflictError, match="its own node decides there"):
        writer.record(case, asked, lambda _: pytest.fail("the node owns this case"))
