"""Two profiles side by side: which words of the expression and which settings differ."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

_WORD = re.compile(r"\s+|[\w.]+|\"(?:[^\"\\]|\\.)*\"|&&|\|\||[=!<>]=|.")
SETTINGS = ("channel", "percentage", "post", "valid_from", "valid_until")
"""Settings that are compared, besides the expression."""


@dataclass(frozen=True, slots=True)
class ExpressionPiece:
    """A part of an expression."""

    kind: Literal["same", "gone", "new"]
    text: str


@dataclass(frozen=True, slots=True)
class ComparedSetting:
    """One setting of both."""

    name: str
    before: Any
    after: Any

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return bool(self.before != self.after)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a profile changes against another."""

    code: str
    """Of the other."""
    state: str
    pieces: Sequence[ExpressionPiece]
    settings: Sequence[ComparedSetting]


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """Return what ``after`` changes against ``before``; both as JSON values."""
    settings = [ComparedSetting(name, before[name], after[name]) for name in SETTINGS]
    pieces = words(before["expression"], after["expression"])
    return Difference(before["code"], before["state"], pieces, settings)


def words(before: str, after: str) -> list[ExpressionPiece]:
    """Return what is the same, gone and new, in the order of the text."""
    old, new = _WORD.findall(before), _WORD.findall(after)
    found: list[ExpressionPiece] = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, came = "".join(old[i:j]), "".join(new[k:m])
        if tag == "equal":
            found.append(ExpressionPiece("same", gone))
            continue
        if gone:
            found.append(ExpressionPiece("gone", gone))
        if came:
            found.append(ExpressionPiece("new", came))
    return found
