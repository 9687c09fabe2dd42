"""Texts that stand where a value is missing, or where a program has destroyed one.

Exports of databases and spreadsheets write ``NULL``, ``N/A``, ``-`` or ``0`` for what is missing,
and ``3.01E+08`` for a long number. Taken as an identifier, each would be one carrier or one plate
with thousands of crossings.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

TextKind = Literal["text", "name", "member"]
"""A ``name`` is an identifier of a thing, a person or a record, and a ``member`` one in a list; any
other ``text`` may be 0, as codes are."""

_WORDS = ("null", "(null)", "<null>", r"\n", "n/a", "#n/a", "н/д", "#н/д")
_SIGNS = [sign * times for sign in "-–—?.*#" for times in range(1, 13)]
_ERRORS = ("#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#ССЫЛКА!", "#ЗНАЧ!", "#ИМЯ?")
NOTHING = frozenset(
    [*_WORDS, *map(str.upper, _WORDS), *map(str.capitalize, _WORDS), *_SIGNS, *_ERRORS]
)
"""What no text may be: a word or signs for *missing*, or a spreadsheet's mark of an error."""
NO_NAME = NOTHING | {"None", "nan", "NaN", "0.0", "0,0", *("0" * times for times in range(1, 17))}
"""What no name may be: what Python writes for *missing* and zeros, too."""
POWER, COMMA = "E+", ","
"""In a name, the sign of a number in scientific notation; in a member, of several in one."""
RULE = "placeholder"
_SCIENTIFIC = re.compile(r"\d+([.,]\d+)?E\+\d{1,3}")
_GROUPED = re.compile(r"[\d.,+-]*_[\d_.,+-]*")


def is_placeholder(text: str, kind: TextKind = "text") -> bool:
    """Tell whether a text of a kind stands for a missing value.

    >>> is_placeholder("0"), is_placeholder("0", "name"), is_placeholder("A1,A2", "member")
    (False, True, True)
    """
    if kind == "text":
        return text in NOTHING
    if POWER in text and _SCIENTIFIC.fullmatch(text) is not None:
        return True
    return text in NO_NAME or (kind == "member" and COMMA in text)


@dataclass(frozen=True, slots=True)
class Placeholders:
    """Metadata of a text field, or of a list: placeholders are missing values.

    A required one is refused by the rule ``placeholder``; of a list those members are left out.
    """

    kind: TextKind
    is_required: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the value after its own type."""
        check = self._refuse if self.is_required else self._drop
        return core_schema.no_info_after_validator_function(check, handler(source))

    def _refuse(self, text: str) -> str:
        if is_placeholder(text, self.kind):
            raise PydanticCustomError(RULE, "stands for a missing value")
        return text

    def _drop(self, given: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if isinstance(given, tuple):
            return tuple(text for text in given if not is_placeholder(text, self.kind))
        return None if given is None or is_placeholder(given, self.kind) else given


def is_nothing(cell: object) -> bool:
    """Tell whether a cell of a file says that its value is missing, a list in each member.

    >>> is_nothing("N/A"), is_nothing(["-"]), is_nothing("0"), is_nothing([])
    (True, True, False, False)
    """
    if isinstance(cell, list | tuple):
        return bool(cell) and all(map(is_nothing, cell))
    return isinstance(cell, str) and is_placeholder(cell)


def is_grouped(cell: object) -> bool:
    """Tell whether a cell has digits in groups: Python would read ``18_220``, the contract not.

    >>> is_grouped("18_220"), is_grouped("18220"), is_grouped("a_1")
    (True, False, False)
    """
    return isinstance(cell, str) and "_" in cell and _GROUPED.fullmatch(cell) is not None
