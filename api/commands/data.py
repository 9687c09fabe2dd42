"""Commands that bring data in and look at them: synth, load, features, verify."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api.commands.common import (
    HomeOption,
    JsonOption,
    UnusedHomeOption,
    emit,
    existing,
    opened,
    progress,
    say,
)
from engine.errors import HomeError

if TYPE_CHECKING:
    from features.history import Tables

IgnoreOption = Annotated[
    str, typer.Option("--ignore-columns", help="Extra columns to pass over, comma-separated.")
]
FormatOption = Annotated[Literal["contract", "kcs"], typer.Option(help="What the files look like.")]


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    crossings: Annotated[int, typer.Option(min=1, help="How many crossings.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal bytes.")] = 1,
    end: Annotated[datetime | None, typer.Option(help="UTC instant the history ends at.")] = None,
    *,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write a synthetic border network as a bulk folder, with its truth kept apart."""
    from datetime import UTC

    from experiments.synth.write import write

    with progress() as told:
        made = write(
            out,
            crossings=crossings,
            seed=seed,
            end=None if end is None else end.replace(tzinfo=UTC),
            progress=lambda done, of: told("crossings", done, of),
        )
    result = {"synthetic": True, "folder": str(out), "rows": dict(made.rows)}

    def text() -> None:
        for name, rows in made.rows.items():
            typer.echo(f"{rows:>10,}  {name}")
        typer.echo(f"SYNTHETIC data in {out}: nothing in them is real")

    emit(result, as_json=as_json, text=text)


def load(
    home: HomeOption,
    folder: Annotated[Path, typer.Argument(help="Bulk folder.")],
    ignore_columns: IgnoreOption = "",
    *,
    format: FormatOption = "contract",  # noqa: A002 - the option's name
    as_json: JsonOption = False,
) -> None:
    """Load history into the home; bad rows are quarantined one by one, none is lost."""
    from features.catalogue import CATALOGUE
    from features.history import epoch
    from features.intake import load as take_in
    from features.loading import open_epoch
    from features.passages import is_current
    from features.plan import Plan

    if not folder.is_dir():
        raise HomeError(folder.name, "no such folder")
    plan = Plan(CATALOGUE)
    with opened(home) as (found, store):
        with progress() as told:
            loaded = take_in(
                found,
                folder,
                format=format,
                ignore_columns=[name for name in ignore_columns.split(",") if name],
                progress=told,
            )
        with store.read() as connection:
            is_known = is_current(connection, epoch(found), plan.digest)
        if not is_known:
            about = {"load": loaded.digest, "rows": dict(loaded.rows), "note": loaded.note}
            open_epoch(found, store, plan, about=about, said=say)

    def text() -> None:
        for name, rows in loaded.accepted.items():
            typer.echo(f"{rows:>10,} accepted {loaded.quarantined[name]:>8,} quarantined  {name}")
        typer.echo(f"quarantine: {loaded.quarantine_file}")
        if not loaded.is_new:
            typer.echo("this load was in the home already: nothing has changed")

    emit(loaded.as_json(), as_json=as_json, text=text)


def features(
    source: Annotated[Path, typer.Argument(help="A bulk folder, or a home.")],
    out: Annotated[Path, typer.Option(help="Parquet file to write.")],
    since: Annotated[
        datetime | None, typer.Option(help="UTC: write crossings known from then on alone.")
    ] = None,
    *,
    format: FormatOption = "contract",  # noqa: A002 - the option's name
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Write the feature matrix of a bulk folder or a home, each row as of its crossing."""
    import time
    from datetime import UTC

    from engine.times import micros
    from experiments.benching import peak_bytes
    from features.catalogue import CATALOGUE
    from features.export import export
    from features.plan import Plan

    started = time.perf_counter()
    with progress() as told:
        made = export(
            lambda: _tables(source, format, told),
            Plan(CATALOGUE),
            out,
            since=None if since is None else micros(since.replace(tzinfo=UTC)),
            progress=told,
        )
    seconds, peak = time.perf_counter() - started, peak_bytes()
    result = {
        "rows": made.rows,
        "features": made.features,
        "definitions": made.definitions,
        "rows_per_second": round(made.rows / seconds),
        "peak_memory_mb": peak >> 20,
        "input_mb": made.input_bytes >> 20,
        "output_mb": made.output_bytes >> 20,
        "peak_per_input_and_output": round(peak / (made.input_bytes + made.output_bytes or 1), 3),
        "synthetic": made.synthetic,
    }

    def text() -> None:
        typer.echo(
            f"{result['rows']:,} crossings × {result['features']} features, "
            f"{result['rows_per_second']:,} crossings/s, peak {result['peak_memory_mb']:,} MB: "
            f"{result['peak_per_input_and_output']} × (input {result['input_mb']:,} MB "
            f"+ output {result['output_mb']:,} MB)"
        )

    emit(result, as_json=as_json, text=text)


def _tables(
    source: Path,
    format: Literal["contract", "kcs"],  # noqa: A002 - the option's name
    told: Callable[[str, int, int], None],
) -> "Tables":
    """Read a bulk folder, or all that a home knows."""
    from features.event_log import read_event_log
    from features.intake import read_folder

    if not source.is_dir():
        raise HomeError(source.name, "no such folder")
    if (source / "history").is_dir():
        with opened(source) as (home, store), store.read() as connection:
            return read_event_log(home, connection)
    return read_folder(source, format=format, progress=told).tables


def verify(
    home: HomeOption,
    receipts: Annotated[Path | None, typer.Option(help="Receipts held elsewhere, JSON.")] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check the journal end to end, and receipts against it."""
    from engine.receipts import open_signer, read_receipts
    from engine.verify import verify as check

    with opened(existing(home)) as (found, store):
        held = [] if receipts is None else list(read_receipts(receipts))
        verdict = check(store, receipts=held, public_key=open_signer(found).public_key)

    result = {
        "ok": verdict.ok,
        "checked": verdict.checked,
        "receipts": len(held),
        "drawn_again": verdict.drawn,
        "faults": [asdict(fault) for fault in verdict.faults],
    }

    def text() -> None:
        for fault in verdict.faults:
            typer.echo(f"record {fault.seq}: {fault.rule}")
        typer.echo(f"{verdict.checked:,} records, {len(held):,} receipts checked")
        typer.echo(f"{verdict.drawn:,} decisions drawn again from revealed seeds")
        typer.echo("the journal is whole" if verdict.ok else "THE JOURNAL HAS BEEN CHANGED")

    emit(result, as_json=as_json, text=text)
    if not verdict.ok:
        raise typer.Exit(1)
