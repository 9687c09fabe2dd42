"""A synthetic network whose last quarter is judged by the truth of every entry, and the peers.

Frozen: fitted on what was known when the quarter began, on nothing known later. A hit is an entry
that truly carries, or whose declaration is wrong, found or not: the generator knows, and the best
that any ranking could do is its own chances. SYNTHETIC: no figure here is about any border.

Peers are fitted on the same rows, as an analyst would do first: library defaults, a few hundred
trees, one thread for repeatable sums. On raw columns categories are native (CatBoost) or ordinal
codes, as the published baselines had them; on our features every peer sees what our model sees.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from catboost import CatBoostClassifier
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from xgboost import XGBClassifier

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


TREES = 300
SEED = 1
_NAMES_NOTHING = frozenset(
    {"crossing_id", "declaration_id", "known_at", "recorded_at", "arrived_at", "lodged_at"}
)

Columns = NDArray[np.float64]
Rows = NDArray[np.floating[Any]]
Peer = Callable[[Rows, NDArray[np.int8], Rows], Floats]
"""Training rows, their labels, asked rows: the asked rows' chances."""


def raw(tables: Tables, crossing_ids: NDArray[np.object_]) -> tuple[Columns, Sequence[int]]:
    """Return the records' own columns, and which of them are codes of categories.

    ``crossing_ids`` (object, shape (n,)) is the order of the rows of the float64 array of shape (n,
    columns): NaN where unknown; texts as ordinal codes in the order of their spelling; of several
    goods items the first. No column says when, whether or how a crossing was inspected.
    """
    order = pc.index_in(pa.array(crossing_ids, pa.string()), tables.crossings["crossing_id"])
    crossings = tables.crossings.take(order)
    wanted = crossings["declaration_id"]
    papers = (tables.declarations, tables.goods_items)
    tabled = [table.take(pc.index_in(wanted, table["declaration_id"])) for table in papers]
    columns: list[Floats] = []
    codes: list[int] = []
    for table in (crossings, *tabled):
        for name in table.column_names:
            if name in _NAMES_NOTHING or pa.types.is_nested(table[name].type):
                continue
            if pa.types.is_string(table[name].type):
                codes.append(len(columns))
            columns.append(_numbers(table[name]))
    hour = crossings["arrived_at"].to_numpy() // 3_600_000_000 % 24
    return np.column_stack([*columns, hour.astype(np.float64)]), codes


def _numbers(column: pa.ChunkedArray) -> Floats:
    if pa.types.is_string(column.type):
        texts = np.array(["" if text is None else text for text in column.to_pylist()])
        spelled, code = np.unique(texts, return_inverse=True)
        unknown = spelled[code] == ""
        return np.where(unknown, np.nan, code.astype(np.float64))
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)


def catboost_native(codes: Sequence[int]) -> Peer:
    """Return CatBoost with categories as it wants them."""

    def predict(taught: Rows, label: NDArray[np.int8], asked: Rows) -> Floats:
        import pandas as pd

        def frame(rows: Rows) -> pd.DataFrame:
            made = pd.DataFrame(rows)
            for code in codes:
                made[code] = made[code].fillna(-1).astype(int).astype(str)
            return made

        model = _catboost()
        model.fit(frame(taught), label, cat_features=list(codes))
        return np.asarray(model.predict_proba(frame(asked))[:, 1], np.float64)

    return predict


def _catboost() -> CatBoostClassifier:
    return CatBoostClassifier(
        iterations=TREES, random_seed=SEED, thread_count=1, verbose=0, allow_writing_files=False
    )


def _lightgbm() -> object:
    # Its wheel, alone of the peers', wants the machine's libgomp, which a bare Debian lacks.
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=TREES, random_state=SEED, n_jobs=1, verbose=-1, deterministic=True
    )


def numeric() -> Mapping[str, Peer]:
    """Return the peers that take numbers, by name."""
    makers: Mapping[str, Callable[[], object]] = {
        "LightGBM": _lightgbm,
        "XGBoost": lambda: XGBClassifier(n_estimators=TREES, random_state=SEED, n_jobs=1),
        "CatBoost": _catboost,
        "scikit-learn": lambda: HistGradientBoostingClassifier(random_state=SEED),
    }
    return {name: _plain(make) for name, make in makers.items()}


def _plain(make: Callable[[], object]) -> Peer:
    def predict(taught: Rows, label: NDArray[np.int8], asked: Rows) -> Floats:
        is_known = ~np.isnan(taught).all(axis=0)  # scikit-learn cannot bin a column without a value
        model: object = make()
        model.fit(taught[:, is_known], label)  # type: ignore[attr-defined]
        chance = model.predict_proba(asked[:, is_known])[:, 1]  # type: ignore[attr-defined]
        return np.asarray(chance, np.float64)

    return predict
