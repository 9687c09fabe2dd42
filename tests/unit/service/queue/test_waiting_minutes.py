"""The minutes of what waits are one sum, whoever adds them up."""

import math

import pytest

from engine.decision.inspection_minutes import Minutes
from engine.domain.rights import Role
from engine.journal.journal import JournalReader
from engine.queue.queue import count_waiting, list_waiting
from engine.selection import Channel
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import find

START = 330_000


def test_a_vehicle_sent_elsewhere_waits_with_the_minutes_of_its_new_channel(world: World) -> None:
    yellow = find(world, "yellow", START)
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "y"}
    path = f"/v1/decisions/{yellow['decision_id']}/reviews"
    assert world.post(path, override, Role.SUPERVISOR).status_code == 201
    with world.runtime.store.read() as snapshot:
        now = world.runtime.journal.now(snapshot)
        red = [one for one in list_waiting(snapshot, POST, as_of=now) if one.channel is Channel.RED]
        bodies = JournalReader(snapshot).bodies([one.seq for one in red])
        sums = count_waiting(snapshot, as_of=now, post=POST)[POST][Channel.RED]
    sent = next(one for one in red if one.decision_id == yellow["decision_id"])
    learned = {seq: Minutes(**body["inputs"]["minutes"]) for seq, body in bodies.items()}
    assert learned[sent.seq].red > learned[sent.seq].yellow > 0.0
    expected = math.fsum(learned[one.seq].red for one in red)
    assert sums.vehicles == len(red)
    assert sums.minutes == pytest.approx(expected)
    shift = world.get(f"/v1/posts/{POST}/shift", Role.SUPERVISOR).json()["minutes"]
    network = world.get("/v1/network", Role.SUPERVISOR).json()["minutes"]
    assert [one["needed"] for one in shift if one["channel"] == "red"] == [pytest.approx(expected)]
    here = [one["needed"] for one in network if (one["post"], one["channel"]) == (POST, "red")]
    assert here == [pytest.approx(expected)]
