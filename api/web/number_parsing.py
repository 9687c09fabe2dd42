"""Numbers as people write them: one reading, or none.

The sign for groups is the reader's locale's (a comma in English, a space elsewhere), the decimal
sign is a point or a comma, because the keys of a phone follow its own language and not the page's.
What both signs could be is refused: ``2.300`` is two thousand three hundred to one officer and two
point three to another. So languages differ in what they accept and never in what a text means, and
a form that is confirmed in another language than it was filled in keeps its numbers.
"""

import re

from babel import Locale
from babel.numbers import get_decimal_symbol, get_group_symbol

_SPACES = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f", " "))
"""No-break, figure, thin and narrow no-break space."""
_GROUPED = re.compile(
    r"(?P<whole>[1-9][0-9]{0,2}(?P<sign>[ .,])[0-9]{3}(?:(?P=sign)[0-9]{3}){0,3})"
    r"(?:(?P<point>[.,])(?P<part>[0-9]{1,6}))?"
)
_PLAIN = re.compile(r"(?P<whole>0|[1-9][0-9]{0,14})(?:[.,](?P<part>[0-9]{1,6}))?")
_UP_TO_A_GROUP = 3
"""Digits before a sign that could stand between groups, and digits after it."""


class NumeralError(ValueError):
    """A text that is no number."""


class AmbiguousNumeralError(NumeralError):
    """A text that two people read as two numbers.

    ``grouped`` is the number where the sign stands between groups, in digits alone; ``fraction`` is
    the number where it is the decimal sign, as the locale writes it.
    """

    def __init__(self, grouped: str, fraction: str) -> None:
        super().__init__(grouped, fraction)
        self.grouped = grouped
        self.fraction = fraction


def read_number(text: str, locale: Locale) -> float:
    """Return the number that a text stands for; raises ``NumeralError``.

    >>> read_number("2,300", Locale("en")), read_number("2 300", Locale("ru"))
    (2300.0, 2300.0)
    """
    text = text.strip().translate(_SPACES)
    if (grouped := _GROUPED.fullmatch(text)) and grouped["sign"] in (" ", get_group_symbol(locale)):
        return _read_grouped(grouped, locale)
    plain = _PLAIN.fullmatch(text)
    if plain is None:
        raise NumeralError(text)
    whole, part = plain["whole"], plain["part"] or ""
    if len(part) == _UP_TO_A_GROUP and whole != "0" and len(whole) <= _UP_TO_A_GROUP:
        raise _ambiguous(whole, part, locale)
    return float(f"{whole}.{part or 0}")


def write_number(value: float) -> str:
    """Return a number as a field holds it before anything is typed: every language reads it."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    part = text.partition(".")[2]
    return f"{text}0" if len(part) == _UP_TO_A_GROUP else text


def _read_grouped(found: re.Match[str], locale: Locale) -> float:
    """Read a text with groups; its decimal sign is another than the one between them."""
    sign, point, part = found["sign"], found["point"], found["part"] or ""
    whole = found["whole"].replace(sign, "")
    if point == sign:
        raise NumeralError(found[0])
    if sign == " " and len(part) == _UP_TO_A_GROUP:
        raise _ambiguous(whole, part, locale)
    return float(f"{whole}.{part or 0}")


def _ambiguous(whole: str, part: str, locale: Locale) -> AmbiguousNumeralError:
    rest = part.rstrip("0")
    if len(rest) == _UP_TO_A_GROUP:
        rest += "0"  # as it stands it would be refused again
    fraction = f"{whole}{get_decimal_symbol(locale)}{rest}" if rest else whole
    return AmbiguousNumeralError(whole + part, fraction)
