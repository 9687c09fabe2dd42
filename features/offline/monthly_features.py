"""A folder of features by month, with what training needs of the history behind them.

- ``features/2026-03/part-000000120000.parquet``: crossings in the order in which they became known,
  their times and texts, the keys of a few combinations of entities, and their features.
- ``history``: the acts and finds, the network and the classes of goods.
- ``manifest.json`` is written last: a folder without it is not whole.

Unlike the one file of ``darvoza features``, a value that is not known is NaN, and its bits are
those of the kernel: what is trained from the folder is trained from the same bits.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.domain.goods_classes import GoodsClasses
from engine.domain.network import read_home_network, write_network
from engine.errors import InputError
from features.catalogue.plan import Plan
from features.history.tables import SCHEMAS, Tables
from features.offline.column_file import ColumnFile
from features.offline.window_queries import key_column

TEXTS = ("post", "vehicle_class", "direction", "plate_country")
"""Texts of a crossing that a data set has beside its features."""
CARRIED = ("crossing_id", "arrived_at", "as_of", *TEXTS)
FEATURES, HISTORY, MANIFEST = "features", "history", "manifest.json"
_NETWORK, _ABOUT = "network.toml", "about.json"
_ROWS_AT_ONCE = 65_536


def write_history(tables: Tables, folder: Path) -> None:
    """Write a history, or a part of one, into a new folder; see :func:`read_history_folder`."""
    folder.mkdir(parents=True)
    for name in SCHEMAS:
        pq.write_table(tables.table(name), folder / f"{name}.parquet", compression="zstd")
    if tables.network.posts:
        (folder / _NETWORK).write_text(write_network(tables.network), "utf-8")
    about = {"digest": tables.digest, "goods": tables.goods.model_dump(mode="json")}
    (folder / _ABOUT).write_text(json.dumps(about), "utf-8")


def read_history_folder(folder: Path) -> Tables:
    """Return what :func:`write_history` wrote."""
    about = json.loads((folder / _ABOUT).read_text("utf-8"))
    return Tables(
        **{name: pq.read_table(folder / f"{name}.parquet") for name in SCHEMAS},
        network=read_home_network(folder / _NETWORK),
        digest=about["digest"],
        goods=GoodsClasses.model_validate(about["goods"]),
    )


def without_rows(tables: Tables, *names: str) -> Tables:
    """Return a history in which some tables have no rows."""
    return replace(tables, **{name: tables.table(name).slice(0, 0) for name in names})


@dataclass(frozen=True, slots=True)
class MonthlyFeatures:
    """Features of a history in a folder that is whole."""

    folder: Path
    about: Mapping[str, Any]
    """The manifest: ``definitions``, ``history``, ``synthetic`` and ``crossings``."""

    @classmethod
    def open(cls, folder: Path, plan: Plan) -> "MonthlyFeatures":
        """Open a folder; raises ``InputError`` where it is not whole, or of other definitions."""
        try:
            about = json.loads((folder / MANIFEST).read_text("utf-8"))
        except (OSError, ValueError):
            why = f"has no {MANIFEST}: no features are in it, or not all"
            raise InputError(str(folder), why) from None
        if about["definitions"] != plan.digest:
            raise InputError(str(folder), "its features have other definitions than this version")
        return cls(folder, about)

    def crossings(self) -> pa.Table:
        """Return the columns ``CARRIED`` of all crossings, as they became known."""
        return self._read(CARRIED)

    def history(self) -> Tables:
        """Return the history with :meth:`crossings` alone of these, without declarations."""
        kept = read_history_folder(self.folder / HISTORY)
        return replace(kept, crossings=self.crossings())

    def keys(self, by: tuple[str, ...]) -> NDArray[np.int64]:
        """Return the key of each of n crossings under some entities: shape (n,), 0: not known."""
        name = key_column(by, by)
        return np.asarray(self._read([name])[name].to_numpy(), np.int64)

    def write_rows(self, rows: NDArray[np.bool_], names: Sequence[str], out: ColumnFile) -> None:
        """Write the features of k of the n crossings, those of a mask, into a file of k rows."""
        begin = first = 0
        for path in self._files():
            for batch in pq.ParquetFile(path).iter_batches(_ROWS_AT_ONCE, columns=list(names)):
                wanted = rows[first : first + batch.num_rows]
                first += batch.num_rows
                count = int(wanted.sum())
                if count:
                    values = np.array([batch[name].to_numpy()[wanted] for name in names])
                    out.write(range(len(names)), slice(begin, begin + count), values)
                    begin += count

    def _files(self) -> Iterator[Path]:
        """Yield the files in the order in which their crossings became known."""
        return iter(sorted((self.folder / FEATURES).glob("*/*.parquet")))

    def _read(self, names: Sequence[str]) -> pa.Table:
        parts = [pq.ParquetFile(path).read(columns=list(names)) for path in self._files()]
        return pa.concat_tables(parts)
