"""Compilation of functions over arrays, which numba keeps on disk for the next process."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def compile_kernel(function: F) -> F:
    """Compile a function with numba, once for a machine: it is kept on disk."""
    return cast("F", njit(cache=True)(function))
