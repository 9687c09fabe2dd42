"""Commands that hold a home against its journal: verify, rebuild."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.common import HomeOption, JsonOption, emit, opened_to_read

if TYPE_CHECKING:
    from api.audit.home_check import HomeVerdict


def verify(
    home: HomeOption,
    receipts: Annotated[Path | None, typer.Option(help="Receipts held elsewhere, JSON.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check the journal end to end, every table and file made from it, and receipts against it."""
    from api.audit.home_check import check_home
    from engine.journal.receipts import read_receipts

    with opened_to_read(home) as (found, store):
        held = [] if receipts is None else list(read_receipts(receipts))
        verdict = check_home(found, store, held)
    emit(_as_json(verdict, len(held)), as_json=as_json, text=lambda: _print(verdict, len(held)))
    if not verdict.ok:
        raise typer.Exit(1)


def _as_json(verdict: "HomeVerdict", receipts: int) -> dict[str, object]:
    return {
        "ok": verdict.ok,
        "checked": verdict.journal.checked,
        "receipts": receipts,
        "drawn_again": verdict.journal.drawn,
        "loads": verdict.loads,
        "bundles": verdict.bundles,
        "tables": verdict.tables,
        "erased": verdict.journal.erased,
        "erasures": list(verdict.journal.erasures),
        "found": verdict.found,
        "faults": [asdict(fault) for fault in verdict.faults],
        "notes": list(verdict.notes),
    }


def _print(verdict: "HomeVerdict", receipts: int) -> None:
    for fault in verdict.faults:
        typer.echo(f"record {fault.seq}: {fault.rule}: {fault.message}")
    if verdict.found > len(verdict.faults):
        typer.echo(f"and {verdict.found - len(verdict.faults):,} more")
    for note in verdict.notes:
        typer.echo(f"note: {note}")
    journal = verdict.journal
    counted = f"{journal.checked:,} records, {receipts:,} receipts, {verdict.loads:,} loads"
    typer.echo(f"{counted} and {verdict.bundles:,} bundles checked")
    rows = sum(verdict.tables.values())
    typer.echo(f"{rows:,} rows of {len(verdict.tables)} tables compared with what records say")
    typer.echo(f"{journal.drawn:,} decisions drawn again from revealed seeds")
    if journal.erased:
        by = ", ".join(map(str, journal.erasures))
        typer.echo(f"{journal.erased:,} bodies are erased, by the signed records {by}")
    typer.echo("all stands as recorded" if verdict.ok else "SOMETHING HAS BEEN CHANGED")


def rebuild(home: HomeOption, *, as_json: JsonOption = False) -> None:
    """Make every table again from the journal, in one transaction; stop the service first."""
    from api.audit.home_rebuild import rebuild_home

    with opened_to_read(home) as (found, store):
        rebuilt = rebuild_home(found, store)
    result = {
        "tables": rebuilt.tables,
        "dropped": [{"table": table, "key": key} for table, key in rebuilt.dropped],
        "notes": list(rebuilt.notes),
    }

    def text() -> None:
        for table, key in rebuilt.dropped:
            typer.echo(f"{table} {key}: its secret did not fit the journal and was dropped")
        for note in rebuilt.notes:
            typer.echo(f"note: {note}")
        rows = sum(rebuilt.tables.values())
        typer.echo(f"{rows:,} rows of {len(rebuilt.tables)} tables made again from the journal")

    emit(result, as_json=as_json, text=text)
