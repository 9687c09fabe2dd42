"""The encoder for a whole history: entities and facts of all crossings, column by column.

Each value is that of :func:`features.catalogue.encoder.encode`, to the bit. Texts come from its own
functions, called once for each distinct combination of what they read; numbers take the same
operations on whole columns. Sums of more than two numbers are exactly rounded one by one, and
precursors are looked for in the few declarations that have goods of their headings. Wall clocks
assume that a zone changes its offset at most once within a day of UTC.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from types import SimpleNamespace

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
    fold_text,
    join_values,
    key,
    name_previous_types,
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
    read_texts,
    split_list,
    spread_texts,
    take_texts,
)
from features.offline.declared_columns import (
    encode_declared,
    read_numbers,
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
