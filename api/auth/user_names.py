"""Names of people: one spelling, printable, and no two that look alike.

Two people are asked where one could be pressed, so a name that reads as another person's would let
one stand for two. Names of before these rules stay as they are; a new one may not look like them.
"""

import re
import unicodedata
from collections.abc import Iterable

from engine.domain.identifiers import fold, skeleton
from engine.errors import ConflictError, RecordError

LONGEST = 64
_RESERVED = re.compile(r"(key-|account:)", re.IGNORECASE)
"""Beginnings of what a record names in the place of a person: a key, an account of the machine."""
_MORE_ALIKE = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧL", "ABEZHIKMNOPTYXI")  # Greek
_PAIRS = (("RN", "M"), ("VV", "W"))


def check_name(name: str, *, taken: Iterable[str]) -> str:
    """Return a new name as it is kept: NFKC, trimmed.

    Raises ``RecordError`` with the rule that it breaks, ``ConflictError`` where it is taken.
    """
    kept = unicodedata.normalize("NFKC", name).strip()
    for rule, why, is_broken in (
        ("length", f"1 to {LONGEST} characters", not 1 <= len(kept) <= LONGEST),
        ("printable", "no control, format or combining characters", not _is_plain(kept)),
        ("one_script", "letters of one script only", len(_scripts(kept)) > 1),
        ("reserved", "must not begin with key- or account:", _RESERVED.match(kept) is not None),
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
    folded = fold(bare).translate(_MORE_ALIKE)
    for pair, one in _PAIRS:
        folded = folded.replace(pair, one)
    return skeleton(folded) or name.casefold()


def _is_plain(name: str) -> bool:
    return name.isprintable() and not any(unicodedata.category(c).startswith("M") for c in name)


def _scripts(name: str) -> set[str]:
    """Return the scripts of a name's letters, by the first word of their Unicode names."""
    return {unicodedata.name(c, "?").partition(" ")[0] for c in name if c.isalpha()}
