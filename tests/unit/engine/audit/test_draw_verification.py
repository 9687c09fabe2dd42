"""Numbers are drawn again once a seed is revealed: whatever was changed about chance is found."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from engine.audit.verification import DrawVerifier, verify
from engine.journal.entries import Draft
from engine.journal.journal import BODIES, JOURNAL
from engine.journal.kinds import DECISION, SHIFT_CLOSED, SHIFT_OPENED
from engine.selection import SCORE
from engine.shifts.shift_state import SHIFTS
from engine.storage.database import Store
from tests.unit.engine.targeting.test_targeting import Two, ask, two  # noqa: F401

DECISIONS = 6


@pytest.fixture
def closed_shift_store(two: Two) -> Store:  # noqa: F811
    """Decide on some arrivals, then reveal the seed of their shift."""
    runtime = two[0]
    for number in range(DECISIONS):
        ask(runtime, number).result(30)
    with runtime.store.read() as connection:
        shift_id, seed, post = connection.execute(
            select(SHIFTS.c.shift_id, SHIFTS.c.seed, SHIFTS.c.post)
        ).one()
    body = {"shift": shift_id, "seed": bytes(seed).hex()}
    runtime.journal.append([Draft(SHIFT_CLOSED, shift_id, post, body)])
    return runtime.store


def rules(store: Store) -> list[str]:
    with store.read() as connection:
        return [rule for _, rule, _ in DrawVerifier().faults(connection)]


def edit(store: Store, kind: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the first body of a kind as it stands in the store."""
    with store.write() as connection:
        query = select(JOURNAL.c.seq, BODIES.c.body).join(BODIES, BODIES.c.seq == JOURNAL.c.seq)
        seq, raw = connection.execute(query.where(JOURNAL.c.kind == kind)).first() or (0, "")
        body = json.loads(raw)
        change(body)
        changed = json.dumps(body).encode()
        connection.execute(BODIES.update().where(BODIES.c.seq == seq).values(body=changed))


def test_revealed_numbers_are_drawn_again(closed_shift_store: Store) -> None:
    verdict = verify(closed_shift_store)
    assert verdict.ok
    assert verdict.drawn == DECISIONS


def assign(body: dict[str, Any]) -> None:
    """Write down a team that no number drew."""
    body["inputs"]["teams"] = ["alpha", "beta"]
    body["inputs"]["draws"]["team"] = 0.7
    body["decision"]["team"] = "alpha"


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "draw": (DECISION, lambda body: body["inputs"]["draws"].update({SCORE: 0.5})),
    "team": (DECISION, assign),
    "seed": (SHIFT_CLOSED, lambda body: body.update(seed="00" * 32)),
    "commitment": (SHIFT_OPENED, lambda body: body.update(head_chain="11" * 32)),
    "shift": (SHIFT_CLOSED, lambda body: body.update(shift="OYB@2020-01-01T00:00:00Z")),
}


@pytest.mark.parametrize("rule", CHANGES)
def test_whatever_is_changed_about_chance_is_found(closed_shift_store: Store, rule: str) -> None:
    kind, change = CHANGES[rule]
    edit(closed_shift_store, kind, change)
    assert rule in rules(closed_shift_store)


def test_another_plate_would_have_drawn_otherwise(closed_shift_store: Store) -> None:
    edit(
        closed_shift_store,
        DECISION,
        lambda body: body["arrival"]["crossing"].update(plate="99Z999ZZ"),
    )
    assert rules(closed_shift_store).count("draw") >= 1


def test_a_secret_seed_is_left_for_later(two: Two) -> None:  # noqa: F811
    ask(two[0], 1).result(30)
    assert verify(two[0].store).drawn == 0


def test_a_check_that_believes_the_record_would_miss_it(
    closed_shift_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: a check that takes the recorded number for the drawn one finds nothing."""
    edit(closed_shift_store, *CHANGES["draw"])

    class Agreeable(float):
        def __eq__(self, other: object) -> bool:
            return True

        def __ne__(self, other: object) -> bool:
            return False

        __hash__ = float.__hash__

    monkeypatch.setattr("engine.audit.verification.draw", lambda *_, **__: Agreeable())
    assert rules(closed_shift_store) == []
