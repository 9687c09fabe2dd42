"""An office's database on PostgreSQL is read by the same mapping as on SQLite, to the bit."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from engine.errors import InputError
from features.intake.load import read_folder
from features.intake.mapping import read_mapping
from tests.unit.features.intake.test_mappings import LATER, OFFICES


def test_both_databases_give_the_same_history_and_a_query_writes_to_none(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (OFFICES / "asycuda.sql").read_text("utf-8")
    text = (OFFICES / "asycuda.toml").read_text("utf-8")
    deleting = text.replace("SELECT SAD_REG_SERIAL", "DELETE FROM SAD_ITEM RETURNING ITEM_NUMBER")
    (tmp_path / "deleting.toml").write_text(deleting, "utf-8")
    with sqlite3.connect(tmp_path / "office.db") as database:
        database.executescript(script)
    database.close()
    with cluster.database() as url:
        engine, found = create_engine(url), []
        with engine.begin() as connection:
            connection.exec_driver_sql(script)
        for address in (url, f"sqlite:///{tmp_path / 'office.db'}"):
            monkeypatch.setenv("ASYCUDA", address)
            mapping = read_mapping(OFFICES / "asycuda.toml")
            found.append(read_folder(tmp_path, settings=mapping, now=LATER))
            with pytest.raises(InputError, match="refused_query"):
                read_folder(tmp_path, settings=read_mapping(tmp_path / "deleting.toml"), now=LATER)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM sad_item").scalar() == 3
        engine.dispose()
    rows = {"crossings": 3, "declarations": 2, "goods_items": 3}
    assert [one.accepted for one in found] == [rows, rows]
    assert found[0].tables.digest == found[1].tables.digest
