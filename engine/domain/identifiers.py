"""Plates, containers and VINs: folding to one spelling, and check digits as signals.

A plate reader confuses Cyrillic and Latin letters of the same shape, so a plate is folded before it
becomes an entity: NFKC, upper case, no separators, look-alikes to Latin. The raw reading is kept in
the record. A failed check digit is a signal for the features, never a refusal.
"""

import re
import unicodedata
from functools import lru_cache
from operator import mul

from stdnum import iso6346
from stdnum.exceptions import ValidationError as NumberError

FOLDING_VERSION = 1
"""Changes whenever the rules below change: folded entities are keys of stored counters."""

_LOOK_ALIKES = str.maketrans("АВЕКМНОРСТУХІЅЈԚԜ", "ABEKMHOPCTYXISJQW")
_SKELETON = str.maketrans("OQDIZSBG", "00012586")
_SEPARATORS = re.compile(r"[\W_]+")
_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_VIN_VALUES = {
    **{str(digit): digit for digit in range(10)},
    **dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", map(int, "12345678123457923456789"), strict=True)),
}
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


@lru_cache(maxsize=1 << 14)  # one plate is folded for its key, its draws and the queue
def fold(raw: str) -> str:
    """Return one spelling for all readings of a plate, container or VIN; may be empty."""
    text = unicodedata.normalize("NFKC", raw).upper()
    return _SEPARATORS.sub("", text).translate(_LOOK_ALIKES)


def skeleton(folded: str) -> str:
    """Return the shape of a folded plate: letters and digits that readers confuse are one.

    For watch lists, where a false match costs a second look, and to compare two records of one
    vehicle; never an entity key.
    """
    return folded.translate(_SKELETON)


@lru_cache(maxsize=1 << 14)
def container_is_valid(raw: str) -> bool:
    """Tell whether a container number is of the form of ISO 6346, with its check digit."""
    try:
        iso6346.validate(fold(raw))
    except NumberError:
        return False
    return True


def vin_is_valid(raw: str) -> bool:
    """Tell whether a VIN has 17 permitted characters and its check digit (ISO 3779, 49 CFR 565).

    The check digit binds only in North America and China: elsewhere a failure means little.
    """
    vin = fold(raw)
    if _VIN.fullmatch(vin) is None:
        return False
    total = sum(map(mul, map(_VIN_VALUES.__getitem__, vin), _VIN_WEIGHTS))
    return vin[8] == "0123456789X"[total % 11]
