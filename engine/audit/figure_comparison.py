"""Comparison of what was recorded with what was computed again, whatever processor computes.

Exponentials and logarithms of numpy differ in their last bits between processors with and without
AVX-512, and so do the risks made of them. Everything else is compared as it is.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

RELATIVE, ABSOLUTE = 1e-9, 1e-12
"""How far two figures may lie apart and count as the same: far above rounding, far below anything
that a reader or a threshold tells apart."""


def are_same(stored: Any, again: Any) -> bool:
    """Tell whether two JSON values are the same, figures but for their last digits.

    >>> are_same({"risk": [0.8972397651609028]}, {"risk": [0.8972397651609031]})
    True
    >>> are_same({"risk": [0.897239765]}, {"risk": [0.897239769]})
    False
    """
    if isinstance(stored, float) and isinstance(again, float):
        return math.isclose(stored, again, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        is_named_alike = stored.keys() == again.keys()
        return is_named_alike and all(are_same(one, again[name]) for name, one in stored.items())
    if _is_list(stored) and _is_list(again):
        return len(stored) == len(again) and all(map(are_same, stored, again))
    return bool(stored == again)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
