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

import importlib.metadata
import re
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, NoReturn

import typer

from api.cli import (
    agencies,
    data,
    demo,
    experiments,
    home,
    impact,
    models,
    profiles,
    proposals,
    sbom,
    service,
)
from engine.area_names import VARIABLE, parse_areas
from engine.errors import RiskError

app = typer.Typer(
    name="darvoza",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    demo.demo,
    data.synth,
    data.load,
    data.withdraw,
    data.features,
    data.sql,
    data.quality,
    models.train,
    models.evaluate,
    models.repeat,
    models.promote,
    models.shadow,
    models.trial,
    models.rollback,
    models.drift,
    models.backtest,
    models.mlflow,
    service.serve,
    home.verify,
    home.rebuild,
    home.recompute,
    home.backup,
    home.subject,
    home.erase,
    impact.impact,
    proposals.propose,
    proposals.approve,
    experiments.bench,
    experiments.simulate,
    experiments.faults,
    sbom.sbom,
)
AREA_COMMANDS = (
    ("seizure_reports", "api.cli.data:extract"),
    ("links", "api.cli.links:links"),
    ("messages", "api.cli.data:translate"),
    ("messages", "api.cli.data:formats"),
    ("sign_on", "api.cli.oidc:oidc"),
    ("exercises", "api.cli.exercises:exercises"),
)
"""An area and its command, or its group of commands; loaded if the area is open."""
for command in COMMANDS:
    app.command()(command)
app.add_typer(profiles.profiles, name="profiles")
app.add_typer(home.clock, name="clock")
app.add_typer(service.keys, name="keys")
app.add_typer(service.users, name="users")
app.add_typer(agencies.agencies, name="agencies")
opened = parse_areas(os.environ.get(VARIABLE))
for _area, place in AREA_COMMANDS:
    if _area not in opened:
        continue
    module, _, name = place.partition(":")
    part = getattr(import_module(module), name)
    if isinstance(part, typer.Typer):
        app.add_typer(part)
    else:
        app.command()(part)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(importlib.metadata.version("darvoza"))
        raise typer.Exit


@app.callback()
def show_version(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Risk scoring for cargo and vehicle inspection targeting."""


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
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in LAYERS or not name:
            raise
        _refuse(f"this command needs {name}, which is not installed: {_name_source(name)}")


LAYERS = frozenset({"engine", "features", "models", "experiments", "api"})
_IMPORTED_AS = {"scikit-learn": "sklearn"}


def _name_source(module: str) -> str:
    """Return how a library that is missing is installed: by an extra, or set-up."""
    extras = set()
    for line in importlib.metadata.requires("darvoza") or ():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        if _IMPORTED_AS.get(name, name) == module:
            extras |= set(re.findall(r"extra == '(\w+)'", line))
    if extras:
        extra = "train" if "train" in extras else min(extras)
        return f"the extra '{extra}' brings it, pip install 'darvoza[{extra}]'"
    return "make setup in the tree installs it"


def _refuse(why: str) -> NoReturn:
    typer.echo(f"{typer.style('refused', fg='red', bold=True)} {why}", err=True)
    sys.exit(1)
