"""``darvoza backup``: a copy of a home that is whole, made while its service works, and verified.

Assumes that what the store names (loads, bundles) is written before the record that names it and
never changed: so the store is copied first. Keys are left out: a copy of both could sign.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.common import HomeOption, JsonOption, emit, opened_to_read
from engine.errors import InputError, NotAllowedError
from engine.storage.home import Home

if TYPE_CHECKING:
    from engine.audit.verification import Verdict

FILES = ("history", "bundles", "reports", "mlflow", "network.toml")
"""What is copied besides the store."""


def backup(
    out: Annotated[Path, typer.Argument(help="A folder that is not there yet: a home, but keys.")],
    home: HomeOption,
    *,
    as_json: JsonOption = False,
) -> None:
    """Copy a home and verify the copy; with PostgreSQL use pg_dump for the store instead."""
    with opened_to_read(home) as (found, _):
        verdict = copy_home(found, out)
    result = {"ok": verdict.ok, "checked": verdict.checked, "folder": str(out)}

    def text() -> None:
        typer.echo(f"{verdict.checked:,} records copied to {out}; keys are not among them")

    emit(result, as_json=as_json, text=text)
    if not verdict.ok:
        raise typer.Exit(1)


def copy_home(home: Home, out: Path) -> "Verdict":
    """Copy a home's store and files, and return what a check of the copy found."""
    from engine.audit.verification import verify
    from engine.journal.receipts import KEY_FILE, public_key_of
    from engine.storage.database import Store

    kept_in = home.store_file
    if kept_in is None:
        raise NotAllowedError("PostgreSQL holds the store of this home: pg_dump copies that")
    if out.exists():
        raise InputError(out.name, "it is there already, and no backup is written over")
    out.mkdir(parents=True, mode=0o700)
    store = out / kept_in.name
    _copy_store(kept_in, store)
    for name in FILES:
        if (home.root / name).is_dir():
            shutil.copytree(home.root / name, out / name, ignore=shutil.ignore_patterns(".*"))
        elif (home.root / name).exists():
            shutil.copy2(home.root / name, out / name)
    copy = Store(f"sqlite:///{store.absolute()}")
    try:
        key = public_key_of(home) if (home.keys / KEY_FILE).exists() else None
        return verify(copy, [], public_key=key)
    finally:
        copy.dispose()


def _copy_store(source: Path, target: Path) -> None:
    """Copy as of one moment, the log that is not in the file yet included; writers go on."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live,
        closing(sqlite3.connect(target)) as copy,
    ):
        live.backup(copy)
