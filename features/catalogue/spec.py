"""Vocabulary in which features are declared.

A feature is made of facts of the crossing at hand and of reads of what was known before it. A read
is the difference of two as-of values of a cumulative integer counter, ``counter(as_of) -
counter(as_of - window)``, strict ``<`` on the time at which each event became known: integers give
the same bits on every engine and in every order. ``as_of`` is not an argument of any operator, so
no feature can read the future.

How reads and facts become one number is in :mod:`features.catalogue.transforms`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY, HOUR, SECOND

Floats = NDArray[np.float64]
FAR = 36_500
"""Days that stand for "ever": a window longer than any history."""
EVER = FAR * DAY
"""The same as a window, in microseconds."""
HALF_HOUR = 1 / 48
"""Days."""


@dataclass(frozen=True, slots=True, order=True)
class Read:
    """One as-of read: a counter's difference over a window, or what the last event carried."""

    stream: str
    by: tuple[str, ...]
    """Entities under which events are counted; empty means all events together."""
    of: tuple[str, ...]
    """Entities of the crossing at hand that are looked up; not ``by`` for the paired post."""
    measure: str
    """A measure of the stream, or ``n``; for the last event ``known_at`` or a fact."""
    window: int = EVER
    """Microseconds before the cut; ``EVER`` reaches back to the beginning."""
    is_last: bool = False


def window_name(window: int) -> str:
    """Name a window in microseconds: ``ever``, ``30d``, ``1800s``."""
    if window >= EVER:
        return "ever"
    return f"{window // DAY}d" if window % DAY == 0 else f"{window // SECOND}s"


@dataclass(frozen=True, slots=True, order=True)
class Fact:
    """A fact of the crossing at hand."""

    name: str


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature as declared; compiled by :mod:`features.catalogue.plan`."""

    operator: str
    inputs: tuple[Read | Fact, ...]
    parameters: tuple[float, ...] = ()
    unit: str = ""
    meaning: str = ""
    family: str = ""
    proxy: bool = False
    """True where it could stand in for a person's origin: reported on in every evaluation."""

    @property
    def is_rate(self) -> bool:
        """Tell whether it is a rate of inspections.

        Its first inputs are then own finds, own inspections, all finds and all inspections, and it
        is stated by these counts.
        """
        return self.operator in ("rate", "recent_rate")


@dataclass(frozen=True, slots=True)
class PriorSighting:
    """A measure that an event takes from its own stream: whether its combination was seen before.

    It adds 1 where the answer is the one ``wanted``, from what was known strictly before the event
    itself became known, and 0 where an entity of the combination is not known.
    """

    by: tuple[str, ...]
    meaning: str
    """What it counts, in words."""
    window: int = EVER
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class Tie:
    """A way on which a hit is passed: from what it was found on, by ``via``, to each other ``to``.

    Two entities are linked from the first crossing of the ``pair`` on.
    """

    via: str
    to: str
    pair: tuple[str, str]

    @property
    def measure(self) -> str:
        """The measure that counts hits passed on this way, under ``to``."""
        return f"via_{self.via}"


FAN_OUT = 32
"""A hit is passed on to this many entities at most, those linked last first."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Events of one kind; ``measures`` maps each name to the fact it sums and its integer scale."""

    name: str
    plural: str
    measures: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    derived: Mapping[str, PriorSighting] = field(default_factory=dict)
    """Measures made of the stream's own past."""
    links: tuple[Tie, ...] = ()
    """For a stream of hits passed on: the ways there are."""
    under: tuple[str, ...] = ()
    """For a stream of snapshots: the entities that have values, and nothing else has."""
    constants: tuple[object, ...] = ()
    """What else gives an event its measures."""

    def has(self, measure: str, by: tuple[str, ...]) -> bool:
        """Tell whether events counted under these entities add to the measure."""
        if self.links:
            return (measure, by) in {(link.measure, (link.to,)) for link in self.links}
        if self.under:
            return measure in self.measures and by in {(name,) for name in self.under}
        return measure == "n" or measure in self.measures or measure in self.derived

    def definition(self) -> list[object]:
        """Return everything that gives an event its measures, as JSON takes it."""
        seen = {name: [s.by, s.window, s.wanted] for name, s in self.derived.items()}
        links = [asdict(link) for link in self.links]
        whole: list[object] = [dict(self.measures), seen, links, FAN_OUT]
        return [*whole, self.under, self.constants] if self.under else whole

    def unit(self, measure: str) -> str:
        """Return the unit of a measure."""
        return measure if measure in self.measures else "events"

    def scale(self, measure: str) -> int:
        """Return how many units of the counter make one unit of the measure."""
        return self.measures[measure][1] if measure in self.measures else 1


By = str | tuple[str, ...]


def _by(by: By) -> tuple[str, ...]:
    return (by,) if isinstance(by, str) else by


def _read(stream: Stream, measure: str, by: By, of: By | None, days: float) -> Read:
    names = _by(by)
    return Read(stream.name, names, names if of is None else _by(of), measure, round(days * DAY))


def _last(stream: Stream, fact: str, by: By, of: By | None) -> Read:
    names = _by(by)
    return Read(stream.name, names, names if of is None else _by(of), fact, is_last=True)


def _whose(by: By) -> str:
    """Say whose events are counted."""
    names = _by(by)
    whose = " and ".join(name.replace("_", " ") for name in names if name != "driver_domain")
    alike = " at posts that name drivers alike" if "driver_domain" in names else ""
    return (whose + alike) or "all posts"


def _within(days: float) -> str:
    if days < 1:
        return f"within {round(days * 1440)} minutes"
    return "ever" if days >= FAR else f"within {days} days"


def own_fact(fact: str, unit: str, meaning: str) -> Feature:
    """A fact of the crossing itself, as declared, measured or checked."""
    return Feature("value", (Fact(fact),), (), unit, meaning)


def count(stream: Stream, by: By, days: float, of: By | None = None) -> Feature:
    """Number of events of the same entity within the window."""
    meaning = f"{stream.plural} of the same {_whose(by)} {_within(days)}"
    return Feature("scaled", (_read(stream, "n", by, of, days),), (1.0,), "events", meaning)


def total(stream: Stream, measure: str, by: By, days: float, of: By | None = None) -> Feature:
    """Sum of a measure over the events of the same entity within the window."""
    whose = f"the same {_whose(by)} {_within(days)}"
    meaning = f"total {measure} over {stream.plural} of {whose}"
    if stream.links:
        meaning = f"hits passed on through its {measure.removeprefix('via_')} to {whose}"
    elif measure in stream.derived:
        meaning = f"{stream.plural} of {whose} that were {stream.derived[measure].meaning}"
    read = _read(stream, measure, by, of, days)
    return Feature(
        "scaled", (read,), (float(stream.scale(measure)),), stream.unit(measure), meaning
    )


def ratio(
    stream: Stream, part: str, by: By, days: float, per: str = "n", of: By | None = None
) -> Feature:
    """Sum of one measure per unit of another; NaN where the second is zero."""
    over = f"over the {stream.plural}" if per == "n" else f"per {per} over the {stream.plural}"
    whose = f"of the same {_whose(by)} {_within(days)}"
    meaning, unit = f"mean {part} {over} {whose}", part if per == "n" else f"{part} per {per}"
    if part in stream.derived:
        was = stream.derived[part].meaning
        meaning, unit = f"share of {stream.plural} {whose} that were {was}", "share"
    reads = (_read(stream, part, by, of, days), _read(stream, per, by, of, days))
    scale = stream.scale(part) / stream.scale(per)
    return Feature("ratio", reads, (scale,), unit, meaning)


def share(stream: Stream, by: By, days: float, within: By) -> Feature:
    """Share of the wider entity's events that also have the narrower one; NaN where it has none."""
    wider = f"of the same {_whose(within)} {_within(days)}"
    meaning = f"share of {stream.plural} {wider} with the same {_whose(by)}"
    reads = (_read(stream, "n", by, None, days), _read(stream, "n", within, None, days))
    return Feature("ratio", reads, (1.0,), "share", meaning)


def smoothed_rate(
    stream: Stream, measure: str, by: By, days: float, strength: float = 20.0
) -> Feature:
    """Rate of a measure, shrunk by ``strength`` events towards the rate of all events ever known.

    The base rate is itself an as-of read, so a rate needs no constant from any model: one hit in
    one search does not outrank forty in a hundred, and nothing later can move it.
    """
    meaning = (
        f"{measure} rate of {stream.plural} of the same {_whose(by)} {_within(days)}, smoothed"
    )
    reads = (
        _read(stream, measure, by, None, days),
        _read(stream, "n", by, None, days),
        _read(stream, measure, (), None, FAR),
        _read(stream, "n", (), None, FAR),
    )
    return Feature("rate", reads, (strength,), "share", meaning)


def days_since(stream: Stream, by: By) -> Feature:
    """Days since the entity's last event became known; NaN where there was none."""
    meaning = f"days since the last of the {stream.plural} of the same {_whose(by)}"
    reads = (Fact("as_of"), _last(stream, "known_at", by, None))
    return Feature("since", reads, (), "days", meaning)


def hours_after(stream: Stream, by: By) -> Feature:
    """Hours from the arrival at the entity's last event to this one; NaN where there was none.

    Negative where the last event became known before this one and took place after it.
    """
    meaning = f"hours after the arrival at the last of the {stream.plural} of the same {_whose(by)}"
    inputs = (Fact("arrived_at"), _last(stream, "arrived_at", by, None))
    return Feature("less", inputs, (float(HOUR),), "hours", meaning)


def distance(stream: Stream, by: By, position: tuple[str, str, str]) -> Feature:
    """Straight line, in km, from where the entity's last event took place; NaN where unknown."""
    meaning = f"km from the post at the last of the {stream.plural} of the same {_whose(by)}"
    there = tuple(_last(stream, axis, by, None) for axis in position)
    return Feature("distance", (*map(Fact, position), *there), (), "km", meaning)


def first_seen(stream: Stream, by: By, of: By | None = None) -> Feature:
    """1 where the entity has no event yet, else 0."""
    meaning = f"none of the {stream.plural} so far had the same {_whose(by)}"
    return Feature("is_zero", (_read(stream, "n", by, of, FAR),), (), "flag", meaning)


def first_comparable(stream: Stream, by: By, within: By, whole: By) -> Feature:
    """As :func:`first_seen`; NaN where the wider entity was seen, but never where it compares."""
    meaning = (
        f"none of the {stream.plural} so far had the same {_whose(by)}; "
        f"not known where none of them had the same {_whose(within)}"
    )
    reads = tuple(_read(stream, "n", each, None, FAR) for each in (by, within, whole))
    return Feature("first_comparable", reads, (), "flag", meaning)


def previous(stream: Stream, fact: str, by: By, of: By | None = None, unit: str = "") -> Feature:
    """A fact of the entity's last event."""
    meaning = f"{fact} at the last of the {stream.plural} of the same {_whose(by)}"
    return Feature("value", (_last(stream, fact, by, of),), (), unit, meaning)


def differs(stream: Stream, fact: str, by: By, of: By | None = None) -> Feature:
    """1 where the fact is not as at the entity's last event, 0 where it is, NaN where unknown."""
    what = fact.removesuffix("_key")
    meaning = f"{what} other than at the last of the {stream.plural} of the same {_whose(by)}"
    return Feature("differs", (Fact(fact), _last(stream, fact, by, of)), (), "flag", meaning)


def against(fact: str, stream: Stream, part: str, by: By, days: float, per: str = "n") -> Feature:
    """The fact over what is usual for the entity: its sum of ``part`` per unit of ``per``."""
    meaning = f"{fact} over the usual of the same {_whose(by)} {_within(days)}"
    reads = (_read(stream, part, by, None, days), _read(stream, per, by, None, days))
    scale = stream.scale(part) / stream.scale(per)
    return Feature("against", (Fact(fact), *reads), (scale,), "ratio", meaning)


SPREAD_PARTS = ("largest", "second", "sum")
"""What is taken of the values of a crossing's entities."""


def spread(stream: Stream, kind: str, step: int, part: str) -> Feature:
    """A part of the values that finds, spread along links, gave a crossing's entities."""
    along = ("", ", spread along one crossing", ", spread along two crossings")[step]
    meaning = f"recent {_SPREAD_KINDS[kind]} of its parties per crossing{along}: {part}"
    reads = tuple(_read(stream, f"{kind}_{step}", name, None, FAR) for name in stream.under)
    scale = float(stream.scale(f"{kind}_{step}"))
    return Feature("spread", reads, (float(SPREAD_PARTS.index(part)), scale), "share", meaning)


_SPREAD_KINDS = {"found": "finds", "seized": "seizures"}
