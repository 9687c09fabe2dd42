"""Requests of two sides end alike on both, whatever the line loses, doubles or delays."""

from collections.abc import Iterable
from itertools import product
from typing import ClassVar, get_args

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

from engine.errors import ConflictError
from engine.links import requests
from engine.links.requests import (
    OWNERS,
    TRANSITIONS,
    Request,
    RequestFact,
    RequestKind,
    RequestSide,
    RequestState,
    RequestStep,
    check_step,
    read_state,
)
from tests.support.sizes import PROOF

KINDS: tuple[RequestKind, ...] = get_args(RequestKind)
SIDES: tuple[RequestSide, ...] = get_args(RequestSide)
STEPS: tuple[RequestStep, ...] = get_args(RequestStep)
ENDED = frozenset({"answered", "declined", "returned", "withdrawn", "expired"})
ATTENTION = Request("a-1", "attention", asked_at=0, answer_by=100, until=1_000)
CASE = Request("c-1", "case", asked_at=0, answer_by=100, until=1_000)


def facts(*steps: tuple[int, RequestSide, RequestStep]) -> list[RequestFact]:
    """Facts from their times, sides and steps."""
    return [RequestFact(*step) for step in steps]


def test_each_state_of_the_table_has_an_owner_or_is_an_end() -> None:
    for (kind, state, _), transition in TRANSITIONS.items():
        for reached in (state, transition.target):
            assert (kind, reached) in OWNERS
    for (kind, state), owner in OWNERS.items():
        assert owner is not None or (kind == "attention" and state in ENDED)


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
