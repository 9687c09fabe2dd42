"""A decision reads the store no more often with a policy, known lawful trade and lists in force."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from engine.criteria.dual_control import read_approval_states
from engine.criteria.known_lawful import LawfulMatcher
from engine.criteria.match import KNOWN_LAWFUL
from tests.support.people import send
from tests.support.running_service import POST, World, arrival
from tests.unit.service.policy.test_policy import people, put_into_force, world

__all__ = ["people", "world"]
People = dict[str, dict[str, str]]
_NUMBERS = count(1)


@contextmanager
def noted_queries() -> Iterator[list[str]]:
    """Note every statement that reads, on whatever connection of SQLite it runs."""
    found: list[str] = []

    def note(statement: str) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            found.append(statement)

    def begin(connection: Any, *_: Any) -> None:
        connection.set_trace_callback(note)

    event.listen(Pool, "checkout", begin)
    try:
        yield found
    finally:
        event.remove(Pool, "checkout", begin)


def count_queries(world: World, **crossing: Any) -> int:
    """Return how many statements read for one decision; what runs beside it is left out."""
    seen = []
    for _ in range(6):
        with noted_queries() as found:
            answer = world.decide(arrival(next(_NUMBERS), **crossing))
        assert answer.status_code == 201, answer.text
        seen.append(len(found))
    return min(seen)


def put_all_into_force(world: World, people: People) -> None:
    put_into_force(world, people, setting="shares", post=POST, value={"random_share": 0.05})
    put_into_force(world, people, setting="known_lawful", value={"factor": 0.5})
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    entry = {"carrier": "carrier-9", "reason": "audited", "expiry": until}
    terms = {"list": "Trailers", "owner": "unit", "threat": "hidden places", "reason": "seen"}
    grades = {"gravity": "medium", "source_grade": "B", "information_grade": "3"}
    dates = {"expiry": until, "review_by": until, "kind": "trailer"}
    lines = "\n".join(f"01 {number} BA" for number in range(1000, 1200))
    rows = terms | grades | dates | {"lines": lines}
    for path, body in (("/v1/known-lawful", entry), ("/v1/watchlist/lists", rows)):
        made = send(world, path, body, people["ann"])
        assert made.status_code == 201, made.text
        number = made.json()["receipt"]["sequence"]
        assert (
            send(world, f"/v1/proposals/{number}/approvals", {}, people["bob"]).status_code == 201
        )


def test_a_decision_reads_no_more_with_all_of_it_in_force(world: World, people: People) -> None:
    """Of a vehicle that waits, the queue and the search order are read, whatever sent it there."""
    fits = {"carrier_id": "carrier-9", "trailer_plate": "01 999 BA"}
    count_queries(world, **fits)  # a carrier without a past is looked up in fewer windows
    before = count_queries(world, **fits)
    assert before > 0
    put_all_into_force(world, people)
    assert count_queries(world, **fits) <= before
    listed = world.decide(arrival(next(_NUMBERS), **fits | {"trailer_plate": "01 1007 BA"}))
    seen = world.get(f"/v1/decisions/{listed.json()['decision_id']}").json()
    assert seen["watchlist"] and seen["known_lawful"], "both are looked up"


def test_a_list_that_is_looked_up_in_the_store_would_be_noticed(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, match = count_queries(world), LawfulMatcher.matches

    def look_up(self: LawfulMatcher, *asked: Any, **more: Any) -> Any:
        with world.runtime.store.read() as connection:
            read_approval_states(connection, KNOWN_LAWFUL)
        return match(self, *asked, **more)

    monkeypatch.setattr(LawfulMatcher, "matches", look_up)
    assert count_queries(world) > before
