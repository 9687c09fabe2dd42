"""Past seizures that a bundle keeps, with the reasons that the model gives for them.

Assumes that a model's reasons for a seizure that helped to fit it are still reasons: they are what
it would say of such an arrival today.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.data.dataset import Dataset
from models.explanation.contributions import Contributions
from models.explanation.similar_seizures import MOST, PastSeizures, by_family, families
from models.explanation.tree_shap import make_contributions
from models.learning.fitted_model import FittedModel

if TYPE_CHECKING:
    import pyarrow as pa


def contributions_of(model: FittedModel) -> Contributions:
    """Return the explanations of a fitted model, as its bundle will give them."""
    trees, lines = model.read_parts()
    return make_contributions(
        model.names,
        heads=model.heads,
        trees=trees,
        lines=lines,
        severity=model.severity,
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
    added = [explanations.risk(values)[: len(model.names)] for values in dataset.values[rows]]
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
