"""Steps of requests between partners as one table: attentions and offers of cases.

Both sides keep the steps of a request as facts, each with the time at which its side took it, and
read the state from them in that order. So what is lost, doubled or late on the way changes nothing
once it has arrived: equal facts are equal states. At any time one side owns a request that has not
ended; each has a deadline, by which it ends on both sides even where nothing gets through.

An attention is owned by the side that is asked: it accepts or declines until ``answer_by``, and
reports until ``until``. A case stays with the side that offers it until the other accepts; who
accepted it may return it. Nothing here writes or sends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.errors import ConflictError

RequestKind = Literal["attention", "case"]
RequestSide = Literal["asker", "receiver"]
RequestState = Literal[
    "open", "accepted", "answered", "declined", "returned", "withdrawn", "expired"
]
RequestStep = Literal["accept", "decline", "report", "return", "withdraw"]


@dataclass(frozen=True, slots=True)
class RequestTransition:
    """Which side takes a step in a state, and the state that follows."""

    side: RequestSide
    target: RequestState


TRANSITIONS: Mapping[tuple[RequestKind, RequestState, RequestStep], RequestTransition] = {
    ("attention", "open", "accept"): RequestTransition("receiver", "accepted"),
    ("attention", "open", "decline"): RequestTransition("receiver", "declined"),
    ("attention", "open", "report"): RequestTransition("receiver", "answered"),
    ("attention", "open", "withdraw"): RequestTransition("asker", "withdrawn"),
    ("attention", "accepted", "report"): RequestTransition("receiver", "answered"),
    ("attention", "accepted", "decline"): RequestTransition("receiver", "declined"),
    ("attention", "accepted", "withdraw"): RequestTransition("asker", "withdrawn"),
    ("case", "open", "accept"): RequestTransition("receiver", "accepted"),
    ("case", "open", "decline"): RequestTransition("receiver", "declined"),
    ("case", "open", "withdraw"): RequestTransition("asker", "withdrawn"),
    ("case", "accepted", "return"): RequestTransition("receiver", "returned"),
}
"""Every step that counts after the first; in any other state a step counts for nothing."""
OWNERS: Mapping[tuple[RequestKind, RequestState], RequestSide | None] = {
    ("attention", "open"): "receiver",
    ("attention", "accepted"): "receiver",
    ("attention", "answered"): None,
    ("attention", "declined"): None,
    ("attention", "withdrawn"): None,
    ("attention", "expired"): None,
    ("case", "open"): "asker",
    ("case", "accepted"): "receiver",
    ("case", "declined"): "asker",
    ("case", "returned"): "asker",
    ("case", "withdrawn"): "asker",
    ("case", "expired"): "asker",
}
"""The side that owns the request, or the case; an attention that has ended has no owner."""
_WAITING: frozenset[tuple[RequestKind, RequestState]] = frozenset(
    {("attention", "open"), ("attention", "accepted"), ("case", "open")}
)


@dataclass(frozen=True, slots=True, order=True)
class RequestFact:
    """One step as the side that took it recorded it; a fact that arrives twice is one fact."""

    at: int
    """UTC microseconds, by the clock of the side that took it."""
    side: RequestSide
    step: RequestStep


@dataclass(frozen=True, slots=True)
class Request:
    """What a request was opened with; it never changes."""

    name: str
    kind: RequestKind
    asked_at: int
    answer_by: int
    """UTC microseconds: from then on an open one is expired."""
    until: int
    """UTC microseconds: from then on an accepted attention is expired."""

    def __post_init__(self) -> None:
        """Refuse deadlines that lie before the request."""
        if not self.asked_at < self.answer_by <= self.until:
            raise ValueError("asked_at < answer_by <= until is needed")

    def deadline(self, state: RequestState) -> int | None:
        """Return when a state ends by itself, None where it does not."""
        if (self.kind, state) not in _WAITING:
            return None
        return self.answer_by if state == "open" else self.until

    def owner(self, state: RequestState) -> RequestSide | None:
        """Return the side that owns it in a state."""
        return OWNERS[self.kind, state]

    def is_waiting(self, state: RequestState) -> bool:
        """Tell whether something is still to come: a state that has a deadline."""
        return (self.kind, state) in _WAITING


def read_state(request: Request, facts: Iterable[RequestFact], *, at: int) -> RequestState:
    """Return the state of a request at UTC microseconds, by the facts that one side knows.

    Facts count in the order in which they were taken, whatever the order in which they came; one
    that its table does not name, or that came after a deadline, counts for nothing.
    """
    state: RequestState = "open"
    for fact in sorted(set(facts)):
        state = _expire(request, state, at=fact.at)
        transition = TRANSITIONS.get((request.kind, state, fact.step))
        if transition is not None and transition.side == fact.side:
            state = transition.target
    return _expire(request, state, at=at)


def _expire(request: Request, state: RequestState, *, at: int) -> RequestState:
    deadline = request.deadline(state)
    return "expired" if deadline is not None and at >= deadline else state


def check_step(
    request: Request,
    facts: Iterable[RequestFact],
    *,
    side: RequestSide,
    step: RequestStep,
    at: int,
) -> RequestFact:
    """Return the fact of a step that a side takes now; raises ``ConflictError``.

    It counts by what that side knows. Where an earlier step of the other side is still on its way,
    both will read the same state when it has arrived.
    """
    state = read_state(request, facts, at=at)
    transition = TRANSITIONS.get((request.kind, state, step))
    if transition is None or transition.side != side:
        why = f"{step} by the {side} does not count while it is {state}"
        raise ConflictError(request.kind, request.name, why)
    return RequestFact(at, side, step)
