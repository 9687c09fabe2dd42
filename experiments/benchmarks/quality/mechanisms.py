"""Quality on networks of other mechanisms than the main generator's: the last quarter of each.

Frozen, and judged by the truth of every entry, as the synthetic networks are. The best that any
ranking could do is the generator's own chances. SYNTHETIC: no figure here is about any border.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from engine.domain.time_units import DAY
from engine.ports import Scores
from experiments.support.benchmark_harness import Row, row
from experiments.synthetic.mechanisms.folder import open_network
from experiments.synthetic.mechanisms.hidden_risks import Mechanism
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.intake.load import read_folder
from models.array_types import Floats
from models.config import TrainConfig
from models.data.build_dataset import assemble, freeze_history
from models.data.dataset import Dataset
from models.learning.fit import fit
from models.scoring.risk import risk
from models.statistics.ranking_metrics import within_capacity

CROSSINGS = 120_000
SEED = 1
QUARTER = 91 * DAY
MUST = {"hits": ">= 0.45", "loads": ">= 0.6", "papers": ">= 0.3"}
"""Bars of every network: hits over the generator's, AUC of loads, AP of wrong papers."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network whose last quarter is judged: rows, the entries asked about, and their truth."""

    seen: Dataset
    begins: int
    """UTC microseconds: nothing known from here on teaches."""
    asked: NDArray[np.bool_]
    carries: NDArray[np.bool_]
    is_wrong: NDArray[np.bool_]
    best: Scores
    """The generator's own chances."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a ranking finds."""

    hits: int
    """Entries that carry or are declared wrongly, among the riskiest 5 % of each post's day."""
    auc: float
    """Of loads, by the chance of a seizure."""
    average_precision: float
    """Of wrong papers, by the chance of a discrepancy."""


def run(
    mechanisms: Iterable[Mechanism], *, crossings: int = CROSSINGS, seed: int = SEED
) -> list[Row]:
    """Return the rows of each mechanism's network."""
    rows = []
    for mechanism in mechanisms:
        network = read_network(mechanism, crossings=crossings, seed=seed)
        model = fit(network.seen, TrainConfig(), until=network.begins, known_before=network.begins)
        ours = measure(network, model.score(network.seen.values[network.asked]))
        rows += _rows(f"SYNTHETIC {mechanism}", ours, measure(network, network.best))
    return rows


def _rows(name: str, ours: Figures, best: Figures) -> list[Row]:
    ratio = ours.hits / max(1, best.hits)
    return [
        row(f"{name}: hits at 5 %", "hits", ours.hits, ">= 1"),
        row(f"{name}: hits at 5 % over the generator's chances", "ratio", ratio, MUST["hits"]),
        row(f"{name}: AUC of loads", "AUC", ours.auc, MUST["loads"]),
        row(f"{name}: AUC of loads, the generator's chances", "AUC", best.auc, ">= 0.5"),
        row(f"{name}: AP of wrong papers", "AP", ours.average_precision, MUST["papers"]),
        row(
            f"{name}: AP of wrong papers, the generator's chances",
            "AP",
            best.average_precision,
            ">= 0",
        ),
    ]


def read_network(mechanism: Mechanism, *, crossings: int, seed: int) -> Network:
    """Draw a network and read it as a backtest with frozen labels would."""
    with open_network(mechanism=mechanism, crossings=crossings, seed=seed) as folder:
        tables = read_folder(folder).tables
        truth = pa_csv.read_csv(folder / "truth.csv")
    begins = int(pc.max(tables.crossings["arrived_at"]).as_py()) - QUARTER
    seen = assemble(freeze_history(tables, labels_before=begins), Plan(CATALOGUE))
    asked = (seen.arrived_at >= begins) & (seen.direction == "entry")
    result = truth.take(pc.index_in(seen.crossing_id[asked].tolist(), truth["crossing_id"]))

    def column(name: str) -> Floats:
        return np.asarray(result[name].to_numpy(), np.float64)

    best = Scores(p_seizure=column("p_seizure"), p_discrepancy=column("p_discrepancy"))
    carries, is_wrong = column("carries") > 0, column("discrepancy") > 0
    return Network(seen, begins, asked, carries, is_wrong, best)


def measure(network: Network, scores: Scores) -> Figures:
    """Measure chances, shape (entries asked about,), against the truth of the network."""
    config, asked = TrainConfig(), network.asked
    ranked = risk(scores.p_seizure, scores.p_discrepancy, severity=config.seizure_weight)
    chosen = within_capacity(
        ranked,
        network.seen.post[asked],
        network.seen.arrived_at[asked],
        capacity=config.capacity,
        seed=SEED,
    )
    return Figures(
        hits=int((network.carries | network.is_wrong)[chosen].sum()),
        auc=float(roc_auc_score(network.carries, scores.p_seizure)),
        average_precision=float(average_precision_score(network.is_wrong, scores.p_discrepancy)),
    )
