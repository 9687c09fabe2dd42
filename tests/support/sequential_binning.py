"""Trains without what takes most of the time at the sizes of tests, and changes no bit.

scikit-learn has its configuration and warnings copied for every column that it bins, as if a thread
took it: here the columns are binned one after the other. What limits threads looks through all
libraries of the process each time: here they are found once.
"""

from collections.abc import Callable, Iterable
from functools import cache
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
    """Replace both for the life of this process, where this version of scikit-learn has them."""
    import threadpoolctl  # type: ignore[import-untyped]
    from sklearn.ensemble._hist_gradient_boosting import binning

    patched = pytest.MonkeyPatch()
    for name, replacement in (("Parallel", Sequence), ("delayed", delay)):
        patched.setattr(binning, name, replacement, raising=False)
    find = cache(threadpoolctl.ThreadpoolController)
    patched.setattr(threadpoolctl, "ThreadpoolController", find)
