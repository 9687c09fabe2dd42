"""What declarations state, column by column: papers, goods items, precursors, invoices.

Each value is that of :func:`features.catalogue.encoder.encode`, to the bit.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.catalogue.encoder import (
    NO_PRECURSOR_FACTS,
    find_precursors,
    precursor_facts,
)
from features.catalogue.spec import Floats
from features.history.tables import Tables
from features.offline.compact_columns import (
    Texts,
    encode_texts,
    is_known,
    map_numbers,
    map_texts,
    read_lists,
    read_representations,
    read_texts,
    split_list,
    spread_texts,
)

Ints = NDArray[np.int64]
_NO_NUMBER = math.nan


@dataclass(frozen=True, slots=True)
class DeclaredColumns:
    """What the encoder says of d declarations, wherever and whenever their vehicles cross."""

    texts: Mapping[str, Texts]
    """By entity; ``path``, ``package_kind`` and the like as they stand in the declaration."""
    facts: Mapping[str, Floats]
    """By fact; arrays of shape (d,)."""


def encode_declared(tables: Tables) -> DeclaredColumns:
    """Encode the declarations of a history with their goods items."""
    items = _Items(tables)
    texts = _read_heads(tables.declarations) | _read_main(items)
    facts = _count_goods(items)
    precursors, found = _find_precursors(items)
    facts.update(found)
    facts.update(_compare_invoices(tables.declarations, texts, facts["customs_value_usd"]))
    return DeclaredColumns(texts | precursors, facts)


class _Items:
    """Goods items of d declarations: whose each is, and which is the main one of each."""

    def __init__(self, tables: Tables) -> None:
        self.table, self.d = tables.goods_items, tables.declarations.num_rows
        owner = pc.index_in(
            self.table["declaration_id"], tables.declarations["declaration_id"]
        ).to_numpy()
        self.owner: Ints = owner.astype(np.int64)
        self.count: Ints = np.bincount(self.owner, minlength=self.d)
        self.code = read_texts(self.table["hs_code"])
        value, net = (
            np.nan_to_num(self.numbers(name), nan=0.0)
            for name in ("customs_value_usd", "net_mass_kg")
        )
        order = np.lexsort((self.table["item_no"].to_numpy(), -net, -value, self.owner))
        self.has_items = self.count > 0
        self.main = order[(np.cumsum(self.count) - self.count)[self.has_items]]
        """Position of the main item of each declaration that has items."""

    def numbers(self, name: str) -> Floats:
        """Return a column of the items as float64, NaN where unknown."""
        return read_numbers(self.table[name])

    def of_main(self, column: NDArray[Any]) -> Floats:
        """Return what a column says of the main item of each declaration; NaN without items."""
        out = np.full(self.d, _NO_NUMBER)
        out[self.has_items] = column[self.main]
        return out

    def main_texts(self, texts: Texts) -> Texts:
        """Return a text of the main item of each declaration."""
        return spread_texts(
            Texts(texts.codes[self.main], texts.values), np.flatnonzero(self.has_items), self.d
        )

    def total(self, name: str) -> Floats:
        """Sum what is known of each declaration, exactly rounded; NaN where nothing is."""
        values = self.numbers(name)
        known = ~np.isnan(values)
        values, count = values[known], np.bincount(self.owner[known], minlength=self.d)
        first = np.cumsum(count) - count
        out = np.full(self.d, _NO_NUMBER)
        for some in (1, 2):
            at = first[count == some]
            # Adding zero makes -0.0 what it is as a sum.
            out[count == some] = values[at] + (values[at + 1] if some > 1 else 0.0) + 0.0
        for row in np.flatnonzero(count > 2).tolist():
            out[row] = math.fsum(values[first[row] : first[row] + count[row]].tolist())
        return out

    def count_distinct(self, texts: Texts) -> Floats:
        """Count the distinct texts that are known of each declaration; NaN without items."""
        known = is_known(texts)
        pairs = np.unique(self.owner[known] * texts.keys + texts.codes[known])
        found = np.bincount(pairs // texts.keys, minlength=self.d).astype(np.float64)
        return np.where(self.has_items, found, _NO_NUMBER)


def read_numbers(column: Any) -> Floats:
    """Return a column of n numbers or truth values as a float64 array of shape (n,).

    NaN where unknown.
    """
    found: Floats = pc.fill_null(column.cast("float64"), _NO_NUMBER).to_numpy()
    return found


def divide(part: Floats, whole: Floats) -> Floats:
    """Return quotients of arrays of shape (n,), NaN where the divisor is not positive."""
    out = np.full(len(part), _NO_NUMBER)
    np.divide(part, whole, out=out, where=whole > 0.0)
    return out


def _read_heads(heads: Any) -> dict[str, Texts]:
    names = {
        "declarant": "declarant_id", "consignor": "consignor_id", "consignee": "consignee_id",
        "procedure": "procedure", "dispatch": "dispatch_country",
        "destination": "destination_country", "tir": "tir_carnet", "cmr": "cmr_number",
        "mode": "transport_mode", "nature": "nature_of_transaction", "payment": "payment_type",
        "invoice_currency": "invoice_currency", "office_of_entry": "office_of_entry",
        "office_of_exit": "office_of_exit",
    }  # fmt: skip
    lists = {"route": "route_countries", "previous": "previous_documents"}
    return {name: read_texts(heads[column]) for name, column in names.items()} | {
        name: read_lists(heads[column]) for name, column in lists.items()
    }


def _read_main(items: _Items) -> dict[str, Texts]:
    """Return what is said of the main item."""
    code = items.main_texts(items.code)
    names = {
        "origin": "origin_country",
        "preference": "preference_code",
        "marking": "origin_marking",
        "package_kind": "package_kind",
    }
    numbers = {"rate": "duty_rate", "mass": "net_mass_kg"}
    return (
        {"code": code, "hs2": map_texts(lambda hs: hs and hs[:2], code)}
        | {f"hs{n}": map_texts(_cut(n), code) for n in (4, 6)}
        | {name: items.main_texts(read_texts(items.table[of])) for name, of in names.items()}
        | {
            name: read_representations(items.of_main(items.numbers(of)))
            for name, of in numbers.items()
        }
    )


def _cut(digits: int) -> Any:
    return lambda hs: hs[:digits] if hs is not None and len(hs) >= digits else None


def _count_goods(items: _Items) -> dict[str, Floats]:
    value, net = items.total("customs_value_usd"), items.total("net_mass_kg")
    gross, packages = items.total("gross_mass_kg"), items.total("packages")
    main_value = items.of_main(items.numbers("customs_value_usd"))
    code = items.main_texts(items.code)
    chapter = map_texts(lambda hs: hs and hs[:2], items.code)
    return {
        "has_declaration": items.has_items.astype(np.float64),
        "items": items.count.astype(np.float64),
        "chapters": items.count_distinct(chapter),
        "origins": items.count_distinct(read_texts(items.table["origin_country"])),
        "customs_value_usd": value,
        "net_mass_kg": net,
        "gross_mass_kg": gross,
        "packages": packages,
        "norm_value_usd": np.where(net > 0.0, value, _NO_NUMBER),
        "norm_net_kg": np.where(np.isnan(value), _NO_NUMBER, net),
        "value_per_kg": divide(value, net),
        "mass_per_package": divide(net, packages),
        "gross_per_net": divide(gross, net),
        "duty_rate": items.of_main(items.numbers("duty_rate")),
        "main_value_share": divide(main_value, value),
        "hs_digits": map_numbers(lambda hs: _NO_NUMBER if hs is None else float(len(hs)), code),
        "hs_chapter": map_numbers(lambda hs: _NO_NUMBER if hs is None else float(hs[:2]), code),
        "hs_number": map_numbers(
            lambda hs: _NO_NUMBER if hs is None else float(hs[:6].ljust(6, "0")), code
        ),
        "mass_is_whole": _is_multiple(net, 1.0),
        "mass_is_round": _is_multiple(net, 10.0),
    }


def _is_multiple(amount: Floats, of: float) -> Floats:
    return np.where(np.isnan(amount), _NO_NUMBER, np.fmod(amount, of) == 0.0)


def _find_precursors(items: _Items) -> tuple[dict[str, Texts], dict[str, Floats]]:
    """Return the precursor entities, and the facts, of all declarations."""
    is_near = map_numbers(_is_near, items.code)
    facts = {
        name: np.where(items.has_items, _ORDINARY_FACTS[name], outside)
        for name, outside in NO_PRECURSOR_FACTS.items()
    }
    names: dict[str, list[str | None]] = {
        name: [None] * items.d for name in ("precursor", "precursor_heading")
    }
    ends = np.cumsum(items.count)
    for row in np.unique(items.owner[is_near == 1.0]).tolist():
        own = items.table.slice(int(ends[row] - items.count[row]), int(items.count[row]))
        goods = [
            SimpleNamespace(**item)
            for item in own.select(["hs_code", "net_mass_kg", "item_no"]).to_pylist()
        ]
        entities = find_precursors(goods)
        for name, column in names.items():
            column[row] = entities[name]
        for name, fact in precursor_facts(goods, entities).items():
            facts[name][row] = fact
    return {name: encode_texts(column) for name, column in names.items()}, facts


def _is_near(hs_code: str | None) -> float:
    """Tell whether a code is of a precursor, or of goods that share a heading with one."""
    if hs_code is None:
        return 0.0
    alone = [SimpleNamespace(hs_code=hs_code, net_mass_kg=None, item_no=1)]
    return float(any(find_precursors(alone).values()))


_ORDINARY = [SimpleNamespace(hs_code="99", net_mass_kg=None, item_no=1)]
_ORDINARY_FACTS = precursor_facts(_ORDINARY, find_precursors(_ORDINARY))
"""What goods say that are no precursor and share no heading with one."""


def _compare_invoices(heads: Any, texts: Mapping[str, Texts], value: Floats) -> dict[str, Floats]:
    invoice, unit = read_numbers(heads["invoice_value"]), texts["invoice_currency"]
    is_valued = is_known(unit) & (invoice > 0.0) & (value > 0.0)
    is_usd = map_numbers(lambda currency: float(currency == "USD"), unit) == 1.0
    ratio = divide(invoice, value)
    return {
        "invoice_over_value": np.where(is_valued & is_usd, ratio, _NO_NUMBER),
        "invoice_per_usd": np.where(is_valued, ratio, _NO_NUMBER),
        "invoice_amount": np.where(is_valued, invoice, _NO_NUMBER),
        "invoiced_usd": np.where(is_valued, value, _NO_NUMBER),
        "route_countries": map_numbers(
            lambda r: float(len(split_list(r))) or _NO_NUMBER, texts["route"]
        ),
        "previous_documents": map_numbers(lambda p: float(len(split_list(p))), texts["previous"]),
    }
