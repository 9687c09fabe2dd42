"""Which of what a rule reads could stand for a person's origin? An approver is told.

Assumes the marks of the catalogue and of the records' fields: nothing is inferred from data.
"""

from collections.abc import Iterable

from engine.criteria.profiles.fields import PROXIES
from features.catalogue.catalogue import CATALOGUE


def proxies(needs: Iterable[str]) -> list[str]:
    """Return those of these fields and features that could stand in for a person's origin.

    Parameters
    ----------
    needs : iterable of str
        Full names, as an expression reads them: ``crossing.plate_country``, ``features.night``.

    Returns
    -------
    list of str
        In alphabetical order; empty where there is none.
    """
    marked = {f"features.{name}" for name, feature in CATALOGUE.items() if feature.proxy}
    return sorted({*needs} & {*marked, *PROXIES})
