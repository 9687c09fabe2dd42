"""Conventions of all commands: the home, JSON on standard output, progress on standard error."""

import getpass
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.domain.time_units import micros
from engine.errors import HomeError, InputError, NotAllowedError, NotAuthenticatedError
from engine.storage.home import Home, default_root
from engine.storage.worker_process import PROGRESS_FILE

if TYPE_CHECKING:
    from rich.table import Table

    from api.auth.accounts import Accounts
    from api.proposals.desk import ProposalDesk
    from engine.storage.database import Store

TOLD_SECONDS = 0.5
"""How often a command says how far it is to a service that runs it."""


HomeOption = Annotated[
    Path,
    typer.Option("--home", help="The home directory.", default_factory=default_root, metavar="DIR"),
]
UnusedHomeOption = Annotated[
    Path,
    typer.Option(
        "--home",
        help="Taken by every command; this one touches no home.",
        default_factory=default_root,
        metavar="DIR",
    ),
]
PoliteOption = Annotated[bool, typer.Option("--polite", hidden=True)]
"""Given by a service that runs the command for a caller."""
Opener = Callable[[Path], AbstractContextManager[tuple[Home, "Store"]]]
ReportProgress = Callable[[str, int, int], None]
"""Takes a stage, how much of it is done, and of how much."""
ByOption = Annotated[str, typer.Option("--as", help="Your name; your password is asked for.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object and nothing else.")]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore-columns", help="Extra columns to pass over, comma-separated or one at a time."
    ),
]

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="National settings, a TOML file.", metavar="FILE")
]


def instant(text: str) -> int:
    """Read a date (midnight UTC) or a time, UTC where it names no offset; microseconds."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a date such as 2026-01-31, or an RFC 3339 time") from None
    return micros(found if found.tzinfo else found.replace(tzinfo=UTC))


def names(columns: Sequence[str] | None) -> list[str]:
    """Return the columns that ``--ignore-columns`` names, however often it is given."""
    return [name for part in columns or () for name in part.split(",") if name]


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun, which takes an ``s`` unless there is one."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def require_folder_of(file: Path) -> Path:
    """Return a file to write; raises ``InputError`` before the work is done, not after it."""
    if not file.parent.is_dir():
        raise InputError(str(file.parent), "no such folder")
    return file


def require_home(home: Path) -> Path:
    """Return a home that holds a store; raises ``HomeError``, so that a slip of the pen makes none.

    A store on PostgreSQL is looked at when it is opened.
    """
    if not home.is_dir():
        raise HomeError(str(home), "no such home")
    file = Home(home).store_file
    if file is not None and not file.is_file():
        raise HomeError(str(home), "not a home: it holds no store")
    return home


@contextmanager
def open_home(home: Path) -> Iterator[tuple[Home, "Store"]]:
    """Open a home and its store, made and migrated where they are missing.

    Raises ``HomeError`` where the home has records and lost the keys that go with them.
    """
    from api.service.readiness import open_keys
    from engine.storage.database import Store

    found = Home(home).prepare()
    warn_if_exposed(found)
    with Store(found.database_url) as store:
        _bring_up(store)
        open_keys(found, store)
        yield found, store


@contextmanager
def opened_existing(home: Path) -> Iterator[tuple[Home, "Store"]]:
    """Open a home that is there, to change what it holds; raises ``HomeError`` for any other."""
    _require_tables(Home(require_home(home).absolute()))
    with open_home(home) as found:
        yield found


@contextmanager
def opened_to_read(home: Path) -> Iterator[tuple[Home, "Store"]]:
    """Open a home that is there, and make nothing: no folder, no key, no table of a new store.

    A store of an older version is brought to the newest one, because only that can be read.
    """
    from engine.storage.database import Store

    found = find_home(home)
    with Store(found.database_url) as store:
        _bring_up(store)
        yield found, store


def find_home(home: Path) -> Home:
    """Return a home that is there, and change nothing in it; raises ``HomeError`` for any other."""
    os.umask(0o077)  # reports are written next to it
    found = Home(require_home(home).absolute())
    warn_if_exposed(found)
    _require_tables(found)
    return found


@contextmanager
def open_accounts(
    home: Path, opened: Opener = opened_existing
) -> Iterator[tuple[Home, "Accounts"]]:
    """Open a home and the keys and people in it."""
    from api.auth.accounts import Accounts
    from engine.audit.file_anchors import open_network
    from engine.journal.areas import open_key_carrier

    with opened(home) as (found, store):
        yield found, Accounts(store, open_network(found, store), nodes=open_key_carrier(found))


def _require_tables(home: Home) -> None:
    """Raise ``HomeError`` where a store has no tables; ``NotAllowedError`` in a training home."""
    from api.migrations.upgrade import read_version
    from engine.journal.journal import require_sort
    from engine.storage.database import Store

    with Store(home.database_url) as store:
        if read_version(store) is None:
            raise HomeError(str(home.root), "not a home: its store has no tables")
        require_sort(store, training=False)


def _bring_up(store: "Store") -> None:
    """Bring a store's tables to the newest version, and say so where they were older."""
    from api.migrations.upgrade import newest, read_version, upgrade

    before = read_version(store)
    if before is not None and before < newest():
        say(f"bringing the tables of version {before} to {newest()}; the way back is a backup")
    upgrade(store)


def warn_if_exposed(home: Home) -> None:
    """Name what other accounts can read of a home and this one may not close."""
    if names := home.exposed():
        warning = typer.style("warning", fg="yellow")
        typer.echo(
            f"{warning} other accounts can read {', '.join(names)} of {home.root}: chmod go-rwx",
            err=True,
        )


def signed_in(home: Home, store: "Store", name: str) -> None:
    """Ask a person for their password, unless it is at hand; raises ``NotAllowedError``."""
    from api.auth.accounts import Accounts
    from api.auth.throttles import CommandThrottle
    from engine.audit.file_anchors import open_network

    password = os.environ.get("DARVOZA_PASSWORD") or _ask_password(name)
    throttle = CommandThrottle(home)
    throttle.begin()
    try:
        Accounts(store, open_network(home, store)).sign_in(name, password)
    except NotAuthenticatedError:
        raise NotAllowedError("no person has this name and this password") from None
    throttle.succeed()


def _ask_password(name: str) -> str:
    """Ask on the terminal, without echo; raises ``NotAllowedError`` where there is none."""
    try:
        with warnings.catch_warnings():
            # Without a terminal it would be read from standard input, and shown.
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass(f"password of {name}: ")
    except getpass.GetPassWarning:
        raise NotAllowedError(
            f"no terminal to ask for the password of {name}: set DARVOZA_PASSWORD"
        ) from None


@contextmanager
def open_desk(home: Path, by: str) -> Iterator["ProposalDesk"]:
    """Open what takes the steps of a person who knows their password, as the service has it."""
    from api.auth.callers import call_as
    from api.proposals.desk import ProposalDesk
    from api.service.assembly import open_runtime
    from api.service.model_watch import HomeModels
    from api.service.settings import Settings

    with opened_existing(home) as (found, store):
        signed_in(found, store, by)
    runtime = open_runtime(found, Settings(), HomeModels(found), is_serving=False)
    try:
        authority = runtime.accounts.look()
        if (person := authority.person(by)) is None:
            raise NotAllowedError("no person has this name and this password")
        caller = call_as(person, authority)
        yield ProposalDesk(runtime, caller, is_command=True, report=say)
    finally:
        runtime.close()


def step_back(*, if_polite: bool) -> None:
    """Let decisions go first, where a running service asked for this."""
    if if_polite:
        from engine.storage.worker_process import NICENESS

        os.nice(NICENESS)


def emit(
    result: Mapping[str, Any],
    *,
    as_json: bool,
    text: str | Callable[[], None],
    ok: bool = True,
) -> None:
    """Print a result: as one JSON object, or as ``text`` is or prints it; exit 1 if not ``ok``."""
    if as_json:
        found = json.dumps(result, ensure_ascii=False, allow_nan=False, default=asdict)
        sys.stdout.write(found + "\n")
    elif isinstance(text, str):
        typer.echo(text)
    else:
        text()
    if not ok:
        raise typer.Exit(1)


@contextmanager
def progress() -> Iterator[ReportProgress]:
    """Draw one bar a stage on standard error; call the result with (stage, done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}
        file, told = os.environ.get(PROGRESS_FILE), 0.0

        def update(stage: str, done: int, total: int) -> None:
            nonlocal told
            if file and (done == total or time.monotonic() - told > TOLD_SECONDS):
                told = time.monotonic()
                write_whole(Path(file), json.dumps({"stage": stage, "done": done, "of": total}))
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield update


def write_whole(target: Path, text: str) -> None:
    """Write a file whole or not at all: the service may read it at any time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    draft.write_text(text, "utf-8")
    draft.replace(target)


def say(what: str) -> None:
    """Say on standard error what goes on."""
    typer.secho(what, dim=True, err=True)


def print_table(table: "Table") -> None:
    """Print a table on standard output."""
    from rich.console import Console

    Console().print(table)
