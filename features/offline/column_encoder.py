"""The encoder for a whole history: entities and facts of all crossings, column by column.

Each value is that of :func:`features.catalogue.encoder.encode`, to the bit. Texts come from its own
functions, called once for each distinct combination of what they read; numbers take the same
operations on whole columns. Sums of more than two numbers are exactly rounded one by one, and
precursors are looked for in the few declarations that have goods of their headings. Wall clocks
assume that a zone changes its offset at most once within a day of UTC.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.domain.identifiers import container_is_valid, skeleton, vin_is_valid
from engine.domain.network import IdentifierField, Network, wall_time
from engine.domain.time_units import DAY, HOUR
from features.catalogue.encoder import (
    ACROSS,
    BODY_NUMBER,
    CLASSES,
    COVERED,
    NO_GOODS,
    NO_PRECURSOR_FACTS,
    NO_TERMS,
    OPPOSITE,
    PARTIES,
    POSITION,
    REMEMBERED,
    SHAPES,
    count_undeclared_countries,
    find_precursors,
    fold_text,
    join_values,
    key,
    name_previous_types,
    precursor_facts,
    qualify,
)
from features.catalogue.spec import Floats
from features.history.tables import Tables
from features.offline.compact_columns import (
    Text,
    Texts,
    encode_texts,
    is_known,
    keys,
    map_codes,
    map_numbers,
    map_texts,
    read_lists,
    read_representations,
    read_texts,
    split_list,
    spread_texts,
    take_texts,
)

Ints = NDArray[np.int64]


def read_clocks(arrived_at: Ints, post: Texts, network: Network) -> Ints:
    """Return the arrivals of n crossings by the clocks of their posts, in microseconds.

    By UTC on the calendar's first and last day; :func:`features.catalogue.encoder.encode`.

    Parameters
    ----------
    arrived_at : int64 array of shape (n,)
        UTC microseconds.
    post : Texts
        Codes of their posts.
    network : Network
        Says what their clocks show.
    """
    zones = map_texts(lambda code: network.timezone(code or ""), post)
    shown = arrived_at.copy()
    for number, zone in enumerate(zones.values.to_pylist(), 1):
        rows = np.flatnonzero(zones.codes == number)
        shown[rows] = _show(arrived_at[rows], zone)
    return shown


def _show(arrived_at: Ints, zone: str) -> Ints:
    days, day = np.unique(arrived_at // DAY, return_inverse=True)
    starts, ends = ([_offset(int(at), zone) for at in days * DAY + more] for more in (0, DAY - 1))
    is_steady = np.array([a == b and a is not None for a, b in zip(starts, ends, strict=True)])
    offsets = np.array([at or 0 for at in starts], np.int64)
    shown: Ints = arrived_at + offsets[day]
    for row in np.flatnonzero(~is_steady.astype(np.bool_)[day]).tolist():
        shown[row] = arrived_at[row] + (_offset(int(arrived_at[row]), zone) or 0)
    return shown


def _offset(instant: int, zone: str) -> int | None:
    """Return local time less UTC; None where no calendar has the local time."""
    try:
        return wall_time(instant, zone) - instant
    except OverflowError:
        return None


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


Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]
Keep = Callable[[str, Floats], None]
_NAN = math.nan
_EXACT = 1 << 53
"""Whole numbers below it are float64 too."""


def encode_crossings(tables: Tables, network: Network, keep: Keep) -> dict[str, Texts]:
    """Encode the crossings of a history, in the order of its tables.

    Returned are the entities of n crossings by name. ``keep`` is called once for each fact, with
    its name and a float64 array of shape (n,), NaN where unknown: facts are never all in memory.
    """
    return _ColumnEncoder(tables, network, keep).encode()


class _ColumnEncoder:
    """One history on its way; ``rows`` are its m declared crossings, ``place`` what they name."""

    def __init__(self, tables: Tables, network: Network, keep: Keep) -> None:
        self.crossings, self.heads = tables.crossings, tables.declarations
        self.network, self.keep = network, keep
        self.n = self.crossings.num_rows
        named = pc.index_in(self.crossings["declaration_id"], self.heads["declaration_id"])
        declared = pc.fill_null(named, -1).to_numpy()
        self.rows: Rows = np.flatnonzero(declared >= 0)
        self.place: Rows = declared[self.rows].astype(np.intp)
        self.declared = encode_declared(tables)
        self.post = read_texts(self.crossings["post"])
        self.direction = read_texts(self.crossings["direction"])
        self.entities: dict[str, Texts] = {}

    def encode(self) -> dict[str, Texts]:
        """Fill in the entities, and keep the facts."""
        self._name_posts()
        arrived = self._read_times()
        self._name_conveyances()
        self._name_consignments()
        self._describe_conveyances()
        self._describe_goods(arrived)
        self._remember_entities()
        return self.entities

    def _text(self, name: str) -> Texts:
        return read_texts(self.crossings[name])

    def _of_declared(self, name: str) -> Texts:
        """Return a text of the declarations that the declared crossings name."""
        return take_texts(self.declared.texts[name], self.place)

    def _widen(self, texts: Texts) -> Texts:
        return spread_texts(texts, self.rows, self.n)

    def _widen_numbers(self, numbers: Floats, outside: float) -> Floats:
        out = np.full(self.n, outside)
        out[self.rows] = numbers
        return out

    def _domain_of(self, field: IdentifierField) -> Texts:
        """Return of each crossing a post that stands for all with its domain of identifiers."""
        first: dict[str, str] = {}
        return map_texts(
            lambda code: code and first.setdefault(self.network.domain_of(field, code), code),
            self.post,
        )

    def _qualify(self, texts: Texts, field: IdentifierField, post: Texts) -> Texts:
        return map_texts(lambda value, code: qualify(value, field, code, self.network), texts, post)

    def _name_posts(self) -> None:
        network = self.network
        pair = map_texts(lambda code: network.pair(code or ""), self.post)
        self.entities |= {
            "post": self.post,
            "pair": pair,
            "line": map_texts(_name_line, self.post, pair),
            "direction": self.direction,
            "opposite": map_texts(lambda way: OPPOSITE.get(way or ""), self.direction),
            "driver_domain": map_texts(
                lambda code: network.domain_of("driver_ref", code or "") or "-", self.post
            ),
        }
        self.keep(
            "line_key",
            map_numbers(
                lambda line, code: float(key("line", line or code)),
                self.entities["line"],
                self.post,
            ),
        )
        for axis, name in enumerate(POSITION):
            self.keep(
                name,
                map_numbers(
                    lambda code, axis=axis: network.position_of(code or "")[axis], self.post
                ),
            )

    def _read_times(self) -> Ints:
        arrived: Ints = self.crossings["arrived_at"].to_numpy().astype(np.int64)
        recorded = pc.coalesce(self.crossings["recorded_at"], self.crossings["arrived_at"])
        shown = read_clocks(arrived, self.post, self.network)
        hour = shown // HOUR % 24
        part = encode_texts([str(number) for number in range(6)])
        self.entities["day_part"] = Texts((hour // 4 + 1).astype(np.uint8), part.values)
        self.keep("arrived_at", arrived.astype(np.float64))
        self.keep("hours_late", _to_hours(recorded.to_numpy().astype(np.int64) - arrived))
        self.keep("hour", hour.astype(np.float64))
        weekday = (shown // DAY + 3) % 7  # 1970 began on a Thursday
        self.keep("weekday", weekday.astype(np.float64))
        self.keep("night", ((hour < 6) | (hour >= 22)).astype(np.float64))
        return arrived

    def _name_conveyances(self) -> None:
        found = self.entities
        for name, column in (("plate", "plate"), ("trailer", "trailer_plate"), ("vin", "vin")):
            found[name] = map_codes(fold_text, self._text(column))
        for name in ("plate_country", "vehicle_class"):
            found[name] = self._text(name)
        for name in ("container", "seal"):
            raw = read_lists(self.crossings[f"{name}_numbers"])
            found[f"{name}s"] = map_codes(lambda text: join_values(split_list(text)), raw)
            members = pc.fill_null(pc.list_value_length(self.crossings[f"{name}_numbers"]), 0)
            self.keep(f"{name}s", members.to_numpy().astype(np.float64))
            if name == "container":
                self.keep("bad_container", map_numbers(_count_bad, raw))
        fields: Sequence[tuple[str, IdentifierField]] = (
            ("driver", "driver_ref"),
            ("carrier", "carrier_id"),
        )
        for name, field in fields:
            found[name] = self._qualify(self._text(field), field, self._domain_of(field))

    def _describe_conveyances(self) -> None:
        weighed = read_numbers(self.crossings["weighed_mass_kg"])
        self.keep("is_entry", map_numbers(lambda way: float(way == "entry"), self.direction))
        self.keep("weighed_mass_kg", weighed)
        self.keep("is_weighed", (~np.isnan(weighed)).astype(np.float64))
        self.keep("is_empty", read_numbers(self.crossings["is_empty"]))
        self.keep(
            "bad_vin",
            map_numbers(
                lambda vin: _NAN if vin is None else float(not vin_is_valid(vin)),
                self._text("vin"),
            ),
        )
        for name in ("plate", "trailer", "driver", "carrier"):
            self.keep(f"{name}_missing", (~is_known(self.entities[name])).astype(np.float64))
        kind = self.entities["vehicle_class"]
        for name in CLASSES:
            self.keep(f"class_{name}", map_numbers(partial(_is_same, name), kind))
        self.keep(
            "body",
            map_numbers(lambda body: BODY_NUMBER.get(body or "", _NAN), self._text("body_type")),
        )

    def _name_consignments(self) -> None:
        found = self.entities
        names = (
            "procedure", "dispatch", "destination", "mode", "nature", "payment", "hs2", "hs4",
            "hs6", "origin", "preference", "marking", "rate", "mass", "precursor",
            "precursor_heading",
        )  # fmt: skip
        for name in names:
            found[name] = self._widen(self._of_declared(name))
        for name, field in PARTIES.items():
            post = take_texts(self._domain_of(field), self.rows)
            found[name] = self._widen(self._qualify(self._of_declared(name), field, post))
        for name, column in (("tir", "tir_carnet"), ("cmr", "cmr_number")):
            found[name] = map_texts(
                lambda declared, seen: fold_text(declared) or fold_text(seen),
                self._widen(self._of_declared(name)),
                self._text(column),
            )
        nothing = Texts(np.zeros(self.n, np.uint8), encode_texts([]).values)
        for name, (whose, field, of) in COVERED.items():
            found[name] = found[whose] if self.network.covers(of, field) else nothing
        found |= {name: self._widen(texts) for name, texts in self._name_terms().items()}

    def _name_terms(self) -> dict[str, Texts]:
        """Return the terms of declared crossings as they were declared."""
        one = self._of_declared
        way, dispatch, destination = (
            take_texts(self.direction, self.rows),
            one("dispatch"),
            one("destination"),
        )
        path = map_texts(lambda text: ">".join(split_list(text)) or None, one("route"))
        office = map_texts(_choose_office, way, one("office_of_entry"), one("office_of_exit"))
        route = map_texts(_name_route, dispatch, destination)
        return {
            "invoice_currency": one("invoice_currency"),
            "path": path,
            "declared_route": map_texts(lambda path, route: path and route, path, route),
            "office": office,
            "office_route": map_texts(_name_office_route, way, office, route),
            "package_kind": one("package_kind"),
            "packed_chapter": map_texts(
                lambda kind, chapter: kind and chapter, one("package_kind"), one("hs2")
            ),
            "previous_type": map_texts(
                lambda text: name_previous_types(split_list(text)), one("previous")
            ),
        }

    def _describe_goods(self, arrived: Ints) -> None:
        """Keep the facts of what was declared, and of how it fits what was seen."""
        outside = {**NO_GOODS, **NO_TERMS, **NO_PRECURSOR_FACTS}
        declared = self.declared.facts
        for name, value in outside.items():
            self.keep(name, self._widen_numbers(declared[name][self.place], value))
        one = self._of_declared
        self.keep(
            "undeclared_countries",
            self._widen_numbers(
                map_numbers(
                    self._count_undeclared,
                    take_texts(self.post, self.rows),
                    one("route"),
                    one("dispatch"),
                    one("destination"),
                ),
                _NAN,
            ),
        )
        differ = map_numbers(_differ, one("dispatch"), one("origin"))
        self.keep("dispatch_not_origin", self._widen_numbers(differ, _NAN))
        gross = self._widen_numbers(declared["gross_mass_kg"][self.place], _NAN)
        tare = read_numbers(self.crossings["weighed_mass_kg"]) - gross
        self.keep("weighed_less_gross_kg", tare)
        self.keep("has_tare", (~np.isnan(tare)).astype(np.float64))
        lodged = self.heads["lodged_at"].combine_chunks().take(self.place)
        lead = _to_hours(arrived[self.rows] - pc.fill_null(lodged, 0).to_numpy())
        lead[lodged.is_null().to_numpy(zero_copy_only=False)] = _NAN
        self.keep("lodged_hours_before", self._widen_numbers(lead, _NAN))
        for name, column in (("has_tir", "tir_carnet"), ("has_cmr", "cmr_number")):
            stated = is_known(self._of_declared(name.removeprefix("has_"))).astype(np.float64)
            is_seen = self.crossings[column].is_valid().to_numpy()
            self.keep(name, np.where(is_seen, 1.0, self._widen_numbers(stated, _NAN)))
        empty = read_numbers(self.crossings["is_empty"])
        is_declared = np.zeros(self.n, np.bool_)
        is_declared[self.rows] = True
        self.keep("empty_but_declared", ((empty == 1.0) & is_declared).astype(np.float64))
        self.keep("laden_undeclared", ((empty == 0.0) & ~is_declared).astype(np.float64))

    def _count_undeclared(self, post: str, route: Text, dispatch: Text, goal: Text) -> float:
        stated = SimpleNamespace(
            route_countries=split_list(route), dispatch_country=dispatch, destination_country=goal
        )
        return count_undeclared_countries(post, stated, self.network)

    def _remember_entities(self) -> None:
        """Keep the keys of entities that the next crossing compares with its own."""
        network = self.network
        for fact, entity in REMEMBERED.items():
            texts = self.entities[entity]
            if fact in SHAPES:
                texts = map_texts(lambda value: value and skeleton(value), texts)
            found = keys([texts], entity, self.n)
            values = np.where(found == 0, _NAN, found.astype(np.float64))
            self.keep(fact, values)
            if fact in ACROSS:
                is_comparable = map_numbers(
                    lambda code, field=ACROSS[fact]: float(
                        network.are_comparable(field, code or "", network.pair(code or ""))
                    ),
                    self.post,
                )
                self.keep(f"{fact}_across", np.where(is_comparable == 1.0, values, _NAN))


def _name_line(post: Text, pair: Text) -> Text:
    return None if post is None or pair is None else "|".join(sorted((post, pair)))


def _name_route(dispatch: Text, destination: Text) -> Text:
    return None if dispatch is None or destination is None else f"{dispatch}>{destination}"


def _choose_office(way: Text, entry: Text, leaving: Text) -> Text:
    office = entry if way == "entry" else leaving
    return None if office is None else f"{way}:{office}"


def _name_office_route(way: Text, office: Text, route: Text) -> Text:
    return None if office is None or route is None else f"{way}:{route}"


def _count_bad(text: Text) -> float:
    return float(sum(not container_is_valid(number) for number in split_list(text)))


def _differ(one: Text, other: Text) -> float:
    return _NAN if one is None or other is None else float(one != other)


def _to_hours(micros: Ints) -> Floats:
    """Return microseconds as hours, rounded once as Python divides whole numbers."""
    hours: Floats = micros / HOUR
    for row in np.flatnonzero(np.abs(micros) >= _EXACT).tolist():
        hours[row] = int(micros[row]) / HOUR
    return hours


def _is_same(one: str, other: Text) -> float:
    return float(one == other)
