"""Webhooks get changes of a case where its route would show it to their receiver."""

from typing import Any

import orjson
import pytest

from api.auth.authority import Authority
from api.cases import answers as bodies
from api.notifications.event_bodies import EventBodies, types_for
from api.webhooks.steps import receiver
from engine.domain.rights import Role
from engine.events.webhooks import Endpoint
from engine.journal.areas import EventType
from tests.support.running_service import OTHER, POST, World
from tests.unit.service.cases.test_cases import open_case, person, report


def tell(
    world: World,
    role: Role,
    seq: int,
    kind: EventType,
    *,
    post: str | None = None,
    agency: Any = None,
) -> dict[str, Any] | None:
    """Return what an endpoint of a role, post and agency is sent about a record."""
    endpoint = Endpoint("w-1", "", (kind,), role, post, agency, "ann", 1, 0, ())
    with world.runtime.store.read() as connection:
        authority = Authority().look(connection)
        made = EventBodies(world.runtime, connection, receiver(endpoint, authority))
        body = made.build(seq, kind)
    return None if body is None else orjson.loads(body)


def test_a_change_goes_to_those_who_see_the_case(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: without the check of the case, one that is not passed on is sent."""
    ann = person(world, "sent-ann", "customs")
    case_id = open_case(world, ann, handling=["H2"])
    custody = {"kind": "custody", "to_agency": "drug_control", "item": "2 packets"}
    seq = report(world, case_id, ann, custody).json()["sequence"]
    for agency in ("customs", "drug_control"):
        sent = tell(world, Role.SUPERVISOR, seq, "case.changed", agency=agency)
        assert sent is not None
        assert sent["data"] == {
            "change": "custody", "case_id": case_id, "post": POST, "sequence": seq,
        }  # fmt: skip
        waits = tell(world, Role.SUPERVISOR, seq, "approval.waiting", agency=agency)
        assert waits is not None
        assert waits["data"] == {"matter": "case", "id": case_id, "step": "case_event"}
    hidden: dict[str, Any] = {"agency": "interior"}
    for kind in ("case.changed", "approval.waiting"):
        assert tell(world, Role.SUPERVISOR, seq, kind, **hidden) is None
        assert tell(world, Role.CHECKPOINT, seq, kind, post=OTHER, agency="customs") is None
        assert tell(world, Role.ANALYST, seq, kind, agency="customs") is None
    assert tell(world, Role.CHECKPOINT, seq, "case.changed", post=POST, agency="customs")
    monkeypatch.setattr(bodies, "sees_case", lambda *_: True)
    assert tell(world, Role.SUPERVISOR, seq, "case.changed", **hidden) is not None


def test_roles_that_read_cases_may_ask_for_their_changes() -> None:
    asking = {role for role in Role if "case.changed" in types_for(role)}
    assert asking == {Role.CHECKPOINT, Role.SUPERVISOR}
