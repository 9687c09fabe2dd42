"""Bins the columns of a training set one after the other, without a wrapper around each.

scikit-learn has its configuration and warnings copied for every column, as if a thread took it: at
the sizes of tests that is most of what a forest takes. The bins are the same.
"""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Sequence:
    """Stands in for joblib's ``Parallel``."""

    def __init__(self, **_options: Any) -> None:
        """Take the options of ``Parallel``, none of which matters here."""

    def __call__(self, tasks: Iterable[Task]) -> list[Any]:
        """Return what each task returns."""
        return [function(*given, **named) for function, given, named in tasks]


def delay(function: Callable[..., Any]) -> Callable[..., Task]:
    """Return what makes a task of a call."""
    return lambda *given, **named: (function, given, named)


def bin_in_sequence() -> None:
    """Replace the two for the life of this process, where this version of scikit-learn has them."""
    from sklearn.ensemble._hist_gradient_boosting import binning

    patched = pytest.MonkeyPatch()
    for name, replacement in (("Parallel", Sequence), ("delayed", delay)):
        patched.setattr(binning, name, replacement, raising=False)
