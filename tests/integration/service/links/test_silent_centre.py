"""Decisions of a node say that its centre is silent, and what it had withdrawn meanwhile."""

from dataclasses import replace
from typing import Any

import pytest

from api.links.exchanges import exchange_all
from api.links.post_nodes import follow_records
from engine.decision import decision as decisions
from engine.decision.decision import Inputs
from engine.domain.rights import Role
from engine.domain.time_units import HOUR
from engine.errors import OtherSideError
from engine.explanation.facts import STALE
from engine.journal.kinds import DECISION, TICK
from engine.links.ledger import read_last_heard
from engine.links.parcel import read_parcel
from engine.links.posts.linked_posts import LinkedPosts, list_late_withdrawals
from engine.ports import SilenceLimits
from engine.queue.queue import read_decision
from engine.selection import RANDOM_SHARE
from tests.integration.service.links.post_and_centre import Installation, sync
from tests.integration.service.links.test_post_records import list_entry, retire_entry
from tests.support.running_service import World, arrival

pytestmark = pytest.mark.machine_clock

FAR = 10**15


def decide(world: World, number: int, **names: Any) -> dict[str, Any]:
    """Let the post decide; return the whole view."""
    made = world.decide(arrival(number, **names))
    assert made.status_code == 201, made.text
    seen: dict[str, Any] = world.get(f"/v1/decisions/{made.json()['decision_id']}").json()
    return seen


def share_of(world: World, decision_id: str) -> float:
    """Return the recorded random share of a decision, which is made again bit for bit."""
    runtime = world.runtime
    with runtime.store.read() as connection:
        seq = read_decision(connection, decision_id).seq
        assert runtime.recompute.decision(connection, seq).is_identical
        share: float = runtime.journal.body(connection, seq, of=DECISION)["inputs"]["policy"][
            "random_share"
        ]
    return share


def hours_of(seen: dict[str, Any]) -> list[float]:
    return [one["parameters"]["hours"] for one in seen["facts"] if one["code"] == STALE]


def silent_seconds(world: World) -> float:
    lines = world.client.get("/metrics").text.splitlines()
    (line,) = [one for one in lines if one.startswith("darvoza_centre_silent_seconds")]
    return float(line.split()[1])


def test_a_silent_centre_is_said_and_the_random_share_rises(
    world: World,
    node: Installation,
    centre: Installation,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = 1_000 if "sqlite" in request.node.name else 1_100
    sync(node, centre)
    line = world.runtime.posts
    usual = decide(world, first)
    assert STALE not in usual["data_gaps"]
    assert hours_of(usual) == []
    assert share_of(world, usual["decision_id"]) == 0.03
    with monkeypatch.context() as patched:
        patched.setattr(line, "limits", SilenceLimits(0, FAR))
        stale = decide(world, first + 1)
        assert STALE in stale["data_gaps"]
        assert len(hours_of(stale)) == 1
        assert share_of(world, stale["decision_id"]) == 0.03
        patched.setattr(line, "limits", SilenceLimits(0, 0))
        long = decide(world, first + 2)
        assert share_of(world, long["decision_id"]) == RANDOM_SHARE[1]
        assert long["propensity"] > RANDOM_SHARE[1] - 1e-9
        assert silent_seconds(world) > 0
        line.note_heard(node.link.name, FAR * 2)
        assert STALE not in decide(world, first + 3)["data_gaps"]
        blind = world.get(f"/v1/decisions/{long['decision_id']}", Role.CHECKPOINT).json()
        assert STALE in blind["data_gaps"]
    sync(node, centre)
    with monkeypatch.context() as patched:
        patched.setattr(decisions, "decide", decide_without_silence)
        patched.setattr("engine.audit.decision_replay.decide", decide_without_silence)
        with pytest.raises(AssertionError):
            share_of(world, long["decision_id"])


def decide_without_silence(
    inputs: Inputs, seen: decisions.ScoredArrival, make: Any = decisions.decide
) -> decisions.Decision:
    """Seeded bug: the silence is not among the inputs of a decision."""
    made: decisions.Decision = make(replace(inputs, silence_seconds=0), seen)
    return made


def test_after_a_restart_silence_is_no_shorter_than_it_was(
    node: Installation, centre: Installation
) -> None:
    """A process that has not exchanged yet counts from what the store has of the centre."""
    sync(node, centre)
    line = LinkedPosts(fingerprint=lambda: node.exchange.fingerprint)
    with node.store.read() as connection:
        now = node.exchange.journal.now(connection)
        later = now + 5 * 3_600_000_000
        posts = node.link.agreement.posts
        found = line.measure_silences(connection, [*posts, "ELSEWHERE"], now=later)
        assert found["ELSEWHERE"] == 0
        assert all(later - now <= found[post] < later - now + 60_000_000 for post in posts)
        assert line.measure_longest(connection, now=later) == found[posts[0]]
        line.note_heard(node.link.name, later)
        assert line.measure_longest(connection, now=later) == 0
    with centre.store.read() as connection:
        of_centre = LinkedPosts(fingerprint=lambda: centre.exchange.fingerprint)
        assert of_centre.measure_longest(connection, now=later) == 0, "a centre has none above it"


def keep_parcels(node: Installation, centre: Installation) -> list[tuple[bytes, bytes]]:
    """Exchange, and return each parcel of the node with its answer, as the wire saw them."""
    kept = []

    def carry(parcel: bytes) -> bytes:
        answer = centre.exchange.answer_parcel(parcel, name=centre.link.name)
        kept.append((parcel, answer))
        return answer

    exchange_all(node.exchange, node.link, carry)
    return kept


def measure_at(side: Installation, line: LinkedPosts, *, now: int) -> int:
    """Return how long the other side was silent at a time, as this side knows it."""
    with side.store.read() as connection:
        known = max(read_last_heard(connection, side.link.name), line.find_heard(side.link.name))
    return now - known


@pytest.mark.parametrize("is_node", [True, False])
def test_what_the_wire_kept_hides_no_silence(
    node: Installation, centre: Installation, is_node: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty hours later anybody posts it, at the door of either side; with a seeded bug."""
    node.exchange.journal.append([TICK.draft("", {})])
    kept = keep_parcels(node, centre)
    side = node if is_node else centre
    line = LinkedPosts(fingerprint=lambda: side.exchange.fingerprint)
    with side.store.read() as connection:
        later = side.exchange.journal.now(connection) + 30 * HOUR
    before = measure_at(side, line, now=later)
    assert 30 * HOUR <= before < 31 * HOUR

    def replay() -> int:
        for pair in kept:
            taken = side.exchange.take_parcel(pair[is_node])
            line.note_heard(side.link.name, taken.heard)
        return measure_at(side, line, now=later)

    assert 30 * HOUR <= replay() <= before
    heard = line._heard
    monkeypatch.setattr(LinkedPosts, "note_heard", lambda _, link, __: heard.update({link: later}))
    assert replay() == 0, "the seeded bug notes every signed parcel as heard now"


def test_parcels_that_were_held_back_hide_no_silence(
    node: Installation, centre: Installation
) -> None:
    """Each was never seen before, is later than all others, and brings a new record."""
    sync(node, centre)
    node.exchange.journal.append([TICK.draft("", {})])
    held = []
    for _ in range(3):
        node.exchange.journal.append([TICK.draft("", {})])
        follow_records(node.exchange, node.link.name)
        held.append(node.exchange.make_parcel(node.link).seal(node.exchange.keys))
    with centre.store.read() as connection:
        now = centre.exchange.journal.now(connection)
    line = LinkedPosts(fingerprint=lambda: centre.exchange.fingerprint)
    for raw in held:
        taken = centre.exchange.take_parcel(raw)
        line.note_heard(centre.link.name, taken.heard)
        assert taken.new
        assert measure_at(centre, line, now=now + 30 * HOUR) >= 30 * HOUR


def test_a_clock_ahead_pushes_nothing(node: Installation, centre: Installation) -> None:
    """What a parcel says of its own time is not believed; what it says it heard is bounded."""
    kept = keep_parcels(node, centre)
    answered_at = read_parcel(kept[-1][1]).at
    ahead = node.exchange.make_parcel(node.link)
    forged = replace(ahead, at=FAR * 9, heard=FAR * 9).seal(node.exchange.keys)
    with centre.store.read() as connection:
        now = centre.exchange.journal.now(connection)
    assert now <= centre.exchange.take_parcel(forged).heard < now + HOUR
    honest = replace(ahead, heard=answered_at).seal(node.exchange.keys)
    assert centre.exchange.take_parcel(honest).heard == answered_at


def test_an_answer_to_another_request_is_none(node: Installation, centre: Installation) -> None:
    kept = keep_parcels(node, centre)
    with pytest.raises(OtherSideError, match="answered another parcel"):
        exchange_all(node.exchange, node.link, lambda _: kept[-1][1])


def test_limits_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="link_random_hours must not be below link_stale_hours"):
        SilenceLimits(stale=2, random=1)


def test_what_the_centre_withdrew_meanwhile_is_marked(
    world: World, node: Installation, centre: Installation, request: pytest.FixtureRequest
) -> None:
    first = 1_200 if "sqlite" in request.node.name else 1_300
    entry_id, plate = f"late-{first}", f"88 L {first}"
    list_entry(centre, entry_id, plate=plate)
    sync(node, centre)
    before = decide(world, first, plate=plate)
    retire_entry(centre, entry_id)
    meanwhile = decide(world, first + 1, plate=plate)
    assert meanwhile["watchlist"]
    assert "withdrawn" not in meanwhile, "the node does not know it yet"
    sync(node, centre)
    path = f"/v1/decisions/{meanwhile['decision_id']}"
    (marked,) = world.get(path).json()["withdrawn"]
    assert (marked["source"], marked["profile"]) == ("watchlist", None)
    assert marked["withdrawn_at"] < meanwhile["decided_at"] < marked["arrived_at"]
    assert "withdrawn" not in world.get(path, Role.CHECKPOINT).json()
    assert "withdrawn" not in world.get(f"/v1/decisions/{before['decision_id']}").json()
    assert not decide(world, first + 2, plate=plate)["watchlist"]
    sync(node, centre)
    with centre.store.read() as connection:
        known = read_decision(connection, meanwhile["decision_id"])
        body = centre.exchange.journal.body(connection, known.seq, of=DECISION)
        (there,) = list_late_withdrawals(connection, body, known_at=known.known_at)
    assert there.code == entry_id
    assert there.withdrawn_at == there.arrived_at
