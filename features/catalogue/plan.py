"""Compiled catalogue: the entities to look up, the counters to read, and the operators.

Slots are the columns that finishers work on: first the facts, then ``as_of``, then one column for
each distinct read. Features of one operator are finished together, so that a single row costs a
handful of numpy calls and a million rows cost the same operations column by column.

``python -m features.catalogue.plan`` prints the catalogue as a page for analysts.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache, cached_property
from itertools import chain
from operator import itemgetter
from textwrap import wrap

import numpy as np
from numpy.typing import NDArray

from features.catalogue.catalogue import CATALOGUE
from features.catalogue.encoder import ENCODING_VERSION, FACTS, Entities, Facts, key
from features.catalogue.event_streams import (
    CROSSINGS,
    PASSED,
    SPREAD,
    STREAMS,
)
from features.catalogue.spec import EVER, Fact, Feature, Floats, Read, Tie, window_name
from features.catalogue.transforms import FeatureBatch, Item, RowValues, batch_features

Rows = NDArray[np.float32]
_FEW = 2
"""Rows up to which it is faster to finish one after the other."""
Lookup = tuple[tuple[str, ...], tuple[str, ...]]
"""(of, by): the entities of a crossing whose key is looked up among those counted ``by``."""


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Events of one stream counted under one combination of entities."""

    stream: str
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finisher:
    """Features that are finished together: the slots of their inputs, and where they stand."""

    features: FeatureBatch
    own: NDArray[np.intp]
    """Shape (n_own, k)."""
    common: NDArray[np.intp]
    """Shape (n_common,)."""
    picks: tuple[Callable[[RowValues], RowValues], ...]
    """The same for one row: each takes slots and returns one of the own inputs, the last the common
    ones."""

    def finish(self, slots: Floats) -> Floats:
        """Compute the features of n rows.

        Parameters
        ----------
        slots : float64 array of shape (n_slots, n)
            Facts, ``as_of`` and reads, each strictly before its row's cut; NaN where unknown.

        Returns
        -------
        float64 array of shape (k, n)
            In each feature's unit; NaN where unknown.
        """
        return self.features.finish(slots.take(self.own, 0), slots.take(self.common, 0))

    def finish_one(self, slots: RowValues) -> RowValues:
        """Return k features from the slots of one row."""
        *own, common = [pick(slots) for pick in self.picks]
        return self.features.finish_one(own, common)


def _pick(slots: Sequence[int]) -> Callable[[RowValues], RowValues]:
    if len(slots) > 1:
        return itemgetter(*slots)  # returns a tuple only where there are two or more
    return lambda row: [row[slot] for slot in slots]


class Plan:
    """A catalogue of features, ready to be computed.

    Parameters
    ----------
    catalogue : mapping of str to Feature
        Names in the order of the matrix's columns.

    Raises
    ------
    ValueError
        If a feature names a stream, measure or fact that does not exist.
    """

    def __init__(self, catalogue: Mapping[str, Feature]) -> None:
        self.catalogue = dict(catalogue)
        self.names = tuple(catalogue)
        inputs = [item for feature in catalogue.values() for item in feature.inputs]
        self.reads = tuple(sorted({item for item in inputs if isinstance(item, Read)}))
        self.facts = (*FACTS, "as_of")
        for name, feature in catalogue.items():
            _check(name, feature, self.facts)
        self.derived = tuple(sorted({r.measure for r in self.reads if _is_derived(r)}))
        self.links = tuple(link for link in PASSED.links if self._asks(link))
        self.spread = tuple(sorted({r.measure for r in self.reads if r.stream == SPREAD.name}))
        """Values of finds spread along links that features read; empty where none does."""
        seen = [CROSSINGS.derived[measure].by for measure in self.derived]
        pairs = [link.pair for link in self.links]
        self.remembered = frozenset(Group(CROSSINGS.name, by) for by in seen + pairs)
        asked = {Group(read.stream, read.by) for read in self.reads}
        self.groups = tuple(sorted(asked | self.remembered))

    def _asks(self, link: Tie) -> bool:
        wanted = (PASSED.name, (link.to,), link.measure)
        return any((read.stream, read.by, read.measure) == wanted for read in self.reads)

    @cached_property
    def lookups(self) -> tuple[Lookup, ...]:
        """What a crossing is counted under and what it looks up, one key column each."""
        counted = {group.by for group in self.groups} | {(link.via,) for link in self.links}
        asked = {(read.of, read.by) for read in self.reads}
        return tuple(sorted(asked | {(by, by) for by in counted}))

    @cached_property
    def column(self) -> Mapping[Lookup, int]:
        """The key column of each look-up; events are counted under ``(by, by)``."""
        return {lookup: place for place, lookup in enumerate(self.lookups)}

    @cached_property
    def _common_keys(self) -> list[int]:
        """The key of each look-up that names no entity, as all events together do; 0 elsewhere."""
        return [0 if of else key("+".join(by)) for of, by in self.lookups]

    @cached_property
    def _alone(self) -> tuple[tuple[int, str, str], ...]:
        """Of each look-up of one entity: its place, the entity, and the kind of the key."""
        found = enumerate(self.lookups)
        return tuple((place, of[0], by[0]) for place, (of, by) in found if len(of) == 1)

    @cached_property
    def _joint(self) -> tuple[tuple[int, Callable[[Entities], tuple[str | None, ...]], str], ...]:
        """Of each look-up of several: its place, what picks them, and the kind of the key."""
        return tuple(
            (place, itemgetter(*of), "+".join(by))
            for place, (of, by) in enumerate(self.lookups)
            if len(of) > 1
        )

    @cached_property
    def slot(self) -> Mapping[Item, int]:
        """The column of each fact and each read."""
        facts = {Fact(name): place for place, name in enumerate(self.facts)}
        return facts | {read: len(facts) + place for place, read in enumerate(self.reads)}

    @cached_property
    def finishers(self) -> tuple[Finisher, ...]:
        """Features by what is finished together, in the order of their first appearance."""
        features = dict(enumerate(self.catalogue.values()))
        return tuple(self._finisher(each) for each in batch_features(features))

    def _finisher(self, features: FeatureBatch) -> Finisher:
        own = self._slots(chain.from_iterable(features.own)).reshape(-1, len(features.places))
        common = self._slots(features.common)
        return Finisher(features, own, common, tuple(_pick(s.tolist()) for s in (*own, common)))

    def _slots(self, items: Iterable[Item]) -> NDArray[np.intp]:
        return np.array([self.slot[item] for item in items], np.intp)

    @cached_property
    def _place(self) -> NDArray[np.intp]:
        """Where each feature is found once all are finished."""
        order = [place for finisher in self.finishers for place in finisher.features.places]
        return np.argsort(order)

    @cached_property
    def _reorder(self) -> Callable[[RowValues], RowValues]:
        return _pick(self._place.tolist())

    @cached_property
    def digest(self) -> str:
        """Digest of everything that gives a feature its value; 64 hexadecimal digits."""
        features = {
            name: [
                feature.operator,
                [_input_fields(item) for item in feature.inputs],
                feature.parameters,
            ]
            for name, feature in self.catalogue.items()
        }
        streams = {name: stream.definition() for name, stream in STREAMS.items()}
        text = json.dumps([ENCODING_VERSION, streams, features], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def keys(self, entities: Entities) -> list[int]:
        """Return the keys of a crossing in the order of ``lookups``, 0 where not known."""
        found = self._common_keys.copy()
        for place, name, kind in self._alone:
            if (value := entities[name]) is not None:
                found[place] = key(kind, value)
        for place, pick, kind in self._joint:
            if None not in (values := pick(entities)):
                found[place] = key(kind, *values)
        return found

    def fact_row(self, facts: Facts) -> list[float]:
        """Return the facts of a crossing in the order of ``FACTS``."""
        return list(_FACTS(facts))

    def finish(self, slots: Floats) -> Rows:
        """Turn slots into features.

        Parameters
        ----------
        slots : float64 array of shape (n, n_slots)
            Facts, ``as_of`` and reads in the order of ``slot``; NaN where unknown.

        Returns
        -------
        float32 array of shape (n, n_features)
            Each value cast once from a correctly rounded float64.
        """
        if 0 < len(slots) <= _FEW:
            return np.array([self._finish_one(row) for row in slots.tolist()], np.float32)
        columns = np.ascontiguousarray(slots.T)
        out = np.empty((len(self.names), len(slots)), np.float32)
        done = 0
        for finisher in self.finishers:
            made = finisher.finish(columns)
            out[done : done + len(made)] = made
            done += len(made)
        return out.T.take(self._place, 1)

    def _finish_one(self, slots: RowValues) -> RowValues:
        made = [value for finisher in self.finishers for value in finisher.finish_one(slots)]
        return self._reorder(made)


_FACTS = itemgetter(*FACTS)


@cache
def current_plan() -> Plan:
    """Return the plan of the catalogue, compiled once a process."""
    return Plan(CATALOGUE)


def _input_fields(item: Item) -> dict[str, object]:
    """Return an input's fields; ``asdict`` copies deeply, which takes a tenth of a start."""
    return {name: getattr(item, name) for name in _FIELDS[type(item)]}


_FIELDS = {kind: [field.name for field in fields(kind)] for kind in (Read, Fact)}


def _is_derived(read: Read) -> bool:
    return not read.is_last and read.measure in STREAMS[read.stream].derived


def _check(name: str, feature: Feature, facts: Sequence[str]) -> None:
    for item in feature.inputs:
        if isinstance(item, Fact):
            if item.name not in facts:
                raise ValueError(f"feature {name}: no fact {item.name!r}")
            continue
        stream = STREAMS.get(item.stream)
        if stream is None:
            raise ValueError(f"feature {name}: no stream {item.stream!r}")
        if item.is_last:
            fits = item.measure == "known_at" or (stream is CROSSINGS and item.measure in facts)
        else:
            fits = stream.has(item.measure, item.by)
        if not fits or not 0 < item.window <= EVER:
            raise ValueError(
                f"feature {name}: no {item.measure!r} over {item.window} us of {stream.name}"
            )
        if len(item.by) != len(item.of):
            raise ValueError(f"feature {name}: looks up {item.of} under {item.by}")


_HEAD = """\
# Features

Look up what a feature means, its unit, and which counters it reads.

*Printed by `python -m features.catalogue.plan` from `features/catalogue/catalogue.py`.*

A feature is made of facts of the crossing at hand and of as-of reads: the difference of two values
of a cumulative integer counter, with a strict `<` on the time at which each event became known.
Nothing that becomes known later can change it. An unknown value is NaN, never zero.

No feature describes a person. **Proxy** marks a feature that could stand in for a person's origin,
because goods come from countries as people do: every evaluation reports their joint effect.

"""
_READS = """\
## Reads

`stream by entities, window` names each read; `of` names the entity that is looked up where it is
not the crossing's own. Features that are not listed use the crossing itself. Events of `spread` are
differences between half-weekly snapshots, so that their sum is the value as of the last one
(decision 2).

"""
_WIDTH = 118


def markdown(plan: Plan) -> str:
    """Return the page."""
    families: dict[str, list[str]] = {}
    for name, feature in plan.catalogue.items():
        families.setdefault(feature.family, []).append(_row(name, feature))
    lines = [f"{len(plan.names)} features in {len(families)} families.", ""]
    for family, rows in families.items():
        lines += [f"## {family.capitalize()}", "", *rows, ""]
    return _HEAD + "\n".join(lines) + "\n" + _READS + "\n".join(_read_items(plan)) + "\n"


def _row(name: str, feature: Feature) -> str:
    mark = " **proxy**" if feature.proxy else ""
    return _wrap_item(f"- `{name}` ({feature.unit}): {feature.meaning}{mark}")


def _read_items(plan: Plan) -> Iterator[str]:
    """Yield one list item for each set of reads, with the features that share it."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for name, feature in plan.catalogue.items():
        if reads := tuple(_reads(feature)):
            shared.setdefault(reads, []).append(f"`{name}`")
    for reads, names in shared.items():
        yield _wrap_item(f"- {', '.join(names)}:" + (f" {reads[0]}" if len(reads) == 1 else ""))
        if len(reads) > 1:
            yield from (_wrap_item(f"  - {read}") for read in reads)


def _wrap_item(item: str) -> str:
    indent = " " * (item.index("-") + 2)
    return "\n".join(
        wrap(item, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    )


def _reads(feature: Feature) -> Iterator[str]:
    measures: dict[str, list[str]] = {}
    for item in feature.inputs:
        if isinstance(item, Read):
            by = " + ".join(item.by) or "all"
            of = "" if item.of == item.by else f" of {' + '.join(item.of)}"
            window = "the last" if item.is_last else window_name(item.window)
            read = f"{item.stream} by {by}{of}, {window}"
            measures.setdefault(read, []).append(item.measure)
    for read, names in measures.items():
        yield f"{', '.join(dict.fromkeys(names))}: {read}"


if __name__ == "__main__":
    from features.catalogue.catalogue import CATALOGUE

    print(markdown(Plan(CATALOGUE)), end="")
