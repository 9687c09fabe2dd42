"""A post follows one policy: that of its centre, from the arrival of its records on."""

from secrets import token_hex
from typing import Any

import pytest

from engine.criteria.dual_control import draft_approval, draft_proposal, read_approval_state
from engine.criteria.policy import (
    MATTER,
    SETTINGS,
    SHARES,
    PolicyProposal,
    Shares,
    declare_policy,
    read_policy,
)
from engine.domain.rights import Role
from engine.journal.kinds import POLICY_APPROVED
from tests.integration.service.links.post_and_centre import Installation, sync
from tests.support.people import person, send
from tests.support.running_service import NETWORK, POST, World, arrival

pytestmark = pytest.mark.machine_clock


def decide_policy(side: Installation, setting: str = "shares", **value: Any) -> str:
    """Let two people of a side decide a value, as its service records it; return its name."""
    journal, subject = side.exchange.journal, f"policy-{token_hex(8)}"
    with side.store.read() as connection:
        asked = PolicyProposal(setting=setting, value=value, reason="as agreed")
        content = asked.complete(read_policy(connection))
    journal.append([draft_proposal(MATTER, subject, by="carol", content=content)])
    with side.store.read() as connection:
        state = read_approval_state(connection, MATTER, subject)
    journal.append([draft_approval(MATTER, state, by="dan")])
    return subject


def read_shares(side: Installation) -> Shares:
    with side.store.read() as connection:
        found = read_policy(connection).read(SHARES, POST)
    assert isinstance(found, Shares)
    return found


def test_the_policy_of_the_centre_holds_at_its_node(
    world: World, node: Installation, centre: Installation, request: pytest.FixtureRequest
) -> None:
    first = 2_000 if "sqlite" in request.node.name else 2_100
    decide_policy(node, random_share=0.09)
    assert world.decide(arrival(first)).status_code == 201
    assert read_shares(node).random_share == 0.09, "until the centre's has arrived"
    declare_policy(centre.store, {"shares": Shares(red_share=0.06)})
    decide_policy(centre, random_share=0.05)
    network = {"file": NETWORK.replace("Oybek", "Elsewhere")}
    decide_policy(centre, "network", **network)
    sync(node, centre)
    sync(node, centre)
    assert read_shares(node) == read_shares(centre) == Shares(red_share=0.06, random_share=0.05)
    with node.store.read() as connection:
        assert read_policy(connection).find(SETTINGS["network"]) is None, "each has its own file"
    ann = person(world, Role.ANALYST)
    content = {"setting": "shares", "value": {"random_share": 0.08}, "reason": "closer"}
    refused = send(world, "/v1/proposals", {"matter": MATTER, "content": content}, ann)
    assert refused.status_code == 409 and "centre" in refused.text
    shown = world.client.get("/v1/policy", headers=ann).json()["settings"][0]["values"]
    assert [one["is_of_centre"] for one in shown] == [True]
    assert world.decide(arrival(first + 1)).status_code == 201
    assert not [one for one in node.verify().faults if one.rule == "policy"]


def test_what_a_node_decides_changes_nothing_at_its_centre(
    node: Installation, centre: Installation
) -> None:
    """A node in foreign hands writes into its own journal whatever it likes."""
    before = read_shares(centre)
    forged = decide_policy(node, random_share=0.1)
    sync(node, centre)
    assert read_shares(centre) == before
    assert forged not in [subject for subject, _ in centre.bodies(POLICY_APPROVED)]
    assert not [one for one in centre.verify().faults if one.rule == "policy"]
