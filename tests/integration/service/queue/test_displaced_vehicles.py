"""Before an override is recorded, its page says for which vehicles no time is left then."""

from sqlalchemy import select

from api.auth.callers import Caller
from api.decisions.page_data import find_displaced
from api.queue import read_queue
from engine.domain.rights import Role
from engine.queue.queue import DECISIONS, read_decision
from tests.support.people import at_desk
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import find

READER = Caller("reader", Role.SUPERVISOR, None)
START = 120_000


def put_minutes(world: World, minutes: float) -> None:
    headers = world.headers(Role.SUPERVISOR)
    roster = {"minutes": {"physical": minutes}}
    assert world.client.put(f"/v1/posts/{POST}/roster", json=roster, headers=headers).is_success


def list_fitting(world: World) -> set[str]:
    """Return the plates of the red vehicles above the cut, as they are kept for matching."""
    view = read_queue(world.runtime, POST, READER, is_blind=True)
    fitting = [one.decision_id for one in view.vehicles if one.channel == "red" and one.fits]
    with world.runtime.store.read() as snapshot:
        query = select(DECISIONS.c.plate).where(DECISIONS.c.decision_id.in_(fitting))
        return set(snapshot.scalars(query))


def test_an_override_says_for_which_vehicles_no_time_is_left(world: World) -> None:
    for number in range(4):
        find(world, "red", START + 100 * number)
    greens = [find(world, "green", START + 1000 + 100 * number) for number in range(6)]
    put_minutes(world, 9_000.0)
    view = read_queue(world.runtime, POST, READER, is_blind=True)
    (red,) = [one for one in view.meters if one.channel == "red"]
    with world.runtime.store.read() as snapshot:
        known = [read_decision(snapshot, one["decision_id"]) for one in greens]
    assert find_displaced(world.runtime, known[0])["red"].plates == (), "there is time for all"
    put_minutes(world, red.minutes.used + red.minutes.needed)
    sent = next(one for one in known if find_displaced(world.runtime, one)["red"].plates)
    told = find_displaced(world.runtime, sent)["red"]
    path = f"/decisions/{sent.decision_id}"
    page = at_desk(world, "displaces").get(path).text
    assert all(plate in page.partition('id="verdict"')[2] for plate in told.plates)
    before = list_fitting(world)
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "y"}
    world.post(f"/v1{path}/reviews", override, Role.SUPERVISOR)
    assert before - list_fitting(world) == set(told.plates)
