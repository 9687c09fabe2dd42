"""Outcome test: hit rates and calibration by group, of each target by the list that it ranks.

Assumes the outcome test: where groups are searched at the same bar, the searches of a group that
finds less were made too easily (Knowles, Persico and Todd, 2001). It is blind where groups differ
far above the bar, so the random stream's rates are given next to it. Groups are of vehicles, plates
and posts; records hold nothing about persons.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.network import ShiftHours
from engine.domain.time_units import DAY, HOUR, MINUTE
from models.array_types import Floats, Labels, Mask
from models.data.dataset import Dataset, Target
from models.data.propensity_log import PropensityLog, missing_reasons
from models.evaluation.metric_view import share_estimates
from models.statistics.intervals import LEVEL, clopper_pearson, withhold_estimate

MOST_GROUPS = 30
FEWEST_SEARCHES = 20
"""A group with fewer searches is not compared at all."""
COLUMNS = ("post", "shift", "vehicle_class", "plate_country")


@dataclass(frozen=True, slots=True)
class _JudgedRows:
    """What every group is cut out of."""

    chance: Floats
    chosen: Mask
    evidence: Mask
    label: Labels
    random_log: PropensityLog

    def group(self, here: Mask) -> dict[str, Any]:
        """Return the figures of one group, given as a mask of shape (n,)."""
        seen, drawn = here & self.evidence, here & self.random_log.drawn
        found = share_estimates(self.label[seen], self.chosen[seen])
        random_rates = share_estimates(self.random_log.found[drawn], self.chosen[drawn])
        faults = missing_reasons(
            float(self.random_log.missing[drawn].mean()) if drawn.any() else 0.0
        )
        return {
            "arrivals": int(here.sum()),
            "within_capacity": int((here & self.chosen).sum()),
            "random_stream": withhold_estimate(random_rates["base_rate"], faults).as_dict(),
            "random_recall": withhold_estimate(
                random_rates["recall_at_capacity"], faults
            ).as_dict(),
            "inspected": found["base_rate"].as_dict(),
            "at_capacity": found["hit_rate_at_capacity"].as_dict(),
            "recall": found["recall_at_capacity"].as_dict(),
            "mean_chance": float(self.chance[seen].mean()) if seen.any() else None,
        }


def by_group(
    test: Dataset, target: Target, *, chance: Floats, chosen: Mask, random_log: PropensityLog
) -> dict[str, Any]:
    """Return hit rates, recall and calibration of a target for each group of each column.

    By column and group; the largest 30 groups of each, in the order of their names. ``calibrated``
    says whether the mean stated chance lies in the interval of what was found, which is widened for
    the number of groups of its column.

    Parameters
    ----------
    chance : float64 array of shape (n,)
        Stated chance of the target.
    chosen : bool array of shape (n,)
        Arrivals within capacity of the list that the target ranks.
    random_log : PropensityLog of n rows
        The target's random stream, with the draws that were not carried out.
    """
    judged = _JudgedRows(chance, chosen, test.evidence(target), test.label(target), random_log)
    made: dict[str, Any] = {}
    for name in COLUMNS:
        text = _group_rows(test, name)
        values, counts = np.unique(text, return_counts=True)
        largest = sorted(values[np.argsort(-counts, kind="stable")[:MOST_GROUPS]].tolist())
        groups = {value: judged.group(text == value) for value in largest}
        number = sum(one["inspected"]["knowable"] for one in groups.values())
        made[name] = {
            value: one | {"calibrated": _is_calibrated(one, number)}
            for value, one in groups.items()
        }
    return made


def _group_rows(test: Dataset, name: str) -> NDArray[np.str_]:
    """Return the group of each row as text."""
    if name == "shift":
        return _shifts(_local_hours(test))
    column = getattr(test, name)
    return np.array(["unknown" if value is None else str(value) for value in column], np.str_)


def _local_hours(test: Dataset) -> NDArray[np.int64]:
    """Return the hour of each arrival by the clocks of its post; UTC+5 without that feature."""
    if "hour" in test.names:
        return test.values[:, test.names.index("hour")].astype(np.int64)
    return (test.arrived_at + ShiftHours().utc_offset) % DAY // HOUR


def _shifts(hours: NDArray[np.int64]) -> NDArray[np.str_]:
    """Return the local hours of the shift that each arrival fell into, as the engine cuts them."""
    plan = ShiftHours()
    local = (hours * HOUR - plan.starts) % DAY
    begins = (plan.starts + local // plan.length * plan.length) % DAY
    names = {at: f"{_clock(at)}-{_clock(at + plan.length)}" for at in np.unique(begins).tolist()}
    return np.array([names[at] for at in begins.tolist()], np.str_)


def _clock(at: int) -> str:
    minutes = at % DAY // MINUTE
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _is_calibrated(group: dict[str, Any], number: int) -> bool | None:
    """Tell whether the mean stated chance lies within the interval of what was found."""
    found = group["inspected"]
    if not found["knowable"]:
        return None
    low, high = clopper_pearson(found["positives"], found["n"], level=_family_level(number))
    return bool(low <= group["mean_chance"] <= high)


def _family_level(number: int) -> float:
    """Return the level at which none of so many fair groups is flagged, in 95 of 100 reports."""
    return 1 - (1 - LEVEL) / max(1, number)


def within(test: Dataset, target: Target, chosen: Mask) -> tuple[int, int]:
    """Count a target's finds and searches among n arrivals within capacity: ``chosen``, (n,)."""
    seen = test.evidence(target) & chosen
    return int((test.label(target)[seen] == 1).sum()), int(seen.sum())


def outcome_test(groups: dict[str, Any], *, total: tuple[int, int]) -> dict[str, Any]:
    """Compare the hit rate of each group's searches within capacity with that of all others.

    Groups are as :func:`by_group` made them; ``total`` as :func:`within` counted: the others of a
    group are all others, shown or not. The answer has by column the groups found to be ``lower`` or
    ``higher`` than the others together, those with ``no_difference`` seen, and the
    ``not_knowable``. Intervals are exact and widened for the number of groups, so that one of
    twenty fair columns is accused, not one of twenty groups.
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
        for name in compared:
            others = total[0] - counts[name][0], total[1] - counts[name][1]
            found[_against(counts[name], others, len(compared))].append(name)
        made[column] = found
    return made


def _against(group: tuple[int, int], others: tuple[int, int], number: int) -> str:
    if others[1] < FEWEST_SEARCHES:
        return "not_knowable"
    low, high = clopper_pearson(*group, level=_family_level(number))
    floor, ceiling = clopper_pearson(*others)
    if high < floor:
        return "lower"
    return "higher" if low > ceiling else "no_difference"
