"""Precursors of drugs under international control, by the HS code under which each is declared.

``precursors.toml`` holds the list with its source. Assumes six digits: a shorter code does not tell
a precursor from its neighbours in the nomenclature.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

_LIST = tomllib.loads(resources.files(__package__).joinpath("precursors.toml").read_text("utf-8"))
HS_DIGITS: Final = 6
HEADING_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Precursor:
    """A substance in Table I or II of the Convention of 1988."""

    hs_code: str
    """Six digits."""
    name: str
    """In English; the catalogues translate it."""
    table: int
    """1 or 2."""


def _read() -> Mapping[str, Precursor]:
    return {
        code: Precursor(code, name, table)
        for table in (1, 2)
        for code, name in _LIST[f"table_{table}"].items()
    }


PRECURSORS: Final = _read()
"""By HS code of six digits."""
WATCHED: Final[Mapping[str, str]] = _LIST["watched"]
"""What is used beside precursors, in English by HS code of six digits; under no control."""
_HEADINGS: Final = frozenset(code[:HEADING_DIGITS] for code in PRECURSORS)


def precursor_of(hs_code: str) -> Precursor | None:
    """Return the precursor that a code of 2 to 10 digits declares, None for all other goods."""
    return PRECURSORS.get(hs_code[:HS_DIGITS])


def is_controlled(hs_code: str) -> bool:
    """Tell whether a code declares a precursor, or what is used beside one."""
    return hs_code[:HS_DIGITS] in PRECURSORS or hs_code[:HS_DIGITS] in WATCHED


def list_watched(items: Any) -> list[str]:
    """Return the codes of six digits of what goods items declare that is used beside precursors."""
    return sorted({item.hs_code[:HS_DIGITS] for item in items} & WATCHED.keys())


def neighbour_heading(hs_code: str) -> str | None:
    """Return the heading of a precursor in which a code declares other goods; None elsewhere.

    A code of four or five digits is a neighbour too: it does not say what the goods are.
    """
    heading = hs_code[:HEADING_DIGITS]
    return heading if heading in _HEADINGS and precursor_of(hs_code) is None else None


def main_precursor(items: Any) -> tuple[Precursor, Any] | None:
    """Return the precursor that goods items declare, with its item; None where there is none.

    Of several the one of the stricter table, then the heavier, then the first. Items are objects
    with ``hs_code``, ``net_mass_kg`` and ``item_no``.
    """
    found = [(known, item) for item in items if (known := precursor_of(item.hs_code)) is not None]
    return min(found, key=_strictness, default=None)


def _strictness(declared: tuple[Precursor, Any]) -> tuple[int, float, int]:
    precursor, item = declared
    return precursor.table, -(item.net_mass_kg or 0.0), item.item_no
