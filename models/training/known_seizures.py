"""Seizures known at training: what a find weighs, and the past seizures that a bundle keeps.

One number weighs a seizure in the risk (:func:`engine.selection.risk`), because a model
estimates one chance of a seizure. It is the mean weight, by the network file, of the seizures that
were known when the model was trained, and it stands in the model's bundle: a later network file
changes no decision that was made.

Past seizures are kept with the reasons that the model gives for them. A model's reasons for a
seizure that helped to fit it are still reasons: they are what it would say of such an arrival
today.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.network import DEFAULT_SEVERITY, Amount, Network, sum_amounts, weigh_find
from engine.domain.records import Outcome
from features.history.tables import Tables
from models.array_types import Floats
from models.config import TrainConfig
from models.data.dataset import Dataset
from models.explanation.contributions import Contributions
from models.explanation.similar_seizures import MOST, PastSeizures, by_family, families
from models.explanation.tree_shap import make_contributions
from models.learning.fit import FittedModel

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class FindSeverity:
    """The severity of a model, and the table that it comes from."""

    weight: float
    """How many discrepancies a seizure weighs in the risk."""
    is_given: bool
    """Whether the training configuration states it; else it is the mean of the finds."""
    rows: tuple[Mapping[str, Any], ...]
    """``substance_class``, ``from_g`` (null below all bands), ``weight`` and ``finds`` of each."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as the card keeps it."""
        finds = sum(row["finds"] for row in self.rows)
        by = "configuration" if self.is_given else "finds" if finds else "default"
        return {"weight": self.weight, "by": by, "finds": finds, "table": list(self.rows)}


def find_severity(tables: Tables, config: TrainConfig, *, known_before: int) -> FindSeverity:
    """Return what a seizure weighs by the seizures known before a time, UTC microseconds.

    A configuration that states a severity keeps it; where no seizure is known it is the default.
    """
    network = tables.network
    counted: Counter[tuple[str, float | None, float]] = Counter()
    for amounts in _amounts(tables, known_before=known_before).values():
        of, grams = max(sum_amounts(amounts), key=lambda one: network.severity_of(*one))
        band = network.band_of(of, grams)
        counted[of, band.from_g if band else None, network.severity_of(of, grams)] += 1
    total = counted.total()
    mean = fsum(w * n for (_, _, w), n in counted.items()) / total if total else DEFAULT_SEVERITY
    names = ("substance_class", "from_g", "weight")
    order = sorted(counted, key=lambda key: (key[0], -1.0 if key[1] is None else key[1]))
    return FindSeverity(
        weight=mean if config.severity is None else config.severity,
        is_given=config.severity is not None,
        rows=tuple(dict(zip(names, key, strict=True)) | {"finds": counted[key]} for key in order),
    )


def settle_severity(config: TrainConfig, found: FindSeverity) -> TrainConfig:
    """Return the configuration with the severity that its model has."""
    return replace(config, severity=found.weight)


def crossing_gravity(tables: Tables, dataset: Dataset, *, known_before: int) -> Floats | None:
    """Return the gravity of each crossing of a dataset, None where all seizures weigh alike.

    Returns
    -------
    float64 array of shape (n,)
        0 where nothing was found or nothing is known.
    """
    network: Network = tables.network
    if not network.states_severity:
        return None
    amounts = _amounts(tables, known_before=known_before)
    gravity = np.zeros(len(dataset))
    for row in np.flatnonzero(dataset.discrepancy == 1).tolist():
        outcome: Outcome = "seizure" if dataset.seizure[row] == 1 else "discrepancy"
        seized = amounts.get(str(dataset.crossing_id[row]), []) if outcome == "seizure" else []
        gravity[row] = weigh_find(network, outcome, seized)
    return gravity


def _amounts(tables: Tables, *, known_before: int) -> dict[str, list[Amount]]:
    """Return class and grams of the seizures of each crossing."""
    found: dict[str, list[Amount]] = defaultdict(list)
    names = ["linked_crossing_id", "known_at", "substance_class", "quantity_g"]
    for row in tables.seizures.select(names).to_pylist():
        if row["linked_crossing_id"] is not None and row["known_at"] < known_before:
            found[row["linked_crossing_id"]].append((row["substance_class"], row["quantity_g"]))
    return found


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
