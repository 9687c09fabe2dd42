"""Requests of two sides: one state, one owner, one end, whatever the line loses or doubles."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar, get_args

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

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
    TRANSITIONS,
    HeldRequest,
    Request,
    RequestFact,
    RequestKind,
    RequestSide,
    RequestState,
    RequestStep,
    check_step,
    find_request,
    list_requests,
    open_request,
    read_state,
    take_request,
    take_step,
    take_withdrawal,
)
from tests.support.sizes import PROOF
from tests.unit.engine.links.two_sides import NAME, Disk, Side, open_sides

KINDS: tuple[RequestKind, ...] = get_args(RequestKind)
SIDES: tuple[RequestSide, ...] = get_args(RequestSide)
STEPS: tuple[RequestStep, ...] = get_args(RequestStep)
ENDED = frozenset({"answered", "declined", "returned", "withdrawn", "expired"})
ATTENTION = Request("a-1", "attention", asked_at=0, answer_by=100, until=1_000)
CASE = Request("c-1", "case", asked_at=0, answer_by=100, until=1_000)


def facts(*steps: tuple[int, RequestSide, RequestStep]) -> list[RequestFact]:
    """Facts from their times, sides and steps."""
    return [RequestFact(*step) for step in steps]


def test_who_owns_each_state() -> None:
    states = get_args(RequestState)
    asked = {state: ATTENTION.owner(state) for state in states}
    assert asked == dict.fromkeys(states) | {"open": "receiver", "accepted": "receiver"}
    assert {state: CASE.owner(state) for state in states} == {
        state: "receiver" if state == "accepted" else "asker" for state in states
    }
    reached = {(kind, one.target) for (kind, *_), one in TRANSITIONS.items()}
    assert all(state in ENDED or state == "accepted" for _, state in reached)


def test_a_step_counts_for_one_side_alone() -> None:
    for request, step in product((ATTENTION, CASE), STEPS):
        counted = []
        for side in SIDES:
            try:
                counted.append(check_step(request, [], side=side, step=step, at=1))
            except ConflictError:
                continue
        assert len(counted) <= 1


# The faults of other systems (LINKS.md, section 1), each as a scenario.


def test_responsibility_moves_when_a_case_is_accepted_and_not_before() -> None:
    """SORMAS-to-SORMAS: responsibility did not move."""
    assert CASE.owner(read_state(CASE, [], at=1)) == "asker"
    accepted = facts((5, "receiver", "accept"))
    assert CASE.owner(read_state(CASE, accepted, at=10_000)) == "receiver"


class Installation:
    """One side: what its journal holds, and what it has not yet a receipt for."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.journal: dict[str, list[RequestFact]] = {}
        self.opened: dict[str, Request] = {}
        self.unreceipted: list[tuple[Request, RequestFact | None]] = []

    def record(self, request: Request, fact: RequestFact | None) -> None:
        """Keep a request and a fact about it."""
        self.opened[request.name] = request
        known = self.journal.setdefault(request.name, [])
        if fact is not None:
            known.append(fact)


class TwoSides(RuleBasedStateMachine):
    """Two installations and a line that loses, doubles, delays and reorders."""

    steps: ClassVar[int] = 0
    """Of all runs so far, the beginning of each not counted."""

    def __init__(self) -> None:
        """Start with an empty line at time 0."""
        super().__init__()
        self.now = 0
        self.sides: dict[RequestSide, Installation] = {side: Installation() for side in SIDES}
        self.line: list[tuple[RequestSide, Request, RequestFact | None]] = []

    @initialize()
    def start(self) -> None:
        """Begin at a time that is no deadline."""
        self.now = 1

    def state(self, side: RequestSide, request: Request) -> RequestState:
        """The state of a request as a side reads it."""
        return read_state(request, self.sides[side].journal[request.name], at=self.now)

    @rule(kind=st.sampled_from(KINDS), answer=st.integers(1, 40), more=st.integers(0, 60))
    def ask(self, kind: RequestKind, answer: int, more: int) -> None:
        """The asker opens a request."""
        asker = self.sides["asker"]
        name = f"r-{len(asker.opened)}"
        request = Request(name, kind, self.now, self.now + answer, self.now + answer + more)
        self._take("asker", request, None)

    @precondition(lambda self: any(map(self._list_steps, SIDES)))
    @rule(side=st.sampled_from(SIDES), which=st.integers(0, 99))
    def take_step(self, side: RequestSide, which: int) -> None:
        """A side takes a step that counts by what it knows."""
        if possible := self._list_steps(side):
            self._take(side, *possible[which % len(possible)])

    def _list_steps(self, side: RequestSide) -> list[tuple[Request, RequestFact]]:
        found = []
        for name, request in sorted(self.sides[side].opened.items()):
            for step in STEPS:
                known = self.sides[side].journal[name]
                try:
                    fact = check_step(request, known, side=side, step=step, at=self.now)
                except ConflictError:
                    continue
                found.append((request, fact))
        return found

    def _take(self, side: RequestSide, request: Request, fact: RequestFact | None) -> None:
        self.sides[side].record(request, fact)
        self.sides[side].unreceipted.append((request, fact))
        self.line.append((side, request, fact))

    @precondition(lambda self: self.line)
    @rule(which=st.integers(0, 99), fate=st.sampled_from(["arrive", "lose", "double"]))
    def carry(self, which: int, fate: str) -> None:
        """The line does something with one message, in any order."""
        at = which % len(self.line)
        sender, request, fact = self.line[at]
        if fate == "double":
            self.line.append(self.line[at])
            return
        del self.line[at]
        if fate == "arrive":
            self._arrive(sender, request, fact)

    def _arrive(self, sender: RequestSide, request: Request, fact: RequestFact | None) -> None:
        other: RequestSide = "receiver" if sender == "asker" else "asker"
        self.sides[other].record(request, fact)

    @rule(side=st.sampled_from(SIDES))
    def crash(self, side: RequestSide) -> None:
        """A side is killed: what is on the line from it is gone, its journal is not."""
        self.line = [message for message in self.line if message[0] != side]

    @rule(span=st.integers(1, 8))
    def wait(self, span: int) -> None:
        """Time passes."""
        self.now += span

    @rule()
    def settle(self) -> None:
        """All that was never receipted is sent again, and arrives."""
        for side in SIDES:
            for request, fact in self.sides[side].unreceipted:
                self._arrive(side, request, fact)
        self.line.clear()
        asker, receiver = (self.sides[side] for side in SIDES)
        assert asker.opened == receiver.opened
        for request in asker.opened.values():
            states = {self.state(side, request) for side in SIDES}
            assert len(states) == 1, (request, states)

    @invariant()
    def each_request_has_one_owner_or_has_ended(self) -> None:
        """On each side, by what it knows."""
        TwoSides.steps += 1
        for side in SIDES:
            for request in self.sides[side].opened.values():
                state = self.state(side, request)
                assert request.owner(state) is not None or state in ENDED
                assert request.is_waiting(state) <= (self.now < request.until)

    def teardown(self) -> None:
        """In the end every request has one end on both sides."""
        TwoSides.steps -= 1
        self.now += 1_000
        self.settle()
        for request in self.sides["asker"].opened.values():
            state = self.state("asker", request)
            assert state in ENDED or (request.kind, state) == ("case", "accepted")


STEPS_OF_PROOF = 100_000
QUICK = settings(
    max_examples=3_200 if PROOF else 20,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""Runs end before 40 steps now and then: in proof they are more than 100,000 steps together."""


def test_both_sides_end_alike_over_a_bad_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TwoSides, "steps", 0)
    run_state_machine_as_test(TwoSides, settings=QUICK)
    assert TwoSides.steps >= (STEPS_OF_PROOF if PROOF else 400)


def read_in_order_of_arrival(
    request: Request, known: Iterable[RequestFact], *, at: int
) -> RequestState:
    """The state by the order in which facts came: the seeded bug."""
    state: RequestState = "open"
    for fact in known:
        transition = TRANSITIONS.get((request.kind, state, fact.step))
        if transition is not None and transition.side == fact.side:
            state = transition.target
    deadline = request.deadline(state)
    return "expired" if deadline is not None and at >= deadline else state


def test_sides_that_read_in_order_of_arrival_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: who hears of an acceptance first and who of a withdrawal differ for good."""
    monkeypatch.setattr(requests, "read_state", read_in_order_of_arrival)
    monkeypatch.setitem(globals(), "read_state", read_in_order_of_arrival)
    plain = settings(QUICK, max_examples=200, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(TwoSides, settings=plain)


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
    open_request(side.exchange, NAME, OutgoingMessage(message, by=by))


def answer(side: Side, name: str, reply: str, by: str = "parviz") -> None:
    message = Answer(about=name, answer=reply, reason="as once")  # type: ignore[arg-type]
    take_step(side.exchange, name, OutgoingMessage(message, by=by))


def withdraw(side: Side, name: str) -> None:
    message = Withdraw(attention=name)
    take_step(side.exchange, name, OutgoingMessage(message, by="sarvinoz"))


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
    take_step(side.exchange, name, OutgoingMessage(message, by="parviz"))


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
    uz.exchange.send(NAME, [OutgoingMessage(forged)])
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
