"""Peers of the quality benchmark, fitted on the same rows.

Assumes what an analyst would do first: library defaults, a few hundred trees, one thread for
repeatable sums. On raw columns categories are native (CatBoost) or ordinal codes, as the published
baselines had them; on our features every peer sees what our model sees.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from catboost import CatBoostClassifier
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from xgboost import XGBClassifier

from features.history.tables import Tables
from models.array_types import Floats

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
