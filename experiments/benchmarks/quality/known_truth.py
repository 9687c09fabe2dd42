"""A synthetic network whose last quarter is judged by the truth of every entry.

Frozen: fitted on what was known when the quarter began, on nothing known later. A hit is an entry
that truly carries, or whose declaration is wrong, found or not: the generator knows, and the best
that any ranking could do is its own chances. SYNTHETIC: no figure here is about any border.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from engine.ports import Scores
from experiments.synthetic.hidden_risks import QUARTER
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.history.tables import Tables
from features.intake.load import read_folder
from models.array_types import Floats
from models.config import TrainConfig
from models.data.build_dataset import assemble, freeze_history
from models.data.dataset import Dataset
from models.learning.fit import fit
from models.statistics.intervals import bootstrap


@dataclass(frozen=True, slots=True)
class KnownTruth:
    """A network and the entries of its last quarter, each array of these of shape (asked,)."""

    tables: Tables
    seen: Dataset
    begins: int
    """UTC microseconds: nothing known from here on teaches."""
    asked: NDArray[np.bool_]
    """Rows of ``seen`` that are asked about, shape (n,)."""
    carries: NDArray[np.bool_]
    holds: NDArray[np.bool_]
    """Whether there is anything to find, a load or wrong papers: what the label discrepancy is."""
    best: Scores
    """The generator's own chances, of a load and of any find."""
    group: NDArray[np.int64]
    """Number of the group whose trip it is, -1 for none."""

    def score(self, seen: Dataset) -> Scores:
        """Fit a model on some features' columns of the same rows, and score the entries asked."""
        model = fit(seen, TrainConfig(), until=self.begins, known_before=self.begins)
        return model.score(seen.values[self.asked])


def read_known_truth(folder: Path) -> KnownTruth:
    """Read a synthetic network as a backtest with frozen labels would, and its truth."""
    tables = read_folder(folder).tables
    truth = pa_csv.read_csv(folder / "truth.csv")
    begins = int(pc.max(tables.crossings["arrived_at"]).as_py()) - QUARTER
    seen = assemble(freeze_history(tables, labels_before=begins), Plan(CATALOGUE))
    asked = (seen.arrived_at >= begins) & (seen.direction == "entry")
    known = truth.take(pc.index_in(seen.crossing_id[asked].tolist(), truth["crossing_id"]))

    def column(name: str) -> Floats:
        return np.asarray(pc.fill_null(known[name], 0).to_numpy(), np.float64)

    p_load, p_wrong = column("p_seizure"), column("p_discrepancy")
    best = Scores(p_seizure=p_load, p_discrepancy=1 - (1 - p_load) * (1 - p_wrong))
    carries, is_wrong = column("carries") > 0, column("discrepancy") > 0
    group = np.full(len(carries), -1)
    if "group" in truth.column_names:
        group = column("group").astype(np.int64)
    return KnownTruth(tables, seen, begins, asked, carries, carries | is_wrong, best, group)


def leave_out(seen: Dataset, is_left_out: Callable[[str], bool]) -> Dataset:
    """Return the rows without the features that a rule names."""
    kept = [at for at, name in enumerate(seen.names) if not is_left_out(name)]
    return replace(
        seen,
        names=tuple(seen.names[at] for at in kept),
        values=np.ascontiguousarray(seen.values[:, kept]),
    )


def bound_gain(
    found: NDArray[np.bool_], ours: NDArray[np.bool_], theirs: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the paired 95 % interval of the gain in finds; all arrays of shape (entries,)."""
    differ = np.flatnonzero(ours != theirs)
    if len(differ) == 0:
        return 0.0, 0.0
    gain = found[differ] * (ours[differ].astype(np.float64) - theirs[differ])
    low, high = bootstrap(lambda weight: float(weight @ gain), len(gain), seed=1)
    return float(low[0]), float(high[0])
