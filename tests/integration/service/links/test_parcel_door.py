"""The door for parcels asks for no key: what is not signed by a party changes nothing."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from api.auth.agencies import Duties
from api.auth.callers import Caller
from api.http import access
from api.http.access import RecordFilter
from api.links import exchanges, routes
from api.links.worker import LinkWorker
from api.service.structured_logging import OURS
from engine.domain.rights import Matter, Right, Role, Scope
from engine.errors import EnvelopeRefusedError
from engine.journal.areas import list_rules
from engine.journal.journal import JOURNAL
from engine.links.area import LINK_SENT
from engine.links.envelope import Position
from engine.links.exchange import LinkExchange
from engine.links.identity import open_link_keys
from engine.links.parcel import MAX_BYTES, MOST_COMMAS, MOST_PARTS, Parcel, read_parcel
from tests.support.running_service import World
from tests.unit.engine.links.links import NOW, LinkSides, manifest_body
from tests.unit.service.auth.test_refusals import is_problem

FAR = NOW * 2


@pytest.fixture(scope="module")
def sides(world: World) -> LinkSides:
    """Agree with a partner ``uz``; the world is ``tj``."""
    assert world.get("/v1/links", Role.INTEGRITY).json() == {"fingerprint": None, "links": []}
    assert post(world, "ab" * 16, b"{}").status_code == 404
    sides = LinkSides(tj=open_link_keys(world.home))
    exchange = LinkExchange(world.runtime.store, world.runtime.journal, sides.tj)
    exchange.propose(sides.agreement, by="ann")
    exchange.approve(sides.agreement.name, by="bob")
    return sides


def post(world: World, link: str, content: bytes) -> Any:
    return world.client.post(f"/v1/links/{link}/parcels", content=content)


def count_records(world: World) -> int:
    with world.runtime.store.read() as connection:
        return connection.scalar(select(func.count()).select_from(JOURNAL)) or 0


def test_a_parcel_is_taken_and_answered(world: World, sides: LinkSides) -> None:
    first = sides.seal(manifest_body(), expires=FAR)
    refused = sides.seal({"x": 1}, after=Position(1, first.digest), expires=FAR)
    raw = sides.parcel((first.raw.decode(), refused.raw.decode()), at=NOW)
    answer = post(world, sides.agreement.link, raw)
    assert answer.status_code == 200
    found = read_parcel(answer.content)
    assert found.is_signed_by(sides.tj.identity)
    assert [one.status for one in found.receipts] == ["taken", "refused"]
    assert post(world, sides.agreement.link, raw).status_code == 200
    (link,) = world.get("/v1/links", Role.INTEGRITY).json()["links"]
    came = [one["envelopes"] for one in link["traffic"] if one["direction"] == "received"]
    assert came == [1, 1]
    path = f"/v1/links/{link['link']}"
    listed = world.get(path, Role.INTEGRITY).json()["envelopes"]
    came = [(one["number"], one["rule"]) for one in listed if one["direction"] == "received"]
    assert came == [(2, "missing_key"), (1, "")]
    assert is_problem(world.get("/v1/links/" + "ab" * 16, Role.INTEGRITY), 404)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"[]", 422),
        (b"[" * 100_000, 422),
        (b"\xff\xfe", 422),
        (b'{"link":1}', 422),
        (b"[" + b"[]," * (MAX_BYTES // 3 - 1) + b"0]", 422),
        (b"1" * (MAX_BYTES + 1), 413),
    ],
)
def test_what_is_no_parcel_is_refused(
    world: World, sides: LinkSides, content: bytes, status: int
) -> None:
    before = count_records(world)
    assert is_problem(post(world, sides.agreement.link, content), status)
    assert count_records(world) == before


def test_a_stranger_writes_nothing(world: World, sides: LinkSides) -> None:
    stranger = LinkSides(tj=sides.tj)
    stranger.agreement = sides.agreement
    raw = stranger.parcel((stranger.seal(manifest_body()).raw.decode(),), at=NOW)
    before = count_records(world)
    assert is_problem(post(world, sides.agreement.link, raw), 422)
    assert is_problem(post(world, "ab" * 16, sides.parcel((), at=NOW)), 404)
    assert is_problem(post(world, "x-0", raw), 422)
    assert count_records(world) == before


def test_of_a_link_that_is_none_no_body_is_read(
    world: World, sides: LinkSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a seeded bug: every name counts as one that is known."""
    assert sides.agreement.link
    stranger = "cd" * 16
    assert is_problem(post(world, stranger, b"1" * (MAX_BYTES + 1)), 404)
    monkeypatch.setattr(routes, "must_know_link", lambda *_: None)
    assert is_problem(post(world, stranger, b"1" * (MAX_BYTES + 1)), 413)


def test_parcels_are_read_one_at_a_time_and_few_wait(
    world: World, sides: LinkSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.runtime.executors.parcels, "_most", 0)
    assert is_problem(post(world, sides.agreement.link, sides.parcel((), at=NOW)), 503)


def test_commas_alone_tell_that_bytes_are_no_parcel(
    sides: LinkSides, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipts = tuple(sides.receipt(at + 1, "ab" * 32, sequence=9) for at in range(MOST_PARTS))
    parcel = Parcel("l", "a", "b", 1, receipts=receipts)
    assert len(read_parcel(parcel.seal(sides.tj)).receipts) == MOST_PARTS
    monkeypatch.setattr("engine.links.parcel.read_form", pytest.fail)
    with pytest.raises(EnvelopeRefusedError, match="commas"):
        read_parcel(b"[" + b"0," * MOST_COMMAS + b"0,0]")


def test_a_link_that_fails_in_a_new_way_ends_no_exchange_of_others(
    world: World,
    sides: LinkSides,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any) -> Any:
        raise ssl.SSLError("in a new way")

    monkeypatch.setattr(exchanges, "open_carrier", fail)
    exchange = LinkExchange(world.runtime.store, world.runtime.journal, sides.tj)
    worker = LinkWorker(world.runtime, seconds=0)
    worker._exchange(exchange, exchange.find_link(sides.agreement.name))
    found = [(one.msg, vars(one)["values"]["kind"]) for one in caplog.records if one.name == OURS]
    assert found == [("fault", "SSLError")]


def test_the_service_asks_about_a_marked_entry_by_itself_and_once(
    world: World, sides: LinkSides
) -> None:
    assert sides.agreement.link
    until = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    for plate, mark in (("01A001", {}), ("01A002", {"is_shareable": True})):
        entry = {"plate": plate, "reason": "x", "expiry": until} | mark
        made = world.post("/v1/watchlist", entry, Role.ANALYST).json()
        path = f"/v1/watchlist/{made['id']}/approvals"
        assert world.post(path, {}, Role.SUPERVISOR).status_code == 201
    for _ in range(2):
        LinkWorker(world.runtime, seconds=0).run_turn()
        (link,) = world.get("/v1/links", Role.INTEGRITY).json()["links"]
        asked = {one["kind"]: one["envelopes"] for one in link["traffic"] if one["kind"] == "match"}
        assert (link["matching"]["asked"], asked) == (1, {"match": 1})
    shown = world.get(f"/v1/links/{link['link']}", Role.INTEGRITY).json()["matching"]
    assert (shown["shareable"], shown["unasked"], shown["alarm"]) == (1, 1, None)


def test_a_message_is_read_by_those_who_see_the_decisions_of_every_post(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record names no post of ours; with a seeded bug: it is seen as a record of none."""
    known = world.runtime.callers.look_up(world.headers(Role.INTEGRITY)["Authorization"])
    own = Duties("customs", {(Matter.DECISIONS, Right.SEE): Scope.OWN})
    of_agency = replace(known, agency="customs", duties=own)

    def reads(caller: Caller) -> bool:
        with world.runtime.store.read() as connection:
            return RecordFilter(connection, caller).sees(LINK_SENT, "x", "", body=manifest_body())

    assert reads(known) and not reads(of_agency)
    shown = replace(list_rules()[LINK_SENT], hidden=frozenset())
    monkeypatch.setattr(access, "list_rules", lambda: {LINK_SENT: shown})
    assert reads(of_agency)
