"""Requests between two stores: one state on both sides, one owner, and an end.

``uz`` asks, ``tj`` is once; in the main scenarios ``uz`` stands on PostgreSQL too. The
faults of other systems (LINKS.md, section 1) are scenarios here as they are in the table's tests.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.criteria.dual_control import (
    ApprovalState,
    draft_approval,
    draft_withdrawal,
    read_approval_states,
)
from engine.domain.time_units import DAY, HOUR, moment
from engine.errors import ConflictError, NotFoundError, RecordError
from engine.journal.kinds import WATCHLIST_LEFT
from engine.links import requests
from engine.links.area import LINK_RECEIVED, LINK_SENT
from engine.links.messages import Answer, Attention, CaseOffer, OutcomeReport, Withdraw
from engine.links.outbox import OutgoingMessage
from engine.links.requests import (
    HeldRequest,
    RequestDesk,
    RequestSender,
    find_request,
    list_requests,
    take_request,
    take_withdrawal,
)
from tests.unit.engine.links.two_sides import NAME, Disk, Side, open_sides

Sides = tuple[Side, Side]
HANDLERS = {"attention": take_request, "case": take_request, "withdraw": take_withdrawal}


@dataclass
class Hand:
    """A clock that stands still until it is moved."""

    at: int = 1_709_800_000_000_000

    def now(self) -> int:
        """Return UTC microseconds."""
        return self.at


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def sides(sqlite_template: Path, tmp_path: Path, hand: Hand) -> Iterator[Sides]:
    """Open both sides on SQLite, with a link in force and one clock."""
    copy = tmp_path / "uz.sqlite"
    shutil.copy(sqlite_template, copy)
    yield from open_both(f"sqlite:///{copy}", sqlite_template, tmp_path, hand)


@pytest.fixture
def pair(store_url: str, sqlite_template: Path, tmp_path: Path, hand: Hand) -> Iterator[Sides]:
    """The same, ``uz`` on each kind of store."""
    yield from open_both(store_url, sqlite_template, tmp_path, hand)


def open_both(uz_url: str, template: Path, folder: Path, hand: Hand) -> Iterator[Sides]:
    copy = folder / "tj.sqlite"
    shutil.copy(template, copy)
    both = open_sides(uz_url, f"sqlite:///{copy}", clock=hand, handlers=HANDLERS)
    yield both
    for side in both:
        side.store.dispose()


def attention(hand: Hand, name: str = "a-1", **changes: Any) -> Attention:
    about: dict[str, Any] = {
        "attention": name,
        "identifier": "plate",
        "value": "01A123BC",
        "action": "search",
        "answer_by": moment(hand.at + HOUR),
        "until": moment(hand.at + DAY),
        "why": "CANARY-WHY",
    }
    return Attention(**(about | changes))


def case(hand: Hand, name: str = "c-1") -> CaseOffer:
    return CaseOffer(case=name, answer_by=moment(hand.at + HOUR))


def ask(side: Side, message: Attention | CaseOffer, by: str = "sarvinoz") -> None:
    RequestDesk(side.exchange).open(NAME, message, RequestSender(by))


def answer(side: Side, name: str, reply: str, by: str = "parviz") -> None:
    message = Answer(about=name, answer=reply, reason="as once")  # type: ignore[arg-type]
    RequestDesk(side.exchange).take_step(name, message, RequestSender(by))


def withdraw(side: Side, name: str) -> None:
    message = Withdraw(attention=name)
    RequestDesk(side.exchange).take_step(name, message, RequestSender("sarvinoz"))


def report(side: Side, name: str, hand: Hand) -> None:
    message = OutcomeReport(
        outcome_of=name,
        post=side.post,
        recorded_at=moment(hand.at),
        is_searched=True,
        outcome="seizure",
        substance_class="narcotic",
        quantity_band="up_to_10kg",
    )
    RequestDesk(side.exchange).take_step(name, message, RequestSender("parviz"))


def find_held(side: Side, name: str) -> HeldRequest:
    with side.store.read() as connection:
        return find_request(connection, name)


def states(sides: Sides, name: str, hand: Hand) -> list[str]:
    return [find_held(side, name).state(hand.at) for side in sides]


def owners(sides: Sides, name: str, hand: Hand) -> list[bool]:
    held = [find_held(side, name) for side in sides]
    return [one.request.owner(one.state(hand.at)) == one.side for one in held]


def notice(side: Side, name: str) -> ApprovalState | None:
    with side.store.read() as connection:
        return read_approval_states(connection, "watchlist", name).get(name)


def sync(sides: Sides, hand: Hand) -> None:
    """Exchange both ways; a minute passes."""
    hand.at += 60_000_000
    for one, other in (sides, sides[::-1]):
        one.sync(other)


def test_an_attention_is_asked_accepted_and_answered(pair: Sides, hand: Hand) -> None:
    uz, tj = pair
    ask(uz, attention(hand))
    assert [one["by"] for one in uz.bodies(LINK_SENT)] == ["sarvinoz"]
    sync(pair, hand)
    assert states(pair, "a-1", hand) == ["open", "open"]
    assert owners(pair, "a-1", hand) == [False, True]
    assert notice(tj, "a-1") is None
    answer(tj, "a-1", "accepted")
    sync(pair, hand)
    assert states(pair, "a-1", hand) == ["accepted", "accepted"]
    entry = notice(tj, "a-1")
    assert entry is not None
    assert (entry.is_notice, entry.is_of_counterpart, entry.author) == (True, True, "parviz")
    assert entry.content["plate"] == "01A123BC"
    assert "CANARY-WHY" not in str(entry.content)
    report(tj, "a-1", hand)
    sync(pair, hand)
    assert states(pair, "a-1", hand) == ["answered", "answered"]
    assert owners(pair, "a-1", hand) == [False, False]
    assert notice(tj, "a-1").state == "retired"  # type: ignore[union-attr]
    with uz.store.read() as connection:
        (listed,) = list_requests(connection, most=10)
    assert [row.step for row in listed.steps] == ["accept", "report"]


def test_each_side_takes_its_own_steps_alone(sides: Sides, hand: Hand) -> None:
    uz, tj = sides
    ask(uz, attention(hand))
    sync(sides, hand)
    with pytest.raises(ConflictError):
        answer(uz, "a-1", "accepted")
    with pytest.raises(ConflictError):
        withdraw(tj, "a-1")
    with pytest.raises(NotFoundError):
        answer(tj, "a-2", "accepted")


def test_a_step_that_the_other_side_forges_is_none(sides: Sides, hand: Hand) -> None:
    """An asker that accepts its own request, past the desk of its own house."""
    uz, _ = sides
    ask(uz, attention(hand))
    forged = Answer(about="a-1", answer="accepted")
    uz.exchange.send(NAME, [OutgoingMessage("answer", forged)])
    sync(sides, hand)
    assert states(sides, "a-1", hand) == ["open", "open"]


def test_a_withdrawn_attention_leaves_the_watch_list(sides: Sides, hand: Hand) -> None:
    uz, tj = sides
    ask(uz, attention(hand))
    sync(sides, hand)
    answer(tj, "a-1", "accepted")
    sync(sides, hand)
    withdraw(uz, "a-1")
    sync(sides, hand)
    assert states(sides, "a-1", hand) == ["withdrawn", "withdrawn"]
    assert notice(tj, "a-1").state == "retired"  # type: ignore[union-attr]
    assert [one["by"] for one in tj.bodies(WATCHLIST_LEFT)] == [f"{NAME}:uz"]


def test_a_withdrawal_that_does_not_end_the_notice_is_caught(sides: Sides, hand: Hand) -> None:
    """Seeded bug: the handler of withdrawals is missing."""
    _, tj = sides
    tj.handlers = {}
    tj.open()
    with pytest.raises(AssertionError):
        test_a_withdrawn_attention_leaves_the_watch_list(sides, hand)


def test_what_two_people_confirmed_ends_by_two_people(sides: Sides, hand: Hand) -> None:
    uz, tj = sides
    ask(uz, attention(hand))
    sync(sides, hand)
    answer(tj, "a-1", "accepted")
    entry = notice(tj, "a-1")
    assert entry is not None
    tj.exchange.journal.append([draft_approval("watchlist", entry, by="zarina")])
    withdraw(uz, "a-1")
    sync(sides, hand)
    assert states(sides, "a-1", hand) == ["withdrawn", "withdrawn"]
    entry = notice(tj, "a-1")
    assert entry is not None
    assert (entry.state, entry.approvals) == ("in_force", ("zarina",))
    with pytest.raises(ConflictError):
        draft_withdrawal("watchlist", entry, by="parviz", why="alone")


def test_an_attention_withdrawn_before_it_arrived_is_never_on_the_list(
    sides: Sides, hand: Hand
) -> None:
    """Both envelopes are in one parcel."""
    uz, tj = sides
    ask(uz, attention(hand))
    withdraw(uz, "a-1")
    sync(sides, hand)
    assert [row.status for row in uz.rows()] == ["taken", "taken"]
    assert states(sides, "a-1", hand) == ["withdrawn", "withdrawn"]
    with pytest.raises(ConflictError):
        answer(tj, "a-1", "accepted")


def test_an_acceptance_that_crossed_a_withdrawal_counts_for_nothing(
    sides: Sides, hand: Hand
) -> None:
    """SORMAS-to-SORMAS: withdrawn before acceptance; each side learns of the other's step later."""
    uz, tj = sides
    ask(uz, attention(hand))
    sync(sides, hand)
    withdraw(uz, "a-1")
    hand.at += 1_000_000
    answer(tj, "a-1", "accepted")
    assert states(sides, "a-1", hand) == ["withdrawn", "accepted"]
    sync(sides, hand)
    assert states(sides, "a-1", hand) == ["withdrawn", "withdrawn"]
    assert notice(tj, "a-1").state == "retired"  # type: ignore[union-attr]


def test_a_case_moves_when_it_is_accepted_and_does_not_bounce(pair: Sides, hand: Hand) -> None:
    """SORMAS-to-SORMAS: responsibility did not move; a case bounced back."""
    uz, tj = pair
    ask(uz, case(hand))
    sync(pair, hand)
    assert owners(pair, "c-1", hand) == [True, False]
    answer(tj, "c-1", "accepted")
    sync(pair, hand)
    assert owners(pair, "c-1", hand) == [False, True]
    with pytest.raises(ConflictError):  # it is theirs now, and cannot be taken back or twice
        withdraw(uz, "c-1")
    with pytest.raises(ConflictError):
        answer(tj, "c-1", "accepted")
    answer(tj, "c-1", "returned")
    sync(pair, hand)
    assert (states(pair, "c-1", hand), owners(pair, "c-1", hand)) == (
        ["returned", "returned"],
        [True, False],
    )
    for reply in ("accepted", "returned", "declined"):
        with pytest.raises(ConflictError):
            answer(tj, "c-1", reply)
    ask(uz, case(hand, "c-2"))  # a second share is another request
    sync(pair, hand)
    assert states(pair, "c-2", hand) == ["open", "open"]


def test_a_request_expires_on_both_sides_without_a_line(sides: Sides, hand: Hand) -> None:
    """OpenCRVS: outboxes stuck sending."""
    uz, tj = sides
    ask(uz, attention(hand))
    sync(sides, hand)
    answer(tj, "a-1", "accepted")  # never arrives in time
    hand.at += 2 * HOUR
    assert states(sides, "a-1", hand) == ["expired", "accepted"]
    sync(sides, hand)
    assert states(sides, "a-1", hand) == ["accepted", "accepted"]  # it was taken in time
    hand.at += DAY
    assert states(sides, "a-1", hand) == ["expired", "expired"]


def test_a_step_that_the_other_side_refused_is_none(sides: Sides, hand: Hand) -> None:
    """The envelope of the answer was under way longer than agreed."""
    uz, tj = sides
    ask(uz, case(hand))
    sync(sides, hand)
    answer(tj, "c-1", "accepted")
    assert states(sides, "c-1", hand) == ["open", "accepted"]
    hand.at += 8 * DAY
    sync(sides, hand)
    assert [row.rule for row in tj.rows()][-1] == "expired"
    assert states(sides, "c-1", hand) == ["expired", "expired"]
    assert owners(sides, "c-1", hand) == [True, False]


def test_steps_that_were_refused_would_move_a_case_to_no_one(
    sides: Sides, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: a step counts whether or not the other side took it."""
    real = requests._complete

    def complete(connection: Any, opened: Any) -> list[HeldRequest]:
        found = real(connection, opened)
        rows = [requests.StepRow(*row) for row in connection.execute(requests._select_rows())]
        steps = tuple(row for row in rows if row.step in requests._SIDES)
        return [HeldRequest(one.link, one.opened, steps) for one in found]

    monkeypatch.setattr(requests, "_complete", complete)
    with pytest.raises(AssertionError):
        test_a_step_that_the_other_side_refused_is_none(sides, hand)


def test_a_step_counts_once_after_a_restored_disk(sides: Sides, hand: Hand, tmp_path: Path) -> None:
    """The side that is once lost its newest day; its answer is sealed again and counts once."""
    uz, tj = sides
    ask(uz, case(hand))
    sync(sides, hand)
    disk = Disk.keep(tj, tmp_path / "yesterday.sqlite")
    tj.send("t-lost")
    sync(sides, hand)
    disk.restore()
    answer(tj, "c-1", "accepted", by="zarina")
    hand.at += 1_000_000
    tj.sync(uz)
    assert (uz.phase, tj.phase) == ("stopped", "stopped")
    for side in (uz, tj):
        side.resume()
    sync(sides, hand)
    assert states(sides, "c-1", hand) == ["accepted", "accepted"]
    assert [len(find_held(side, "c-1").steps) for side in sides] == [1, 1]
    assert find_held(uz, "c-1").facts == find_held(tj, "c-1").facts
    assert [one.get("by") for one in tj.bodies(LINK_SENT)][-1] == "zarina"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"answer_by": -HOUR}, "answer_by"),
        ({"answer_by": 2 * DAY}, "until"),
        ({"until": 31 * DAY}, "until"),
    ],
)
def test_deadlines_are_held(sides: Sides, hand: Hand, changes: dict[str, int], field: str) -> None:
    uz, _ = sides
    late: Any = {name: moment(hand.at + span) for name, span in changes.items()}
    wrong = attention(hand, **late)
    with pytest.raises(RecordError) as refused:
        ask(uz, wrong)
    assert (refused.value.field, refused.value.rule) == (field, "deadline")


def test_only_what_is_agreed_travels(sides: Sides, hand: Hand) -> None:
    uz, tj = sides
    ask(uz, attention(hand))
    sync(sides, hand)
    national = attention(hand, "a-2", identifier="driver_ref", value="CANARY-DRIVER")
    with pytest.raises(RecordError) as refused:
        ask(uz, national)
    assert refused.value.rule == "not_comparable"
    assert "CANARY-DRIVER" not in str(tj.bodies(LINK_RECEIVED))
