"""States of counters inside the writer's transaction, and what events add to them.

One grouped read, one append to the log of counters, and no change in between. All that an event
adds to one entity of each group is added at once: the concatenated states of a stream's groups are
one row of 8-byte places. Events are added in the order in which they became known; hot entities are
summed in memory.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from features.catalogue.encoder import FACTS
from features.catalogue.spec import Floats, Stream
from features.online.counter_log.merge import Event
from features.online.counter_log.tables import Counter, Place
from features.online.counter_store import latest
from features.online.state_layout import StateLayout

Ints = NDArray[np.int64]
_END = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """One event: what it adds to the counters of its stream."""

    stream: str
    keys: Sequence[int]
    known_at: int
    amounts: Ints
    """In the order of ``measures``."""
    facts: Floats | None = None
    crossing_id: str = ""
    stood: bytes = b""
    """States of the stream's groups before it, as one row, where they are known to be the last."""


def measures(stream: Stream) -> list[str]:
    """Return everything that events of a stream add up, in the order of their amounts."""
    passed = dict.fromkeys(link.measure for link in stream.links)
    return ["n", *stream.measures, *stream.derived, *passed]


class StreamGroups:
    """Groups of one stream, and the position of each one's state in a row of all of them.

    ``counted`` has the groups, and where the key of each stands among those of a crossing.
    """

    def __init__(self, stream: Stream, counted: Sequence[tuple[StateLayout, int]]) -> None:
        self.empty = b"".join([layout.empty for layout, _ in counted])
        self._under: list[tuple[int, int, slice]] = []
        self._known_at_places: dict[int, int] = {}
        order, sums, carried, at = measures(stream), [], [], 0
        for layout, key in counted:
            self._under.append((layout.number, key, slice(8 * at, 8 * (at + layout.width))))
            sums += [(at + i, order.index(name)) for i, name in enumerate(layout.sums)]
            for place, fact in enumerate(layout.carried, at + len(layout.sums)):
                if fact == "known_at":
                    self._known_at_places[layout.number] = place
                else:
                    carried.append((place, FACTS.index(fact)))
            at += layout.width
        self._sums, self._amounts = np.array(sums, np.intp).reshape(-1, 2).T.copy()
        self._carried, self._facts = np.array(carried, np.intp).reshape(-1, 2).T.copy()
        self._known_at = np.array(list(self._known_at_places.values()), np.intp)

    def places(self, keys: Sequence[int]) -> list[Place]:
        """Return where an event with these keys counts."""
        return [((number, keys[at]), part) for number, at, part in self._under if keys[at]]

    def known_at_place(self, layout: StateLayout) -> int:
        """Return the place of a row that holds the known time of the group's last event."""
        return self._known_at_places[layout.number]

    def add(self, row: Ints, event: CountedEvent) -> None:
        """Add one event to a row of states, in place.

        Its amounts are in the scale of the stream's measures. ``row`` (int64, shape (n_places,)) is
        from :meth:`CounterState.row`; carried facts are float64 in the same bytes.
        """
        row[self._sums] += event.amounts[self._amounts]
        floats = row.view(np.float64)
        floats[self._known_at] = event.known_at
        if event.facts is not None:
            floats[self._carried] = event.facts[self._facts]


class CounterState:
    """The states of some counters, as events are added to them."""

    def __init__(
        self, connection: Connection, placed: Iterable[tuple[CountedEvent, Sequence[Place]]]
    ) -> None:
        """Read the states that the events do not bring; each comes with where it counts."""
        left = list({at: None for event, those in placed if not event.stood for at, _ in those})
        found = latest(connection, [(number, entity, _END) for number, entity in left])
        self._states = dict(zip(left, found, strict=True))
        self._kept: dict[Counter, bytes] = {}
        """The last row in which a counter was kept; its state has the same place in each."""
        self.events: list[Event] = []
        """What was kept, for the log of counters."""

    def row(self, groups: StreamGroups, places: Sequence[Place], stood: bytes) -> Ints:
        """Return the states of the groups of one event as one row, a writable copy.

        ``stood`` is what the event brings. int64 of shape (n_places,); carried facts are float64 in
        the same bytes, NaN where none was.
        """
        row = bytearray(stood or groups.empty)
        for counter, part in places:
            if (kept := self._kept.get(counter)) is not None:
                row[part] = kept[part]
            elif not stood and (state := self._states[counter]):
                row[part] = state
        return np.frombuffer(row, "<i8")

    def keep(self, places: Sequence[Place], known_at: int, row: Ints) -> None:
        """Keep a row (int64, shape (n_places,)) as the states after an event known at a time.

        ``places`` are the groups that the event counts in, ``known_at`` is in UTC microseconds.
        """
        packed = row.tobytes()
        self._kept.update(dict.fromkeys([counter for counter, _ in places], packed))
        self.events.append((known_at, places, packed))
