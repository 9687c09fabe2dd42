"""Groups that carry again and again, half of them never caught before the last quarter.

What a group changes and what it keeps makes five kinds. *plates*: plates and carriers change every
few weeks, drivers and consignees stay. *drivers*: drivers come and go, carrier and vehicles stay.
*importer*: all goods go to one big lawful importer. *newcomers*: firms live for weeks, and the
drivers go over to the next ones. *fronts*: several firms share trailers, and a car drives ahead.
In each kind lawful groups do the same and carry nothing, and one lawful importer has a sixth of the
laden trucks; in all but *importer* three loads of others are found among his goods.

A group that is never caught has a known member with it now and then: in one trip of eight it takes
a driver of a group that may be caught (*fronts*: a trailer). All numbers are assumed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from engine.domain.time_units import DAY
from experiments.synthetic.config import Config, Ints
from experiments.synthetic.mechanisms.traffic import PAIRS, Trips

QUARTER = 91 * DAY
"""What is judged: the last days of a year, before which half of the groups are never caught."""
STRAYS, _STRAYS_WITHIN = 3, 120 * DAY
"""Loads of others that are found among the big importer's goods so long before the quarter."""
GroupKind = Literal["plates", "drivers", "importer", "newcomers", "fronts"]
KINDS: tuple[GroupKind, ...] = get_args(GroupKind)
CARRYING, NEVER_CAUGHT, LAWFUL = 8, 4, 6
"""Groups that carry, those of them that are never caught before the last quarter, and others."""
SHARE = 0.045
"""Of all trips, those of groups."""
_BORROWED, _AT_HOME = 1 / 8, 0.8
_BIGGEST = 5
"""Consignees that are one big importer."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Whose trip it is, shape (n,): the group's number, -1 for none.

    Groups below ``NEVER_CAUGHT`` carry and are not caught, those below ``CARRYING`` carry.
    """

    number: Ints


@dataclass(frozen=True, slots=True)
class _Members:
    """Draws the parties of one group's trips; each call gives new ones."""

    trips: Trips
    rows: Ints
    rng: np.random.Generator

    def add(self, party: str, which: Ints) -> Ints:
        """Give each trip one of the group's own parties, by its number among them; return it."""
        column = getattr(self.trips, party)
        column[self.rows] = int(column.max()) + 1 + which
        return which

    def draw(self, count: int) -> Ints:
        """Return a number below ``count`` for each trip."""
        return self.rng.integers(0, count, len(self.rows))

    def stage(self, days: float) -> Ints:
        """Return how many spans of so many days have gone by at each trip, from a start of its own.

        Assumes that trips are ordered by entry.
        """
        since = self.trips.entry_at[self.rows] - self.trips.entry_at[self.rows[0]]
        return np.asarray(since / (days * DAY) + self.rng.random(), np.float64).astype(np.int64)


def _plates(group: _Members) -> None:
    vehicle = group.add("vehicle", 3 * group.stage(45) + group.draw(3))
    firms = group.rng.permutation(int(group.trips.carrier.max()) + 1)
    group.trips.carrier[group.rows] = firms[vehicle % len(firms)]
    group.add("trailer", vehicle)
    group.add("driver", group.draw(4))
    group.add("consignee", group.draw(2))


def _drivers(group: _Members) -> None:
    vehicle = group.add("vehicle", group.draw(4))
    group.add("trailer", vehicle)
    group.add("carrier", np.zeros_like(vehicle))
    group.add("driver", 3 * group.stage(10) + group.draw(3))
    lane = group.trips.consignee[group.rows]
    own = group.add("consignee", group.draw(2))
    is_lane = group.rng.random(len(own)) < 0.6
    group.trips.consignee[group.rows[is_lane]] = lane[is_lane]


def _importer(group: _Members) -> None:
    vehicle = group.add("vehicle", group.draw(5))
    group.add("trailer", vehicle)
    group.add("carrier", np.zeros_like(vehicle))
    group.add("driver", (vehicle + (group.draw(5) == 0)) % 5)
    group.add("consignor", np.zeros_like(vehicle))
    group.trips.consignee[group.rows] = np.bincount(
        group.trips.consignee[group.trips.consignee >= 0]
    ).argmax()


def _newcomers(group: _Members) -> None:
    firm = group.stage(50)
    vehicle = group.add("vehicle", 2 * firm + group.draw(2))
    group.add("trailer", vehicle)
    for party in ("carrier", "consignee", "declarant"):
        group.add(party, firm)
    group.add("driver", group.draw(3))


def _fronts(group: _Members) -> None:
    front = group.draw(3)
    group.add("carrier", front)
    vehicle = group.add("vehicle", 2 * front + group.draw(2))
    group.add("driver", (vehicle + (group.draw(6) == 0)) % 6)
    group.add("consignee", group.draw(4))
    group.add("trailer", group.draw(2))


_FORMS: Mapping[GroupKind, Callable[[_Members], None]] = {
    "plates": _plates,
    "drivers": _drivers,
    "importer": _importer,
    "newcomers": _newcomers,
    "fronts": _fronts,
}


def form_groups(kind: GroupKind, trips: Trips, config: Config) -> Groups:
    """Give some laden trucks' trips to groups; parties and pairs of ``trips`` change."""
    rng = config.rng(f"groups by {kind}")
    laden = np.flatnonzero(trips.is_truck & (trips.consignee >= 0))
    biggest = np.argsort(-np.bincount(trips.consignee[laden]), kind="stable")[:_BIGGEST]
    trips.consignee[np.isin(trips.consignee, biggest)] = biggest[0]
    count = CARRYING + LAWFUL
    number = np.full(len(trips.vehicle), -1)
    taken = rng.permutation(laden)[: round(SHARE * len(number))]
    number[taken] = np.arange(len(taken)) % count
    for group in range(count):
        rows = np.flatnonzero(number == group)
        if len(rows):
            _FORMS[kind](_Members(trips, rows, rng))
            is_home = rng.random(len(rows)) < _AT_HOME
            trips.pair[rows[is_home]] = rng.integers(0, PAIRS)
    _borrow("trailer" if kind == "fronts" else "driver", trips, number, rng=rng)
    return Groups(number)


def draw_strays(trips: Trips, config: Config) -> Ints:
    """Return the trips, shape (n,), in which a load of others is found with the big importer."""
    rng = config.rng("strays")
    importer = np.bincount(trips.consignee[trips.consignee >= 0]).argmax()
    before = config.end - QUARTER - trips.entry_at
    late = (trips.consignee == importer) & (before > 7 * DAY) & (before < _STRAYS_WITHIN)
    return np.sort(rng.permutation(np.flatnonzero(late))[:STRAYS])


def _borrow(party: str, trips: Trips, number: Ints, *, rng: np.random.Generator) -> None:
    """Let groups have a driver or trailer of another in one trip of eight.

    Who is never caught has one of who may be; a lawful group that of another lawful one.
    """
    column = getattr(trips, party)
    before = column.copy()
    pairs = [(group, NEVER_CAUGHT + group) for group in range(NEVER_CAUGHT)]
    pairs += [
        (group, CARRYING + (group + 1) % LAWFUL) for group in range(CARRYING, CARRYING + LAWFUL)
    ]
    for group, other in pairs:
        rows, theirs = np.flatnonzero(number == group), np.flatnonzero(number == other)
        taken = rows[rng.random(len(rows)) < _BORROWED]
        if len(theirs):
            column[taken] = before[rng.choice(theirs, len(taken))]
