"""A line that loses, doubles and reorders parcels, with the time that it takes.

Time is counted, not waited for: bytes at the pace of the line, and a round trip for every request.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlalchemy.exc import IntegrityError

from engine.errors import StoreUnavailableError
from engine.links.parcel import read_parcel
from experiments.faults.partitions.installations import Installation

BYTES_A_SECOND = 8_000
ROUND_TRIP_SECONDS = 0.6
"""A satellite's line of 64 kbit/s."""
FAULTS = ("none", "lose", "lose_answer", "double", "delay", "shuffle", "drop")
"""What may happen to a request; the last two to the envelopes of its parcel."""
WEIGHTS = (6, 1, 2, 1, 1, 1, 1)
KEPT, LATE_SHARE = 5, 0.5
"""Parcels that are late at once, at most; how often one of them arrives before a request."""


@dataclass
class Line:
    """The line between a node and the centre."""

    node: Installation
    centre: Installation
    dice: random.Random
    refused: Callable[[Installation], None]
    """Called where a store refused what it holds already."""
    note: Callable[..., None] = lambda *_: None
    """Called with the words that say what the line did."""
    is_up: bool = True
    is_faultless: bool = False
    late: list[tuple[Installation, bytes]] = field(default_factory=list)
    """Parcels on their way, and to whom."""
    seconds: float = 0.0
    """Time on the line."""
    arrived_seconds: float = 0.0
    """Time on the line when the last envelope arrived that was not there before."""
    _positions: dict[str, int] = field(default_factory=dict)

    def start_watch(self) -> None:
        """Count the time on the line from now on."""
        self.seconds = self.arrived_seconds = 0.0
        self._positions = self._read_positions()

    def note_arrivals(self) -> None:
        """Note the time where either side holds more than it did, on a line without faults."""
        if not self.is_faultless:
            return
        found = self._read_positions()
        if found != self._positions:
            self._positions, self.arrived_seconds = found, self.seconds

    def _read_positions(self) -> dict[str, int]:
        ends = (self.node, self.centre)
        return {one.name: one.position(self.name, "received") for one in ends}

    @property
    def name(self) -> str:
        """The link that it carries."""
        return self.node.name

    def other(self, one: Installation) -> Installation:
        """Return the other end."""
        return self.centre if one is self.node else self.node

    def carry_from(self, caller: Installation) -> Callable[[bytes], bytes]:
        """Return what carries a parcel of ``caller`` to the other side and its answer back."""
        return lambda parcel: self._carry(caller, parcel)

    def _carry(self, caller: Installation, parcel: bytes) -> bytes:
        self.note_arrivals()
        if not self.is_up:
            raise StoreUnavailableError("the line is cut")
        receiver = self.other(caller)
        if self.is_faultless:
            return self._answer(receiver, parcel)
        fault = self.dice.choices(FAULTS, WEIGHTS)[0]
        self.note("a request of", caller.name, "on", self.name, "meets", fault)
        if fault == "delay":
            self.late = [*self.late, (receiver, parcel)][-KEPT:]
        if fault in ("lose", "delay"):
            raise StoreUnavailableError("no answer")
        if self.late and self.dice.random() < LATE_SHARE:
            self.deliver_late()
        parcel = self._disturb(caller, parcel, fault)
        answers = [self._answer(receiver, parcel) for _ in range(2 if fault == "double" else 1)]
        if fault == "lose_answer":
            raise StoreUnavailableError("the answer was lost")
        return answers[-1]

    def _answer(self, receiver: Installation, parcel: bytes) -> bytes:
        try:
            answer = receiver.exchange.answer_parcel(
                parcel, name=receiver.name_in_envelopes(self.name)
            )
        except IntegrityError:
            self.refused(receiver)
            raise StoreUnavailableError("the other side answered 500") from None
        self.seconds += ROUND_TRIP_SECONDS + (len(parcel) + len(answer)) / BYTES_A_SECOND
        return answer

    def deliver_late(self) -> None:
        """Deliver one late parcel, any of them; what it answers is lost."""
        receiver, parcel = self.late.pop(self.dice.randrange(len(self.late)))
        self.note("a late parcel of", self.name, "arrives at", receiver.name)
        try:
            receiver.exchange.take_parcel(parcel)
        except IntegrityError:
            self.refused(receiver)

    def _disturb(self, sender: Installation, raw: bytes, fault: str) -> bytes:
        """Return a parcel of the sender with its envelopes in another order, doubled or lost."""
        if fault not in ("shuffle", "drop"):
            return raw
        parcel = read_parcel(raw).parcel
        envelopes = list(parcel.envelopes)
        if fault == "drop":
            envelopes = [one for one in envelopes if self.dice.random() < 0.7]
        else:
            envelopes += envelopes[:1]
            self.dice.shuffle(envelopes)
        return replace(parcel, envelopes=tuple(envelopes)).seal(sender.keys)
