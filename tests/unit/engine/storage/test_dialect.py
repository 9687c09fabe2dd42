"""One module knows which database is behind a store."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from engine.storage.dialect import Dialect

ROOT = Path(__file__).parents[4]
PAIR = Table("pairs", MetaData(), Column("name", String, primary_key=True), Column("of", Integer))


def comparisons(text: str) -> Iterator[str]:
    """Yield each comparison with the name of a database; most texts name none."""
    if not any(f"{quote}{name}{quote}" in text for name in Dialect for quote in "\"'"):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                if isinstance(side, ast.Constant) and side.value in [*Dialect]:
                    yield ast.unparse(node)


def test_no_other_module_compares_the_name_of_a_database() -> None:
    rooms = ("engine", "features", "models", "experiments", "api")
    sources = [path for room in rooms for path in ROOT.glob(f"{room}/**/*.py")]
    later = [path for path in sources if "versions" not in path.parts]  # a migration stays as it is
    assert len(later) > 400
    assert [one for path in later for one in comparisons(path.read_text("utf-8"))] == []


def test_a_comparison_of_a_name_is_found() -> None:
    """Negative control."""
    assert list(comparisons('x = connection.dialect.name == "sqlite"\ny = "sqlite"')) == [
        "connection.dialect.name == 'sqlite'"
    ]


def test_both_spell_a_row_that_may_be_there_and_a_choice_among_values() -> None:
    sqlite, postgresql = Dialect.SQLITE, Dialect.POSTGRESQL
    assert sqlite.upsert(PAIR).replace("?", "%s") == postgresql.upsert(PAIR)
    assert postgresql.upsert(PAIR).endswith("ON CONFLICT (name) DO UPDATE SET of = excluded.of")
    assert sqlite.among([1, 2]) == ("IN (?, ?)", [1, 2])
    assert postgresql.among([1, 2]) == ("= ANY(?)", [[1, 2]])
    assert postgresql.order_by(PAIR, "name") == '"name" COLLATE "C"'
    assert {sqlite.order_by(PAIR, "of"), postgresql.order_by(PAIR, "of")} == {'"of"'}


def test_another_database_is_refused() -> None:
    with pytest.raises(ValueError, match="mysql"):
        Dialect.of_url("mysql://host/name")
