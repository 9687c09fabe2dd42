"""Gravity of finds: what each weighs in discrepancies, by the weights of the network file.

A find is what one inspected crossing carried. Its quantity of a class is the sum over its seizures,
and the class that weighs most stands for the find: one consignment filed as several seizures is no
graver than the same filed as one.
"""

from collections import defaultdict
from collections.abc import Iterable

from engine.domain.network import DEFAULT_SEVERITY, Network
from engine.domain.records import Outcome, SubstanceClass

Amount = tuple[SubstanceClass, float | None]
"""Substance class and grams of one seizure; None where the quantity is not known."""


def weigh_find(network: Network, outcome: Outcome, seizures: Iterable[Amount]) -> float:
    """Return what an inspected crossing weighs: 0 where nothing was found, 1 for a discrepancy.

    A seizure whose record has not come yet weighs what one weighs by default.
    """
    total = sum_amounts(seizures)
    if total:
        return max(network.severity_of(of, grams) for of, grams in total)
    return {"clear": 0.0, "discrepancy": 1.0, "seizure": DEFAULT_SEVERITY}[outcome]


def sum_amounts(seizures: Iterable[Amount]) -> list[Amount]:
    """Return the quantity of each class in one find, of those seizures that state one."""
    of: dict[SubstanceClass, list[float]] = defaultdict(list)
    for substance_class, grams in seizures:
        of[substance_class] += [] if grams is None else [grams]
    return [(name, sum(of[name]) if of[name] else None) for name in sorted(of)]
