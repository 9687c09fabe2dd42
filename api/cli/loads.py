"""Commands that bring history into a home."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api.cli.common import (
    ByOption,
    HomeOption,
    IgnoreOption,
    JsonOption,
    SettingsOption,
    emit,
    names,
    open_home,
    opened_existing,
    progress,
    say,
    signed_in,
)
from engine.errors import InputError

if TYPE_CHECKING:
    from api.audit.withdrawal import WithdrawalResult
    from engine.storage.database import Store
    from engine.storage.home import Home
    from features.intake.atomic_writer import LoadResult

LoadFormat = Literal["contract", "kcs", "asycuda", "wco", "ncts", "ecmr", "eaeu"]
LoadFormatOption = Annotated[LoadFormat, typer.Option(help="What the files look like.")]


def load(
    home: HomeOption,
    folder: Annotated[Path, typer.Argument(help="Bulk folder, or a folder of messages.")],
    ignore_columns: IgnoreOption = None,
    settings: SettingsOption = None,
    max_bad: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of a file's rows that may be bad.", metavar="SHARE"),
    ] = 1.0,
    out: Annotated[
        Path, typer.Option(help="With --check: where the faults go.", metavar="FILE")
    ] = Path("quarantine.csv"),
    *,
    check: Annotated[bool, typer.Option("--check", help="Read all, and touch no home.")] = False,
    format: LoadFormatOption = "contract",  # noqa: A002 - the option's name
    as_json: JsonOption = False,
) -> None:
    """Load history into the home; bad rows are quarantined one by one, none is lost.

    Ends with 1 where a file has no good row, or more bad ones than --max-bad permits; the good rows
    stay loaded. Standard messages stand next to crossings.csv; their settings are the home's
    messages.toml unless --settings names others.
    """
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder")
    ignored = names(ignore_columns)
    loaded = (
        _check(folder, ignored, settings, kind=format, out=out)
        if check
        else _load(home, folder, ignored, settings, kind=format)
    )
    if loaded.new_posts:
        say(_unknown_posts(loaded.new_posts))
    bad = dict(loaded.list_bad_files(max_bad))
    for file in loaded.accepted:
        _say_what_is_wrong(folder / file, loaded, bad.get(file))
    text = partial(_show_load, loaded, is_checked=check)
    emit(loaded.as_json(), as_json=as_json, text=text, ok=not bad)


def withdraw(
    home: HomeOption,
    load: Annotated[str, typer.Argument(metavar="LOAD", help="What `darvoza load` printed.")],
    by: ByOption,
    why: Annotated[str, typer.Option(help="Why, for the second person.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """Propose that a load leave the history; the same command of a second person withdraws it."""
    from api.audit.withdrawal import WithdrawalSteps
    from api.auth.accounts import Accounts
    from api.service.assembly import open_network

    with opened_existing(home) as (found, store):
        signed_in(found, store, by)
        accounts = Accounts(store, open_network(found))
        done = WithdrawalSteps(found, store, accounts, by).withdraw(load, why, report=say)
    emit(asdict(done), as_json=as_json, text=partial(_show_withdrawal, done))


def _show_withdrawal(done: "WithdrawalResult") -> None:
    for name, rows in done.rows.items():
        typer.echo(f"{rows:>10,}  {name}")
    if done.state == "proposed":
        typer.echo("proposed: nothing has changed yet")
        typer.echo("a second person withdraws the load with the same command within 30 days")
        return
    typer.echo(f"withdrawn by {done.by[1]}, proposed by {done.by[0]}; load the right files now")
    typer.echo("decisions stay as they were; train a new model where one has learnt from this load")


def _check(
    folder: Path, ignored: Sequence[str], settings: Path | None, *, kind: LoadFormat, out: Path
) -> "LoadResult":
    """Read a folder, and write its faults."""
    from features.intake.load import check_folder
    from features.messages.settings import read_settings
    from features.offline.memory_release import pause_collection

    with pause_collection(), progress() as report_progress:
        return check_folder(
            folder,
            out,
            format=kind,
            ignore_columns=ignored,
            progress=report_progress,
            settings=read_settings(settings),
        )


def _load(
    home: Path,
    folder: Path,
    ignored: Sequence[str],
    settings: Path | None,
    *,
    kind: LoadFormat,
) -> "LoadResult":
    """Load a folder, and let counters and links follow."""
    from api.audit.withdrawal import finish_withdrawals
    from api.cli.links import announce_loaded
    from engine.audit.file_anchors import declare_network
    from features.intake.load import load as take_in
    from features.messages.settings import choose_settings
    from features.offline.memory_release import keep_freed_memory, pause_collection

    keep_freed_memory()
    with pause_collection(), open_home(home) as (found, store):
        finish_withdrawals(found, store)
        with progress() as report_progress:
            loaded = take_in(
                found,
                folder,
                format=kind,
                ignore_columns=ignored,
                progress=report_progress,
                announce=partial(_begin, store),
                settings=choose_settings(found, settings),
            )
        declare_network(found, store)
        _fill_counters(found, store, loaded)
        announce_loaded(found, store)
    return loaded


def _fill_counters(home: "Home", store: "Store", loaded: "LoadResult") -> None:
    """Let the counters start from the whole history, unless they do."""
    from features.catalogue.plan import current_plan
    from features.history.tables import epoch, loads
    from features.online.counter_recount import has_other_network
    from features.online.crossing_index import is_current
    from features.online.epoch import open_epoch

    plan = current_plan()
    with store.read() as connection:
        is_known = is_current(connection, epoch(home), plan.digest)
        is_known |= not loads(home)
        if is_known and not has_other_network(connection):
            return
    about = loaded.as_body() if any(loaded.rows.values()) else None
    open_epoch(home, store, plan, about=about, report=say)


def _show_load(loaded: "LoadResult", *, is_checked: bool) -> None:
    for name, rows in loaded.accepted.items():
        typer.echo(f"{rows:>10,} accepted {loaded.quarantined[name]:>8,} quarantined  {name}")
    for name, fields in loaded.placeholders.items():
        for field, rows in fields.items():
            typer.echo(f"{rows:>10,} placeholders, taken as missing  {name} {field}")
    for name, rows in loaded.differences.items():
        what = "document not in the folder" if name == "document" else f"document differs: {name}"
        typer.echo(f"{rows:>10,} {what}")
    typer.echo(f"quarantine: {loaded.quarantine_file}")
    if loaded.digest:
        typer.echo(f"load: {loaded.digest}")
    if is_checked:
        typer.echo("checked: nothing was loaded")
    elif not loaded.is_new:
        typer.echo("this load was in the home already: nothing has changed")


def _say_what_is_wrong(path: Path, loaded: "LoadResult", why: str | None) -> None:
    """Say why a file fails the command, and in which form it is where its rows are bad."""
    from features.intake.dialects import read_dialect

    if why is not None:
        say(f"{path.name}: {why}")
    is_bad = loaded.quarantined[path.name] > loaded.held.get(path.name, 0)
    if is_bad and path.suffix == ".csv" and str(dialect := read_dialect(path)):
        say(f"{path.name}: {dialect}")


def _unknown_posts(posts: Mapping[str, int]) -> str:
    """Return a warning: without a network file a mistyped code is a post like any other."""
    shown = ", ".join(f"{post} (crossings: {rows:,})" for post, rows in list(posts.items())[:20])
    more = f" and {len(posts) - 20:,} more" if len(posts) > 20 else ""
    return f"warning: no network file names these posts, check their codes: {shown}{more}"


def _begin(store: "Store", loaded: "LoadResult") -> None:
    """Record a load before its folder is in place."""
    from engine.journal.journal import Journal
    from engine.journal.kinds import LOAD_BEGUN

    Journal(store).append([LOAD_BEGUN.draft(loaded.digest, loaded.as_body())])
