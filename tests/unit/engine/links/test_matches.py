"""Two installations compare their watch lists: common entries are found, and nothing else."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete

from engine.criteria.dual_control import draft_approval, draft_proposal, read_approval_state
from engine.criteria.watchlist import WatchEntry, entry_content
from engine.domain.time_units import DAY, moment
from engine.errors import ConflictError, NotFoundError, SecondPersonError
from engine.journal.journal import JOURNAL
from engine.links import list_comparison
from engine.links.area import LINK_RECEIVED, MATCH_ASKED
from engine.links.list_comparison import ListComparison
from engine.links.match_state import (
    CommonEntry,
    MatchState,
    ReleaseStep,
    read_match_state,
)
from engine.links.messages import Match
from engine.links.outbox import OutgoingMessage
from tests.support.clocks import travel
from tests.unit.engine.links.two_sides import NAME, Side

Sides = tuple[Side, Side]


def compare(side: Side) -> ListComparison:
    return ListComparison(side.exchange)


def add_entry(side: Side, name: str, *, is_shareable: bool = True, **named: Any) -> None:
    """Let two people put an entry onto the watch list of a side."""
    journal = side.exchange.journal
    with side.store.read() as connection:
        now = journal.now(connection)
    about = {"reason": f"reason of {name}", "note": f"note of {name}"}
    expiry = moment(now + 200 * DAY)
    content = about | named | {"expiry": expiry, "is_shareable": is_shareable}
    entry = WatchEntry.model_validate(content)
    content = entry_content(entry, now=now)
    journal.append([draft_proposal("watchlist", name, by="anna", content=content)])
    with side.store.read() as connection:
        state = read_approval_state(connection, "watchlist", name)
    journal.append([draft_approval("watchlist", state, by="boris")])


def exchange_until_quiet(one: Side, other: Side) -> None:
    for _ in range(4):
        one.sync(other)


def state_of(side: Side) -> MatchState:
    with side.store.read() as connection:
        return read_match_state(connection, side.link.name)


def find_common(uz: Side, tj: Side) -> str:
    """Let ``uz`` find one common entry and return its token."""
    add_entry(uz, "u-common", plate="01 A 777 BC")
    add_entry(tj, "t-common", plate="01а777вс")
    assert compare(uz).begin(NAME, by="anna") == 1
    exchange_until_quiet(uz, tj)
    ((_, token),) = state_of(uz).hits
    return token


def step(side: Side, token: str, step: ReleaseStep, by: str) -> CommonEntry:
    compare(side).take_step(NAME, token, step, by=by, why=f"{step} by {by}")
    return compare(side).read_hit(NAME, token)


def test_a_common_entry_is_a_token_on_both_sides_and_no_other_is_anything(sides: Sides) -> None:
    uz, tj = sides
    add_entry(uz, "u-own", vin="WDB9634031L000001", driver_ref="d-1", party="p-1")
    add_entry(uz, "u-kept", plate="01KEPT", is_shareable=False)
    add_entry(tj, "t-kept", vin="WDB9634031L000001", is_shareable=False)
    add_entry(uz, "u-common", plate="01 A 777 BC", carrier="c-1")
    add_entry(tj, "t-common", plate="01а777вс")
    assert compare(uz).begin(NAME) == 3, "a VIN, a plate and a carrier, which has a domain"
    exchange_until_quiet(uz, tj)
    (ours,), (theirs,) = state_of(uz).hits.values(), state_of(tj).hits.values()
    assert (ours.side, ours.entry) == ("asker", "u-common")
    assert (theirs.side, theirs.entry) == ("owner", "t-common")
    assert ours.release == theirs.release
    (enquiry,) = state_of(tj).enquiries
    assert (enquiry.elements, enquiry.rule, enquiry.is_alarm) == (3, "", False)
    held = json.dumps(tj.bodies(LINK_RECEIVED) + uz.bodies(LINK_RECEIVED))
    sought = ("01A777BC", "01а777вс", "reason of", "WDB9634031L", "c-1")  # too long for base 64
    assert not [one for one in sought if one in held]


def test_an_identifier_is_asked_about_once_and_a_new_one_the_next_day(sides: Sides) -> None:
    uz, tj = sides
    find_common(uz, tj)
    add_entry(uz, "u-new", plate="01NEW")
    with pytest.raises(ConflictError, match="in 24 hours"):
        compare(uz).begin(NAME)
    add_entry(tj, "t-new", plate="01NEW")
    with travel(datetime.now(UTC) + timedelta(days=2)):
        assert compare(uz).begin(NAME) == 1
        with pytest.raises(ConflictError, match="not answered"):
            compare(uz).begin(NAME)
        exchange_until_quiet(uz, tj)
        assert {one.entry for one in state_of(uz).hits.values()} == {"u-common", "u-new"}
    with travel(datetime.now(UTC) + timedelta(days=4)):
        assert compare(uz).begin(NAME) == 0
    assert [len(one["asked"]) for one in uz.bodies(MATCH_ASKED)] == [1, 1]


def test_two_people_ask_and_two_release_and_then_details_travel(sides: Sides) -> None:
    uz, tj = sides
    token = find_common(uz, tj)
    assert step(uz, token, "ask", "anna").release.state == "asked_once"
    with pytest.raises(SecondPersonError):
        step(uz, token, "ask", "anna")
    with pytest.raises(ConflictError):
        step(uz, token, "release", "boris")
    assert step(uz, token, "ask", "boris").release.state == "asked"
    exchange_until_quiet(uz, tj)
    assert step(tj, token, "release", "farid").release.state == "released_once"
    with pytest.raises(SecondPersonError):
        step(tj, token, "release", "farid")
    exchange_until_quiet(tj, uz)
    assert "reason of t-common" not in json.dumps(uz.bodies(LINK_RECEIVED))
    assert step(tj, token, "release", "gulya").release.state == "released"
    exchange_until_quiet(tj, uz)
    hit = compare(uz).read_hit(NAME, token[:8])
    assert hit.release.state == "released"
    (details,) = [one["body"] for one in uz.bodies(LINK_RECEIVED) if "reason" in one["body"]]
    assert details["reason"] == "reason of t-common"
    assert details["note"] == "note of t-common"


def test_a_release_by_one_person_would_be_noticed(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the first release sends the details."""
    monkeypatch.setitem(list_comparison._SENT_AT, "released_once", "release")
    with pytest.raises(AssertionError, match="not in"):
        test_two_people_ask_and_two_release_and_then_details_travel(sides)


@pytest.mark.parametrize(
    ("side", "taken", "state"), [(1, "decline", "declined"), (0, "withdraw", "withdrawn")]
)
def test_one_person_declines_or_withdraws_and_both_sides_end(
    sides: Sides, side: int, taken: ReleaseStep, state: str
) -> None:
    uz, tj = sides
    token = find_common(uz, tj)
    for by in ("anna", "boris"):
        step(uz, token, "ask", by)
    exchange_until_quiet(uz, tj)
    step(sides[side], token, taken, "farid")
    exchange_until_quiet(uz, tj)
    assert {compare(one).read_hit(NAME, token).release.state for one in sides} == {state}


def test_what_was_not_asked_for_in_time_expires_on_both_sides_and_is_found_again(
    sides: Sides,
) -> None:
    uz, tj = sides
    token = find_common(uz, tj)
    with travel(datetime.now(UTC) + timedelta(days=31)):
        assert {compare(one).read_hit(NAME, token).release.state for one in sides} == {"expired"}
        with pytest.raises(ConflictError, match="expired"):
            step(uz, token, "ask", "anna")
        add_entry(uz, "u-new", plate="01NEW")
        assert compare(uz).begin(NAME) == 1
        exchange_until_quiet(uz, tj)
        assert {compare(one).read_hit(NAME, token).release.state for one in sides} == {"hit"}


def test_a_step_about_an_unknown_token_counts_for_nothing(sides: Sides) -> None:
    uz, tj = sides
    token = find_common(uz, tj)
    with pytest.raises(NotFoundError):
        step(uz, "ab" * 32, "ask", "anna")
    for elements in (("ab" * 32,), (token,)):
        release = Match(exchange="x", step="release", elements=elements, reason="unasked")
        tj.exchange.send(NAME, [OutgoingMessage(release)])
    exchange_until_quiet(tj, uz)
    assert compare(uz).read_hit(NAME, token).release.state == "hit"


def test_a_message_whose_record_is_gone_is_named_and_stops_nothing(sides: Sides) -> None:
    uz, tj = sides
    add_entry(uz, "u-1", plate="01A001")
    assert compare(uz).begin(NAME) == 1
    hold, tj.exchange = tj.exchange, replace(tj.exchange, followers=())
    uz.sync(tj)
    lost = tj.rows("received")[-1].seq
    uz.send("m-1")
    uz.sync(tj)
    tj.exchange = hold
    with tj.store.write() as connection:
        connection.execute(delete(JOURNAL).where(JOURNAL.c.seq == lost))
    assert compare(tj).follow_up(NAME) == 1
    assert state_of(tj).unreadable == (lost,)
    assert compare(tj).follow_up(NAME) == 0
    add_entry(tj, "t-1", plate="01A002")
    assert compare(tj).begin(NAME) == 1, "matching over this link goes on"
    exchange_until_quiet(tj, uz)
    assert state_of(tj).asked[-1].answered_at
