"""The command line: ``darvoza COMMAND``.

Exit status: 0 done, 1 a check failed or a refusal, 2 wrong usage, 3 the other side of a link was
not reached. Results go to standard output, everything else to standard error.
"""

import gc
import os

# What is imported is no garbage: looking for some takes a tenth of a start.
gc.disable()
# One thread for numerics, before numpy is imported: two would fight over two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
from collections.abc import Callable
from typing import NoReturn

import typer
from rich.markup import escape

from api.areas import list_doors
from api.cli import (
    agencies,
    data,
    demo,
    experiments,
    home,
    loads,
    models,
    profiles,
    sbom,
    service,
    training,
)
from api.cli.common import ERR
from engine.errors import RiskError
from engine.journal.areas import load_part

app = typer.Typer(
    name="darvoza",
    help="Risk scoring for cargo and vehicle inspection targeting.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    demo.demo,
    data.synth,
    loads.load,
    loads.withdraw,
    data.features,
    data.sql,
    data.quality,
    training.train,
    training.evaluate,
    training.repeat,
    training.promote,
    models.shadow,
    models.trial,
    models.rollback,
    models.drift,
    training.backtest,
    training.mlflow,
    service.serve,
    home.verify,
    home.rebuild,
    home.backup,
    home.subject,
    home.erase,
    experiments.bench,
    experiments.simulate,
    experiments.faults,
    sbom.sbom,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(profiles.profiles, name="profiles")
app.add_typer(home.clock, name="clock")
app.add_typer(service.keys, name="keys")
app.add_typer(service.users, name="users")
app.add_typer(agencies.agencies, name="agencies")
for doors in list_doors():
    for part in map(load_part, doors.commands):
        if isinstance(part, typer.Typer):
            app.add_typer(part)
        else:
            app.command()(part)
gc.freeze()  # else the first look would be at all of it
gc.enable()


def main() -> None:
    """Run a command; a refusal is one sentence on standard error."""
    try:
        app()
    except RiskError as error:
        _refuse(str(error))
    except OSError as error:
        # Of a path that was given. What names none, such as a closed line, is a fault of ours.
        if error.filename is None:
            raise
        _refuse(f"{error.filename}: {error.strerror}")


def _refuse(why: str) -> NoReturn:
    text = escape(why)
    ERR.print(f"[bold red]refused[/bold red] {text}", highlight=False, soft_wrap=True, emoji=False)
    sys.exit(1)
