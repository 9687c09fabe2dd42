"""Streams of events, their measures, and the amounts that one record adds to them.

An event is known at one time and belongs to one crossing, whose entities it is counted under. Its
measures are scaled integers: the scale says how many units of the counter make one of the measure.
Nothing here reads a file or a store, so that the bulk log and the service share it.

crossings    every passage, known when its record reached this network
inspections  one for each inspected crossing, known when the deciding act was recorded: a later act
             that finds more adds its difference; papers and scales alone say nothing when clear;
             what acts took is no seizure where all of it is of classes that teach no load
finds        goods found elsewhere and attributed to a crossing: never in a hit rate's denominator
passed       hits passed along ties known before the hit was: to the plates its driver had crossed
             with, the consignees its carrier had carried for, and so on; not to its own
spread       snapshots of finds spread along ties: at each cut, what changed about the value of an
             entity since the cut before; counted under that entity alone, and of no crossing
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY, MINUTE
from features.catalogue import find_spread
from features.catalogue.encoder import FACTS
from features.catalogue.mirror_features import FOLLOWED
from features.catalogue.spec import PriorSighting, Stream, Tie

REACH = 30 * DAY
"""How long before a find that names a plate alone the entry may lie that it belongs to."""
PAIR = 30 * MINUTE
"""Vehicles seen at one post within this time travel together; only the later one can know it."""

CROSSINGS = Stream(
    "crossings",
    "crossings",
    MappingProxyType(
        {
            "entry": ("is_entry", 1),
            "empty": ("is_empty", 1),
            "night": ("night", 1),
            "declared": ("has_declaration", 1),
            "weighed": ("is_weighed", 1),
            "weighed_kg": ("weighed_mass_kg", 10),
            "value_usd": ("norm_value_usd", 100),
            "net_kg": ("norm_net_kg", 1000),
            "tare_kg": ("weighed_less_gross_kg", 10),
            "tared": ("has_tare", 1),
            "precursor_kg": ("precursor_kg", 1000),
            "precursor_weighed": ("has_precursor_kg", 1),
            "invoice_amount": ("invoice_amount", 100),
            "invoiced_usd": ("invoiced_usd", 100),
        }
    ),
    MappingProxyType(
        {
            "new_plate_driver": PriorSighting(
                ("plate", "driver"), "the first of plate and driver together"
            ),
            "new_plate_trailer": PriorSighting(
                ("plate", "trailer"), "the first of plate and trailer together"
            ),
            "new_carrier_driver": PriorSighting(
                ("carrier", "driver"), "the first of carrier and driver together"
            ),
            "new_carrier_consignee": PriorSighting(
                ("carrier", "consignee"), "the first of carrier and consignee together"
            ),
            "paired": PriorSighting(
                ("post", "direction", "carrier"),
                "half an hour or less after another of the carrier",
                PAIR,
                wanted=True,
            ),
            **FOLLOWED,
        }
    ),
)
INSPECTIONS = Stream(
    "inspections", "inspections", MappingProxyType({"hit": ("hit", 1), "seizure": ("seizure", 1)})
)
FINDS = Stream(
    "finds", "finds elsewhere", MappingProxyType({"grams": ("grams", 1), "load": ("load", 1)})
)
PASSED = Stream(
    "passed",
    "hits passed on",
    links=(
        Tie("driver", "plate", ("plate", "driver")),
        Tie("plate", "driver", ("plate", "driver")),
        Tie("trailer", "plate", ("plate", "trailer")),
        Tie("plate", "trailer", ("plate", "trailer")),
        Tie("driver", "carrier", ("carrier", "driver")),
        Tie("consignee", "carrier", ("carrier", "consignee")),
        Tie("carrier", "consignee", ("carrier", "consignee")),
    ),
)
SPREAD = Stream(
    "spread",
    "finds spread along links",
    MappingProxyType(dict.fromkeys(find_spread.MEASURES, ("", find_spread.SCALE))),
    under=find_spread.ENTITIES,
    constants=find_spread.CONSTANTS,
)

STREAMS: Mapping[str, Stream] = MappingProxyType(
    {stream.name: stream for stream in (CROSSINGS, INSPECTIONS, FINDS, PASSED, SPREAD)}
)


GRAMS_MOST = 10**12
"""Bound of one find's mass in a counter, in grams."""
MEASURES = tuple(CROSSINGS.measures)
"""Measures that a crossing adds to, besides the number of crossings."""
_PLACES = np.array([FACTS.index(fact) for fact, _ in CROSSINGS.measures.values()])
_SCALES = np.array([float(scale) for _, scale in CROSSINGS.measures.values()])

Label = tuple[int, int, int]
"""A crossing's (inspected, hit, seizure), each 0 or 1."""
NO_FINDS, NO_LOAD, LOAD = range(3)
"""What the finds of a crossing's acts teach: nothing as yet, a discrepancy alone, a load."""


_KINDS = tuple(name for name in FACTS if name.startswith("class_"))
_KIND_PLACES = [FACTS.index(name) for name in _KINDS]
_EMPTY, _BODY, _CHAPTER, _POST, _ENTRY = (
    FACTS.index(name) for name in ("is_empty", "body", "hs_chapter", "post_key", "is_entry")
)


def vehicles(facts: Any, rows: slice | NDArray[np.intp]) -> list[str]:
    """Return what each crossing's vehicle is, as places are counted: ``truck:laden:3:29:7f1e``.

    Parameters
    ----------
    facts : float64 array of shape (n_facts, n), or ``features.offline.compact_columns.Facts``
    rows : slice or int array
        The crossings wanted, n of them.

    Returns
    -------
    list of str
        Class, load, number of the body, HS chapter of the main goods item, post and direction; the
        last three are empty where not known. A vehicle not declared empty counts as laden.
    """
    wanted = [*_KIND_PLACES, _EMPTY, _BODY, _CHAPTER, _POST, _ENTRY]
    columns = np.array([facts[place, rows] for place in wanted]).T
    return [_name_vehicle(row[: len(_KINDS)], row[len(_KINDS) :]) for row in columns.tolist()]


def vehicle(facts: NDArray[np.float64]) -> str:
    """Return what one crossing's vehicle is: :func:`vehicles` of one row.

    Parameters
    ----------
    facts : float64 array of shape (n_facts,)
        In the order of ``features.catalogue.encoder.FACTS``; NaN where unknown.
    """
    kinds = [float(facts[place]) for place in _KIND_PLACES]
    others = [float(facts[at]) for at in (_EMPTY, _BODY, _CHAPTER, _POST, _ENTRY)]
    return _name_vehicle(kinds, others)


def _name_vehicle(kinds: Sequence[float], others: Sequence[float]) -> str:
    empty, body, chapter, post, entry = others
    name = _KINDS[kinds.index(1.0)].removeprefix("class_") if 1.0 in kinds else "other"
    way = f"{int(post):x}{'>' if entry == 1.0 else '<'}" if post == post else ""
    number = f"{body:.0f}" if body == body else ""
    goods = f"{chapter:.0f}" if chapter == chapter else ""
    return f"{name}:{'empty' if empty == 1.0 else 'laden'}:{number}:{goods}:{way}"


def act_step(label: Label, outcome: str, *, full: bool) -> Label:
    """Return a crossing's label after one more act; a clear look at the papers changes nothing."""
    hit, seizure = int(outcome != "clear"), int(outcome == "seizure")
    if not (full or hit):
        return label
    return 1, max(label[1], hit), max(label[2], seizure)


def count_label(label: Label, taught: int) -> Label:
    """Return a label as it counts: goods that teach no load are a discrepancy."""
    inspected, hit, seizure = label
    return inspected, hit, 0 if taught == NO_LOAD else seizure


@dataclass(frozen=True, slots=True)
class LabelStep:
    """What a record, or the records of one time, change about the label of a crossing."""

    known_at: int
    change: Label
    """What it adds to (inspected, hit, seizure); a correction may take away."""
    hit_at: int
    """When the hit became known that it adds or takes away; 0 before any."""


StatedAct = tuple[int, str, str, bool]
"""(known_at, identifier, outcome, whether it was full) of one act."""


StatedFind = tuple[int, str, int]
"""(known_at, identifier, what it teaches: ``NO_FINDS`` where withdrawn) of one find of an act."""


def label_steps(acts: Sequence[StatedAct], finds: Sequence[StatedFind] = ()) -> Iterator[LabelStep]:
    """Yield the steps of one crossing's label, from its acts and finds in the order of their time.

    A later act or find with the identifier of an earlier one restates it: the label is then that of
    all as they were last stated.
    """
    stated: dict[str, tuple[str, bool]] = {}
    taught: dict[str, int] = {}
    label, hit_at = (0, 0, 0), 0
    for known_at in sorted({at for at, *_ in acts} | {at for at, *_ in finds}):
        stated |= {name: (what, how) for at, name, what, how in acts if at == known_at}
        taught |= {name: what for at, name, what in finds if at == known_at}
        after: Label = (0, 0, 0)
        for outcome, full in stated.values():
            after = act_step(after, outcome, full=full)
        after = count_label(after, max(taught.values(), default=NO_FINDS))
        if after != label:
            n, hit, seizure = (new - old for new, old in zip(after, label, strict=True))
            hit_at = known_at if hit > 0 else hit_at
            yield LabelStep(known_at, (n, hit, seizure), hit_at)
            label = after


def scale_measure(name: str, facts: Any) -> NDArray[np.int64]:
    """Return what n crossings add to one measure: :func:`crossing_measures`, a column at a time.

    ``facts`` is a float64 array of shape (n_facts, n), or
    ``features.offline.compact_columns.Facts``; the result has the shape (n,).
    """
    place = MEASURES.index(name)
    return _round_known(facts[int(_PLACES[place])] * _SCALES[place])


def crossing_measures(facts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the amounts that crossings add to their counters.

    Parameters
    ----------
    facts : float64 array of shape (n_facts, ...)
        NaN where unknown, which adds nothing.

    Returns
    -------
    int64 array of shape (n_measures, ...)
        In the order of ``MEASURES``; scaled, rounded half to even.
    """
    return _round_known(facts[_PLACES] * _SCALES.reshape(-1, *[1] * (facts.ndim - 1)))


def _round_known(scaled: NDArray[np.float64]) -> NDArray[np.int64]:
    scaled[np.isnan(scaled)] = 0.0
    whole: NDArray[np.int64] = np.rint(scaled).astype(np.int64)
    return whole
