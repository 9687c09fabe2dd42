"""The past as this home has been told of it, in validated columns.

Stands on one assumption: a row is visible to features by its ``known_at`` alone. Everything here
was validated by the record models on its way in (:mod:`features.intake`): no need to check again.

Columns are derived from :mod:`engine.records`: a field added to a record appears here by itself.
Times are int64 UTC microseconds, lists are list<string>, quantities float64, counts int64.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType, NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import pyarrow as pa

from engine.network import Network
from engine.records import Crossing, DeclarationHead, GoodsItemRow, Inspection, Record, Seizure

MODELS: Mapping[str, type[Record]] = MappingProxyType(
    {
        "crossings": Crossing,
        "declarations": DeclarationHead,
        "goods_items": GoodsItemRow,
        "inspections": Inspection,
        "seizures": Seizure,
    }
)
"""The record of each table, in the order in which tables refer to each other's rows."""

KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "crossings": ("crossing_id",),
        "declarations": ("declaration_id",),
        "goods_items": ("declaration_id", "item_no"),
        "inspections": ("inspection_id",),
        "seizures": ("seizure_id",),
    }
)
"""The columns whose values together are unique in each table."""

_SCALARS = {
    str: pa.string(),
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    datetime: pa.int64(),
}
_KNOWN_AT = pa.field("known_at", pa.int64(), nullable=False)
_LINK = pa.field("linked_crossing_id", pa.string())


def bare(annotation: Any) -> Any:
    """Return the type of a record's field without ``Annotated`` and ``| None``."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    options = [option for option in get_args(annotation) if option is not NoneType]
    if NoneType in get_args(annotation):
        return bare(options[0])
    return annotation


def _column(annotation: Any) -> Any:
    kind = bare(annotation)
    if get_origin(kind) is tuple:
        return pa.list_(pa.string())
    return pa.string() if get_origin(kind) is Literal else _SCALARS[kind]


def _schema(model: type[Record], *added: Any) -> Any:
    fields = [
        pa.field(name, _column(info.annotation), NoneType in get_args(info.annotation))
        for name, info in model.model_fields.items()
    ]
    return pa.schema([*fields, *added])


CROSSINGS = _schema(Crossing, _KNOWN_AT)
DECLARATIONS = _schema(DeclarationHead)
GOODS_ITEMS = _schema(GoodsItemRow)
INSPECTIONS = _schema(Inspection, _KNOWN_AT)
SEIZURES = _schema(Seizure, _KNOWN_AT, _LINK)

SCHEMAS: Mapping[str, Any] = MappingProxyType(
    {
        "crossings": CROSSINGS,
        "declarations": DECLARATIONS,
        "goods_items": GOODS_ITEMS,
        "inspections": INSPECTIONS,
        "seizures": SEIZURES,
    }
)
"""pyarrow schema of each table of :class:`Tables`."""


@dataclass(frozen=True, slots=True)
class Tables:
    """A validated history: five pyarrow tables with the columns of ``SCHEMAS``, and its network.

    Attributes
    ----------
    crossings : Table of shape (n_crossings, 18)
        Fields of ``Crossing``, and ``known_at`` = max(arrived_at, recorded_at). Sorted by known_at,
        then crossing_id, as every table with a ``known_at`` is.
    declarations : Table of shape (n_declarations, 13)
        Fields of ``DeclarationHead``, sorted by declaration_id, which is unique.
    goods_items : Table of shape (n_items, 12)
        Fields of ``GoodsItemRow``, sorted by declaration_id, then item_no.
    inspections : Table of shape (n_inspections, 12)
        Fields of ``Inspection``, and ``known_at`` = recorded_at, never before its crossing's.
    seizures : Table of shape (n_seizures, 13)
        Fields of ``Seizure``, ``known_at`` (never before its crossing's), and
        ``linked_crossing_id``: the crossing it belongs to, null for none.
    network : Network
        The posts; empty where no network file was given.
    digest : str
        Digest of the content; equal histories have equal digests whatever the order of their files.
    """

    crossings: Any
    declarations: Any
    goods_items: Any
    inspections: Any
    seizures: Any
    network: Network
    digest: str

    def table(self, name: str) -> Any:
        """Return one table by its name in ``SCHEMAS``."""
        return {
            "crossings": self.crossings,
            "declarations": self.declarations,
            "goods_items": self.goods_items,
            "inspections": self.inspections,
            "seizures": self.seizures,
        }[name]
