"""Checks an expression as it is written, and lists what one may ask for; nothing is recorded."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.criteria.profiles.checker import DEAREST
from engine.criteria.profiles.fields import DERIVED, ITEM, PROXIES, ROOTS, FieldType, list_derived
from engine.criteria.profiles.program import program
from engine.errors import ProfileRefusedError
from features.catalogue.catalogue import CATALOGUE, proxies


def check_expression(expression: str, names: Sequence[str]) -> dict[str, Any]:
    """Return whether an expression may run: where it does not fit and why, or what it reads.

    ``names`` are those of the features.
    """
    try:
        made = program(expression, features=names)
    except ProfileRefusedError as error:
        why = error.why.removeprefix(f"position {error.at}: ")
        fields = {"fits": False, "at": error.at, "why": why, "steps": None, "reads": []}
        return fields | {"most_steps": DEAREST, "proxies": []}
    return {
        "fits": True,
        "at": None,
        "why": None,
        "steps": made.steps,
        "most_steps": DEAREST,
        "reads": sorted(made.needs),
        "proxies": proxies(made.needs),
    }


def fields(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return all that an expression may ask for: records, goods, then features."""
    records = [one for root, known in ROOTS.items() for one in _of(f"{root}.", known)]
    made = (_describe_derived(name) for name in list_derived(names))
    return [*records, *_of("goods.", ITEM), *made, *(_feature(name) for name in names)]


def _of(prefix: str, known: Mapping[str, FieldType]) -> Iterator[dict[str, Any]]:
    for name, kind in known.items():
        full = prefix + name
        yield _field(full, kind.kind, choices=sorted(kind.choices), proxy=full in PROXIES)


def _describe_derived(name: str) -> dict[str, Any]:
    known = DERIVED[name]
    about = {"unit": known.unit, "meaning": known.meaning, "proxy": False}
    return _field(f"features.{name}", "number", **about)


def _feature(name: str) -> dict[str, Any]:
    known = CATALOGUE[name]
    about = {"unit": known.unit, "meaning": known.meaning, "proxy": known.proxy}
    return _field(f"features.{name}", "number", **about)


def _field(name: str, kind: str, **about: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, "choices": [], "unit": "", "meaning": ""} | about
