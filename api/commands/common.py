"""What all commands share: the home, JSON on standard output, progress on standard error."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from api.home import default_root
from api.migrations.upgrade import upgrade
from engine.errors import HomeError
from engine.home import Home
from engine.store import Store

OUT = Console()
ERR = Console(stderr=True)


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
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object and nothing else.")]


def existing(home: Path) -> Path:
    """Return a home that is there; raises ``HomeError``, so that a slip of the pen makes none."""
    if not home.is_dir():
        raise HomeError(home.name, "no such home")
    return home


@contextmanager
def opened(home: Path) -> Iterator[tuple[Home, Store]]:
    """Open a home and its store, made and migrated where they are missing."""
    found = Home(home).prepare()
    store = Store(found.database_url)
    try:
        upgrade(store)
        yield found, store
    finally:
        store.dispose()


def emit(result: Mapping[str, Any], *, as_json: bool, text: Callable[[], None]) -> None:
    """Print a result: as one JSON object, or as ``text`` prints it."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, allow_nan=False) + "\n")
    else:
        text()


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Draw one bar a stage on standard error; call the result with (stage, done, total)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=ERR, transient=not ERR.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield told


def say(what: str) -> None:
    """Say on standard error what goes on."""
    ERR.print(f"[dim]{what}[/dim]", highlight=False)
