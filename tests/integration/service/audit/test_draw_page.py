"""The page of draws: a secret seed stays secret, a revealed one gives the same numbers again."""

import json

from sqlalchemy import select

from engine.domain.rights import Role
from engine.journal.entries import Draft
from engine.journal.kinds import SHIFT_CLOSED
from engine.selection import RANDOM
from engine.shifts.shift_state import SHIFTS
from tests.support.page_session import at_desk
from tests.support.running_service import POST, World, arrival

START = 160_000


def reveal(world: World, seed: bytes | None = None) -> str:
    """Record a shift's seed as the next shift would, or another one in its place."""
    with world.runtime.store.read() as connection:
        row = connection.execute(select(SHIFTS).where(SHIFTS.c.post == POST)).first()
    assert row is not None
    body = {"shift": row.shift_id, "seed": (seed or bytes(row.seed)).hex()}
    world.runtime.writer.submit(Draft(SHIFT_CLOSED, row.shift_id, POST, body)).result()
    return bytes(row.seed).hex()


def test_numbers_come_out_again_once_the_seed_is_revealed(world: World) -> None:
    for number in range(START, START + 10):
        world.decide(arrival(number))
    auditor, path = at_desk(world, "drawer", Role.INTEGRITY), f"/posts/{POST}/draws"
    secret = json.loads(world.get(f"/v1{path}", Role.INTEGRITY).text)
    assert secret["shown"] is None and secret["shifts"][0]["seed"] is None
    assert "not yet knowable" in auditor.get(path).text
    assert auditor.get(f"{path}?shift={secret['shifts'][0]['shift']}").status_code == 404
    seed = reveal(world)
    assert seed not in json.dumps(secret)
    found = world.get(f"/v1{path}", Role.INTEGRITY).json()
    shown, shift = found["shown"], found["shifts"][0]
    assert shift["commitment_holds"] and shift["seed"] == seed
    assert shown["decisions"] >= 10 and shown["numbers"] == shown["equal"] > shown["decisions"]
    assert RANDOM in {number["purpose"] for number in shown["rows"][0]["numbers"]}
    assert seed in auditor.get(path).text and "≠" not in auditor.get(path).text
    reveal(world, bytes(32))
    wrong = world.get(f"/v1{path}", Role.INTEGRITY).json()
    assert not wrong["shifts"][0]["commitment_holds"] and wrong["shown"]["equal"] == 0
    assert "✗" in auditor.get(path).text
