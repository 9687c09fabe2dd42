"""Which statements about the field do not hold, for seeded bugs."""

from collections.abc import Callable


def list_broken(*statements: Callable[[], None]) -> list[str]:
    """Return the names of the tests that fail, in the order given."""
    broken = []
    for statement in statements:
        try:
            statement()
        except AssertionError:
            broken.append(statement.__name__)
    return broken
