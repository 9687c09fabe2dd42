"""What the page on profiles says is what the language does."""

import re
from pathlib import Path

import pytest

from engine.criteria.profiles.checker import DEAREST, FUNCTIONS, ITEM, LONGEST_PATTERN, ROOTS, check
from engine.criteria.profiles.parser import DEEPEST, LONGEST_EXPRESSION, MACROS, MOST_PARTS
from features.catalogue.catalogue import CATALOGUE

PAGE = (Path(__file__).parents[5] / "docs" / "profiles.md").read_text("utf-8")
EXAMPLES = re.findall(r"```cel\n(.*?)\n```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_may_run(example: str) -> None:
    assert check(example, features=tuple(CATALOGUE)).steps < DEAREST


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


def test_every_field_and_function_is_on_the_page() -> None:
    known = {name for fields in (*ROOTS.values(), ITEM) for name in fields}
    missing = {name for name in known if f"`{name}`" not in PAGE}
    assert missing == set()
    for name in (*FUNCTIONS, *MACROS):
        assert name in PAGE


def test_every_bound_is_on_the_page() -> None:
    for bound in (LONGEST_EXPRESSION, MOST_PARTS, DEEPEST, DEAREST, LONGEST_PATTERN):
        assert f"{bound:,}" in PAGE
