"""``darvoza faults``: what a real service keeps of its promises when things go wrong."""

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api.cli.common import JsonOption, UnusedHomeOption, emit, progress, say

if TYPE_CHECKING:
    from experiments.faults.service_process import Forker

Fault = Literal[
    "kill", "duplicate", "disk-full", "store-restart", "swap", "bundle", "memory", "strangers"
]


def faults(
    fault: Annotated[Fault, typer.Argument(help="What is done to the service.")],
    trials: Annotated[
        int | None, typer.Option(min=1, help="How often; as often as it is worth by default.")
    ] = None,
    *,
    planted: Annotated[
        bool,
        typer.Option(
            "--planted", help="Run the negative control: a seeded bug that must be caught."
        ),
    ] = False,
    rules_only: Annotated[
        bool, typer.Option("--rules-only", help="Without a model in force.")
    ] = False,
    _home: UnusedHomeOption,
    as_json: JsonOption = False,
) -> None:
    """Do something bad to a real service; exit status 1 where a promise was broken."""
    from api.harness.fault_runner import TRIALS, FaultRun, run

    number = trials or TRIALS[fault]
    if fault == "disk-full":
        more = ["--planted"] * planted + ["--json"] * as_json + ["--rules-only"] * rules_only
        _on_a_small_disk(["--trials", str(number), *more])
    say("a SYNTHETIC network in a scratch home")
    with progress() as bar, forker() as forks:
        result = partial(bar, f"fault {fault}")
        order = FaultRun(fault, number, planted, result, is_modelled=not rules_only)
        counts = run(order, forks)

    def text() -> None:
        for name, value in counts.as_dict().items():
            typer.echo(f"{name:>14}  {value}")

    for what, times in counts.why.items():
        if times:
            say(f"{times} of {what}")
    emit(counts.as_dict(), as_json=as_json, text=text)
    if not counts.holds:
        raise typer.Exit(1)


def forker() -> "Forker":
    """Return a process that starts services, to be closed."""
    from experiments.faults.service_process import Forker

    return Forker([sys.executable, "-m", "api.harness.fork_server"])


def _on_a_small_disk(options: Sequence[str]) -> None:
    """Do all of it in a namespace with a small disk, unless this is it or there is none."""
    from experiments.faults.full_disk import on_a_small_disk, small_disk

    if small_disk() is not None:
        return
    status = on_a_small_disk([sys.executable, "-m", "api", "faults", "disk-full", *options])
    if status is not None:
        raise typer.Exit(status)
    say("no namespace is to be had here: the service's files are kept from growing instead")
