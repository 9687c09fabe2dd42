"""Quality on synthetic networks, whose truth is known: the last quarter, three seeds.

Frozen: fitted on what was known when the quarter began, on nothing known later. A post inspects
5 % of each day's entries. A hit is any entry that truly carries, or whose declaration is wrong,
found or not: the generator knows. Compared with our ranking: the generator's own probabilities (the
optimum), gradient boosting on the records' columns without any history, and our own model
with links and the history of labels switched off. SYNTHETIC: no figure here is about any border.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from engine.domain.time_units import DAY
from experiments.benchmarks.quality import peers
from experiments.support.benchmark_harness import Row, row
from experiments.synthetic.records.writer import open_network
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.catalogue.spec import Feature, Read
from features.history.tables import Tables
from features.intake.load import read_folder
from models.array_types import Floats
from models.config import TrainConfig
from models.data.build_dataset import assemble, freeze_history
from models.data.dataset import TARGETS, Dataset
from models.learning.fit import fit
from models.scoring.risk import risk
from models.statistics.intervals import bootstrap
from models.statistics.ranking_metrics import within_capacity

CROSSINGS = 120_000
SEEDS = (1, 2, 3)
QUARTER = 91 * DAY
SEVERITY = TrainConfig().seizure_weight
CAPACITY = TrainConfig().capacity
OURS, TRUTH, RAW, PLAIN = "ours", "truth", "raw columns", "no links, no label history"
_HISTORY = frozenset({"inspections", "finds", "passed"})


@dataclass(frozen=True, slots=True)
class Quarter:
    """Entries of the last quarter: what was truly there, and who would have inspected them."""

    hit: NDArray[np.bool_]
    load: NDArray[np.bool_]
    chosen: Mapping[str, NDArray[np.bool_]]


def run() -> list[Row]:
    """Return the rows on the synthetic network."""
    quarters = [_quarter(seed) for seed in SEEDS]
    hit = np.concatenate([one.hit for one in quarters])
    load = np.concatenate([one.load for one in quarters])
    chosen = {
        name: np.concatenate([one.chosen[name] for one in quarters]) for name in quarters[0].chosen
    }
    must = {
        TRUTH: (">= 0.5", ">= 0.3"),
        RAW: (">= 1.3", ">= 1.5"),
        PLAIN: (">= 1.1", ">= 1.2"),
    }
    rows = []
    for name, bounds in must.items():
        for what, found, bound in zip(("hits", "loads"), (hit, load), bounds, strict=True):
            ours, theirs = found[chosen[OURS]].sum(), found[chosen[name]].sum()
            about = f"synthetic, {what} at 5 %: over {name}"
            rows.append(row(about, "ratio", float(ours / max(1, theirs)), bound))
            if name != TRUTH:
                low = _least(found, chosen[OURS], chosen[name])
                rows.append(row(f"{about}, low end of the gain", what, low, ">= 0"))
    return rows


def _least(found: NDArray[np.bool_], ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """Return the low end of the paired 95 % interval of the gain in finds, over entries."""
    differ = np.flatnonzero(ours != theirs)
    gain = found[differ] * (ours[differ].astype(np.float64) - theirs[differ])
    low, _ = bootstrap(lambda weight: float(weight @ gain), len(gain), seed=1)
    return float(low[0])


def _quarter(seed: int) -> Quarter:
    with open_network(None, crossings=CROSSINGS, seed=seed) as folder:
        tables = read_folder(folder).tables
        truth = pa_csv.read_csv(folder / "truth.csv")
    begins = int(pc.max(tables.crossings["arrived_at"]).as_py()) - QUARTER
    seen = assemble(freeze_history(tables, labels_before=begins), Plan(CATALOGUE))
    asked = (seen.arrived_at >= begins) & (seen.direction == "entry")
    place = pc.index_in(seen.crossing_id[asked].tolist(), truth["crossing_id"])
    result = truth.take(place)

    def true(column: str) -> Floats:
        return np.asarray(pc.fill_null(result[column], 0).to_numpy(), np.float64)

    fields = {
        TRUTH: _risk(true("p_seizure"), true("p_discrepancy")),
        OURS: _model_risk(seen, asked, begins),
        PLAIN: _model_risk(_without_history(seen), asked, begins),
        RAW: _boost(seen, tables, asked=asked, begins=begins),
    }
    chosen = {
        name: within_capacity(
            one, seen.post[asked], seen.arrived_at[asked], capacity=CAPACITY, seed=seed
        )
        for name, one in fields.items()
    }
    load = true("carries") > 0
    return Quarter(load | (true("discrepancy") > 0), load, chosen)


def _risk(p_seizure: Floats, p_discrepancy: Floats) -> Floats:
    return risk(p_seizure, p_discrepancy, severity=SEVERITY)


def _model_risk(seen: Dataset, asked: NDArray[np.bool_], begins: int) -> Floats:
    model = fit(seen, TrainConfig(), until=begins, known_before=begins)
    return model.risk(seen.values[asked])


def _boost(seen: Dataset, tables: Tables, *, asked: NDArray[np.bool_], begins: int) -> Floats:
    """Let scikit-learn's boosting, as it comes, rank by both targets on raw columns."""
    columns, _ = peers.raw(tables, seen.crossing_id)
    peer = peers.numeric()["scikit-learn"]
    chance = {}
    for target in TARGETS:
        rows = (seen.arrived_at < begins) & seen.evidence(target)
        chance[target] = peer(columns[rows], seen.label(target)[rows], columns[asked])
    return _risk(chance["seizure"], chance["discrepancy"])


def _without_history(seen: Dataset) -> Dataset:
    """Return the rows without features of links, or of what earlier inspections found."""
    kept = [at for at, name in enumerate(seen.names) if not _uses_history(CATALOGUE[name])]
    return replace(
        seen,
        names=tuple(seen.names[at] for at in kept),
        values=np.ascontiguousarray(seen.values[:, kept]),
    )


def _uses_history(feature: Feature) -> bool:
    reads = (item for item in feature.inputs if isinstance(item, Read))
    return feature.family == "links" or any(read.stream in _HISTORY for read in reads)
