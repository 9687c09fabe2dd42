"""Seizures known at training: what a find weighs, and the past seizures that a bundle keeps.

Past seizures are kept with the reasons that the model gives for them. A model's reasons for a
seizure that helped to fit it are still reasons: they are what it would say of such an arrival
today.
"""

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.network import Network, TakenAmount, weigh_find
from engine.domain.records import Outcome
from features.history.tables import Tables
from models.array_types import Floats
from models.data.dataset import Dataset
from models.explanation.contributions import Contributions
from models.explanation.similar_seizures import MOST, PastSeizures, by_family, families
from models.explanation.tree_shap import make_contributions
from models.learning.fit import FittedModel

if TYPE_CHECKING:
    import pyarrow as pa


def crossing_gravity(tables: Tables, dataset: Dataset, *, known_before: int) -> Floats | None:
    """Return the gravity of each crossing of a dataset, None where all seizures weigh alike.

    Seizures weigh alike where neither the network file nor a class of goods says otherwise.

    Returns
    -------
    float64 array of shape (n,)
        0 where nothing was found or nothing is known.
    """
    network: Network = tables.network
    is_classed = tables.seizures["goods_class"].null_count < tables.seizures.num_rows
    if not (network.states_severity or is_classed):
        return None
    amounts = _amounts(tables, known_before=known_before)
    gravity = np.zeros(len(dataset))
    for row in np.flatnonzero(dataset.discrepancy == 1).tolist():
        outcome: Outcome = "seizure" if dataset.seizure[row] == 1 else "discrepancy"
        seized = amounts.get(str(dataset.crossing_id[row]), [])
        gravity[row] = weigh_find(network, outcome, seized, tables.goods)
    return gravity


def _amounts(tables: Tables, *, known_before: int) -> dict[str, list[TakenAmount]]:
    """Return class and grams of the seizures of each crossing."""
    found: dict[str, list[TakenAmount]] = defaultdict(list)
    names = ["linked_crossing_id", "known_at", "substance_class", "quantity_g", "goods_class"]
    for row in tables.seizures.select(names).to_pylist():
        if row["linked_crossing_id"] is not None and row["known_at"] < known_before:
            found[row["linked_crossing_id"]].append(tuple(row[name] for name in names[2:]))
    return found


def contributions_of(model: FittedModel) -> Contributions:
    """Return the explanations of a fitted model, as its bundle will give them."""
    trees, lines = model.read_parts()
    return make_contributions(
        model.names,
        heads=model.heads,
        trees=trees,
        lines=lines,
        norms={},
    )


def past_seizures(
    dataset: Dataset, seizures: "pa.Table", model: FittedModel, *, known_before: int
) -> PastSeizures:
    """Gather the last seizures that belong to a crossing: one a crossing, as it was known first.

    ``seizures`` is the table of a history, sorted by ``known_at``, with ``linked_crossing_id``,
    ``seized_at``, ``place`` and ``substance_class``; those known at or after ``known_before`` (UTC
    microseconds) are left out, and of the rest at most ``MOST`` are kept, the last, with the
    reasons of ``model``.
    """
    linked = set(seizures["linked_crossing_id"].to_pylist())
    row = {name: at for at, name in enumerate(dataset.crossing_id) if name in linked}
    found: dict[str, dict[str, Any]] = {}
    for value in seizures.to_pylist():
        crossing = value["linked_crossing_id"]
        if value["known_at"] < known_before and crossing in row:
            found.setdefault(crossing, value)
    kept = dict(list(found.items())[-MOST:])
    rows = np.array([row[crossing] for crossing in kept], np.intp)
    explanations = contributions_of(model)
    added = [
        explanations.target(values, "seizure")[: len(model.names)]
        for values in dataset.values[rows]
    ]
    seized = list(kept.values())
    return PastSeizures(
        families=np.array(families(model.names), np.str_),
        reasons=by_family(model.names, np.array(added).reshape(len(rows), len(model.names))),
        known_at=np.array([one["known_at"] for one in seized], np.int64),
        seized_at=np.array(
            [
                int(dataset.arrived_at[at]) if one["seized_at"] is None else one["seized_at"]
                for at, one in zip(rows.tolist(), seized, strict=True)
            ],
            np.int64,
        ),
        post=_texts([dataset.post[at] for at in rows]),
        vehicle_class=_texts([dataset.vehicle_class[at] for at in rows]),
        place=_texts([one["place"] for one in seized]),
        substance_class=_texts([one["substance_class"] for one in seized]),
    )


def _texts(values: list[str | None]) -> NDArray[np.str_]:
    return np.array([value or "" for value in values], np.str_)
