"""What a centre records for a post takes effect at its node when it arrives there."""

from typing import Any

import pytest

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
from engine.criteria.watchlist import WatchEntry, entry_content
from engine.domain.time_units import DAY, moment
from engine.journal.entries import JournalRecord
from engine.journal.kinds import ClaimBody
from engine.journal.power_records import PowerRecord
from engine.queue.queue import list_waiting, read_decision, waits
from engine.queue.reviews import Review, review_draft
from tests.integration.service.links.post_and_centre import (
    Installation,
    sync,
)
from tests.support.running_service import POST, World, arrival


def list_entry(centre: Installation, entry_id: str, **names: str) -> None:
    """Let two people of the centre put an entry on the watch list, for days of its own clock."""
    journal = centre.exchange.journal
    with centre.store.read() as connection:
        expiry = moment(journal.now(connection) + 80 * DAY)
    entry = WatchEntry.model_validate({"reason": "tip-off", "expiry": expiry} | names)
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


def test_a_review_at_the_centre_moves_the_queue_of_the_node(
    world: World, node: Installation, centre: Installation, request: pytest.FixtureRequest
) -> None:
    first = 700 if "sqlite" in request.node.name else 800
    for number in range(first, first + 12):
        assert world.decide(arrival(number)).status_code == 201
    sync(node, centre)
    with node.store.read() as connection:
        waiting = list_waiting(connection, POST, as_of=head_of(node) + 1)
    decision = waiting[-1]
    review = Review.model_validate(
        {"verdict": "override", "channel": "green", "reason_code": "other", "reason": "known"}
    )
    claim: ClaimBody = {"names": [f"review:{decision.decision_id}"], "fingerprint": "00" * 32}
    with centre.store.read() as connection:
        known = read_decision(connection, decision.decision_id)
    draft = review_draft(review, known, person="carol", claim=claim, step={})
    centre.exchange.journal.append([draft])
    assert waits_at(node, decision.decision_id)
    sync(node, centre)
    assert not waits_at(node, decision.decision_id)
    assert not waits_at(centre, decision.decision_id)


def waits_at(side: Installation, decision_id: str) -> bool:
    """Tell whether a vehicle waits, as a side knows it."""
    with side.store.read() as connection:
        return waits(connection, decision_id)
