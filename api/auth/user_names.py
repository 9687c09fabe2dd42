"""Names of people: one spelling, printable, and no two that look alike.

Two people are asked where one could be pressed, so a name that reads as another person's would let
one stand for two.
"""

import re
import unicodedata
from collections.abc import Iterable

from engine.domain.identifiers import fold, skeleton
from engine.errors import ConflictError, RecordError

LONGEST = 64
_RESERVED = re.compile(r"(key-|account:|oidc-)", re.IGNORECASE)
"""Beginnings of what a record names in the place of a person: a key, an account of the machine, a
subject of an identity provider."""
_MORE_ALIKE = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧL", "ABEZHIKMNOPTYXI")  # Greek
_APOSTROPHES = "\u02bb\u02bc"
"""Letters of Uzbek names, written like an apostrophe; their Unicode names tell no script."""
_EVERYDAY = {
    "LATIN": re.compile("[A-Za-z\u00aa-\u017f\u018f\u0259\u1e00-\u1eff]"),
    "CYRILLIC": re.compile("[\u0400-\u04ff]"),
}
"""Letters in everyday use: others of these scripts (small capitals, phonetic ones) imitate them."""
_PAIRS = (("RN", "M"), ("VV", "W"))


def check_name(name: str, *, taken: Iterable[str]) -> str:
    """Return a new name as it is kept: NFKC, trimmed.

    Raises ``RecordError`` with the rule that it breaks, ``ConflictError`` where it is taken.
    """
    kept = unicodedata.normalize("NFKC", name).strip()
    scripts = {_script(c) for c in kept if c.isalpha() and c not in _APOSTROPHES}
    for rule, why, is_broken in (
        ("length", f"1 to {LONGEST} characters", not 1 <= len(kept) <= LONGEST),
        ("printable", "no control, format or combining characters", not _is_plain(kept)),
        ("letters", "a letter or digit, in letters of everyday writing", not _is_legible(kept)),
        ("one_script", "letters of one script only", len(scripts) > 1),
        (
            "reserved",
            "must not begin with key-, account: or oidc-",
            _RESERVED.match(kept) is not None,
        ),
    ):
        if is_broken:
            raise RecordError("user", "name", rule, why)
    others = set(taken)
    if kept in others:
        raise ConflictError("user", kept, "the name is taken")
    if shape(kept) in {shape(other) for other in others}:
        raise RecordError("user", "name", "look_alike", "looks like a name that is taken")
    return kept


def shape(name: str) -> str:
    """Return what names that look alike share, whatever their case, marks, spaces and script."""
    bare = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(sign for sign in bare if not unicodedata.category(sign).startswith("M"))
    bare = bare.translate(dict.fromkeys(map(ord, _APOSTROPHES)))
    folded = fold(bare).translate(_MORE_ALIKE)
    for pair, one in _PAIRS:
        folded = folded.replace(pair, one)
    return skeleton(folded) or name.casefold()


def _is_plain(name: str) -> bool:
    return name.isprintable() and not any(unicodedata.category(c).startswith("M") for c in name)


def _is_legible(name: str) -> bool:
    """Tell whether a name shows something to read, and no sign that only looks like a letter."""
    return any(c.isalnum() for c in name) and not any(map(_is_misleading, name))


def _is_misleading(sign: str) -> bool:
    """Tell whether a sign is a blank or a picture, or imitates a letter of everyday writing."""
    everyday = _EVERYDAY.get(_script(sign))
    is_blank = "FILLER" in unicodedata.name(sign, "") or unicodedata.category(sign) in ("So", "Sk")
    return is_blank or (everyday is not None and not everyday.match(sign))


def _script(letter: str) -> str:
    """Return the script of a letter, the first word of its Unicode name."""
    return unicodedata.name(letter, "?").partition(" ")[0]
