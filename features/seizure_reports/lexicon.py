"""Words by which reports name substances, places, methods and vehicles; from ``lexicon.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from engine.domain.records import SubstanceClass
from features.seizure_reports.folded_text import Terms


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Terms of every kind of value, and the class of each substance."""

    substances: Terms
    class_of: Mapping[str, SubstanceClass]
    classes: Terms
    places: Terms
    concealments: Terms
    vehicles: Terms
    trailers: Terms
    methods: Terms
    months: Terms
    days: Terms
    units: Terms
    wholes: Terms
    columns: Terms
    dates: Terms
    statements: Terms


@cache
def read_lexicon() -> Lexicon:
    """Read the lexicon that comes with the package."""
    text = Path(__file__).with_name("lexicon.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    substances = tables.pop("substances")
    return Lexicon(
        substances=Terms({code: words for of in substances.values() for code, words in of.items()}),
        class_of={code: name for name, of in substances.items() for code in of},
        **{name: Terms(table, name == "units") for name, table in tables.items()},
    )
