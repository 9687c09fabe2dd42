"""Expressions ready to run: compiled once, evaluated on an arrival's values.

A fault of the library that evaluates, a panic included, is raised as ``ProfileFailed`` without the
values it met.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.criteria.profiles.checker import check


class ProfileFailed(Exception):  # noqa: N818 - never leaves the engine
    """An expression could not be evaluated."""


@dataclass(frozen=True, slots=True)
class Program:
    """One expression."""

    needs: frozenset[str]
    """Fields and features it reads."""
    steps: int
    compiled: Any

    def fits(self, values: Any) -> bool:
        """Tell whether it is true of an arrival; ``values`` was made by :func:`context`."""
        try:
            return self.compiled.execute(values) is True
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the library is no Exception
            raise ProfileFailed(type(error).__name__) from None


def context(values: Mapping[str, Any]) -> Any:
    """Return the values of one arrival, converted once for all programs."""
    import cel

    return cel.Context(dict(values))


def program(expression: str, *, features: Sequence[str]) -> Program:
    """Check and compile an expression; raises ``ProfileRefusedError``."""
    import cel  # here, since it brings a command line of its own: a service starts without it

    checked = check(expression, features=features)
    return Program(checked.needs, checked.steps, cel.compile(checked.cel))
