"""Grouped permutation importance of feature families, and the effect of possible proxies.

Assumes that a family says nothing once its values are dealt to other vehicles at random, all of the
family's features together (Breiman, 2001; by group, since one feature can stand in for another).
The model is not fitted again: where families share what they know, each one's value is a lower
bound. Features marked as possible proxies of a person's origin are judged together in the same
way, and by whom they bring into the searches.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.ports import Scores
from models.array_types import Floats, Mask, Rows
from models.data.dataset import Dataset, Target
from models.statistics import ranking_metrics
from models.statistics.intervals import Estimate, estimates, share

Score = Callable[[Rows], Scores]
Chosen = Callable[[Floats], Mask]

REPEATS = 3
MOST_ROWS = 6000
"""Labelled rows used at most; more make the intervals narrower than anybody needs."""
_DRAWS = 200


def family_values(
    test: Dataset, score: Score, families: Mapping[str, Sequence[str]], *, seed: int
) -> dict[str, Any]:
    """Return the average precision of discrepancies that each family bears.

    By family: the fall of average precision when it is shuffled, mean of three shuffles, with a
    paired bootstrap interval (95 %), and the number of its features. ``test`` is from a period that
    the model has not seen; ``score`` takes rows of shape (k, f). A feature may be of several
    families; names that the data do not have are left out.
    """
    draw = np.random.default_rng(seed)
    rows = np.flatnonzero(test.evidence("discrepancy"))
    if len(rows) > MOST_ROWS:
        rows = np.sort(draw.choice(rows, MOST_ROWS, replace=False))
    label, values = test.discrepancy[rows], test.values[rows]
    if not len(rows):
        return {}
    chance = score(values).p_discrepancy
    whole = ranking_metrics.average_precision(chance, label)
    falls: dict[str, Callable[[Floats], float]] = {}
    unread, sizes = [], {}
    for name, members in families.items():
        columns = [test.names.index(member) for member in members if member in test.names]
        if not columns:
            continue
        sizes[name] = len(columns)
        shuffled = [
            score(permute_columns(values, columns, draw)).p_discrepancy for _ in range(REPEATS)
        ]
        if all(np.array_equal(one, chance) for one in shuffled):
            unread.append(name)
        else:
            falls[name] = _fall(
                whole, [ranking_metrics.average_precision(s, label) for s in shuffled]
            )
    found = estimates(falls, label, seed=seed, draws=_DRAWS)
    zero = Estimate(0.0, 0.0, 0.0, len(label), int(label.sum()), knowable=True)
    found |= dict.fromkeys(unread, zero)  # the model does not read them: that is certain
    return {name: found[name].as_dict() | {"features": n} for name, n in sizes.items()}


def proxy_effect(
    test: Dataset,
    score: Score,
    proxies: Sequence[str],
    *,
    chosen: Mapping[Target, Mask],
    choose: Chosen,
    seed: int,
) -> dict[str, Any]:
    """Return how much the possible proxies decide who is on each list, by country of the plate.

    ``proxies`` are features that could stand in for a person's origin. ``score`` takes rows of
    shape (k, f), ``choose`` chances of shape (n,) to the arrivals within capacity; ``chosen`` (each
    bool, shape (n,)) are those as they are, by the target that ranks the list.

    Returns
    -------
    dict
        ``features``; and by target ``replaced``: share of its list that goes to other vehicles once
        the proxies are shuffled; ``by_country``: share of a country's arrivals on the list with
        them and without. Shares are estimates with exact intervals.
    """
    columns = [test.names.index(name) for name in proxies if name in test.names]
    made: dict[str, Any] = {"features": [test.names[column] for column in columns]}
    if not columns or not len(test):
        none = Estimate(0.0, 0.0, 0.0, len(test), 0, knowable=True)
        return made | {target: {"replaced": none.as_dict(), "by_country": {}} for target in chosen}
    draw = np.random.default_rng(seed)
    shuffled = score(permute_columns(test.values[:], columns, draw))
    country = np.array([str(value or "unknown") for value in test.plate_country])
    return made | {
        target: _compare_lists(listed, choose(getattr(shuffled, f"p_{target}")), country)
        for target, listed in chosen.items()
    }


def _compare_lists(chosen: Mask, without: Mask, country: NDArray[np.str_]) -> dict[str, Any]:
    """Return how a list differs from the one without the proxies, all arrays of shape (n,)."""
    names, counts = np.unique(country, return_counts=True)
    largest = sorted(names[np.argsort(-counts, kind="stable")[:10]].tolist())
    replaced = share(int((chosen & ~without).sum()), int(chosen.sum()))
    return {
        "replaced": replaced.as_dict(),
        "by_country": {
            name: {
                "arrivals": int((country == name).sum()),
                "searched": _share(chosen[country == name]),
                "without_proxies": _share(without[country == name]),
            }
            for name in largest
        },
    }


def _share(searched: Mask) -> dict[str, Any]:
    return share(int(searched.sum()), len(searched)).as_dict()


def permute_columns(values: Rows, columns: Sequence[int], draw: np.random.Generator) -> Rows:
    """Return values (float32, shape (n, f)) with some columns permuted over the rows, together."""
    made = values.copy()
    made[:, columns] = values[:, columns][draw.permutation(len(values))]
    return made


def _fall(
    whole: Callable[[Floats], float], shuffled: Sequence[Callable[[Floats], float]]
) -> Callable[[Floats], float]:
    return lambda weight: whole(weight) - float(np.mean([one(weight) for one in shuffled]))
