"""Is everybody searched at the same bar? Hit rates and calibration by group, and what they show.

Assumes the outcome test: where groups are searched at the same bar, the searches of a group that
finds less were made too easily (Knowles, Persico and Todd, 2001). It is blind where groups differ
far above the bar, so the random stream's rates stand beside it. Groups are of vehicles, plates and
posts; records hold nothing about persons.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dataset import Dataset
from models.intervals import (
    LEVEL,
    Estimate,
    Floats,
    between,
    clopper_pearson,
    share,
    withheld,
)
from models.logged import Logged, undone

MOST_GROUPS = 30
FEWEST_SEARCHES = 20
"""A group with fewer searches is not compared at all."""
COLUMNS = ("post", "vehicle_class", "plate_country")


def by_group(
    test: Dataset, chance: Floats, chosen: NDArray[np.bool_], *, lot: Logged
) -> dict[str, Any]:
    """Return hit rates and calibration of discrepancies for each group of each column.

    Parameters
    ----------
    test : Dataset of n rows
    chance : float64 array of shape (n,)
        Stated chance of a discrepancy.
    chosen : bool array of shape (n,)
        Arrivals within capacity.
    lot : Logged of n rows
        The random stream, with the draws that were not carried out.

    Returns
    -------
    dict
        By column and group; the largest 30 groups of each, in the order of their names.
    """
    evidence, hit = test.evidence("discrepancy"), test.discrepancy == 1
    made: dict[str, Any] = {}
    for name in COLUMNS:
        text = np.array(["unknown" if value is None else str(value) for value in _of(test, name)])
        values, counts = np.unique(text, return_counts=True)
        largest = sorted(values[np.argsort(-counts, kind="stable")[:MOST_GROUPS]].tolist())
        made[name] = {}
        for value in largest:
            here = text == value
            seen = here & evidence
            searched = share(int((seen & hit).sum()), int(seen.sum()))
            stated = float(chance[seen].mean()) if seen.any() else None
            made[name][value] = {
                "arrivals": int(here.sum()),
                "within_capacity": int((here & chosen).sum()),
                "random_stream": _drawn(lot, here).as_dict(),
                "inspected": searched.as_dict(),
                "at_capacity": share(
                    int((seen & chosen & hit).sum()), int((seen & chosen).sum())
                ).as_dict(),
                "mean_chance": stated,
                "calibrated": _calibrated(stated, searched.low, searched.high, searched.knowable),
            }
    return made


def _drawn(lot: Logged, here: NDArray[np.bool_]) -> Estimate:
    """Return the hit rate of random checks, as wide as those not carried out may make it."""
    drawn, hits = int((here & lot.drawn).sum()), int((here & (lot.found == 1)).sum())
    lost = int((here & lot.missing).sum())
    made = between(hits, drawn - lost, worst=(hits, drawn), best=(hits + lost, drawn))
    return withheld(made, undone(lost / drawn if drawn else 0.0))


def _of(test: Dataset, name: str) -> NDArray[np.object_]:
    column: NDArray[np.object_] = getattr(test, name)
    return column


def _calibrated(
    stated: float | None, low: float | None, high: float | None, knowable: bool
) -> bool | None:
    """Tell whether the mean stated chance lies within the interval of what was found."""
    if stated is None or low is None or high is None or not knowable:
        return None
    return low <= stated <= high


def outcome_test(groups: dict[str, Any]) -> dict[str, Any]:
    """Compare the hit rate of each group's searches within capacity with that of all others.

    Parameters
    ----------
    groups : dict
        As :func:`by_group` made it.

    Returns
    -------
    dict
        By column: the groups found to be ``lower`` or ``higher`` than the others together, those
        with ``no_difference`` seen, and the ``not_knowable``. Intervals are exact and widened for
        the number of groups, so that one of twenty fair columns is accused, not one of twenty
        groups.
    """
    made = {}
    for column, kept in groups.items():
        counts = {
            name: (one["at_capacity"]["positives"], one["at_capacity"]["n"])
            for name, one in kept.items()
        }
        compared = [name for name, (_, n) in counts.items() if n >= FEWEST_SEARCHES]
        found: dict[str, list[str]] = {
            "lower": [],
            "higher": [],
            "no_difference": [],
            "not_knowable": [name for name in counts if name not in compared],
        }
        total = np.sum([counts[name] for name in counts], axis=0) if counts else np.zeros(2)
        for name in compared:
            others = total - counts[name]
            found[_against(counts[name], others, len(compared))].append(name)
        made[column] = found
    return made


def _against(group: tuple[int, int], others: NDArray[Any], number: int) -> str:
    if others[1] < FEWEST_SEARCHES:
        return "not_knowable"
    level = 1 - (1 - LEVEL) / max(1, number)
    low, high = clopper_pearson(*group, level=level)
    floor, ceiling = clopper_pearson(float(others[0]), float(others[1]))
    if high < floor:
        return "lower"
    return "higher" if low > ceiling else "no_difference"
