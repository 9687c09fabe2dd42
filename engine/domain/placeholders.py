"""Texts that stand where a value is missing, or where a program has destroyed one.

Exports of databases and spreadsheets write ``NULL``, ``N/A``, ``-`` or ``0`` for what is missing,
and ``3.01E+08`` for a long number. Taken as an identifier, each would be one carrier or one plate
with thousands of crossings.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_origin

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
RULE, CONTROL = "placeholder", "control_character"
_SCIENTIFIC = re.compile(r"\d+([.,]\d+)?E\+\d{1,3}")


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
class PrintableText:
    """Metadata of a printable text, or of a list of them: placeholders are missing values.

    A required one is refused by the rule ``placeholder``; of a list those members are left out.
    Both rules are one call, because most fields of most records are such texts.
    """

    kind: TextKind
    is_required: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Check the value after its own type."""
        if get_origin(source) is tuple:
            check: Any = self._drop_members
        else:
            check = self._make_check()
        return core_schema.no_info_after_validator_function(check, handler(source))

    def _make_check(self) -> Callable[[str | None], str | None]:
        known, kind = (NOTHING if self.kind == "text" else NO_NAME), self.kind

        def check(text: str | None) -> str | None:
            if text is None:
                return None
            if not text.isprintable():
                raise PydanticCustomError(CONTROL, "holds a character that cannot be printed")
            if text in known or (POWER in text and is_placeholder(text, kind)):
                if is_required:
                    raise PydanticCustomError(RULE, "stands for a missing value")
                return None
            return text

        is_required = self.is_required
        return check

    def _drop_members(self, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(text for text in given if not is_placeholder(text, self.kind))


def is_nothing(cell: object) -> bool:
    """Tell whether a cell of a file says that its value is missing, a list in each member.

    >>> is_nothing("N/A"), is_nothing(["-"]), is_nothing("0"), is_nothing([])
    (True, True, False, False)
    """
    if isinstance(cell, list | tuple):
        return bool(cell) and all(map(is_nothing, cell))
    return isinstance(cell, str) and is_placeholder(cell)
