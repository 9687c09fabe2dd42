"""A review at the centre reaches the queue of the node.

The node then knows what no other centre does, so these tests have a node of their own.
"""

import pytest

from engine.journal.kinds import (
    ClaimBody,
)
from engine.queue.queue import list_waiting, read_decision, waits
from engine.queue.reviews import Review, review_draft
from tests.integration.service.links.post_and_centre import (
    Installation,
    sync,
)
from tests.support.running_service import (
    POST,
    World,
    arrival,
)

pytestmark = pytest.mark.machine_clock


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


def head_of(side: Installation) -> int:
    """Return when the last record became known."""
    with side.store.read() as connection:
        return side.exchange.journal.head(connection).known_at
