"""The page of statements about the field names a test for each, and each test of its rooms."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent / "docs" / "field.md"
ROOMS = (TESTS / "unit" / "field", TESTS / "service" / "field")
FEWEST = 40
ROW = re.compile(r"^\| (\d+) \| [^|]+ \| [^|]+ \|[^|]*\|$", re.MULTILINE)
NAME = re.compile(r"\b(\d+)\s`(\w+)`")
SEEDED = "seeded bug"
OWN = "of the page"
"""What docstrings of tests say that hold no statement."""


@cache
def list_tests(folder: Path) -> dict[str, str]:
    """Return the docstring of each test below a folder, by its name without ``test_``."""
    return {
        node.name.removeprefix("test_"): ast.get_docstring(node) or ""
        for path in folder.rglob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def list_statements() -> set[str]:
    """Return the names of all tests of statements: in the rooms, and no seeded bug."""
    tests = {name: text for room in ROOMS for name, text in list_tests(room).items()}
    return {name for name, text in tests.items() if SEEDED not in text and OWN not in text}


def list_faults(page: str) -> list[str]:
    """Return what is wrong with a page of statements."""
    rows = [int(number) for number in ROW.findall(page)]
    names = {int(number): name for number, name in NAME.findall(page)}
    missing = set(names.values()) - set(list_tests(TESTS))
    twice = [name for name, times in Counter(names.values()).items() if times > 1]
    return [
        *(["rows and tests have other numbers"] if rows != list(names) else []),
        *(["rows are not numbered from 1 on"] if rows != list(range(1, len(rows) + 1)) else []),
        *(["too few statements"] if len(rows) < FEWEST else []),
        *(f"one test of two statements: {name}" for name in sorted(twice)),
        *(f"no such test: {name}" for name in sorted(missing)),
        *(
            f"a test without a row: {name}"
            for name in sorted(list_statements() - {*names.values()})
        ),
    ]


def test_every_statement_has_its_test_and_every_test_its_statement() -> None:
    """Check of the page."""
    assert list_faults(PAGE.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("`dostuk_has_night_at_2230`", "`dostuk_has_no_such_test`", "no such test: dostuk_has_no"),
        ("`dostuk_has_night_at_2230`", "`oybek_has_no_night_at_2130`", "one test of two"),
        ("| 3 |", "| 4 |", "rows are not numbered"),
        ("| 3 | Hair", "3 Hair", "rows and tests have other numbers"),
        ("`nothing_detains_anybody`", "`the_page_of_the_matrix_is_what_the_code_says`", "a test w"),
    ],
)
def test_a_page_that_differs_is_found(old: str, new: str, fault: str) -> None:
    """Negative control of the page."""
    text = PAGE.read_text("utf-8")
    assert old in text
    assert any(found.startswith(fault) for found in list_faults(text.replace(old, new, 1)))


def test_a_short_page_is_found() -> None:
    """Negative control of the page."""
    text = PAGE.read_text("utf-8")
    assert "too few statements" in list_faults(text[: text.index("## Identifiers")])
